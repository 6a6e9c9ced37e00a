"""Rows of an Excel workbook (``.xlsx``), which is an archive of XML that anybody may have made.

Nothing of it is computed: a cell that holds a formula says so. Before openpyxl sees the file, the archive is
held to sizes, so that little that unpacks to much is refused; a workbook with macros, encrypted, or with XML
that declares a document type, which no workbook needs, is none that we read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

#: What an archive may hold: parts, bytes of all of them unpacked, and so much more than they take packed.
MOST_PARTS = 2_000
MOST_BYTES = 256 * 1024 * 1024
MOST_TIMES = 200
#: Below this a ratio says nothing: a small sheet of the same text packs well.
_SMALL_BYTES = 10 * 1024 * 1024
MOST_COLUMNS = 500
MOST_ROWS = 1_048_576
_CHUNK = 1024 * 1024


class UnreadableWorkbookError(Exception):
    """The file is no workbook that we read; the message says why."""


class Formula(str):
    """The text of a cell that holds a formula; its value is not known."""

    __slots__ = ()


def rows_of(content: bytes, sheet: str | None) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Number and cells of every row that is not empty, as wide as the first of them.

    Cells are texts, numbers, ``datetime`` or None.

    Args:
        content: the bytes of the file.
        sheet: the sheet's name; None where the workbook has one only.

    Raises:
        UnreadableWorkbookError: it is cut off, too large, has macros, or no such sheet.
    """
    _must_be_harmless(content)
    # openpyxl is imported late: it costs a third of a second of CPU.
    import openpyxl  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
    except (InvalidFileException, KeyError, ValueError, TypeError, AttributeError, SyntaxError) as error:
        raise UnreadableWorkbookError(f"it is no workbook: {error}") from error
    try:
        yield from _rows(_chosen(workbook, sheet))
    except (KeyError, ValueError, TypeError, IndexError, SyntaxError, zipfile.BadZipFile) as error:
        raise UnreadableWorkbookError(f"a sheet of it is broken: {error}") from error
    finally:
        workbook.close()


def _chosen(workbook: Any, sheet: str | None) -> Any:
    names = [one.title for one in workbook.worksheets]
    if sheet is None and len(names) != 1:
        raise UnreadableWorkbookError(f"it has the sheets {', '.join(names)}; name one in the option sheet")
    if sheet is not None and sheet not in names:
        raise UnreadableWorkbookError(f"it has no sheet {sheet!r} but {', '.join(names)}")
    return workbook.worksheets[0] if sheet is None else workbook[sheet]


def _rows(worksheet: Any) -> Iterator[tuple[int, tuple[object, ...]]]:
    """The header, which is the first row that is not empty, and what stands below it."""
    for number, cells in _walked(worksheet, 1, MOST_COLUMNS):
        width = max(n for n, cell in enumerate(cells, start=1) if cell is not None)
        yield number, cells[:width]
        yield from _walked(worksheet, number + 1, width)
        return


def _walked(worksheet: Any, first_row: int, columns: int) -> Iterator[tuple[int, tuple[object, ...]]]:
    # Bounds of our own: what a sheet says of its own size may be wrong.
    rows = worksheet.iter_rows(min_row=first_row, max_row=MOST_ROWS, max_col=columns)
    for number, row in enumerate(rows, start=first_row):
        cells = tuple(_value(cell) for cell in row)
        if any(value is not None for value in cells):
            yield number, cells


def _value(cell: Any) -> object:
    value = cell.value
    if cell.data_type == "f":
        return Formula(value)
    if value is None or isinstance(value, str | datetime):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time | timedelta):
        return value.isoformat() if not isinstance(value, timedelta) else str(value)
    return value


def _must_be_harmless(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            _must_fit(parts, len(content))
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels")):
                    _must_be_plain(archive, part)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UnreadableWorkbookError(f"it is cut off or no workbook: {error}") from error


def _must_fit(parts: list[zipfile.ZipInfo], packed: int) -> None:
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_BYTES:
        raise UnreadableWorkbookError(f"its {len(parts)} parts of {unpacked} bytes are too large")
    if unpacked > max(_SMALL_BYTES, MOST_TIMES * packed):
        raise UnreadableWorkbookError(f"its {packed} bytes unpack to {unpacked}, as those of a trap do")
    if any("vbaproject" in part.filename.lower() for part in parts):
        raise UnreadableWorkbookError("it holds macros")


def _must_be_plain(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    last = b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            if b"<!DOCTYPE" in last + chunk or (not last and b"\0" in chunk[:4]):
                raise UnreadableWorkbookError(f"its part {part.filename} is not plain XML in UTF-8")
            last = chunk[-16:]
