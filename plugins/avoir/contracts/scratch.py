"""A scratch warehouse beside the real one: the same models over other contracts; nothing published changes.

Its schemas have a prefix of their own in the same database and go when the block ends; those of a run that
was killed go with the next one.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from avoir.contracts.loading import create_reference
from avoir.contracts.planting import RAW_COLUMNS
from avoir.contracts.rows import COLUMNS, PARTS_OF_A_VERSION, Tables
from avoir.modelling import run_dbt
from avoir.sources.register import SYSTEMS

PRICED = "+fct_penalty_lines"
"""What a scratch build selects: the penalty lines and all that they are made of."""

_ANY_PREFIX = "scratch_"


@dataclass(frozen=True)
class Scratch:
    """Scratch schemas and how dbt finds them."""

    connection: psycopg.Connection
    prefix: str
    environment: Mapping[str, str]
    project: Path
    target: Path

    def copy(self, table: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        """Copy rows into a table of the scratch warehouse, named ``schema.table`` without the prefix."""
        schema, name = table.split(".")
        copying = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(self.prefix + schema, name), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self.connection.cursor() as cursor, cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row(row)
        self.connection.execute(sql.SQL("analyze {}").format(sql.Identifier(self.prefix + schema, name)))

    def load_reference(self, tables: Tables) -> None:
        """Load rows of the reference tables, parents first, with each case's own instant."""
        for table in ("contract_versions", "services", *reversed(PARTS_OF_A_VERSION), *COLUMNS):
            rows = tables.pop(table, None)
            if rows:
                own_instant = table == "contract_versions" and len(rows[0]) > len(COLUMNS[table])
                columns = (*COLUMNS[table], "judged_as_of") if own_instant else COLUMNS[table]
                self.copy(f"reference.{table}", columns, rows)

    def build(self, *, as_of: str, select: str = PRICED) -> None:
        """Run the models up to the penalty lines.

        Raises:
            ModellingError: dbt failed; the message carries the end of its log.
        """
        self.connection.commit()
        arguments = ["run", "--select", select, "--vars", json.dumps({"as_of": as_of})]
        run_dbt(
            [*arguments, "--target-path", str(self.target)],
            project=self.project,
            environment=self.environment,
        )

    def rows(self, statement: str) -> list[dict[str, object]]:
        """Return the rows of a query in which ``{p}`` stands for the prefix."""
        with self.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            cursor.execute(statement.replace("{p}", self.prefix).encode())
            return cursor.fetchall()


@contextmanager
def scratch_warehouse(
    url: str, environment: Mapping[str, str], *, project: Path, own_raw: bool
) -> Iterator[Scratch]:
    """Scratch schemas for the length of the block.

    Args:
        url: the warehouse as a role that may make schemas and read raw rows (``avoir_transformer``).
        environment: how dbt reaches the same warehouse.
        project: the dbt project.
        own_raw: raw tables of its own, empty; else the models read what really landed.

    Raises:
        psycopg.Error: the database refused.
    """
    prefix = f"{_ANY_PREFIX}{uuid.uuid4().hex[:8]}_"
    with (
        psycopg.connect(url, application_name="avoir scratch") as connection,
        tempfile.TemporaryDirectory(prefix=prefix) as target,
    ):
        connection.execute("select pg_advisory_lock(hashtext(%s))", (prefix,))
        _drop_abandoned(connection)
        try:
            create_reference(connection, prefix=prefix)
            if own_raw:
                _create_raw(connection, prefix)
            connection.commit()
            names = {"AVOIR_DBT_SCHEMA_PREFIX": prefix, "AVOIR_DBT_RAW_PREFIX": prefix if own_raw else ""}
            yield Scratch(connection, prefix, {**environment, **names}, project, Path(target))
        finally:
            connection.rollback()
            _drop(connection, prefix)
            connection.commit()


def _create_raw(connection: psycopg.Connection, prefix: str) -> None:
    for system in SYSTEMS:
        schema = prefix + system.schema
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        for table in system.tables:
            connection.execute(
                sql.SQL("create table {} (like {})").format(
                    sql.Identifier(schema, table.name), sql.Identifier(system.schema, table.name)
                )
            )
    loads = sql.Identifier(f"{prefix}loads")
    connection.execute(sql.SQL("create schema {}").format(loads))
    connection.execute(sql.SQL("create table {}.batches (like loads.batches)").format(loads))
    missing = [name for name in RAW_COLUMNS if name.split(".")[0] not in {s.schema for s in SYSTEMS}]
    assert not missing, missing


def _drop_abandoned(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        r"""
        select distinct substring(nspname from '^scratch_[0-9a-f]{8}_') from pg_namespace
        where nspname ~ '^scratch_[0-9a-f]{8}_' and nspowner = current_user::regrole
        """
    ).fetchall()
    for (prefix,) in rows:
        alone = connection.execute("select pg_try_advisory_lock(hashtext(%s))", (prefix,)).fetchone()
        if alone == (True,):
            _drop(connection, prefix)
            connection.execute("select pg_advisory_unlock(hashtext(%s))", (prefix,))
    connection.commit()


def _drop(connection: psycopg.Connection, prefix: str) -> None:
    rows = connection.execute(
        "select nspname::text from pg_namespace where starts_with(nspname::text, %s)", (prefix,)
    ).fetchall()
    for (schema,) in rows:
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        connection.commit()
