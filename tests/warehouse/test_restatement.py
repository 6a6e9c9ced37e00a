"""After the close: late data are posted in the open month, once, and the closed months can be built again."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from avoir.closing import close_month, restate_closed
from avoir.ledger import Posting, post, verify_chain
from avoir.procedure import ProcedureError, State, Step, entries, load_register, record, release_applicable
from avoir.recomputing import recompute
from avoir.running import rebuild
from tests.warehouse.conftest import PublishedWarehouse
from tests.warehouse.late_data import correct_invoice, withdraw_outages

CLOSED = (date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1))
OPEN = date(2026, 7, 1)


def pull(published: PublishedWarehouse, after: int) -> list[dict[str, Any]]:
    """What finance reads next."""
    with published.connect("finance_reader") as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(
            "select * from finance.credit_entries where entry_no > %s order by entry_no", (after,)
        ).fetchall()


def recomputed(published: PublishedWarehouse) -> tuple[int, tuple[str, ...]]:
    found = recompute(
        published.here.warehouse.url("avoir_transformer"),
        published.here.environment,
        project=published.settings.checkout / "dbt_project",
    )
    return found.same, found.problems


@pytest.fixture(scope="module")
def closed(published: PublishedWarehouse) -> PublishedWarehouse:
    """Three months, closed one after the other."""
    for month in CLOSED:
        counts = close_month(published.settings, as_of=published.as_of, month=f"{month:%Y-%m}", by_hand=True)
        assert counts["closed"] == 2
        assert counts["restated"] == 0
        assert counts["applicable"] == counts["entries"] > 0
    return published


@pytest.fixture(scope="module")
def restated(closed: PublishedWarehouse) -> dict[str, Any]:
    """What the ledger and readers held before the late data came, and what was posted for them."""
    mart, seen = closed.mart_hash(), pull(closed, 0)
    with closed.connect("avoir_loader") as connection:
        correct_invoice(connection, "helios", "HEL20260401", less="1000.00")
    with closed.connect("admin") as connection:
        withdraw_outages(connection, "borealis", CLOSED[1])
    rebuild(closed.settings, as_of=closed.as_of, run_id="late data")
    counts = close_month(closed.settings, as_of=closed.as_of, month="2026-06", by_hand=True)
    return {"mart": mart, "seen": seen, "counts": counts}


def test_a_closed_month_keeps_the_rows_it_showed_and_what_they_were_built_from(
    closed: PublishedWarehouse,
) -> None:
    with closed.connect() as connection:
        frozen = connection.execute(
            "select table_name, count(*) from ledger.frozen_rows group by 1 order by 1"
        ).fetchall()
        shown = connection.execute("select count(*) from mart.fct_penalty_lines").fetchone()
        months = connection.execute(
            "select built_as_of, raw_batches @> (select max(batch_id) from loads.batches),"
            " cardinality(contract_version_ids), length(calendars_sha256), length(code_sha256)"
            " from ledger.closed_months"
        ).fetchall()
    assert shown is not None
    assert frozen == [("fct_penalty_lines", shown[0]), ("mart_vendor_month", 6)]
    assert months == [(closed.as_of, True, 2, 64, 64)] * 6


def test_late_data_are_posted_in_the_open_month_and_name_what_they_correct(
    closed: PublishedWarehouse, restated: dict[str, Any]
) -> None:
    seen = restated["seen"]
    new = pull(closed, seen[-1]["entry_no"])
    assert restated["counts"]["closed"] == 0
    # 5 % of an invoice that is 1 000 lower, for three missed answers of April; and the outage of May that
    # was none.
    by_kind = [(one["vendor_id"], one["month_date"], one["entry_kind"], one["amount"]) for one in new]
    assert by_kind == [
        ("helios", CLOSED[0], "adjustment", Decimal("-50.00")),
        ("helios", CLOSED[0], "adjustment", Decimal("-50.00")),
        ("helios", CLOSED[0], "adjustment", Decimal("-50.00")),
        ("borealis", CLOSED[1], "reversal", Decimal("-65.37")),
    ]
    assert {one["posted_month_date"] for one in new} == {OPEN}
    first = {one["ledger_entry_no"]: one for one in seen}
    for one in new:
        corrected = first[one["corrects_ledger_entry_no"]]
        assert corrected["penalty_line_id"] == one["penalty_line_id"]
        assert corrected["entry_kind"] == "credit"
    assert [one["entry_no"] for one in (*seen, *new)] == list(range(1, len(seen) + len(new) + 1))
    assert closed.mart_hash() == restated["mart"], "a closed month never changes"
    with closed.connect() as connection:
        assert verify_chain(connection) == []


def test_the_same_late_data_post_nothing_the_second_time(
    closed: PublishedWarehouse, restated: dict[str, Any]
) -> None:
    assert restated["counts"]["restated"] == 4
    last = pull(closed, 0)[-1]["entry_no"]
    rebuild(closed.settings, as_of=closed.as_of, run_id="late data again")
    assert restate_closed(closed.settings, as_of=closed.as_of) == {"restated": 0, "applicable": 0}
    assert pull(closed, last) == []
    with closed.connect() as connection:
        reasons = connection.execute(
            "select distinct vendor_id, month_date, reason from mart.publication_log"
            " where run_id = 'late data again' and reason like '%%differs%%' order by 1, 2"
        ).fetchall()
    assert [reason for *_, reason in reasons] == [
        "closed; the candidate differs: no credit differs from what was posted"
    ] * 2


def test_closed_months_are_built_again_from_the_raw_rows_they_were_closed_on(
    closed: PublishedWarehouse, restated: dict[str, Any]
) -> None:
    assert restated["counts"]["restated"] == 4
    assert recomputed(closed) == (6, ())
    # A raw row that was there when the month closed is changed behind everybody's back.
    with closed.connect("avoir_loader") as connection:
        connection.execute(
            "update raw_einvoice.invoice_lines set net_amount = (net_amount::numeric + 20)::text"
            " where invoice_number = 'B20260501' and line_no = '1'"
        )
    try:
        same, problems = recomputed(closed)
    finally:
        with closed.connect("avoir_loader") as connection:
            connection.execute(
                "update raw_einvoice.invoice_lines set net_amount = (net_amount::numeric - 20)::text"
                " where invoice_number = 'B20260501' and line_no = '1'"
            )
    assert same == 5
    assert all("borealis 2026-05 EUR" in problem for problem in problems)
    assert any("invoiced_amount" in problem for problem in problems)


# --- The procedure
# -------------------------------------------------------------------------------------------


@pytest.fixture
def under_procedure(closed: PublishedWarehouse) -> Iterator[psycopg.Connection]:
    """Fifteen days for observations, silence agreeing, and a posting of July that nobody was told of yet."""
    with closed.connect("avoir_transformer") as connection:
        connection.execute(
            "update reference.contract_charges set observation_days = 15, silence_rule = 'agreed'"
        )
        first = connection.execute(
            "select contract_id, contract_version_id, clause_id from ledger.entries"
            " where vendor_id = 'helios' limit 1"
        ).fetchone()
        assert first is not None
        contract, version, clause = first
        post(
            connection,
            [
                Posting(
                    "adjustment",
                    "helios",
                    CLOSED[2],
                    OPEN,
                    contract,
                    version,
                    clause,
                    f"line-{n}",
                    Decimal(n),
                    "EUR",
                )
                for n in (1, 2)
            ],
            as_of=closed.as_of,
        )
        yield connection
        connection.rollback()


def test_finance_sees_what_was_agreed_when_it_was(
    closed: PublishedWarehouse, under_procedure: psycopg.Connection
) -> None:
    connection, as_of = under_procedure, closed.as_of
    mine = [one.entry_no for one in entries(connection, today=OPEN)][-2:]

    def states(day: date) -> list[str]:
        return [f"{one.state}" for one in entries(connection, today=day) if one.entry_no in mine]

    def seen() -> list[int]:
        rows = connection.execute(
            "select entry_no from ledger.applications where entry_no = any(%s) order by application_no",
            (mine,),
        )
        return [number for (number,) in rows]

    def take(state: State, on: date, *, entry_no: int | None = None, today: date = date(2026, 9, 1)) -> bool:
        step = Step("helios", "HEL-2024-01", OPEN, state, on, "A. Martin", "LTR-1", entry_no)
        return record(connection, step, as_of=as_of, today=today)

    assert states(date(2026, 8, 1)) == ["computed"] * 2
    assert release_applicable(connection, today=date(2026, 8, 1), as_of=as_of) == 0
    with pytest.raises(ProcedureError, match="agreed does not follow computed"):
        take(State.AGREED, date(2026, 8, 2))
    with pytest.raises(ProcedureError, match="has not come"):
        take(State.NOTIFIED, date(2026, 8, 2), today=date(2026, 8, 1))
    assert take(State.NOTIFIED, date(2026, 8, 2))
    assert not take(State.NOTIFIED, date(2026, 8, 2)), "loaded again it is known"
    assert take(State.CONTESTED, date(2026, 8, 10), entry_no=mine[0])
    assert states(date(2026, 8, 17)) == ["contested", "notified"]
    assert release_applicable(connection, today=date(2026, 8, 17), as_of=as_of) == 0
    assert states(date(2026, 8, 18)) == ["contested", "agreed"]
    assert release_applicable(connection, today=date(2026, 8, 18), as_of=as_of) == 1
    assert seen() == mine[1:]
    assert take(State.AGREED, date(2026, 8, 25), entry_no=mine[0])
    assert release_applicable(connection, today=date(2026, 8, 25), as_of=as_of) == 1
    # In the order in which they became bookable: who read the second has not missed the first.
    assert seen() == [mine[1], mine[0]]
    assert release_applicable(connection, today=date(2026, 9, 25), as_of=as_of) == 0


def test_a_register_is_read_line_by_line_and_names_what_it_refuses(
    closed: PublishedWarehouse, under_procedure: psycopg.Connection, tmp_path: Path
) -> None:
    header = "vendor_id,contract_id,month,entry_no,state,decided_on,decided_by,document,reason"
    path = tmp_path / "procedure.csv"
    path.write_text(
        f"{header}\n"
        "helios,HEL-2024-01,2026-07,,agreed,2026-08-20,B. Roy,MAIL-9,\n"
        'helios,HEL-2024-01,2026-07,,notified,2026-08-02,A. Martin,LTR-1,"on time, by mail"\n'
        "helios,HEL-2024-01,2026-07,,settled,2026-08-02,A. Martin,LTR-1,\n"
        "helios,HEL-2024-01,2026-07,,notified,2026-08-02,,LTR-1,\n"
        "nobody,X,2026-07,,notified,2026-08-02,A. Martin,LTR-1,\n"
    )
    load = functools.partial(load_register, under_procedure, path, as_of=closed.as_of, today=date(2026, 9, 1))
    refused = load()
    assert [line.split(": ")[0] for line in refused] == [f"{path}:{n}" for n in (4, 5, 6, 2)]
    assert "state one of notified" in refused[0]
    assert "decided_by is empty" in refused[1]
    assert "nothing was posted for it" in refused[2]
    assert "agreed does not follow agreed" in refused[3], "silence had agreed before"
    assert load() == refused
    path.write_text("vendor,month\n")
    with pytest.raises(ProcedureError, match=r"procedure.csv:1: the header must be"):
        load()
