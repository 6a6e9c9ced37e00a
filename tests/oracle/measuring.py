"""What happened, measured: clocks, milestones, availabilities, figures of the month, and the money of bases.

:func:`measured` reads one contract and one of its worked tests. Instants are microseconds since the epoch,
measures are exact fractions in the unit of the objective. The rules are those of docs/contract-format.md and
dbt_project/DECISIONS.md, whose numbers stand beside what they decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, floor

from avoir.contracts.model import (
    Aggregation,
    AvailabilityIndicator,
    Base,
    Clause,
    ClockCondition,
    ClockIndicator,
    Contract,
    DayKind,
    FixedFee,
    MilestoneIndicator,
    Operator,
    ReleaseOfTest,
    Rounding,
    RoundingMode,
    TicketField,
    TicketOfTest,
    Unit,
    UnknownPolicy,
    WorkedTest,
)
from avoir.contracts.resolving import Inherited, inherit
from tests.oracle.business_time import (
    SECOND_US,
    BusinessTime,
    Interval,
    business_time,
    clipped,
    instant_us,
    length_us,
    local_date,
    midnight_us,
    month_after,
    month_of,
    united,
    without,
)

UNIT_US = {Unit.SECONDS: SECOND_US, Unit.MINUTES: 60 * SECOND_US, Unit.HOURS: 3600 * SECOND_US}
FIELDS_WITH_A_VALUE = frozenset(field_ for field_ in TicketField if field_.holds_a_value)

# --- Numbers ----------------------------------------------------------------------------------------------


def rounded(value: Fraction, digits: int, mode: RoundingMode) -> Fraction:
    """Round a value that is not negative to so many digits after the point."""
    scaled = value * 10**digits
    if mode is RoundingMode.DOWN:
        whole = floor(scaled)
    elif mode is RoundingMode.UP:
        whole = ceil(scaled)
    else:
        whole = floor(scaled + Fraction(1, 2))
    return Fraction(whole, 10**digits)


def rounded_as_agreed(value: Fraction, rounding: Rounding | None) -> Fraction:
    """Return the value that is judged and banded: as measured, unless the contract rounds first."""
    return value if rounding is None else rounded(value, rounding.digits, rounding.mode)


def stands(value: Fraction, operator: Operator, level: Fraction) -> bool:
    """Whether a measure keeps a promise."""
    return {
        Operator.AT_MOST: value <= level,
        Operator.LESS_THAN: value < level,
        Operator.AT_LEAST: value >= level,
        Operator.MORE_THAN: value > level,
    }[operator]


# --- The time that a test sees ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """The days of one version in one month: ``[first, end)``, and the same as local midnights."""

    stage: Inherited
    month: date
    first: date
    end: date
    starts_us: int
    ends_us: int

    @property
    def version_no(self) -> int:
        """Number of the version."""
        return self.stage.version.version

    @property
    def days(self) -> int:
        """Days in force, whether or not they have passed."""
        return (self.end - self.first).days


@dataclass(frozen=True)
class Window:
    """The local months that a test sees, ``as_of`` (what happens at or after it has not happened), and the
    parts of the versions in these months, in order.
    """

    zone: str
    months: tuple[date, ...]
    as_of_us: int
    parts: tuple[Part, ...]

    def part_on(self, day: date) -> Part | None:
        """Return the version's part in which a date lies: the version in force decides (DECISIONS 4)."""
        return next((part for part in self.parts if part.first <= day < part.end), None)

    def of_month(self, month: date) -> list[Part]:
        """Return a month's parts in the order of time."""
        return [part for part in self.parts if part.month == month]

    def days_in_force(self, month: date) -> int:
        """Return the days of a month in which the contract was in force."""
        return sum(part.days for part in self.of_month(month))


