"""The raw tables of every system of the register, the months of those that are partitioned, and ``loads``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import psycopg
from psycopg import sql

from avoir.sources.model import System, Table, month_after, month_start
from avoir.sources.register import RAW_SCHEMAS, RAW_TABLES

_LOADS_DDL = """
create table if not exists loads.batches (
    batch_id bigint generated always as identity primary key,
    source_name text not null,
    system text not null,
    window_from timestamptz not null,
    window_to timestamptz not null,
    rows_read integer not null,
    rows_landed integer not null,
    rows_duplicate integer not null,
    rows_rejected integer not null,
    dag_run_id text,
    started_at timestamptz not null,
    landed_at timestamptz not null default now(),
    landed_from timestamptz,
    landed_to timestamptz,
    check (window_from < window_to),
    check (rows_read = rows_landed + rows_duplicate + rows_rejected)
);
comment on table loads.batches is
'One row per loaded window of a source; every raw row names the batch it came with.';
comment on column loads.batches.landed_from is
'The first instant of a monitor''s sample that the batch landed; the window''s end where it landed none.';
comment on column loads.batches.landed_to is 'Right after the last such instant; the window''s end for none.';

create table if not exists loads.files (
    file_id bigint generated always as identity primary key,
    batch_id bigint not null references loads.batches,
    source_name text not null,
    file_name text not null,
    sha256 text not null,
    size_bytes bigint not null,
    unique (source_name, sha256)
);
comment on table loads.files is
'One row per distinct file content of a source, under the name it first had.';

create table if not exists loads.rejected (
    rejected_id bigint generated always as identity primary key,
    batch_id bigint not null references loads.batches,
    source_name text not null,
    table_name text not null,
    source_file_id bigint references loads.files,
    source_row bigint,
    reason_code text not null,
    reason text not null,
    payload text not null,
    settled_by bigint references loads.batches
);
create unique index if not exists rejected_once
on loads.rejected (source_name, table_name, md5(payload), reason_code);
comment on table loads.rejected is
'One row per distinct record that was not landed, with its stable reason code and a reason for people.';
comment on column loads.rejected.settled_by is
'The batch that read the same stretch again and was not given the record as it was; null while it waits.';

create table if not exists loads.watermarks (
    source_name text primary key,
    system text not null,
    vendor_id text,
    watermark timestamptz not null
);
comment on table loads.watermarks is
'One row per source: everything before the watermark has landed.';

