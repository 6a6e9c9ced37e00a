"""A ticket clock told event by event: what its events count as, its pauses, and where its business time lies.

The models keep of a clock what it measured, not each step. The steps are derived here again from the ticket's
events and the clause's rules, by the same definitions (``dbt_project/DECISIONS.md``, 7 to 11 and 71); a test
holds that they add up to what the models measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DAY_US = 86_400_000_000
_MOST_PIECES = 6


@dataclass(frozen=True)
class Event:
    """An event of a ticket: its place in the order of events, its instant in microseconds, what it set."""

    event_no: int
    event_us: int
    field: str
    value: str | None


@dataclass(frozen=True)
class Rule:
    """A condition of a clause: the role it plays when a field takes the value, any value when None."""

    role: str
    field: str
    value: str | None

    def is_met_by(self, event: Event) -> bool:
        """Whether an event is one that the rule names; a field that is emptied takes no value."""
        if event.field != self.field:
            return False
        return event.value == self.value if self.value is not None else event.value != ""


@dataclass(frozen=True)
class Stretch:
    """A stretch ``[from_us, to_us)`` in microseconds, and what it is due to."""

    from_us: int
    to_us: int
    reason: str


def roles_of(event: Event, rules: Iterable[Rule]) -> list[str]:
    """The roles that an event plays under a clause, in the order in which they count."""
    order = ("start", "stop", "pause", "resume", "reopen", "reset")
    met = {rule.role for rule in rules if rule.is_met_by(event)}
    return [role for role in order if role in met]


def pauses_of(
    events: Sequence[Event],
    rules: Sequence[Rule],
    excluded: Sequence[Stretch],
    *,
    started_us: int,
    ended_us: int,
    resumes_when_reopened: bool,
) -> list[Stretch]:
    """The stretches in which a clock did not run, in order and apart: reasons that overlap pause once.

    Args:
        events: of the ticket, in their order.
        rules: of the clause.
        excluded: stretches that were excluded by decision.
        started_us: when the clock started.
        ended_us: when it stopped, else the instant it is looked at.
        resumes_when_reopened: whether the clause does not count the time between a stop and a reopening.
    """
    reasons = list(excluded)
    reasons += _turns(events, rules, ended_us) if _has(rules, "resume") else _held(events, rules, ended_us)
    if resumes_when_reopened:
        reasons += _halts(events, rules, ended_us)
    clipped = [Stretch(max(r.from_us, started_us), min(r.to_us, ended_us), r.reason) for r in reasons]
    pauses: list[Stretch] = []
    covered = started_us
    for one in sorted(clipped, key=lambda one: (one.from_us, one.to_us)):
        if one.to_us > max(covered, one.from_us):
            pauses.append(Stretch(max(one.from_us, covered), one.to_us, one.reason))
            covered = one.to_us
    return pauses


def _has(rules: Sequence[Rule], role: str) -> bool:
    return any(rule.role == role for rule in rules)


def _held(events: Sequence[Event], rules: Sequence[Rule], ended_us: int) -> list[Stretch]:
    """A pause holds while its field holds the value."""
    pausing = [rule for rule in rules if rule.role == "pause"]
    stretches = []
    for field in sorted({rule.field for rule in pausing}):
        held = [event for event in events if event.field == field and event.event_us < ended_us]
        for number, event in enumerate(held):
            to_us = held[number + 1].event_us if number + 1 < len(held) else ended_us
            if event.value and any(rule.is_met_by(event) for rule in pausing):
                stretches.append(Stretch(event.event_us, to_us, f"{field} = {event.value}"))
    return stretches


def _turns(events: Sequence[Event], rules: Sequence[Rule], ended_us: int) -> list[Stretch]:
    """Where the clause says what ends a pause, events begin and end it."""
    stretches = []
    began: Event | None = None
    for event in events:
        roles = [role for role in roles_of(event, rules) if role in {"pause", "resume"}]
        if event.event_us >= ended_us or not roles:
            continue
        if roles[0] == "pause" and began is None:
            began = event
        elif roles[0] == "resume" and began is not None:
            stretches.append(Stretch(began.event_us, event.event_us, _told(began)))
            began = None
    if began is not None:
        stretches.append(Stretch(began.event_us, ended_us, _told(began)))
    return stretches


def _halts(events: Sequence[Event], rules: Sequence[Rule], ended_us: int) -> list[Stretch]:
    """Between a stop and the reopening after it."""
    stretches = []
    running, halted_us = False, None
    for event in events:
        roles = roles_of(event, rules)
        if event.event_us >= ended_us:
            break
        if not running and halted_us is None:
            running = "start" in roles
        if running and "stop" in roles:
            running, halted_us = False, event.event_us
        elif halted_us is not None and not running and "reopen" in roles and "stop" not in roles:
            stretches.append(Stretch(halted_us, event.event_us, "stopped until it was reopened"))
            running, halted_us = True, None
    return stretches


def _told(event: Event) -> str:
    return event.field if event.value is None else f"{event.field} = {event.value}"


def running_stretches(from_us: int, to_us: int, pauses: Sequence[Stretch]) -> list[tuple[int, int]]:
    """The stretches ``[from, to)`` in which a clock ran, pauses taken out."""
    stretches = []
    for pause in pauses:
        if pause.from_us > from_us:
            stretches.append((from_us, min(pause.from_us, to_us)))
        from_us = max(from_us, pause.to_us)
        if from_us >= to_us:
            break
    if from_us < to_us:
        stretches.append((from_us, to_us))
    return [(start, end) for start, end in stretches if start < end]


def open_pieces(day: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Open pieces ``[open, close)`` of a row of ``reference.calendar_days``, in microseconds since 1970."""
    begins = day["day_no"] * DAY_US
    pieces = [(day[f"open_{n}_us"], day[f"close_{n}_us"]) for n in range(1, _MOST_PIECES + 1)]
    pieces += list(zip(day["more_opens_us"] or (), day["more_closes_us"] or (), strict=True))
    return [(begins + opens, begins + closes) for opens, closes in pieces if opens is not None]


def open_us(from_us: int, to_us: int, days: Mapping[int, Mapping[str, Any]]) -> int | None:
    """Business microseconds of a stretch, by the rows of its first and last UTC day; None outside them."""
    edges = []
    for at_us in (from_us, to_us):
        day = days.get(at_us // DAY_US)
        if day is None:
            return None
        passed = (max(0, min(at_us, closes) - opens) for opens, closes in open_pieces(day))
        edges.append(int(day["open_before_us"]) + sum(passed))
    return edges[1] - edges[0]
