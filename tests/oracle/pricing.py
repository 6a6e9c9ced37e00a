"""What is owed: every breach priced step by step, as docs/contract-format.md says under "Steps".

:func:`judge` takes one contract and one of its worked tests. Each step is a function over the lines, whose
amounts are exact fractions in the contract's currency, None where something needed is not there. Only the
credit is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from avoir.contracts.model import (
    AtRiskPool,
    Band,
    Base,
    Based,
    CapPer,
    CapScope,
    Clause,
    Contract,
    CountedOn,
    CumulationPer,
    Exemption,
    ExemptionOver,
    FixedPerEvent,
    Keep,
    Linear,
    NonCumulation,
    Operator,
    PercentOfInvoicePerEvent,
    Points,
    Proportional,
    ProportionalOn,
    Tiers,
    UnitRounding,
    UnitSize,
    ValueTimesDelay,
    WorkedTest,
)
from tests.oracle.business_time import midnight_us, month_after
from tests.oracle.measuring import Facts, measured
from tests.oracle.seen import Part
from tests.oracle.verdicts import UNIT_US, Event, Figure, is_judged_by_month, rounded, stands

Amount = Fraction | None

BREACH, EXEMPTION_RELEASE, EARN_BACK = "breach", "exemption_release", "earn_back"

STEPS = (
    "formula",
    "repeat",
    "non_cumulation",
    "event_cap",
    "period_cap",
    "rolling_cap",
    "exemption",
    "indexation",
    "earn_back",
)
"""The exact steps in their order; the credit, which is rounded, follows."""


@dataclass
class Line:
    """A line of what is owed and the amount after each step, in the contract's currency, excluding VAT.

    ``month`` is the one in which it is due, ``origin_month`` that of the breach. ``subject`` is the ticket or
    release, empty for what is judged by the month. ``instant_us`` orders the lines: the start of a cycle, the
    first instant of a due date, the end of the part that was judged. ``judged`` broke ``level``.
    """

    part: Part
    clause: Clause
    month: date
    origin_month: date
    kind: str
    subject: str
    instant_us: int
    judged: Fraction
    level: Fraction
    cycle_no: int = 1
    marks: list[str] = field(default_factory=list)
    formula: Amount = Fraction(0)
    repeat: Amount = Fraction(0)
    non_cumulation: Amount = Fraction(0)
    event_cap: Amount = Fraction(0)
    period_cap: Amount = Fraction(0)
    rolling_cap: Amount = Fraction(0)
    exemption: Amount = Fraction(0)
    indexation: Amount = Fraction(0)
    earn_back: Amount = Fraction(0)
    credit: Decimal | None = None

    @property
    def clause_id(self) -> str:
        """Id of the clause."""
        return self.clause.id

    @property
    def version_no(self) -> int:
        """Number of the version that priced it."""
        return self.part.version_no

    @property
    def order(self) -> tuple[int, str, str, int]:
        """Where it stands within anything that is used up line by line; texts by code points."""
        return self.instant_us, self.clause.id, self.subject, self.cycle_no

    @property
    def steps(self) -> dict[str, Amount]:
        """The exact amounts by step."""
        return {step: getattr(self, step) for step in STEPS}


@dataclass(frozen=True)
class Judged:
    """Everything that follows from one test.

    ``clocks``: by clause, ticket and cycle, business microseconds, outcome (None where only the month is
    judged) and the instant at which the target is reached. ``milestones``: by clause and release, days of
    delay and outcome, in the same way. ``months``: by clause, version and month, the unrounded measure in the
    objective's unit and the outcome, of what is judged by the month.
    """

    lines: tuple[Line, ...]
    clocks: dict[tuple[str, str, int], tuple[int | None, str | None, int | None]]
    months: dict[tuple[str, int, date], tuple[Fraction | None, str]]
    milestones: dict[tuple[str, str], tuple[int | None, str | None]]
    facts: Facts


def judge(contract: Contract, test: WorkedTest) -> Judged:
    """Return what one worked test of a contract comes to."""
    facts = measured(contract, test)
    lines = breaches(facts)
    price(lines, facts)
    multiply_repeats(lines, facts)
    drop_cumulation(lines)
    cap_events(lines, facts)
    for line in lines:
        line.period_cap = line.event_cap
    for per in (CapPer.MONTH, CapPer.QUARTER):
        for scope in CapScope:
            use_up(lines, facts, per, scope, "period_cap")
    for line in lines:
        line.rolling_cap = line.period_cap
    for per in (CapPer.ROLLING_12_MONTHS, CapPer.TERM):
        for scope in CapScope:
            use_up(lines, facts, per, scope, "rolling_cap")
    lines += exempt(lines, facts)
    index(lines, facts)
    for line in lines:
        line.earn_back = line.indexation
    lines += earn_back(lines, facts)
    round_credits(lines, contract.minor_units)
    lines.sort(key=lambda line: (line.month, line.origin_month, line.kind, line.order))
    return Judged(
        lines=tuple(lines),
        clocks={
            (e.clause.id, e.subject, e.cycle_no): (e.business_us, _own_verdict(e), e.due_us)
            for e in facts.clocks
        },
        months={(f.clause.id, f.part.version_no, f.month): (f.measure, f.outcome) for f in facts.figures},
        milestones={(e.clause.id, e.subject): (e.delay_days, _own_verdict(e)) for e in facts.milestones},
        facts=facts,
    )


def _own_verdict(event: Event) -> str | None:
    return None if is_judged_by_month(event.clause) else event.outcome


def breaches(facts: Facts) -> list[Line]:
    """Return one line for each event or part of a month that broke its promise, in the order of instants."""
    lines: list[Line] = []
    for event in (*facts.clocks, *facts.milestones):
        if event.outcome == "breached" and not is_judged_by_month(event.clause):
            lines.append(_line_of_event(event))
    for figure in facts.figures:
        if figure.outcome == "breached" and figure.judged is not None:
            lines.append(_line_of_figure(figure, figure.judged))
    return sorted(lines, key=lambda line: line.order)


def _line_of_event(event: Event) -> Line:
    assert event.level is not None
    return Line(
        part=event.part,
        clause=event.clause,
        month=event.month,
        origin_month=event.month,
        kind=BREACH,
        subject=event.subject,
        instant_us=event.instant_us,
        judged=event.judged,
        level=event.level,
        cycle_no=event.cycle_no,
    )


def _line_of_figure(figure: Figure, judged: Fraction) -> Line:
    return Line(
        part=figure.part,
        clause=figure.clause,
        month=figure.month,
        origin_month=figure.month,
        kind=BREACH,
        subject="",
        instant_us=figure.part.ends_us,
        judged=judged,
        level=Fraction(figure.clause.objective.value),
    )


# --- Formula ----------------------------------------------------------------------------------------------


def _times(amount: Amount, factor: Amount) -> Amount:
    return None if amount is None or factor is None else amount * factor


def _share(pct: Decimal, base: Amount) -> Amount:
    return _times(Fraction(pct) / 100, base)


def _excess(line: Line) -> Fraction:
    """Return how far the measure lies beyond its level, in the objective's unit."""
    upwards = line.clause.objective.operator in {Operator.AT_LEAST, Operator.MORE_THAN}
    return line.level - line.judged if upwards else line.judged - line.level


