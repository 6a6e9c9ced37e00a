"""A whole run on the real scheduler, watched: services up, sources loaded, mart built, month closed.

This is what ``make run`` does. It may be killed at any point: whatever had landed stays, the next run reads
the rest, and the mart ends the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from avoir.airflow_api import FINISHED, AirflowApi
from avoir.failures import told_failures
from avoir.inputs import inputs_sha256, last_build_sha256
from avoir.lineage.ingesting import ingest_events
from avoir.modelling import parse_project
from avoir.postgres import locked
from avoir.services import (
    LOGIN,
    ServicesError,
    Surroundings,
    read_state,
    start_failure,
    start_supervisor,
    stop_request,
)
from avoir.sources.model import parse_sources
from avoir.warehouse import WarehouseError

LINEAGE_SECONDS = 5.0
"""How long a run waits for its last events."""

Tell = Callable[[str], None]


class ConductError(RuntimeError):
    """The run did not end well; the message says which task failed and where its log is."""


@contextmanager
def services_up(here: Surroundings, tell: Tell, *, keep: bool = False) -> Iterator[bool]:
    """Services for the length of the block, or those already up; yields whether this call started them.

    Raises:
        ServicesError: a service did not come up.
    """
    started = False
    state = read_state(here)
    while state is not None and state.get("phase") in {"busy", "stopping", "failed"}:
        time.sleep(0.2)
        state = read_state(here)
    if state is not None and state.get("owner") == "run":
        # Services of a run last as long as the run; what an interrupted one left is not built upon.
        with locked(here.run_directory / "run.lock", wait=False) as nobody_runs:
            if keep and not nobody_runs:
                raise ServicesError("a run of this profile is under way; wait for its end.")
        tell("stopping what an interrupted run left up")
        stop_request(here)
        state = None
    if state is None:
        start_supervisor(here, keep=keep)
        started = True
    try:
        _await_ready(here, tell)
        yield started
    finally:
        if started and not keep:
            tell("stopping what this run started")
            stop_request(here)


def _await_ready(here: Surroundings, tell: Tell) -> None:
    deadline = time.monotonic() + 300
    said = ""
    while time.monotonic() < deadline:
        state = read_state(here)
        if error := start_failure(here):
            raise ServicesError(error)
        phase = str(state["phase"]) if state else "starting"
        if phase != said and phase not in {"starting", "busy"}:
            tell("services are ready" if phase == "ready" else phase)
            said = phase
        if phase == "ready":
            return
        time.sleep(0.2)
    raise ServicesError(f"the services were not ready in time; read {here.logs}")


def prepare(here: Surroundings, tell: Tell) -> None:
    """What must be there before Airflow reads the DAG files: the demo's world, the manifest."""
    if here.settings.profile == "demo":
        from avoir.demo.world import build_world  # noqa: PLC0415

        tell("making the demo's world of vendors")
        build_world(here.settings.profile_home / "world")
    tell("reading the dbt project")
    parse_project(here.settings.checkout / "dbt_project", here.environment, manifest=here.manifest)


