"""Entries for an ERP: ``finance.credit_entries`` after a cursor, as CSV (RFC 4180) or JSON lines.

A spreadsheet reads a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula. Such texts get an
apostrophe in front in CSV, as OWASP advises; amounts and numbers are left alone. JSON keeps texts as is.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import IO, Any

import psycopg

#: The promise: more columns may come at the end, none is renamed or dropped.
COLUMNS = (
    "entry_no",
    "entry_kind",
    "vendor_id",
    "contract_id",
    "clause_id",
    "month_date",
    "amount",
    "currency",
    "penalty_line_id",
    "entry_sha256",
    "posted_month_date",
    "ledger_entry_no",
    "corrects_ledger_entry_no",
    "reason",
)

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(connection: psycopg.Connection, stream: IO[str], *, after: int, as_csv: bool) -> int:
    """Write the entries whose number is above ``after``, by number; returns the last number, else ``after``.

    The stream must not translate line ends: CSV ends its lines with CRLF, with a header also when empty.
    """
    last = after
    writer = csv.writer(stream, lineterminator="\r\n")
    if as_csv:
        writer.writerow(COLUMNS)
    for row in _rows(connection, after):
        if as_csv:
            writer.writerow([_cell(value) for value in row])
        else:
            written = {name: _plain(value) for name, value in zip(COLUMNS, row, strict=True)}
            stream.write(json.dumps(written, ensure_ascii=False) + "\n")
        last = row[0]
    return last


def _rows(connection: psycopg.Connection, after: int) -> Iterator[tuple[Any, ...]]:
    query = f"select {', '.join(COLUMNS)} from finance.credit_entries where entry_no > %s order by entry_no"  # noqa: S608
    yield from connection.execute(query, (after,))


def _plain(value: object) -> object:
    """Amounts as plain decimals, dates as ISO 8601; text and whole numbers as they are."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return "" if value is None else _plain(value)
