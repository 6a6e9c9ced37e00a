"""The contracts that the warehouse reads say what the oracle's terms say, field by field."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from avoir.demo.vendors import (
    FIRST_MONTH,
    LAST_MONTH,
    RELEASE_SERVICE,
    SUPPORT_SERVICE,
    VENDORS,
    CalendarTerms,
    TermsVersion,
    Vendor,
)

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts" / "demo"
SERVICES = {"support", "platform", "releases"}
EACH_VENDOR = pytest.mark.parametrize("vendor", VENDORS.values(), ids=list(VENDORS))


def contract_of(vendor: Vendor) -> dict[str, Any]:
    file = CONTRACTS / vendor.vendor_id / f"{vendor.contract_id}.yml"
    contract: dict[str, Any] = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    return contract


def by_id(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in items}


def whole_versions(contract: dict[str, Any]) -> list[dict[str, Any]]:
    """Every version with what it inherits: items replace those of the same id."""
    whole: list[dict[str, Any]] = []
    for version in contract["versions"]:
        before = whole[-1] if whole else {}
        sections = {
            name: {**before.get(name, {}), **by_id(version.get(name, []))}
            for name in ("calendars", "services", "clauses")
        }
        whole.append({**version, **sections})
    return whole


def written_calendar(terms: CalendarTerms) -> dict[str, Any]:
    written: dict[str, Any] = {"id": terms.calendar_id}
    if terms.always:
        return written | {"always": True}
    written["weekly"] = {day: list(hours) for day, hours in terms.weekly.items()}
    written["holidays"] = {"country": terms.country, "subdivision": terms.subdivision}
    if terms.closed:
        written["closed"] = list(terms.closed)
    if terms.half_days:
        written["half_days"] = {day: list(hours) for day, hours in terms.half_days.items()}
    return written


def written_clauses(terms: TermsVersion) -> dict[str, dict[str, Any]]:
    """What indicator, objective and penalty must be in the file, numbers as decimals."""
    cap = terms.support.cap_pct
    return {
        "SLA-1": {
            "service": "support",
            "indicator": {
                "kind": "clock",
                "calendar": terms.support.calendar_id,
                "start": [{"field": "created"}],
                "stop": [{"field": "public_comment_vendor"}],
                "pause": [{"field": "hold_reason", "value": "1"}],
            },
            "objective": {
                "operator": "<=",
                "value": Decimal(terms.support.target_minutes),
                "unit": "minutes",
            },
            "penalty": {
                "formula": "percent_of_invoice_per_event",
                "rate_pct": terms.support.rate_pct,
                "base": "month_invoice",
                **({} if cap is None else {"month_cap": {"pct_of_month_invoice": cap}}),
            },
        },
        "SLA-2": {
            "service": "platform",
            "indicator": {
                "kind": "availability",
                "method": "minutes",
                "unknown": terms.platform.unknown,
                "probe_interval_seconds": Decimal(300),
                "maintenance": {"notice_hours": Decimal(terms.platform.notice_hours)},
            },
            "objective": {"operator": ">=", "value": terms.platform.target_pct, "unit": "pct"},
            "penalty": {"formula": "proportional", "on": terms.platform.on, "base": "service_lines"},
        },
        "SLA-3": {
            "service": "releases",
            "indicator": {
                "kind": "milestone",
                "days": terms.releases.day_kind,
                "calendar": terms.releases.calendar_id,
                "replan_notice_days": Decimal(terms.releases.replan_notice_days),
            },
            "objective": {"operator": "<=", "value": Decimal(0), "unit": "days"},
            "penalty": {"formula": "fixed_per_event", "amount": f"{terms.releases.amount:.2f}"},
        },
    }


def with_decimals(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: with_decimals(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_decimals(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


@EACH_VENDOR
def test_contract_names_the_same_parties(vendor: Vendor) -> None:
    contract = contract_of(vendor)
    assert contract["contract"] == vendor.contract_id
    assert contract["name"] == vendor.contract_name
    assert contract["vendor"] == {"id": vendor.vendor_id, "name": vendor.name}
    assert contract["currency"] == vendor.currency
    assert contract["timezone"] == vendor.timezone


@EACH_VENDOR
def test_every_version_says_the_same_terms(vendor: Vendor) -> None:
    written = whole_versions(contract_of(vendor))
    assert len(written) == len(vendor.versions)
    for version, terms in zip(written, vendor.versions, strict=True):
        assert version["version"] == terms.version
        assert version["effective_from"] == terms.effective_from
        expected = {calendar.calendar_id: written_calendar(calendar) for calendar in terms.calendars}
        assert version["calendars"] == expected
        parts = ("service", "indicator", "objective", "penalty")
        clauses = {
            clause_id: with_decimals({part: clause[part] for part in parts})
            for clause_id, clause in version["clauses"].items()
        }
        assert clauses == written_clauses(terms)
        assert re.fullmatch(r"[0-9a-f]{64}", version["document_sha256"])


@EACH_VENDOR
def test_services_are_recognised_by_what_the_world_writes(vendor: Vendor) -> None:
    services = whole_versions(contract_of(vendor))[-1]["services"]
    assert set(services) == SERVICES
    keys = {
        service_id: {(key["source"], key["kind"]): key["value"] for key in service["keys"]}
        for service_id, service in services.items()
    }
    systems = {
        "support": {(vendor.servicenow_source, "ticket"): SUPPORT_SERVICE},
        "platform": {
            (vendor.prometheus_source, "monitor"): vendor.monitor,
            (vendor.servicenow_source, "maintenance"): vendor.monitor,
        },
        "releases": {(vendor.servicenow_source, "release"): RELEASE_SERVICE},
    }
    for service_id in SERVICES:
        line = {(vendor.invoices_source, "invoice_line"): vendor.lines[service_id].item_id}
        assert keys[service_id] == systems[service_id] | line
        assert services[service_id]["fee"] == {"kind": "invoice_lines"}


def test_there_is_a_contract_for_every_vendor_and_no_other() -> None:
    assert {path.parent.name for path in CONTRACTS.glob("*/*.yml")} == set(VENDORS)
    assert len(list(CONTRACTS.glob("*/*.yml"))) == len(VENDORS) == 6


def test_amendment_starts_on_a_first_day_and_keeps_the_notice_for_replans() -> None:
    amended = [vendor for vendor in VENDORS.values() if len(vendor.versions) > 1]
    assert [vendor.vendor_id for vendor in amended] == ["tejo"]
    for version in amended[0].versions:
        assert version.effective_from.day == 1
        assert version.releases.replan_notice_days == amended[0].versions[0].releases.replan_notice_days


def test_the_version_in_force_changes_at_the_amendment() -> None:
    tejo = VENDORS["tejo"]
    in_force = [tejo.version_on(day) for day in (date(2024, 12, 31), date(2025, 6, 30), date(2025, 7, 1))]
    assert [version and version.version for version in in_force] == [None, 1, 2]


def test_the_world_is_as_varied_as_promised() -> None:
    vendors = list(VENDORS.values())
    assert {vendor.currency for vendor in vendors} == {"EUR", "USD", "GBP"}
    assert len({vendor.timezone for vendor in vendors}) == 5
    assert {version.platform.unknown for vendor in vendors for version in vendor.versions} == {
        "down",
        "up",
        "exclude",
    }
    assert {version.releases.day_kind for vendor in vendors for version in vendor.versions} == {
        "calendar",
        "business",
    }
    assert any(vendor.versions[-1].support.cap_pct is None for vendor in vendors)
    assert sum(vendor.invoice_format == "ubl" for vendor in vendors) == 3
    assert (str(FIRST_MONTH), str(LAST_MONTH)) == ("2025-01", "2026-06")
