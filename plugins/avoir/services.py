"""What runs beside a command: Postgres, Airflow's components and, for the demo, the vendors' systems.

One supervisor process per profile starts them in order, restarts whatever dies and stops everything on
SIGTERM. It holds ``run/supervisor.lock`` for its whole life, so two cannot run, and writes
``run/state.json`` for whoever wants to know. The commands in :data:`AIRFLOW_COMMANDS` are the ones the
compose file runs in its containers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit, urlunsplit
from urllib.request import urlopen

from dotenv import dotenv_values

from avoir.credentials import load_credentials, write_private
from avoir.lineage.places import NAMESPACE, transport_config
from avoir.postgres import EmbeddedPostgres, embedded, free_port, locked, spawn
from avoir.roles import VendorRole, sync_roles
from avoir.settings import Settings
from avoir.warehouse import Warehouse, bootstrap, warehouse_of

AIRFLOW_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "airflow-migrate": ("airflow", "db", "migrate"),
    "airflow-api-server": ("airflow", "api-server"),
    "airflow-scheduler": ("airflow", "scheduler"),
    "airflow-dag-processor": ("airflow", "dag-processor"),
    "airflow-triggerer": ("airflow", "triggerer"),
}
AIRFLOW_DAEMONS = tuple(name for name in AIRFLOW_COMMANDS if name != "airflow-migrate")

LOGIN = "avoir"


class ServicesError(RuntimeError):
    """A service did not come up; the message names its log."""


@dataclass(frozen=True)
class Surroundings:
    """Addresses and environment of one profile, ports chosen."""

    settings: Settings
    ports: dict[str, int]
    postgres: EmbeddedPostgres | None
    warehouse: Warehouse
    environment: dict[str, str] = field(repr=False)

    @property
    def run_directory(self) -> Path:
        """Locks and state of what is running."""
        return self.settings.profile_home / "run"

    @property
    def logs(self) -> Path:
        """One file per service."""
        return self.settings.profile_home / "logs"

    @property
    def manifest(self) -> Path:
        """The dbt manifest that the DAG is drawn from."""
        return self.settings.profile_home / "manifest.json"

    @property
    def airflow_url(self) -> str:
        """Where Airflow's UI and API answer."""
        return f"http://127.0.0.1:{self.ports['airflow']}"


def surroundings_here(profile: str | None) -> Surroundings:
    """The addresses of a profile for a command, as its environment has them."""
    return surroundings_of(Settings.from_environment(profile=profile), starting=True)


def surroundings_of(settings: Settings, *, starting: bool = False) -> Surroundings:
    """Addresses of a profile: the ports it already has, else free ones, kept for the next time.

    Args:
        starting: services may be about to start, so a kept port that somebody else took meanwhile is
            exchanged; never while the profile's own services run.
    """
    run_directory = settings.profile_home / "run"
    with locked(run_directory / "ports.lock"):
        path = run_directory / "ports.json"
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        chosen = {name: ports.get(name) or free_port(settings.ports[name]) for name in settings.ports}
        if starting and settings.database_url is None:
            with locked(run_directory / "supervisor.lock", wait=False) as nothing_runs:
                if nothing_runs:
                    chosen = {name: free_port(port) for name, port in chosen.items()}
        if chosen != ports:
            write_private(path, json.dumps(chosen) + "\n")
        ports = chosen
        # Within the lock: two first commands at once must make one set of passwords.
        load_credentials(settings.profile_home)
    credentials = load_credentials(settings.profile_home)
    server = None
    if settings.database_url is None:
        server = embedded(
            settings.profile_home, ports["postgres"], credentials["avoir_admin"], os_user=settings.os_user
        )
    warehouse = warehouse_of(settings, port=ports["postgres"])
    return Surroundings(
        settings=settings,
        ports=ports,
        postgres=server,
        warehouse=warehouse,
        environment=_environment(settings, ports, warehouse, credentials),
    )


