"""Files that people drop into a folder: CSV and Excel tables, read by their declared columns.

A folder is walked whole, no links are followed. A file that was landed is known by the hash of its bytes and
not read again; one that changed is read whole. What a row cannot be used for is told with file and line. A
file that ends in the middle of a row, or that is no table at all, stops the load: it is still being written.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from python_calamine import CalamineError, CalamineWorkbook

from avoir.sources.local_folder import bytes_of, files_of
from avoir.sources.model import Landed, Rejected, SourceConnection, SourceError, SourceFile, Window

MAX_FILE_BYTES = 64 * 1024 * 1024
#: What an Excel file may unfold to: its cells are compressed, and some files are made to burst.
MAX_UNFOLDED_BYTES = 512 * 1024 * 1024
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
EXCEL_SUFFIXES = (".xlsx", ".xls", ".ods")


@dataclass(frozen=True)
class Layout:
    """How the tables of a folder are written: columns by the name that the source gives them.

    ``columns`` maps the names of the raw table to those of the file's header; a file may have more, which are
    read under their own names with ``every_column``. ``sheet`` is that of an Excel file; '' is its first.
    """

    columns: Mapping[str, str]
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str = ""
    every_column: bool = False


@dataclass(frozen=True)
class Drop:
    """A file of the folder: what it is, when it was written, its bytes."""

    file: SourceFile
    modified_at: datetime
    content: bytes


@dataclass(frozen=True)
class Line:
    """A row of a file by the raw table's names; ``number`` is its line, counted from 1 with the header."""

    number: int
    cells: Mapping[str, str]
    file: SourceFile

    def rejected(self, table: str, code: str, reason: str) -> Rejected:
        """The row as one that is not landed; the reason names file and line."""
        payload = json.dumps(dict(self.cells), ensure_ascii=False, sort_keys=True)
        where = f"{self.file.name}:{self.number}"
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
        lambda name: name.lower().endswith(tuple(suffixes)) and not name.startswith((".", "~$")),
    )
    if not found:
        names = ", ".join(suffixes)
        raise SourceError(f"source {source.name}: {source.path} holds no {names} file at all; is it mounted?")
    for one in sorted(found, key=lambda one: (one.modified_at, one.name)):
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
    label = f"source {source.name}: {drop.file.name}"
    if drop.file.name.lower().endswith(EXCEL_SUFFIXES):
        rows = _excel_rows(label, drop.content, layout.sheet)
    else:
        rows = _csv_rows(label, drop.content, layout)
    first = next(rows, None)
    if first is None:
        raise SourceError(f"{label} is empty; a plan without rows has a header at least")
    header = [cell.strip() for cell in first[1]]
    if missing := [name for name in layout.columns.values() if name not in header]:
        raise SourceError(f"{label}:{first[0]} has no column {missing[0]!r}; it has {', '.join(header)}")
    if twice := [name for name in layout.columns.values() if header.count(name) > 1]:
        raise SourceError(f"{label}:{first[0]} has two columns {twice[0]!r}")
    places = {name: header.index(shown) for name, shown in layout.columns.items()}
    if layout.every_column:
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise SourceError(f"{label}:{first[0]} has two columns {twice[0]!r}")
        places |= {name: place for place, name in enumerate(header) if name and name not in places}
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if problem := _problem(row, header):
            where = f"{drop.file.name}:{number}"
            payload = json.dumps(row, ensure_ascii=True)
            yield Rejected(table, problem[0], f"{where}: {problem[1]}", payload, number, drop.file)
        else:
            yield Line(number, {name: row[place].strip() for name, place in places.items()}, drop.file)


def _problem(row: Sequence[str], header: Sequence[str]) -> tuple[str, str] | None:
    if len(row) != len(header):
        return "wrong_cell_count", f"the row has {len(row)} cells, the header {len(header)}"
    if any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
        return "not_in_encoding", "the row holds bytes that are not of the declared encoding"
    return None


def _csv_rows(label: str, content: bytes, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    # Bytes of another encoding survive as surrogates, so that the one bad row can be told and rejected.
    encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
    try:
        text = content.decode(encoding, "surrogateescape")
    except UnicodeDecodeError as error:
        raise SourceError(f"{label} is not written in {layout.encoding}: {error.reason}") from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
    is_ended = text.endswith(("\n", "\r"))
    width, previous, number = None, None, 1
    try:
        for row in rows:
            if previous is not None:
                yield previous
            width = len(row) if width is None else width
            previous, number = (number, row), rows.line_num + 1
    except csv.Error as error:
        raise SourceError(f"{label}:{number} cannot be read: {error}") from error
    if previous is None:
        return
    if not is_ended and len(previous[1]) < (width or 0):
        raise SourceError(f"{label}:{previous[0]} ends in the middle of a row; is it still being written?")
    yield previous


def _excel_rows(label: str, content: bytes, sheet: str) -> Iterator[tuple[int, list[str]]]:
    _must_unfold(label, content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        name = sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            raise SourceError(f"{label} has no sheet {name!r}; it has {', '.join(book.sheet_names)}")
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (CalamineError, IndexError, OSError) as error:
        raise SourceError(f"{label} is not a whole Excel file ({type(error).__name__})") from error
    for number, row in enumerate(rows, start=1):
        yield number, [_cell_text(cell) for cell in row]


def _must_unfold(label: str, content: bytes) -> None:
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unfolded = sum(entry.file_size for entry in packed.infolist())
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{label} ends early or is not an Excel file; is it still being written?"
        ) from error
    if unfolded > MAX_UNFOLDED_BYTES:
        raise SourceError(f"{label} unfolds to {unfolded} bytes, more than {MAX_UNFOLDED_BYTES}")


def _cell_text(cell: object) -> str:
    """A cell as it would be written: dates in ISO 8601, whole numbers without a fraction."""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
