"""Two contracts whose facts grow night by night, and what of them is known in one night.

NORTH has every kind of clock and every method of availability, and an amendment in the midst of March that
probes twice as often; SOUTH lends NORTH a team, and may come, end or go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from avoir.contracts.calendars import calendar_days
from avoir.contracts.model import Contract
from avoir.contracts.resolving import OPEN_END, ClaimedKey, ResolvedVersion, inherit
from avoir.contracts.rows import Names, Row, Tables, header_row, key_rows, part_rows

AMENDED_ON = date(2025, 3, 15)
ENDS = (OPEN_END, date(2025, 3, 10), date(2025, 2, 1))
PROBED_EVERY_HOURS = 6
_SHARED = "shared"
_RECORDED_AT = datetime(1970, 1, 1, tzinfo=UTC)
_ALL_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Document = dict[str, Any]


def _clock(clause_id: str, service: str, **parts: Any) -> Document:
    by_priority = {"by_priority": {"1": 2, "2": 8}} if "priority_change" in parts else {}
    return {
        "id": clause_id,
        "service": service,
        "indicator": {
            "kind": "clock",
            "calendar": "office",
            "start": [{"field": "created"}],
            "stop": [{"field": "state", "value": "resolved"}],
            **parts,
        },
        "objective": {"operator": "<=", "value": 20, "unit": "hours", **by_priority},
        "penalty": {"formula": "fixed_per_event", "amount": "10.00"},
    }


def _availability(clause_id: str, service: str, method: str, unknown: str, **parts: Any) -> Document:
    return {
        "id": clause_id,
        "service": service,
        "indicator": {
            "kind": "availability",
            "method": method,
            "unknown": unknown,
            "probe_interval_seconds": PROBED_EVERY_HOURS * 3600,
            **parts,
        },
        "objective": {"operator": ">=", "value": 98, "unit": "pct"},
        "penalty": {"formula": "fixed_per_event", "amount": "10.00"},
    }


def _service(service_id: str, *keys: tuple[str, str, str]) -> Document:
    return {
        "id": service_id,
        "name": service_id,
        "fee": {"kind": "fixed", "amount": "1000.00"},
        "keys": [{"source": source, "kind": kind, "value": value} for source, kind, value in keys],
    }


_CALENDARS = [
    {
        "id": "office",
        "timezone": "Europe/Paris",
        "weekly": {day: ["08:00-12:00", "13:00-19:00"] for day in _ALL_WEEK[:5]},
        "holidays": {"country": "FR", "subdivision": None},
    },
]
_ON_OPEN = [{"field": "state", "value": "open"}]
_NORTH_CLAUSES = [
    _clock("RESPONSE", "desk", stop=[{"field": "public_comment_vendor"}]),
    _clock(
        "RESOLUTION",
        "desk",
        pause=[{"field": "state", "value": "on_hold"}],
        reopen={"on": _ON_OPEN, "policy": "resume"},
        priority_change="restart",
    ),
    _clock(
        "CYCLES",
        "desk",
        reset=[{"field": "assignment_group", "value": "second"}],
        reopen={"on": _ON_OPEN, "policy": "new_cycle"},
        priority_change="retroactive",
    ),
    _clock(
        "JOINED",
        "line",
        pause=[{"field": "state", "value": "on_hold"}],
        resume=[{"field": "public_comment_customer"}],
        reopen={"on": _ON_OPEN, "policy": "join_within", "within": {"size": 8, "unit": "hours"}},
    ),
    _availability("SITE", "site", "minutes", "exclude", maintenance={"notice_hours": 24}),
    _availability(
        "LONG", "site", "minutes", "down", quorum=2, minimum_downtime_seconds=48 * 3600, whole_minutes=True
    ),
    _availability("QUARTER", "site", "minutes", "up", period="quarter"),
    _availability("SLICES", "site", "mean_of_slices", "exclude", slice_seconds=86_400),
    _availability(
        "RUNS",
        "site",
        "executions",
        "exclude",
        minimum_volume=100,
        denominator="total",
        maintenance={"notice_hours": 1},
    ),
    _availability("DEPLOYED", "site", "deployed_minutes", "down"),
    _availability("HOURS", "page", "service_hours", "exclude", calendar="office"),
    {
        "id": "PROJECT",
        "service": "project",
        "indicator": {
            "kind": "milestone",
            "days": "business",
            "calendar": "office",
            "replan_notice_days": 5,
        },
        "objective": {"operator": "<=", "value": 0, "unit": "days"},
        "penalty": {"formula": "fixed_per_event", "amount": "10.00"},
    },
]
_AMENDED = [
    _availability("SITE", "site", "minutes", "down", maintenance={"notice_hours": 48})
    | {"objective": {"operator": ">=", "value": 99, "unit": "pct"}},
]
_AMENDED[0]["indicator"]["probe_interval_seconds"] = PROBED_EVERY_HOURS * 1800
NORTH: Document = {
    "contract": "NORTH",
    "name": "North",
    "vendor": {"id": "north", "name": "North"},
    "currency": "EUR",
    "timezone": "Europe/Paris",
    "versions": [
        {
            "version": 1,
            "effective_from": "2025-01-01",
            "document_sha256": "0" * 64,
            "calendars": _CALENDARS,
            "services": [
                _service("desk", ("desk", "ticket", "desk"), ("desk", "team", "first")),
                _service("line", ("desk", "ticket", "line")),
                _service(
                    "site",
                    ("probes", "monitor", "m1"),
                    ("probes", "monitor", "m2"),
                    ("probes", "monitor", "m3"),
                    ("desk", "maintenance", "site"),
                ),
                _service("page", ("status", "monitor", "page"), ("desk", "maintenance", "page")),
                _service("project", ("desk", "release", "project")),
            ],
            "clauses": _NORTH_CLAUSES,
            "exclusions": [
                {"id": "any", "title": "Force majeure"},
                {"id": "some", "title": "Spare parts", "clauses": ["RESOLUTION", "SITE", "LONG"]},
            ],
        },
        {
            "version": 2,
            "effective_from": AMENDED_ON.isoformat(),
            "document_sha256": "1" * 64,
            "clauses": _AMENDED,
        },
    ],
}
SOUTH: Document = {
    "contract": "SOUTH",
    "name": "South",
    "vendor": {"id": "south", "name": "South"},
    "currency": "EUR",
    "timezone": "UTC",
    "versions": [
        {
            "version": 1,
            "effective_from": "2025-01-01",
            "document_sha256": "2" * 64,
            "calendars": _CALENDARS,
            "services": [
                _service("field", ("desk", "ticket", "field"), ("desk", "team", "second")),
                _service("probe", ("probes", "monitor", "m2")),
            ],
            "clauses": [
                _clock("FIELD", "field", reopen={"on": _ON_OPEN, "policy": "new_cycle"}),
                _availability("PROBE", "probe", "minutes", "down", minimum_downtime_seconds=36 * 3600),
            ],
        },
    ],
}


@dataclass(frozen=True)
class Decision:
    """An accepted exclusion, of a span of time in microseconds, a ticket or a release."""

    decision_id: str
    ground: str
    accepted_date: date
    service: str | None = None
    span: tuple[int, int] | None = None
    ticket: str | None = None
    release: str | None = None

    def row(self) -> Row:
        from_us, to_us = self.span or (None, None)
        return (
            "NORTH", self.decision_id, self.ground, self.service, from_us, to_us, self.ticket, self.release,
            self.accepted_date, _RECORDED_AT, None,
        )  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What of the contracts is known in one night."""

    is_amended: bool = False
    south_until: date | None = OPEN_END
    decisions: tuple[Decision, ...] = ()

    def tables(self) -> Tables:
        """Rows of the reference tables."""
        tables: Tables = {}
        north = _versions("NORTH")
        _add(tables, north[0], until=AMENDED_ON if self.is_amended else OPEN_END)
        if self.is_amended:
            _add(tables, north[1], until=OPEN_END)
        if self.south_until is not None:
            _add(tables, _versions("SOUTH")[0], until=self.south_until)
        tables["exclusion_decisions"] = [decision.row() for decision in self.decisions]
        tables["calendars"], tables["calendar_days"] = _calendar_rows()
        return tables


