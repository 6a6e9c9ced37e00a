"""The demo on the real scheduler and a real Postgres, started as a person starts it."""

from __future__ import annotations

import html
import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psutil
import pytest

from avoir.credit_notes.commands import OWED_BACK
from avoir.evidence.explaining import explain
from avoir.settings import CHECKOUT
from tests.system.homes import Home
from tests.system.truth_comparison import differences
from tests.warehouse.late_data import correct_invoice, withdraw_outages

pytestmark = pytest.mark.system

FIRST_RUN_LIMIT_SECONDS = 300
LATE = {"hudson", "borealis"}


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


def test_every_dag_told_its_lineage_and_the_site_has_the_run(home: Home) -> None:
    told = home.sql(
        "select split_part(job_name, '.', 1) as dag, count(*) as n from audit.lineage_events"
        " where event_type = 'COMPLETE' and cardinality(outputs) > 0 and job_namespace = 'avoir'"
        " and job_name not like 'avoir.%' group by 1"
    )
    dags = {str(row["dag"]) for row in told}
    assert {"build_mart", "close_month"} < dags
    assert len([dag for dag in dags if dag.startswith("load_")]) == 18
    # Every model as a run within the build's task, within the DAG run that Airflow told of.
    models = home.sql(
        "select count(distinct m.job_name) as n from audit.lineage_events m"
        " join audit.lineage_events t on t.run_id = m.parent_run_id and t.event_type = 'COMPLETE'"
        " join audit.lineage_events d on d.run_id = m.root_run_id and d.job_name = 'build_mart'"
        " where m.job_name like 'avoir.%.build.run' and cardinality(m.outputs) = 1"
    )
    count = len(list((CHECKOUT / "dbt_project" / "models").rglob("*.sql")))
    assert models == [{"n": count}]
    closed = home.sql(
        "select event_type from audit.lineage_events where job_name = 'close_month' order by event_time"
    )
    assert [row["event_type"] for row in closed] == ["START", "COMPLETE"]
    run = home.sql("select run_id from checks.builds order by build_no desc limit 1")[0]["run_id"]
    site = home.path / "demo" / "site"
    assert str(run) in html.unescape((site / "index.html").read_text())
    (facts,) = site.glob("runs/*/run.json")
    assert json.loads(facts.read_text())["run_id"] == run
    folder = facts.parent
    assert "mart.mart_vendor_month.credit_amount" in (folder / "columns.html").read_text()
    assert (folder / "dbt.html").stat().st_size > 1_000_000
    origins = json.loads(home.call("lineage", "mart.mart_vendor_month.credit_amount", "--format", "json"))
    assert "raw_servicenow.incident.opened_at" in {f"{one['relation']}.{one['column']}" for one in origins}
    passwords = json.loads((home.path / "demo" / "credentials.json").read_text()).values()
    with home.warehouse() as connection:
        kept = [text for (text,) in connection.execute("select payload::text from audit.lineage_events")]
    assert not [text for text in kept if any(password in text for password in passwords)]


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
            ("loaded 3", False),
            ("built 1", False),
            ("built 20", True),
            ("closing", False),
        ):
            process = other.start("run")
            assert process.stderr is not None
            seen = ""
            build_dies = point == "closing"
            for line in process.stderr:
                seen += line
                if build_dies and _has_reached(line, "built 12"):
                    # The scheduler notices within a minute and builds again; the run goes on to its end.
                    _kill_build(other)
                    build_dies = False
                if _has_reached(line, point):
                    break
            else:
                pytest.fail(f"the run ended before {point!r}:\n{seen}")
            assert not build_dies, seen
            if alone:
                # Only the command, as a closed terminal does; what it started is still there, or going.
                process.kill()
            else:
                assert other.kill_services() > 3
                # A task that outlived its scheduler would go on building, unseen, beside the next run.
                assert other.is_quiet()
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


def _has_reached(line: str, point: str) -> bool:
    """Whether a line of progress says a point or what is past it: not every count is told."""
    doing, _, count = point.partition(" ")
    if not count.isdigit():
        return point in line
    told = re.search(rf"{doing} (\d+) of", line)
    return told is not None and int(told.group(1)) >= int(count)


