"""The demo on the real scheduler and a real Postgres, started as a person starts it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import psutil
import pytest

from tests.system.homes import Home
from tests.system.truth_comparison import differences
from tests.warehouse.late_data import correct_invoice, withdraw_outages

pytestmark = pytest.mark.system

FIRST_RUN_LIMIT_SECONDS = 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home after one whole run."""
    one = Home(tmp_path_factory.mktemp("night"))
    try:
        output = one.call("run")
        (one.path / "first-run.txt").write_text(output)
        yield one
    finally:
        one.destroy()


def test_a_run_prints_the_mart_in_time_and_stops_what_it_started(home: Home) -> None:
    output = (home.path / "first-run.txt").read_text()
    assert output.count(" closed") == 6
    assert output.count(" published") == 6 * 17
    for promise in ("Airflow   http://127.0.0.1:", "BI        postgresql://bi_reader@", "Report    "):
        assert promise in output
    assert home.is_quiet()
    assert home.seconds[0] < FIRST_RUN_LIMIT_SECONDS


def test_the_published_mart_equals_the_truth_to_the_second_and_the_cent(home: Home) -> None:
    with home.warehouse() as connection:
        assert differences(connection, home.path / "demo" / "world" / "truth.json") == []


def test_every_dag_ran_on_the_scheduler_and_says_so(home: Home) -> None:
    status = json.loads(home.call("status", "--json"))
    assert status["profile"] == "demo"
    assert status["services"] == "down"
    assert status["failures"] == []
    assert len(status["watermarks"]) == 18
    assert {w["watermark"] for w in status["watermarks"]} == {"2026-07-08T04:00:00+00:00"}
    assert len([m for m in status["months"] if m["is_published"]]) == 108
    assert len([m for m in status["months"] if m["is_closed"]]) == 6
    batches = home.sql("select count(distinct dag_run_id) as runs, count(*) as batches from loads.batches")
    assert batches == [{"runs": 1, "batches": 18}]
    verdicts = home.sql(
        "select border, count(*) as n, bool_and(success) as ok from checks.verdicts group by 1 order by 1"
    )
    assert [(v["border"], v["ok"]) for v in verdicts] == [("mart", True), ("raw", True)]


def test_finance_sees_the_closed_month_and_the_chain_holds(home: Home) -> None:
    entries = home.sql(
        "select sum(amount) as amount, count(*) as n from finance.credit_entries", "finance_reader"
    )
    months = home.sql(
        "select sum(credit_amount) as amount from mart.mart_vendor_month where month_date = '2026-06-01'",
        "bi_reader",
    )
    assert entries[0]["n"]
    assert entries[0]["amount"] == months[0]["amount"]
    assert "the chain holds" in home.call("ledger", "verify")


def test_a_second_run_lands_nothing_changes_nothing_and_takes_less_than_half(home: Home) -> None:
    before = home.call("mart", "hash")
    home.call("run")
    second = home.seconds[-1]
    assert home.call("mart", "hash") == before
    assert home.sql("select count(*) as n from loads.batches") == [{"n": 18}]
    assert home.sql("select count(*) as n from ledger.closed_months") == [{"n": 6}]
    assert second < home.seconds[0] / 2


def test_postgres_comes_back_by_itself_and_down_stops_everything(home: Home) -> None:
    home.call("up")
    try:
        (postmaster,) = [p for p in home.processes() if p.name() == "postgres" and "-D" in p.cmdline()]
        postmaster.send_signal(signal.SIGKILL)
        postmaster.wait(20)
        deadline = time.monotonic() + 60
        while True:
            answer = home.start("sql", "select 1 as one", "--json")
            output, _ = answer.communicate(timeout=60)
            if answer.returncode == 0:
                break
            assert time.monotonic() < deadline, "Postgres did not come back"
            time.sleep(0.5)
        assert json.loads(output) == [{"one": 1}]
    finally:
        home.call("down")
    assert home.is_quiet()


