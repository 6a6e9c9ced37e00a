"""Versions of contracts as rows of the reference tables, one mapping of table to rows for all who load them.

A level of a clock is in seconds, whatever unit the file writes; a row holds numbers as exact decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import psycopg
from psycopg import sql

from avoir.contracts.instants import instant_us
from avoir.contracts.model import (
    SECONDS_PER_UNIT,
    Aggregation,
    AtRiskPool,
    AvailabilityIndicator,
    Based,
    Clause,
    ClockIndicator,
    Contract,
    Denominator,
    ExcludedStretch,
    FixedFee,
    FixedPerEvent,
    Linear,
    MilestoneIndicator,
    Objective,
    PercentOfInvoicePerEvent,
    Points,
    Proportional,
    ReportingPeriod,
    Settlement,
    StartedDay,
    Target,
    Tiers,
    Unit,
    ValueTimesDelay,
)
from avoir.contracts.resolving import ResolvedVersion

Row = tuple[object, ...]
Tables = dict[str, list[Row]]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "contract_versions": (
        "contract_version_id", "contract_id", "contract_name", "vendor_id", "version_no", "valid_from",
        "valid_to", "timezone", "currency", "minor_units", "document_sha256", "file_path", "recorded_at",
        "superseded_at", "order_amount", "customer_name",
    ),
    "services": ("contract_version_id", "service_id", "service_name", "fee_kind", "fee_amount"),
    "service_keys": ("contract_version_id", "service_id", "source_name", "key_kind", "key_value"),
    "calendars": ("calendar_id", "contract_version_id", "timezone"),
    "clauses": (
        "contract_version_id", "clause_id", "service_id", "clause_title", "clause_text", "indicator",
        "calendar_id", "objective_operator", "objective_value", "objective_unit", "availability_method",
        "unknown_policy", "probe_interval_seconds", "maintenance_notice_seconds", "slice_seconds",
        "replan_notice_days", "day_kind", "aggregation", "percentile", "target_value", "rounding_digits",
        "rounding_mode", "rounding_unit",
        "formula", "rate_pct", "amount", "proportional_on", "counted_on", "unit_size",
        "unit_rounding", "divisor", "point_count", "point_amount", "point_rate_pct", "pool_pct",
        "allocation_pct", "at_risk_pct", "base_kind", "base_amount", "month_cap_pct", "month_cap_amount",
        "event_cap_pct", "event_cap_amount", "earn_back_level", "earn_back_months", "earn_back_pct",
        "reopen_policy", "join_within_seconds", "priority_change", "quorum", "minimum_downtime_seconds",
        "whole_minutes", "minimum_volume", "reporting_period", "denominator", "started_day",
    ),
    "clock_rules": ("contract_version_id", "clause_id", "role", "field", "value"),
    "clock_targets": ("contract_version_id", "clause_id", "priority", "target_value"),
    "clause_bands": (
        "contract_version_id", "clause_id", "band_no", "lower_value", "is_lower_held", "upper_value",
        "is_upper_held", "rate_pct", "amount", "point_count",
    ),
    "repeat_multipliers": (
        "contract_version_id", "clause_id", "failing_month_no", "multiplier", "is_last",
    ),
    "non_cumulation": (
        "contract_version_id", "clause_id", "group_id", "cumulation_per", "keep", "choice_no", "clause_no",
    ),
    "caps": (
        "contract_version_id", "cap_id", "cap_per", "cap_scope", "scope_key", "amount", "pct", "base_kind",
    ),
    "contract_charges": (
        "contract_version_id", "exemption_amount", "exemption_over", "index_id", "index_base_value",
        "index_lag_months", "coefficient_digits", "coefficient_rounding", "settlement_document",
        "vat_treatment", "notice_days", "observation_days", "silence_rule",
    ),
    "exclusion_grounds": ("contract_version_id", "ground_id", "clause_id", "ground_title", "ground_text"),
    "termination_rights": (
        "contract_version_id", "right_id", "right_title", "right_text", "clause_id", "breached_months",
        "within_months",
    ),
    "committees": (
        "contract_version_id", "committee_id", "committee_name", "committee_level", "meets_every",
    ),
    "reports_due": ("contract_version_id", "report_id", "report_name", "due_every", "due_business_day"),
    "raci_roles": ("contract_version_id", "activity", "party", "roles"),
    "calendar_days": (
        "calendar_id", "day_no", "utc_date", "is_business_day", "open_before_us", "open_day_us",
        "open_1_us", "close_1_us", "open_2_us", "close_2_us", "open_3_us", "close_3_us", "open_4_us",
        "close_4_us", "open_5_us", "close_5_us", "open_6_us", "close_6_us", "more_opens_us", "more_closes_us",
    ),
    "index_values": ("contract_id", "index_id", "month_date", "index_value", "recorded_at", "superseded_at"),
    "exclusion_decisions": (
        "contract_id", "decision_id", "ground_id", "service_id", "from_us", "to_us", "ticket_number",
        "release_number", "accepted_date", "recorded_at", "superseded_at",
    ),
}  # fmt: skip
"""Columns of the reference tables in the order in which rows of this module hold them; parents first."""

PARTS_OF_A_VERSION = (
    "raci_roles",
    "reports_due",
    "committees",
    "termination_rights",
    "exclusion_grounds",
    "contract_charges",
    "caps",
    "non_cumulation",
    "repeat_multipliers",
    "clause_bands",
    "clock_targets",
    "clock_rules",
    "clauses",
    "service_keys",
    "services",
    "calendars",
)
"""Tables whose rows belong to one version, children first."""


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a version is kept: its own, or those of a scratch copy of it."""

    contract_version_id: str
    contract_id: str
    calendar_ids: Mapping[str, str]

    @classmethod
    def of(cls, version: ResolvedVersion) -> Names:
        """The names of the version itself."""
        version_id = version.contract_version_id
        calendars = {name: f"{version_id}/{name}" for name in version.calendars}
        return cls(version_id, version.contract.contract, calendars)


