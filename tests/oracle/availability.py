"""Availabilities: what monitors saw, outages, and the five ways to hold them against a month or a quarter.

Time is lists of half-open intervals in microseconds. Every method comes to two exact quantities, what was
unavailable and what it is a share of: microseconds, slices or samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from avoir.contracts.model import (
    AvailabilityIndicator,
    AvailabilityMethod,
    Clause,
    Denominator,
    KeyKind,
    ReportingPeriod,
    UnknownPolicy,
    WorkedTest,
)
from avoir.contracts.resolving import Inherited
from tests.oracle.business_time import (
    SECOND_US,
    Interval,
    business_time,
    clipped,
    instant_us,
    length_us,
    united,
    without,
)
from tests.oracle.seen import Exclusion, Part, Window, excluded_time
from tests.oracle.verdicts import Figure, figure_of

MINUTE_US = 60 * SECOND_US
_EVER_US = 0
"""Before a monitor's first sample nobody looked, however long ago: the time is unknown without beginning."""

# --- What monitors saw ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watch:
    """What one monitor saw until ``as_of``: when it was down, when that was known, and its samples.

    ``samples`` are instants with whether the service was down, in order; None where a test states downtime,
    or nothing, of a service: then it was watched throughout, and up before the months that the test sees.
    ``since_us`` is its first sample, if any.
    """

    down: list[Interval]
    known: list[Interval]
    samples: list[tuple[int, bool]] | None
    since_us: int | None


def watches(test: WorkedTest, stage: Inherited, clause: Clause, window: Window) -> list[Watch]:
    """Return what each monitor of a clause's service saw; a service without any has one."""
    keys = [key for key in stage.services[clause.service].keys if key.kind is KeyKind.MONITOR]
    monitors: list[str | None] = [key.value for key in keys]
    is_probed = any(probes.service == clause.service for probes in test.probes)
    watch = _sampled if is_probed else _watched_throughout
    return [watch(test, clause, monitor, window) for monitor in monitors or [None]]


def _watched_throughout(test: WorkedTest, clause: Clause, monitor: str | None, window: Window) -> Watch:
    whole = _EVER_US, window.as_of_us
    down = united(
        (instant_us(stretch.from_, window.zone), instant_us(stretch.to, window.zone))
        for stretch in test.downtime
        if stretch.service == clause.service and stretch.monitor in {None, monitor}
    )
    return Watch(clipped(down, whole), [whole], None, _EVER_US)


def _sampled(test: WorkedTest, clause: Clause, monitor: str | None, window: Window) -> Watch:
    indicator = clause.indicator
    assert isinstance(indicator, AvailabilityIndicator)
    seen: dict[int, bool] = {}
    for probes in test.probes:
        if probes.service == clause.service and probes.monitor in {None, monitor}:
            end_us = min(instant_us(probes.to, window.zone), window.as_of_us)
            for at_us in range(
                instant_us(probes.from_, window.zone), end_us, probes.every_seconds * SECOND_US
            ):
                seen[at_us] = probes.state == "down"  # Of one instant the last row holds (DECISIONS 21).
    samples = sorted(seen.items())
    # A sample holds until the next one, at most one and a half probe intervals (DECISIONS 16).
    longest_us = indicator.probe_interval_seconds * SECOND_US * 3 // 2
    ends = [*(at_us for at_us, _ in samples[1:]), window.as_of_us]
    held = [
        ((at_us, min(end_us, at_us + longest_us)), is_down)
        for (at_us, is_down), end_us in zip(samples, ends, strict=False)
    ]
    return Watch(
        down=united(interval for interval, is_down in held if is_down),
        known=united(interval for interval, _ in held),
        samples=samples,
        since_us=samples[0][0] if samples else None,
    )


def states(monitors: Sequence[Watch], quorum: int, seen: Interval) -> tuple[list[Interval], list[Interval]]:
    """Return when a service is down, and when it is unknown, in all the time that is seen.

    Down while at least so many of its monitors are; unknown while fewer are, but enough with unknown ones.
    """
    steps: dict[int, list[int]] = {at_us: [0, 0] for at_us in seen}
    for watch in monitors:
        unknown = without([seen], watch.known)
        for which, intervals in enumerate((watch.down, unknown)):
            for start_us, end_us in intervals:
                steps.setdefault(start_us, [0, 0])[which] += 1
                steps.setdefault(end_us, [0, 0])[which] -= 1
    down: list[Interval] = []
    unknown = []
    count_down, count_unknown = 0, 0
    instants = sorted(steps)
    for start_us, end_us in pairwise(instants):
        count_down += steps[start_us][0]
        count_unknown += steps[start_us][1]
        if count_down >= quorum:
            down.append((start_us, end_us))
        elif count_down + count_unknown >= quorum:
            unknown.append((start_us, end_us))
    return united(down), united(unknown)


