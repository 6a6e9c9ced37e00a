"""Passwords of Airflow's connections, wherever the deployment keeps these: a secrets backend, its variables
or its own database.

A task asks its supervisor. A command line is no task, so it asks Airflow in a process of its own, since
Airflow reads its configuration once per process, from the environment that it starts with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

_TIMEOUT_SECONDS = 60

_ASK = """
import json, sys
from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
try:
    found = Connection.get_connection_from_secrets(sys.argv[1]).password
except AirflowNotFoundException:
    found = None
print(json.dumps(found))
"""


class ConnectionUnreadableError(RuntimeError):
    """Airflow could not be asked; the message says why and holds no secret."""


def connection_password(connection_id: str, environment: Mapping[str, str]) -> str | None:
    """The password of a connection; None where there is no such connection, or it has none.

    Airflow says of a connection that it does not have it, too, when its database does not answer.

    Args:
        connection_id: as Airflow knows it.
        environment: that of the profile's Airflow.

    Raises:
        ConnectionUnreadableError: Airflow cannot be asked, as when its configuration does not hold.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if runner is not None and hasattr(runner, "SUPERVISOR_COMMS"):
        return _asked_in_a_task(connection_id)
    answer = subprocess.run(
        [sys.executable, "-c", _ASK, connection_id],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if answer.returncode != 0:
        # Never the whole of it: a traceback may quote what it was given.
        last = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConnectionUnreadableError(f"Airflow ended with {answer.returncode}: {last.partition('(')[0]}")
    password: str | None = json.loads(answer.stdout.strip().splitlines()[-1])
    return password


def _asked_in_a_task(connection_id: str) -> str | None:
    # In a task Airflow is there already.
    from airflow.sdk import Connection  # noqa: PLC0415, TID251
    from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415, TID251

    try:
        password: str | None = Connection.get(connection_id).password
    except AirflowNotFoundException:
        return None
    return password