def _counted(line: Line, on: CountedOn) -> Fraction:
    return line.judged if on is CountedOn.VALUE else _excess(line)


def _units(line: Line, on: CountedOn, per: UnitSize, rounding: UnitRounding) -> Fraction:
    """Return the measure in units of ``per``, begun ones counting as the contract says."""
    counted, size = _counted(line, on), Fraction(per.size)
    if per.unit in UNIT_US and line.clause.objective.unit in UNIT_US:
        counted *= Fraction(UNIT_US[line.clause.objective.unit], UNIT_US[per.unit])
    elif per.unit is not line.clause.objective.unit:
        msg = f"{line.clause.id} is measured in {line.clause.objective.unit}, not in {per.unit}"
        raise ValueError(msg)
    units = counted / size
    if rounding is UnitRounding.STARTED:
        return Fraction(ceil(units))
    return Fraction(floor(units)) if rounding is UnitRounding.FULL else units


def band_of(bands: Iterable[Band], value: Fraction) -> Band | None:
    """Return the band in which a value lies."""
    for band in bands:
        above = (band.at_least is None or value >= Fraction(band.at_least)) and (
            band.above is None or value > Fraction(band.above)
        )
        below = (band.at_most is None or value <= Fraction(band.at_most)) and (
            band.below is None or value < Fraction(band.below)
        )
        if above and below:
            return band
    return None