# --- What is left out -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scope:
    """What a part of a month is measured on: its time so far, and what of it is left out."""

    part: Part
    clause: Clause
    indicator: AvailabilityIndicator
    within: Interval
    left_out: list[Interval]
    monitors: list[Watch] = field(repr=False)

    @property
    def keeps_left_out(self) -> bool:
        """Whether time left out stays in the total."""
        return self.indicator.denominator is Denominator.TOTAL

    def counted(self, intervals: Iterable[Interval]) -> int:
        """Return the microseconds of a union, those of opening hours where only these count."""
        if self.indicator.method is not AvailabilityMethod.SERVICE_HOURS:
            return length_us(intervals)
        return business_time(self.part.stage.calendars[self.indicator.calendar or ""]).of(intervals)


def _left_out(
    test: WorkedTest,
    clause: Clause,
    part: Part,
    window: Window,
    exclusions: Sequence[Exclusion],
    within: Interval,
) -> list[Interval]:
    """Return excluded time, and maintenance announced in time (DECISIONS 19)."""
    indicator = clause.indicator
    assert isinstance(indicator, AvailabilityIndicator)
    stretches = excluded_time(exclusions, clause, part.stage)
    if indicator.maintenance is not None:
        notice_us = int(Fraction(indicator.maintenance.notice_hours) * 3600 * SECOND_US)
        for planned in test.maintenance:
            start_us = instant_us(planned.from_, window.zone)
            announced_us = instant_us(planned.announced, window.zone)
            if planned.service == clause.service and start_us - announced_us >= notice_us:
                stretches.append((start_us, instant_us(planned.to, window.zone)))
    return united(clipped(stretches, within))


# --- Quantities -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """What was unavailable, and of how much: microseconds, slices or samples."""

    unavailable: Fraction
    total: Fraction

    def __add__(self, other: Quantity) -> Quantity:
        """Return the sums of both."""
        return Quantity(self.unavailable + other.unavailable, self.total + other.total)


def _of_time(scope: _Scope, down: list[Interval], unknown: list[Interval], within: Interval) -> Quantity:
    """Return the downtime of outages and the time it is a share of, within a part of a month.

    An outage that is shorter than the minimum, by its whole length, does not count; of each other one what
    lies in the part and outside of time left out, cut down to whole minutes where these alone count.
    """
    indicator = scope.indicator
    outages = united([*down, *unknown]) if indicator.unknown is UnknownPolicy.DOWN else down
    minimum_us = (indicator.minimum_downtime_seconds or 0) * SECOND_US
    unavailable = 0
    for outage in outages:
        if outage[1] - outage[0] >= minimum_us:
            counts_us = scope.counted(without(clipped([outage], within), scope.left_out))
            unavailable += counts_us // MINUTE_US * MINUTE_US if indicator.whole_minutes else counts_us
    in_scope = without([within], scope.left_out) if within[0] < within[1] else []
    total = scope.counted(united([within]) if scope.keeps_left_out else in_scope)
    if indicator.unknown is UnknownPolicy.EXCLUDE:
        total -= scope.counted(without(clipped(unknown, within), scope.left_out))
    return Quantity(Fraction(unavailable), Fraction(total))


def _of_service(scope: _Scope, seen: Interval) -> Quantity:
    down, unknown = states(scope.monitors, scope.indicator.quorum, seen)
    return _of_time(scope, down, unknown, scope.within)


def _of_monitors(scope: _Scope, seen: Interval) -> Quantity:
    """Return the sum over the monitors, each from its first sample on."""
    total = Quantity(Fraction(0), Fraction(0))
    for watch in scope.monitors:
        if watch.since_us is not None:
            deployed = max(watch.since_us, scope.within[0]), scope.within[1]
            unknown = without(united([(watch.since_us, seen[1])]), watch.known)
            total += _of_time(scope, watch.down, unknown, deployed)
    return total


def _of_executions(scope: _Scope) -> Quantity:
    """Return the failed samples and all of them; a service that was watched throughout never failed."""
    quantity = Quantity(Fraction(0), Fraction(0))
    for watch in scope.monitors:
        if watch.samples is None:
            counted = without([scope.within], [] if scope.keeps_left_out else scope.left_out)
            quantity += Quantity(Fraction(0), Fraction(length_us(counted)))
        for at_us, is_down in watch.samples or ():
            if scope.within[0] <= at_us < scope.within[1]:
                counts = not any(start <= at_us < end for start, end in scope.left_out)
                of_all = counts or scope.keeps_left_out
                quantity += Quantity(Fraction(counts and is_down), Fraction(of_all))
    return quantity