def window_of(contract: Contract, test: WorkedTest) -> Window:
    """Return what a test sees: the months from the first to the last that it names.

    Raises:
        ValueError: it names none.
    """
    zone = contract.timezone
    days = set(_days_named(test, zone))
    if not days:
        msg = f"the test {test.name!r} names no date"
        raise ValueError(msg)
    first, last = month_of(min(days)), month_of(max(days))
    if test.as_of is not None:
        as_of_us = instant_us(test.as_of, zone)
    else:
        as_of_us = midnight_us(month_after(last), zone)
    months = [first]
    while months[-1] < last:
        months.append(month_after(months[-1]))
    parts: list[Part] = []
    for stage in inherit(contract):
        for month in months:
            begins = max(stage.version.effective_from, month)
            ends = min(stage.valid_to, month_after(month))
            if begins < ends:
                bounds = midnight_us(begins, zone), midnight_us(ends, zone)
                parts.append(Part(stage, month, begins, ends, *bounds))
    parts.sort(key=lambda part: part.first)
    return Window(zone, tuple(months), as_of_us, tuple(parts))


def _days_named(test: WorkedTest, zone: str) -> Iterator[date]:
    """Yield a day of each month that a test names; announcements, indices and ``as_of`` name none."""
    for ticket in test.tickets:
        for event in ticket.events:
            yield local_date(instant_us(event.at, zone), zone)
    stretches = [*test.downtime, *test.probes, *test.maintenance]
    stretches += [excluded for excluded in test.exclusions if excluded.from_ is not None]
    for stretch in stretches:
        yield local_date(instant_us(stretch.from_, zone), zone)
        # An interval does not hold its end: until the first midnight of April names March.
        yield local_date(instant_us(stretch.to, zone) - 1, zone)
    for release in test.releases:
        yield from filter(None, (release.due, release.delivered))
        for replan in release.replans:
            yield from filter(None, (replan.requested, replan.approved, replan.due))
    months = {invoice.month for invoice in test.invoices}
    months |= {row.month for row in test.expect if row.month is not None}
    yield from (date.fromisoformat(f"{month}-01") for month in months)


# --- What is left out -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exclusion:
    """An accepted claim: one ticket, one release, or a stretch of a service's time."""

    ground: str
    ticket: str | None
    release: str | None
    service: str | None
    stretch: Interval | None

    def touches(self, clause: Clause, stage: Inherited) -> bool:
        """Whether its ground is one of the version's and covers the clause."""
        ground = stage.terms.exclusions.get(self.ground)
        return ground is not None and (not ground.clauses or clause.id in ground.clauses)


def exclusions_of(contract: Contract, test: WorkedTest, window: Window) -> list[Exclusion]:
    """Return the claims that count: those of the test at once, those of the file once accepted."""
    accepted = [
        decision
        for decision in contract.exclusion_decisions
        if midnight_us(decision.accepted_on, window.zone) <= window.as_of_us
    ]
    exclusions: list[Exclusion] = []
    for claim in [*accepted, *test.exclusions]:
        stretch = None
        if claim.from_ is not None and claim.to is not None:
            stretch = instant_us(claim.from_, window.zone), instant_us(claim.to, window.zone)
        exclusions.append(Exclusion(claim.ground, claim.ticket, claim.release, claim.service, stretch))
    return exclusions


def _excluded_time(exclusions: Iterable[Exclusion], clause: Clause, stage: Inherited) -> list[Interval]:
    return united(
        exclusion.stretch
        for exclusion in exclusions
        if exclusion.stretch is not None
        and exclusion.service == clause.service
        and exclusion.touches(clause, stage)
    )


