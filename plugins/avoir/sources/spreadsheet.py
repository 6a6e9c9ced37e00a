"""Rows of an Excel workbook (``.xlsx``), which is an archive of XML that anybody may have made.

A cell is what its user sees: of a formula the value that was kept when it was last computed; nothing is
computed here. A formula of which none was kept, since the program that wrote the file computes nothing, and
an error such as ``#N/A`` are no values, and say in which cell they stand.

Before openpyxl sees the file, the archive is held to sizes, so that little that unpacks to much is refused; a
workbook with macros, encrypted, or with XML that declares a document type, which no workbook needs, is none
that we read, nor is one of another format than ``.xlsx``.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
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


@dataclass(frozen=True)
class NoValue:
    """A cell in which something stands that is no value; ``code`` is that of a rejection of its row."""

    cell: str
    code: str
    text: str

    @property
    def reason(self) -> str:
        """What is wrong, with the cell's name."""
        if self.code == FORMULA:
            return f"{self.cell} holds a formula that was never computed: {self.text}"
        return f"{self.cell} holds the error {self.text}"

    def __str__(self) -> str:
        return self.text


FORMULA, CELL_ERROR = "formula", "cell_error"


def shown(value: object) -> str:
    """A cell as text: days and clock readings in ISO 8601, numbers with the 15 digits that Excel shows."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{Decimal(f'{value:.15g}'):f}"
    return str(value)


def rows_of(content: bytes, sheet: str | None) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Number and cells of every row that is not empty, as wide as the first of them.

    Cells are texts, whole or other numbers, a ``date`` where a day is shown, a ``datetime`` where it comes
    with a clock's reading, :class:`NoValue`, or None.

    Args:
        content: the bytes of the file.
        sheet: the sheet's name; None where the workbook has one only.

    Raises:
        UnreadableWorkbookError: it is cut off, too large, encrypted, has macros, or no such sheet.
    """
    has_formulas = _must_be_harmless(content)
    # openpyxl is imported late: it costs a third of a second of CPU.
    import openpyxl  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        # Values that were kept, and beside them, where there are any, the formulas.
        books = [
            openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False, data_only=is_kept)
            for is_kept in ((True, False) if has_formulas else (True,))
        ]
    except (
        InvalidFileException, OSError, KeyError, ValueError, TypeError, AttributeError, SyntaxError,
    ) as error:  # fmt: skip
        raise UnreadableWorkbookError(f"it is no workbook: {error}") from error
    try:
        yield from _rows([_chosen(book, sheet) for book in books])
    except (KeyError, ValueError, TypeError, IndexError, SyntaxError, zipfile.BadZipFile) as error:
        raise UnreadableWorkbookError(f"a sheet of it is broken: {error}") from error
    finally:
        for book in books:
            book.close()


def _chosen(workbook: Any, sheet: str | None) -> Any:
    names = [one.title for one in workbook.worksheets]
    if sheet is None and len(names) != 1:
        raise UnreadableWorkbookError(f"it has the sheets {', '.join(names)}; name one in the option sheet")
    if sheet is not None and sheet not in names:
        raise UnreadableWorkbookError(f"it has no sheet {sheet!r} but {', '.join(names)}")
    return workbook.worksheets[0] if sheet is None else workbook[sheet]


def _rows(sheets: list[Any]) -> Iterator[tuple[int, tuple[object, ...]]]:
    """The header, which is the first row that is not empty, and what stands below it."""
    for number, cells in _walked(sheets, 1, MOST_COLUMNS):
        width = max(n for n, cell in enumerate(cells, start=1) if cell is not None)
        yield number, cells[:width]
        yield from _walked(sheets, number + 1, width)
        return


def _walked(sheets: list[Any], first_row: int, columns: int) -> Iterator[tuple[int, tuple[object, ...]]]:
    # Bounds of our own: what a sheet says of its own size may be wrong.
    walks = [sheet.iter_rows(min_row=first_row, max_row=MOST_ROWS, max_col=columns) for sheet in sheets]
    for number, rows in enumerate(zip(*walks, strict=True), start=first_row):
        cells = tuple(
            _value(number, place, *of_books)
            for place, of_books in enumerate(zip(*rows, strict=True), start=1)
        )
        if any(value is not None for value in cells):
            yield number, cells


def _value(row: int, column: int, kept: Any, written: Any = None) -> object:
    """A cell's value, by what was kept of it and, in a workbook with formulas, what is written in it."""
    value = kept.value
    if kept.data_type == "e":
        return NoValue(_named(row, column), CELL_ERROR, str(value))
    # An empty text that a formula gave is a text; of one that was never computed there is nothing.
    if value is None and written is not None and written.data_type == "f" and kept.data_type != "str":
        formula = getattr(written.value, "text", written.value)
        return NoValue(_named(row, column), FORMULA, str(formula))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        is_day = value.time() == time() and not _CLOCK.search(_without_words(kept.number_format))
        return value.date() if is_day else value
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return None if value == "" else value


def _named(row: int, column: int) -> str:
    from openpyxl.utils import get_column_letter  # noqa: PLC0415 - as above

    return f"{get_column_letter(column)}{row}"


#: What a number format that shows a clock's reading holds, besides words and colours.
_CLOCK = re.compile(r"[hHsS]")


def _without_words(number_format: str) -> str:
    return re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", number_format)


#: Parts of Visual Basic, and of the macro language before it.
_MACROS = re.compile(r"vbaproject|macrosheets/", re.IGNORECASE)
#: How a compound file begins: what Excel makes of a workbook with a password, and its format until 2003.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _must_be_harmless(content: bytes) -> bool:
    """Refuse a trap; says whether any part of the workbook may hold a formula."""
    if content.startswith(_COMPOUND):
        raise UnreadableWorkbookError(
            "it is encrypted, or of Excel's format until 2003; save it as .xlsx without a password"
        )
    has_formulas = False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            _must_fit(parts, len(content))
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels")):
                    has_formulas |= _must_be_plain(archive, part)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UnreadableWorkbookError(f"it is cut off or no workbook: {error}") from error
    return has_formulas


def _must_fit(parts: list[zipfile.ZipInfo], packed: int) -> None:
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_BYTES:
        raise UnreadableWorkbookError(f"its {len(parts)} parts of {unpacked} bytes are too large")
    if unpacked > max(_SMALL_BYTES, MOST_TIMES * packed):
        raise UnreadableWorkbookError(f"its {packed} bytes unpack to {unpacked}, as those of a trap do")
    if any(_MACROS.search(part.filename) for part in parts):
        raise UnreadableWorkbookError("it holds macros")


def _must_be_plain(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Refuse what declares a document type; says whether the part may hold a formula."""
    has_formulas = False
    last = b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            if b"<!DOCTYPE" in last + chunk or (not last and b"\0" in chunk[:4]):
                raise UnreadableWorkbookError(f"its part {part.filename} is not plain XML in UTF-8")
            has_formulas = has_formulas or _FORMULA.search(last + chunk) is not None
            last = chunk[-16:]
    return has_formulas


#: The element of a formula, whatever prefix its name has.
_FORMULA = re.compile(rb"<(\w+:)?f[\s>/]")
