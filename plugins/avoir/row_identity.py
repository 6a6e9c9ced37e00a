"""What makes two raw rows the same row: the content of their hashed columns.

A table of records keeps it as ``_row_hash``, which evidence cites and by which a row is found. In a table of
samples, which is partitioned, a row is found by its instant and monitor; the hash is computed there when
somebody asks for it. Kept, it cost a load half of its time and the table a third of its size.
"""

from __future__ import annotations

from psycopg import sql

from avoir.sources.model import Column, Table


def computed(table: Table, of: str | None = None) -> sql.Composed:
    """128 bits of SHA-256 over the hashed columns; nulls differ from empty text, lengths keep cells apart.

    The columns are those ``of`` a table of that name in the query, or bare names.
    """
    cells = [_cell(column, of) for column in table.columns if column.hashed]
    return sql.SQL(
        "left(encode(sha256(convert_to(concat_ws('|', {}), 'UTF8')), 'hex'), 32) collate \"C\""
    ).format(sql.SQL(", ").join(cells))


def of_raw(table: Table) -> sql.Composable:
    """The hash of a row of the table, which the query calls ``raw``."""
    return computed(table, "raw") if table.partition else sql.SQL("raw._row_hash")


def function_of(table: Table, name: sql.Identifier) -> sql.Composed:
    """The statement that makes a function of the table's columns which computes the hash."""
    parameters = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type)) for column in table.columns
    )
    return sql.SQL(
        "create or replace function {name}({parameters}) returns text language sql stable"
        " as $$ select {hash} $$"
    ).format(name=name, parameters=parameters, hash=computed(table))


def _cell(column: Column, of: str | None) -> sql.Composed:
    name = sql.Identifier(column.name) if of is None else sql.Identifier(of, column.name)
    if column.type == "text":
        return sql.SQL("coalesce(length({column}::text) || ':' || {column}::text, '-')").format(column=name)
    if column.type == "timestamptz":
        # Whose text would depend on the session's zone.
        return sql.SQL("coalesce(((date_part('epoch', {}) * 1000000)::bigint)::text, '-')").format(name)
    return sql.SQL("coalesce({}::text, '-')").format(name)
