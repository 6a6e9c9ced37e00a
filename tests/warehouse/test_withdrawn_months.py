"""A closed month that its contract no longer makes: an amendment takes it back, a lost file does not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from avoir.closing import close_month, restate_closed
from avoir.running import load_contract_files, rebuild
from tests.warehouse.conftest import PublishedWarehouse

MONTHS = ("2026-04", "2026-05", "2026-06")
JUNE = date(2026, 6, 1)


@pytest.fixture(scope="module")
def closed(published: PublishedWarehouse) -> PublishedWarehouse:
    for month in MONTHS:
        close_month(published.settings, as_of=published.as_of, month=month, by_hand=True)
    return published


def entries(published: PublishedWarehouse, vendor: str) -> list[dict[str, Any]]:
    with published.connect() as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(
            "select * from ledger.entries where vendor_id = %s order by entry_no", (vendor,)
        ).fetchall()


def reasons(published: PublishedWarehouse, run_id: str, vendor: str) -> dict[str, tuple[str, str]]:
    with published.connect() as connection:
        rows = connection.execute(
            "select to_char(month_date, 'YYYY-MM'), verdict, reason from mart.publication_log"
            " where run_id = %s and vendor_id = %s",
            (run_id, vendor),
        ).fetchall()
    return {month: (verdict, reason) for month, verdict, reason in rows}


def night_with(published: PublishedWarehouse, run_id: str) -> int:
    """The contracts as they are now, a build, and what is restated by it."""
    load_contract_files(published.settings, as_of=published.as_of)
    rebuild(published.settings, as_of=published.as_of, run_id=run_id)
    return restate_closed(published.settings, as_of=published.as_of)["restated"]


def contract_of(published: PublishedWarehouse, vendor: str) -> Path:
    (path,) = (published.settings.contracts_dir / vendor).glob("*.yml")
    return path


def test_an_amendment_that_ends_a_contract_earlier_takes_the_month_back_whole_and_once(
    closed: PublishedWarehouse,
) -> None:
    before = entries(closed, "helios")
    of_june = {one["penalty_line_id"]: one for one in before if one["month_date"] == JUNE}
    assert of_june
    path = contract_of(closed, "helios")
    text = path.read_text()
    path.write_text(text.replace("effective_to: null", "effective_to: 2026-06-01", 1))
    mart = closed.mart_hash()
    assert night_with(closed, "ended earlier") == len(of_june)
    told = reasons(closed, "ended earlier", "helios")["2026-06"]
    assert told[0] == "closed"
    assert "is taken back at the next closing" in told[1]
    posted = entries(closed, "helios")[len(before) :]
    assert {one["entry_kind"] for one in posted} == {"reversal"}
    assert {one["penalty_line_id"]: (one["amount"], one["corrects_entry_no"]) for one in posted} == {
        line: (-one["amount"], one["entry_no"]) for line, one in of_june.items()
    }
    assert sum((one["amount"] for one in posted), Decimal(0)) < 0
    assert restate_closed(closed.settings, as_of=closed.as_of)["restated"] == 0
    with closed.connect() as connection:
        shown = connection.execute(
            "select count(*) from mart.mart_vendor_month where vendor_id = 'helios'"
        ).fetchone()
    assert shown == (3,), "a closed month goes on showing what it showed"
    # The amendment was a mistake: the same is owed again, once.
    path.write_text(text)
    assert night_with(closed, "in force again") == len(of_june)
    assert sum(one["amount"] for one in entries(closed, "helios")) == sum(one["amount"] for one in before)
    assert closed.mart_hash() == mart


def test_a_contract_whose_file_is_lost_takes_nothing_back(closed: PublishedWarehouse) -> None:
    before = entries(closed, "borealis")
    assert before
    path = contract_of(closed, "borealis")
    text = path.read_text()
    path.unlink()
    try:
        assert night_with(closed, "file lost") == 0
        for verdict, reason in reasons(closed, "file lost", "borealis").values():
            assert verdict == "closed"
            assert "its contract is gone" in reason
        assert len(reasons(closed, "file lost", "borealis")) == 3
        assert entries(closed, "borealis") == before
    finally:
        path.write_text(text)
