"""Ticket clocks: events in their order, runs, cycles, pauses, and the phases that decide.

Everything is a list of events or of half-open intervals in microseconds, read off one ticket's history from
the beginning, for each version of the contract by its own rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil

from avoir.contracts.model import (
    Clause,
    ClockCondition,
    ClockIndicator,
    Contract,
    PriorityChange,
    ReopenPolicy,
    TicketField,
    TicketOfTest,
    WorkedTest,
)
from tests.oracle.business_time import (
    BusinessTime,
    Interval,
    business_time,
    clipped,
    instant_us,
    local_date,
    united,
    without,
)
from tests.oracle.seen import Exclusion, Part, Window, excluded_time
from tests.oracle.verdicts import (
    UNIT_US,
    Event,
    judged_event,
    level_of_event,
    outcome_of_event,
    unit_of_event,
)

FIELDS_WITH_A_VALUE = frozenset(field for field in TicketField if field.holds_a_value)

# --- A ticket's history -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TicketEvent:
    """Something that happened to a ticket: a field took a value, or an instant's event."""

    at_us: int
    field: TicketField
    value: str

    def answers(self, conditions: Sequence[ClockCondition]) -> bool:
        """Whether it is what any of the conditions waits for; a field that is emptied takes no value."""
        return any(
            self.field is condition.field
            and (
                self.field not in FIELDS_WITH_A_VALUE
                or (bool(self.value) if condition.value is None else self.value == condition.value)
            )
            for condition in conditions
        )


def history_of(ticket: TicketOfTest, window: Window) -> list[TicketEvent]:
    """Return what has happened, in order.

    Within one instant (DECISIONS 11): creation, values at creation, the customer, changes of fields, the
    vendor and the system; what is alike in the order of the file, but for values at creation, of which no
    system keeps an order: these by the names of their fields.
    """
    events = [
        TicketEvent(instant_us(event.at, window.zone), event.field, event.value or "")
        for event in ticket.events
    ]
    created_us = events[0].at_us
    initial: set[TicketField] = set()
    ranked: list[tuple[int, int, str, TicketEvent]] = []
    for event in events:
        if event.field is TicketField.CREATED:
            rank = 0
        elif event.field is TicketField.PUBLIC_COMMENT_CUSTOMER:
            rank = 2
        elif event.field not in FIELDS_WITH_A_VALUE:
            rank = 4
        elif event.at_us == created_us and event.field not in initial:
            initial.add(event.field)
            rank = 1
        else:
            rank = 3
        if event.at_us < window.as_of_us:
            ranked.append((event.at_us, rank, str(event.field) if rank == 1 else "", event))
    return [event for *_, event in sorted(ranked, key=lambda one: one[:3])]


def priority_at(events: Sequence[TicketEvent], at_us: int) -> str:
    """Return the priority held after all events of an instant; empty when none is."""
    held = [e.value for e in events if e.field is TicketField.PRIORITY and e.at_us <= at_us]
    return held[-1] if held else ""


def changes_of_priority(events: Sequence[TicketEvent]) -> set[int]:
    """Return the instants of events that changed the priority."""
    changed: set[int] = set()
    held = ""
    for event in events:
        if event.field is TicketField.PRIORITY and event.value != held:
            changed.add(event.at_us)
            held = event.value
    return changed


# --- Pauses -----------------------------------------------------------------------------------------------


def pauses_of(events: Sequence[TicketEvent], indicator: ClockIndicator, as_of_us: int) -> list[Interval]:
    """Return when the ticket is paused, over its whole history: by what a field holds, or between events."""
    if indicator.resume:
        return _paused_by_events(events, indicator, as_of_us)
    intervals: list[Interval] = []
    for condition in indicator.pause:
        of_field = [event for event in events if event.field is condition.field]
        ends = [*(event.at_us for event in of_field[1:]), as_of_us]
        intervals += [
            (event.at_us, end_us)
            for event, end_us in zip(of_field, ends, strict=False)
            if event.answers([condition])
        ]
    return intervals


def _paused_by_events(
    events: Sequence[TicketEvent], indicator: ClockIndicator, as_of_us: int
) -> list[Interval]:
    intervals: list[Interval] = []
    since_us: int | None = None
    for event in events:
        if event.answers(indicator.pause):  # What matches both is a pause.
            since_us = event.at_us if since_us is None else since_us
        elif since_us is not None and event.answers(indicator.resume):
            intervals.append((since_us, event.at_us))
            since_us = None
    return intervals if since_us is None else [*intervals, (since_us, as_of_us)]


