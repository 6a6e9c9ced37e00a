"""Tables that builds add to stand for the models and calendars that made them; when these change, they go.

A nightly build computes what was touched and leaves the rest (``dbt_project/macros/increments.sql``). That
is right only while the same code would compute the rest again. So the hash of the models and of the library
is kept with the warehouse; a build by other code, or on a calendar that opens otherwise than before, finds
no table to add to and makes every one anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from avoir.contracts.proofs import code_sha256
from avoir.warehouse import Warehouse

_INCREMENTAL = re.compile(r"materialized\s*=\s*'incremental'")
_ROOMS = {"fct": "facts", "int": "intermediate", "built": "builds"}


@contextmanager
def one_build(warehouse: Warehouse, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the warehouse's models for the length of the block; a build that is under way is waited for.

    Two builds at once would both take out what was touched, and both put it back. The lock belongs to a
    connection, so it goes with whoever held it.

    Args:
        warehouse: where the models are.
        tell: hears that another build is waited for.
    """
    with warehouse.connect("avoir_transformer") as connection:
        connection.autocommit = True
        taken = connection.execute("select pg_try_advisory_lock(hashtext('avoir.build'))").fetchone()
        if taken != (True,):
            tell("another build is under way; waiting for its end")
            connection.execute("select pg_advisory_lock(hashtext('avoir.build'))")
        yield


def incremental_models(project: Path) -> list[str]:
    """Return the models that builds add to, as ``schema.table``, in byte order."""
    names = [
        path.stem
        for path in (project / "models").rglob("*.sql")
        if _INCREMENTAL.search(path.read_text(encoding="utf-8"))
    ]
    return sorted(f"{_ROOMS[name.split('_')[0]]}.{name}" for name in names)


def drop_increments(connection: psycopg.Connection, project: Path) -> list[str]:
    """Drop every table that builds add to; returns those that were there. Does not commit."""
    dropped = []
    for name in incremental_models(project):
        found = connection.execute("select to_regclass(%s) is not null", (name,)).fetchone()
        if found == (True,):
            table = sql.Identifier(*name.split("."))
            connection.execute(sql.SQL("drop table {} cascade").format(table))
            dropped.append(name)
    return dropped


def drop_what_changed(
    connection: psycopg.Connection, project: Path, *, restated_calendars: Sequence[str]
) -> list[str]:
    """Drop the tables that builds add to unless the code and calendars of the last build still hold.

    Commits. Returns what was dropped, as ``schema.table``; the next build makes it anew.

    Args:
        connection: a connection of the role that owns the tables (``avoir_transformer``).
        project: the dbt project.
        restated_calendars: calendars that open otherwise than before on a day that they had.
    """
    code = code_sha256(project)
    with connection.transaction():
        last = connection.execute(
            "select code_sha256 from checks.increments order by increment_no desc limit 1"
        ).fetchone()
        if last == (code,) and not restated_calendars:
            return []
        dropped = drop_increments(connection, project)
        connection.execute(
            "insert into checks.increments (code_sha256, restated_calendars) values (%s, %s)",
            (code, list(restated_calendars)),
        )
    return dropped
