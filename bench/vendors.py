"""Vendors to measure with: their contracts, and what their systems would have landed, made by the server.

Raw rows have the shape and the proportions of real ones: a ticket is a row per day on which it changed, with
its audit trail and its comments; a service is probed at a fixed pace, fails at times and is not probed at
others. Everything depends on the number of a row alone, so every run has the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from measuring_cpu import Database

from avoir.contracts.loading import load_contracts

TICKETS, MONITORING = "bench_tickets", "bench_monitoring"
_EPOCH = date(2020, 1, 1)


def load_vendors(
    database: Database,
    folder: Path,
    *,
    contracts: int,
    supports: int,
    platforms: int,
    probe_seconds: int,
    first_day: date,
    as_of: datetime,
) -> None:
    """Load contracts, each with so many services whose tickets are timed and whose platforms are probed.

    Raises:
        ValueError: a contract was refused.
    """
    for number in range(contracts):
        content = _contract(number, supports, platforms, probe_seconds, first_day)
        path = folder / f"vendor-{number}" / f"contract-{number}.yml"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    with psycopg.connect(database.warehouse.url("avoir_transformer")) as connection:
        days_from, days_to = date(as_of.year - 2, 1, 1), (as_of + timedelta(days=400)).date()
        report = load_contracts(connection, folder, as_of=as_of, days_from=days_from, days_to=days_to)
    if report.refused_files:
        raise ValueError("\n".join(map(str, report.problems)))


def _contract(
    number: int, supports: int, platforms: int, probe_seconds: int, first_day: date
) -> dict[str, object]:
    fee = {"kind": "fixed", "amount": "10000.00"}
    services: list[dict[str, object]] = []
    clauses: list[dict[str, object]] = []
    for one in range(supports):
        service = f"support-{number}-{one}"
        keys = [{"source": TICKETS, "kind": "ticket", "value": service}]
        services.append({"id": service, "name": service, "fee": fee, "keys": keys})
        paused = [{"field": "hold_reason", "value": "1"}]
        for name, stop, hours in (
            ("response", {"field": "public_comment_vendor"}, 1),
            ("resolution", {"field": "state", "value": "6"}, 16),
        ):
            clock = {"kind": "clock", "calendar": "office", "start": [{"field": "created"}], "stop": [stop]}
            objective = {"operator": "<=", "value": hours, "unit": "hours"}
            clauses.append(_clause(f"{service}-{name}", service, clock | {"pause": paused}, objective))
    for one in range(platforms):
        service = f"platform-{number}-{one}"
        keys = [
            {"source": MONITORING, "kind": "monitor", "value": service},
            {"source": TICKETS, "kind": "maintenance", "value": service},
        ]
        services.append({"id": service, "name": service, "fee": fee, "keys": keys})
        availability = {
            "kind": "availability", "method": "minutes", "unknown": "exclude",
            "probe_interval_seconds": probe_seconds, "maintenance": {"notice_hours": 72},
        }  # fmt: skip
        objective = {"operator": ">=", "value": 99.5, "unit": "pct"}
        clauses.append(_clause(f"{service}-uptime", service, availability, objective))
    releases = f"releases-{number}"
    keys = [{"source": TICKETS, "kind": "release", "value": releases}]
    services.append({"id": releases, "name": releases, "fee": fee, "keys": keys})
    milestone = {"kind": "milestone", "days": "business", "calendar": "office", "replan_notice_days": 10}
    clauses.append(_clause(releases, releases, milestone, {"operator": "<=", "value": 0, "unit": "days"}))
    office = {
        "id": "office",
        "weekly": {day: ["09:00-12:30", "13:30-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")},
        "holidays": {"country": "FR"},
    }
    return {
        "contract": f"BENCH-{number}",
        "name": f"Measured contract {number}",
        "vendor": {"id": f"bench-{number}", "name": f"Measured vendor {number}"},
        "currency": "EUR",
        "timezone": "UTC",
        "versions": [
            {
                "version": 1,
                "effective_from": first_day.isoformat(),
                "effective_to": None,
                "document_sha256": "0" * 64,
                "calendars": [office],
                "services": services,
                "clauses": clauses,
                "settlement": {"document": "credit_note", "vat": "price_reduction"},
                "procedure": {"notice_days": 10, "observation_days": 15, "silence": "agreed"},
            }
        ],
    }


def _clause(
    name: str, service: str, indicator: Mapping[str, object], objective: Mapping[str, object]
) -> dict[str, object]:
    return {
        "id": name.upper(),
        "title": name,
        "text": f"The level of {name} is kept.",
        "service": service,
        "indicator": indicator,
        "objective": objective,
        "penalty": {"formula": "fixed_per_event", "amount": "100.00"},
    }


def make_partitions(database: Database, first_day: date, end: date) -> None:
    """Make the monthly partitions of the samples."""
    month = first_day.replace(day=1)
    while month < end:
        following = (month + timedelta(days=32)).replace(day=1)
        database.draw("partition", partition=partition(month), month=month, following=following)
        month = following


def partition(month: date) -> str:
    """The partition of a month."""
    return f"raw_prometheus.samples_{month:%Y_%m}"


def land_batches(database: Database, first_day: date, end: date) -> None:
    """Enter a batch per source for each of the days from one up to another."""
    for offset, source, system in ((0, TICKETS, "servicenow"), (1, MONITORING, "prometheus")):
        database.draw("batches", offset=offset, source=source, system=system, **_days(first_day, end))


def land_probes(
    database: Database,
    monitors: Sequence[str],
    *,
    first_day: date,
    end: date,
    probe_seconds: int,
    is_ordered: bool = False,
) -> None:
    """Land the probes of the days from one up to another; in the order the loader puts them in, or any."""
    days = _days(first_day, end)
    database.draw(
        "probes", source=MONITORING, monitors=monitors, pace_s=probe_seconds, is_ordered=is_ordered, **days
    )


def draw_tickets(
    database: Database, *, contracts: int, supports: int, a_day: int, first_day: date, end: date
) -> None:
    """Draw the lives of the tickets opened on the days from one up to another, before any of it lands."""
    days = _days(first_day, end)
    database.draw("tickets", contracts=contracts, supports=supports, a_day=a_day, **days)


def land_tickets(database: Database, *, contracts: int, platforms: int, first_day: date, end: date) -> None:
    """Land what happened to tickets, releases and planned work on the days from one up to another."""
    days = _days(first_day, end)
    database.draw("landing", source=TICKETS, contracts=contracts, platforms=platforms, **days)


def us(day: date) -> int:
    """The first instant of a UTC day, in microseconds since 1970-01-01."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _days(first_day: date, end: date) -> dict[str, object]:
    """Days as the statements count them, from a day before all that is drawn."""
    return {
        "epoch": _EPOCH,
        "epoch_us": us(_EPOCH),
        "first": (first_day - _EPOCH).days,
        "last": (end - _EPOCH).days - 1,
        "from_us": us(first_day),
        "to_us": us(end),
    }
