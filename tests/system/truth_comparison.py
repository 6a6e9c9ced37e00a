"""Compares a warehouse with the demo world's truth: to the second and to the cent, nothing more or less."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

NOT_PUBLISHED_YET = "not in the truth"


def differences(connection: psycopg.Connection, truth_file: Path, *, schema: str = "mart") -> list[str]:
    """Every disagreement between the tables and ``truth.json``, one line each; empty when they agree."""
    truth = json.loads(truth_file.read_text())
    months = set(truth["months"])
    return [
        *_compare(
            "ticket",
            {
                (t["source_name"] + ":" + t["sys_id"]): (t["month"], _us(t["business_seconds"]), t["outcome"])
                for t in truth["tickets"]
            },
            {
                row[0]: (row[1], row[2], row[3])
                for row in connection.execute(
                    """
                    select ticket_id, to_char(month_date, 'YYYY-MM'), business_us, outcome
                    from facts.fct_ticket_clocks
                    """
                )
            },
        ),
        *_compare(
            "platform month",
            {
                (m["vendor"], m["month"]): (
                    *(
                        _us(m[f"{part}_seconds"])
                        for part in ("month", "in_scope", "downtime", "unknown", "excluded_maintenance")
                    ),
                    "breached" if m["breached"] else "met",
                )
                for m in truth["platform_months"]
            },
            {
                (row[0], row[1]): (_us(row[2]), row[3], row[4], _us(row[5]), _us(row[6]), row[7])
                for row in connection.execute(
                    """
                    select vendor_id, to_char(month_date, 'YYYY-MM'), month_seconds, in_scope_us, downtime_us,
                        unknown_seconds, maintenance_seconds, outcome
                    from facts.fct_availability_months where is_complete
                    """
                )
                if row[1] in months
            },
        ),
        *_compare(
            "release",
            {
                r["source_name"] + ":" + r["sys_id"]: (
                    r["month"],
                    r["due_date"],
                    r["delivered_date"],
                    max(0, r["delay_days"]),
                    r["late"],
                )
                for r in truth["releases"]
            },
            {
                row[0]: (row[1], str(row[2]), None if row[3] is None else str(row[3]), row[4], row[5])
                for row in connection.execute(
                    """
                    select release_id, to_char(month_date, 'YYYY-MM'), due_date, delivered_date, delay_days,
                        outcome = 'breached'
                    from facts.fct_milestones
                    """
                )
            },
        ),
        *_compare(
            "defects of a release",
            {
                r["source_name"] + ":" + r["sys_id"]: r["defects"]
                for r in truth["releases"]
                if r["delivered_date"] is not None
            },
            {
                row[0]: row[1]
                for row in connection.execute(
                    """
                    select release_id, defect_count from facts.fct_release_defects
                    where release_id in (select release_id from facts.fct_milestones)
                    """
                )
            },
        ),
        *_compare(
            "clause month",
            {
                (c["vendor"], c["month"], c["clause"]): (
                    c["events"],
                    _cents(c["formula_amount"], 8),
                    Decimal(c["credit_amount"]),
                )
                for c in truth["clause_months"]
                if c["events"]
            },
            {
                (row[0], row[1], row[2]): (row[3], _cents(row[4], 8), row[5])
                for row in connection.execute(
                    f"""
                    select vendor_id, to_char(month_date, 'YYYY-MM'), clause_id, count(*),
                        sum(formula_amount), sum(credit_amount)
                    from {"mart" if schema == "mart" else "penalties"}.fct_penalty_lines where is_complete
                    group by 1, 2, 3
                    """
                )
            },
        ),
        *_compare(
            "vendor month",
            {
                (v["vendor"], v["month"]): (
                    v["currency"],
                    Decimal(v["invoiced_amount"]),
                    Decimal(v["credit_amount"]),
                )
                for v in truth["vendor_months"]
            },
            {
                (row[0], row[1]): (row[2], row[3], row[4])
                for row in connection.execute(
                    f"""
                    select vendor_id, to_char(month_date, 'YYYY-MM'), currency, invoiced_amount, credit_amount
                    from {schema}.mart_vendor_month
                    """
                )
            },
        ),
    ]


def _compare(kind: str, expected: dict[Any, Any], got: dict[Any, Any]) -> list[str]:
    lines = [f"{kind}: the truth holds nothing, so nothing was compared"] if not expected else []
    for key in sorted(expected.keys() | got.keys(), key=str):
        if expected.get(key) != got.get(key):
            lines.append(f"{kind} {key}: expected {expected.get(key)}, got {got.get(key)}")
    return lines


def _us(seconds: object) -> int:
    microseconds = Decimal(str(seconds)) * 1_000_000
    assert microseconds == microseconds.to_integral_value(), seconds
    return int(microseconds)


def _cents(amount: object, places: int) -> Decimal:
    return round(Decimal(str(amount)), places)
