"""Fixtures to mart on a real Postgres: the truth, a rerun, a planted fault, a stale source, the close."""

from __future__ import annotations

import functools
from datetime import date

import psycopg
import pytest

from avoir.cli import sql as ask
from avoir.closing import close_month
from avoir.ledger import verify_chain
from avoir.publishing import PublicationBlockedError, release_held
from avoir.running import night, rebuild
from tests.system.truth_comparison import differences
from tests.warehouse.conftest import MONTHS, VENDORS, PublishedWarehouse


def test_the_mart_equals_the_truth(published: PublishedWarehouse) -> None:
    assert published.verdicts["published"] >= len(VENDORS) * MONTHS
    with published.connect() as connection:
        assert differences(connection, published.truth) == []


def test_a_rerun_changes_nothing(published: PublishedWarehouse) -> None:
    before = published.mart_hash()
    with published.connect() as connection:
        landed = connection.execute("select count(*), sum(rows_landed) from loads.batches").fetchone()
    verdicts = night(published.settings, as_of=published.as_of, run_id="again")
    assert set(verdicts) <= {"unchanged", "held"}
    assert published.mart_hash() == before
    with published.connect() as connection:
        assert connection.execute("select count(*), sum(rows_landed) from loads.batches").fetchone() == landed


@pytest.mark.parametrize(
    ("table", "plant", "heal", "reason"),
    [
        (
            "raw_prometheus.samples",
            "update raw_prometheus.samples set value = 2 where (monitor, sampled_at) ="
            " (select monitor, sampled_at from raw_prometheus.samples where value = 1"
            " and _source_name = 'helios_prometheus' order by 1, 2 limit 1)",
            "update raw_prometheus.samples set value = 1 where value = 2",
            "1 records of helios_prometheus in raw_prometheus.samples fail",
        ),
        (
            "raw_einvoice.invoices",
            "update raw_einvoice.invoices set tax_basis_total = tax_basis_total || '1'"
            " where ctid = (select min(ctid) from raw_einvoice.invoices"
            " where _source_name = 'helios_invoices')",
            "update raw_einvoice.invoices set tax_basis_total = left(tax_basis_total, -1)"
            " where ctid = (select ctid from raw_einvoice.invoices"
            " where cast(tax_basis_total as numeric) <> cast(lines_total as numeric)"
            " - coalesce(cast(nullif(allowances_total, '') as numeric), 0)"
            " + coalesce(cast(nullif(charges_total, '') as numeric), 0) limit 1)",
            "1 records of helios_invoices in raw_einvoice.invoices fail: totals follow EN 16931",
        ),
    ],
    ids=["a probe that is neither up nor down", "an invoice whose totals do not add up"],
)
def test_a_planted_fault_holds_the_vendor_whose_record_it_is_and_the_mart_stays(
    published: PublishedWarehouse, table: str, plant: str, heal: str, reason: str
) -> None:
    before = published.mart_hash()
    run_id = f"fault in {table}"
    with published.connect("avoir_loader") as connection:
        assert connection.execute(plant).rowcount == 1
    try:
        rebuild(published.settings, as_of=published.as_of, run_id=run_id)
    finally:
        with published.connect("avoir_loader") as connection:
            assert connection.execute(heal).rowcount == 1
    assert published.mart_hash() == before
    with published.connect() as connection:
        verdicts = connection.execute(
            "select distinct vendor_id, verdict from mart.publication_log"
            " where run_id = %s and month_date >= '2026-04-01' order by 1",
            (run_id,),
        ).fetchall()
        reasons = connection.execute(
            "select reason from mart.publication_log"
            " where run_id = %s and vendor_id = 'helios' and month_date >= '2026-04-01'",
            (run_id,),
        ).fetchall()
        sample = connection.execute(
            "select sample from checks.verdicts where run_id = %s and not success and table_name = %s",
            (run_id, table),
        ).fetchall()
    assert verdicts == [("borealis", "unchanged"), ("helios", "held")]
    assert len(reasons) == MONTHS
    assert all(reason in one for (one,) in reasons), reasons
    assert all(rows for (rows,) in sample), "a failed check keeps a sample of the rows that failed it"
    assert sample


def test_a_row_of_nobody_and_a_column_that_is_gone_block_everybody(published: PublishedWarehouse) -> None:
    before = published.mart_hash()
    faults = {
        "a row of nobody": (
            "insert into raw_prometheus.samples (_source_name, _batch_id, _source_row, monitor,"
            " sampled_at, value) values ('nobody', 1, 1, 'm', '2026-06-10T00:00:00Z', 7)",
            "delete from raw_prometheus.samples where _source_name = 'nobody'",
        ),
        "a column is gone": (
            "alter table raw_upptime.checks rename column status to state",
            "alter table raw_upptime.checks rename column state to status",
        ),
    }
    for run_id, (plant, heal) in faults.items():
        with published.connect("avoir_loader") as connection:
            connection.execute(plant)
        try:
            with pytest.raises(PublicationBlockedError, match=r"raw_(prometheus|upptime)"):
                rebuild(published.settings, as_of=published.as_of, run_id=run_id)
        finally:
            with published.connect("avoir_loader") as connection:
                connection.execute(heal)
        with published.connect() as connection:
            verdicts = connection.execute(
                "select distinct verdict from mart.publication_log where run_id = %s", (run_id,)
            ).fetchall()
        assert verdicts == [("blocked",)]
        assert published.mart_hash() == before


