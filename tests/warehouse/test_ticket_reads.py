"""Among many rows of several ticket systems, a night and an auditor read those of their tickets only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from avoir.modelling import run_dbt
from tests.warehouse.conftest import BareWarehouse

pytestmark = pytest.mark.warehouse

MANY = 60_000
SELECTED = ["+int_ticket_events", "built_batches", "built_hashes", "built_instants"]
AS_OF = ["--vars", json.dumps({"as_of": "2026-04-01T00:00:00+00:00"})]

#: As many rows of each table, each about one of 20,000 tickets.
LANDED = {
    "raw_servicenow.incident": (
        "sys_id, business_service, opened_at, sys_updated_on",
        "'t' || n % 20000, 'support', '2026-03-02 09:00:00', '2026-03-02 09:00:00'",
    ),
    "raw_servicenow.sys_audit": (
        "sys_id, tablename, documentkey, fieldname, newvalue, record_checkpoint, sys_created_on",
        "'a' || n, 'incident', 't' || n % 20000, 'state', '2', n::text, '2026-03-02 10:00:00'",
    ),
    "raw_servicenow.sys_journal_field": (
        "sys_id, name, element_id, element, sys_created_on, sys_created_by",
        "'j' || n, 'incident', 't' || n % 20000, 'comments', '2026-03-02 11:00:00', 'agent'",
    ),
    "raw_jira.issues": (
        "issue_id, service, created, updated, resolution_date",
        "(n % 20000)::text, 'SUP', '2026-03-02T09:00:00.000+0000', '2026-03-02T09:00:00.000+0000', ''",
    ),
    "raw_jira.changes": (
        "history_id, item_no, issue_id, field_id, tracked_as, to_string, created",
        "n::text, '0001', (n % 20000)::text, 'status', 'state', 'Done', '2026-03-02T10:00:00.000+0000'",
    ),
    "raw_jira.comments": (
        "comment_id, issue_id, author, author_type, is_public, created",
        "n::text, (n % 20000)::text, 'bo', 'atlassian', 'true', '2026-03-02T11:00:00.000+0000'",
    ),
}


@pytest.fixture(scope="module")
def grown(bare_warehouse: BareWarehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse built over many rows, with five tickets to build again; dbt's target folder."""
    target = tmp_path_factory.mktemp("target")
    with bare_warehouse.warehouse.connect("avoir_loader") as connection:
        for table, (columns, values) in LANDED.items():
            statement = (
                f"insert into {table} (_source_name, _batch_id, _source_row, _row_hash, {columns})"
                f" select 'desk', 1, n, md5(n::text), {values} from generate_series(1, {MANY}) as n"
            )
            connection.execute(statement.encode())
            connection.execute(f"analyze {table}".encode())
    arguments = ["run", "--select", *SELECTED, *AS_OF, "--target-path", str(target)]
    run_dbt(arguments, project=bare_warehouse.project, environment=bare_warehouse.environment)
    with bare_warehouse.warehouse.connect("avoir_transformer") as connection:
        connection.execute(
            "delete from intermediate.int_touched_tickets where ticket_key not in ('t1', 't2', '1', '2', '3')"
        )
        connection.execute("analyze intermediate.int_touched_tickets")
        connection.commit()
    with bare_warehouse.warehouse.connect("avoir_transformer") as connection:
        connection.autocommit = True
        connection.execute("vacuum intermediate.int_touched_tickets")
    return target


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def raw_scans(connection: psycopg.Connection, statement: str) -> dict[str, set[str]]:
    """How each raw table is read, by its name."""
    row = connection.execute(f"explain (format json) {statement}".encode()).fetchone()
    assert row is not None
    names = {table.split(".")[1] for table in LANDED}
    found: dict[str, set[str]] = {}
    for node in nodes(row[0][0]["Plan"]):
        if node.get("Relation Name") in names:
            found.setdefault(node["Relation Name"], set()).add(node["Node Type"])
    return found


@pytest.mark.parametrize("model", ["int_ticket_events", "int_tickets"])
def test_a_night_looks_its_tickets_up_in_every_system(
    bare_warehouse: BareWarehouse, grown: Path, model: str
) -> None:
    arguments = ["compile", "--select", model, *AS_OF, "--target-path", str(grown)]
    run_dbt(arguments, project=bare_warehouse.project, environment=bare_warehouse.environment)
    (path,) = grown.glob(f"compiled/**/{model}.sql")
    statement = path.read_text()
    assert "request_tracker" not in statement, "a system of which nothing landed is still asked"
    with bare_warehouse.warehouse.connect("avoir_transformer") as connection:
        scans = raw_scans(connection, statement)
    read = {"incident", "issues"}
    if model == "int_ticket_events":
        read |= {"sys_audit", "sys_journal_field", "changes", "comments"}
    assert set(scans) == read
    assert not any("Seq Scan" in kinds for kinds in scans.values()), scans


def test_the_auditor_looks_a_ticket_up_in_every_system(bare_warehouse: BareWarehouse, grown: Path) -> None:
    statement = "select * from audit.ticket_records() where source_name = 'desk' and ticket_key = 't7'"
    with bare_warehouse.warehouse.connect("auditor") as connection:
        scans = raw_scans(connection, statement)
        found = connection.execute(statement).fetchall()
    assert len(scans) == len(LANDED)
    assert not any("Seq Scan" in kinds for kinds in scans.values()), scans
    assert len(found) == 9
