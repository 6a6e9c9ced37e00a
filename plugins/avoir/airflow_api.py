"""The few calls of Airflow's REST API that a run needs: trigger, watch, end what a dead run left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

FINISHED = frozenset({"success", "failed"})


class AirflowApiError(RuntimeError):
    """Airflow's API refused or did not know what was asked; the message carries its answer."""


@dataclass
class AirflowApi:
    """A signed-in client of one Airflow (REST API v2)."""

    url: str
    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        self._session = requests.Session()
        # More than a minute in all: the supervisor starts an API server that crashed again in half of it.
        retry = Retry(total=8, backoff_factor=0.3, status_forcelist=(502, 503, 504), allowed_methods=None)
        self._session.mount("http://", HTTPAdapter(max_retries=retry))
        self._session.trust_env = False

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            if "Authorization" not in self._session.headers:
                self._sign_in()
            response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=60, **arguments)
            if response.status_code == requests.codes.unauthorized:
                self._sign_in()
                response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=60, **arguments)
        except requests.RequestException as error:
            message = f"Airflow at {self.url} does not answer any more; read its logs and start again"
            raise AirflowApiError(message) from error
        if not response.ok:
            raise AirflowApiError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return response.json() if response.content else None

    def _sign_in(self) -> None:
        answer = self._session.post(
            f"{self.url}/auth/token",
            json={"username": self.username, "password": self.password},
            timeout=60,
        )
        if not answer.ok:
            raise AirflowApiError(f"sign-in refused: {answer.status_code} {answer.text[:200]}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def dag_ids(self) -> set[str]:
        """DAGs that Airflow has parsed and that are not paused."""
        answer = self._call("GET", "/dags", params={"limit": 1000, "paused": "false"})
        return {dag["dag_id"] for dag in answer["dags"]}

    def import_errors(self) -> list[str]:
        """What stopped a DAG file from being read."""
        answer = self._call("GET", "/importErrors", params={"limit": 100})
        return [f"{e['filename']}: {e['stack_trace']}" for e in answer["import_errors"]]

    def await_dags(self, wanted: Sequence[str], *, seconds: float) -> None:
        """Wait until every wanted DAG is there.

        Raises:
            AirflowApiError: some are not; the message names them and the import errors.
        """
        deadline = time.monotonic() + seconds
        while missing := set(wanted) - self.dag_ids():
            if time.monotonic() > deadline:
                errors = "\n".join(self.import_errors())
                raise AirflowApiError(f"Airflow does not know {', '.join(sorted(missing))}\n{errors}")
            time.sleep(0.5)

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> None:
        """Start a run by hand."""
        self._call(
            "POST",
            f"/dags/{dag_id}/dagRuns",
            json={"dag_run_id": run_id, "logical_date": None, "conf": conf or {}},
        )

    def runs(self, dag_id: str = "~", **filters: Any) -> list[dict[str, Any]]:
        """Runs, newest first."""
        parameters = {"limit": 500, "order_by": "-run_after", **filters}
        runs: list[dict[str, Any]] = self._call("GET", f"/dags/{dag_id}/dagRuns", params=parameters)[
            "dag_runs"
        ]
        return runs

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """State of each task of a run, by task id."""
        answer = self._call(
            "GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances", params={"limit": 500}
        )
        return {one["task_id"]: one["state"] for one in answer["task_instances"]}

    def end_unfinished(self) -> int:
        """Mark runs that are not finished as failed; for a start after a crash, when nothing runs them."""
        unfinished = [run for run in self.runs(state=["running", "queued"]) if run["state"] not in FINISHED]
        for run in unfinished:
            self._call(
                "PATCH",
                f"/dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'], safe='')}",
                json={"state": "failed", "note": "ended: the services that ran it were gone"},
            )
        return len(unfinished)
