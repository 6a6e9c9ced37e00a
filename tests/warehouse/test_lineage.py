"""After a night, every column of the mart leads back to its sources, and nothing of it can be changed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from avoir.cli import app
from avoir.closing import close_month
from avoir.lineage.edges import Edge
from avoir.lineage.graph import Graph, columns_of, keep, kept_edges, paths
from avoir.lineage.ingesting import Ingested, ingest_events
from avoir.lineage.places import spool_of
from avoir.lineage.site import SiteError, write_site
from avoir.warehouse import WarehouseError
from tests.warehouse.conftest import PublishedWarehouse

# Columns of the mart that take no value of a raw or reference column.
WITHOUT = {
    "mart.dim_dates.calendar_date": "a series of days",
    "mart.dim_dates.is_weekend": "of the series of days",
    "mart.dim_dates.iso_week": "of the series of days",
    "mart.dim_dates.iso_weekday": "of the series of days",
    "mart.dim_dates.iso_year": "of the series of days",
    "mart.dim_dates.month_date": "of the series of days",
    "mart.dim_dates.quarter_number": "of the series of days",
    "mart.fct_penalty_lines.line_kind": "a word of the models",
    "mart.mart_vendor_month.milestone_due_count": "a count of rows",
    "mart.mart_vendor_month.month_date": "a series of months",
    "mart.mart_vendor_month.penalty_line_count": "a count of rows",
    "mart.mart_vendor_month.ticket_clock_count": "a count of rows",
}


@pytest.fixture(scope="module")
def traced(published: PublishedWarehouse) -> Path:
    """The site of the published night; its index."""
    return write_site(published.settings, run_id="first")


def test_every_column_of_the_mart_reaches_a_raw_or_reference_column(
    published: PublishedWarehouse, traced: Path
) -> None:
    with published.connect() as connection:
        shown = {
            f"{relation}.{column}"
            for relation, columns in columns_of(connection).items()
            if relation.startswith("mart.") and relation != "mart.publication_log"
            for column in columns
        }
        rooted = {
            name
            for (name,) in connection.execute(
                """
                select distinct relation || '.' || column_name from audit.column_lineage
                where relation like 'mart.%%' and is_origin
                    and (source_relation like 'raw\\_%%' or source_relation like 'reference.%%')
                """
            )
        }
    assert len(shown) > 90
    assert shown - rooted == set(WITHOUT)


def test_known_ways_are_found_exactly(published: PublishedWarehouse, traced: Path) -> None:
    with published.connect() as connection:
        (vendor,) = paths(connection, "finance.credit_entries.vendor_id", downstream=False)[:1]
        assert (vendor["relation"], vendor["column"], vendor["transformation"]) == (
            "ledger.entries",
            "vendor_id",
            "identity",
        )
        invoiced = {
            row["path"][-1]: row
            for row in paths(connection, "mart.mart_vendor_month.invoiced_amount", downstream=False)
        }
    origin = invoiced["raw_einvoice.invoice_lines.net_amount"]
    assert origin["path"] == [
        "mart.mart_vendor_month.invoiced_amount",
        "candidate.mart_vendor_month.invoiced_amount",
        "facts.fct_invoice_lines.net_amount",
        "staging.stg_einvoice__invoice_lines.net_amount",
        "raw_einvoice.invoice_lines.net_amount",
    ]
    assert (origin["depth"], origin["transformation"], origin["is_end"]) == (4, "aggregation", True)
    assert {name for name, row in invoiced.items() if row["is_end"]} == {
        "raw_einvoice.invoice_adjustments.amount",
        "raw_einvoice.invoice_adjustments.kind",
        "raw_einvoice.invoice_lines.net_amount",
        "raw_einvoice.invoices.tax_basis_total",
        "raw_xero.invoice_line_items.line_amount",
        "raw_xero.invoice_line_items.tax_amount",
        "raw_xero.invoices.line_amount_types",
    }


def test_a_raw_column_reaches_what_finance_and_vendors_read(
    published: PublishedWarehouse, traced: Path
) -> None:
    with published.connect() as connection:
        reached = {
            (row["relation"], row["column"])
            for row in paths(connection, "raw_servicenow.incident.opened_at", downstream=True)
        }
        back = {
            (row["relation"], row["column"])
            for row in paths(connection, "mart.fct_penalty_lines.credit_amount", downstream=False)
        }
    assert {
        ("staging.stg_servicenow__tickets", "opened_us"),
        ("mart.fct_penalty_lines", "credit_amount"),
        ("ledger.entries", "amount"),
        ("finance.credit_entries", "amount"),
        ("vendor_portal.months", "credit_amount"),
    } <= reached
    assert ("raw_servicenow.incident", "opened_at") in back


def test_the_edges_of_the_ledger_are_what_is_posted(published: PublishedWarehouse, traced: Path) -> None:
    assert (
        close_month(published.settings, as_of=published.as_of, month="2026-06", by_hand=True)["entries"] > 0
    )
    copied = {
        (edge.from_column, edge.to_column)
        for edge in _edges(published)
        if edge.to_relation == "ledger.entries"
        and edge.from_relation == "mart.fct_penalty_lines"
        and edge.transformation == "identity"
    }
    assert ("credit_amount", "amount") in copied
    compared = " and ".join(f"e.{to_column} = l.{from_column}" for from_column, to_column in sorted(copied))
    with published.connect() as connection:
        posted, same = connection.execute(
            f"""
            select count(*), count(*) filter (where {compared}) from ledger.entries e
            join mart.fct_penalty_lines l using (penalty_line_id) where e.entry_kind = 'credit'
            """  # type: ignore[arg-type]
        ).fetchone() or (0, -1)
    assert posted == same > 0


def test_the_same_code_again_adds_nothing(published: PublishedWarehouse, traced: Path) -> None:
    counts = "select (select count(*) from audit.lineage_graphs), (select count(*) from audit.column_edges)"
    pages = published.settings.profile_home / "lineage" / "pages"
    with published.connect() as connection:
        before = connection.execute(counts).fetchone()
    made = {path: path.stat().st_mtime_ns for path in pages.rglob("*.html")}
    assert len(made) == 2
    assert write_site(published.settings) == traced
    assert {path: path.stat().st_mtime_ns for path in pages.rglob("*.html")} == made
    # Read out of the models once more, they are the same edges: no graph, no edge is added.
    for path in made:
        path.unlink()
        path.parent.rmdir() if not any(path.parent.iterdir()) else None
    write_site(published.settings)
    with published.connect() as connection:
        assert connection.execute(counts).fetchone() == before
    assert before is not None
    assert before[0] == 1


def test_the_site_has_a_folder_of_the_run_with_both_pages(
    published: PublishedWarehouse, traced: Path
) -> None:
    folder = traced.parent / "runs" / "first"
    assert "One row per vendor, complete local month and currency" in (folder / "dbt.html").read_text()
    assert "raw_servicenow.incident.opened_at" in (folder / "columns.html").read_text()
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["run_id"], facts["as_of"]) == ("first", "2026-07-08T04:00:00+00:00")
    assert facts["verdicts"] == published.verdicts
    with pytest.raises(SiteError, match="there is no build of the run 'never'"):
        write_site(published.settings, run_id="never")


def test_a_cycle_ends(published: PublishedWarehouse, traced: Path) -> None:
    ring = [("a.a", "b.b"), ("b.b", "c.c"), ("c.c", "a.a"), ("raw.r", "a.a")]
    edges = tuple(
        Edge(
            source.split(".")[0] + ".t",
            source.split(".")[1],
            target.split(".")[0] + ".t",
            target.split(".")[1],
            "identity",
            "model",
        )
        for source, target in ring
    )
    with published.connect("avoir_transformer") as connection, connection.transaction(force_rollback=True):
        assert keep(connection, Graph(edges, ()), code="ring", run_id="ring")
        found = connection.execute(
            "select relation || '.' || column_name, depth from audit.column_paths('c.t', 'c', false)"
            " order by 2, 1"
        ).fetchall()
    assert found == [("b.t.b", 1), ("a.t.a", 2), ("raw.t.r", 3)]


@pytest.mark.parametrize("table", ["lineage_graphs", "column_edges", "lineage_events"])
def test_nobody_changes_what_is_kept(published: PublishedWarehouse, traced: Path, table: str) -> None:
    for role in ("admin", "avoir_transformer"):
        for statement in (
            f"delete from audit.{table}",
            f"truncate audit.{table}",
            f"drop table audit.{table}",
        ):
            if role == "admin" and statement.startswith("drop"):
                continue
            with published.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]


def test_people_ask_by_the_command(
    published: PublishedWarehouse, traced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVOIR_HOME", str(published.settings.home))
    run = CliRunner().invoke
    told = run(app, ["lineage", "mart.mart_vendor_month.vendor_name"])
    assert told.exit_code == 0
    assert "reference.vendors.vendor_name" in told.output
    rows = json.loads(
        run(app, ["lineage", "reference.vendors.vendor_name", "--downstream", "--format", "json"]).output
    )
    assert "mart.mart_vendor_month" in {row["relation"] for row in rows}
    assert "a count of rows" in run(app, ["lineage", "candidate.mart_vendor_month.penalty_line_count"]).output
    unknown = run(app, ["lineage", "mart.mart_vendor_month.nothing"])
    assert unknown.exit_code == 2
    assert "has no column 'nothing'; it has availability_pct" in unknown.output
    assert run(app, ["site"]).output.strip() == str(traced)


# --- Events ------------------------------------------------------------------------------------------------


def test_the_events_of_the_models_are_taken_in_once(published: PublishedWarehouse, tmp_path: Path) -> None:
    home = published.settings.profile_home
    waiting = list(spool_of(home).glob("*.jsonl"))
    assert len(waiting) == 1
    kept = waiting[0].read_bytes()
    first = ingest_events(published.settings)
    models = len(list((published.settings.checkout / "dbt_project" / "models").rglob("*.sql")))
    assert first.new >= models
    assert (first.known, first.rejected) == (0, 0)
    assert list(spool_of(home).iterdir()) == []
    with published.connect() as connection:
        found = connection.execute(
            """
            select inputs, outputs, payload from audit.lineage_events
            where job_name = 'avoir.staging.avoir.stg_xero__bills.build.run'
            """
        ).fetchall()
    ((inputs, outputs, payload),) = found
    assert (inputs, outputs) == (["avoir.raw_xero.invoices"], ["avoir.staging.stg_xero__bills"])
    assert payload["outputs"][0]["namespace"] == f"postgres://127.0.0.1:{published.here.warehouse.port}"
    assert "schema" in payload["outputs"][0]["facets"]
    with published.connect() as connection:
        # The library follows plain selects only; audit.column_edges has all.
        (traced_by_dbt,) = connection.execute(
            "select count(*) from audit.lineage_events"
            " where payload #> '{outputs,0,facets,columnLineage,fields}' is not null"
        ).fetchone() or (0,)
    assert traced_by_dbt > 10
    # A crash between commit and removal leaves the file: again, it adds nothing.
    waiting[0].write_bytes(kept)
    assert ingest_events(published.settings) == Ingested(new=0, known=first.new, rejected=0)


def test_what_cannot_be_read_is_kept_aside_with_its_reason(published: PublishedWarehouse) -> None:
    home = published.settings.profile_home
    good = json.dumps(
        {
            "eventTime": "2026-07-08T04:00:00Z", "eventType": "START", "producer": "p",
            "run": {"runId": "00000000-0000-0000-0000-000000000001"},
            "job": {"namespace": "avoir", "name": "j"},
        }
    )  # fmt: skip
    spool_of(home).mkdir(parents=True, exist_ok=True)
    (spool_of(home) / "mixed.jsonl").write_text(f'{{"half": \n{good}\n')
    assert ingest_events(published.settings) == Ingested(new=1, known=0, rejected=1)
    (refused,) = (home / "lineage" / "rejected" / "mixed.jsonl").read_text().splitlines()
    assert json.loads(refused)["line"] == '{"half": '
    assert json.loads(refused)["reason"].startswith("JSONDecodeError")


def test_without_a_warehouse_the_events_go_on_waiting(published: PublishedWarehouse) -> None:
    home = published.settings.profile_home
    path = spool_of(home) / "waiting.jsonl"
    path.write_text("{}\n")
    nowhere = dataclasses.replace(published.settings, database_url="postgresql://u:p@127.0.0.1:1/avoir")
    with pytest.raises(WarehouseError):
        ingest_events(nowhere)
    assert path.read_text() == "{}\n"
    path.unlink()


def _edges(published: PublishedWarehouse) -> list[Edge]:
    with published.connect() as connection:
        return kept_edges(connection)
