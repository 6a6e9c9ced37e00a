"""Bands must cover every value that breaks the objective, once, and nothing else.

All limits become *cuts* of the line of values: before a number or after it. A band, and the values that
break the objective, are then half-open between two cuts. Where only some values occur (whole days, rounded
measures) the cuts are numbered along those values, so that nothing lies between ``at_most: 3`` and
``at_least: 4`` days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from avoir.contracts.clause_rules import AT_LEAST, measure_of
from avoir.contracts.findings import Finding, warning, written
from avoir.contracts.model import Band, Clause, CountedOn, Operator, Tiers, Unit
from avoir.contracts.problems import Severity
from avoir.contracts.resolving import Path

Cut = tuple[Decimal, int]
"""A place on the line: a number and 0 (just before it) or 1 (just after it)."""

_START: Cut = (Decimal("-Infinity"), 0)
_END: Cut = (Decimal("Infinity"), 0)
_COMPLEMENT = {"at_most": "above", "below": "at_least", "at_least": "below", "above": "at_most"}


@dataclass(frozen=True, slots=True)
class _Line:
    """The values in the bands' terms: which occur, which can be measured, and which break the objective."""

    step: Decimal | None
    offset: Decimal
    measurable: tuple[Cut, Cut]
    breaking: tuple[Cut, Cut]
    kept_is_above: bool

    def place(self, cut: Cut) -> Cut:
        """Return the cut, or where only some values occur the number of the first one after it."""
        number, side = cut
        if self.step is None or not number.is_finite():
            return cut
        steps = (number - self.offset) / self.step
        if side:
            return steps.to_integral_value(ROUND_FLOOR) + 1, 0
        return steps.to_integral_value(ROUND_CEILING), 0

    def told(self, start: Cut, end: Cut) -> str:
        """Return the values between two placed cuts in words."""
        if self.step is not None and start[0].is_finite():
            first = written(self._value(start[0]))
            if not end[0].is_finite():
                return f"values from {first} on"
            last = written(self._value(end[0] - 1))
            return f"exactly {first}" if first == last else f"values from {first} to {last}"
        if self.step is not None:
            return f"values up to {written(self._value(end[0] - 1))}"
        if start[0] == end[0]:
            return f"exactly {written(start[0])}"
        ends = []
        if start[0].is_finite():
            ends.append(f"{'above' if start[1] else 'of at least'} {written(start[0])}")
        if end[0].is_finite():
            ends.append(f"{'at most' if end[1] else 'below'} {written(end[0])}")
        return "values " + " and ".join(ends)

    def _value(self, number: Decimal) -> Decimal:
        assert self.step is not None  # the callers' branches
        return self.offset + number * self.step


@dataclass(frozen=True, slots=True)
class _Placed:
    """A band between its cuts, and between those that lie among the breaking values."""

    band: Band
    path: Path
    start: Cut
    end: Cut
    breaking: tuple[Cut, Cut]

    @property
    def limits(self) -> str:
        """The band's limits as the file writes them."""
        return "{" + ", ".join(f"{name}: {written(value)}" for name, value in _limits(self.band)) + "}"

    def complement(self, side: str) -> str:
        """Return the limit that begins where the band ends, or ends where it begins."""
        names = ("at_least", "above") if side == "lower" else ("at_most", "below")
        name, value = next((name, value) for name, value in _limits(self.band) if name in names)
        return f"{_COMPLEMENT[name]}: {written(value)}"

    def path_of(self, side: str) -> Path:
        """Return the place of a limit, or of the band where it is open."""
        names = ("at_least", "above") if side == "lower" else ("at_most", "below")
        written_names = [name for name, _ in _limits(self.band) if name in names]
        return (*self.path, *written_names)


def _limits(band: Band) -> Iterator[tuple[str, Decimal]]:
    for name in ("at_least", "above", "at_most", "below"):
        value: Decimal | None = getattr(band, name)
        if value is not None:
            yield name, value


def judge_bands(clause: Clause, at: Path) -> Iterator[Finding]:
    """Yield empty bands, gaps, overlaps, and bands that hold values at which the objective is kept."""
    penalty = clause.penalty
    if not isinstance(penalty, Tiers) or not measure_of(clause).fits(clause.objective):
        return
    line = _line_of(clause, penalty.on)
    bands: Path = (*at, "penalty", "bands")
    placed: list[_Placed] = []
    for position, band in enumerate(penalty.bands):
        one = _place(line, band, (*bands, position))
        told = list(_judge_band(line, one, penalty.on))
        yield from told
        if any(finding.severity is Severity.ERROR for finding in told):
            return
        if one.breaking[0] < one.breaking[1]:
            placed.append(one)
    yield from _judge_cover(line, placed, bands)


