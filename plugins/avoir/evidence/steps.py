"""The steps of the penalty pipeline for one line, in order, each with its amount and what made it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, LiteralString

from avoir.evidence.asking import Asking, Row, as_plain

#: Step by step, with the column of the line that holds its amount.
STEPS = (
    ("measure", None),
    ("formula", "formula_amount"),
    ("repeat", "repeated_amount"),
    ("non_cumulation", "uncumulated_amount"),
    ("event_cap", "event_capped_amount"),
    ("period_cap", "period_capped_amount"),
    ("rolling_cap", "rolling_capped_amount"),
    ("exemption", "unexempted_amount"),
    ("indexation", "indexed_amount"),
    ("earn_back", "earned_back_amount"),
    ("settlement", "credit_amount"),
)


def steps_of(asking: Asking, line: Row, clause: Row) -> list[Row]:
    """Every step with its amount, its parameters and a sentence for people."""
    event = asking.row(
        """
        select month_no, is_monthly, incident_key, event_us, measured_numerator, measured_denominator,
            own_target_value, unavailable_quantity, total_quantity, part_days, month_days, contract_days
        from penalties.int_penalty_events where event_id = %s
        """,
        (line["event_id"],),
    )
    parameters = {
        "measure": _measure(line, clause, event),
        "formula": _formula(line, clause, event),
        "repeat": _repeat(asking, line),
        "non_cumulation": _non_cumulation(asking, line, event),
        "event_cap": _event_cap(line, clause),
        "period_cap": _caps(asking, line, event, ("month", "quarter")),
        "rolling_cap": _caps(asking, line, event, ("rolling_12_months", "term")),
        "exemption": _exemption(asking, line),
        "indexation": _indexation(asking, line, event),
        "earn_back": _earn_back(asking, line, clause),
        "settlement": _settlement(asking, line, clause),
    }
    steps: list[Row] = []
    before: Decimal | None = None
    for name, column in STEPS:
        amount = None if column is None else line.get(column)
        told = _told(name, line, parameters[name])
        # A line of a release or reversal takes up where its breach was: its first steps are not summed twice.
        changed = column is not None and name != "formula" and amount != before
        steps.append(
            {
                "step": name,
                "column": column,
                "amount": amount,
                "changes_the_amount": changed,
                "told": told,
                "parameters": parameters[name],
            }
        )
        before = amount if column is not None else before
    return steps


def _measure(line: Row, clause: Row, event: Row | None) -> Row:
    terms: Mapping[str, Any] = clause["terms"]
    own = event["own_target_value"] if event else None
    return {
        "measured_value": line["measured_value"],
        "measured_unit": line["measured_unit"],
        "measured_numerator": event["measured_numerator"] if event else None,
        "measured_denominator": event["measured_denominator"] if event else None,
        "objective_operator": terms["objective_operator"],
        "objective_value": terms["objective_value"] if own is None else own,
        "aggregation": terms["aggregation"],
        "rounding_digits": terms.get("rounding_digits"),
        "rounding_mode": terms.get("rounding_mode"),
        "rounding_unit": terms.get("rounding_unit"),
    }


_PRICES = (
    "rate_pct", "amount", "proportional_on", "counted_on", "unit_size", "unit_rounding", "divisor",
    "point_count", "point_amount", "point_rate_pct", "pool_pct", "allocation_pct", "at_risk_pct",
)  # fmt: skip


def _formula(line: Row, clause: Row, event: Row | None) -> Row:
    band = next((one for one in clause["bands"] if one["band_no"] == line["band_no"]), None)
    shared = event is not None and event["is_monthly"]
    return {
        "formula": line["formula"],
        "base_kind": line["base_kind"],
        "base_amount": line["base_amount"],
        "band_no": line["band_no"],
        "band": band,
        "unit_quantity": line["unit_quantity"],
        "points_value": line["points_value"],
        "unavailable_quantity": event["unavailable_quantity"] if event else None,
        "total_quantity": event["total_quantity"] if event else None,
        # What is judged by the month is priced on its version's share of the month's days.
        "part_days": event["part_days"] if event is not None and shared else None,
        "month_days": event["month_days"] if event is not None and shared else None,
        "contract_days": event["contract_days"] if event is not None and shared else None,
        **{name: clause["terms"].get(name) for name in _PRICES},
    }


def _repeat(asking: Asking, line: Row) -> Row:
    multipliers = asking.rows(
        """
        select failing_month_no, multiplier, is_last from reference.repeat_multipliers
        where contract_version_id = %s and clause_id = %s order by failing_month_no
        """,
        (line["contract_version_id"], line["clause_id"]),
    )
    return {
        "failing_month_no": line["failing_month_no"],
        "repeat_multiplier": line["repeat_multiplier"],
        "multipliers": multipliers,
    }


def _non_cumulation(asking: Asking, line: Row, event: Row | None) -> Row:
    group = asking.row(
        """
        select group_id, cumulation_per, keep, choice_no from reference.non_cumulation
        where contract_version_id = %s and clause_id = %s
        """,
        (line["contract_version_id"], line["clause_id"]),
    )
    if group is None:
        return {"group": None, "is_kept": True, "rivals": [], "rival_count": 0}
    kept = asking.row(
        "select is_kept from penalties.int_penalty_cumulations where event_id = %s", (line["event_id"],)
    )
    rivals, count = asking.bounded(
        """
        select lines.penalty_line_id, lines.clause_id, lines.subject_name, members.choice_no,
            lines.repeated_amount,
            lines.uncumulated_amount
        from penalties.int_penalty_events as events
        inner join reference.non_cumulation as members
            on members.contract_version_id = events.contract_version_id
                and members.clause_id = events.clause_id
        inner join penalties.fct_penalty_lines as lines
            on lines.event_id = events.event_id and lines.line_kind = 'breach'
        where
            events.contract_version_id = %(version)s
            and members.group_id = %(group)s
            and events.month_date = %(month)s
            and (%(per)s = 'month' or events.incident_key = %(incident)s)
            and events.event_id <> %(event)s
        order by lines.clause_id, lines.subject_name
        """,
        {
            "version": line["contract_version_id"],
            "group": group["group_id"],
            "per": group["cumulation_per"],
            "month": line["origin_month_date"],
            "incident": event["incident_key"] if event else None,
            "event": line["event_id"],
        },
    )
    return {
        "group": group,
        "is_kept": kept["is_kept"] if kept else None,
        "rivals": rivals,
        "rival_count": count,
    }


def _event_cap(line: Row, clause: Row) -> Row:
    return {
        "event_cap_amount": line["event_cap_amount"],
        "stated_amount": clause["terms"].get("event_cap_amount"),
        "stated_pct": clause["terms"].get("event_cap_pct"),
    }


_CAPPED: LiteralString = """
    select
        caps.cap_id, caps.cap_per, caps.cap_scope, caps.scope_key, caps.cap_amount, caps.cap_pct,
            caps.base_kind,
        caps.service_id, limits.limit_amount, limits.window_no
    from intermediate.current_caps as caps
    inner join penalties.int_cap_limits as limits
        on
            limits.contract_version_id = caps.contract_version_id
            and limits.cap_per = caps.cap_per
            and limits.cap_scope = caps.cap_scope
            and limits.scope_key = caps.scope_key
            and limits.month_no = %(month_no)s
    where
        caps.contract_version_id = %(version)s
        and caps.cap_per = any(%(pers)s)
        and (
            caps.cap_scope = 'contract'
            or (caps.cap_scope = 'service' and caps.scope_key = %(service)s)
            or (caps.cap_scope = 'clause' and caps.scope_key = %(clause)s)
        )
    order by array_position(%(pers)s, caps.cap_per), array_position(array['clause', 'service', 'contract'],
        caps.cap_scope)
