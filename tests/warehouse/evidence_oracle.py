"""What an auditor does with what ``avoir explain`` shows: work it out again from raw payloads alone.

Written for the contracts of the demo's small world (two vendors, three clauses each) and for nothing else, in
plain Python: no table, no model and no rule of the project is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

from avoir.settings import DEMO_AS_OF

PARIS = ZoneInfo("Europe/Paris")
# Public holidays of France from April to July 2026; the bridge day is of Helios' contract.
HOLIDAYS = {date(2026, month, day) for month, day in ((4, 6), (5, 1), (5, 8), (5, 14), (5, 25), (7, 14))}
CLOSED = {"helios": {*HOLIDAYS, date(2026, 5, 15)}, "borealis": {*HOLIDAYS, date(2026, 4, 3)}}
OPEN = {
    weekday: [(time(9), time(12, 30)), (time(13, 30), time(17) if weekday == 4 else time(18))]
    for weekday in range(5)
}
NOTICE = {"helios": timedelta(hours=72), "borealis": timedelta(hours=120)}
ITEM = {"helios": "PLT", "borealis": "HOST"}
PACE = timedelta(minutes=5)

Stretch = tuple[datetime, datetime]


def measured_value(explained: dict) -> Fraction:
    """The measure of a line, from the payloads that are shown."""
    by_indicator = {"clock": clock_seconds, "availability": availability_pct, "milestone": delay_days}
    return by_indicator[explained["line"]["indicator"]](explained)


def base_amount(explained: dict) -> Decimal | None:
    """The base of the price, from the invoice lines that are shown."""
    kind, vendor = explained["line"]["base_kind"], explained["line"]["vendor_id"]
    if kind is None:
        return None
    lines = payloads(explained, "invoice_line")
    assert lines
    total = Decimal(0)
    for line in lines:
        if "net_amount" in line:
            if kind == "month_invoice" or line["item_id"] == ITEM[vendor]:
                total += Decimal(line["net_amount"])
        elif kind == "month_invoice":
            total += Decimal(line["amount"]) * (-1 if line["kind"] == "allowance" else 1)
    return total


def payloads(explained: dict, kind: str) -> list[dict]:
    """Payloads of the raw rows of one kind, as the vendor gave them."""
    return [one["payload"] for one in explained["raw"] if one["evidence_kind"] == kind]


def instant(text: str) -> datetime:
    """An instant as ServiceNow or Prometheus gives it."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# --- First response ---------------------------------------------------------------------------------------


