"""Rules within one clause: what its objective can be, whether it can be kept, and what its penalty counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from avoir.contracts.findings import Finding, warning, written
from avoir.contracts.model import (
    Aggregation,
    AvailabilityIndicator,
    Base,
    Clause,
    ClockCondition,
    ClockIndicator,
    CountedOn,
    EarnBack,
    Linear,
    Objective,
    Operator,
    Part,
    Proportional,
    ReportingPeriod,
    RoundingMode,
    Unit,
    ValueTimesDelay,
)
from avoir.contracts.resolving import Path

AT_MOST = (Operator.AT_MOST, Operator.LESS_THAN)
AT_LEAST = (Operator.AT_LEAST, Operator.MORE_THAN)
TIMES = (Unit.SECONDS, Unit.MINUTES, Unit.HOURS)

_UNITS_OF_INDICATOR = {"clock": TIMES, "availability": (Unit.PCT,), "milestone": (Unit.DAYS,)}
_FULL = Decimal(100)


@dataclass(frozen=True, slots=True)
class Measure:
    """What an objective is held against: the operators and units that it can have."""

    noun: str
    operators: tuple[Operator, ...]
    units: tuple[Unit, ...]
    is_whole: bool

    def fits(self, objective: Objective) -> bool:
        """Whether the objective can be judged at all."""
        return objective.operator in self.operators and objective.unit in self.units


def measure_of(clause: Clause) -> Measure:
    """Return what a clause measures."""
    kind, aggregation = clause.indicator.kind, clause.objective.aggregation
    if kind == "availability":
        return Measure("an availability", AT_LEAST, (Unit.PCT,), is_whole=False)
    if aggregation is Aggregation.RATIO:
        return Measure("a ratio", AT_LEAST, (Unit.PCT,), is_whole=False)
    is_whole = kind == "milestone" and aggregation is not Aggregation.AVERAGE
    nouns = {Aggregation.AVERAGE: "an average", Aggregation.PERCENTILE: "a percentile"}
    return Measure(nouns.get(aggregation, f"a {kind}"), AT_MOST, _UNITS_OF_INDICATOR[kind], is_whole)


def is_monthly(clause: Clause) -> bool:
    """Whether the clause is judged by the month, not event by event."""
    return clause.indicator.kind == "availability" or clause.objective.aggregation is not Aggregation.EACH


def is_quarterly(clause: Clause) -> bool:
    """Whether the clause is judged by the quarter."""
    indicator = clause.indicator
    return isinstance(indicator, AvailabilityIndicator) and indicator.period is ReportingPeriod.QUARTER


def judge_clause(clause: Clause, at: Path) -> Iterator[Finding]:
    """Yield what is wrong within a clause; bands have rules of their own."""
    if isinstance(clause.indicator, ClockIndicator):
        yield from _judge_conditions(clause.indicator, (*at, "indicator"))
    yield from _judge_objective(clause, (*at, "objective"))
    yield from _judge_priorities(clause, at)
    yield from _judge_counting(clause, (*at, "penalty"))
    if is_quarterly(clause):
        yield from _judge_quarter(clause, (*at, "penalty"))
    if clause.penalty.earn_back is not None:
        yield from _judge_earn_back(clause, clause.penalty.earn_back, (*at, "penalty", "earn_back"))
    if isinstance(clause.indicator, AvailabilityIndicator) and clause.indicator.maintenance is not None:
        hours = clause.indicator.maintenance.notice_hours
        if hours * 3600 != (hours * 3600).to_integral_value():
            path = (*at, "indicator", "maintenance", "notice_hours")
            yield Finding(
                path, f"{hours} hours are no whole number of seconds", "write whole hours or quarters of them"
            )


def amounts_in(part: Part, at: Path) -> Iterator[tuple[Decimal, Path]]:
    """Yield every amount of money that a part of the file states, and where."""
    for name, field in type(part).model_fields.items():
        value, path = getattr(part, name), (*at, field.alias or name)
        if isinstance(value, Decimal) and (name in {"amount", "credit"} or name.endswith("_amount")):
            yield value, path
        elif isinstance(value, Part):
            yield from amounts_in(value, path)
        elif isinstance(value, tuple):
            for position, item in enumerate(value):
                if isinstance(item, Part):
                    yield from amounts_in(item, (*path, position))


def judge_amounts(part: Part, minor_units: int, at: Path) -> Iterator[Finding]:
    """Yield amounts that the currency cannot pay."""
    for amount, path in amounts_in(part, at):
        if amount != round(amount, minor_units):
            message = f"{amount} has more digits after the point than the currency's {minor_units}"
            yield Finding(path, message, f"write an amount with at most {minor_units} digits after the point")


# --- Clocks -----------------------------------------------------------------------------------------------


def _judge_conditions(indicator: ClockIndicator, at: Path) -> Iterator[Finding]:
    """Yield conditions that can never do what they are there for."""
    if indicator.resume and not indicator.pause:
        mend = "add `pause: [{field: …}]`, or remove resume"
        yield Finding((*at, "resume"), "nothing pauses the clock, so nothing resumes it", mend)
    for position, condition in enumerate(indicator.reopen.on if indicator.reopen else ()):
        if any(_covers(stop, condition) for stop in indicator.stop):
            message = f"{_told(condition)} stops the clock too, and what does both stops it: it never reopens"
            path: Path = (*at, "reopen", "on", position)
            yield warning(path, message, "remove the condition here, or in stop")
    for position, condition in enumerate(indicator.resume):
        if any(_covers(pause, condition) for pause in indicator.pause):
            message = (
                f"{_told(condition)} pauses the clock too, and what does both pauses it: it never resumes"
            )
            yield warning((*at, "resume", position), message, "remove the condition here, or in pause")


def _covers(one: ClockCondition, other: ClockCondition) -> bool:
    """Whether every event that matches the other condition matches this one."""
    return one.field is other.field and one.value in {None, other.value}


def _told(condition: ClockCondition) -> str:
    return f"{condition.field} {condition.value}" if condition.value is not None else str(condition.field)


def _judge_priorities(clause: Clause, at: Path) -> Iterator[Finding]:
    """Yield targets by priority where no single clock is held against them, or without what a change does."""
    objective, indicator = clause.objective, clause.indicator
    stated: dict[Path, Mapping[str, Decimal]] = {(*at, "objective", "by_priority"): objective.by_priority}
    if objective.target is not None:
        stated[*at, "objective", "target", "by_priority"] = objective.target.by_priority
    is_ratio = objective.aggregation is Aggregation.RATIO
    for path, by_priority in stated.items():
        if not by_priority:
            continue
        in_target = "target" in path[len(at) :]
        if not isinstance(indicator, ClockIndicator):
            message = f"priorities belong to tickets: {measure_of(clause).noun} has none"
            yield Finding(path, message, "remove by_priority")
        elif is_ratio and not in_target:
            message = "the value of a ratio is a percentage of all events, whatever their priority"
            yield Finding(path, message, "move by_priority into target")
        elif not is_ratio and objective.aggregation is not Aggregation.EACH:
            message = f"the {objective.aggregation} of the month is one figure for all priorities"
            yield Finding(path, message, "remove by_priority, or write a clause for each priority")
        else:
            if indicator.priority_change is None:
                message = "targets differ by priority, but not what happens when the priority changes"
                mend = "add `priority_change: keep`, restart or retroactive to the indicator"
                yield Finding(path, message, mend)
            for priority, value in by_priority.items():
                if value == 0:
                    message = f"no clock can stop within no time, as priority {priority} must"
                    yield warning((*path, priority), message, "write the time that the contract allows")
    changing = isinstance(indicator, ClockIndicator) and indicator.priority_change is not None
    if changing and not any(stated.values()):
        where = "the target" if is_ratio else "the objective"
        message = "a change of priority changes nothing: one target holds for all"
        mend = f'remove it, or add `by_priority: {{"1": …}}` to {where}'
        yield Finding((*at, "indicator", "priority_change"), message, mend)


# --- Objectives -------------------------------------------------------------------------------------------


def _judge_objective(clause: Clause, at: Path) -> Iterator[Finding]:
    kind, objective, measure = clause.indicator.kind, clause.objective, measure_of(clause)
    subject = f"a {kind} indicator" if not is_monthly(clause) else measure.noun
    if kind == "availability" and objective.aggregation is not Aggregation.EACH:
        yield Finding(
            (*at, "aggregation"),
            f"an availability is judged by the month already and has no {objective.aggregation}",
            "remove aggregation"
            + (", and target" if objective.target else "")
            + (", and percentile" if objective.percentile else ""),
        )
        return
    if objective.unit not in measure.units:
        message = f"the objective of {subject} cannot be in {objective.unit}"
        yield Finding((*at, "unit"), message, _one_of(measure.units))
    if objective.operator not in measure.operators:
        first, second = measure.operators
        message = f"the objective of {subject} is judged with {first} or {second}, not {objective.operator}"
        yield Finding((*at, "operator"), message, f'write operator: "{first}", or "{second}"')
    if objective.target is not None:
        yield from _judge_target(clause, (*at, "target"))
    if measure.fits(objective):
        told = list(_judge_level(clause, measure, (*at, "value")))
        yield from told
        if not told and objective.rounding_before_banding is not None:
            for value, path in levels_of(objective, at):
                yield from _judge_rounding(objective, value, path)


def _one_of(units: tuple[Unit, ...]) -> str:
    return f"write one of {', '.join(units)}" if units[1:] else f"write {units[0]}"


def _judge_target(clause: Clause, at: Path) -> Iterator[Finding]:
    target, kind = clause.objective.target, clause.indicator.kind
    assert target is not None  # the caller's branch
    units = _UNITS_OF_INDICATOR[kind]
    if target.unit not in units:
        yield Finding((*at, "unit"), f"the target of a {kind} cannot be in {target.unit}", _one_of(units))
    elif kind == "clock" and target.value == 0:
        yield Finding(
            (*at, "value"), "no clock can stop within no time", "write the time that the contract allows"
        )
    elif kind == "milestone" and target.value != target.value.to_integral_value():
        yield Finding(
            (*at, "value"),
            f"delays are counted in whole days, not {target.value}",
            "write a whole number of days",
        )


def _judge_level(clause: Clause, measure: Measure, path: Path) -> Iterator[Finding]:
    objective = clause.objective
    value, operator = objective.value, objective.operator
    if operator in AT_LEAST:
        lowest_is_missing = value == 0 and operator is Operator.AT_LEAST
        if lowest_is_missing or value > _FULL:
            yield Finding(
                path,
                f"{measure.noun} of {value} % cannot be promised",
                "write a percentage above 0 and at most 100",
            )
        elif value == _FULL and operator is Operator.MORE_THAN:
            mend = 'write operator: ">=", or a lower value'
            yield Finding(path, f"{measure.noun} is never above 100 %", mend)
    elif clause.indicator.kind == "clock" and value == 0:
        yield Finding(path, "no clock can stop within no time", "write the time that the contract allows")
    elif value == 0 and operator is Operator.LESS_THAN:
        mend = 'write operator: "<=", or the days that the contract allows'
        yield Finding(path, "no delay is below 0", mend)
    elif measure.is_whole and value != value.to_integral_value():
        yield Finding(path, f"delays are counted in whole days, not {value}", "write a whole number of days")


def levels_of(objective: Objective, at: Path) -> Iterator[tuple[Decimal, Path]]:
    """Yield every level that a measure may be held against, and where the objective states it."""
    yield objective.value, (*at, "value")
    for priority, value in objective.by_priority.items():
        yield value, (*at, "by_priority", priority)


def _judge_rounding(objective: Objective, value: Decimal, path: Path) -> Iterator[Finding]:
    """Yield what rounding makes of a promise, where that is another one than the text's."""
    rounding, operator = objective.rounding_before_banding, objective.operator
    assert rounding is not None  # the caller's branch
    step = Decimal(1).scaleb(-rounding.digits)
    kept = _kept_level(value, operator, step)
    exact = _digits_of(value)
    shown = written(kept.quantize(step))
    how = f"rounded {str(rounding.mode).replace('_', ' ')} to {rounding.digits} digits"
    mends = f"write digits: {exact}" if exact > rounding.digits else f"write digits: {rounding.digits + 1}"
    if operator in AT_LEAST:
        if kept >= _FULL > value and rounding.mode is RoundingMode.DOWN:
            message = f"{how}, no value below {shown} is {operator} {value}: only {shown} keeps the promise"
            yield warning(path, message, f"{mends} or more, or a lower value")
            return
        effective = f'operator: ">=", value: {shown}'
    else:
        if kept == 0 < value and rounding.mode is RoundingMode.UP:
            message = f"{how}, no value above {shown} is {operator} {value}: only {shown} keeps the promise"
            yield warning(path, message, f"{mends} or more, or a higher value")
            return
        effective = f'operator: "<=", value: {shown}'
    if value != value.quantize(step):
        direction = "on" if operator in AT_LEAST else "down"
        message = f"{how}, {operator} {value} is kept from {shown} {direction}: {value} itself never occurs"
        yield warning(path, message, f"write {effective} if that is meant, else digits: {exact}")


