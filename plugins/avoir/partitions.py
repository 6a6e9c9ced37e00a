"""The months of raw tables that are partitioned by the UTC month of an instant."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql

from avoir.sources.model import Table, month_start


def create_partitions(
    connection: psycopg.Connection, schema: str, table: Table, first: datetime, last: datetime
) -> None:
    """Make the months from that of ``first`` to that of ``last``, both in UTC, as far as they are missing.

    Made apart and attached, because ``create table ... partition of`` would lock out every reader.
    """
    start = month_start(first.year, first.month)
    while start <= last:
        end = month_start(start.year + start.month // 12, start.month % 12 + 1)
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
