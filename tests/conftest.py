"""Fixtures shared by all tests: a real Postgres, and the third-party data where it is."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest

from avoir.postgres import EmbeddedPostgres, embedded, free_port

CHECKOUT = Path(__file__).resolve().parents[1]

# What nights are held to stands beside the tests that share them; pytest shows what it knows of tests only.
pytest.register_assert_rewrite("tests.warehouse.redmine_nights")

# How long an example takes says more of the tests beside it; hypothesis' own profile for CI agrees.
if "CI" not in os.environ:
    hypothesis.settings.register_profile("beside_others", deadline=None)
    hypothesis.settings.load_profile("beside_others")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, beside its fixtures, unless they name a group of their own."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The embedded server, made for this test session and removed after it."""
    home = tmp_path_factory.mktemp("postgres")
    server = embedded(home, free_port(0), uuid.uuid4().hex)
    try:
        with server.running(home / "postgres.log"):
            yield server
    finally:
        server.destroy()


@pytest.fixture
def warehouse_dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """URL of an empty database of its own, as the administrator."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template template0')
        yield postgres_server.url(name)
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party data; a user without it skips, CI without it fails."""
    path = Path(os.environ.get("AVOIR_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    if not path.is_dir():
        reason = f"the third-party data is not at {path}; set AVOIR_SHARED_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