# --- Events: clocks and milestones ------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """A ticket's clock or a release under one clause.

    ``measure`` is the time or delay so far, in the unit of the objective (of a ratio: of its target);
    ``judged`` the same as the contract rounds it. ``is_over`` once it can no longer grow. ``outcome`` is None
    where only the month's figure has a verdict (average and percentile).
    """

    clause: Clause
    part: Part
    subject: str
    instant_us: int
    business_us: int | None
    delay_days: int | None
    measure: Fraction
    judged: Fraction
    is_over: bool
    is_excluded: bool
    outcome: str | None

    @property
    def month(self) -> date:
        """The month it belongs to: of the start of a clock, of the validated due date."""
        return self.part.month


def _verdict_of_event(
    clause: Clause, measure: Fraction, *, is_over: bool, is_excluded: bool
) -> tuple[Fraction, str | None]:
    """Return the value judged and the outcome: a breach is not put off by leaving it open (DECISIONS 12)."""
    objective = clause.objective
    if objective.aggregation is Aggregation.EACH:
        judged = rounded_as_agreed(measure, objective.rounding_before_banding)
        kept = stands(judged, objective.operator, Fraction(objective.value))
    else:
        judged = measure
        kept = objective.target is None or measure <= Fraction(objective.target.value)
    if is_excluded:
        return judged, "excluded"
    if objective.aggregation in {Aggregation.AVERAGE, Aggregation.PERCENTILE}:
        return judged, None
    if not kept:
        return judged, "breached"
    return judged, "met" if is_over else "running"


def _unit_of_event(clause: Clause) -> Unit:
    objective = clause.objective
    return objective.unit if objective.target is None else objective.target.unit


@dataclass(frozen=True)
class _TicketEvent:
    at_us: int
    field: TicketField
    value: str

    def answers(self, condition: ClockCondition) -> bool:
        """Whether it is what a condition waits for; a field that is emptied takes no value."""
        if self.field is not condition.field:
            return False
        if self.field not in FIELDS_WITH_A_VALUE:
            return True
        return bool(self.value) if condition.value is None else self.value == condition.value


def _events_until(ticket: TicketOfTest, window: Window) -> list[_TicketEvent]:
    """Return what has happened, in order; events of one instant in the order of the file (DECISIONS 11)."""
    events = [_TicketEvent(instant_us(e.at, window.zone), e.field, e.value or "") for e in ticket.events]
    return sorted((e for e in events if e.at_us < window.as_of_us), key=lambda e: e.at_us)


def _paused(
    events: Sequence[_TicketEvent], conditions: Sequence[ClockCondition], end_us: int
) -> list[Interval]:
    """Return when a field holds a value that pauses: from the event that set it to the field's next event."""
    intervals: list[Interval] = []
    for condition in conditions:
        of_field = [event for event in events if event.field is condition.field]
        for position, event in enumerate(of_field):
            until_us = of_field[position + 1].at_us if position + 1 < len(of_field) else end_us
            if event.answers(condition):
                intervals.append((event.at_us, until_us))
    return intervals


def clocks(
    contract: Contract, test: WorkedTest, window: Window, exclusions: Sequence[Exclusion]
) -> list[Event]:
    """Return the clock of every ticket under every clause of its service (DECISIONS 4, 6, 7, 9)."""
    measured_clocks: list[Event] = []
    versions = {part.version_no: part.stage for part in window.parts}
    for ticket in test.tickets:
        events = _events_until(ticket, window)
        for stage in versions.values():
            for clause in stage.clauses.values():
                indicator = clause.indicator
                if not isinstance(indicator, ClockIndicator) or clause.service != ticket.service:
                    continue
                start = next((e for e in events if any(e.answers(c) for c in indicator.start)), None)
                if start is None:
                    continue
                part = window.part_on(local_date(start.at_us, window.zone))
                if part is None or part.stage is not stage:
                    continue
                measured_clocks.append(
                    _clock(ticket.ticket, events, start.at_us, clause, part, window, exclusions)
                )
    return measured_clocks


def _clock(
    ticket: str,
    events: Sequence[_TicketEvent],
    start_us: int,
    clause: Clause,
    part: Part,
    window: Window,
    exclusions: Sequence[Exclusion],
) -> Event:
    indicator = clause.indicator
    assert isinstance(indicator, ClockIndicator)
    stop_us = next(
        (e.at_us for e in events if e.at_us >= start_us and any(e.answers(c) for c in indicator.stop)), None
    )
    run: Interval = (start_us, window.as_of_us if stop_us is None else stop_us)
    hours = business_time(part.stage.calendars[indicator.calendar])
    standing = _paused(events, indicator.pause, run[1]) + _excluded_time(exclusions, clause, part.stage)
    business_us = hours.between(*run) - sum(hours.between(*i) for i in united(clipped(standing, run)))
    measure = Fraction(business_us, UNIT_US[_unit_of_event(clause)])
    is_excluded = any(x.ticket == ticket and x.touches(clause, part.stage) for x in exclusions)
    judged, outcome = _verdict_of_event(clause, measure, is_over=stop_us is not None, is_excluded=is_excluded)
    return Event(
        clause=clause,
        part=part,
        subject=ticket,
        instant_us=start_us,
        business_us=business_us,
        delay_days=None,
        measure=measure,
        judged=judged,
        is_over=stop_us is not None,
        is_excluded=is_excluded,
        outcome=outcome,
    )