# --- Runs and cycles --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """From a start or a reopening to the next stop; ``stop_us`` is None while it runs."""

    start_us: int
    stop_us: int | None


def runs_of(events: Sequence[TicketEvent], indicator: ClockIndicator) -> list[Run]:
    """Return the runs of a ticket, in order; none while it has not started."""
    runs: list[Run] = []
    is_running = False
    for event in events:
        is_stop = event.answers(indicator.stop)
        if not runs:
            is_running = event.answers(indicator.start)
            runs += [Run(event.at_us, None)] if is_running else []
        elif not is_running and indicator.reopen is not None and not is_stop:
            is_running = event.answers(indicator.reopen.on)
            runs += [Run(event.at_us, None)] if is_running else []
        if is_running and is_stop:
            runs[-1] = Run(runs[-1].start_us, event.at_us)
            is_running = False
    return runs


def cycles_of(runs: Sequence[Run], indicator: ClockIndicator, hours: BusinessTime) -> list[list[Run]]:
    """Return the runs by the cycle they belong to."""
    cycles = [[run] for run in runs[:1]]
    for before, run in pairwise(runs):
        assert indicator.reopen is not None
        assert before.stop_us is not None
        policy = indicator.reopen.policy
        if policy is ReopenPolicy.JOIN_WITHIN:
            assert indicator.reopen.within is not None
            within = indicator.reopen.within
            joins = (
                hours.between(before.stop_us, run.start_us) <= Fraction(within.size) * UNIT_US[within.unit]
            )
        else:
            joins = policy is ReopenPolicy.RESUME
        if joins:
            cycles[-1].append(run)
        else:
            cycles.append([run])
    return cycles


# --- Phases -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phase:
    """A part of a cycle with a target of its own.

    It counts from ``counts_from_us``, which may lie before its own beginning; ``time_us`` is the open time
    from there to ``ends_us`` less pauses. ``measure``, ``judged`` and ``level`` are in the clause's unit.
    """

    counts_from_us: int
    ends_us: int
    time_us: int
    measure: Fraction
    judged: Fraction
    level: Fraction | None
    is_kept: bool


@dataclass(frozen=True)
class _Cut:
    at_us: int
    is_reset: bool


def _cuts(events: Sequence[TicketEvent], clause: Clause, cycle: Interval) -> list[_Cut]:
    indicator = clause.indicator
    assert isinstance(indicator, ClockIndicator)
    resets = {event.at_us for event in events if event.answers(indicator.reset)}
    changes: set[int] = set()
    if indicator.priority_change in {PriorityChange.RESTART, PriorityChange.RETROACTIVE}:
        changes = changes_of_priority(events)
    within = sorted(at_us for at_us in resets | changes if cycle[0] < at_us < cycle[1])
    return [_Cut(at_us, at_us in resets) for at_us in within]


def phases_of(
    events: Sequence[TicketEvent],
    clause: Clause,
    cycle: Interval,
    hours: BusinessTime,
    pauses: Sequence[Interval],
) -> list[Phase]:
    """Return the phases of a cycle ``[start, stop or as_of)``, in order; ``pauses`` are a union."""
    indicator = clause.indicator
    assert isinstance(indicator, ClockIndicator)
    cuts = _cuts(events, clause, cycle)
    phases: list[Phase] = []
    counts_from_us = cycle[0]
    for cut, ends_us in zip(
        [_Cut(cycle[0], is_reset=True), *cuts], [*(cut.at_us for cut in cuts), cycle[1]], strict=True
    ):
        if cut.is_reset or indicator.priority_change is PriorityChange.RESTART:
            counts_from_us = cut.at_us
        is_kept_priority = indicator.priority_change in {None, PriorityChange.KEEP}
        level = level_of_event(clause, priority_at(events, cycle[0] if is_kept_priority else cut.at_us))
        counted = counts_from_us, ends_us
        time_us = hours.between(*counted) - hours.of(clipped(pauses, counted))
        measure = Fraction(time_us, UNIT_US[unit_of_event(clause)])
        judged, is_kept = judged_event(clause, measure, level)
        phases.append(Phase(counts_from_us, ends_us, time_us, measure, judged, level, is_kept))
    return phases


