"""A scratch warehouse beside the real one: the same models over other contracts; nothing published changes.

Its schemas have a prefix of their own in the same database and go when the block ends; those of a run that
was killed go with the next one.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from avoir.contracts.loading import create_reference
from avoir.contracts.planting import RAW_COLUMNS
from avoir.contracts.rows import COLUMNS, PARTS_OF_A_VERSION, Tables
from avoir.modelling import run_dbt
from avoir.sources.register import RAW_SCHEMAS, RAW_TABLES

PRICED = "+fct_penalty_lines"
"""What a scratch build selects: the penalty lines and all that they are made of."""

_ANY_PREFIX = "scratch_"
_WITHOUT_VERSION = ("vendors", "calendars", "calendar_days")


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


def believe_again(
    scratch: Scratch, *, contract_version_ids: Sequence[str], as_of: datetime, raw_batches: str
) -> None:
    """Fill a scratch warehouse with what the real one knew at a build: raw rows of its batches, its terms.

    Args:
        scratch: a scratch warehouse with raw schemas of its own.
        contract_version_ids: the versions that were in force.
        as_of: the instant of that build; beliefs of indices and exclusions are those held at it.
        raw_batches: ids of the batches that had landed, as the text of a Postgres ``int8multirange``.
    """
    connection = scratch.connection
    for name in RAW_TABLES:
        _replace_by_view(connection, scratch.prefix, name, "_batch_id", raw_batches)
    _replace_by_view(connection, scratch.prefix, "loads.batches", "batch_id", raw_batches)
    versions = list(contract_version_ids)
    for name in _WITHOUT_VERSION:
        _fill(connection, scratch.prefix, name, sql.SQL(""))
    _fill(
        connection,
        scratch.prefix,
        "contract_versions",
        sql.SQL(
            """
            where contract_version_id = any({versions}) and recorded_at = (
                select max(o.recorded_at) from reference.contract_versions o
                where o.contract_version_id = t.contract_version_id and o.recorded_at <= {as_of}
            )
            """
        ).format(versions=sql.Literal(versions), as_of=sql.Literal(as_of)),
        unsuperseded=True,
    )
    in_force = sql.SQL("where contract_version_id = any({})").format(sql.Literal(versions))
    known = sql.SQL("where recorded_at <= {0} and (superseded_at is null or superseded_at > {0})").format(
        sql.Literal(as_of)
    )
    for name in _tables_of_reference(connection):
        columns = _columns_of(connection, "reference", name)
        if name in {*_WITHOUT_VERSION, "contract_versions", "proofs", "proof_failures"}:
            continue
        if "superseded_at" in columns:
            _fill(connection, scratch.prefix, name, known, unsuperseded=True)
        elif "contract_version_id" in columns:
            _fill(connection, scratch.prefix, name, in_force)
        else:
            _fill(connection, scratch.prefix, name, sql.SQL(""))
    connection.commit()


def _tables_of_reference(connection: psycopg.Connection) -> list[str]:
    """Tables of the contracts, a table that another one refers to before it."""
    rows = connection.execute(
        """
        with recursive ranked as (
            select oid, 0 as depth from pg_class
            where relnamespace = 'reference'::regnamespace and relkind = 'r'
            union
            select c.conrelid, r.depth + 1 from ranked r
            join pg_constraint c on c.contype = 'f' and c.confrelid = r.oid and c.conrelid <> c.confrelid
        )

        select relname::text from ranked join pg_class using (oid)
        where relnamespace = 'reference'::regnamespace
        group by relname order by max(depth), relname
        """
    ).fetchall()
    return [name for (name,) in rows]


def _columns_of(connection: psycopg.Connection, schema: str, table: str) -> list[str]:
    rows = connection.execute(
        "select column_name::text from information_schema.columns where table_schema = %s and table_name = %s"
        " and is_generated = 'NEVER' and is_identity = 'NO' order by ordinal_position",
        (schema, table),
    ).fetchall()
    return [name for (name,) in rows]


def _fill(
    connection: psycopg.Connection,
    prefix: str,
    table: str,
    where: sql.Composable,
    *,
    unsuperseded: bool = False,
) -> None:
    columns = _columns_of(connection, "reference", table)
    if unsuperseded:
        columns.remove("superseded_at")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    connection.execute(
        sql.SQL("insert into {target} ({names}) select {names} from {source} t {where}").format(
            target=sql.Identifier(f"{prefix}reference", table),
            source=sql.Identifier("reference", table),
            names=names,
            where=where,
        )
    )
    connection.execute(sql.SQL("analyze {}").format(sql.Identifier(f"{prefix}reference", table)))


def _replace_by_view(
    connection: psycopg.Connection, prefix: str, table: str, key: str, raw_batches: str
) -> None:
    schema, name = table.split(".")
    view = sql.Identifier(prefix + schema, name)
    connection.execute(sql.SQL("drop table {}").format(view))
    connection.execute(
        sql.SQL("create view {} as select * from {} where {} <@ {}::int8multirange").format(
            view, sql.Identifier(schema, name), sql.Identifier(key), sql.Literal(raw_batches)
        )
    )


def _create_raw(connection: psycopg.Connection, prefix: str) -> None:
    for schema in RAW_SCHEMAS:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(prefix + schema)))
    for system, table in RAW_TABLES.values():
        connection.execute(
            sql.SQL("create table {} (like {})").format(
                sql.Identifier(prefix + system.schema, table.name),
                sql.Identifier(system.schema, table.name),
            )
        )
    loads = sql.Identifier(f"{prefix}loads")
    connection.execute(sql.SQL("create schema {}").format(loads))
    connection.execute(sql.SQL("create table {}.batches (like loads.batches)").format(loads))
    missing = [name for name in RAW_COLUMNS if name not in RAW_TABLES]
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