@cache
def _versions(name: str) -> tuple[ResolvedVersion, ...]:
    contract = Contract.model_validate({"NORTH": NORTH, "SOUTH": SOUTH}[name])
    return tuple(
        ResolvedVersion(
            contract=contract,
            version_no=stage.version.version,
            valid_from=stage.version.effective_from,
            valid_to=stage.valid_to,
            document_sha256=stage.version.document_sha256,
            calendars=stage.calendars,
            services=stage.services,
            clauses=stage.clauses,
            keys={
                service.id: tuple(ClaimedKey(key, ()) for key in service.keys)
                for service in stage.services.values()
            },
            paths=stage.paths,
            terms=stage.terms,
        )
        for stage in inherit(contract)
    )


@cache
def _calendar_rows() -> tuple[list[Row], list[Row]]:
    office = _versions("NORTH")[0].calendars["office"]
    days = calendar_days(office, date(2024, 6, 1), date(2025, 12, 31))
    name = f"{_SHARED}/office"
    return [(name, _SHARED, office.timezone)], [(name, *day.row()) for day in days]


def _add(tables: Tables, version: ResolvedVersion, *, until: date) -> None:
    # The name of a version stands for its content, to which its end belongs.
    names = Names(
        f"{version.contract.contract}:{version.version_no}:{until}",
        version.contract.contract,
        {"office": f"{_SHARED}/office"},
    )
    rows = part_rows(version, names)
    del rows["calendars"]
    header = list(header_row(version, names, file_path="", recorded_at=_RECORDED_AT))
    header[6] = until
    rows["contract_versions"] = [tuple(header)]
    rows["service_keys"] = key_rows(version, names)
    for table, more in rows.items():
        tables.setdefault(table, []).extend(more)