def _kept_level(value: Decimal, operator: Operator, step: Decimal) -> Decimal:
    """Return the last rounded value that still keeps the promise."""
    steps = value / step
    if operator is Operator.AT_LEAST:
        return steps.to_integral_value(ROUND_CEILING) * step
    if operator is Operator.MORE_THAN:
        return (steps.to_integral_value(ROUND_FLOOR) + 1) * step
    if operator is Operator.AT_MOST:
        return steps.to_integral_value(ROUND_FLOOR) * step
    return (steps.to_integral_value(ROUND_CEILING) - 1) * step


def _digits_of(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


# --- Penalties --------------------------------------------------------------------------------------------


def _judge_counting(clause: Clause, at: Path) -> Iterator[Finding]:
    penalty, measure, kind = clause.penalty, measure_of(clause), clause.indicator.kind
    if isinstance(penalty, Proportional) and kind != "availability":
        message = f"a {kind} indicator has no unavailability for a proportional credit"
        mend = "write the formula percent_of_invoice_per_event or fixed_per_event"
        yield Finding((*at, "formula"), message, mend)
    if isinstance(penalty, (Linear, ValueTimesDelay)):
        if penalty.per.unit not in measure.units:
            message = f"{measure.noun} is not counted in {penalty.per.unit}"
            yield Finding((*at, "per", "unit"), message, _one_of(measure.units))
        elif penalty.on is CountedOn.VALUE and measure.operators == AT_LEAST:
            message = f"on: value counts {measure.noun} itself: the better it is, the higher the price"
            yield warning((*at, "on"), message, "write on: excess, to count what lies below the objective")


def _judge_quarter(clause: Clause, at: Path) -> Iterator[Finding]:
    """Yield prices of a quarter that look at single months."""
    penalty = clause.penalty
    base: Base | None = getattr(penalty, "base", None)
    mend = "write base: order_amount, or stated with base_amount, or a formula with amounts"
    if base not in {None, Base.ORDER_AMOUNT, Base.STATED}:
        message = f"the clause is judged by the quarter, and {base} is that of a month"
        yield Finding((*at, "base"), message, mend)
    cap = penalty.event_cap
    if cap is not None and cap.pct_of_base is not None and base is None:
        message = "the clause is judged by the quarter, and the base of its event_cap is a month's invoice"
        yield Finding((*at, "event_cap", "pct_of_base"), message, "write amount instead")
    if penalty.earn_back is not None:
        message = "a level is held month by month, and a quarter has a measure in one month of three alone"
        yield Finding((*at, "earn_back"), message, "remove earn_back, or write period: month")
    if penalty.repeat is not None:
        message = (
            "repeat counts failing months in a row, and between two quarters lie months without a verdict: "
            "every run ends at once"
        )
        yield Finding((*at, "repeat"), message, "remove repeat, or write period: month")


def _judge_earn_back(clause: Clause, earn_back: EarnBack, at: Path) -> Iterator[Finding]:
    objective, measure, level = clause.objective, measure_of(clause), earn_back.level
    if "months" not in earn_back.model_fields_set:
        yield warning(
            (*at, "months"),
            "the earn-back does not say over how many months the level is held: one month is enough",
            "write months: 1 if that is meant, else the months of the contract",
        )
    if level is None and is_monthly(clause):
        yield Finding(
            at,
            "the earn-back has no level, and the clause is judged by the month",
            f"add `level: …`, a level stricter than {objective.value} {objective.unit}",
        )
    elif level is not None and not is_monthly(clause):
        yield Finding(
            (*at, "level"),
            "where events are judged one by one no level is held: the months must be without a breach",
            "remove level",
        )
    elif level is not None and measure.fits(objective):
        operator = objective.operator
        if (operator in AT_LEAST and level > _FULL) or (operator is Operator.MORE_THAN and level == _FULL):
            message = f"no measure is {operator} {level} %: nothing is ever given back"
            yield Finding((*at, "level"), message, "write a level of at most 100 that can be reached")
        elif operator is Operator.LESS_THAN and level == 0:
            message = "no measure is below 0: nothing is ever given back"
            yield Finding((*at, "level"), message, "write a level that can be reached")
        elif level <= objective.value if operator in AT_LEAST else level >= objective.value:
            side = "above" if operator in AT_LEAST else "below"
            kind = "the objective" if level == objective.value else "less than the objective"
            yield warning(
                (*at, "level"),
                f"the level {level} is {kind}: any month that keeps the promise gives back",
                f"write a level {side} {objective.value}",
            )