"""
_WINDOW: LiteralString = """
    select lines.penalty_line_id, lines.clause_id, lines.subject_name, lines.origin_month_date as month_date,
        lines.event_capped_amount, lines.period_capped_amount, lines.rolling_capped_amount,
        lines.penalty_line_id = %(line)s as is_this
    from penalties.int_penalty_events as events
    inner join penalties.fct_penalty_lines as lines on lines.event_id = events.event_id
        and lines.line_kind = 'breach'
    where
        events.contract_id = %(contract)s
        and events.month_no between %(first)s and %(last)s
        and (
            %(scope)s = 'contract'
            or (%(scope)s = 'service' and events.service_id = %(key)s)
            or (%(scope)s = 'clause' and events.clause_id = %(key)s)
        )
    order by events.month_no, events.event_us, events.clause_id collate "C",
        events.subject_name collate "C", events.event_id
"""


def _caps(asking: Asking, line: Row, event: Row | None, pers: tuple[str, ...]) -> Row:
    """Each cap over the line: its limit, the bases it is a share of, the lines that use it up in order."""
    if event is None:
        return {"caps": []}
    month_no = event["month_no"]
    caps = asking.rows(
        _CAPPED,
        {
            "month_no": month_no,
            "version": line["contract_version_id"],
            "pers": list(pers),
            "service": line["service_id"],
            "clause": line["clause_id"],
        },
    )
    told = []
    for cap in caps:
        first = {
            "month": month_no,
            "quarter": month_no // 3 * 3,
            "rolling_12_months": month_no - 11,
            "term": 0,
        }[cap["cap_per"]]
        lines, count = asking.bounded(
            _WINDOW,
            {
                "line": line["penalty_line_id"],
                "contract": line["contract_id"],
                "first": first,
                "last": month_no,
                "scope": cap["cap_scope"],
                "key": cap["scope_key"],
            },
        )
        bases = []
        if cap["cap_pct"] is not None:
            bases = asking.rows(
                """
                select month_date, max(invoice_amount) as invoice_amount,
                    max(case when service_id = %s then service_amount end) as service_amount,
                    max(case when service_id = %s then fee_amount end) as fee_amount
                from penalties.int_contract_bases
                where contract_id = %s and month_no between %s and %s group by month_date order by month_date
                """,
                (cap["service_id"], cap["service_id"], line["contract_id"], first, month_no),
            )
        told.append(
            {
                **{name: value for name, value in cap.items() if name != "window_no"},
                "bases": bases,
                "line_count": count,
                "lines": lines,
            }
        )
    return {"caps": told}


def _exemption(asking: Asking, line: Row) -> Row:
    charges = asking.row(
        "select exemption_amount, exemption_over from reference.contract_charges "
        "where contract_version_id = %s",
        (line["contract_version_id"],),
    )
    told = dict(charges or {"exemption_amount": None, "exemption_over": None})
    if told["exemption_amount"] is not None:
        totals = asking.row(
            """
            select
                sum(rolling_capped_amount) filter (where origin_month_date = %(month)s) as month_amount,
                sum(rolling_capped_amount) as term_amount
            from penalties.fct_penalty_lines
            where contract_id = %(contract)s and line_kind = 'breach' and origin_month_date <= %(month)s
            """,
            {"contract": line["contract_id"], "month": line["origin_month_date"]},
        )
        told |= {f"total_{name}": value for name, value in (totals or {}).items()}
    return told


def _indexation(asking: Asking, line: Row, event: Row | None) -> Row:
    charges = asking.row(
        """
        select index_id, index_base_value, index_lag_months, coefficient_digits, coefficient_rounding
        from reference.contract_charges where contract_version_id = %s
        """,
        (line["contract_version_id"],),
    )
    told: Row = {"index_coefficient": line["index_coefficient"], **(charges or {})}
    if charges is not None and charges["index_id"] is not None and event is not None:
        value = asking.row(
            """
            select month_date as index_month_date, index_value from reference.index_values
            where contract_id = %s and index_id = %s and superseded_at is null
                and month_date = cast(%s::date - make_interval(months => %s) as date)
            """,
            (
                line["contract_id"],
                charges["index_id"],
                line["origin_month_date"],
                charges["index_lag_months"],
            ),
        )
        told |= value or {"index_month_date": None, "index_value": None}
    return told


def _earn_back(asking: Asking, line: Row, clause: Row) -> Row:
    terms: Mapping[str, Any] = clause["terms"]
    told: Row = {
        "line_kind": line["line_kind"],
        "earn_back_level": terms.get("earn_back_level"),
        "earn_back_months": terms.get("earn_back_months"),
        "earn_back_pct": terms.get("earn_back_pct"),
        "related_lines": [],
    }
    if terms.get("earn_back_months") is not None or line["line_kind"] != "breach":
        told["related_lines"] = asking.rows(
            """
            select penalty_line_id, line_kind, month_date, indexed_amount, earned_back_amount, credit_amount
            from penalties.fct_penalty_lines where event_id = %s and penalty_line_id <> %s
                order by month_date, line_kind
            """,
            (line["event_id"], line["penalty_line_id"]),
        )
    return told


def _settlement(asking: Asking, line: Row, clause: Row) -> Row:
    """The running total of the clause's month is rounded: its lines add up to their total rounded once."""
    before = asking.row(
        """
        with ordered as (
            select
                lines.penalty_line_id,
                sum(lines.earned_back_amount) over (
                    order by events.event_us, lines.subject_name collate "C", lines.event_id
                    rows between unbounded preceding and current row
                ) as running_amount
            from penalties.fct_penalty_lines as lines
            inner join penalties.int_penalty_events as events on events.event_id = lines.event_id
            where
                lines.contract_version_id = %(version)s
                and lines.clause_id = %(clause)s
                and lines.month_date = %(month)s
                and lines.line_kind = %(kind)s
                and lines.origin_month_date = %(origin)s
        )
        select running_amount from ordered where penalty_line_id = %(line)s
        """,
        {
            "version": line["contract_version_id"],
            "clause": line["clause_id"],
            "month": line["month_date"],
            "kind": line["line_kind"],
            "origin": line["origin_month_date"],
            "line": line["penalty_line_id"],
        },
    )
    running = before["running_amount"] if before else None
    return {
        "minor_units": clause["contract"]["minor_units"],
        "running_amount": running,
        "running_before_amount": None
        if running is None or line["earned_back_amount"] is None
        else running - line["earned_back_amount"],
        "settlement_document": line["settlement_document"],
        "vat_treatment": line["vat_treatment"],
        "currency": line["currency"],
    }


