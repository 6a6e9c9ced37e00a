"""The fact behind a penalty line: a ticket clock, an availability, a milestone, or a month judged at once."""

from __future__ import annotations

# ruff: noqa: S608 - the statements are literals of this module, joined; every value is a parameter.
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from avoir.evidence.asking import Asking, Row
from avoir.evidence.clocks import DAY_US, Event, Rule, Stretch, open_pieces, open_us, pauses_of, roles_of
from avoir.evidence.clocks import running_stretches as running

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Days whose opening hours are told with a clock.
_DAYS_TOLD = 62

_CLOCK = """
    select clock_id, ticket_id, ticket_number, source_name, service_id, clause_id, calendar_id, aggregation,
        cycle_no, month_date, started_at, stopped_at, due_at, priority, phase_count, target_seconds,
        business_seconds, elapsed_seconds, paused_seconds, outcome, started_us, stopped_us, counted_from_us
    from facts.fct_ticket_clocks
"""
_MILESTONE = """
    select milestone_id, release_id, release_number, source_name, service_id, clause_id, aggregation,
        month_date,
        plan_no, due_date, delivered_date, delay_days, day_kind, outcome
    from facts.fct_milestones
"""


# A sample that says down holds until the next one, at most for the tolerance; beyond it, after any
# sample, nobody looked. A state holds as long as its monitor says.
_STRETCHES: LiteralString = """
    select intervals.source_name, intervals.monitor, intervals.from_us,
        coalesce(intervals.to_us, following.from_us) as to_us, intervals.is_up
    from audit.credit_periods() as periods
    inner join intermediate.int_probe_intervals as intervals
        on intervals.source_name = periods.source_name and intervals.monitor = periods.key_value
    cross join lateral (
        select min(later.from_us) as from_us from intermediate.int_probe_intervals as later
        where later.source_name = intervals.source_name and later.monitor = intervals.monitor
            and later.from_us > intervals.from_us
    ) as following
    where periods.penalty_line_id = %(line)s and periods.key_kind = 'monitor'
        and intervals.from_us < periods.to_us
        and coalesce(intervals.to_us, following.from_us, periods.to_us) > periods.from_us
        and (
            not intervals.is_up
            or coalesce(intervals.to_us, following.from_us, periods.to_us)
                > coalesce(intervals.stated_to_us, intervals.from_us + %(tolerance)s)
        )
    order by intervals.source_name, intervals.monitor, intervals.from_us
"""


def fact_behind(asking: Asking, line: Row, clause: Row) -> Row:
    """What was measured: ``kind`` and ``fact_id`` name the fact, ``is_found`` says if it still is there."""
    month = asking.row(
        """
        select indicator_month_id, aggregation, month_date, is_complete, decided_count, met_count,
            ended_count,
            measured_numerator, measured_denominator, outcome
        from facts.fct_indicator_months where indicator_month_id = %s
        """,
        (line["event_id"],),
    )
    told: Row
    if month is not None:
        kind, told = "indicator_month", _indicator_month(asking, line, month)
    elif line["indicator"] == "clock":
        kind, told = "ticket_clock", _ticket_clock(asking, line, clause)
    elif line["indicator"] == "milestone":
        kind, told = "milestone", _milestone(asking, line)
    else:
        kind, told = "availability_month", _availability(asking, line, clause)
    return {"kind": kind, "fact_id": line["event_id"], "is_found": bool(told), **told}


def instant(us: int | None) -> datetime | None:
    """An instant from its microseconds since 1970-01-01 UTC."""
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def _seconds(us: int | None) -> str | None:
    if us is None:
        return None
    seconds, rest = divmod(us, 1_000_000)
    return f"{seconds}.{rest:06d}".rstrip("0").rstrip(".") if rest else str(seconds)


def _without_us(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.endswith("_us")}


# --- Ticket clocks ----------------------------------------------------------------------------------------


