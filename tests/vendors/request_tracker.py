"""A real Request Tracker 5 on loopback: Debian's package, a database of its own, standalone."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from avoir.postgres import free_port
from tests.vendors.debian import needs
from tests.vendors.serving import SECRET

ROOM = Path("/usr/share/request-tracker5")
SERVER = ROOM / "libexec" / "rt-server"
PACKAGES = ("request-tracker5", "rt5-db-sqlite", "rt5-standalone")
ROOT = ("root", "password")
#: May see queues, tickets and comments, and no more.
READER = ("avoir", SECRET)
QUEUES = ("Support", "Network")

_CONFIG = """
Set($rtname, 'example.test');
Set($Organization, 'example.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($CanonicalizeRedirectURLs, 1);
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.sqlite');
Set($BcryptCost, 4);
Set($Timezone, '{timezone}');
Set($LogToSyslog, '');
Set($LogToSTDERR, 'error');
Set($MailCommand, 'testfile');
Set($RestrictReferrer, 0);
Set($MasonDataDir, '{folder}/mason');
Set($MasonSessionDir, '{folder}/sessions');
1;
"""

_ACCOUNTS = """
use lib '/usr/share/request-tracker5/lib';
use RT -init;
for my $name (qw(Support Network)) {
    my $queue = RT::Queue->new(RT->SystemUser);
    my ($ok, $said) = $queue->Create(Name => $name);
    die $said unless $ok;
}
my @half = ('SeeQueue', 'ShowTicket');
my %users = (avoir => [@half, 'ShowTicketComments'], half => [@half], ann => []);
for my $name (sort keys %users) {
    my $user = RT::User->new(RT->SystemUser);
    my ($ok, $said) = $user->Create(Name => $name, Password => $ENV{PASSWORD}, Privileged => 1);
    die $said unless $ok;
    for my $right (@{$users{$name}}) {
        my ($ok, $said) = $user->PrincipalObj->GrantRight(Right => $right, Object => RT->System);
        die $said unless $ok;
    }
}
"""


@dataclass(frozen=True)
class RequestTracker:
    """A running server: its address, and ways to make things happen in it."""

    url: str
    database: Path

    def call(self, method: str, path: str, content: Any = None, auth: tuple[str, str] = ROOT) -> Any:
        """One call of the API, which must succeed."""
        response = requests.request(
            method, f"{self.url}/REST/2.0/{path}", json=content, auth=auth, timeout=60
        )
        assert response.status_code in (200, 201), (response.status_code, response.text)
        return response.json()

    def open(self, queue: str = "Support", *, requestor: str = "ann", **fields: Any) -> str:
        """Create a ticket; its id."""
        ticket = {"Queue": queue, "Subject": "It does not work", "Requestor": requestor, **fields}
        return str(self.call("POST", "ticket", ticket)["id"])

    def change(self, ticket: str, **fields: Any) -> None:
        """Set fields of a ticket."""
        self.call("PUT", f"ticket/{ticket}", fields)

    def say(self, ticket: str, kind: str) -> None:
        """Add a comment (private) or a correspondence (public)."""
        self.call("POST", f"ticket/{ticket}/{kind}", {"Content": "…", "ContentType": "text/plain"})

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database, or set instants that the API does not let one set."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def seed(self, count: int, first: datetime, step_seconds: int) -> None:
        """Many tickets at once, each with the transaction that made it."""
        rows = [
            (
                n,
                datetime.fromtimestamp(first.timestamp() + n * step_seconds, UTC).strftime(
                    "%Y-%m-%d %H:%M:%S"
                ),
            )
            for n in range(count)
        ]
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            for n, at in rows:
                ticket = connection.execute(
                    "insert into Tickets (EffectiveId, Queue, Type, Owner, Subject, Status, Priority,"
                    " Creator, Created, LastUpdatedBy, LastUpdated)"
                    " values (0, 1, 'ticket', 6, ?, 'new', 0, 14, ?, 14, ?)",
                    (f"seeded {n}", at, at),
                ).lastrowid
                connection.execute("update Tickets set EffectiveId = id where id = ?", (ticket,))
                connection.execute(
                    "insert into Transactions (ObjectType, ObjectId, Type, Creator, Created)"
                    " values ('RT::Ticket', ?, 'Create', 14, ?)",
                    (ticket, at),
                )


@contextmanager
def running_request_tracker(timezone: str = "UTC") -> Iterator[RequestTracker]:
    """A server with two queues and a reading account, gone after the block."""
    needs(SERVER, PACKAGES)
    folder = Path(tempfile.mkdtemp(prefix="avoir_rt_"))
    port = free_port(0)
    try:
        (folder / "RT_SiteConfig.pm").write_text(_CONFIG.format(port=port, folder=folder, timezone=timezone))
        for name in ("config.d", "mason", "sessions"):
            (folder / name).mkdir()
        owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            # RT refuses to serve as root.
            account = pwd.getpwnam("www-data")
            owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        environment = {
            **os.environ,
            "HOME": str(folder),
            "RT_SITE_CONFIG": str(folder / "RT_SiteConfig.pm"),
            "RT_SITE_CONFIG_DIR": str(folder / "config.d"),
            "PASSWORD": SECRET,
        }
        setup = [
            "/usr/sbin/rt-setup-database-5",
            "--action",
            "init",
            "--skip-create",
            "--dba",
            "",
            "--dba-password",
            "",
        ]
        for command in (setup, ["perl", "-e", _ACCOUNTS]):
            _run(command, environment, owner, folder)
        with (folder / "server.log").open("wb") as log:
            command = [str(SERVER), "--host", "127.0.0.1", "--port", str(port)]
            server = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True, **owner
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, server, folder / "server.log")
            yield RequestTracker(url, folder / "rt.sqlite")
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], environment: dict[str, str], owner: dict[str, Any], folder: Path) -> None:
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **owner,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            requests.get(f"{url}/REST/2.0/rt", auth=ROOT, timeout=30).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    pytest.fail("Request Tracker did not answer within a minute: " + log.read_text(errors="replace")[-2000:])
