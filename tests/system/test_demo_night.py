"""The demo on the real scheduler and a real Postgres, started as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from avoir.services import database, surroundings_of
from avoir.settings import CHECKOUT, Settings
from tests.system.truth_comparison import differences

pytestmark = pytest.mark.system

FIRST_RUN_LIMIT_SECONDS = 300


@dataclass
class Home:
    """One AVOIR_HOME, and the command line over it."""

    path: Path
    profile: str = "demo"
    seconds: list[float] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment with nothing of ours but the home."""
        mine = {
            name: value for name, value in os.environ.items() if not name.startswith(("AVOIR_", "AIRFLOW"))
        }
        return mine | {"AVOIR_HOME": str(self.path), "AVOIR_PROFILE": self.profile}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "avoir", *arguments],
            env=self.environment,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str) -> str:
        """Run a command to its end, which must be a good one; returns what it printed."""
        began = time.monotonic()
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=900)
        self.seconds.append(time.monotonic() - began)
        assert process.returncode == 0, f"avoir {' '.join(arguments)}:\n{errors[-6000:]}\n{output[-2000:]}"
        return output

    def sql(self, query: str, role: str = "auditor") -> list[dict[str, object]]:
        """Rows of a query through the command line."""
        rows: list[dict[str, object]] = json.loads(self.call("sql", query, "--json", "--role", role))
        return rows

    def processes(self) -> list[psutil.Process]:
        """Everything alive that belongs to this home."""
        mark = str(self.path)
        found = []
        for process in psutil.process_iter():
            try:
                belongs = mark in " ".join(process.cmdline()) or process.environ().get("AVOIR_HOME") == mark
                if belongs and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill_everything(self) -> int:
        """SIGKILL to all of it at once, as a power cut would."""
        victims = self.processes()
        for process in victims:
            with __import__("contextlib").suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(victims, timeout=20)
        return len(victims)

    def destroy(self) -> None:
        """Remove it, the database included."""
        self.kill_everything()
        self.call("destroy", "--yes", "--profile", self.profile)


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
    assert home.processes() == []
    assert home.seconds[0] < FIRST_RUN_LIMIT_SECONDS


def test_the_published_mart_equals_the_truth_to_the_second_and_the_cent(home: Home) -> None:
    with_home = dict(os.environ)
    try:
        os.environ.update(home.environment)
        here = surroundings_of(Settings.from_environment())
        with database(here) as warehouse, warehouse.connect("auditor") as connection:
            assert differences(connection, home.path / "demo" / "world" / "truth.json") == []
    finally:
        os.environ.clear()
        os.environ.update(with_home)


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
    assert home.processes() == []


def test_killed_at_any_point_and_started_again_the_mart_is_the_same(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = home.call("mart", "hash")
    other = Home(tmp_path_factory.mktemp("killed"))
    try:
        for point in ("loaded 3 of", "built 1 of", "built 20 of", "closing"):
            process = other.start("run")
            assert process.stderr is not None
            seen = ""
            for line in process.stderr:
                seen += line
                if point in line or ("built" in point and "built" in line and _steps(line) >= _steps(point)):
                    break
            else:
                pytest.fail(f"the run ended before {point!r}:\n{seen}")
            assert other.kill_everything() > 3
            process.wait(20)
        other.call("run")
        assert other.call("mart", "hash") == expected
        assert other.sql("select count(*) as n from ledger.closed_months") == [{"n": 6}]
        assert "the chain holds" in other.call("ledger", "verify")
    finally:
        other.destroy()


def _steps(text: str) -> int:
    return int(text.split("built ")[1].split()[0])