def validated_due_date(release: ReleaseOfTest, notice_days: int, window: Window) -> date | None:
    """Return the due date of the last plan validated in time, None while none was (DECISIONS 24 and 25).

    A replan moves the date when it was approved before another was asked for, and asked for at least the
    notice, in calendar days, before the date then valid. The first plan approved obliges without a notice.
    """
    zone, as_of_us = window.zone, window.as_of_us
    valid = release.due if release.approved else None
    replans = sorted(
        (r for r in release.replans if midnight_us(r.requested, zone) < as_of_us), key=lambda r: r.requested
    )
    for position, replan in enumerate(replans):
        following = replans[position + 1].requested if position + 1 < len(replans) else None
        if replan.approved is None or midnight_us(replan.approved, zone) >= as_of_us:
            continue
        if following is not None and replan.approved > following:
            continue
        if valid is None or (valid - replan.requested).days >= notice_days:
            valid = replan.due
    return valid


def _days_late(due: date, until: date, indicator: MilestoneIndicator, part: Part) -> int:
    """Return the whole days after the due date, by dates (DECISIONS 26)."""
    days = [due + timedelta(days=n + 1) for n in range((until - due).days)]
    if indicator.days is DayKind.CALENDAR:
        return len(days)
    hours: BusinessTime = business_time(part.stage.calendars[indicator.calendar or ""])
    return sum(hours.opens_on(day) for day in days)


def milestones(test: WorkedTest, window: Window, exclusions: Sequence[Exclusion]) -> list[Event]:
    """Return every release with a validated due date under every clause of its service (DECISIONS 26, 27)."""
    measured_milestones: list[Event] = []
    today = local_date(window.as_of_us, window.zone)
    versions = {part.version_no: part.stage for part in window.parts}
    for release in test.releases:
        is_over = (
            release.delivered is not None and midnight_us(release.delivered, window.zone) < window.as_of_us
        )
        until = release.delivered if is_over and release.delivered is not None else today
        for stage in versions.values():
            for clause in stage.clauses.values():
                indicator = clause.indicator
                if not isinstance(indicator, MilestoneIndicator) or clause.service != release.service:
                    continue
                due = validated_due_date(release, indicator.replan_notice_days, window)
                part = None if due is None else window.part_on(due)
                if due is None or part is None or part.stage is not stage:
                    continue
                delay_days = _days_late(due, until, indicator, part)
                is_excluded = any(
                    x.release == release.release and x.touches(clause, stage) for x in exclusions
                )
                measure = Fraction(delay_days)
                judged, outcome = _verdict_of_event(clause, measure, is_over=is_over, is_excluded=is_excluded)
                measured_milestones.append(
                    Event(
                        clause=clause,
                        part=part,
                        subject=release.release,
                        instant_us=midnight_us(due, window.zone),
                        business_us=None,
                        delay_days=delay_days,
                        measure=measure,
                        judged=judged,
                        is_over=is_over,
                        is_excluded=is_excluded,
                        outcome=outcome,
                    )
                )
    return measured_milestones


# --- Availability -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watch:
    """What was seen of a service: stretches of downtime in time that was watched throughout, or samples.

    ``samples`` are instants with whether the service was down, in order; None where the test gives none.
    """

    downtime: tuple[Interval, ...]
    samples: tuple[tuple[int, bool], ...] | None


