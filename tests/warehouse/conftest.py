"""A small world loaded, built and published on a real Postgres, without Airflow."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from avoir.credentials import load_credentials
from avoir.demo.server import RunningWorld
from avoir.demo.world import build_world
from avoir.postgres import EmbeddedPostgres, free_port
from avoir.publishing import mart_sha256, publish
from avoir.running import night
from avoir.services import Surroundings, database, surroundings_of
from avoir.settings import CHECKOUT, DEMO_AS_OF, Settings
from avoir.warehouse import Warehouse, bootstrap

VENDORS = ("helios", "borealis")
MONTHS = 3


@dataclass(frozen=True)
class PublishedWarehouse:
    """A warehouse after one night, and what that night published."""

    settings: Settings
    here: Surroundings
    as_of: datetime
    verdicts: dict[str, int]

    def connect(self, role: str = "auditor") -> psycopg.Connection:
        """A connection as one role."""
        return self.here.warehouse.connect(role)

    def mart_hash(self) -> str:
        """Content hash of what readers see."""
        with self.connect() as connection:
            return mart_sha256(connection)

    def publish_again(self, run_id: str) -> dict[str, int]:
        """Publish the candidates as they are, as if both borders had held."""
        with self.connect("avoir_transformer") as connection:
            for border in ("raw", "mart"):
                connection.execute(
                    """
                    insert into checks.verdicts (run_id, border, table_name, check_name, why, success)
                    values (%s, %s, 'planted', 'planted', 'planted', true)
                    """,
                    (run_id, border),
                )
            connection.commit()
            return publish(connection, as_of=self.as_of, run_id=run_id, built_from=run_id)

    @property
    def truth(self) -> Path:
        """The world's known truth."""
        return self.settings.profile_home / "world" / "truth.json"


@dataclass(frozen=True)
class BareWarehouse:
    """A bootstrapped warehouse in which nothing was ever loaded or built."""

    url: str
    environment: dict[str, str]
    project: Path
    warehouse: Warehouse


@pytest.fixture(scope="module", autouse=True)
def _ports_of_its_own() -> Iterator[None]:
    """Two processes that look for the usual ports at once would both find them free."""
    names = ("AVOIR_POSTGRES_PORT", "AVOIR_AIRFLOW_PORT", "AVOIR_DEMO_PORT")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(free_port(0)) for name in names})
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="module")
def bare_warehouse(
    postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BareWarehouse]:
    """A database of its own on the session's server, with roles, schemas and empty raw tables."""
    home = tmp_path_factory.mktemp("bare")
    name = f"bare_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template template0')
        warehouse = Warehouse(admin_url=postgres_server.url(name), passwords=load_credentials(home))
        bootstrap(warehouse)
        project = CHECKOUT / "dbt_project"
        environment = {
            **os.environ,
            "AVOIR_DBT_HOST": warehouse.host,
            "AVOIR_DBT_PORT": str(warehouse.port),
            "AVOIR_DBT_DATABASE": warehouse.database,
            "AVOIR_DBT_USER": "avoir_transformer",
            "AVOIR_DBT_PASSWORD": warehouse.passwords["avoir_transformer"],
            "DBT_PROFILES_DIR": str(project),
            "DBT_LOG_PATH": str(home / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        }
        yield BareWarehouse(warehouse.url("avoir_transformer"), environment, project, warehouse)
        for database in (warehouse.database, warehouse.airflow_database):
            connection.execute(f'drop database "{database}" with (force)')


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishedWarehouse]:
    """Two vendors and three months, published; every module gets its own."""
    with published_world(tmp_path_factory.mktemp("warehouse")) as one:
        yield one


@contextmanager
def published_world(
    home: Path,
    *,
    vendors: Sequence[str] = VENDORS,
    change: Callable[[Path], Mapping[str, str]] = lambda world: {},
) -> Iterator[PublishedWarehouse]:
    """A world of vendors after one night. ``change`` may alter the world's files, and adds variables."""
    before = dict(os.environ)
    os.environ["AVOIR_HOME"] = str(home)
    os.environ["AVOIR_PROFILE"] = "demo"
    settings = Settings.from_environment()
    # Only the vendors of the small world have contracts here.
    contracts = settings.home / "contracts"
    for vendor in vendors:
        for path in (settings.contracts_dir / vendor).iterdir():
            target = contracts / vendor / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    settings = dataclasses.replace(settings, contracts_dir=contracts)
    here = surroundings_of(settings)
    world = settings.profile_home / "world"
    paths = build_world(world, vendors=vendors, months=MONTHS)
    with RunningWorld(world, port=here.ports["vendors"]) as running:
        os.environ.update(paths.environment(running.url))
        os.environ.update(change(world))
        here = surroundings_of(settings)
        with database(here):
            verdicts = night(settings, as_of=DEMO_AS_OF, run_id="first")
            yield PublishedWarehouse(settings, here, DEMO_AS_OF, verdicts)
    if here.postgres is not None:
        here.postgres.destroy()
    os.environ.clear()
    os.environ.update(before)