def _ticket_clock(asking: Asking, line: Row, clause: Row) -> Row:
    clock = asking.row(_CLOCK + " where clock_id = %s", (line["event_id"],))
    if clock is None:
        return {}
    events = [
        Event(**row)
        for row in asking.rows(
            "select event_no, event_us, field, field_value as value from intermediate.int_ticket_events "
            "where ticket_id = %s order by event_no",
            (clock["ticket_id"],),
        )
    ]
    rules = [Rule(**row) for row in clause["clock_rules"]]
    decisions = _exclusions(asking, line)
    excluded = [
        Stretch(one["from_us"], one["to_us"], f"excluded by {one['decision_id']}")
        for one in decisions
        if one["from_us"] is not None
    ]
    pauses: list[Stretch] = []
    stretches: list[Row] = []
    openings: list[Row] = []
    # What the deciding phase counts from, and how long it went on, as the models measured it.
    from_us = clock["counted_from_us"]
    if clock["elapsed_seconds"] is not None:
        to_us = from_us + int(clock["elapsed_seconds"] * 1_000_000)
        pauses = pauses_of(
            events, rules, excluded,
            started_us=from_us, ended_us=to_us,
            resumes_when_reopened=clause["terms"].get("reopen_policy") == "resume",
        )  # fmt: skip
        days = _calendar_days(asking, clock["calendar_id"], from_us, to_us)
        for start, end in running(from_us, to_us, pauses):
            business = open_us(start, end, days)
            stretches.append(
                {"from_at": instant(start), "to_at": instant(end), "business_seconds": _seconds(business)}
            )
        openings = _openings(days, from_us, to_us)
    return {
        "measured": {**_without_us(clock), "counted_from_at": instant(from_us)},
        "events": [
            {
                "event_no": event.event_no,
                "event_at": instant(event.event_us),
                "field": event.field,
                "value": event.value,
                "counts_as": roles_of(event, rules),
            }
            for event in events[: asking.limit]
        ],
        "event_count": len(events),
        "pauses": [
            {"from_at": instant(one.from_us), "to_at": instant(one.to_us), "reason": one.reason}
            for one in pauses
        ],
        "running": stretches,
        "openings": openings,
        "exclusions": _told_exclusions(decisions),
    }


