"""A small world loaded, built and published on a real Postgres, without Airflow."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from avoir.demo.server import RunningWorld
from avoir.demo.world import build_world
from avoir.publishing import mart_sha256
from avoir.running import night
from avoir.services import Surroundings, database, surroundings_of
from avoir.settings import DEMO_AS_OF, Settings

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

    @property
    def truth(self) -> Path:
        """The world's known truth."""
        return self.settings.profile_home / "world" / "truth.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishedWarehouse]:
    """Two vendors and three months, published; every module gets its own."""
    before = dict(os.environ)
    os.environ["AVOIR_HOME"] = str(tmp_path_factory.mktemp("warehouse"))
    os.environ["AVOIR_PROFILE"] = "demo"
    settings = Settings.from_environment()
    # Only the vendors of the small world have contracts here.
    contracts = settings.home / "contracts"
    for vendor in VENDORS:
        for path in (settings.contracts_dir / vendor).iterdir():
            target = contracts / vendor / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    settings = dataclasses.replace(settings, contracts_dir=contracts)
    here = surroundings_of(settings)
    world = settings.profile_home / "world"
    paths = build_world(world, vendors=VENDORS, months=MONTHS)
    with RunningWorld(world, port=here.ports["vendors"]) as running:
        os.environ.update(paths.environment(running.url))
        here = surroundings_of(settings)
        with database(here):
            verdicts = night(settings, as_of=DEMO_AS_OF, run_id="first")
            yield PublishedWarehouse(settings, here, DEMO_AS_OF, verdicts)
    if here.postgres is not None:
        here.postgres.destroy()
    os.environ.clear()
    os.environ.update(before)