create table if not exists loads.fields (
    source_name text not null,
    field text not null,
    parent text not null,
    kinds text[] not null,
    first_in bigint not null references loads.batches,
    last_in bigint not null references loads.batches,
    came_in bigint references loads.batches,
    went_in bigint references loads.batches,
    changed_in bigint references loads.batches,
    is_optional boolean not null default false,
    primary key (source_name, field)
);
comment on table loads.fields is
'One row per field of a vendor''s records, whether it is read or not: what came, went or got another kind.';
"""


def create_raw(connection: psycopg.Connection) -> None:
    """Create every raw schema and table of the register and ``loads``. Idempotent.

    Run it as the role that loads: partitions of samples are made on demand and need their owner. Where
    the schemas exist already the role needs no right to make schemas.
    """
    for schema in ("loads", *RAW_SCHEMAS):
        found = connection.execute("select to_regnamespace(%s) is not null", (schema,)).fetchone()
        if found is None or not found[0]:
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    _upgrade_loads(connection)
    connection.execute(_LOADS_DDL)
    for system, table in RAW_TABLES.values():
        for statement in _table_ddl(system, table):
            connection.execute(statement)
        _add_missing_columns(connection, system, table)
        _expect_no_hash(connection, system, table)


def _expect_no_hash(connection: psycopg.Connection, system: System, table: Table) -> None:
    """Let rows of an earlier release's partitioned table come without the hash that they were given then.

    Once: it waits for all who read the table.
    """
    name = f"{system.schema}.{table.name}"
    expected = connection.execute(
        """
        select 1 from pg_attribute
        where attrelid = to_regclass(%s) and attname = '_row_hash' and attnotnull
        """,
        (name,),
    ).fetchone()
    if table.partition and expected:
        statement = sql.SQL("alter table {} alter column _row_hash drop not null")
        connection.execute(statement.format(sql.Identifier(system.schema, table.name)))


def _upgrade_loads(connection: psycopg.Connection) -> None:
    """Give the tables of an earlier release the columns that were added since."""
    present = _present_columns(connection, "loads.batches")
    for name in ("landed_from", "landed_to"):
        if present and name not in present:
            statement = sql.SQL("alter table loads.batches add column {} timestamptz")
            connection.execute(statement.format(sql.Identifier(name)))
    present = _present_columns(connection, "loads.rejected")
    if present and "settled_by" not in present:
        connection.execute("alter table loads.rejected add column settled_by bigint references loads.batches")


def _present_columns(connection: psycopg.Connection, table: str) -> set[str]:
    rows = connection.execute(
        "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0", (table,)
    ).fetchall()
    return {name for (name,) in rows}


def _add_missing_columns(connection: psycopg.Connection, system: System, table: Table) -> None:
    """Add what a later release reads to the table of an earlier one; its old rows have null there."""
    present = _present_columns(connection, f"{system.schema}.{table.name}")
    missing = [column for column in table.columns if column.name not in present]
    if missing:
        clauses = sql.SQL(", ").join(
            sql.SQL("add column {} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
            for column in missing
        )
        name = sql.Identifier(system.schema, table.name)
        connection.execute(sql.SQL("alter table {} {}").format(name, clauses))


def raw_ddl() -> str:
    """The SQL of :func:`create_raw` as text, for review and for other tools."""
    statements = ["create schema if not exists loads;", _LOADS_DDL.strip()]
    statements += [f"create schema if not exists {schema};" for schema in RAW_SCHEMAS]
    for system, table in RAW_TABLES.values():
        statements += [f"{statement.as_string(None)};" for statement in _table_ddl(system, table)]
    return "\n".join(statements) + "\n"


def _table_ddl(system: System, table: Table) -> Iterator[sql.Composed]:
    name = sql.Identifier(system.schema, table.name)
    columns = [
        *(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in table.metadata_columns.items()),
        *(
            sql.SQL("{} {}").format(
                sql.Identifier(c.name),
                sql.SQL(c.type if c.name != table.partition else f"{c.type} not null"),
            )
            for c in table.columns
        ),
    ]
    partitioning: sql.Composable = sql.SQL("")
    if table.partition:
        partitioning = sql.SQL(" partition by range ({})").format(sql.Identifier(table.partition))
    yield sql.SQL("create table if not exists {} ({}){}").format(
        name, sql.SQL(", ").join(columns), partitioning
    )
    if not table.partition:
        yield sql.SQL("create index if not exists {} on {} (_row_hash, _source_name)").format(
            sql.Identifier(f"{table.name}_row_hash"), name
        )
        # What landed since the last build is found by its batch, in a partitioned table by its window.
        yield sql.SQL("create index if not exists {} on {} (_batch_id)").format(
            sql.Identifier(f"{table.name}_batch"), name
        )
    else:
        # Rows lie in the order of their key within a load, so that a small summary of each stretch of pages
        # finds a sample: an index entry for each would cost the load several times what the samples do.
        yield sql.SQL(
            "create index if not exists {} on {} using brin ({}, _batch_id) "
            "with (pages_per_range = 12, autosummarize = on)"
        ).format(
            sql.Identifier(f"{table.name}_stretches"),
            name,
            sql.SQL(", ").join(map(sql.Identifier, table.key)),
        )
    if table.subject:
        yield sql.SQL("create index if not exists {} on {} ({})").format(
            sql.Identifier(f"{table.name}_subject"), name, sql.Identifier(table.subject)
        )
    versions = "never changes" if table.updated is None else f"versions ordered by {table.updated}"
    comment = (
        f"Append-only, as the vendor gave it: one row per version of {', '.join(table.key)} ({versions})."
    )
    yield sql.SQL("comment on table {} is {}").format(name, sql.Literal(comment))


def create_partitions(
    connection: psycopg.Connection, schema: str, table: Table, first: datetime, last: datetime
) -> None:
    """Make the months from that of ``first`` to that of ``last``, both in UTC, as far as they are missing.

    Made apart and attached, because ``create table ... partition of`` would lock out every reader.
    """
    start = month_start(first.year, first.month)
    while start <= last:
        end = month_after(start)
        name = f"{table.name}_{start:%Y_%m}"
        if not _exists(connection, schema, name):
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"avoir.partition.{schema}.{table.name}",),
            )
        if not _exists(connection, schema, name):
            partition, parent = sql.Identifier(schema, name), sql.Identifier(schema, table.name)
            connection.execute(sql.SQL("create table {} (like {})").format(partition, parent))
            connection.execute(
                sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
                    parent, partition, sql.Literal(start), sql.Literal(end)
                )
            )
        start = end


def _exists(connection: psycopg.Connection, schema: str, name: str) -> bool:
    # Not to_regclass, which may answer from a cache that does not know yet what another load just made.
    row = connection.execute(
        """
        select 1
        from pg_catalog.pg_class
        join pg_catalog.pg_namespace on pg_namespace.oid = pg_class.relnamespace
        where pg_namespace.nspname = %s and pg_class.relname = %s
        """,
        (schema, name),
    ).fetchone()
    return row is not None
