"""Two builds never work on the models at once, and one that died holds nothing."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import psycopg
import pytest

from avoir.increments import one_build
from avoir.postgres import EmbeddedPostgres
from tests.warehouse.conftest import BareWarehouse

pytestmark = pytest.mark.warehouse


def test_a_second_build_says_that_it_waits_and_begins_when_the_first_has_ended(
    bare_warehouse: BareWarehouse,
) -> None:
    told: list[str] = []
    waits, begun = threading.Event(), threading.Event()

    def hear(line: str) -> None:
        told.append(line)
        waits.set()

    def second() -> None:
        with one_build(bare_warehouse.warehouse, hear):
            begun.set()

    other = threading.Thread(target=second)
    with one_build(bare_warehouse.warehouse, pytest.fail):
        other.start()
        assert waits.wait(20)
        assert not begun.wait(0.5)
    other.join(20)
    assert begun.is_set()
    assert told == ["another build is under way; waiting for its end"]


def test_a_build_whose_process_died_holds_nobody_up(bare_warehouse: BareWarehouse) -> None:
    with one_build(bare_warehouse.warehouse, pytest.fail):
        with psycopg.connect(bare_warehouse.warehouse.admin_url, autocommit=True) as connection:
            # What the server does when the other end of a connection is gone.
            connection.execute(
                "select pg_terminate_backend(pid, 10000) from pg_locks"
                " where locktype = 'advisory' and granted and database ="
                " (select oid from pg_database where datname = current_database())"
            )
        with one_build(bare_warehouse.warehouse, pytest.fail):
            pass


def test_a_server_on_ones_port_that_is_another_ones_is_no_answer(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    mine = dataclasses.replace(postgres_server, data=tmp_path / "postgres" / "data")
    assert postgres_server.is_ready()
    assert not mine.is_ready()