# --- For people -------------------------------------------------------------------------------------------


def _number(value: object) -> str:
    return "unknown" if value is None else str(as_plain(value))


def _told(step: str, line: Row, given: Row) -> str:
    """A sentence that says what the step did, for people; the figures are in the parameters."""
    if step == "formula" and line["line_kind"] != "breach":
        return "went through these steps with its breach"
    told = _TOLD[step](line, given)
    return " ".join(str(told).split())


def _told_measure(line: Row, given: Row) -> str:
    return (
        f"{_number(line['measured_value'])} {line['measured_unit']}; promised "
        f"{given['objective_operator']} {_number(given['objective_value'])}"
    )


def _told_formula(line: Row, given: Row) -> str:
    base = f"{_number(given['base_amount'])} {line['currency']} ({given['base_kind']})"
    if line["formula_amount"] is None:
        return "unknown: its base is not there"
    formula = given["formula"]
    if formula == "percent_of_invoice_per_event":
        return f"{_number(given['rate_pct'])} % of {base}"
    if formula == "fixed_per_event":
        return f"{_number(given['amount'])} {line['currency']} each"
    if formula == "proportional":
        share = f"{_number(given['unavailable_quantity'])} of {_number(given['total_quantity'])}"
        return f"{base}, in proportion to {share}, on {given['proportional_on']}"
    if formula == "at_risk_pool":
        shares = (given["at_risk_pct"], given["pool_pct"], given["allocation_pct"])
        return f"{base} at {' x '.join(f'{_number(share)} %' for share in shares)}"
    if formula == "value_times_delay":
        return f"{base} x {_number(given['unit_quantity'])} / {_number(given['divisor'])}"
    if formula == "linear":
        each = (
            f"{_number(given['rate_pct'])} % of {base}"
            if given["rate_pct"] is not None
            else f"{_number(given['amount'])} {line['currency']}"
        )
        return f"{_number(given['unit_quantity'])} units at {each}"
    if formula == "points" or (given["point_amount"] or given["point_rate_pct"]) is not None:
        each = (
            f"{_number(given['point_amount'])} {line['currency']}"
            if given["point_amount"] is not None
            else f"{_number(given['point_rate_pct'])} % of {base}"
        )
        return f"{_number(given['points_value'])} points at {each}"
    band = given["band"]
    if band is None:
        return "within no band: nothing"
    price = (
        f"{_number(band['rate_pct'])} % of {base}"
        if band["rate_pct"] is not None
        else f"{_number(band['amount'])} {line['currency']}"
    )
    return f"band {band['band_no']}: {price}"


