"""A home of its own for a system test, and the command line over it as a person would use it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from avoir.services import database, surroundings_of
from avoir.settings import CHECKOUT, Settings


@dataclass
class Home:
    """One AVOIR_HOME, and the command line over it."""

    path: Path
    profile: str = "demo"
    variables: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment with nothing of ours but the home and what the test sets."""
        mine = {
            name: value for name, value in os.environ.items() if not name.startswith(("AVOIR_", "AIRFLOW"))
        }
        return mine | {"AVOIR_HOME": str(self.path), "AVOIR_PROFILE": self.profile} | self.variables

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
        # Started by root, the database may live outside a private home, behind a link.
        marks = [str(self.path), str((self.path / self.profile / "postgres").resolve())]
        # Airflow's workers and tasks show neither their command nor their environment, and tasks have a
        # group of their own; but they all keep their session.
        children = self.path / self.profile / "run" / "children.json"
        sessions = set(json.loads(children.read_text())) if children.exists() else set()
        found = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
                belongs = any(mark in command for mark in marks)
                belongs = belongs or os.getsid(process.pid) in sessions
                belongs = belongs or process.environ().get("AVOIR_HOME") == str(self.path)
                if belongs and process.pid != os.getpid():
                    found.append(process)
            except (psutil.Error, ProcessLookupError):
                continue
        return found

    def is_quiet(self, *, seconds: float = 10) -> bool:
        """Whether nothing of it runs, the last process being given a moment to end."""
        _, alive = psutil.wait_procs(self.processes(), timeout=seconds)
        return not alive and not self.processes()

    def kill_services(self) -> int:
        """SIGKILL to every service and worker at once; returns how many. What they left must go by itself."""
        return _killed([one for one in self.processes() if not _is_task(one)])

    def kill_everything(self) -> int:
        """SIGKILL to all of it at once, as a power cut would; returns how many."""
        return _killed(self.processes())

    def destroy(self) -> None:
        """Remove it, the database included."""
        self.kill_everything()
        self.call("destroy", "--yes", "--profile", self.profile)

    @contextlib.contextmanager
    def warehouse(self, role: str = "auditor") -> Iterator[psycopg.Connection]:
        """A connection to its warehouse, which is up for the length of the block."""
        before = dict(os.environ)
        try:
            os.environ.clear()
            os.environ.update(self.environment)
            here = surroundings_of(Settings.from_environment())
            with database(here) as warehouse, warehouse.connect(role) as connection:
                yield connection
        finally:
            os.environ.clear()
            os.environ.update(before)


def _is_task(process: psutil.Process) -> bool:
    """Whether it leads a process group within somebody else's session, as Airflow's tasks do."""
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process.pid) == process.pid != os.getsid(process.pid)
    return False


def _killed(victims: list[psutil.Process]) -> int:
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(victims, timeout=20)
    return len(victims)
