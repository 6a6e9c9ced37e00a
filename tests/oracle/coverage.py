"""What makes a difference in made-up cases, counted, so that a comparison over them cannot be empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise

from avoir.contracts.model import (
    AvailabilityIndicator,
    Clause,
    ClockIndicator,
    Contract,
    Denominator,
    Duration,
    Indicator,
    MilestoneIndicator,
    PriorityChange,
    Reopening,
    ReopenPolicy,
    ReportingPeriod,
    StartedDay,
    Unit,
)
from tests.oracle.business_time import offset_us
from tests.oracle.cases import Case
from tests.oracle.clocks import history_of, pauses_of, runs_of
from tests.oracle.measuring import Facts, measured
from tests.oracle.pricing import EARN_BACK, EXEMPTION_RELEASE, Judged, Line
from tests.oracle.verdicts import is_judged_by_month, level_of_event


def coverage(generated_cases: Iterable[Case], judged: Iterable[Judged]) -> Counter[str]:
    """Count the cases in which each formula, aggregation, step and rule changes an amount or a verdict."""
    counted: Counter[str] = Counter()
    for case, result in zip(generated_cases, judged, strict=True):
        counted.update(_differences(case, result))
        counted.update(_clock_histories(case, result.facts))
        counted.update(_differences_by_rule(case, result.facts))
    return counted


def _differences(case: Case, result: Judged) -> set[str]:
    seen = {f"minor_units:{case.contract.minor_units}" for line in result.lines if line.credit}
    window = result.facts.window
    for event in (*result.facts.clocks, *result.facts.milestones):
        seen.add(f"{event.clause.indicator.kind}:{event.clause.objective.aggregation}:{event.outcome}")
    for figure in result.facts.figures:
        indicator = figure.clause.indicator
        kind = getattr(indicator, "method", indicator.kind)
        seen.add(f"{kind}:{figure.clause.objective.aggregation}:{figure.outcome}")
        if (
            figure.measure is not None
            and figure.outcome == "met"
            and figure.measure == figure.clause.objective.value
        ):
            seen.add(f"{kind}:exactly on the level is met")
        if figure.measure != figure.judged:
            seen.add("rounding_before_banding")
    for line in result.lines:
        seen |= _differences_of_line(line)
        if line.kind == EARN_BACK:
            seen.add("earn_back:level" if is_judged_by_month(line.clause) else "earn_back:each")
        if (
            line.part.days < window.days_in_force(line.part.month)
            and is_judged_by_month(line.clause)
            and line.formula
        ):
            seen.add("part of a month priced")
    of_months: dict[date, set[int]] = {}
    for line in result.lines:
        of_months.setdefault(line.origin_month, set()).add(line.version_no)
    if any(len(versions) > 1 for versions in of_months.values()):
        seen.add("two versions charge in one month")
    if case.test.as_of is not None and result.lines:
        seen.add("lines before the end of the window")
    if len(window.months) > 11 and result.lines:
        seen.add("twelve months and more")
    return seen


def _differences_of_line(line: Line) -> set[str]:
    penalty = line.clause.penalty
    seen = {f"kind:{line.kind}"}
    if line.credit is None:
        seen.add("credit:unknown")
    if line.kind == EXEMPTION_RELEASE:
        return seen | {"exemption:release"}
    if line.kind == EARN_BACK:
        return seen
    if line.formula:
        seen.add(f"formula:{penalty.formula}")
        for term in ("on", "units"):
            if hasattr(penalty, term):
                seen.add(f"formula:{penalty.formula}:{term}:{getattr(penalty, term)}")
        if penalty.formula == "tiers":
            seen.add(f"formula:tiers:{penalty.bands[0].price_kind}")
        if getattr(penalty, "base", None) is not None:
            seen.add(f"base:{penalty.base}:{'month' if is_judged_by_month(line.clause) else 'event'}")
    if line.formula is None:
        seen.add("formula:unknown")
    if line.repeat != line.formula:
        seen.add("repeat")
    if line.event_cap != line.non_cumulation:
        seen.add("event_cap")
    for group in line.part.stage.terms.non_cumulation.values():
        if line.clause.id in group.clauses and line.repeat != line.non_cumulation:
            how = (
                f"{group.keep}:{'choice' if group.choice else 'highest'}"
                if group.keep == "customer_choice"
                else group.keep
            )
            seen.add(f"non_cumulation:{group.per}:{how}")
    seen |= {f"cap:{mark}" for mark in line.marks}
    threshold = line.part.stage.terms.exemption
    if threshold is not None and line.rolling_cap:
        seen.add(f"exemption:{threshold.over}:{'exempt' if line.exemption == 0 else 'due'}")
    if line.indexation != line.exemption:
        seen.add("indexation" if line.indexation is not None else "indexation:unknown")
    return seen


# --- Clocks -----------------------------------------------------------------------------------------------


def _clock_histories(case: Case, facts: Facts) -> set[str]:
    """Return what happened to clocks that could be measured wrongly."""
    seen: set[str] = set()
    cycles: dict[tuple[str, str], list[date]] = {}
    for clock in facts.clocks:
        cycles.setdefault((clock.clause.id, clock.subject), []).append(clock.month)
        indicator = clock.clause.indicator
        assert isinstance(indicator, ClockIndicator)
        if clock.cycle_no > 1:
            seen.add(f"cycle:{min(clock.cycle_no, 3)}:{clock.clause.objective.aggregation}")
        if clock.phase_no < clock.phase_count:
            seen.add("phase:an earlier one decides")
        if clock.phase_count > 2:
            seen.add("phase:three and more")
        if clock.level is not None and clock.level != level_of_event(clock.clause):
            seen.add(f"priority:decides:{clock.clause.objective.aggregation}:{clock.outcome}")
        if clock.due_us is not None:
            seen.add(f"due:{'past' if clock.due_us < facts.window.as_of_us else 'to come'}:{clock.outcome}")
        if clock.part.version_no > 1 and clock.cycle_no > 1:
            seen.add("cycle:kept by a later version")
        zone = clock.part.stage.calendars[indicator.calendar].timezone or "UTC"
        end_us = clock.instant_us + (clock.business_us or 0)
        if offset_us(clock.instant_us, zone) != offset_us(end_us, zone):
            seen.add("clock:over a change of clocks")
        seen |= _history_of_clock(case, facts, clock.clause, clock.subject)
    if any(len(set(months)) > 1 for months in cycles.values()):
        seen.add("cycle:in another month")
    return seen


def _history_of_clock(case: Case, facts: Facts, clause: Clause, subject: str) -> set[str]:
    indicator, window = clause.indicator, facts.window
    assert isinstance(indicator, ClockIndicator)
    ticket = next(one for one in case.test.tickets if one.ticket == subject)
    events = history_of(ticket, window)
    runs = runs_of(events, indicator)
    seen: set[str] = set()
    if any(before.stop_us == after.start_us for before, after in pairwise(runs)):
        seen.add("run:stopped and reopened in one instant")
    if any(run.start_us == run.stop_us for run in runs):
        seen.add("run:of no length")
    pauses = pauses_of(events, indicator, window.as_of_us) if indicator.resume else []
    resets = [event.at_us for event in events if event.answers(indicator.reset)]
    if any(start < runs[0].start_us < end for start, end in pauses):
        seen.add("pause:began before the clock")
    if runs[-1].stop_us is None and any(end == window.as_of_us for _, end in pauses):
        seen.add("pause:still on")
    if any(start < at < end for start, end in pauses for at in resets):
        seen.add("pause:overlaps a reset")
    return seen


# --- Rules that are put out of force ----------------------------------------------------------------------

_Change = Callable[[Indicator], Indicator]


def _differences_by_rule(case: Case, facts: Facts) -> set[str]:
    """Return the rules without which clocks, releases or months of a case would come to something else."""
    indicators = [clause.indicator for part in facts.window.parts for clause in part.stage.clauses.values()]
    seen: set[str] = set()
    for name, change in _changes():
        if any(change(indicator) is not indicator for indicator in indicators):
            changed = measured(_changed(case, change), case.test)
            if _figures_of(changed) != _figures_of(facts):
                seen.add(name)
    return seen


def _figures_of(facts: Facts) -> dict[object, object]:
    found: dict[object, object] = {
        (event.clause.id, event.part.version_no, event.subject, event.cycle_no): (
            event.business_us,
            event.delay_days,
            event.outcome,
            event.level,
        )
        for event in (*facts.clocks, *facts.milestones)
    }
    for figure in facts.figures:
        found[figure.clause.id, figure.part.version_no, figure.month] = figure.measure, figure.outcome
    return found


def _changed(case: Case, change: _Change) -> Contract:
    """Return a case's contract with every indicator changed."""
    versions = [
        version.model_copy(
            update={
                "clauses": tuple(
                    clause.model_copy(update={"indicator": change(clause.indicator)})
                    for clause in version.clauses
                )
            }
        )
        for version in case.contract.versions
    ]
    return case.contract.model_copy(update={"versions": tuple(versions)})