def watches(test: WorkedTest, window: Window) -> dict[str, Watch]:
    """Return what was seen of each service that the test speaks of."""
    samples: dict[str, dict[int, bool]] = {}
    for probes in test.probes:
        seen = samples.setdefault(probes.service, {})
        end_us = instant_us(probes.to, window.zone)
        for at_us in range(instant_us(probes.from_, window.zone), end_us, probes.every_seconds * SECOND_US):
            if at_us < window.as_of_us:
                seen[at_us] = probes.state == "down"  # Of one instant the last row holds (DECISIONS 21).
    downtime: dict[str, list[Interval]] = {}
    for stretch in test.downtime:
        interval = instant_us(stretch.from_, window.zone), instant_us(stretch.to, window.zone)
        downtime.setdefault(stretch.service, []).append(interval)
    return {
        service: Watch(
            tuple(united(downtime.get(service, ()))),
            tuple(sorted(samples[service].items())) if service in samples else None,
        )
        for service in {*samples, *downtime}
    }


def _left_out(
    test: WorkedTest,
    clause: Clause,
    part: Part,
    window: Window,
    exclusions: Sequence[Exclusion],
    within: Interval,
) -> list[Interval]:
    """Return what leaves both sides: excluded time, and maintenance announced in time (DECISIONS 19)."""
    indicator = clause.indicator
    assert isinstance(indicator, AvailabilityIndicator)
    stretches = _excluded_time(exclusions, clause, part.stage)
    if indicator.maintenance is not None:
        notice_us = int(Fraction(indicator.maintenance.notice_hours) * UNIT_US[Unit.HOURS])
        for planned in test.maintenance:
            start_us = instant_us(planned.from_, window.zone)
            announced_us = instant_us(planned.announced, window.zone)
            if planned.service == clause.service and start_us - announced_us >= notice_us:
                stretches.append((start_us, instant_us(planned.to, window.zone)))
    return united(clipped(stretches, within))


def _share_of_minutes(
    watch: Watch, indicator: AvailabilityIndicator, left_out: list[Interval], within: Interval
) -> Fraction | None:
    """Return the share of the time in scope in which the service was up; None when nothing is in scope."""
    if watch.samples is None:
        down, known = list(watch.downtime), [within]
    else:
        # A sample holds until the next one, at most one and a half probe intervals (DECISIONS 16).
        longest_us = indicator.probe_interval_seconds * SECOND_US * 3 // 2
        followers = [at_us for at_us, _ in watch.samples[1:]]
        ends = [*followers, within[1]] if watch.samples else []  # None of them need have happened yet.
        held = [
            ((at_us, min(end_us, at_us + longest_us)), is_down)
            for (at_us, is_down), end_us in zip(watch.samples, ends, strict=True)
        ]
        known = united(interval for interval, _ in held)
        down = united(interval for interval, is_down in held if is_down)
    # Maintenance before down, down before unknown (DECISIONS 18).
    scope = without([within], left_out)
    down_us = length_us(without(clipped(down, within), left_out))
    unknown_us = length_us(without(scope, united(clipped(known, within))))
    scope_us = length_us(scope)
    if indicator.unknown is UnknownPolicy.EXCLUDE:
        scope_us -= unknown_us
    elif indicator.unknown is UnknownPolicy.DOWN:
        down_us += unknown_us
    return None if scope_us == 0 else Fraction(scope_us - down_us, scope_us)


