"""The oracle's own statement of the terms equals the contract files, word for word where it computes."""

from __future__ import annotations

import ast
import csv
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.system import real_oracle
from tests.system.real_oracle import CONTRACTS, EXAMPLES, ContractTerms, figures

FOR_PEOPLE = {"name", "title", "text", "document_sha256"}


def terms_of_file(path: Path) -> Any:
    """A contract file without what is only said to people."""

    def stripped(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: stripped(value) for key, value in node.items() if key not in FOR_PEOPLE}
        return [stripped(item) for item in node] if isinstance(node, list) else node

    return stripped(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def written(terms: ContractTerms) -> Any:
    """The same terms in the shape of a contract file."""
    version: dict[str, Any] = {
        "version": 1,
        "effective_from": terms.since,
        "effective_to": terms.until,
        "services": [],
        "clauses": [],
    }
    if terms.responses:
        hours = {day: ["08:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
        version["calendars"] = [{"id": "office", "weekly": hours}]
    for service in dict.fromkeys(
        [*terms.fees, *(service for _, service, _ in terms.bills)],
    ):
        one: dict[str, Any] = {"id": service, "fee": {"kind": "invoice_lines"}}
        if service in terms.fees:
            one["fee"] = {"kind": "fixed", "amount": f"{terms.fees[service]:.2f}"}
        monitors = [name for clause in terms.uptimes if clause.service == service for name in clause.monitors]
        if monitors:
            one["keys"] = [{"source": "curc_upptime", "kind": "monitor", "value": name} for name in monitors]
        if any(clause.service == service for clause in terms.responses):
            one["keys_from"] = [
                {
                    "file": "assignment_groups.csv",
                    "source": "uci_incidents",
                    "kind": "ticket",
                    "value": "assignment_group",
                    "where": {"vendor": terms.vendor, "service": service},
                }
            ]
        for source in dict.fromkeys(source for source, of, _ in terms.bills if of == service):
            one["keys_from"] = [
                {
                    "file": "invoice_sellers.csv",
                    "source": source,
                    "kind": "invoice_seller",
                    "value": "seller",
                    "where": {"source": source, "vendor": terms.vendor, "service": service},
                }
            ]
        version["services"].append(one)
    for response in terms.responses:
        version["clauses"].append(
            {
                "id": response.clause,
                "service": response.service,
                "indicator": {
                    "kind": "clock",
                    "calendar": "office",
                    "start": [{"field": "created"}],
                    "stop": [{"field": "state", "value": state} for state in response.answered],
                },
                "objective": {"operator": "<=", "value": response.minutes, "unit": "minutes"},
                "penalty": {
                    "formula": "fixed_per_event",
                    "amount": f"{response.amount:.2f}",
                    "month_cap": {"amount": f"{response.month_cap:.2f}"},
                },
            }
        )
    for uptime in terms.uptimes:
        assert uptime.fee == terms.fees[uptime.service]
        version["clauses"].append(
            {
                "id": uptime.clause,
                "service": uptime.service,
                "indicator": {
                    "kind": "availability",
                    "method": "minutes",
                    "unknown": uptime.unknown,
                    "probe_interval_seconds": uptime.interval_seconds,
                },
                "objective": {"operator": ">=", "value": float(uptime.objective_pct), "unit": "pct"},
                "penalty": {"formula": "proportional", "on": uptime.on, "base": "fixed_fee"},
            }
        )
    return {
        "contract": terms.contract,
        "vendor": {"id": terms.vendor},
        "currency": terms.currency,
        "timezone": terms.zone,
        "versions": [version],
    }


def test_every_contract_of_the_examples_is_stated() -> None:
    assert {path.stem for path in EXAMPLES.glob("*/*.yml")} == {terms.contract for terms in CONTRACTS}


@pytest.mark.parametrize("terms", CONTRACTS, ids=lambda terms: terms.contract)
def test_the_stated_terms_equal_the_contract_file(terms: ContractTerms) -> None:
    assert written(terms) == terms_of_file(EXAMPLES / terms.vendor / f"{terms.contract}.yml")


def test_the_stated_sellers_equal_the_mapping_file() -> None:
    with (EXAMPLES / "invoice_sellers.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    assert rows
    assert sorted((row["source"], row["service"], row["seller"], row["vendor"]) for row in rows) == sorted(
        (*bill, terms.vendor) for terms in CONTRACTS for bill in terms.bills
    )


def test_the_oracle_imports_nothing_of_what_it_judges() -> None:
    tree = ast.parse(Path(real_oracle.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in imported}
    assert "lxml" in roots
    assert roots <= {*sys.stdlib_module_names, "lxml"}
    assert "sqlite3" not in roots


@pytest.mark.real_data
def test_the_oracle_gives_what_was_worked_out_by_hand(shared_data: Path) -> None:
    found = figures(shared_data)
    owed = {
        ("norden", "2016-03"): "1350.00",
        ("norden", "2016-04"): "870.00",
        ("kestrel", "2016-03"): "625.00",
        ("kestrel", "2016-04"): "800.00",
        ("larch", "2016-03"): "1760.00",
        ("larch", "2016-04"): "760.00",
        ("summit", "2026-06"): "2037.18",
        ("summit", "2026-07"): "919.13",
        ("meridian", "2026-06"): "268.42",
        ("meridian", "2026-07"): "146.11",
    }
    assert {key: found.credit(*key) for key in owed} == {key: Decimal(value) for key, value in owed.items()}
    assert found.invoiced["moulin", "2017-11", "EUR"] == Decimal("3232.41")
    assert found.invoiced["polder", "2014-08", "EUR"] == Decimal("908.91")
    assert len(found.months) == 33