def _base_of(line: Line, facts: Facts, base: Base, stated: Decimal | None = None) -> Amount:
    return facts.money.base(
        base,
        line.part,
        line.clause.service,
        None if stated is None else Fraction(stated),
        share_of_part=is_judged_by_month(line.clause),
    )


def _own_base(line: Line, facts: Facts) -> Amount:
    """Return the base of the line's formula; of a formula without one, the month's invoice."""
    penalty = line.clause.penalty
    if isinstance(penalty, Based | Tiers | Linear) and penalty.base is not None:
        return _base_of(line, facts, penalty.base, penalty.base_amount)
    return _base_of(line, facts, Base.MONTH_INVOICE)


def _points_worth(line: Line, facts: Facts, points: Decimal) -> Amount:
    worth = line.part.stage.terms.service_points
    if worth is None:
        return None
    if worth.point_amount is not None:
        return Fraction(points) * Fraction(worth.point_amount)
    assert worth.point_rate_pct is not None
    assert worth.base is not None
    return _times(Fraction(points), _share(worth.point_rate_pct, _base_of(line, facts, worth.base)))


def _amount_of_band(line: Line, facts: Facts, penalty: Tiers) -> Amount:
    band = band_of(penalty.bands, _counted(line, penalty.on))
    if band is None:
        return Fraction(0)
    if band.rate_pct is not None:
        return _share(band.rate_pct, _own_base(line, facts))
    if band.points is not None:
        return _points_worth(line, facts, band.points)
    assert band.amount is not None
    return Fraction(band.amount)


def amount_of_breach(line: Line, facts: Facts) -> Amount:
    """Return the amount of one breach by its clause's formula."""
    penalty = line.clause.penalty
    if isinstance(penalty, PercentOfInvoicePerEvent):
        return _share(penalty.rate_pct, _own_base(line, facts))
    if isinstance(penalty, FixedPerEvent):
        return Fraction(penalty.amount)
    if isinstance(penalty, Proportional):
        # 432 of 43 200 minutes, 216 of them allowed, of 10 000: 100 on the whole, 50 on the excess.
        whole = penalty.on is ProportionalOn.WHOLE_DOWNTIME
        unavailable_pct = 100 - line.judged if whole else _excess(line)
        return _times(_own_base(line, facts), unavailable_pct / 100)
    if isinstance(penalty, Tiers):
        return _amount_of_band(line, facts, penalty)
    if isinstance(penalty, Points):
        return _points_worth(line, facts, penalty.points)
    if isinstance(penalty, AtRiskPool):
        share = Fraction(penalty.pool_pct) * Fraction(penalty.allocation_pct) * Fraction(penalty.at_risk_pct)
        return _times(_own_base(line, facts), share / 100**3)
    units = _units(line, penalty.on, penalty.per, penalty.units)
    if isinstance(penalty, ValueTimesDelay):
        return _times(_own_base(line, facts), units / Fraction(penalty.divisor))
    if penalty.amount is not None:
        return units * Fraction(penalty.amount)
    assert penalty.rate_pct is not None
    return _times(units, _share(penalty.rate_pct, _own_base(line, facts)))


def price(lines: Sequence[Line], facts: Facts) -> None:
    """Fill the step ``formula``."""
    for line in lines:
        line.formula = amount_of_breach(line, facts)


# --- Repeat and non-cumulation ----------------------------------------------------------------------------


def multiply_repeats(lines: Sequence[Line], facts: Facts) -> None:
    """Fill the step ``repeat``: the nth consecutive failing month of the clause, whatever its version."""
    failing = {(line.clause.id, line.origin_month) for line in lines}
    for line in lines:
        nth = 1
        while (line.clause.id, month_after(line.origin_month, -nth)) in failing:
            nth += 1
        repeat = line.clause.penalty.repeat
        multiplier = Fraction(1)
        if repeat is not None:
            multiplier = Fraction(repeat.multipliers[min(nth, len(repeat.multipliers)) - 1])
        line.repeat = _times(line.formula, multiplier)