def test_a_source_that_stopped_landing_holds_its_vendor_only(published: PublishedWarehouse) -> None:
    with published.connect("avoir_loader") as connection:
        kept = connection.execute(
            "update loads.watermarks w set watermark = '2026-06-10T00:00:00Z' from loads.watermarks old"
            " where w.source_name = 'helios_prometheus' and old.source_name = w.source_name"
            " returning old.watermark"
        ).fetchone()
    assert kept is not None
    try:
        rebuild(published.settings, as_of=published.as_of, run_id="stale")
        with published.connect() as connection:
            held = connection.execute(
                "select vendor_id, to_char(month_date, 'YYYY-MM'), reason from mart.publication_log"
                " where run_id = 'stale' and verdict = 'held'"
                " and month_date >= '2026-04-01' order by 1, 2"
            ).fetchall()
            shown = connection.execute(
                "select count(*) from mart.mart_vendor_month where month_date = '2026-06-01'"
            ).fetchone()
        assert held == [("helios", "2026-06", "helios_prometheus has landed only up to 2026-06-10 00:00Z")]
        assert shown == (len(VENDORS),), "a held month keeps its last good version"
        assert (
            close_month(published.settings, as_of=published.as_of, month="2026-06", by_hand=True)["closed"]
            == 1
        )
    finally:
        with published.connect("avoir_loader") as connection:
            connection.execute(
                "update loads.watermarks set watermark = %s where source_name = 'helios_prometheus'", kept
            )


def test_a_person_lets_a_held_month_through_and_says_why(published: PublishedWarehouse) -> None:
    key = ("helios", date(2026, 5, 1), "EUR")
    shown = (
        "select credit_amount from mart.mart_vendor_month"
        " where vendor_id = %s and month_date = %s and currency = %s"
    )
    with published.connect("avoir_loader") as connection:
        kept = connection.execute(
            "update loads.watermarks w set watermark = '2026-05-10T00:00:00Z' from loads.watermarks old"
            " where w.source_name = 'helios_prometheus' and old.source_name = w.source_name"
            " returning old.watermark"
        ).fetchone()
    with published.connect("avoir_transformer") as connection:
        before = connection.execute(shown, key).fetchone()
        for table in ("mart_vendor_month", "fct_penalty_lines"):
            connection.execute(
                f"delete from mart.{table} where vendor_id = 'helios' and month_date = '2026-05-01'"
            )
    release = functools.partial(
        release_held, published.settings, key, released_by="a.martin", as_of=published.as_of
    )
    try:
        rebuild(published.settings, as_of=published.as_of, run_id="held")
        with published.connect() as connection:
            assert connection.execute(shown, key).fetchone() is None
        with pytest.raises(ValueError, match="say why"):
            release(because=" ")
        held = ["helios_prometheus has landed only up to 2026-05-10 00:00Z"]
        assert release(because="the probe was moved") == held
        with published.connect() as connection:
            assert connection.execute(shown, key).fetchone() == before
            verdict = connection.execute(
                "select verdict, reason from mart.publication_log where vendor_id = 'helios'"
                " and month_date = '2026-05-01' order by publication_no desc limit 1"
            ).fetchone()
            kept_row = connection.execute(
                "select held_for, because, released_by from checks.releases"
            ).fetchall()
        assert verdict is not None
        assert verdict[0] == "published"
        # What the vendor reports of its platform otherwise stands behind it, as a note.
        assert verdict[1].split("; note: ")[0] == f"released by a person, though {held[0]}"
        assert kept_row == [(held[0], "the probe was moved", "a.martin")]
        with pytest.raises(ValueError, match="not held"):
            release(because="again")
        # The same version stays released; another one would be held again.
        rebuild(published.settings, as_of=published.as_of, run_id="still late")
        with published.connect("avoir_transformer") as connection:
            assert connection.execute(
                "select verdict from mart.publication_log where run_id = 'still late'"
                " and vendor_id = 'helios'"
                " and month_date = '2026-05-01'"
            ).fetchone() == ("unchanged",)
        with published.connect("admin") as connection:
            connection.execute("update checks.releases set version_id = 'of another candidate'")
        rebuild(published.settings, as_of=published.as_of, run_id="another version")
        with published.connect() as connection:
            assert connection.execute(
                "select verdict from mart.publication_log where run_id = 'another version'"
                " and vendor_id = 'helios' and month_date = '2026-05-01'"
            ).fetchone() == ("held",)
    finally:
        with published.connect("avoir_loader") as connection:
            connection.execute(
                "update loads.watermarks set watermark = %s where source_name = 'helios_prometheus'", kept
            )