def clock_seconds(explained: dict) -> Fraction:
    (ticket,) = payloads(explained, "ticket")
    changes = sorted(
        (one for one in payloads(explained, "ticket_change") if one["fieldname"] == "hold_reason"),
        key=lambda one: (instant(one["sys_created_on"]), int(one["record_checkpoint"])),
    )
    opened = instant(ticket["opened_at"])
    answers = [
        instant(one["sys_created_on"])
        for one in payloads(explained, "ticket_comment")
        if one["element"] == "comments" and one["sys_created_by"] not in {"system", ticket["caller_id"]}
    ]
    answered = min(at for at in answers if at >= opened)
    # What the field held at first is the old value of its first change, else its present one.
    steps = [(opened, changes[0]["oldvalue"] if changes else ticket["hold_reason"])]
    steps += [(instant(one["sys_created_on"]), one["newvalue"]) for one in changes]
    ends = [at for at, _ in steps[1:]] + [answered]
    paused = [(at, end) for (at, value), end in zip(steps, ends, strict=True) if value == "1"]
    running = without([(opened, answered)], [(max(a, opened), min(b, answered)) for a, b in paused])
    vendor = explained["line"]["vendor_id"]
    spent = timedelta(0)
    for start, end in running:
        spent += end - start if vendor == "borealis" else office_time(start, end)
    return Fraction(spent // timedelta(microseconds=1), 1_000_000)


def office_time(start: datetime, end: datetime) -> timedelta:
    """Time of a stretch within Helios' opening hours."""
    spent = timedelta(0)
    day = start.astimezone(PARIS).date()
    while day <= end.astimezone(PARIS).date():
        if day.weekday() in OPEN and day not in CLOSED["helios"]:
            for opens, closes in OPEN[day.weekday()]:
                begins = max(start, datetime.combine(day, opens, PARIS).astimezone(UTC))
                ends = min(end, datetime.combine(day, closes, PARIS).astimezone(UTC))
                spent += max(ends - begins, timedelta(0))
        day += timedelta(days=1)
    return spent


# --- Availability -----------------------------------------------------------------------------------------


def availability_pct(explained: dict) -> Fraction:
    vendor, month = explained["line"]["vendor_id"], date.fromisoformat(explained["line"]["origin_month_date"])
    following = (month + timedelta(days=32)).replace(day=1)
    whole = tuple(datetime.combine(day, time(0), PARIS).astimezone(UTC) for day in (month, following))
    samples = sorted((instant(one["sampled_at"]), one["value"] > 0) for one in payloads(explained, "sample"))
    held = PACE * 3 / 2
    # Between which samples nobody looked is told; both of them must be shown.
    gaps = [
        (instant(one["from_at"]), instant(one["to_at"]))
        for one in explained["fact"]["stretches"]
        if instant(one["to_at"]) - instant(one["from_at"]) > held
    ]
    seen = {at for at, _ in samples}
    assert all({start, end} <= seen for start, end in gaps)
    down = [
        (at, min(following_at, at + held))
        for (at, is_up), (following_at, _) in pairwise(samples)
        if not is_up
    ]
    assert samples[-1][1], "the last sample ends what came before"
    unknown = [(start + held, end) for start, end in gaps]
    planned = [
        (instant(one["begin_at"]), instant(one["end_at"]))
        for one in payloads(explained, "planned_work")
        if instant(one["sys_created_on"]) <= instant(one["begin_at"]) - NOTICE[vendor]
    ]
    scope = without([whole], planned)
    if vendor == "helios":
        scope = without(scope, without(unknown, down))
    else:
        down = [*down, *unknown]
    total, lost = length(scope), length(scope) - length(without(scope, down))
    return 100 * Fraction((total - lost) // timedelta(microseconds=1), total // timedelta(microseconds=1))


def without(stretches: Iterable[Stretch], holes: Iterable[Stretch]) -> list[Stretch]:
    """Stretches that lie apart, with holes taken out."""
    left = list(stretches)
    for begins, ends in holes:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, begins)), (max(start, ends), end))
            if piece[0] < piece[1]
        ] if begins < ends else left  # fmt: skip
    return left


def length(stretches: Iterable[Stretch]) -> timedelta:
    return sum((end - start for start, end in stretches), timedelta(0))


# --- Releases ---------------------------------------------------------------------------------------------


def delay_days(explained: dict) -> Fraction:
    (release,) = payloads(explained, "release")
    vendor = explained["line"]["vendor_id"]
    changes = sorted(payloads(explained, "release_change"), key=lambda one: instant(one["sys_created_on"]))
    dates = [one for one in changes if one["fieldname"] == "end_date"]
    approvals = [
        instant(one["sys_created_on"])
        for one in changes
        if one["fieldname"] == "approval" and one["newvalue"] == "approved"
    ]
    plans = [(instant(release["sys_created_on"]), dates[0]["oldvalue"] if dates else release["end_date"])]
    plans += [(instant(one["sys_created_on"]), one["newvalue"]) for one in dates]
    due: date | None = None
    for number, (requested, text) in enumerate(plans):
        replaced = plans[number + 1][0] if number + 1 < len(plans) else datetime.max.replace(tzinfo=UTC)
        if not any(requested <= at < replaced for at in approvals):
            continue
        if due is None or requested.astimezone(PARIS).date() <= due - timedelta(days=10):
            due = instant(text).astimezone(PARIS).date()
    assert due is not None
    # One that is not delivered is late up to the instant that the world is looked at.
    delivered = (instant(release["work_end"]) if release["work_end"] else DEMO_AS_OF).astimezone(PARIS).date()
    late = [due + timedelta(days=n) for n in range(1, (delivered - due).days + 1)]
    if vendor == "borealis":
        late = [day for day in late if day.weekday() < 5 and day not in CLOSED["borealis"]]
    return Fraction(len(late))