def _mean_of_slices(
    watch: Watch, indicator: AvailabilityIndicator, left_out: list[Interval], within: Interval
) -> Fraction | None:
    """Return one less the mean of the slices' shares of failed probes; None when no slice counts.

    Slices are cut from the beginning of the part, the last one may be shorter, all weigh the same. A slice
    that is wholly left out leaves the mean; any other without a sample counts as the clause says. Where the
    service was watched throughout, the share of a slice is that of its time.
    """
    slice_us = (indicator.slice_seconds or 0) * SECOND_US
    seen: dict[int, list[bool]] = {}
    for at_us, is_down in watch.samples or ():
        if within[0] <= at_us < within[1] and not any(start <= at_us < end for start, end in left_out):
            seen.setdefault((at_us - within[0]) // slice_us, []).append(is_down)
    total, count = Fraction(0), 0
    for number in range(-((within[0] - within[1]) // slice_us)):
        piece = within[0] + number * slice_us, min(within[1], within[0] + (number + 1) * slice_us)
        in_scope = without([piece], left_out) if left_out else [piece]
        if watch.samples is None:
            if in_scope:
                down_us = sum(length_us(clipped(watch.downtime, stretch)) for stretch in in_scope)
                total, count = total + Fraction(down_us, length_us(in_scope)), count + 1
        elif number in seen:
            total, count = total + Fraction(sum(seen[number]), len(seen[number])), count + 1
        elif in_scope and indicator.unknown is not UnknownPolicy.EXCLUDE:
            total, count = total + (indicator.unknown is UnknownPolicy.DOWN), count + 1
    return None if count == 0 else 1 - total / count


# --- Figures of the month ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """What is judged by the month, on one version's part of it.

    ``measure`` is in the objective's unit, None when there was nothing to measure; ``judged`` is the same as
    the contract rounds it.
    """

    clause: Clause
    part: Part
    measure: Fraction | None
    judged: Fraction | None
    outcome: str

    @property
    def month(self) -> date:
        """The month it belongs to."""
        return self.part.month


def _figure(clause: Clause, part: Part, measure: Fraction | None) -> Figure:
    if measure is None:
        return Figure(clause, part, None, None, "no_data")
    objective = clause.objective
    judged = rounded_as_agreed(measure, objective.rounding_before_banding)
    kept = stands(judged, objective.operator, Fraction(objective.value))
    return Figure(clause, part, measure, judged, "met" if kept else "breached")


def availabilities(test: WorkedTest, window: Window, exclusions: Sequence[Exclusion]) -> list[Figure]:
    """Return the availability of each part of a month that has begun, up to ``as_of`` (DECISIONS 5)."""
    seen = watches(test, window)
    figures: list[Figure] = []
    for part in window.parts:
        within = part.starts_us, min(part.ends_us, window.as_of_us)
        for clause in part.stage.clauses.values():
            indicator = clause.indicator
            if not isinstance(indicator, AvailabilityIndicator) or within[0] >= within[1]:
                continue
            watch = seen.get(clause.service, Watch((), None))
            left_out = _left_out(test, clause, part, window, exclusions, within)
            share_of = _share_of_minutes if indicator.slice_seconds is None else _mean_of_slices
            share = share_of(watch, indicator, left_out, within)
            figures.append(_figure(clause, part, None if share is None else 100 * share))
    return figures


def aggregated(window: Window, events: Sequence[Event]) -> list[Figure]:
    """Return ratios, averages and percentiles of the events that belong to each part of a month."""
    by_clause: dict[tuple[int, date, str], list[Event]] = {}
    for event in events:
        if not event.is_excluded:
            key = event.part.version_no, event.month, event.clause.id
            by_clause.setdefault(key, []).append(event)
    figures: list[Figure] = []
    for part in window.parts:
        for clause in part.stage.clauses.values():
            is_aggregated = is_judged_by_month(clause) and clause.indicator.kind != "availability"
            if is_aggregated and part.starts_us < window.as_of_us:
                counted = by_clause.get((part.version_no, part.month, clause.id), [])
                figures.append(_figure(clause, part, _aggregate(clause, counted)))
    return figures


def _aggregate(clause: Clause, events: Sequence[Event]) -> Fraction | None:
    objective = clause.objective
    if objective.aggregation is Aggregation.RATIO:
        # Running within its target it is not decided; past it, it is.
        decided = [event for event in events if event.outcome != "running"]
        kept = sum(event.outcome == "met" for event in decided)
        return Fraction(100 * kept, len(decided)) if decided else None
    values = sorted(
        event.measure
        for event in events
        if event.is_over or (event.delay_days is not None and event.delay_days > 0)
    )
    if not values:
        return None
    if objective.aggregation is Aggregation.AVERAGE:
        return Fraction(sum(values), len(values))
    assert objective.percentile is not None
    rank = max(1, ceil(Fraction(objective.percentile) / 100 * len(values)))
    return values[rank - 1]


def is_judged_by_month(clause: Clause) -> bool:
    """Whether a month has one verdict, not each event."""
    return clause.indicator.kind == "availability" or clause.objective.aggregation is not Aggregation.EACH


# --- Money ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Money:
    """The bases of a contract's months, in its currency and excluding VAT. None: not there, so unknown."""

    window: Window
    lines: dict[date, list[tuple[str | None, Fraction]]] = field(default_factory=dict)

    def month_invoice(self, month: date) -> Fraction | None:
        """All invoice lines of the month; negative counts as zero."""
        amounts = [amount for _, amount in self.lines.get(month, ())]
        return max(Fraction(0), sum(amounts, Fraction(0))) if amounts else None

    def service_lines(self, month: date, service: str) -> Fraction | None:
        """The invoice lines of the month that are a service's; negative counts as zero."""
        amounts = [amount for claimed_by, amount in self.lines.get(month, ()) if claimed_by == service]
        return max(Fraction(0), sum(amounts, Fraction(0))) if amounts else None

    def fixed_fee(self, month: date, service: str, only: Part | None = None) -> Fraction | None:
        """The fee due by days, of all versions or of one part: fee x days in force / days of the month."""
        days_of_month = (month_after(month) - month).days
        due: list[Fraction] = []
        for part in self.window.of_month(month) if only is None else [only]:
            agreed = part.stage.services.get(service)
            if agreed is not None and isinstance(agreed.fee, FixedFee):
                due.append(Fraction(agreed.fee.amount) * part.days / days_of_month)
        return sum(due, Fraction(0)) if due else None

    def base(
        self, base: Base, part: Part, service: str, stated: Fraction | None, *, share_of_part: bool
    ) -> Fraction | None:
        """Return the base of a breach: the whole month's, or the share of the part that is judged alone."""
        if base is Base.STATED:
            return stated
        if base is Base.ORDER_AMOUNT:
            agreed = part.stage.terms.order_amount
            return None if agreed is None else Fraction(agreed)
        if base is Base.FIXED_FEE:
            return self.fixed_fee(part.month, service, part if share_of_part else None)
        whole = (
            self.month_invoice(part.month)
            if base is Base.MONTH_INVOICE
            else self.service_lines(part.month, service)
        )
        if whole is None or not share_of_part:
            return whole
        return whole * part.days / self.window.days_in_force(part.month)

    def summed(self, base: Base, months: Iterable[date], part: Part, service: str | None) -> Fraction | None:
        """Return what a cap is a percentage of, over months; unknown as soon as one of them is."""
        if base is Base.ORDER_AMOUNT:
            return self.base(base, part, "", None, share_of_part=False)
        total = Fraction(0)
        for month in months:
            if base is Base.MONTH_INVOICE:
                amount = self.month_invoice(month)
            elif base is Base.SERVICE_LINES:
                amount = self.service_lines(month, service or "")
            else:
                amount = self.fixed_fee(month, service or "")
            if amount is None:
                return None
            total += amount
        return total


def money_of(test: WorkedTest, window: Window) -> Money:
    """Return the invoices of a test by month; credit notes never count (DECISIONS 30)."""
    money = Money(window)
    for invoice in test.invoices:
        if invoice.kind == "invoice":
            lines = money.lines.setdefault(date.fromisoformat(f"{invoice.month}-01"), [])
            lines += [(line.service, Fraction(line.amount)) for line in invoice.lines]
    return money


# --- All of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """Everything that is measured of one test."""

    contract: Contract
    window: Window
    clocks: tuple[Event, ...]
    milestones: tuple[Event, ...]
    figures: tuple[Figure, ...]
    money: Money
    index_values: dict[tuple[str, date], Fraction]


def measured(contract: Contract, test: WorkedTest) -> Facts:
    """Measure one worked test on its contract's own terms."""
    window = window_of(contract, test)
    exclusions = exclusions_of(contract, test, window)
    measured_clocks = clocks(contract, test, window, exclusions)
    measured_milestones = milestones(test, window, exclusions)
    figures = [
        *availabilities(test, window, exclusions),
        *aggregated(window, [*measured_clocks, *measured_milestones]),
    ]
    index_values: dict[tuple[str, date], Fraction] = {}
    for published in (contract.index_values, test.index_values):
        for index, values in published.items():
            for month, value in values.items():
                index_values[index, date.fromisoformat(f"{month}-01")] = Fraction(value)
    return Facts(
        contract=contract,
        window=window,
        clocks=tuple(measured_clocks),
        milestones=tuple(measured_milestones),
        figures=tuple(figures),
        money=money_of(test, window),
        index_values=index_values,
    )