def _told_repeat(line: Row, given: Row) -> str:
    if not given["multipliers"]:
        return "the clause does not repeat"
    return f"failing month {line['failing_month_no']} in a row: x {_number(line['repeat_multiplier'])}"


def _told_cumulation(_line: Row, given: Row) -> str:
    group = given["group"]
    if group is None:
        return "in no group"
    kept = "kept" if given["is_kept"] else "another clause charges for the same failure"
    return f"group {group['group_id']} ({group['keep']} per {group['cumulation_per']}): {kept}"


def _told_event_cap(line: Row, given: Row) -> str:
    if given["stated_amount"] is None and given["stated_pct"] is None:
        return "no cap per event"
    return f"at most {_number(given['event_cap_amount'])} {line['currency']}"


def _told_caps(line: Row, given: Row) -> str:
    if not given["caps"]:
        return "no such cap"
    caps = (
        f"{one['cap_scope']} per {one['cap_per']} {_number(one['limit_amount'])} {line['currency']}"
        for one in given["caps"]
    )
    return "at most " + ", ".join(caps)


def _told_exemption(line: Row, given: Row) -> str:
    if given["exemption_amount"] is None:
        return "no exemption"
    total = given.get(f"total_{given['exemption_over']}_amount")
    return (
        f"nothing is due up to {_number(given['exemption_amount'])} {line['currency']} in the "
        f"{given['exemption_over']}; the total is {_number(total)}"
    )


def _told_indexation(_line: Row, given: Row) -> str:
    if given.get("index_id") is None:
        return "not indexed"
    return (
        f"{given['index_id']}: {_number(given.get('index_value'))} / {_number(given['index_base_value'])}, "
        f"coefficient {_number(given['index_coefficient'])}"
    )


def _told_earn_back(_line: Row, given: Row) -> str:
    if given["earn_back_months"] is None:
        return "cannot be earned back"
    level = "" if given["earn_back_level"] is None else f" at {_number(given['earn_back_level'])}"
    return f"{_number(given['earn_back_pct'])} % come back after {given['earn_back_months']} months{level}"


def _told_settlement(line: Row, given: Row) -> str:
    return f"rounded to {given['minor_units']} digits with the month's lines; {line['settlement_document']}"


_TOLD = {
    "measure": _told_measure,
    "formula": _told_formula,
    "repeat": _told_repeat,
    "non_cumulation": _told_cumulation,
    "event_cap": _told_event_cap,
    "period_cap": _told_caps,
    "rolling_cap": _told_caps,
    "exemption": _told_exemption,
    "indexation": _told_indexation,
    "earn_back": _told_earn_back,
    "settlement": _told_settlement,
}
