"""What happened, measured: clocks, milestones, availabilities, figures of the month, and bases of money.

:func:`measured` reads one contract and one of its worked tests. The rules are those of
docs/contract-format.md and dbt_project/DECISIONS.md, whose numbers stand beside what they decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from math import ceil

from avoir.contracts.model import (
    Aggregation,
    Base,
    Clause,
    Contract,
    DayKind,
    FixedFee,
    MilestoneIndicator,
    ReleaseOfTest,
    StartedDay,
    WorkedTest,
)
from tests.oracle.availability import availabilities
from tests.oracle.business_time import business_time, local_date, midnight_us, month_after
from tests.oracle.clocks import clocks
from tests.oracle.seen import Exclusion, Part, Window, exclusions_of, window_of
from tests.oracle.verdicts import (
    Event,
    Figure,
    figure_of,
    is_judged_by_month,
    judged_event,
    level_of_event,
    outcome_of_event,
)

# --- Milestones -----------------------------------------------------------------------------------------


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
    """Return the days after the due date, by dates (DECISIONS 26); by ``floor`` only those that are over."""
    last = until if indicator.started_day is StartedDay.CEIL else until - timedelta(days=1)
    days = [due + timedelta(days=n + 1) for n in range((last - due).days)]
    if indicator.days is DayKind.CALENDAR:
        return len(days)
    hours = business_time(part.stage.calendars[indicator.calendar or ""])
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
                level = level_of_event(clause)
                judged, is_kept = judged_event(clause, measure, level)
                measured_milestones.append(
                    Event(
                        clause=clause,
                        part=part,
                        subject=release.release,
                        instant_us=midnight_us(due, window.zone),
                        measure=measure,
                        judged=judged,
                        level=level,
                        is_over=is_over,
                        is_excluded=is_excluded,
                        outcome=outcome_of_event(
                            clause, is_kept=is_kept, is_over=is_over, is_excluded=is_excluded
                        ),
                        delay_days=delay_days,
                    )
                )
    return measured_milestones


# --- Figures of the month -------------------------------------------------------------------------------


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
                figures.append(figure_of(clause, part, _aggregate(clause, counted)))
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
