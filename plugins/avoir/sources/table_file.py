"""Tables in files, CSV and Excel (``.xlsx``): one reader for each, whoever asks.

Both know their columns by the header, which is stripped of blanks, must have those that are asked for and
has none twice; both leave out rows in which nothing stands. Cells of CSV are texts, as they are written;
those of a workbook are what its user sees, see :mod:`avoir.sources.spreadsheet`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from avoir.sources import spreadsheet
from avoir.sources.csv_file import CsvFile, checked_header
from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile
from avoir.sources.spreadsheet import shown


@dataclass(frozen=True)
class Form:
    """How a table is written: of CSV encoding and delimiter, of a workbook the sheet if it has several."""

    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None


@dataclass(frozen=True)
class Row:
    """A row: its number from 1 after the header, the line on which it begins (of a sheet, its row there), and
    its cells by column.
    """

    number: int
    line: int
    cells: Mapping[str, object]

    def record(self) -> str:
        """The whole row as JSON, the same for the same cells."""
        told = {
            name: shown(cell) if isinstance(cell, float | date) else cell for name, cell in self.cells.items()
        }
        return json.dumps(told, ensure_ascii=False, sort_keys=True, default=str)


def csv_rows(
    source: SourceConnection,
    file: SourceFile,
    content: bytes,
    columns: Collection[str],
    form: Form,
    table: str,
) -> Iterator[Row | Rejected]:
    """Every row of a CSV file that must have these columns and may have others; it may have no row.

    Raises:
        SourceError: it lacks a column, is not in the encoding at all, or ends in the middle of a row.
    """
    export = CsvFile.parsed(
        source,
        file,
        content,
        sorted(set(columns)),
        encoding=form.encoding,
        delimiter=form.delimiter,
        others=True,
    )
    for record in export.records(table, may_be_empty=True):
        if isinstance(record, Rejected):
            yield record
        else:
            yield Row(record.number, record.line, {name: text for name, text in record.cells.items() if name})


def xlsx_rows(
    source: SourceConnection, file: SourceFile, content: bytes, columns: Collection[str], form: Form
) -> Iterator[Row]:
    """Every row of a workbook's sheet that must have these columns and may have others; it may have no row.

    Raises:
        SourceError: it lacks a column, or is no whole and harmless workbook.
    """
    label = f"source {source.name}: {file.name}"
    header: tuple[str, ...] | None = None
    number = 0
    try:
        for line, cells in spreadsheet.rows_of(content, form.sheet):
            if header is None:
                named = [shown(cell) for cell in cells]
                header = checked_header(label, named, columns, others=True)
                continue
            number += 1
            pairs = zip(header, cells, strict=True)
            yield Row(number, line, {name: cell for name, cell in pairs if name})
    except spreadsheet.UnreadableWorkbookError as error:
        raise SourceError(f"{label}: {error}") from error
    if header is None:
        checked_header(label, (), columns, others=True)
