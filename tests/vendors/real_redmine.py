"""A real Redmine on loopback: Debian's package, a database of its own, Puma before it.

Redmine's interface lets nobody say when something happened. So a second process with Redmine's own models
does what happens, at the instants it is told (``real_redmine.rb``), while the server answers.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from avoir.postgres import free_port
from tests.vendors.debian import needs
from tests.vendors.redmine import (
    AGENT,
    CLOSED,
    CUSTOMER,
    LOGINS,
    PRIORITIES,
    PROJECTS,
    PUBLIC,
    STATUSES,
)
from tests.vendors.serving import SECRET

ROOM = Path("/usr/share/redmine")
PACKAGES = ("redmine", "redmine-sqlite", "puma")
#: Else its installation makes a database that nobody uses.
ANSWERS = "redmine redmine/instances/default/dbconfig-install boolean false"
_COMMANDS = Path(__file__).with_suffix(".rb")

_DATABASE = """\
production:
  adapter: sqlite3
  database: {folder}/redmine.sqlite3
  timeout: 30000
"""


@dataclass(frozen=True)
class Opened:
    """An issue by its number."""

    id: int


@dataclass
class RealRedmine:
    """A running server, and the hands by which things happen in it."""

    url: str
    hands: subprocess.Popen[str]
    log: Path
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def open(
        self, at: datetime, *, project: str = "support", author: int = CUSTOMER, status: int = 1,
        custom: dict[int, Any] | None = None, **fields: Any,
    ) -> Opened:  # fmt: skip
        """Create an issue at an instant."""
        made = self.do(
            "open", at, project=project, author=author, status=status, custom=custom or {}, **fields
        )
        return Opened(made)

    def change(
        self, issue: Opened, at: datetime, *, author: int = AGENT, notes: str = "", private: bool = False,
        custom: dict[int, Any] | None = None, **fields: Any,
    ) -> int:  # fmt: skip
        """Set fields by their names and say something, in one journal; its number."""
        return int(
            self.do(
                "change", at, issue=issue.id, author=author, notes=notes, private=private,
                custom=custom or {}, **fields,
            )
        )  # fmt: skip

    def delete(self, issue: Opened) -> None:
        """Destroy an issue, as who may delete it does."""
        self.ruby(f"Issue.find({issue.id}).destroy")

    def project(self, name: str) -> str:
        """Make a project that the reader sees and nobody else's key; its identifier."""
        self.do("project", name=name, public=False)
        return name.lower()

    def ruby(self, code: str, at: datetime | None = None) -> Any:
        """What a line of Ruby gives among Redmine's models."""
        return self.do("ruby", at, code=code)

    def do(self, name: str, at: datetime | None = None, /, **what: Any) -> Any:
        """Let one command happen and wait for it."""
        command = {"do": name, "at": at and at.astimezone(UTC).isoformat(), **what}
        assert self.hands.stdin is not None
        assert self.hands.stdout is not None
        with self._one_at_a_time:
            self.hands.stdin.write(json.dumps(command) + "\n")
            self.hands.stdin.flush()
            answer = json.loads(self.hands.stdout.readline() or '{"error": "it ended"}')
        assert "error" not in answer, f"{answer['error']}\n{self.log.read_text(errors='replace')[-2000:]}"
        return answer["result"]


@contextmanager
def running_redmine(timezone: str = "UTC") -> Iterator[RealRedmine]:
    """A server with the statuses, priorities, projects and accounts of our own one, gone after the block.

    Args:
        timezone: of the server's machine; Redmine keeps its instants in it.
    """
    needs(ROOM, PACKAGES, answers=ANSWERS)
    folder = Path(tempfile.mkdtemp(prefix="avoir_redmine_"))
    try:
        _furnish(folder)
        owner, environment = _owner_of(folder), _environment(folder, timezone)
        log = folder / "server.log"
        port = free_port(0)
        url = f"http://127.0.0.1:{port}"
        hands = ["ruby", "bin/rails", "runner", str(folder / _COMMANDS.name)]
        server = ["puma", "--quiet", "--threads", "1:4", "--bind", f"tcp://127.0.0.1:{port}", "config.ru"]
        with _process(hands, environment, owner, log) as process:
            redmine = RealRedmine(url, process, log)
            redmine.do(
                "prepare",
                users=list(LOGINS.items()), statuses=list(STATUSES.items()), closed=CLOSED,
                priorities=list(PRIORITIES.items()), projects=list(PROJECTS.values()), public=PUBLIC,
                key=SECRET,
            )  # fmt: skip
            with _process(server, environment, owner, log) as served:
                _wait_for(url, served, log)
                yield redmine
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(folder: Path) -> None:
    for name in ("config", "files", "log", "tmp"):
        (folder / name).mkdir()
    (folder / "config" / "database.yml").write_text(_DATABASE.format(folder=folder))
    (folder / "config" / "secret_key.txt").write_text(secrets.token_hex(32))
    # Debian's own names the databases of installed instances; this one is none of them.
    shutil.copy(ROOM / "Gemfile", folder)
    (folder / "Gemfile.local").write_text('gem "sqlite3", "~> 1.4.0"\ngem "puma"\n')
    shutil.copy(_COMMANDS, folder)


def _owner_of(folder: Path) -> dict[str, Any]:
    """As whom its processes run: nothing of them may be written where Debian keeps the program."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment(folder: Path, timezone: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TZ": timezone,
        "RAILS_ENV": "production",
        "VERBOSE": "false",
        "BUNDLE_GEMFILE": str(folder / "Gemfile"),
        # Relative to where Debian keeps the instances; nothing is above the root.
        "REDMINE_INSTANCE": "../" * 9 + str(folder).lstrip("/"),
    }


@contextmanager
def _process(
    command: Sequence[str], environment: dict[str, str], owner: dict[str, Any], log: Path
) -> Iterator[subprocess.Popen[str]]:
    # Ended with whoever started it, however that ends.
    bound = ["setpriv", "--pdeathsig", "TERM", *command]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            bound, env=environment, cwd=ROOM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream,
            text=True, start_new_session=True, **owner,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.communicate(timeout=30)


def _wait_for(url: str, server: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            requests.get(f"{url}/issues.json", timeout=30).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    pytest.fail("Redmine did not answer within a minute: " + log.read_text(errors="replace")[-2000:])