def insert(connection: psycopg.Connection, table: str, rows: Iterable[Row], *, prefix: str = "") -> None:
    """Copy rows into a reference table; ``prefix`` is that of a scratch schema."""
    copying = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(f"{prefix}reference", table), sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table]))
    )
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        for row in rows:
            copy.write_row(row)


def header_row(version: ResolvedVersion, names: Names, *, file_path: str, recorded_at: datetime) -> Row:
    """The row of ``contract_versions``."""
    contract = version.contract
    return (
        names.contract_version_id,
        names.contract_id,
        contract.name,
        contract.vendor.id,
        version.version_no,
        version.valid_from,
        version.valid_to,
        contract.timezone,
        contract.currency,
        contract.minor_units,
        version.document_sha256,
        file_path,
        recorded_at,
        None,
        version.terms.order_amount,
        contract.customer.name if contract.customer else None,
    )


def key_rows(version: ResolvedVersion, names: Names) -> list[Row]:
    """The rows of ``service_keys``."""
    return [
        (names.contract_version_id, service_id, claim.key.source, str(claim.key.kind), claim.key.value)
        for service_id, keys in version.keys.items()
        for claim in keys
    ]


def part_rows(version: ResolvedVersion, names: Names) -> Tables:
    """Rows of everything that belongs to the version, but for its header, keys and calendar days."""
    version_id = names.contract_version_id
    terms = version.terms
    clauses = list(version.clauses.values())
    governance = terms.governance
    return {
        "services": [
            (
                version_id,
                service.id,
                service.name,
                service.fee.kind,
                service.fee.amount if isinstance(service.fee, FixedFee) else None,
            )
            for service in version.services.values()
        ],
        "calendars": [
            (names.calendar_ids[name], version_id, calendar.timezone)
            for name, calendar in version.calendars.items()
        ],
        "clauses": [_clause_row(version, names, clause) for clause in clauses],
        "clock_rules": [row for clause in clauses for row in _clock_rows(version_id, clause)],
        "clock_targets": [row for clause in clauses for row in _target_rows(version_id, clause)],
        "clause_bands": [row for clause in clauses for row in _band_rows(version_id, clause)],
        "repeat_multipliers": [
            (version_id, clause.id, number, multiplier, number == len(repeat.multipliers))
            for clause in clauses
            if (repeat := clause.penalty.repeat) is not None
            for number, multiplier in enumerate(repeat.multipliers, start=1)
        ],
        "non_cumulation": [
            (
                version_id,
                clause_id,
                group.id,
                str(group.per),
                str(group.keep),
                group.choice.index(clause_id) + 1 if group.choice else None,
                number,
            )
            for group in terms.non_cumulation.values()
            for number, clause_id in enumerate(group.clauses, start=1)
        ],
        "caps": [
            (
                version_id,
                cap.id,
                str(cap.per),
                str(cap.scope),
                cap.key,
                cap.amount,
                cap.pct,
                str(cap.of) if cap.of else None,
            )
            for cap in terms.caps.values()
        ],
        "contract_charges": [_charges_row(version, version_id)],
        "exclusion_grounds": [
            (version_id, ground.id, clause_id, ground.title, ground.text)
            for ground in terms.exclusions.values()
            for clause_id in ground.clauses or version.clauses
        ],
        "termination_rights": [
            (version_id, r.id, r.title, r.text, r.clause, r.breached_months, r.within_months)
            for r in terms.termination_rights.values()
        ],
        "committees": [
            (version_id, one.id, one.name, str(one.level), str(one.every))
            for one in (governance.committees if governance else ())
        ],
        "reports_due": [
            (version_id, one.id, one.name, str(one.every), one.due_business_day)
            for one in (governance.reports if governance else ())
        ],
        "raci_roles": [
            (version_id, row.activity, party, roles)
            for row in (governance.raci if governance else ())
            for party, roles in row.roles.items()
        ],
    }


