"""Tickets and their history: ordinary traffic with seasons, and the cases that clocks get wrong.

Every vendor and month draws from its own stream of the seed, so a world of fewer months or vendors holds
the same tickets. ``EDGE_CASES`` are told by hand, one function each, and visit every vendor in turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta

from avoir.demo.calendars import OpenHours
from avoir.demo.history import Change, Note, Row, Step, Tables, replay, sys_id
from avoir.demo.months import Month, as_servicenow, local_epoch
from avoir.demo.vendors import FIRST_MONTH, SUPPORT_SERVICE, Vendor

NEW, IN_PROGRESS, ON_HOLD, RESOLVED, CLOSED = "1", "2", "3", "6", "7"
AWAITING_CALLER, AWAITING_VENDOR = "1", "4"
MINUTE, HOUR, DAY = 60, 3600, 86400

_SUBJECTS = (
    "Cannot sign in to the claims portal",
    "Mailbox over quota",
    "Printer on floor 2 jams",
    "VPN drops every hour",
    "Shared drive is read-only",
    "New starter needs an account",
    "Report shows yesterday's figures",
    "Laptop does not wake up",
    "Export to spreadsheet fails",
    "Two-factor code never arrives",
    "Screen flickers on the docking station",
    "Meeting room has no sound",
)
_CALLERS = (
    "a.perrin",
    "b.moreau",
    "c.lambert",
    "d.faure",
    "e.girard",
    "f.roussel",
    "g.blanc",
    "h.nguyen",
    "i.costa",
)
_CATEGORIES = ("software", "hardware", "network", "inquiry")
_CHANNELS = ("self-service", "email", "phone", "chat")


@dataclass
class Draft:
    """A ticket being told: where it starts, then step after step. Instants are seconds since 1970."""

    created: int
    caller: str
    agent: str
    subject: str
    channel: str = "self-service"
    priority: str = "3"
    group: str = "Service desk"
    category: str = "software"
    business_service: str = SUPPORT_SERVICE
    state: str = NEW
    hold_reason: str = ""
    steps: list[Step] = field(default_factory=list)

    def change(self, at: int, user: str | None = None, **fields: str) -> None:
        self.steps.append(Change(at, user or self.agent, fields))

    def hold(self, at: int, reason: str) -> None:
        self.change(at, state=ON_HOLD, hold_reason=reason)

    def resume(self, at: int, user: str | None = None) -> None:
        self.change(at, user, state=IN_PROGRESS, hold_reason="")

    def public(self, at: int, text: str, user: str | None = None) -> None:
        self.steps.append(Note(at, user or self.agent, "comments", text))

    def private(self, at: int, text: str) -> None:
        self.steps.append(Note(at, self.agent, "work_notes", text))

    def answer(self, at: int) -> None:
        self.public(at, "Hello, I have taken your request and am looking into it.")

    def auto_reply(self) -> None:
        self.public(
            self.created + 2, "We have received your request. This is an automatic reply.", user="system"
        )


@dataclass(frozen=True)
class Desk:
    """What a teller of tickets knows: the vendor, the month, the hours and targets then in force."""

    vendor: Vendor
    month: Month
    hours: OpenHours
    target: int
    rng: random.Random

    def at(self, day: date, clock: str) -> int:
        return local_epoch(day, time.fromisoformat(clock), self.vendor.zone)

    def business_day(self, after_day: int = 1) -> date:
        """The first business day of the month with hours on ``after_day`` or later, that is no half day."""
        day = self.month.first_day + timedelta(days=after_day - 1)
        while not self.hours.is_business_day(day) or day in self.hours.terms.half_days:
            day += timedelta(days=1)
        return day

    def opening(self, day: date) -> int:
        """First opening of a business day; eight in the morning where it is always open."""
        return self.at(day, "08:00") if self.hours.terms.always else self.hours.pieces(day)[0][0]

    def closing(self, day: date) -> int:
        """End of the day's first open piece."""
        return self.at(day, "18:00") if self.hours.terms.always else self.hours.pieces(day)[0][1]

    def draft(self, created: int) -> Draft:
        agents = [f"{name}.{self.vendor.vendor_id}" for name in ("amar", "bea", "carl", "dina", "emil")]
        draft = Draft(
            created=created,
            caller=self.rng.choice(_CALLERS),
            agent=self.rng.choice(agents),
            subject=self.rng.choice(_SUBJECTS),
            channel=self.rng.choice(_CHANNELS),
            priority=self.rng.choice("23344"),
            category=self.rng.choice(_CATEGORIES),
        )
        if self.vendor.sends_auto_replies:
            draft.auto_reply()
        return draft