def _incident(line: Line, group: NonCumulation) -> tuple[str, ...]:
    if group.per is CumulationPer.MONTH:
        return "month", line.origin_month.isoformat()
    if line.subject:
        return line.clause.indicator.kind, line.subject
    return "service", line.clause.service, line.origin_month.isoformat()


def _kept(group: NonCumulation, totals: dict[str, Fraction]) -> str | None:
    """Return the clause that keeps its charges; None when all do."""
    if group.keep is Keep.SUM:
        return None
    if group.keep is Keep.CUSTOMER_CHOICE and group.choice:
        chosen = next((clause for clause in group.choice if totals.get(clause, 0) > 0), None)
        if chosen is not None:
            return chosen
    present = [clause for clause in group.clauses if clause in totals]
    return max(present, key=lambda clause: totals[clause])  # Of equals, max keeps the first of the group.


def drop_cumulation(lines: Sequence[Line]) -> None:
    """Fill the step ``non_cumulation``, by the groups of each line's own version."""
    incidents: dict[tuple[int, str, tuple[str, ...]], tuple[NonCumulation, list[Line]]] = {}
    for line in lines:
        line.non_cumulation = line.repeat
        for group in line.part.stage.terms.non_cumulation.values():
            if line.clause.id in group.clauses:
                key = line.version_no, group.id, _incident(line, group)
                incidents.setdefault(key, (group, []))[1].append(line)
    for group, together in incidents.values():
        if group.keep is Keep.SUM:
            continue
        totals: dict[str, Fraction] = {}
        is_known = True
        for line in together:
            if line.repeat is None:
                is_known = False
            else:
                totals[line.clause.id] = totals.get(line.clause.id, Fraction(0)) + line.repeat
        kept = _kept(group, totals) if is_known else None
        for line in together:
            if not is_known:
                line.non_cumulation = None
            elif line.clause.id != kept:
                line.non_cumulation = Fraction(0)


# --- Caps -------------------------------------------------------------------------------------------------


def _lower(limits: Sequence[Amount]) -> Amount:
    """Return the lowest of several limits; one that is unknown leaves the lowest unknown."""
    known = [limit for limit in limits if limit is not None]
    return min(known) if len(known) == len(limits) else None


def cap_events(lines: Sequence[Line], facts: Facts) -> None:
    """Fill the step ``event_cap``: the most that one breach may cost."""
    for line in lines:
        cap = line.clause.penalty.event_cap
        limits: list[Amount] = [line.non_cumulation]
        if cap is not None and cap.amount is not None:
            limits.append(Fraction(cap.amount))
        if cap is not None and cap.pct_of_base is not None:
            limits.append(_share(cap.pct_of_base, _own_base(line, facts)))
        line.event_cap = _lower(limits)


def _shares(line: Line, scope: CapScope, key: str) -> bool:
    if scope is CapScope.CLAUSE:
        return line.clause.id == key
    return scope is CapScope.CONTRACT or line.clause.service == key