def _charges_row(version: ResolvedVersion, version_id: str) -> Row:
    terms = version.terms
    exemption, indexation, procedure = terms.exemption, terms.indexation, terms.procedure
    settlement = terms.settlement or Settlement()
    return (
        version_id,
        exemption.amount if exemption else None,
        str(exemption.over) if exemption else None,
        indexation.index if indexation else None,
        indexation.base_value if indexation else None,
        indexation.lag_months if indexation else None,
        indexation.coefficient_digits if indexation else None,
        str(indexation.coefficient_rounding) if indexation else None,
        str(settlement.document),
        str(settlement.vat),
        procedure.notice_days if procedure else None,
        procedure.observation_days if procedure else None,
        str(procedure.silence) if procedure else None,
    )


def _in_base_unit(value: Decimal | None, unit: Unit) -> Decimal | None:
    return None if value is None else value * SECONDS_PER_UNIT.get(unit, 1)


def _clause_row(version: ResolvedVersion, names: Names, clause: Clause) -> Row:
    indicator, objective, penalty = clause.indicator, clause.objective, clause.penalty
    calendar = indicator.calendar
    unit = "seconds" if objective.unit in SECONDS_PER_UNIT else str(objective.unit)
    target = _target(clause)
    target_value = _in_base_unit(target.value, target.unit) if target else None
    measured: Row = (None, None, None, None, None, None, None)
    if isinstance(indicator, AvailabilityIndicator):
        notice = int(indicator.maintenance.notice_hours * 3600) if indicator.maintenance else None
        measured = (
            str(indicator.method),
            str(indicator.unknown),
            indicator.probe_interval_seconds,
            notice,
            indicator.slice_seconds,
            None,
            None,
        )
    elif isinstance(indicator, MilestoneIndicator):
        measured = (None, None, None, None, None, indicator.replan_notice_days, str(indicator.days))
    rounding = objective.rounding_before_banding
    month_cap, event_cap, earn_back = penalty.month_cap, penalty.event_cap, penalty.earn_back
    priced = _priced(version, clause)
    return (
        names.contract_version_id,
        clause.id,
        clause.service,
        clause.title or clause.id,
        clause.text,
        indicator.kind,
        names.calendar_ids[calendar] if calendar else None,
        str(objective.operator),
        _in_base_unit(objective.value, objective.unit),
        unit,
        *measured,
        str(objective.aggregation),
        objective.percentile,
        target_value,
        rounding.digits if rounding else None,
        str(rounding.mode) if rounding else None,
        SECONDS_PER_UNIT.get(objective.unit, 1) if rounding else None,
        penalty.formula,
        *(priced.get(column) for column in _PRICE_COLUMNS),
        month_cap.pct_of_month_invoice if month_cap else None,
        month_cap.amount if month_cap else None,
        event_cap.pct_of_base if event_cap else None,
        event_cap.amount if event_cap else None,
        _in_base_unit(earn_back.level, objective.unit) if earn_back else None,
        earn_back.months if earn_back else None,
        earn_back.pct if earn_back else None,
        *_parameters(clause),
    )


def _parameters(clause: Clause) -> Row:
    """The columns of ``clauses`` from ``reopen_policy`` on: what an indicator says beyond its kind.

    What holds by default is null, as in rows that were loaded before it could be said.
    """
    indicator = clause.indicator
    reopening: Row = (None, None, None)
    availability: Row = (None, None, None, None, None, None)
    started_day = None
    if isinstance(indicator, ClockIndicator):
        reopen, change = indicator.reopen, indicator.priority_change
        reopening = (
            str(reopen.policy) if reopen else None,
            reopen.within.seconds if reopen and reopen.within else None,
            str(change) if change else None,
        )
    elif isinstance(indicator, AvailabilityIndicator):
        availability = (
            indicator.quorum if indicator.quorum > 1 else None,
            indicator.minimum_downtime_seconds,
            indicator.whole_minutes or None,
            indicator.minimum_volume,
            str(indicator.period) if indicator.period is not ReportingPeriod.MONTH else None,
            str(indicator.denominator) if indicator.denominator is not Denominator.NET else None,
        )
    elif indicator.started_day is not StartedDay.CEIL:
        started_day = str(indicator.started_day)
    return (*reopening, *availability, started_day)


_PRICE_COLUMNS = COLUMNS["clauses"][
    COLUMNS["clauses"].index("rate_pct") : COLUMNS["clauses"].index("month_cap_pct")
]