def _finish(desk: Desk, draft: Draft, answered: int) -> None:
    """Work after the first response: holds, comments, resolution, closure, now and then a reopening."""
    rng = desk.rng
    draft.change(answered + rng.randint(1, 600), state=IN_PROGRESS, assigned_to=draft.agent)
    at = answered + rng.randint(15 * MINUTE, 3 * HOUR)
    if rng.random() < 0.3:
        reason = rng.choice((AWAITING_CALLER, AWAITING_VENDOR))
        draft.hold(at, reason)
        at += rng.randint(HOUR, 30 * HOUR)
        if reason == AWAITING_CALLER:
            draft.public(at, "Here is what you asked for.", user=draft.caller)
        draft.resume(at + 1, "system" if reason == AWAITING_CALLER else None)
    if rng.random() < 0.12:
        draft.change(at + 5, assignment_group="Applications second line")
    resolved = at + round(rng.lognormvariate(9.0, 1.0))
    draft.public(resolved, "Solved. Please tell us if anything remains.")
    draft.change(
        resolved, state=RESOLVED, resolved_at=as_servicenow(resolved), close_code="Solved (Permanently)"
    )
    if rng.random() < 0.04:
        again = resolved + rng.randint(HOUR, 2 * DAY)
        draft.public(again, "It is back.", user=draft.caller)
        draft.change(again, draft.caller, state=IN_PROGRESS, resolved_at="", close_code="", reopen_count="1")
        resolved = again + rng.randint(HOUR, 2 * DAY)
        draft.change(
            resolved, state=RESOLVED, resolved_at=as_servicenow(resolved), close_code="Solved (Permanently)"
        )
    closed = resolved + 5 * DAY
    draft.change(closed, "system", state=CLOSED, closed_at=as_servicenow(closed), active="false")


