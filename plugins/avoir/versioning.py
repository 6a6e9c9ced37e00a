"""Versions of what a month shows: the tables that belong to a month, and the hash of its rows in them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg import sql

Key = tuple[str, date, str]
"""A month of the mart: vendor, first day, currency."""


@dataclass(frozen=True)
class Published:
    """A published table: where its candidate is, and the columns that say which month a row belongs to."""

    name: str
    candidate: str
    key: str


MONTHLY = (
    Published("mart_vendor_month", "candidate.mart_vendor_month", "vendor_id"),
    Published("fct_penalty_lines", "penalties.fct_penalty_lines", "penalty_line_id"),
)


def version_of_month(connection: psycopg.Connection, schema: str, key: Key) -> str | None:
    """Hash of what a month shows in ``mart`` or as a ``candidate``; None when it shows nothing.

    The candidate's columns are compared on both sides, so a column that a release added counts as a change.
    """
    digest = hashlib.sha256()
    seen = False
    for table in MONTHLY:
        relation = f"mart.{table.name}" if schema == "mart" else table.candidate
        statement = sql.SQL(
            """
            select row({columns})::text as shown from {relation}
            where vendor_id = %s and month_date = %s and currency = %s
            order by row({columns})::text collate "C"
            """
        ).format(
            columns=columns_of(connection, table.candidate),
            relation=sql.SQL(relation),
        )
        for (text,) in connection.execute(statement, key):
            seen = True
            digest.update(text.encode() + b"\n")
        digest.update(b"--\n")
    return digest.hexdigest() if seen else None


def columns_of(connection: psycopg.Connection, candidate: str) -> sql.Composed:
    """The columns of a candidate table (``schema.name``), in order, for a select or an insert."""
    schema, name = candidate.split(".")
    rows = connection.execute(
        """
        select column_name from information_schema.columns where table_schema = %s and table_name = %s
        order by ordinal_position
        """,
        (schema, name),
    ).fetchall()
    return sql.SQL(", ").join(sql.Identifier(column) for (column,) in rows)