def deciding(phases: Sequence[Phase]) -> Phase:
    """Return the breached phase that lies furthest beyond its target, of equals the latest; else the last."""
    decides = phases[-1]
    furthest: Fraction | None = None
    for phase in phases:
        if not phase.is_kept and phase.level is not None:
            excess = phase.judged - phase.level
            if furthest is None or excess >= furthest:
                decides, furthest = phase, excess
    return decides


def due_us(phase: Phase, clause: Clause, hours: BusinessTime, pauses: Sequence[Interval]) -> int | None:
    """Return the earliest instant at which a phase's time reaches its target; None without a target.

    Where it had not by its end: as if the clock had run on from there without a pause.
    """
    if phase.level is None:
        return None
    left_us = ceil(phase.level * UNIT_US[unit_of_event(clause)])
    if left_us <= 0:
        return phase.counts_from_us
    if phase.time_us < left_us:
        return hours.instant_after(phase.ends_us, left_us - phase.time_us)
    counted = united(hours.open_in(phase.counts_from_us, phase.ends_us))
    for start_us, end_us in without(counted, united(clipped(pauses, (phase.counts_from_us, phase.ends_us)))):
        if left_us <= end_us - start_us:
            return start_us + left_us
        left_us -= end_us - start_us
    msg = "the time of a phase is the length of what it counts"
    raise AssertionError(msg)


# --- Clocks -----------------------------------------------------------------------------------------------


def clocks(
    contract: Contract, test: WorkedTest, window: Window, exclusions: Sequence[Exclusion]
) -> list[Event]:
    """Return every cycle of every ticket under every clause of its service.

    Each version computes all cycles by its own rules and keeps those that start while it is in force.
    """
    measured: list[Event] = []
    versions = {part.version_no: part.stage for part in window.parts}
    for ticket in test.tickets:
        events = history_of(ticket, window)
        for stage in versions.values():
            for clause in stage.clauses.values():
                indicator = clause.indicator
                if not isinstance(indicator, ClockIndicator) or clause.service != ticket.service:
                    continue
                hours = business_time(stage.calendars[indicator.calendar])
                cycles = cycles_of(runs_of(events, indicator), indicator, hours)
                for number, runs in enumerate(cycles, start=1):
                    part = window.part_on(local_date(runs[0].start_us, window.zone))
                    if part is not None and part.stage is stage:
                        clock = _clock(ticket.ticket, events, runs, number, clause, part, window, exclusions)
                        measured.append(clock)
    return measured


def _clock(
    ticket: str,
    events: Sequence[TicketEvent],
    runs: Sequence[Run],
    cycle_no: int,
    clause: Clause,
    part: Part,
    window: Window,
    exclusions: Sequence[Exclusion],
) -> Event:
    indicator = clause.indicator
    assert isinstance(indicator, ClockIndicator)
    hours = business_time(part.stage.calendars[indicator.calendar])
    stop_us = runs[-1].stop_us
    cycle = runs[0].start_us, window.as_of_us if stop_us is None else stop_us
    standing = pauses_of(events, indicator, window.as_of_us) + excluded_time(exclusions, clause, part.stage)
    if indicator.reopen is not None and indicator.reopen.policy is ReopenPolicy.RESUME:
        standing += [(before.stop_us or 0, after.start_us) for before, after in pairwise(runs)]
    pauses = united(clipped(standing, cycle))
    phases = phases_of(events, clause, cycle, hours, pauses)
    decides = deciding(phases)
    is_excluded = any(x.ticket == ticket and x.touches(clause, part.stage) for x in exclusions)
    return Event(
        clause=clause,
        part=part,
        subject=ticket,
        instant_us=cycle[0],
        measure=decides.measure,
        judged=decides.judged,
        level=decides.level,
        is_over=stop_us is not None,
        is_excluded=is_excluded,
        outcome=outcome_of_event(
            clause, is_kept=decides.is_kept, is_over=stop_us is not None, is_excluded=is_excluded
        ),
        cycle_no=cycle_no,
        phase_no=phases.index(decides) + 1,
        phase_count=len(phases),
        business_us=decides.time_us,
        due_us=due_us(decides, clause, hours, pauses),
    )