def _ordinary(desk: Desk, created: int) -> Draft:
    rng, target = desk.rng, desk.target
    draft = desk.draft(created)
    if rng.random() < desk.vendor.miss_rate:
        worked = target + MINUTE + round(rng.expovariate(1 / target))
    else:
        worked = round(target * 0.97 * rng.betavariate(1.6, 2.8))
    if rng.random() < 0.3:
        draft.private(desk.hours.after(created, worked // 3), "Looks like the usual one; checking the logs.")
    if rng.random() < 0.12:
        draft.change(desk.hours.after(created, worked // 4), assignment_group="Applications second line")
    if rng.random() < 0.08:
        draft.change(desk.hours.after(created, worked // 2), priority=rng.choice("124"))
    if rng.random() < 0.1:
        draft.public(created + rng.randint(20, 300), "It also happens to my colleague.", user=draft.caller)
    kind = rng.random()
    if kind < 0.10:
        answered = _answered_after_hold(desk, draft, worked, AWAITING_CALLER)
    elif kind < 0.14:
        answered = _answered_after_hold(desk, draft, worked, AWAITING_VENDOR)
    else:
        answered = desk.hours.after(created, worked)
    if not desk.hours.is_open(created) and rng.random() < 0.15:
        answered = min(answered, created + rng.randint(2 * MINUTE, HOUR))
        draft.steps = [step for step in draft.steps if step.at <= answered]
    draft.answer(answered)
    _finish(desk, draft, answered)
    return draft


def _answered_after_hold(desk: Desk, draft: Draft, worked: int, reason: str) -> int:
    """Put on hold before the answer. Awaiting the caller stops the clock; awaiting the vendor does not."""
    rng = desk.rng
    held = desk.hours.after(draft.created, worked // 3)
    length = round(rng.choice((12 * MINUTE, HOUR, 5 * HOUR, 20 * HOUR)) * rng.uniform(0.5, 1.5))
    draft.hold(held, reason)
    if reason == AWAITING_CALLER:
        draft.resume(held + length)
        return desk.hours.after(held + length, worked - worked // 3)
    answered = desk.hours.after(draft.created, worked)
    draft.resume(answered)
    return answered


# Cases that clocks get wrong. Each tells one ticket; the name says what it is about.


def exactly_on_target(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(4)) + 7 * MINUTE + 13)
    draft.answer(desk.hours.after(draft.created, desk.target))
    return draft


def one_second_late(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(9)) + 11 * MINUTE + 29)
    draft.answer(desk.hours.after(draft.created, desk.target + 1))
    return draft


def target_reached_at_closing_and_answered_at_the_next_opening(desk: Desk) -> Draft:
    draft = desk.draft(desk.closing(desk.business_day(10)) - desk.target)
    closing = draft.created + desk.target
    draft.answer(closing if desk.hours.terms.always else desk.hours.next_opening(draft.created))
    return draft


def answered_in_the_second_of_creation(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(12)) + HOUR)
    draft.channel = "phone"
    draft.steps = []
    draft.answer(draft.created)
    return draft


def created_at_night_and_answered_before_opening(desk: Desk) -> Draft:
    day = desk.business_day(13)
    draft = desk.draft(desk.at(day, "05:10:00"))
    draft.answer(desk.at(day, "05:25:00"))
    return draft


def created_on_sunday(desk: Desk) -> Draft:
    day = desk.month.first_day
    while day.weekday() != 6:
        day += timedelta(days=1)
    draft = desk.draft(desk.at(day, "16:45:30"))
    draft.answer(desk.hours.after(draft.created, desk.target // 2))
    return draft


def resumed_and_answered_in_the_same_second(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(15)) + 5 * MINUTE)
    held = desk.hours.after(draft.created, desk.target - 10)
    draft.hold(held, AWAITING_CALLER)
    draft.resume(held + 26 * HOUR)
    draft.answer(held + 26 * HOUR)
    return draft


def hold_reason_changed_twice_in_one_second(desk: Desk) -> Draft:
    """Awaiting the caller for no time at all: the second ends awaiting the vendor, and the clock runs on."""
    draft = desk.draft(desk.opening(desk.business_day(16)) + 20 * MINUTE)
    for step in range(8 - len(draft.steps)):  # puts the tie at checkpoints 9 and 10: text sorts them wrongly
        draft.private(draft.created + 10 + step, f"Diagnostic step {step + 1} done.")
    held = desk.hours.after(draft.created, desk.target // 4)
    draft.hold(held, AWAITING_CALLER)
    draft.hold(held, AWAITING_VENDOR)
    answered = desk.hours.after(draft.created, desk.target - 60)
    draft.resume(answered)
    draft.answer(answered)
    return draft


def created_on_hold(desk: Desk) -> Draft:
    """Opened by an agent who already waits for the caller: no audit row says that the hold began."""
    draft = desk.draft(desk.opening(desk.business_day(17)) + 2 * MINUTE)
    draft.channel, draft.state, draft.hold_reason = "phone", ON_HOLD, AWAITING_CALLER
    resumed = draft.created + 3 * HOUR
    draft.resume(resumed)
    draft.answer(desk.hours.after(resumed, desk.target // 3))
    return draft


def held_over_night(desk: Desk) -> Draft:
    draft = desk.draft(desk.closing(desk.business_day(18)) - 10 * MINUTE)
    draft.hold(draft.created + 4 * MINUTE, AWAITING_CALLER)
    resumed = draft.created + 18 * HOUR
    draft.resume(resumed)
    draft.answer(desk.hours.after(resumed, desk.target // 2))
    return draft


def customer_and_vendor_comment_in_the_same_second(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(19)) + 40 * MINUTE)
    answered = desk.hours.after(draft.created, desk.target - 5 * MINUTE)
    draft.public(answered, "Any news?", user=draft.caller)
    draft.answer(answered)
    return draft


def private_note_in_time_but_public_answer_late(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(20)) + 15 * MINUTE)
    draft.private(desk.hours.after(draft.created, 5 * MINUTE), "Took it over from the night shift.")
    draft.answer(desk.hours.after(draft.created, desk.target + 12 * MINUTE))
    return draft


def created_in_the_last_second_of_the_month(desk: Desk) -> Draft:
    draft = desk.draft(desk.month.bounds(desk.vendor.zone)[1] - 1)
    draft.steps = []
    draft.answer(desk.hours.after(draft.created, desk.target // 2))
    return draft


def created_in_the_first_second_of_the_month(desk: Desk) -> Draft:
    draft = desk.draft(desk.month.bounds(desk.vendor.zone)[0])
    draft.answer(desk.hours.after(draft.created, desk.target // 3))
    return draft


def held_for_the_caller_and_never_resumed(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(6)) + 30 * MINUTE)
    draft.hold(desk.hours.after(draft.created, desk.target // 2), AWAITING_CALLER)
    return draft


def never_answered(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(21)) + 33 * MINUTE)
    draft.private(draft.created + HOUR, "Nobody on the team knows this application.")
    return draft


def about_another_service(desk: Desk) -> Draft:
    draft = desk.draft(desk.opening(desk.business_day(7)) + 25 * MINUTE)
    draft.business_service = desk.rng.choice(("facility-management", "", desk.vendor.monitor))
    draft.answer(desk.hours.after(draft.created, 3 * desk.target))
    return draft


EdgeCase = Callable[[Desk], Draft]

_EVERY_FEW_MONTHS: tuple[tuple[EdgeCase, int], ...] = (
    # (case, period in months): rarer where a case costs the vendor money
    (exactly_on_target, 2),
    (one_second_late, 9),
    (target_reached_at_closing_and_answered_at_the_next_opening, 4),
    (answered_in_the_second_of_creation, 5),
    (created_at_night_and_answered_before_opening, 6),
    (created_on_sunday, 3),
    (resumed_and_answered_in_the_same_second, 5),
    (hold_reason_changed_twice_in_one_second, 6),
    (created_on_hold, 6),
    (held_over_night, 5),
    (customer_and_vendor_comment_in_the_same_second, 4),
    (private_note_in_time_but_public_answer_late, 11),
    (created_in_the_last_second_of_the_month, 3),
    (created_in_the_first_second_of_the_month, 4),
    (held_for_the_caller_and_never_resumed, 13),
    (never_answered, 13),
    (about_another_service, 1),
)
EDGE_CASES: Mapping[str, EdgeCase] = {case.__name__: case for case, _ in _EVERY_FEW_MONTHS}


def clock_change_days(vendor: Vendor, month: Month) -> list[date]:
    """Local dates of the month on which the zone's offset changes."""
    days = [month.first_day + timedelta(days=day) for day in range(month.days)]
    midnights = [local_epoch(day, time(0), vendor.zone) for day in (*days, month.plus(1).first_day)]
    lengths = zip(days, midnights, midnights[1:], strict=False)
    return [day for day, start, end in lengths if end - start != DAY]


def _around_clock_changes(desk: Desk) -> list[Draft]:
    """Tickets over the night that the clocks change: in its strange hour, and from Friday to Monday."""
    drafts = []
    for day in clock_change_days(desk.vendor, desk.month):
        friday_evening = desk.draft(desk.at(day - timedelta(days=2), "22:15:00"))
        friday_evening.answer(desk.hours.after(friday_evening.created, desk.target - 90))
        before_change = desk.draft(desk.at(day, "00:50:00"))
        before_change.answer(desk.hours.after(before_change.created, desk.target - 1))
        after_change = desk.draft(desk.at(day, "00:50:00") + 2 * HOUR)
        after_change.hold(after_change.created + 5 * MINUTE, AWAITING_CALLER)
        after_change.resume(after_change.created + 4 * HOUR)
        after_change.answer(desk.hours.after(after_change.created + 4 * HOUR, desk.target // 2))
        drafts += [friday_evening, before_change, after_change]
    return drafts


def _creation(desk: Desk) -> int:
    """A moment in the month: business days first, mornings first, one in six out of hours."""
    rng = desk.rng
    days = [desk.month.first_day + timedelta(days=day) for day in range(desk.month.days)]
    weights = [1.0 if day.weekday() < 5 else desk.vendor.weekend_share for day in days]
    weights = [
        weight if desk.hours.is_business_day(day) else weight * 0.15
        for day, weight in zip(days, weights, strict=True)
    ]
    day = rng.choices(days, weights)[0]
    if desk.hours.terms.always or rng.random() < 0.17 or not desk.hours.is_business_day(day):
        midnight = local_epoch(day, time(0), desk.vendor.zone)
        return midnight + rng.randrange(23 * HOUR)
    pieces = desk.hours.pieces(day)
    opens, closes = pieces[0][0], pieces[-1][1]
    return opens + int((closes - opens) * rng.betavariate(1.3, 1.8))


def tell_month(vendor: Vendor, month: Month, hours: OpenHours, target: int, seed: int) -> list[Draft]:
    """Every ticket of one vendor and month, in the order of creation."""
    desk = Desk(vendor, month, hours, target, random.Random(f"{seed}/{vendor.vendor_id}/tickets/{month}"))
    volume = round(
        vendor.tickets_per_month * vendor.seasons.get(month.month, 1.0) * desk.rng.uniform(0.94, 1.06)
    )
    number = (month.year - FIRST_MONTH.year) * 12 + month.month + sum(map(ord, vendor.vendor_id))
    cases = [
        case for index, (case, period) in enumerate(_EVERY_FEW_MONTHS) if (number + 5 * index) % period == 0
    ]
    drafts = [case(desk) for case in cases] + _around_clock_changes(desk)
    drafts += [_ordinary(desk, _creation(desk)) for _ in range(volume - len(drafts))]
    return sorted(drafts, key=lambda draft: draft.created)


def still_running(vendor: Vendor, hours: OpenHours, target: int, seed: int, as_of: int) -> list[Draft]:
    """Tickets that nobody has answered yet at ``as_of``: one with time left, one past its target."""
    day = as_of - DAY
    desk = Desk(vendor, Month(2026, 7), hours, target, random.Random(f"{seed}/{vendor.vendor_id}/running"))
    past = desk.draft(hours.after(day - DAY, 1) - 1)
    return [past, desk.draft(_latest_with_less_than(hours, as_of, target // 2))]


def _latest_with_less_than(hours: OpenHours, as_of: int, open_seconds: int) -> int:
    """An instant before ``as_of``, on whole minutes back, from which that much open time has passed."""
    start = as_of
    while hours.open_between(start, as_of) < open_seconds:
        start -= MINUTE
    return start


def add_tickets(
    tables: Tables, vendor: Vendor, month: Month, drafts: list[Draft], seed: int, as_of: int
) -> None:
    """Write drafts into the tables as the Table API would show them at ``as_of``."""
    offset = ((month.year - FIRST_MONTH.year) * 12 + month.month + 11) * 1000
    for index, draft in enumerate(drafts):
        phoned = draft.channel == "phone"
        opened_by = draft.agent if phoned else draft.caller
        first_state: Row = {
            "sys_id": sys_id(seed, vendor.vendor_id, "incident", month, index),
            "number": f"INC{offset + index + 1:07d}",
            "short_description": draft.subject,
            "opened_at": as_servicenow(draft.created),
            "state": draft.state,
            "hold_reason": draft.hold_reason,
            "priority": draft.priority,
            "severity": "3",
            "category": draft.category,
            "assignment_group": draft.group,
            "assigned_to": "",
            "business_service": draft.business_service,
            "caller_id": draft.caller,
            "opened_by": opened_by,
            "contact_type": draft.channel,
            "resolved_at": "",
            "closed_at": "",
            "close_code": "",
            "reopen_count": "0",
            "active": "true",
        }
        replay(tables, "incident", first_state, draft.created, opened_by, draft.steps, as_of)