def _environment(
    settings: Settings, ports: Mapping[str, int], warehouse: Warehouse, credentials: Mapping[str, str]
) -> dict[str, str]:
    """Environment of every service and task of a profile."""
    airflow_home = settings.profile_home / "airflow"
    metadata = settings.airflow_database_url or warehouse.url(
        "avoir_airflow", database=warehouse.airflow_database
    )
    driverless = metadata.split("://", 1)[1]
    world = settings.profile_home / "world"
    environment = {
        **{k: v for k, v in dotenv_values(settings.checkout / ".env").items() if v},
        # Events of lineage stay here: nobody else's OpenLineage is spoken to.
        **{k: v for k, v in os.environ.items() if not k.startswith("OPENLINEAGE")},
        **{k: v for k, v in dotenv_values(world / "secrets.env").items() if v is not None},
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "AVOIR_HOME": str(settings.home),
        "AVOIR_PROFILE": settings.profile,
        "AVOIR_DEMO_URL": f"http://127.0.0.1:{ports['vendors']}",
        "AVOIR_DEMO_WORLD": str(world),
        "AVOIR_SHARED_DATA": str(settings.shared_data),
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.checkout / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.checkout / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
        "AIRFLOW__CORE__FERNET_KEY": credentials["airflow_fernet_key"],
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{LOGIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{ports['airflow']}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports["airflow"]),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{ports['airflow']}",
        "AIRFLOW__API__SECRET_KEY": credentials["airflow_api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials["airflow_jwt_secret"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{driverless}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": _asyncpg_url(metadata),
        # After a crash the next scheduler takes over what the last one left within a minute, not five.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "120",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "60",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        **_openlineage(settings),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW__COSMOS__ENABLE_CACHE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "DBT_PROFILES_DIR": str(settings.checkout / "dbt_project"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        "DBT_USE_COLORS": "False",
        "DBT_LOG_PATH": str(settings.profile_home / "logs" / "dbt"),
        "AVOIR_DBT_HOST": warehouse.host,
        "AVOIR_DBT_PORT": str(warehouse.port),
        "AVOIR_DBT_DATABASE": warehouse.database,
        "AVOIR_DBT_USER": "avoir_transformer",
        "AVOIR_DBT_SSLMODE": warehouse.sslmode,
        "AVOIR_DBT_PASSWORD": warehouse.passwords["avoir_transformer"],
        "DO_NOT_TRACK": "1",
        "SCARF_ANALYTICS": "false",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    if settings.as_of is not None:
        environment["AVOIR_AS_OF"] = settings.as_of.isoformat()
    return environment


def _openlineage(settings: Settings) -> dict[str, str]:
    """Events of DAG runs and tasks go to the spool; those that only watch the build say nothing."""
    policy = [
        {"scope": {}, "controls": {"include_source_code": False, "hook_lineage": False}},
        {"scope": {"operator": "avoir_airflow.watching.ModelWatch"}, "controls": {"emit": False}},
    ]
    values = {
        "DISABLED": "False",
        "TRANSPORT": json.dumps(transport_config(settings.profile_home)),
        "NAMESPACE": NAMESPACE,
        "EXTRACTORS": "avoir_airflow.lineage.StepExtractor",
        "EMISSION_POLICY": json.dumps(policy),
        "CONFIG_PATH": "",
        "EXECUTION_TIMEOUT": "5",
        # A thread, since a fork would import what it needs anew for each event; all it does is write a file.
        "EXECUTE_IN_THREAD": "True",
    }
    return {f"AIRFLOW__OPENLINEAGE__{name}": value for name, value in values.items()}


def _asyncpg_url(url: str) -> str:
    """The same address for asyncpg, which knows ``ssl`` and none of libpq's other parameters."""
    parts = urlsplit(url)
    mode = parse_qs(parts.query).get("sslmode")
    query = f"ssl={mode[0]}" if mode else ""
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, query, ""))


def stop_request(surroundings: Surroundings, *, wait_seconds: float = 90) -> bool:
    """Ask a running supervisor to stop everything; returns whether there was one.

    Raises:
        ServicesError: it did not stop in time.
    """
    state = read_state(surroundings)
    while state is not None and state["phase"] == "busy":
        time.sleep(0.2)
        state = read_state(surroundings)
    if state is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(str(state["pid"])), signal.SIGTERM)
    deadline = time.monotonic() + wait_seconds
    while time.monotonic() < deadline:
        with locked(surroundings.run_directory / "supervisor.lock", wait=False) as free:
            if free:
                return True
        time.sleep(0.1)
    raise ServicesError(f"the services did not stop in {wait_seconds:.0f} s; read {surroundings.logs}")


def read_state(surroundings: Surroundings) -> dict[str, object] | None:
    """What the running supervisor says of itself; None when nothing runs.

    The phase is ``busy`` while another command holds the database for a moment.
    """
    with locked(surroundings.run_directory / "supervisor.lock", wait=False) as free:
        if free:
            return None
    return _written_state(surroundings) or {"pid": 0, "phase": "busy"}


