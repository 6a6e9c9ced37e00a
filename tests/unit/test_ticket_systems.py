"""Systems of one kind offer the models one shape, and are known on both sides of dbt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from avoir.sources.register import BILL_SYSTEMS, RAW_TABLES, RELEASE_SYSTEMS, TICKET_SYSTEMS

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
SHAPES = ("tickets", "ticket_events")


def columns_of(model: str) -> list[tuple[str, str]]:
    """Names and types of a staging view, in order, as its yml states them."""
    text = (PROJECT / "models" / "staging" / f"{model}.yml").read_text()
    (described,) = yaml.safe_load(text)["models"]
    columns: list[dict[str, Any]] = described["columns"]
    return [(column["name"], column["data_type"]) for column in columns]


def test_the_models_and_the_auditor_know_the_same_systems() -> None:
    macro = (PROJECT / "macros" / "tickets.sql").read_text()
    known = re.search(r"set known = (\[.*?\])", macro)
    assert known is not None
    assert yaml.safe_load(known[1]) == [system.name for system in TICKET_SYSTEMS]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("system", [system.name for system in TICKET_SYSTEMS])
def test_the_views_of_every_system_have_the_same_columns(system: str, shape: str) -> None:
    columns = columns_of(f"stg_{system}__{shape}")
    assert len(columns) > 10
    assert columns == columns_of(f"stg_servicenow__{shape}")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("system", [system.name for system in TICKET_SYSTEMS])
def test_no_view_of_a_system_keeps_an_increment_from_its_rows(system: str, shape: str) -> None:
    # Postgres merges a member of a union only when it has no condition, and a view only when it has no CTE.
    statement = (PROJECT / "models" / "staging" / f"stg_{system}__{shape}.sql").read_text()
    bare = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
    found = re.findall(r"^\s*(with|where|group|order|having|distinct|limit)\b", bare, re.MULTILINE)
    assert not found, f"stg_{system}__{shape} has {found}: filter in the intermediate model instead"


def test_the_models_and_the_auditor_know_the_same_systems_of_releases() -> None:
    macro = (PROJECT / "macros" / "releases.sql").read_text()
    known = re.search(r"set known = (\[.*?\])", macro)
    assert known is not None
    assert yaml.safe_load(known[1]) == [system.name for system in RELEASE_SYSTEMS]


@pytest.mark.parametrize("shape", ["releases", "release_events"])
@pytest.mark.parametrize("system", [system.name for system in RELEASE_SYSTEMS])
def test_the_views_of_every_system_of_releases_have_the_same_columns(system: str, shape: str) -> None:
    columns = columns_of(f"stg_{system}__{shape}")
    assert len(columns) > 10
    assert columns == columns_of(f"stg_servicenow__{shape}")


def test_of_every_monitor_a_batch_knows_when_its_samples_were_seen() -> None:
    # Without it a night would not look at the months in which something landed.
    macro = (PROJECT / "macros" / "monitoring.sql").read_text()
    known = re.search(r"macro monitors.*?landed_models\((\[.*?\])\)", macro, re.DOTALL)
    assert known is not None
    models = yaml.safe_load(known[1])
    assert len(models) >= 4
    for model in models:
        statement = (PROJECT / "models" / "staging" / f"{model}.sql").read_text()
        ((schema, table),) = re.findall(r"source\('(\w+)', '(\w+)'\)", statement)
        assert RAW_TABLES[f"{schema}.{table}"][1].instant is not None, model


def test_the_models_know_the_systems_of_the_companys_books() -> None:
    macro = (PROJECT / "macros" / "bills.sql").read_text()
    known = re.search(r"set known = (\[.*?\])", macro)
    assert known is not None
    assert yaml.safe_load(known[1]) == [system.name for system in BILL_SYSTEMS]


@pytest.mark.parametrize("shape", ["bills", "bill_lines"])
@pytest.mark.parametrize("system", [system.name for system in BILL_SYSTEMS])
def test_the_views_of_every_system_of_books_have_the_same_columns(system: str, shape: str) -> None:
    columns = columns_of(f"stg_{system}__{shape}")
    assert len(columns) > 10
    assert columns == columns_of(f"stg_xero__{shape}")