def _calendar_days(asking: Asking, calendar_id: str, from_us: int, to_us: int) -> dict[int, Row]:
    """Days of the calendar from the first to the last, by their numbers."""
    rows = asking.rows(
        "select * from reference.calendar_days where calendar_id = %s and day_no between %s and %s",
        (calendar_id, from_us // DAY_US, to_us // DAY_US),
    )
    return {row["day_no"]: row for row in rows}


def _openings(days: dict[int, Row], from_us: int, to_us: int) -> list[Row]:
    """Opening hours within a stretch, of its first days."""
    pieces = [piece for day_no in sorted(days)[:_DAYS_TOLD] for piece in open_pieces(days[day_no])]
    return [
        {"from_at": instant(max(opens, from_us)), "to_at": instant(min(closes, to_us))}
        for opens, closes in sorted(pieces)
        if max(opens, from_us) < min(closes, to_us)
    ]


def _exclusions(asking: Asking, line: Row) -> list[Row]:
    return asking.rows(
        """
        select exclusions.decision_id, exclusions.ground_id, grounds.ground_title, exclusions.from_us,
            exclusions.to_us, exclusions.ticket_number, exclusions.release_number
        from intermediate.int_exclusions as exclusions
        left join reference.exclusion_grounds as grounds
            on
                grounds.contract_version_id = exclusions.contract_version_id
                and grounds.clause_id = exclusions.clause_id
                and grounds.ground_id = exclusions.ground_id
        where exclusions.contract_version_id = %s and exclusions.clause_id = %s
        order by exclusions.decision_id
        """,
        (line["contract_version_id"], line["clause_id"]),
    )


def _told_exclusions(decisions: Sequence[Row]) -> list[Row]:
    return [
        {**_without_us(one), "from_at": instant(one["from_us"]), "to_at": instant(one["to_us"])}
        for one in decisions
    ]


# --- Availability -----------------------------------------------------------------------------------------


def _availability(asking: Asking, line: Row, clause: Row) -> Row:
    measured = asking.row(
        """
        select availability_id, service_id, clause_id, month_date, is_complete, unknown_policy, month_seconds,
            maintenance_seconds, unknown_seconds, in_scope_seconds, downtime_seconds, unavailable_quantity,
            total_quantity, objective_pct, availability_pct, coverage_pct, vendor_reported_pct,
            reported_downtime_seconds, reported_difference_seconds, outcome
        from facts.fct_availability_months where availability_id = %s
        """,
        (line["event_id"],),
    )
    if measured is None:
        return {}
    key = (line["contract_version_id"], line["clause_id"], line["origin_month_date"])
    quarter: LiteralString = (
        "outages.month_date between date_trunc('quarter', %s) and %s"
        if clause["terms"].get("reporting_period") == "quarter"
        else "outages.month_date = %s"
    )
    months: tuple[object, ...] = (key[2], key[2]) if "quarter" in quarter else (key[2],)
    outages, outage_count = asking.bounded(
        "select outage_id, month_date, monitor_key, from_at, to_at, "
        "counted_us / 1000000.0 as counted_seconds, reported_seconds from facts.fct_outages as outages "
        "where contract_version_id = %s and clause_id = %s and "
        + quarter.replace("%s)", "%s::date)")
        + " order by from_at, monitor_key",
        (*key[:2], *months),
    )
    periods = asking.rows(
        "select source_name, key_kind, key_value, from_us, to_us from audit.credit_periods() "
        "where penalty_line_id = %s order by key_kind, source_name, key_value",
        (line["penalty_line_id"],),
    )
    intervals = asking.row(
        """
        select count(*) as sample_count from audit.credit_samples() where penalty_line_id = %s
        """,
        (line["penalty_line_id"],),
    )
    terms: dict[str, Any] = clause["terms"]
    pace = terms.get("probe_interval_seconds") or 0
    stretches, stretch_count = asking.bounded(
        _STRETCHES, {"line": line["penalty_line_id"], "tolerance": pace * 1_500_000}
    )
    return {
        "measured": measured,
        "method": terms.get("availability_method"),
        # A sample holds one and a half times the pace of its monitor; from then on nobody looked.
        "tolerance_seconds": Decimal(pace) * 3 / 2,
        "looked_at": {
            "from_at": instant(min((one["from_us"] for one in periods), default=None)),
            "to_at": instant(max((one["to_us"] for one in periods), default=None)),
        },
        "keys": [_without_us(one) for one in periods],
        "outages": outages,
        "outage_count": outage_count,
        "stretches": [
            {
                "source_name": one["source_name"],
                "monitor": one["monitor"],
                "says": "up, then nobody looked" if one["is_up"] else "down",
                "from_at": instant(one["from_us"]),
                "to_at": instant(one["to_us"]),
            }
            for one in stretches
        ],
        "stretch_count": stretch_count,
        "bounding_sample_count": 0 if intervals is None else intervals["sample_count"],
        "exclusions": _told_exclusions(_exclusions(asking, line)),
    }


# --- Milestones and months judged at once -----------------------------------------------------------------


def _milestone(asking: Asking, line: Row) -> Row:
    measured = asking.row(_MILESTONE + " where milestone_id = %s", (line["event_id"],))
    if measured is None:
        return {}
    plans = asking.rows(
        """
        select plan_no, requested_us, due_us, approved_us, is_approved from intermediate.int_release_plans
        where source_name = %s and release_key = %s order by plan_no
        """,
        (measured["source_name"], measured["release_id"].removeprefix(f"{measured['source_name']}:")),
    )
    return {
        "measured": measured,
        "plans": [
            {
                "plan_no": one["plan_no"],
                "requested_at": instant(one["requested_us"]),
                "due_at": instant(one["due_us"]),
                "approved_at": instant(one["approved_us"]),
                "is_approved": one["is_approved"],
                "is_the_one_that_counts": one["plan_no"] == measured["plan_no"],
            }
            for one in plans
        ],
        "exclusions": _told_exclusions(_exclusions(asking, line)),
    }


def _indicator_month(asking: Asking, line: Row, month: Row) -> Row:
    """What was counted or averaged: each clock or milestone of the month under the clause."""
    of_clause: LiteralString = " where contract_version_id = %s and clause_id = %s and month_date = %s"
    key = (line["contract_version_id"], line["clause_id"], line["origin_month_date"])
    if line["indicator"] == "clock":
        judged, count = asking.bounded(_CLOCK + of_clause + " order by outcome, ticket_number, cycle_no", key)
    else:
        judged, count = asking.bounded(_MILESTONE + of_clause + " order by outcome, release_number", key)
    return {
        "measured": month,
        "judged": [_without_us(one) for one in judged],
        "judged_count": count,
        "exclusions": _told_exclusions(_exclusions(asking, line)),
    }
