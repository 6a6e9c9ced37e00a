"""What is measured and how it is judged: events one by one, figures by the month.

Measures are exact fractions in the unit of the objective; instants are microseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor

from avoir.contracts.model import Aggregation, Clause, Operator, Rounding, RoundingMode, Unit
from tests.oracle.business_time import SECOND_US
from tests.oracle.seen import Part

UNIT_US = {Unit.SECONDS: SECOND_US, Unit.MINUTES: 60 * SECOND_US, Unit.HOURS: 3600 * SECOND_US}

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


def is_judged_by_month(clause: Clause) -> bool:
    """Whether a month has one verdict, not each event."""
    return clause.indicator.kind == "availability" or clause.objective.aggregation is not Aggregation.EACH


# --- Events -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """A cycle of a ticket's clock, or a release, under one clause.

    ``measure`` is the time or delay so far, in the unit of the objective (of a ratio: of its target), and
    ``judged`` the same as the contract rounds it; ``level`` is what it is held against, in the same unit,
    None where only the month has one (average and percentile). Of a clock all of these, ``business_us`` and
    ``due_us`` (the instant at which the level is reached) are those of its deciding phase, number
    ``phase_no``. ``is_over`` once it can no longer grow. ``outcome`` is None where only the month's figure
    has a verdict.
    """

    clause: Clause
    part: Part
    subject: str
    instant_us: int
    measure: Fraction
    judged: Fraction
    level: Fraction | None
    is_over: bool
    is_excluded: bool
    outcome: str | None
    cycle_no: int = 1
    phase_no: int = 1
    phase_count: int = 1
    business_us: int | None = None
    due_us: int | None = None
    delay_days: int | None = None

    @property
    def month(self) -> date:
        """The month it belongs to: of the start of a cycle, of the validated due date."""
        return self.part.month


def level_of_event(clause: Clause, priority: str = "") -> Fraction | None:
    """Return what a single event of a priority is held against; None where only the month is judged."""
    objective = clause.objective
    if objective.aggregation in {Aggregation.AVERAGE, Aggregation.PERCENTILE}:
        return None
    stated = objective if objective.target is None else objective.target
    return Fraction(stated.by_priority.get(priority, stated.value))


def unit_of_event(clause: Clause) -> Unit:
    """Return the unit in which a single event is measured."""
    objective = clause.objective
    return objective.unit if objective.target is None else objective.target.unit


def judged_event(clause: Clause, measure: Fraction, level: Fraction | None) -> tuple[Fraction, bool]:
    """Return the value that is judged, and whether it keeps its level; a ratio's target is never rounded."""
    objective = clause.objective
    if level is None:
        return measure, True
    if objective.aggregation is not Aggregation.EACH:
        return measure, measure <= level
    judged = rounded_as_agreed(measure, objective.rounding_before_banding)
    return judged, stands(judged, objective.operator, level)


def outcome_of_event(clause: Clause, *, is_kept: bool, is_over: bool, is_excluded: bool) -> str | None:
    """Return the verdict: a breach is not put off by leaving it open (DECISIONS 12)."""
    if is_excluded:
        return "excluded"
    if level_of_event(clause) is None:
        return None
    if not is_kept:
        return "breached"
    return "met" if is_over else "running"


# --- Figures of the month ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """What is judged by the month, on one version's part of it (or, in its last part, by the quarter).

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


def figure_of(clause: Clause, part: Part, measure: Fraction | None) -> Figure:
    """Return a part's figure with its verdict; without a measure there is none."""
    if measure is None:
        return Figure(clause, part, None, None, "no_data")
    objective = clause.objective
    judged = rounded_as_agreed(measure, objective.rounding_before_banding)
    kept = stands(judged, objective.operator, Fraction(objective.value))
    return Figure(clause, part, measure, judged, "met" if kept else "breached")