def _of_slices(scope: _Scope) -> Quantity:
    """Return the sum of the slices' shares of failed samples, and how many slices count.

    Slices are cut from the beginning of the part, the last one may be shorter, all weigh the same. One that
    is wholly left out leaves the mean, or counts as one without error; any other with too few samples counts
    as the clause says of unknown time. Where a service was watched throughout, the share of a slice is that
    of its time.
    """
    indicator, within = scope.indicator, scope.within
    slice_us = (indicator.slice_seconds or 0) * SECOND_US
    seen: dict[int, list[bool]] = {}
    for watch in scope.monitors:
        for at_us, is_down in watch.samples or ():
            if within[0] <= at_us < within[1] and not any(
                start <= at_us < end for start, end in scope.left_out
            ):
                seen.setdefault((at_us - within[0]) // slice_us, []).append(is_down)
    errors, count = Fraction(0), 0
    is_watched = all(watch.samples is None for watch in scope.monitors)
    down = [watch.down for watch in scope.monitors]
    for number in range(-((within[0] - within[1]) // slice_us)):
        piece = within[0] + number * slice_us, min(within[1], within[0] + (number + 1) * slice_us)
        in_scope = without([piece], scope.left_out)
        if not in_scope:
            count += scope.keeps_left_out
        elif is_watched:
            down_us = sum(length_us(clipped(one, stretch)) for one in down for stretch in in_scope)
            errors, count = errors + Fraction(down_us, len(down) * length_us(in_scope)), count + 1
        elif len(seen.get(number, ())) >= (indicator.minimum_volume or 1):
            errors, count = errors + Fraction(sum(seen[number]), len(seen[number])), count + 1
        elif indicator.unknown is not UnknownPolicy.EXCLUDE:
            errors, count = errors + (indicator.unknown is UnknownPolicy.DOWN), count + 1
    return Quantity(errors, Fraction(count))


def _quantity(scope: _Scope, seen: Interval) -> Quantity:
    method = scope.indicator.method
    if method is AvailabilityMethod.MEAN_OF_SLICES:
        return _of_slices(scope)
    if method is AvailabilityMethod.EXECUTIONS:
        return _of_executions(scope)
    if method is AvailabilityMethod.DEPLOYED_MINUTES:
        return _of_monitors(scope, seen)
    return _of_service(scope, seen)


def _measure(indicator: AvailabilityIndicator, quantity: Quantity) -> Fraction | None:
    """Return the availability in percent; None when nothing, or too little, was measured."""
    counts_samples = indicator.method is AvailabilityMethod.EXECUTIONS
    if quantity.total == 0 or (counts_samples and quantity.total < (indicator.minimum_volume or 1)):
        return None
    return 100 * (1 - quantity.unavailable / quantity.total)


# --- Figures ----------------------------------------------------------------------------------------------


def availabilities(test: WorkedTest, window: Window, exclusions: Sequence[Exclusion]) -> list[Figure]:
    """Return the availability of each part of a month that has begun, up to ``as_of`` (DECISIONS 5).

    What is judged by the quarter has no data but in the version's last part of it, which sums them all.
    """
    figures: list[Figure] = []
    seen = _EVER_US, window.as_of_us
    sums: dict[tuple[int, str, tuple[int, int]], Quantity] = {}
    for part in window.parts:
        within = part.starts_us, min(part.ends_us, window.as_of_us)
        for clause in part.stage.clauses.values():
            indicator = clause.indicator
            if not isinstance(indicator, AvailabilityIndicator) or within[0] >= within[1]:
                continue
            scope = _Scope(
                part=part,
                clause=clause,
                indicator=indicator,
                within=within,
                left_out=_left_out(test, clause, part, window, exclusions, within),
                monitors=watches(test, part.stage, clause, window),
            )
            quantity = _quantity(scope, seen)
            if indicator.period is ReportingPeriod.QUARTER:
                key = part.version_no, clause.id, _quarter(part)
                quantity = sums[key] = sums[key] + quantity if key in sums else quantity
                if part is not _last_of_its_quarter(part, window):
                    figures.append(figure_of(clause, part, None))
                    continue
            figures.append(figure_of(clause, part, _measure(indicator, quantity)))
    return figures


def _quarter(part: Part) -> tuple[int, int]:
    return part.month.year, (part.month.month - 1) // 3


def _last_of_its_quarter(part: Part, window: Window) -> Part:
    return [
        other
        for other in window.parts
        if other.version_no == part.version_no and _quarter(other) == _quarter(part)
    ][-1]
