"""Nights over one ticket system: its windows loaded, a small contract believed, the clocks built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg.rows

from avoir.contracts.loading import load_contracts
from avoir.loading import LoadReport, load_window, next_window
from avoir.modelling import run_dbt
from avoir.sources.model import SourceConnection
from tests.warehouse.conftest import BareWarehouse

#: One promise: an answer within two hours of the day and night, not counted while the ticket waits.
CONTRACT = """\
contract: {contract}
name: Answers
vendor: {{id: helios, name: Helios}}
currency: EUR
timezone: Europe/Paris
versions:
  - version: 1
    effective_from: 2026-01-01
    effective_to: null
    document_sha256: {sha}
    calendars:
      - {{id: always, always: true}}
    services:
      - id: support
        name: Support
        fee: {{kind: fixed, amount: "1000.00"}}
        keys:
          - {{source: {source}, kind: ticket, value: {service}}}
    clauses:
      - id: ANSWER
        title: First answer
        text: Within two hours
        service: support
        indicator:
          kind: clock
          calendar: always
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
          pause: [{{field: state, value: {waits}}}]
        objective: {{operator: "<=", value: 2, unit: hours}}
        penalty: {{formula: fixed_per_event, amount: "10.00"}}
"""


@dataclass(frozen=True)
class Night:
    """What one night read of a source, and what it made of it."""

    report: LoadReport
    clocks: Mapping[str, tuple[str, int, int]]
    """Of the first answers, by ticket number: outcome, seconds that count, seconds of pause."""


def believe(
    warehouse: BareWarehouse, folder: Path, *, source: str, service: str, waits: str, clauses: str = ""
) -> None:
    """Load the contract over one source's service, with further clauses as they would stand in it."""
    path = folder / "helios" / f"{source}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = CONTRACT.format(
        contract=f"C-{source.upper().replace('_', '-')}",
        sha="0123456789abcdef" * 4,
        source=source,
        service=json.dumps(service),
        waits=json.dumps(waits),
    )
    path.write_text(text + clauses)
    with warehouse.warehouse.connect("avoir_transformer") as connection:
        report = load_contracts(
            connection,
            folder,
            as_of=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
            days_from=date(2026, 1, 1),
            days_to=date(2027, 6, 1),
        )
    assert report.refused_files == (), report.problems


def night(
    warehouse: BareWarehouse, source: SourceConnection, as_of: datetime, target: Path, *also: str
) -> Night:
    """Load up to an instant, build what clocks need and other models, and read the clocks of the source."""
    with warehouse.warehouse.connect("avoir_loader") as connection:
        window = next_window(connection, source, as_of)
        assert window is not None
        report = load_window(connection, source, window)
        again = load_window(connection, source, window)
        assert again.rows_landed == 0, again
    arguments = ["run", "--select", "+fct_ticket_clocks", "built_batches", "built_hashes", "built_instants"]
    arguments += also
    arguments += ["--vars", json.dumps({"as_of": as_of.isoformat()}), "--target-path", str(target)]
    run_dbt(arguments, project=warehouse.project, environment=warehouse.environment)
    rows = asked(
        warehouse,
        "select ticket_number, outcome, business_seconds, paused_seconds from facts.fct_ticket_clocks"
        " where source_name = %s and clause_id = 'ANSWER'",
        source.name,
    )
    clocks = {
        row["ticket_number"]: (row["outcome"], row["business_seconds"], row["paused_seconds"]) for row in rows
    }
    return Night(report, clocks)


def asked(warehouse: BareWarehouse, statement: str, *values: object) -> list[dict[str, Any]]:
    """Rows as the auditor sees them."""
    with warehouse.warehouse.connect("auditor") as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(statement.encode(), values).fetchall()


def raw_rows_behind(warehouse: BareWarehouse, source: str, ticket_key: str) -> list[tuple[str, str]]:
    """Kind and raw table of everything that a ticket's clocks were computed from, each row found."""
    rows = asked(
        warehouse,
        """
        select records.evidence_kind, records.raw_table, raw.payload is not null as is_found
        from audit.ticket_records() as records
        left join audit.raw_record as raw
            on raw.raw_table = records.raw_table and raw.batch_id = records.batch_id
            and raw.source_row = records.source_row and raw.natural_key = records.natural_key
            and raw.source_name = records.source_name and raw.row_hash = records.row_hash
        where records.source_name = %s and records.ticket_key = %s and records.is_read
        order by 1, 2
        """,
        source,
        ticket_key,
    )
    assert all(row["is_found"] for row in rows), rows
    return [(row["evidence_kind"], row["raw_table"]) for row in rows]
