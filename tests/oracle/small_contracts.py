"""Contracts of a few lines, so that a number worked by hand needs one clause and one test to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from avoir.contracts.model import Contract
from tests.oracle import Judged, judge
from tests.oracle.business_time import EPOCH, MICROSECOND, instant_us

PARIS = "Europe/Paris"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
FIXED = {"formula": "fixed_per_event", "amount": "100"}
AVAILABLE = {"operator": ">=", "value": "99.5", "unit": "pct"}
LATE_DAYS = {"operator": "<=", "value": 0, "unit": "days"}
HOURS = {"operator": "<=", "value": 8, "unit": "hours"}


def calendar(hours: str, **more) -> dict:
    return {"id": "c", "weekly": {day: [hours] for day in WEEKDAYS}, **more}


def clock(**more) -> dict:
    stop = [{"field": "public_comment_vendor"}]
    return {"kind": "clock", "calendar": "c", "start": [{"field": "created"}], "stop": stop, **more}


def availability(**more) -> dict:
    method = {"method": "minutes", "unknown": "exclude", "probe_interval_seconds": 300}
    return {"kind": "availability", **method, **more}


def milestone(**more) -> dict:
    return {"kind": "milestone", "days": "calendar", "replan_notice_days": 10, **more}


def clause(indicator: dict, objective: dict, penalty: dict = FIXED, id_: str = "A") -> dict:
    return {"id": id_, "service": "s", "indicator": indicator, "objective": objective, "penalty": penalty}


def judged(
    clauses: list[dict],
    test: dict,
    *,
    zone: str = PARIS,
    calendars: list[dict] | None = None,
    fee: dict | None = None,
    amendment: dict | None = None,
    currency: str = "EUR",
    monitors: Sequence[str] = ("m",),
    **terms,
) -> Judged:
    """Judge one test of a contract on the service ``s`` with these clauses, in force since 2024."""
    keys = [{"source": "probes", "kind": "monitor", "value": monitor} for monitor in monitors]
    service = {"id": "s", "name": "Service", "fee": fee or {"kind": "invoice_lines"}, "keys": keys}
    first = {
        "version": 1,
        "effective_from": date(2024, 1, 1),
        "document_sha256": "0" * 64,
        "calendars": calendars or [calendar("09:00-17:00")],
        "services": [service],
        "clauses": clauses,
        "exclusions": [{"id": "fm", "title": "Force majeure"}],
        **terms,
    }
    second = [] if amendment is None else [{"version": 2, "document_sha256": "1" * 64, **amendment}]
    contract = Contract.model_validate(
        {
            "contract": "C",
            "name": "Contract",
            "vendor": {"id": "v", "name": "Vendor"},
            "currency": currency,
            "timezone": zone,
            "versions": [first, *second],
            "tests": [{"name": "t", "expect": [{"lines": 0}], **test}],
        }
    )
    return judge(contract, contract.tests[0])


def ticket(created: str, answered: str | None = None, *more: dict, name: str = "T") -> dict:
    events = [{"at": created, "field": "created"}, *more]
    if answered is not None:
        events.append({"at": answered, "field": "public_comment_vendor"})
    return {"ticket": name, "service": "s", "events": events}


def invoice(month: str, amount: object) -> dict:
    return {"month": month, "lines": [{"service": "s", "amount": amount}]}


def month_row(month: str) -> list[dict]:
    return [{"month": month, "lines": 0}]


def down_for(seconds: Decimal | int, month: str = "2025-04", zone: str = "UTC") -> dict:
    """A test with so many seconds of downtime from the fifth of a month on."""
    starts_us = instant_us(f"{month}-05 00:00", zone)
    ends = EPOCH + (starts_us + int(Decimal(seconds) * 1_000_000)) * MICROSECOND
    stretch = {"service": "s", "from": f"{month}-05 00:00", "to": ends.isoformat()}
    return {"downtime": [stretch], "expect": month_row(month)}


def credited(result: Judged) -> list[str]:
    return [str(line.credit) for line in result.lines]


def total(result: Judged) -> Decimal:
    return sum((line.credit for line in result.lines if line.credit is not None), Decimal(0))