def _line_of(clause: Clause, on: CountedOn) -> _Line:
    objective = clause.objective
    value, operator = objective.value, objective.operator
    measured_end: Cut = (Decimal(100), 1) if objective.unit is Unit.PCT else _END
    rounding = objective.rounding_before_banding
    step = Decimal(1).scaleb(-rounding.digits) if rounding else None
    if measure_of(clause).is_whole:
        step = Decimal(1)
    if objective.by_priority:
        # What breaks the strictest target has a price; excesses over several targets share no grid.
        levels = [value, *objective.by_priority.values()]
        value = min(levels)
        if on is CountedOn.EXCESS and step is not None and any((one - value) % step for one in levels):
            step = None
    zero: Cut = (Decimal(0), 0)
    if operator in AT_LEAST:
        # The measure falls short of the objective; the excess is what it lies below.
        broken_end: Cut = (value, 1 if operator is Operator.MORE_THAN else 0)
        if on is CountedOn.VALUE:
            return _Line(step, Decimal(0), (zero, measured_end), (zero, broken_end), kept_is_above=True)
        excess: tuple[Cut, Cut] = ((Decimal(0), 1 - broken_end[1]), (value, 1))
        return _Line(step, value, (_START, (value, 1)), excess, kept_is_above=False)
    broken_from: Cut = (value, 0 if operator is Operator.LESS_THAN else 1)
    if on is CountedOn.VALUE:
        return _Line(step, Decimal(0), (zero, _END), (broken_from, _END), kept_is_above=False)
    return _Line(step, -value, (_START, _END), ((Decimal(0), broken_from[1]), _END), kept_is_above=False)


def _place(line: _Line, band: Band, path: Path) -> _Placed:
    (lower, holds_lower), (upper, holds_upper) = band.lower, band.upper
    start = _START if lower is None else line.place((lower, 0 if holds_lower else 1))
    end = _END if upper is None else line.place((upper, 1 if holds_upper else 0))
    first, last = (line.place(cut) for cut in line.breaking)
    return _Placed(band, path, start, end, (max(start, first), min(end, last)))


def _judge_band(line: _Line, one: _Placed, on: CountedOn) -> Iterator[Finding]:
    band = one.band
    (lower, _), (upper, _) = band.lower, band.upper
    if lower is not None and upper is not None and lower > upper:
        mend = f"exchange the limits: the lower one is {written(upper)}"
        yield Finding(one.path, f"the band {one.limits} is empty: its limits are reversed", mend)
        return
    if one.start >= one.end:
        message = f"the band {one.limits} is empty: no value that can be measured lies in it"
        mend = "correct its limits"
        if upper is not None and lower == upper:
            mend = f"write at_least: {written(upper)}, at_most: {written(upper)} for this value alone"
        yield Finding(one.path, message, f"{mend}, or remove the band")
        return
    first, last = (line.place(cut) for cut in line.measurable)
    if max(one.start, first) >= min(one.end, last):
        most = f"; the last value is {written(line.measurable[1][0])}" if last[0].is_finite() else ""
        message = f"no {'value' if on is CountedOn.VALUE else 'excess'} lies in the band {one.limits}{most}"
        yield Finding(one.path, message, "correct its limits, or remove the band")
        return
    side = "upper" if line.kept_is_above else "lower"
    edge = line.breaking[1] if line.kept_is_above else line.breaking[0]
    number = written(edge[0])
    if line.kept_is_above:
        mend = f"write {'at_most' if edge[1] else 'below'}: {number} here"
        reaches = upper is not None and one.end > line.place(edge)
    else:
        mend = f"write {'above' if edge[1] else 'at_least'}: {number} here"
        reaches = lower is not None and one.start < line.place(edge)
    if one.breaking[0] >= one.breaking[1]:
        message = f"in the whole band {one.limits} the objective is kept, and nothing is paid there"
        yield warning(one.path, f"{message}: a kept promise is no breach", "remove the band")
    elif reaches:
        between = (line.place(edge), one.end) if line.kept_is_above else (one.start, line.place(edge))
        held = line.told(*between)
        message = f"the band holds {held}, where the objective is kept and nothing is paid"
        yield warning(one.path_of(side), f"{message}: a kept promise is no breach", mend)


def _judge_cover(line: _Line, placed: list[_Placed], bands: Path) -> Iterator[Finding]:
    first, last = (line.place(cut) for cut in line.breaking)
    if first >= last:
        return
    if not placed:
        message = "no band holds a value that breaks the objective, so no breach has a price"
        yield Finding(bands, message, f"add bands for {line.told(first, last)}")
        return
    reached, furthest = first, None
    for one in sorted(placed, key=lambda one: one.breaking):
        start, end = one.breaking
        if start > reached:
            gap = line.told(reached, start)
            if furthest is None:
                number, side = line.breaking[0]
                floor = f"write {'above' if side else 'at_least'}: {written(number)} here"
                if line.kept_is_above:
                    floor = "leave its lower limit out"
                mend = f"{floor}, or add a band with {one.complement('lower')}"
            else:
                mend = (
                    f"write {furthest.complement('upper')} here, or {one.complement('lower')} in the band "
                    f"{furthest.limits}"
                )
            yield Finding(one.path_of("lower"), f"the bands leave a gap: no band holds {gap}", mend)
        elif furthest is not None and start < reached:
            both = line.told(start, min(end, reached))
            message = f"the bands overlap: {both} in {furthest.limits} and in {one.limits}"
            mend = (
                f"write {furthest.complement('upper')} here"
                if end > reached
                else "remove one of the two bands, or set their limits apart"
            )
            yield Finding(one.path_of("lower"), message, mend)
        if furthest is None or end > reached:
            reached, furthest = end, one
    if reached < last and furthest is not None:
        gap = line.told(reached, last)
        number, side = line.breaking[1]
        if number.is_finite():
            ceiling = f"write {'at_most' if side else 'below'}: {written(number)} here"
        else:
            ceiling = "leave its upper limit out"
        message = f"the bands leave a gap: no band holds {gap}"
        mend = f"{ceiling}, or add a band with {furthest.complement('upper')}"
        yield Finding(furthest.path_of("upper"), message, mend)
