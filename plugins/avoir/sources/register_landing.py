"""How registers land, whatever keeps them: surveys, staffing, committees, actions, risks, evidence, claims.

A register is a table that somebody keeps: a row per entry, its columns as they are called there. The
connection declares which register it is, which columns it needs and of what kind, and by which an entry is
known. What differs from what earlier loads saw lands (:mod:`avoir.sources.observing`), an entry that is not
there any more is marked; so is a column that came or went (``columns``). Not landed:

=======================  ====================================================================
``missing_key``          a column by which entries are known is empty
``conflicting_entry``    another row has the same key and says otherwise
``bad_date``             a date in none of the declared formats
``bad_number``           no decimal number
``nul_character``        a cell holds a NUL character, which no document can
=======================  ====================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from avoir.sources.model import (
    Column,
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    SourceFile,
    Window,
)
from avoir.sources.observing import Observation, Record, observation_table

REGISTERS = ("surveys", "staffing", "committees", "actions", "risks", "evidence", "exclusion_claims")
KINDS = ("text", "date", "number")
SCHEMA = "raw_register"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)

ENTRIES = observation_table(
    "entries",
    ("register_kind", "entry_key", Column("fields", "jsonb"), Column("origin", hashed=False)),
    key=("register_kind", "entry_key"),
    subject="entry_key",
)

COLUMNS = observation_table(
    "columns",
    ("register_kind", "column_name", "is_declared"),
    key=("register_kind", "column_name"),
    subject="column_name",
)

TABLES = (ENTRIES, COLUMNS)


@dataclass(frozen=True)
class Entry:
    """A row of a register: its cells by the column's own name, and where it stands."""

    cells: Mapping[str, str]
    origin: str
    number: int
    file: SourceFile | None = None


def land(
    source: SourceConnection,
    header: Sequence[str],
    entries: Sequence[Entry],
    window: Window,
    landed: Landed,
    *,
    rejected: Sequence[Rejected] = (),
    is_sparse: bool = False,
) -> Iterator[Rows | Rejected]:
    """The entries and columns of a register that differ from what was seen before.

    Args:
        header: every column there is.
        entries: every row there is, but those of ``rejected``.
        is_sparse: whether a column that no entry fills is not told of; then one that was must still be.

    Raises:
        SourceError: a declared column is not there, or no row at all, which is not "no entries".
    """
    label = f"source {source.name}: the register {source.option('register')}"
    declared: Mapping[str, str] = source.option("columns")
    told = {key[1] for key, one in landed.newest(COLUMNS.name).items() if one["is_gone"] == "false"}
    if missing := [name for name in declared if name not in header and (not is_sparse or name in told)]:
        raise SourceError(f"{label} has no column {missing[0]!r}; it has {', '.join(header)}")
    if not entries and not rejected:
        raise SourceError(f"{label} has columns and no rows, which is not 'no entries'")
    yield from rejected
    found: dict[str, Record] = {}
    unread: list[tuple[str, ...]] = []
    is_named = not rejected
    for entry in entries:
        made = _record(source, entry)
        if isinstance(made, Rejected):
            yield made
            unread.append((source.option("register"), _entry_key(source, entry)))
            is_named = is_named and made.reason_code != "missing_key"
            continue
        first = found.setdefault(made["entry_key"], made)
        if first["fields"] != made["fields"]:
            yield _rejected(entry, "conflicting_entry", f"{first['origin']} gives the same entry otherwise")
    if not is_named:
        # A row without its key may be any of those that are not there.
        unread += landed.newest(ENTRIES.name)
    yield Observation(ENTRIES, list(found.values()), unread).rows(window, landed)
    columns = [
        {
            "register_kind": source.option("register"),
            "column_name": name,
            "is_declared": "true" if name in declared else "false",
        }
        for name in dict.fromkeys(header)
    ]
    yield Observation(COLUMNS, columns).rows(window, landed)


def _record(source: SourceConnection, entry: Entry) -> Record | Rejected:
    cells = {name: text.strip() for name, text in entry.cells.items() if name}
    if any("\x00" in text for text in (*cells, *cells.values())):
        return _rejected(entry, "nul_character", "a cell holds a NUL character")
    for name in source.option("key"):
        if not cells.get(name):
            return _rejected(entry, "missing_key", f"{name} is empty")
    for name, kind in source.option("columns").items():
        if cells[name] and kind == "number" and not _NUMBER.fullmatch(cells[name]):
            return _rejected(entry, "bad_number", f"{name} is no decimal number: {cells[name]!r}")
        if cells[name] and kind == "date":
            try:
                cells[name] = _date(cells[name], source.option("formats"))
            except ValueError as error:
                return _rejected(entry, "bad_date", f"{name} {error}")
    return {
        "register_kind": source.option("register"),
        "entry_key": _entry_key(source, entry),
        "fields": json.dumps(cells, sort_keys=True, ensure_ascii=False),
        "origin": entry.origin,
    }


def _entry_key(source: SourceConnection, entry: Entry) -> str:
    return "|".join(entry.cells.get(name, "").strip() for name in source.option("key"))


def _date(text: str, formats: Sequence[str]) -> str:
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern).date().isoformat()  # noqa: DTZ007 its date is kept
        except ValueError:
            continue
    raise ValueError(f"is written in none of the formats {', '.join(formats)}: {text!r}")


def _rejected(entry: Entry, code: str, reason: str) -> Rejected:
    payload = json.dumps(dict(entry.cells), sort_keys=True, ensure_ascii=False)
    return Rejected(ENTRIES.name, code, f"{entry.origin}: {reason}", payload, entry.number, entry.file)


def register_options(**more: Option) -> dict[str, Option]:
    """What every connection to a register declares, and what is its own."""
    return {
        "register": Option(required=True, check=_register),
        "key": Option(required=True, check=_key),
        "columns": Option(required=True, check=_columns),
        "formats": Option(default=["%Y-%m-%d"], check=formats_of),
        **more,
    }


def _register(value: object) -> str:
    if value not in REGISTERS:
        raise ValueError(f"must be one of {', '.join(REGISTERS)}, got {value!r}")
    return str(value)


def _key(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"must be a list of the columns by which an entry is known, got {value!r}")
    return tuple(value)


def _columns(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"must say of each column that is needed what it holds, got {value!r}")
    for name, kind in value.items():
        if kind not in KINDS:
            raise ValueError(f"{name} must be {', '.join(KINDS)}, got {kind!r}")
    return dict(value)


def formats_of(value: object) -> tuple[str, ...]:
    """``formats``: how dates are written, each a pattern of ``strptime``."""
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError(f"must be a list of formats such as '%d/%m/%Y', got {value!r}")
    for pattern in value:
        moment = datetime(2026, 11, 27, 13, 5, 9)  # noqa: DTZ001 only its digits are looked at
        try:
            read = datetime.strptime(moment.strftime(pattern), pattern)  # noqa: DTZ007 as above
        except ValueError as error:
            raise ValueError(f"{pattern!r} is no format of a date: {error}") from error
        if read.date() != moment.date():
            raise ValueError(f"{pattern!r} does not say year, month and day")
    return tuple(value)


def shown(value: Any) -> str:
    """A value as a cell shows it: nothing is '', what has parts is JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return str(value)
