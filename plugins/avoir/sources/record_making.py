"""What makers of raw rows from JSON records have in common: fields as text, instants, and rejections."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeGuard

from avoir.sources.model import Rejected, Table

Made = tuple[str, tuple[str | None, ...]] | Rejected

_UTC_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)
#: Digits that Postgres can keep as a bigint.
_ID = re.compile(r"\d{1,18}", re.ASCII)
#: An instant of another year is a mistake of the instance's.
YEARS = range(1970, 2200)


def text_of(value: object) -> str:
    """A field as text; null is '', what holds more than one value is JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return str(value)


def id_of(value: object) -> str:
    """A record's number as text; '' where it is none that Postgres can keep as a bigint."""
    text = "" if isinstance(value, bool) else text_of(value)
    return text if _ID.fullmatch(text) else ""


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a field is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def inner(record: Mapping[str, object], *names: str) -> object:
    """A field of a record in a record; None where there is none."""
    value: object = record
    for name in names:
        value = value.get(name) if isinstance(value, dict | Mapping) else None
    return value


def utc_instant_of(text: object) -> datetime | None:
    """An instant as ``2026-03-02T10:15:30Z``, with or without a fraction; None for anything else."""
    if not isinstance(text, str) or not _UTC_INSTANT.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.year in YEARS else None


def made(
    table: Table,
    row: Mapping[str, str],
    record: Mapping[str, object],
    *,
    needed: tuple[str, ...],
    instants: tuple[str, ...],
    instant_of: Callable[[object], datetime | None] = utc_instant_of,
) -> Made:
    """The row under its table's name; rejected where a needed column is empty or an instant is none.

    Args:
        table: where the row lands.
        row: a text for each column of the table.
        record: what the vendor gave, for the rejection.
        needed: columns that may not be empty: ``missing_field``.
        instants: columns that are empty or instants: ``bad_instant``.
        instant_of: how the system writes an instant.
    """
    for name in needed:
        if not row[name]:
            return rejected(table, "missing_field", f"{name} is empty", record)
    for name in instants:
        if row[name] and instant_of(row[name]) is None:
            reason = f"{name} is not an instant with its zone: {row[name]!r}"
            return rejected(table, "bad_instant", reason, record)
    return table.name, tuple(row[name] for name in table.column_names)


def rejected(table: Table, code: str, reason: str, record: Mapping[str, object]) -> Rejected:
    """A record that is not landed, whole as JSON."""
    return Rejected(table.name, code, reason, json.dumps(record, sort_keys=True, ensure_ascii=False))