def window_start(per: CapPer, month: date, first: date) -> date:
    """Return the first month of the stretch of time in which a cap is used up, up to a month of it."""
    if per is CapPer.MONTH:
        return month
    if per is CapPer.QUARTER:
        return month.replace(month=(month.month - 1) // 3 * 3 + 1)
    return first if per is CapPer.TERM else month_after(month, -11)


def _limits(facts: Facts, part: Part, per: CapPer, scope: CapScope, key: str) -> list[Amount]:
    """Return the limits of a part's version that bound one scope; none when it has no such cap."""
    start = window_start(per, part.month, facts.window.months[0])
    months = [m for m in facts.window.months if start <= m <= part.month and facts.window.days_in_force(m)]
    clause = part.stage.clauses.get(key) if scope is CapScope.CLAUSE else None
    service = clause.service if clause is not None else key
    limits: list[Amount] = []
    for cap in part.stage.terms.caps.values():
        if (cap.per, cap.scope, cap.key) == (per, scope, key):
            if cap.amount is not None:
                limits.append(Fraction(cap.amount))
            if cap.pct is not None and cap.of is not None:
                limits.append(_share(cap.pct, facts.money.summed(cap.of, months, part, service)))
    month_cap = clause.penalty.month_cap if clause is not None and per is CapPer.MONTH else None
    if month_cap is not None and month_cap.amount is not None:
        limits.append(Fraction(month_cap.amount))
    if month_cap is not None and month_cap.pct_of_month_invoice is not None:
        limits.append(_share(month_cap.pct_of_month_invoice, facts.money.month_invoice(part.month)))
    return limits


def _keys(lines: Sequence[Line], scope: CapScope) -> list[str]:
    if scope is CapScope.CONTRACT:
        return [""]
    return sorted({line.clause.id if scope is CapScope.CLAUSE else line.clause.service for line in lines})


def use_up(lines: Sequence[Line], facts: Facts, per: CapPer, scope: CapScope, step: str) -> None:
    """Walk one kind of cap over the parts in time, lowering the amounts of a step.

    A part may cost what its own version allows less what the scope has used in the same stretch of time; the
    lines of a version without such a cap pass and use nothing. What is unknown leaves its part unknown, and
    every later part that would need to know what it used.
    """
    for key in _keys(lines, scope):
        used: list[tuple[date, Amount]] = []
        for part in facts.window.parts:
            of_part = [
                line
                for line in lines
                if line.kind == BREACH and line.part is part and _shares(line, scope, key)
            ]
            limits = _limits(facts, part, per, scope, key) if of_part else []
            if not limits:
                continue
            start = window_start(per, part.month, facts.window.months[0])
            earlier = _total(amount for month, amount in used if month >= start)
            total, limit = _total(getattr(line, step) for line in of_part), _lower(limits)
            if earlier is None or total is None or limit is None:
                used.append((part.month, None))
                for line in of_part:
                    line.marks += [f"{per}:{scope}:unknown"] if getattr(line, step) is not None else []
                    setattr(line, step, None)
                continue
            allowed = max(Fraction(0), min(total, limit - earlier))
            used.append((part.month, allowed))
            running = Fraction(0)
            for line in sorted(of_part, key=lambda line: line.order):
                before = min(running, allowed)
                wanted = getattr(line, step)
                running += wanted
                setattr(line, step, min(running, allowed) - before)
                line.marks += [f"{per}:{scope}"] if getattr(line, step) < wanted else []


def _total(amounts: Iterable[Amount]) -> Amount:
    total = Fraction(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


# --- Exemption --------------------------------------------------------------------------------------------


def _exemption_in(facts: Facts, month: date) -> Exemption | None:
    """Return the threshold of the last version that was in force in a month before ``as_of``."""
    begun = [part for part in facts.window.of_month(month) if part.starts_us < facts.window.as_of_us]
    return begun[-1].stage.terms.exemption if begun else None


def exempt(lines: Sequence[Line], facts: Facts) -> list[Line]:
    """Fill the step ``exemption`` and return the lines that the passing of a threshold releases.

    A threshold, not a deductible: at or under it nothing is due, over it everything is.
    """
    releases: list[Line] = []
    exempted: list[Line] = []
    so_far: Amount = Fraction(0)
    is_crossed = False
    for month in facts.window.months:
        of_month = [line for line in lines if line.origin_month == month]
        total = _total(line.rolling_cap for line in of_month)
        so_far = None if so_far is None or total is None else so_far + total
        threshold = _exemption_in(facts, month)
        if threshold is None:
            decide: Callable[[Amount], Amount] = _as_it_is
        elif threshold.over is ExemptionOver.MONTH:
            decide = _over(total, threshold)
        elif is_crossed:
            decide = _as_it_is
        else:
            decide = _over(so_far, threshold)
            if so_far is not None and so_far > Fraction(threshold.amount):
                is_crossed = True
                releases = [_released(line, month) for line in exempted]
            elif so_far is not None:
                exempted += [line for line in of_month if line.rolling_cap]
        for line in of_month:
            line.exemption = decide(line.rolling_cap)
    return releases


def _as_it_is(amount: Amount) -> Amount:
    return amount


def _over(total: Amount, threshold: Exemption) -> Callable[[Amount], Amount]:
    if total is None:
        return lambda _: None
    if total > Fraction(threshold.amount):
        return _as_it_is
    return lambda _: Fraction(0)


def _released(line: Line, month: date) -> Line:
    return Line(
        part=line.part,
        clause=line.clause,
        month=month,
        origin_month=line.origin_month,
        kind=EXEMPTION_RELEASE,
        subject=line.subject,
        instant_us=line.instant_us,
        judged=line.judged,
        level=line.level,
        cycle_no=line.cycle_no,
        exemption=line.rolling_cap,
    )


# --- Indexation, earn-back, credit ------------------------------------------------------------------------


def coefficient(line: Line, facts: Facts) -> Amount:
    """Return the index of the breach's month, less the lag, over its base value, rounded where agreed."""
    indexation = line.part.stage.terms.indexation
    if indexation is None:
        return Fraction(1)
    published = facts.index_values.get(
        (indexation.index, month_after(line.origin_month, -indexation.lag_months))
    )
    if published is None:
        return None
    exact = published / Fraction(indexation.base_value)
    if indexation.coefficient_digits is None:
        return exact
    return rounded(exact, indexation.coefficient_digits, indexation.coefficient_rounding)


def index(lines: Sequence[Line], facts: Facts) -> None:
    """Fill the step ``indexation``."""
    for line in lines:
        line.indexation = _times(line.exemption, coefficient(line, facts))


def _holds(line: Line, level: Decimal | None, month: date, facts: Facts) -> bool:
    """Whether a clause held the level of a breach's earn-back throughout a later month.

    What is judged by the month stands, in every part and as the contract rounds it, to the level; a part
    without a measure does not. Where events are judged the clause was in force, and nothing broke it.
    """
    parts = [part for part in facts.window.of_month(month) if line.clause.id in part.stage.clauses]
    if not parts:
        return False
    if level is None:
        events = (*facts.clocks, *facts.milestones)
        verdicts = [e.outcome for e in events if e.clause.id == line.clause.id and e.month == month]
        verdicts += [f.outcome for f in facts.figures if f.clause.id == line.clause.id and f.month == month]
        return "breached" not in verdicts
    operator = line.clause.objective.operator
    judged = {
        f.part.version_no: f.judged
        for f in facts.figures
        if (f.clause.id, f.month) == (line.clause.id, month)
    }
    values = [judged.get(part.version_no) for part in parts]
    return all(value is not None and stands(value, operator, Fraction(level)) for value in values)


def earn_back(lines: Sequence[Line], facts: Facts) -> list[Line]:
    """Return what is given back: lines of their own in the last month over which the level was held."""
    reversals: list[Line] = []
    for line in lines:
        terms = line.clause.penalty.earn_back
        if line.kind != BREACH or terms is None:
            continue
        months = [month_after(line.origin_month, n + 1) for n in range(terms.months)]
        parts = facts.window.of_month(months[-1])
        # The month has passed, and the contract was in force in it.
        if not parts or facts.window.as_of_us < _month_ends_us(parts[-1], facts):
            continue
        if line.indexation == 0 or not all(_holds(line, terms.level, month, facts) for month in months):
            continue
        reversals.append(
            Line(
                part=line.part,
                clause=line.clause,
                month=months[-1],
                origin_month=line.origin_month,
                kind=EARN_BACK,
                subject=line.subject,
                instant_us=line.instant_us,
                judged=line.judged,
                level=line.level,
                cycle_no=line.cycle_no,
                earn_back=_times(_share(terms.pct, line.indexation), Fraction(-1)),
            )
        )
    return reversals


def _month_ends_us(part: Part, facts: Facts) -> int:
    return midnight_us(month_after(part.month), facts.window.zone)


def _rounded_half_up(amount: Fraction, minor_units: int) -> int:
    """Return an amount in minor units, halves away from zero."""
    nearest = floor(abs(amount) * 10**minor_units + Fraction(1, 2))
    return nearest if amount >= 0 else -nearest


def round_credits(lines: Sequence[Line], minor_units: int) -> None:
    """Fill ``credit``: the rounded running total less the one before, so that lines add up (DECISIONS 36)."""
    running: dict[tuple[int, str, date, date, str], Fraction] = {}
    for line in sorted(lines, key=lambda line: line.order):
        if line.earn_back is None:
            continue
        group = line.version_no, line.clause.id, line.month, line.origin_month, line.kind
        before = running.get(group, Fraction(0))
        running[group] = before + line.earn_back
        units = _rounded_half_up(running[group], minor_units) - _rounded_half_up(before, minor_units)
        line.credit = Decimal(units).scaleb(-minor_units)
