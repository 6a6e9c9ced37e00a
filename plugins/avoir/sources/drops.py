"""Files that people drop into a folder: CSV and Excel tables, read by their declared columns.

A folder is walked whole, no links are followed. A file that was landed is known by the hash of its bytes and
not read again; one that changed is read whole. What a row cannot be used for is told with file and line. A
file that ends in the middle of a row, or that is no table at all, stops the load: it is still being written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from avoir.sources.local_folder import bytes_of, files_of
from avoir.sources.model import Landed, Rejected, SourceConnection, SourceError, SourceFile, Window
from avoir.sources.spreadsheet import NoValue, shown
from avoir.sources.table_file import Form, Row, csv_rows, xlsx_rows

MAX_FILE_BYTES = 64 * 1024 * 1024
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
EXCEL_SUFFIXES = (".xlsx",)
#: Tables that are not read, and must not go unseen where others are.
OTHER_SUFFIXES = (".xls", ".xlsm", ".xlsb", ".ods")


@dataclass(frozen=True)
class Layout:
    """How the tables of a folder are written: columns by the name that the source gives them.

    ``columns`` maps the names of the raw table to those of the file's header; a file may have more, which are
    read under their own names with ``every_column``.
    """

    columns: Mapping[str, str]
    form: Form
    every_column: bool = False


@dataclass(frozen=True)
class Drop:
    """A file of the folder: what it is, when it was written, its bytes."""

    file: SourceFile
    modified_at: datetime
    content: bytes


@dataclass(frozen=True)
class Line:
    """A row of a file by the raw table's names: its number from 1, and the line on which it begins."""

    number: int
    line: int
    cells: Mapping[str, str]
    file: SourceFile

    def rejected(self, table: str, code: str, reason: str) -> Rejected:
        """The row as one that is not landed; the reason names file and line."""
        payload = json.dumps(dict(self.cells), ensure_ascii=False, sort_keys=True)
        where = f"{self.file.name}:{self.line}"
        return Rejected(table, code, f"{where}: {reason}", payload, self.number, self.file)


def new_drops(
    source: SourceConnection, window: Window, landed: Landed, suffixes: Sequence[str]
) -> Iterator[Drop]:
    """Files that were written before the window's end and are not landed yet, the oldest first.

    Raises:
        SourceError: the folder is missing, unreadable or without any such file; a file is too large.
    """
    for drop in all_drops(source, suffixes):
        if drop.modified_at < window.end and not landed.has_file(drop.file.sha256):
            yield drop


def all_drops(source: SourceConnection, suffixes: Sequence[str]) -> Iterator[Drop]:
    """Every file of the folder, the oldest first.

    Raises:
        SourceError: the folder is missing, unreadable or without any such file; a file is too large.
    """
    # What a spreadsheet has open, and what is hidden, is no delivery.
    found = files_of(
        source,
        lambda name: name.lower().endswith((*suffixes, *OTHER_SUFFIXES)) and not name.startswith((".", "~$")),
    )
    if not found:
        names = ", ".join(suffixes)
        raise SourceError(f"source {source.name}: {source.path} holds no {names} file at all; is it mounted?")
    for one in sorted(found, key=lambda one: (one.modified_at, one.name)):
        if one.name.lower().endswith(OTHER_SUFFIXES):
            raise SourceError(
                f"source {source.name}: {one.name} is of no kind that is read; save it as .xlsx"
            )
        content = bytes_of(source, one.path, MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SourceError(f"source {source.name}: {one.name} is larger than {MAX_FILE_BYTES} bytes")
        file = SourceFile(one.name, hashlib.sha256(content).hexdigest(), len(content))
        yield Drop(file, one.modified_at, content)


def lines_of(source: SourceConnection, drop: Drop, layout: Layout, table: str) -> Iterator[Line | Rejected]:
    """Every row of a file.

    Raises:
        SourceError: the file is no table, lacks a declared column or ends in the middle of a row.
    """
    for row in _rows_of(source, drop, layout, table):
        if isinstance(row, Rejected):
            yield row
            continue
        cells = {name: row.cells[column] for name, column in layout.columns.items()}
        if layout.every_column:
            cells |= {name: cell for name, cell in row.cells.items() if name not in cells}
        told = {name: shown(cell).strip() for name, cell in cells.items()}
        line = Line(row.number, row.line, told, drop.file)
        unread = next((cell for cell in cells.values() if isinstance(cell, NoValue)), None)
        yield line if unread is None else line.rejected(table, unread.code, unread.reason)


def _rows_of(
    source: SourceConnection, drop: Drop, layout: Layout, table: str
) -> Iterator[Row | Rejected] | Iterator[Row]:
    columns = layout.columns.values()
    if drop.file.name.lower().endswith(EXCEL_SUFFIXES):
        return xlsx_rows(source, drop.file, drop.content, columns, layout.form)
    return csv_rows(source, drop.file, drop.content, columns, layout.form, table)
