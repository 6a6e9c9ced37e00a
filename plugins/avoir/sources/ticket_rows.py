"""Rows of a file of tickets, by its ending: ``.csv``, ``.xlsx`` or ``.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from avoir.sources import spreadsheet
from avoir.sources.csv_file import CsvFile, Record
from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile


@dataclass(frozen=True)
class Row:
    """A row: its cells by column, its number from 1 after a header, its line (of a sheet, its row there)."""

    number: int
    line: int
    cells: Mapping[str, object]

    def record(self) -> str:
        """The whole row as JSON, the same for the same cells."""
        return json.dumps(self.cells, ensure_ascii=False, sort_keys=True, default=str)


Rowed = Iterator[Row | Rejected]


def rows_of(
    source: SourceConnection, file: SourceFile, content: bytes, columns: Collection[str], table: str
) -> Rowed:
    """Every row of a file that must have these columns and may have others.

    Raises:
        SourceError: the file is cut off, has no rows, lacks a column or is no such file at all.
    """
    return _READERS[PurePosixPath(file.name).suffix.lower()](source, file, content, columns, table)


def _csv(
    source: SourceConnection, file: SourceFile, content: bytes, columns: Collection[str], table: str
) -> Rowed:
    encoding = source.option("encoding")
    _must_end(source, file, content)
    export = CsvFile.parsed(
        source,
        file,
        content,
        sorted(set(columns)),
        encoding="utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding,
        delimiter=source.option("delimiter"),
        others=True,
    )
    for record in export.records(table):
        yield Row(record.number, record.line, record.cells) if isinstance(record, Record) else record


def _xlsx(
    source: SourceConnection, file: SourceFile, content: bytes, columns: Collection[str], table: str
) -> Rowed:
    del table
    header: tuple[str, ...] | None = None
    number = 0
    try:
        for line, cells in spreadsheet.rows_of(content, source.option("sheet")):
            if header is None:
                header = tuple("" if cell is None else str(cell).strip() for cell in cells)
                _must_have(source, file, columns, header)
                continue
            number += 1
            named = zip(header, cells, strict=True)
            yield Row(number, line, {name: cell for name, cell in named if name})
    except spreadsheet.UnreadableWorkbookError as error:
        raise SourceError(f"source {source.name}: {file.name}: {error}") from error
    _must_hold_rows(source, file, number)


def _jsonl(
    source: SourceConnection, file: SourceFile, content: bytes, columns: Collection[str], table: str
) -> Rowed:
    _must_end(source, file, content)
    number = 0
    for line, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        number += 1
        try:
            # Decimal text is kept as it came.
            record = json.loads(raw.decode(source.option("encoding")), parse_float=str)
        except (ValueError, RecursionError) as error:
            record, problem = None, str(error)
        else:
            problem = "it is no object"
        if not isinstance(record, dict):
            reason = f"{file.name}:{line}: the line is no JSON object: {problem}"
            payload = raw.decode("utf-8", "backslashreplace")
            yield Rejected(table, "bad_json", reason, payload, number, file)
            continue
        missing = [name for name in columns if not _has(record, name)]
        if missing:
            reason = f"{file.name}:{line}: it has no {missing[0]}"
            yield Rejected(table, "missing_field", reason, json.dumps(record, sort_keys=True), number, file)
            continue
        yield Row(number, line, {**record, **{name: _found(record, name) for name in columns}})
    _must_hold_rows(source, file, number)


def _has(record: Mapping[str, object], name: str) -> bool:
    return name in record or _found(record, name) is not _MISSING


_MISSING = object()


def _found(record: Mapping[str, object], name: str) -> object:
    """A field, or with dots in its name one of an object in the record."""
    if name in record:
        return record[name]
    value: object = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _must_end(source: SourceConnection, file: SourceFile, content: bytes) -> None:
    if source.option("ends_with_newline") and not content.endswith((b"\n", b"\r")):
        raise SourceError(
            f"source {source.name}: {file.name} is cut off: its last line does not end; if the vendor never "
            "ends it, say ends_with_newline: false"
        )


def _must_have(
    source: SourceConnection, file: SourceFile, columns: Collection[str], header: tuple[str, ...]
) -> None:
    label = f"source {source.name}: {file.name}"
    if missing := sorted(set(columns) - set(header)):
        raise SourceError(f"{label} has other columns than expected; missing: {', '.join(missing)}")
    if twice := sorted(name for name in set(columns) if header.count(name) > 1):
        raise SourceError(f"{label} has the column {twice[0]} twice")


def _must_hold_rows(source: SourceConnection, file: SourceFile, number: int) -> None:
    if not number:
        raise SourceError(f"source {source.name}: {file.name} has no rows, which is not 'no records'")


_READERS: Mapping[str, Callable[[SourceConnection, SourceFile, bytes, Collection[str], str], Rowed]] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".jsonl": _jsonl,
}
SUFFIXES = tuple(_READERS)