class Conductor:
    """Triggers and watches the DAGs of one run."""

    def __init__(self, here: Surroundings, tell: Tell, *, run_id: str) -> None:
        self.here = here
        self.tell = tell
        self.run_id = run_id
        password = here.warehouse.passwords["airflow_login"]
        self.api = AirflowApi(here.airflow_url, LOGIN, password)
        self.sources = [s.name for s in parse_sources(here.settings.sources_file, here.environment)]

    def run(self, *, fresh: bool) -> list[str]:
        """Load, build, close; returns the loads that failed, whose vendors' months are held.

        Args:
            fresh: the services were started for this run, so no run of another life can still be alive.

        Raises:
            ConductError: the build or the close failed.
        """
        every = [f"load_{name}" for name in self.sources]
        self.api.await_dags([*every, "build_mart", "close_month"], seconds=120)
        if fresh and (ended := self.api.end_unfinished()):
            self.tell(f"ended {ended} runs that an interrupted run had left")
        loads = [f"load_{name}" for name in self._pending()]
        failed = self._load(loads)
        if loads or not self._is_current():
            self._build(loads, failed)
        else:
            self.tell("nothing new since the last build: the mart stands")
        self._close()
        self._keep_lineage()
        return failed

    def _pending(self) -> list[str]:
        """Sources that have not landed everything before ``as_of``; all of them where no instant is set."""
        as_of = self.here.settings.as_of
        if as_of is None:
            return self.sources
        with self.here.warehouse.connect("auditor") as connection:
            rows = connection.execute(
                "select source_name from loads.watermarks where watermark >= %s", (as_of,)
            ).fetchall()
        landed = {name for (name,) in rows}
        return [name for name in self.sources if name not in landed]

    def _is_current(self) -> bool:
        as_of = self.here.settings.as_of
        if as_of is None:
            return False
        with self.here.warehouse.connect("auditor") as connection:
            # The last model of a build; it is not there when somebody asked for everything anew.
            built = connection.execute("select to_regclass('builds.built_batches') is not null").fetchone()
            if built != (True,):
                return False
            return last_build_sha256(connection) == inputs_sha256(connection, self.here.settings, as_of)

    def _load(self, loads: list[str]) -> list[str]:
        if not loads:
            self.tell(f"all {len(self.sources)} sources have landed everything before the run's instant")
            return []
        for dag_id in loads:
            self.api.trigger(dag_id, self.run_id)
        said = -1
        while True:
            runs = {run["dag_id"]: run["state"] for run in self.api.runs(run_id_pattern=self.run_id)}
            done = [dag_id for dag_id in loads if runs.get(dag_id) in FINISHED]
            if len(done) != said:
                said = len(done)
                self.tell(f"loaded {said} of {len(loads)} sources")
            if len(done) == len(loads):
                break
            time.sleep(0.7)
        failed = [dag_id for dag_id in loads if runs[dag_id] == "failed"]
        for dag_id in failed:
            self.tell(
                f"{dag_id} failed; its vendor's months are stale, the others go on (log: {self._log(dag_id)})"
            )
        return failed

    def _build(self, loads: list[str], failed: list[str]) -> None:
        """The build that the landed assets started, or one by hand when a source is missing."""
        run = None
        if loads and not failed:
            ends = [one["end_date"] for one in self.api.runs(run_id_pattern=self.run_id)]
            run = self._asset_run(max(datetime.fromisoformat(end) for end in ends))
        if run is None:
            self.tell("building with what has landed")
            self.api.trigger("build_mart", self.run_id)
            run = self.run_id
        said = ""
        while True:
            state = self._state("build_mart", run)
            tasks = self.api.task_states("build_mart", run)
            done = sum(1 for one in tasks.values() if one == "success")
            line = f"built {done} of {len(tasks)} steps"
            if line != said:
                said = line
                self.tell(line)
            if state in FINISHED:
                break
            time.sleep(1)
        if state == "failed":
            bad = sorted(task for task, one in tasks.items() if one == "failed")
            raise ConductError(
                f"build_mart failed at {', '.join(bad)}; read {self._log('build_mart')}" + self._reasons(run)
            )

    def _asset_run(self, loaded_at: datetime) -> str | None:
        """The build that started after the last source had landed."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for run in self.api.runs("build_mart"):
                queued = run.get("queued_at") or run.get("run_after")
                if queued and datetime.fromisoformat(queued) >= loaded_at - timedelta(seconds=1):
                    return str(run["dag_run_id"])
            time.sleep(0.5)
        return None

    def _close(self) -> None:
        as_of = self.here.settings.as_of or datetime.now(UTC)  # noqa: TID251 - the command's own clock
        local = as_of.astimezone(ZoneInfo(self.here.settings.timezone))
        month = (local.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
        self.tell(f"closing {month}")
        self.api.trigger("close_month", self.run_id, {"month": month})
        while (state := self._state("close_month", self.run_id)) not in FINISHED:
            time.sleep(0.7)
        if state == "failed":
            raise ConductError(f"close_month failed; read {self._log('close_month')}")

    def _keep_lineage(self) -> None:
        """Take in the events of the run once the scheduler has told of its end; no run fails for it."""
        deadline = time.monotonic() + LINEAGE_SECONDS
        try:
            while True:
                ingest_events(self.here.settings)
                with self.here.warehouse.connect("auditor") as connection:
                    told = connection.execute(
                        """
                        select 1 from audit.lineage_events
                        where dag_run_id = %s and job_name = 'close_month'
                            and event_type in ('COMPLETE', 'FAIL') limit 1
                        """,
                        (self.run_id,),
                    ).fetchone()
                if told or time.monotonic() > deadline:
                    return
                time.sleep(0.3)
        except (OSError, WarehouseError, psycopg.Error) as error:
            self.tell(f"the lineage of this run waits for the next one: {error}")

    def _state(self, dag_id: str, run_id: str) -> str:
        runs: list[dict[str, Any]] = self.api.runs(dag_id, run_id_pattern=run_id)
        return str(next(run["state"] for run in runs if run["dag_run_id"] == run_id))

    def _reasons(self, run: str) -> str:
        """What the first task that failed for good in a run said of it, if it told."""
        told = told_failures(self.here.settings)
        return next((f"\n{one['task_id']}: {one['reason']}" for one in told if one["run_id"] == run), "")

    def _log(self, dag_id: str) -> str:
        return str(self.here.settings.profile_home / "airflow" / "logs" / f"dag_id={dag_id}")