def _priced(version: ResolvedVersion, clause: Clause) -> dict[str, object]:
    """The parameters of a formula, by column."""
    penalty = clause.penalty
    priced: dict[str, object] = {}
    if isinstance(penalty, (Based, Tiers, Linear)) and penalty.base is not None:
        priced |= {"base_kind": str(penalty.base), "base_amount": penalty.base_amount}
    if isinstance(penalty, (PercentOfInvoicePerEvent, Linear)):
        priced["rate_pct"] = penalty.rate_pct
    if isinstance(penalty, (FixedPerEvent, Linear)):
        priced["amount"] = penalty.amount
    if isinstance(penalty, Proportional):
        priced["proportional_on"] = str(penalty.on)
    if isinstance(penalty, (Tiers, Linear, ValueTimesDelay)):
        priced["counted_on"] = str(penalty.on)
    if isinstance(penalty, (Linear, ValueTimesDelay)):
        priced["unit_size"] = _in_base_unit(penalty.per.size, penalty.per.unit)
        priced["unit_rounding"] = str(penalty.units)
    if isinstance(penalty, ValueTimesDelay):
        priced["divisor"] = penalty.divisor
    if isinstance(penalty, AtRiskPool):
        for name in ("pool_pct", "allocation_pct", "at_risk_pct"):
            priced[name] = getattr(penalty, name)
    banded = isinstance(penalty, Tiers) and penalty.bands[0].price_kind == "points"
    points = version.terms.service_points
    if isinstance(penalty, Points):
        priced["point_count"] = penalty.points
    if (isinstance(penalty, Points) or banded) and points is not None:
        priced |= {"point_amount": points.point_amount, "point_rate_pct": points.point_rate_pct}
        priced["base_kind"] = str(points.base) if points.base else None
    return priced


def _band_rows(version_id: str, clause: Clause) -> list[Row]:
    if not isinstance(clause.penalty, Tiers):
        return []
    unit = clause.objective.unit
    rows: list[Row] = []
    for number, band in enumerate(clause.penalty.bands, start=1):
        (lower, holds_lower), (upper, holds_upper) = band.lower, band.upper
        limits = (_in_base_unit(lower, unit), holds_lower, _in_base_unit(upper, unit), holds_upper)
        rows.append((version_id, clause.id, number, *limits, band.rate_pct, band.amount, band.points))
    return rows


def _clock_rows(version_id: str, clause: Clause) -> list[Row]:
    if not isinstance(clause.indicator, ClockIndicator):
        return []
    indicator = clause.indicator
    roles = (
        ("start", indicator.start),
        ("stop", indicator.stop),
        ("pause", indicator.pause),
        ("resume", indicator.resume),
        ("reset", indicator.reset),
        ("reopen", indicator.reopen.on if indicator.reopen else ()),
    )
    # A condition that stands twice in one list is one condition.
    return list(
        dict.fromkeys(
            (version_id, clause.id, role, str(c.field), c.value)
            for role, conditions in roles
            for c in conditions
        )
    )


def _target(clause: Clause) -> Target | Objective | None:
    """Return what a single event is held against: the objective itself where each event is judged."""
    objective = clause.objective
    return objective.target or (objective if objective.aggregation is Aggregation.EACH else None)


def targets_in_seconds(clause: Clause) -> list[Decimal]:
    """Return every target that a ticket under a clause may have; none for averages and percentiles."""
    target = _target(clause)
    if target is None:
        return []
    values = (target.value, *target.by_priority.values())
    return [value * SECONDS_PER_UNIT[target.unit] for value in values]


def _target_rows(version_id: str, clause: Clause) -> list[Row]:
    """The targets of single priorities, in seconds, in byte order of the priority."""
    target = _target(clause)
    if target is None:
        return []
    return [
        (version_id, clause.id, priority, _in_base_unit(value, target.unit))
        for priority, value in sorted(target.by_priority.items())
    ]


def index_rows(contract: Contract) -> list[Row]:
    """Rows of ``index_values`` without their instants of belief."""
    return [
        (contract.contract, index, date.fromisoformat(f"{month}-01"), value)
        for index, values in sorted(contract.index_values.items())
        for month, value in sorted(values.items())
    ]


def decision_rows(contract: Contract) -> list[Row]:
    """Rows of ``exclusion_decisions`` without their instants of belief."""
    return [
        (contract.contract, one.id, *excluded(one, contract.timezone), one.accepted_on)
        for one in contract.exclusion_decisions
    ]


def excluded(one: ExcludedStretch, timezone: str) -> Sequence[object]:
    """Ground, service, from, to (microseconds since 1970-01-01 UTC), ticket and release of an exclusion."""
    from_us = instant_us(one.from_, timezone) if one.from_ else None
    to_us = instant_us(one.to, timezone) if one.to else None
    return (one.ground, one.service, from_us, to_us, one.ticket, one.release)