def _changes() -> Iterator[tuple[str, _Change]]:
    """Yield changes of an indicator by what their difference shows; the same object where nothing changes."""
    for policy in ReopenPolicy:
        yield f"reopen:{policy}:without it", _reopening(policy, None)
        for other in ReopenPolicy:
            if other is not policy:
                yield f"reopen:{policy}:not {other}", _reopening(policy, other)
    yield "reopen:join_within:exactly in time", _joining_later
    yield "pause:between events", _of_clocks("resume", ())
    yield "reset", _of_clocks("reset", ())
    for now in PriorityChange:
        for other in PriorityChange:
            if other is not now:
                yield f"priority_change:{now}:not {other}", _of_clocks("priority_change", other, now)
    for method in ("minutes", "service_hours"):
        yield f"quorum:{method}", _of_availabilities(method, "quorum", 1)
    for method in ("minutes", "deployed_minutes", "service_hours"):
        yield f"minimum_downtime:{method}", _of_availabilities(method, "minimum_downtime_seconds", None)
        yield f"whole_minutes:{method}", _of_availabilities(method, "whole_minutes", False)
    yield "minimum_downtime:exactly", _a_second_more
    for method in ("mean_of_slices", "executions"):
        yield f"minimum_volume:{method}", _of_availabilities(method, "minimum_volume", None)
    for method in ("minutes", "deployed_minutes", "service_hours", "mean_of_slices", "executions"):
        yield f"denominator:{method}", _of_availabilities(method, "denominator", Denominator.NET)
        yield f"quarter:{method}", _of_availabilities(method, "period", ReportingPeriod.MONTH)
    for days in ("calendar", "business"):
        yield f"started_day:floor:{days}", _of_milestones(days)