def test_late_data_of_closed_months_reach_finance_its_documents_and_their_evidence(home: Home) -> None:
    """Three months close; an invoice of the first is corrected and an outage of the second withdrawn."""
    for month in ("2026-04", "2026-05"):
        assert "6 months closed" in home.call("close", month)
    seen = _entries(home, after=0)
    _issue_and_validate(home, "hudson", "2026-04")
    _issue_and_validate(home, "borealis", "2026-05")
    before = _closed_rows(home)
    with home.warehouse("admin") as connection:
        correct_invoice(connection, "hudson", "HAS20260401", less="1000.00")
        withdraw_outages(connection, "borealis", date(2026, 5, 1))
    home.variables["AVOIR_AS_OF"] = "2026-07-08T04:30:00+00:00"
    try:
        home.call("run")
        new = _entries(home, after=int(seen[-1]["entry_no"]))
        # 5 % of an invoice that is 1 000 lower, for one missed answer; and the outage was none.
        assert sorted((one["entry_kind"], one["amount"]) for one in new) == [
            ("adjustment", "-50.00"),
            ("reversal", "-65.37"),
        ]
        corrected = {one["ledger_entry_no"]: one["penalty_line_id"] for one in seen}
        for one in new:
            assert corrected[one["corrects_ledger_entry_no"]] == one["penalty_line_id"]
            assert one["posted_month_date"] == "2026-07-01"
        assert _closed_rows(home) == before
        # The same again: nothing is posted, finance has nothing to pull.
        home.call("restate")
        assert _entries(home, after=int(new[-1]["entry_no"])) == []
        verified = home.call("ledger", "verify", "--recompute")
        assert "the chain holds; 18 closed months recomputed, all the same" in verified
        _walk_back(home, [*seen, *new])
        # What is taken back of an issued note waits for a note that outweighs it.
        for vendor in ("hudson", "borealis"):
            owed = home.start("credit-note", "issue", vendor, "2026-07", "--issued-on", "2026-07-08")
            owed.communicate(timeout=300)
            assert owed.returncode == OWED_BACK
    finally:
        del home.variables["AVOIR_AS_OF"]


def _closed_rows(home: Home) -> list[list[dict[str, object]]]:
    """What the closed months show, hashed by table."""
    rows = (
        "select md5(string_agg(t::text, '|' order by t::text)) as rows from mart.{} t"
        " where month_date between '2026-04-01' and '2026-06-01'"
    )
    return [home.sql(rows.format(name)) for name in ("mart_vendor_month", "fct_penalty_lines")]


def _issue_and_validate(home: Home, vendor: str, month: str) -> None:
    """The credit note of what was posted in a month, in every syntax, by schema and rules."""
    asked = ("credit-note", "issue", vendor, month, "--issued-on", "2026-07-08", "--json")
    issued = json.loads(home.call(*asked))
    posted = home.sql(
        "select cast(sum(amount) as text) as amount, count(*) as n from finance.credit_entries"
        f" where vendor_id = '{vendor}' and posted_month_date = '{month}-01'",
        "finance_reader",
    )
    assert sum(Decimal(note["net_amount"]) for note in issued) == Decimal(str(posted[0]["amount"]))
    assert sum(len(note["entry_nos"]) for note in issued) == posted[0]["n"]
    out = home.path / "outbox"
    for note in issued:
        files = home.call("credit-note", "write", note["number"], "--out", str(out)).split()
        assert len(files) == 3
        for file in files:
            assert "valid" in home.call("credit-note", "validate", file)


def _walk_back(home: Home, posted: list[dict[str, Any]]) -> None:
    """Every cent that finance pulled leads to its clause, its steps and the raw rows behind it."""
    assert json.loads(home.call("explain", str(posted[-1]["ledger_entry_no"]), "--format", "json"))["raw"]
    with home.warehouse() as connection:
        for one in posted:
            told = explain(connection, str(one["ledger_entry_no"]))
            (entry,) = [e for e in told["ledger"] if e["entry_no"] == one["ledger_entry_no"]]
            assert entry["amount"] == one["amount"]
            assert told["clause"]["clause_text"]
            if one["entry_kind"] == "credit":
                assert told["steps"][-1]["amount"] == one["amount"]
            assert told["raw"]
            for raw in told["raw"]:
                assert raw["payload"]
                # What came late was landed by this test and not by a run.
                assert raw["batch"]["dag_run_id"] or one["vendor_id"] in LATE
            for counted in told["raw_counts"]:
                assert counted["total"] > 0


def _entries(home: Home, *, after: int) -> list[dict[str, Any]]:
    """What finance pulls next, amounts as text."""
    return home.sql(
        "select entry_no, vendor_id, entry_kind, cast(amount as text) as amount, penalty_line_id,"
        " ledger_entry_no, corrects_ledger_entry_no, cast(posted_month_date as text) as posted_month_date"
        f" from finance.credit_entries where entry_no > {after} order by entry_no",
        "finance_reader",
    )


def test_a_border_that_does_not_hold_blocks_the_night_and_the_mart_stays(home: Home) -> None:
    before = home.call("mart", "hash")
    with home.warehouse("avoir_loader") as connection:
        # A value that is neither up nor down, of a source that nobody knows: there is no one to hold for it.
        planted = connection.execute(
            "update raw_prometheus.samples set value = 2, _source_name = 'nobody'"
            " where (monitor, sampled_at) ="
            " (select monitor, sampled_at from raw_prometheus.samples where value = 1 order by 1, 2 limit 1)"
        )
        assert planted.rowcount == 1
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
        assert "raw_prometheus.samples" in str(latest[0]["reason"])
        status = json.loads(home.call("status", "--json"))
        failure = status["failures"][-1]
        assert (failure["dag_id"], failure["task_id"]) == ("build_mart", "publish")
        assert "raw_prometheus.samples" in failure["reason"]
    finally:
        del home.variables["AVOIR_AS_OF"]