def test_killed_at_any_point_and_started_again_the_mart_is_the_same(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = home.call("mart", "hash")
    other = Home(tmp_path_factory.mktemp("killed"))
    try:
        for point, alone in (
            ("starting Airflow", True),
            ("loaded 3 of", False),
            ("built 1 of", False),
            ("built 20 of", True),
            ("closing", False),
        ):
            process = other.start("run")
            assert process.stderr is not None
            seen = ""
            build_dies = point == "closing"
            for line in process.stderr:
                seen += line
                if build_dies and "built" in line and _steps(line) >= 12:
                    # The scheduler notices within a minute and builds again; the run goes on to its end.
                    _kill_build(other)
                    build_dies = False
                if point in line or ("built" in point and "built" in line and _steps(line) >= _steps(point)):
                    break
            else:
                pytest.fail(f"the run ended before {point!r}:\n{seen}")
            assert not build_dies, seen
            if alone:
                # Only the command, as a closed terminal does; what it started is still there, or going.
                process.kill()
            else:
                assert other.kill_everything() > 3
            process.wait(20)
        other.call("run")
        assert other.call("mart", "hash") == expected
        assert other.sql("select count(*) as n from ledger.closed_months") == [{"n": 6}]
        assert "the chain holds" in other.call("ledger", "verify")
    finally:
        other.destroy()


def _kill_build(home: Home) -> None:
    """Kill what runs the dbt build, and nothing else, as the kernel does for want of memory."""
    victims: set[int] = set()
    with home.warehouse("admin") as connection:
        deadline = time.monotonic() + 20
        while not victims and time.monotonic() < deadline:
            # Postgres knows which connections are the models', and the kernel whose they are. Between two
            # models there may be none for a moment.
            ports = {
                port
                for (port,) in connection.execute(
                    "select client_port from pg_stat_activity where usename = 'avoir_transformer'"
                )
            }
            victims = {
                one.pid
                for one in psutil.net_connections("tcp")
                if one.pid and one.laddr.port in ports and one.status == psutil.CONN_ESTABLISHED
            }
            connection.rollback()
    assert victims, "no model was being built"
    for victim in victims:
        psutil.Process(victim).kill()


def _steps(text: str) -> int:
    return int(text.split("built ")[1].split()[0])


def test_late_data_of_a_closed_month_are_posted_once_and_finance_pulls_exactly_those(home: Home) -> None:
    closed = (
        "select md5(string_agg(t::text, '|' order by t::text)) as rows from mart.{} t"
        " where month_date = '2026-06-01'"
    )
    closed_tables = [closed.format(name) for name in ("mart_vendor_month", "fct_penalty_lines")]
    before, seen = [home.sql(one) for one in closed_tables], _entries(home, after=0)
    with home.warehouse("admin") as connection:
        correct_invoice(connection, "helios", "HEL20260601", less="1000.00")
        withdraw_outages(connection, "helios", date(2026, 6, 1))
    home.variables["AVOIR_AS_OF"] = "2026-07-08T04:30:00+00:00"
    try:
        home.call("run")
        new = _entries(home, after=int(seen[-1]["entry_no"]))
        # The outage of June was none; 5 % of an invoice that is 1 000 lower, for two missed answers.
        assert sorted((one["entry_kind"], one["amount"]) for one in new) == [
            ("adjustment", "-50.00"),
            ("adjustment", "-50.00"),
            ("reversal", "-55.04"),
        ]
        corrected = {one["ledger_entry_no"]: one["penalty_line_id"] for one in seen}
        for one in new:
            assert corrected[one["corrects_ledger_entry_no"]] == one["penalty_line_id"]
            assert one["posted_month_date"] == "2026-07-01"
        assert [home.sql(one) for one in closed_tables] == before
        # The same again: nothing is posted, finance has nothing to pull.
        home.call("restate")
        assert _entries(home, after=int(new[-1]["entry_no"])) == []
        verified = home.call("ledger", "verify", "--recompute")
        assert "the chain holds; 6 closed months recomputed, all the same" in verified
    finally:
        del home.variables["AVOIR_AS_OF"]


def _entries(home: Home, *, after: int) -> list[dict[str, Any]]:
    """What finance pulls next, amounts as text."""
    return home.sql(
        "select entry_no, entry_kind, cast(amount as text) as amount, penalty_line_id, ledger_entry_no,"
        " corrects_ledger_entry_no, cast(posted_month_date as text) as posted_month_date"
        f" from finance.credit_entries where entry_no > {after} order by entry_no",
        "finance_reader",
    )


def test_a_border_that_does_not_hold_blocks_the_night_and_the_mart_stays(home: Home) -> None:
    before = home.call("mart", "hash")
    with home.warehouse("avoir_loader") as connection:
        connection.execute("alter table raw_upptime.checks rename column status to state")
    home.variables["AVOIR_AS_OF"] = "2026-07-08T05:00:00+00:00"
    try:
        process = home.start("run")
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 1
        assert "build_mart failed at publish" in errors
        assert home.is_quiet()
        assert home.call("mart", "hash") == before
        latest = home.sql(
            "select verdict, reason, count(*) as months from mart.publication_log where run_id ="
            " (select run_id from mart.publication_log order by publication_no desc limit 1) group by 1, 2"
        )
        assert [(row["verdict"], row["months"]) for row in latest] == [("blocked", 108)]
        assert "raw_upptime.checks" in str(latest[0]["reason"])
        status = json.loads(home.call("status", "--json"))
        failure = status["failures"][-1]
        assert (failure["dag_id"], failure["task_id"]) == ("build_mart", "publish")
        assert "raw_upptime.checks" in failure["reason"]
    finally:
        del home.variables["AVOIR_AS_OF"]
