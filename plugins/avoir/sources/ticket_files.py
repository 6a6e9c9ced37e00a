"""Tickets that a vendor drops as files: CSV, Excel workbooks and JSON lines, with a declared mapping.

Flow: walk the folder, take every file that arrived before the window's end and whose bytes have not been
landed whole, tell by its name whether it holds tickets, events or both, read its rows by its ending, and make
ours of them as :mod:`avoir.sources.ticket_mapping` was told. Formats and zone of instants, encoding, columns
and words are declared by the connection: none is guessed.

A file that is cut off, in another encoding or without a declared column fails the load; a row that cannot be
used is kept with its file and line:

==================  ==========================================================================
``missing_field``   a column that every row must have is empty
``bad_instant``     an instant in another format than declared, or one the zone's clock skipped
``bad_number``      the column ``sequence`` holds no number
``formula``         a cell of a column that is read holds a formula that was never computed
``cell_error``      a cell of a column that is read holds an error such as ``#N/A``
``bad_json``        a line is no JSON object
``unknown_file``    a file that no pattern takes, or of an ending that is not read
==================  ==========================================================================

besides what :mod:`avoir.sources.csv_file` rejects. A file with a rejected row is read again each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import PurePosixPath

from avoir.sources import ticket_mapping as mapping
from avoir.sources.declared_instants import InstantFormat, format_of, zone_of
from avoir.sources.local_folder import bytes_of, files_of
from avoir.sources.model import (
    Column,
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    SourceFile,
    System,
    Table,
    Window,
    text_columns,
)
from avoir.sources.record_making import id_of, text_of
from avoir.sources.spreadsheet import NoValue, shown
from avoir.sources.table_file import Row
from avoir.sources.ticket_mapping import Drop
from avoir.sources.ticket_rows import SUFFIXES, rows_of

MAX_FILE_BYTES = 256 * 1024 * 1024

TICKETS = Table(
    "tickets",
    (
        *text_columns(
            "ticket_id", "ticket_number", "service", "requester", "state", "hold_reason", "priority",
            "assignment_group", "opened_at", "resolved_at", "updated_at",
        ),
        # What the mapping leaves out makes no other version of a ticket.
        Column("record", hashed=False),
    ),
    key=("ticket_id",),
    updated="updated_at",
    subject="ticket_id",
)  # fmt: skip

TICKET_EVENTS = Table(
    "ticket_events",
    (
        *text_columns(
            "event_id", "ticket_id", "field", "old_value", "new_value", "author", "occurred_at",
        ),
        # Where a row stands in a file is not what it says.
        Column("sequence", hashed=False),
        Column("record", hashed=False),
    ),
    key=("ticket_id", "event_id"),
    subject="ticket_id",
)  # fmt: skip

Values = tuple[str, ...]


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every ticket and event of the new files that arrived before the window's end.

    Raises:
        SourceError: the folder is missing or holds no such file, or a file of it cannot be trusted.
    """
    files = files_of(source, lambda name: _is_wanted(source, name))
    if not files:
        endings = ", ".join(SUFFIXES)
        raise SourceError(
            f"source {source.name}: {source.path} holds no {endings} file at all; is it mounted?"
        )
    seen: set[str] = set()
    for one in files:
        if one.modified_at >= window.end:
            continue
        content = bytes_of(source, one.path, MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SourceError(f"source {source.name}: {one.name} is larger than {MAX_FILE_BYTES} bytes")
        file = SourceFile(one.name, hashlib.sha256(content).hexdigest(), len(content))
        if file.sha256 in seen or landed.has_file(file.sha256):
            continue
        seen.add(file.sha256)
        yield from _Reading(source, file, content).landed_from()


def _is_wanted(source: SourceConnection, name: str) -> bool:
    """Whether a file is of an ending that we read, or of a name that was declared: it must not go unseen."""
    drops: tuple[Drop | None, ...] = (source.option("tickets"), source.option("events"))
    is_declared = any(drop is not None and drop.matches(name) for drop in drops)
    return name[0] not in ".~" and (is_declared or PurePosixPath(name).suffix.lower() in SUFFIXES)


class _Reading:
    """One file being read."""

    def __init__(self, source: SourceConnection, file: SourceFile, content: bytes) -> None:
        self.source = source
        self.file = file
        self.content = content
        self.instants = InstantFormat(source.option("instant_format"), source.option("timezone"))

    def landed_from(self) -> Iterator[Rows | Rejected]:
        """The rows of the file; of one that is both tickets and events, both."""
        tickets: Drop = self.source.option("tickets")
        events: Drop | None = self.source.option("events")
        path = PurePosixPath(self.file.name)
        drops = ((TICKETS, tickets), (TICKET_EVENTS, events))
        taken = [(table, drop) for table, drop in drops if drop is not None and drop.matches(path.name)]
        if not taken or path.suffix.lower() not in SUFFIXES:
            why = f"is no {', '.join(SUFFIXES)} file" if taken else "is taken by no pattern of the connection"
            payload = json.dumps({"file_name": self.file.name, "sha256": self.file.sha256})
            reason = f"{self.file.name} {why}"
            yield Rejected(TICKETS.name, "unknown_file", reason, payload, file=self.file)
            return
        for table, drop in taken:
            yield from self._landed(table, drop)

    def _landed(self, table: Table, drop: Drop) -> Iterator[Rows | Rejected]:
        good: list[Row] = []
        for row in rows_of(self.source, self.file, self.content, drop.columns.values(), table.name):
            if isinstance(row, Rejected):
                yield row
            elif problem := self._problem(row, table, drop):
                yield problem
            else:
                good.append(row)
        made = (
            [(row.number, self._ticket(row, drop)) for row in good]
            if table is TICKETS
            else list(self._events(good, drop))
        )
        yield Rows(table.name, [values for _, values in made], [number for number, _ in made], self.file)

    def _problem(self, row: Row, table: Table, drop: Drop) -> Rejected | None:
        """Why a row cannot be used; None for one that can."""
        kind = mapping.TICKETS if table is TICKETS else mapping.EVENTS
        for ours, theirs in drop.columns.items():
            value = row.cells.get(theirs)
            if isinstance(value, NoValue):
                return self._rejected(table, row, value.code, f"{theirs}: {value.reason}")
            text = self._text(row, drop, ours)
            if ours in kind.needed and not text:
                return self._rejected(table, row, "missing_field", f"{theirs} is empty")
            if ours == "sequence" and not id_of(text):
                return self._rejected(table, row, "bad_number", f"{theirs} is no number: {text!r}")
            if ours in kind.instants:
                try:
                    self._instant(row, drop, ours)
                except (ValueError, OverflowError) as error:
                    return self._rejected(table, row, "bad_instant", f"{theirs}: {error}")
        return None

    def _rejected(self, table: Table, row: Row, code: str, reason: str) -> Rejected:
        where = f"{self.file.name}:{row.line}: {reason}"
        return Rejected(table.name, code, where, row.record(), row.number, self.file)

    def _ticket(self, row: Row, drop: Drop) -> Values:
        return (
            self._text(row, drop, "ticket"),
            self._text(row, drop, "number") or self._text(row, drop, "ticket"),
            self._text(row, drop, "service"),
            self._text(row, drop, "requester"),
            self._text(row, drop, "state"),
            self._text(row, drop, "hold_reason"),
            self._text(row, drop, "priority"),
            self._text(row, drop, "assignment_group"),
            self._instant(row, drop, "opened"),
            self._instant(row, drop, "resolved"),
            self._instant(row, drop, "updated"),
            row.record(),
        )

    def _events(self, rows: list[Row], drop: Drop) -> Iterator[tuple[int, Values]]:
        """Events of rows that name a field each, or of rows that state values, of which only changes are."""
        if "field" in drop.columns:
            for row in rows:
                named = drop.fields.get(self._text(row, drop, "field"), "")
                old, new = self._text(row, drop, "old"), self._text(row, drop, "new")
                yield row.number, self._event(row, drop, named, old, new)
            return
        ordered = sorted(rows, key=lambda row: (self._text(row, drop, "ticket"), *self._order(row, drop)))
        for _, of_ticket in groupby(ordered, key=lambda row: self._text(row, drop, "ticket")):
            held: dict[str, str] = {}
            for row in of_ticket:
                for name in drop.values:
                    value, before = self._text(row, drop, name), held.get(name, "")
                    if name in mapping.COMMENTS:
                        if value:
                            yield row.number, self._event(row, drop, name, "", value)
                    elif value != before:
                        yield row.number, self._event(row, drop, name, before, value)
                        held[name] = value

    def _event(self, row: Row, drop: Drop, name: str, old: str, new: str) -> Values:
        author, at = self._text(row, drop, "author"), self._instant(row, drop, "at")
        event = self._text(row, drop, "event")
        if event:
            event = event if "field" in drop.columns else f"{event}|{name}"
        else:
            # Without a number of its own an event is what it says: told twice, it is one.
            said = json.dumps([name, old, new, author]).encode()
            event = f"{at}|{name}|{hashlib.sha256(said).hexdigest()[:16]}"
        ticket = self._text(row, drop, "ticket")
        sequence = self._text(row, drop, "sequence") or str(row.number)
        return (event, ticket, name, old, new, author, at, sequence, row.record())

    def _order(self, row: Row, drop: Drop) -> tuple[str, int, int]:
        return self._instant(row, drop, "at"), int(self._text(row, drop, "sequence") or 0), row.number

    def _text(self, row: Row, drop: Drop, ours: str) -> str:
        theirs = drop.columns.get(ours)
        if theirs is None:
            return drop.constants.get(ours, "")
        value = row.cells.get(theirs)
        # Numbers and days of a workbook; in JSON lines a number is its text already.
        return (shown(value) if isinstance(value, float | date) else text_of(value)).strip()

    def _instant(self, row: Row, drop: Drop, ours: str) -> str:
        value, text = row.cells.get(drop.columns.get(ours, "")), self._text(row, drop, ours)
        if not text:
            return ""
        value = text if isinstance(value, str) else value
        return self.instants.read(value).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _encoding(value: object) -> str:
    try:
        is_read = "a,\n".encode(str(value)) == b"a,\n"
    except (LookupError, UnicodeError):
        is_read = False
    if not is_read:
        raise ValueError(f"must be an encoding over ASCII such as utf-8 or cp1252, got {value!r}")
    return str(value)


def _delimiter(value: object) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n':
        raise ValueError(f"must be one character such as ';', got {value!r}")
    return value


def _sheet(value: object) -> str | None:
    return None if value is None else str(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")  # noqa: TRY004 one kind
    return value


SYSTEM = System(
    name="ticket_files",
    tables=(TICKETS, TICKET_EVENTS),
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="files",
    options={
        "tickets": Option(required=True, check=mapping.tickets_of),
        "events": Option(check=mapping.events_of),
        "instant_format": Option(required=True, check=format_of),
        "timezone": Option(check=zone_of),
        "encoding": Option(default="utf-8", check=_encoding),
        "delimiter": Option(default=",", check=_delimiter),
        "sheet": Option(check=_sheet),
        "ends_with_newline": Option(default=True, check=_flag),
    },
)
