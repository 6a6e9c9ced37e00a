"""Questions to the warehouse, and the shape of their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

#: Most rows of each kind that are shown unless asked otherwise; all are counted.
LIMIT = 200

Row = dict[str, Any]


class UnknownRecordError(RuntimeError):
    """What was asked for is not there; the message says how to find what is."""


class Asking:
    """Questions to the warehouse on one read-only connection; rows come as dictionaries."""

    def __init__(self, connection: psycopg.Connection, *, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the limit must be at least 1, got {limit}")
        self.connection = connection
        self.limit = limit

    def rows(
        self, statement: LiteralString | sql.Composed, values: Sequence[object] | Mapping[str, object] = ()
    ) -> list[Row]:
        """All rows of a query."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, values).fetchall()

    def row(
        self, statement: LiteralString | sql.Composed, values: Sequence[object] | Mapping[str, object] = ()
    ) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def bounded(
        self, statement: LiteralString, values: Sequence[object] | Mapping[str, object] = ()
    ) -> tuple[list[Row], int]:
        """The first rows of a query, as many as are shown, and how many there are."""
        counted = sql.SQL("select *, count(*) over () as _total from ({}) as asked limit {}").format(
            sql.SQL(statement), sql.Literal(self.limit)
        )
        found = self.rows(counted, values)
        total = found[0]["_total"] if found else 0
        return [{name: value for name, value in row.items() if name != "_total"} for row in found], total


def require_published(asking: Asking) -> None:
    """Refuse to answer while there is nothing to explain.

    Raises:
        RuntimeError: nothing was ever published; the message says what to run.
    """
    found = asking.row(
        "select to_regclass('mart.fct_penalty_lines') is not null "
        "and to_regclass('audit.credit_evidence') is not null as is_there"
    )
    if found is None or not found["is_there"]:
        raise RuntimeError("nothing is published yet; `avoir run` first.")


def as_plain(value: Any) -> Any:
    """A value as JSON keeps it: numbers with a point and all amounts as text, instants in UTC with a Z."""
    if isinstance(value, Mapping):
        return {str(name): as_plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(one) for one in value]
    if isinstance(value, Decimal):
        text = format(value, "f")
        # Zeros that a quotient leaves behind say nothing; those of an amount are its minor units.
        return text.rstrip("0").rstrip(".") if len(text.partition(".")[2]) > 4 else text
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value