def _with(indicator: Indicator, name: str, value: object) -> Indicator:
    if getattr(indicator, name) == value:
        return indicator
    return indicator.model_copy(update={name: value})


def _of_clocks(name: str, value: object, now: object = None) -> _Change:
    def change(indicator: Indicator) -> Indicator:
        if not isinstance(indicator, ClockIndicator) or getattr(indicator, name) is None:
            return indicator
        return indicator if now not in {None, getattr(indicator, name)} else _with(indicator, name, value)

    return change


def _reopening(policy: ReopenPolicy, other: ReopenPolicy | None) -> _Change:
    def change(indicator: Indicator) -> Indicator:
        reopen = indicator.reopen if isinstance(indicator, ClockIndicator) else None
        if reopen is None or reopen.policy is not policy:
            return indicator
        if other is None:
            return _with(indicator, "reopen", None)
        within = Duration(size=Decimal(1), unit=Unit.HOURS) if other is ReopenPolicy.JOIN_WITHIN else None
        return _with(indicator, "reopen", Reopening(on=reopen.on, policy=other, within=within))

    return change


def _joining_later(indicator: Indicator) -> Indicator:
    """A microsecond less of the time within which a reopening joins."""
    reopen = indicator.reopen if isinstance(indicator, ClockIndicator) else None
    if reopen is None or reopen.within is None:
        return indicator
    less = Duration(size=reopen.within.seconds - Decimal("0.000001"), unit=Unit.SECONDS)
    return _with(indicator, "reopen", reopen.model_copy(update={"within": less}))


def _of_availabilities(method: str, name: str, value: object) -> _Change:
    def change(indicator: Indicator) -> Indicator:
        if not isinstance(indicator, AvailabilityIndicator) or indicator.method != method:
            return indicator
        return _with(indicator, name, value)

    return change


def _a_second_more(indicator: Indicator) -> Indicator:
    if not isinstance(indicator, AvailabilityIndicator) or indicator.minimum_downtime_seconds is None:
        return indicator
    return _with(indicator, "minimum_downtime_seconds", indicator.minimum_downtime_seconds + 1)


def _of_milestones(days: str) -> _Change:
    def change(indicator: Indicator) -> Indicator:
        if not isinstance(indicator, MilestoneIndicator) or indicator.days != days:
            return indicator
        return _with(indicator, "started_day", StartedDay.CEIL)

    return change