def test_closing_posts_each_line_once_and_the_database_refuses_to_change_it(
    published: PublishedWarehouse,
) -> None:
    rebuild(published.settings, as_of=published.as_of, run_id="before the close")
    close_month(published.settings, as_of=published.as_of, month="2026-06", by_hand=True)
    again = close_month(published.settings, as_of=published.as_of, month="2026-06", by_hand=True)
    assert {name for name, count in again.items() if count} == set()
    with published.connect() as connection:
        posted = connection.execute(
            "select vendor_id, sum(amount) from ledger.entries"
            " where month_date = '2026-06-01' group by 1 order by 1"
        ).fetchall()
        shown = connection.execute(
            "select vendor_id, credit_amount from mart.mart_vendor_month"
            " where month_date = '2026-06-01' and credit_amount > 0 order by 1"
        ).fetchall()
        numbers = [n for (n,) in connection.execute("select entry_no from ledger.entries order by 1")]
        assert verify_chain(connection) == []
    assert posted == shown
    assert posted, "a month without a credit would prove nothing"
    assert numbers == list(range(1, len(numbers) + 1))
    for role in ("admin", "avoir_transformer"):
        for statement in (
            "update ledger.entries set amount = 0",
            "delete from ledger.entries",
            "truncate ledger.entries cascade",
        ):
            with published.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_closed_month_does_not_change(published: PublishedWarehouse) -> None:
    rebuild(published.settings, as_of=published.as_of, run_id="before the late change")
    close_month(published.settings, as_of=published.as_of, month="2026-06", by_hand=True)
    before = published.mart_hash()
    with published.connect("avoir_loader") as connection:
        # Two days of samples land again, corrected: raw rows are added, never changed.
        (batch_id,) = connection.execute(
            """
            insert into loads.batches (
                source_name, system, window_from, window_to,
                rows_read, rows_landed, rows_duplicate, rows_rejected, started_at
            )
            values (
                'helios_prometheus', 'prometheus', '2026-06-20T00:00:00Z', '2026-06-22T00:00:00Z', 0, 0, 0, 0,
                '2026-07-01T00:00:00Z'
            )
            returning batch_id
            """
        ).fetchone() or (None,)
        late = connection.execute(
            """
            insert into raw_prometheus.samples
                (_source_name, _batch_id, _source_row, monitor, sampled_at, value)
            select _source_name, %s, _source_row, monitor, sampled_at, 0
            from raw_prometheus.samples
            where _source_name = 'helios_prometheus'
                and sampled_at >= '2026-06-20T00:00:00Z' and sampled_at < '2026-06-22T00:00:00Z' and value = 1
            """,
            (batch_id,),
        )
        assert late.rowcount > 0
    rebuild(published.settings, as_of=published.as_of, run_id="late change")
    with published.connect() as connection:
        verdicts = connection.execute(
            "select distinct verdict, reason from mart.publication_log"
            " where run_id = 'late change' and month_date = '2026-06-01' and vendor_id = 'helios'"
        ).fetchall()
    assert verdicts == [("closed", "closed; the candidate differs: late data are posted at the next closing")]
    assert published.mart_hash() == before


def test_readers_read_and_nothing_else(published: PublishedWarehouse) -> None:
    allowed = {
        "bi_reader": "select count(*) from mart.mart_vendor_month",
        "finance_reader": "select count(*) from finance.credit_entries",
        "auditor": "select count(*) from raw_servicenow.incident",
    }
    refused = {
        "bi_reader": ["select 1 from raw_servicenow.incident", "select 1 from ledger.entries"],
        "finance_reader": ["select 1 from mart.mart_vendor_month", "select 1 from raw_servicenow.incident"],
        "auditor": ["delete from mart.mart_vendor_month", "create table mart.mine (x int)"],
        "avoir_loader": ["select 1 from mart.mart_vendor_month"],
        "avoir_transformer": ["delete from raw_servicenow.incident"],
    }
    for role, query in allowed.items():
        with published.connect(role) as connection:
            assert connection.execute(query).fetchone()
    for role, queries in refused.items():
        for query in queries:
            with published.connect(role) as connection, pytest.raises(psycopg.Error) as caught:
                connection.execute(query)
            assert caught.value.sqlstate in {"42501", "25006"}, (role, query, caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "commit; delete from mart.mart_vendor_month",
        "set transaction read write; delete from mart.mart_vendor_month",
        "delete from mart.mart_vendor_month",
        "do $$ begin delete from mart.mart_vendor_month; end $$",
    ],
)
def test_asking_by_hand_changes_nothing_whatever_the_role(
    published: PublishedWarehouse, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published.mart_hash()
    monkeypatch.setenv("AVOIR_HOME", str(published.settings.home))
    with pytest.raises(RuntimeError, match=r"multiple commands|read-only"):
        ask(query, role="avoir_transformer", as_json=True, profile="demo")
    assert published.mart_hash() == before
