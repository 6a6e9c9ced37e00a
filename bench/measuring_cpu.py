"""An embedded Postgres to measure in, and what a statement or a whole run costs it: CPU-seconds and memory.

CPU-seconds come from the kernel's accounts in ``/proc``, so that waiting for a disk counts for nothing and
another program on the machine for little. Postgres executes every statement of a connection in one process
here (no parallel workers, no JIT, reads by the process itself), so the process of the connection is what a
statement costs. What a run through several connections costs is told by the tree of the server's processes.
"""

from __future__ import annotations

import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import psycopg
from psycopg import sql

from avoir.credentials import load_credentials
from avoir.postgres import EmbeddedPostgres, embedded, free_port
from avoir.warehouse import Warehouse, bootstrap

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.02
_TOO_LONG_TO_REPEAT_S = 20
SETTINGS = {
    "shared_buffers": "2GB",
    "work_mem": "512MB",
    "maintenance_work_mem": "1GB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Read in the process that asks: what workers read for it would not be in its account.
    "io_method": "sync",
    # Nothing but the measured work runs.
    "autovacuum": "off",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "synchronous_commit": "off",
}

# Statements for a database that is measured in, never a page: nothing is to be escaped.
_DATA = jinja2.Environment(  # noqa: S701
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("data")), undefined=jinja2.StrictUndefined
)

Work = str | Callable[[], None]


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: CPU-seconds of Postgres, and the peak of its private memory in MB."""

    cpu_s: float
    peak_mb: float | None = None


@dataclass(eq=False)
class Database:
    """A warehouse of its own and one connection to it, as the administrator."""

    warehouse: Warehouse
    cluster: Cluster
    connection: psycopg.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.warehouse.admin_url, autocommit=True)
        self.run("create schema bench")

    def run(self, statement: str) -> None:
        """Execute one or several statements."""
        self.connection.execute(statement.encode())

    def draw(self, name: str, **values: object) -> None:
        """Execute the statements of a file of bench/data, filled with values."""
        self.run(_DATA.get_template(f"{name}.sql").render(values))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(statement.encode()).fetchall()

    def number(self, statement: str) -> int:
        """Return the only value of a query, a whole number."""
        ((value,),) = self.rows(statement)
        assert isinstance(value, int), value
        return value

    def copy(self, table: str, rows: Iterator[tuple[object, ...]]) -> None:
        """Copy rows into a table."""
        with self.connection.cursor() as cursor, cursor.copy(f"copy {table} from stdin".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def cost(self, work: Work) -> Cost:
        """Execute a statement, or what a function does on the connection; returns what its process spent."""
        backend = self.connection.info.backend_pid
        peak = _PeakOfPrivateMemory(backend)
        before = _process_cpu_s(backend)
        with peak.watched():
            if isinstance(work, str):
                self.run(work)
            else:
                work()
        return Cost(_process_cpu_s(backend) - before, peak.megabytes)

    def least(self, works: Mapping[str, Work], *, times: int = 3) -> dict[str, Cost]:
        """Run several works in turn, each so many times, and return the least that each took.

        Work that takes longer than twenty seconds is not repeated. A statement that makes a table is
        preceded by one that drops it, which is not measured.
        """
        costs: dict[str, list[Cost]] = {name: [] for name in works}
        for _ in range(times):
            for name, work in works.items():
                if costs[name] and costs[name][0].cpu_s > _TOO_LONG_TO_REPEAT_S:
                    continue
                self.run("drop table if exists bench.made")
                costs[name].append(self.cost(work))
        return {name: min(taken, key=lambda cost: cost.cpu_s) for name, taken in costs.items()}

    def plan(self, query: str) -> str:
        """Run a query and return the nodes of its plan with times and buffers."""
        lines = self.rows(f"explain (analyze, buffers, costs off, summary off) {query}")
        return "\n".join(str(line) for (line,) in lines)


def making(query: str) -> str:
    """The statement that writes the rows of a query, the same way for all that are compared."""
    return f"create unlogged table bench.made as {query}"


@dataclass
class Cluster:
    """A running server."""

    postgres: EmbeddedPostgres
    home: Path
    passwords: dict[str, str] = field(repr=False)
    postmaster: int

    @contextmanager
    def database(self, name: str) -> Iterator[Database]:
        """A warehouse of its own for the length of the block: schemas, roles, empty tables."""
        warehouse = Warehouse(admin_url=self.postgres.url(name), passwords=self.passwords)
        bootstrap(warehouse)
        database = Database(warehouse, self)
        try:
            yield database
        finally:
            database.connection.close()
            with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
                for one in (warehouse.database, warehouse.airflow_database):
                    connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(one)))

    def cpu_s(self) -> float:
        """CPU-seconds so far of the server and of all processes it ever started, those that ended too."""
        children = [pid for pid in _pids() if _parent(pid) == self.postmaster]
        own = sum(_ticks(self.postmaster)[:4])
        return (own + sum(sum(_ticks(pid)[:2]) for pid in children)) / _TICKS

    def cost(self, work: Callable[[], None]) -> Cost:
        """Do something through other connections and return what the whole server spent."""
        before = self.cpu_s()
        work()
        return Cost(self.cpu_s() - before)

    def version(self) -> str:
        """The server's version."""
        with psycopg.connect(self.postgres.url("postgres")) as connection:
            return str(connection.info.parameter_status("server_version"))


@contextmanager
def cluster() -> Iterator[Cluster]:
    """An embedded Postgres of its own for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="avoir_bench_") as directory:
        home = Path(directory)
        passwords = load_credentials(home)
        postgres = embedded(home, free_port(0), passwords["avoir_admin"])
        try:
            postgres.initialise()
            with (postgres.data / "avoir.conf").open("a") as file:
                file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
            with postgres.running(home / "postgres.log"):
                postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
                yield Cluster(postgres, home, passwords, postmaster)
        finally:
            postgres.destroy()


def machine(running: Cluster) -> str:
    """What the figures were taken on, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return (
        f"{os.cpu_count()} cores of {model or platform.machine()}, {memory_kb / 1024 / 1024:.0f} GiB; "
        f"PostgreSQL {running.version()}, Python {platform.python_version()}"
    )


class _PeakOfPrivateMemory:
    """The most private memory (RssAnon) that a process holds, looked at every few milliseconds.

    Its resident set as a whole would count every page of the shared buffers that it touched.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._peak_kb = 0

    @property
    def megabytes(self) -> float:
        return self._peak_kb / 1024

    @contextmanager
    def watched(self) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join()

    def _watch(self) -> None:
        while True:
            text = self._status.read_text()
            self._peak_kb = max(self._peak_kb, int(text.split("RssAnon:")[1].split()[0]))
            if self._ended.wait(_SAMPLE_SECONDS):
                return


def _process_cpu_s(pid: int) -> float:
    """CPU-seconds of a process: in nanoseconds where the kernel keeps them so, else in its ticks."""
    exact = Path(f"/proc/{pid}/schedstat")
    if exact.exists():
        return int(exact.read_text().split()[0]) / 1e9
    return sum(_ticks(pid)[:2]) / _TICKS


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` after the name, which may hold blanks; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _ticks(pid: int) -> list[int]:
    """User and system time of a process, and of its children that have ended."""
    return [int(value) for value in _stat(pid)[11:15]]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None