def start_failure(surroundings: Surroundings) -> str | None:
    """Why the last supervisor gave up while starting, if it did."""
    state = _written_state(surroundings)
    return str(state["error"]) if state and state["phase"] == "failed" else None


def _written_state(surroundings: Surroundings) -> dict[str, object] | None:
    try:
        state: dict[str, object] = json.loads((surroundings.run_directory / "state.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return state


def start_supervisor(surroundings: Surroundings, *, keep: bool) -> None:
    """Start the supervisor as a daemon of its own session; it outlives the caller.

    Args:
        keep: services stay up after the command (``make up``), instead of being a run's own.
    """
    log = surroundings.logs / "supervisor.log"
    owner = "up" if keep else "run"
    profile = surroundings.settings.profile
    command = [sys.executable, "-m", "avoir.services", profile, owner, str(os.getpid())]
    (surroundings.run_directory / "state.json").unlink(missing_ok=True)
    environment = dict(os.environ) | {"AVOIR_HOME": str(surroundings.settings.home)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def database(surroundings: Surroundings) -> Iterator[Warehouse]:
    """A reachable, bootstrapped warehouse: the running one, else the embedded server for this block."""
    with locked(surroundings.run_directory / "supervisor.lock", wait=False) as free:
        if free and surroundings.postgres is not None:
            with surroundings.postgres.running(surroundings.logs / "postgres.log"):
                if not (surroundings.run_directory / "bootstrapped").exists():
                    make_warehouse(surroundings)
                yield surroundings.warehouse
            return
    yield surroundings.warehouse


def make_warehouse(surroundings: Surroundings) -> list[VendorRole]:
    """Bootstrap the warehouse, and make the roles of vendors that a contract names; returns these."""
    bootstrap(surroundings.warehouse, own_server=surroundings.postgres is not None)
    roles = sync_roles(surroundings.warehouse, surroundings.settings)
    surroundings.run_directory.mkdir(parents=True, exist_ok=True)
    (surroundings.run_directory / "bootstrapped").touch()
    return roles


class Supervisor:
    """Starts the services in order, keeps them alive, stops them in reverse."""

    def __init__(self, surroundings: Surroundings, owner: str, starter: int) -> None:
        # A run triggers its own DAG runs; the nightly schedule belongs to services that stay up.
        schedule = {"AVOIR_SCHEDULE": "off" if owner == "run" else "on"}
        self.surroundings = replace(surroundings, environment=surroundings.environment | schedule)
        self.owner = owner
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts: dict[str, int] = {}
        self.stopping = False
        self.failed = False
        self.starter = starter

    def run(self) -> None:
        """Start everything and watch until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        try:
            self._start_all()
            self._report("ready")
            while not self.stopping:
                self._restart_the_dead()
                self.stopping = self.stopping or self._is_orphan()
                time.sleep(0.25)
        except Exception as error:
            self.failed = True
            self._report("failed", str(error))
            raise
        finally:
            if not self.failed:
                self._report("stopping")
            self.stopping = True
            self._end_all()
            if not self.failed:
                (self.surroundings.run_directory / "state.json").unlink(missing_ok=True)

    def _stop(self, _signal: int, _frame: types.FrameType | None) -> None:
        self.stopping = True

    def _is_orphan(self) -> bool:
        """A run's own services go when the run is gone, however it went."""
        return self.owner == "run" and os.getppid() != self.starter

    def _end_leftovers(self) -> None:
        """Workers that outlived a supervisor and its children, all killed at once.

        A process group whose leader is dead cannot have been given to anybody else.
        """
        try:
            leaders = json.loads((self.surroundings.run_directory / "children.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        for leader in leaders:
            try:
                os.kill(leader, 0)
            except ProcessLookupError:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(leader, signal.SIGKILL)
            except PermissionError:
                continue

    def _start_all(self) -> None:
        here = self.surroundings
        self._end_leftovers()
        if here.postgres is not None:
            self._report("starting Postgres")
            here.postgres.initialise()
            self._start("postgres")
            self._await("postgres", here.postgres.is_ready, 90)
        self._report("preparing databases, schemas and roles")
        make_warehouse(here)
        if here.settings.profile == "demo":
            self._start("vendors")
        self._report("preparing Airflow's metadata")
        _write_airflow_login(here)
        self._migrate_airflow()
        self._report("starting Airflow")
        for name in AIRFLOW_DAEMONS:
            self._start(name)
        self._await("airflow-api-server", lambda: answers(f"{here.airflow_url}/api/v2/version"), 180)
        if here.settings.profile == "demo":
            health = f"http://127.0.0.1:{here.ports['vendors']}/health"
            self._await("vendors", lambda: answers(health), 60)

    def _migrate_airflow(self) -> None:
        here = self.surroundings
        stamp = here.run_directory / "airflow-migrated"
        import importlib.metadata  # noqa: PLC0415

        version = importlib.metadata.version("apache-airflow")
        if stamp.exists() and stamp.read_text() == version:
            return
        process = spawn(
            list(AIRFLOW_COMMANDS["airflow-migrate"]),
            log=here.logs / "airflow-migrate.log",
            environment=here.environment,
        )
        if process.wait() != 0:
            raise ServicesError(f"airflow db migrate failed; read {here.logs / 'airflow-migrate.log'}")
        stamp.write_text(version)

    def _start(self, name: str) -> None:
        here = self.surroundings
        log = here.logs / f"{name}.log"
        if name == "postgres" and here.postgres is not None:
            self.children[name] = spawn(here.postgres.command(), log=log, user=here.postgres.user)
        elif name == "vendors":
            command = [sys.executable, "-m", "avoir", "demo", "serve"]
            self.children[name] = spawn(command, log=log, environment=here.environment)
        else:
            self.children[name] = spawn(list(AIRFLOW_COMMANDS[name]), log=log, environment=here.environment)
        leaders = [child.pid for child in self.children.values()]
        write_private(here.run_directory / "children.json", json.dumps(leaders) + "\n")

    def _await(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if self.stopping or self._is_orphan():
                raise ServicesError("stopped while starting")
            if time.monotonic() > deadline:
                raise ServicesError(f"{name} did not come up; read {self.surroundings.logs / name}.log")
            self._restart_the_dead()
            time.sleep(0.1)

    def _restart_the_dead(self) -> None:
        for name, child in list(self.children.items()):
            if self.stopping or child.poll() is None:
                continue
            count = self.restarts[name] = self.restarts.get(name, 0) + 1
            print(f"{name} ended with {child.returncode}; start {count}", flush=True)
            if name != "postgres":
                _signal_group(child, signal.SIGKILL)
            time.sleep(min(0.5 * count, 10))
            self._start(name)

    def _end_all(self) -> None:
        """All at once, but Postgres after everything that writes to it."""
        others = [name for name in self.children if name != "postgres"]
        for name in others:
            _signal_group(self.children[name], signal.SIGTERM)
        deadline = time.monotonic() + 10
        for name in others:
            self._await_end(name, deadline - time.monotonic(), signal.SIGKILL)
            # Workers that outlived their parent.
            _signal_group(self.children[name], signal.SIGKILL)
        if "postgres" in self.children:
            self.children["postgres"].send_signal(signal.SIGINT)
            self._await_end("postgres", 60, signal.SIGQUIT)

    def _await_end(self, name: str, seconds: float, otherwise: signal.Signals) -> None:
        child = self.children[name]
        try:
            child.wait(timeout=max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            _signal_group(child, otherwise)
            child.wait(timeout=30)

    def _report(self, phase: str, error: str = "") -> None:
        state = {
            "pid": os.getpid(),
            "owner": self.owner,
            "phase": phase,
            "error": error,
            "children": {name: child.pid for name, child in self.children.items()},
        }
        write_private(self.surroundings.run_directory / "state.json", json.dumps(state) + "\n")
        print(phase, error, flush=True)


def answers(url: str) -> bool:
    """Whether an HTTP address on loopback answers below 500.

    Where nothing listens on a port of the range the kernel picks from, a connection can meet itself and be
    answered with its own request; that is no answer.
    """
    try:
        with urlopen(url, timeout=2) as response:  # noqa: S310 - loopback address made here
            return int(response.status) < 500
    except (URLError, OSError, HTTPException):
        return False


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def _write_airflow_login(here: Surroundings) -> None:
    write_private(
        here.settings.profile_home / "airflow" / "passwords.json",
        json.dumps({LOGIN: here.warehouse.passwords["airflow_login"]}) + "\n",
    )


def main(profile: str, owner: str, starter: int) -> None:
    """Entry of the supervisor process; leaves it to another supervisor when there is one."""
    surroundings = surroundings_of(Settings.from_environment(profile=profile))
    for _ in range(50):
        with locked(surroundings.run_directory / "supervisor.lock", wait=False) as mine:
            if mine:
                Supervisor(surroundings, owner, starter).run()
                return
        # A command that asked the database something holds the lock for a moment.
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
