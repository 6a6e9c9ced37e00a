"""Rows of a file of tickets, by its ending: ``.csv``, ``.xlsx`` or ``.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import PurePosixPath

from avoir.sources.drift import MOST_RECORDS, PointNumber, look_at
from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile
from avoir.sources.table_file import Form, Row, csv_rows, xlsx_rows

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
    _must_end(source, file, content)
    number = 0
    for row in csv_rows(source, file, content, columns, _form(source), table):
        number += 1
        yield row
    _must_hold_rows(source, file, number)


def _xlsx(
    source: SourceConnection, file: SourceFile, content: bytes, columns: Collection[str], table: str
) -> Rowed:
    del table
    number = 0
    for row in xlsx_rows(source, file, content, columns, _form(source)):
        number += 1
        yield row
    _must_hold_rows(source, file, number)


def _form(source: SourceConnection) -> Form:
    return Form(source.option("encoding"), source.option("delimiter"), source.option("sheet"))


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
            record = json.loads(raw.decode(source.option("encoding")), parse_float=PointNumber)
        except (ValueError, RecursionError) as error:
            record, problem = None, str(error)
        else:
            problem = "it is no object"
        if not isinstance(record, dict):
            reason = f"{file.name}:{line}: the line is no JSON object: {problem}"
            payload = raw.decode("utf-8", "backslashreplace")
            yield Rejected(table, "bad_json", reason, payload, number, file)
            continue
        if number <= MOST_RECORDS:
            look_at("lines", None, [record])
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


def _must_hold_rows(source: SourceConnection, file: SourceFile, number: int) -> None:
    if not number:
        raise SourceError(f"source {source.name}: {file.name} has no rows, which is not 'no records'")


_READERS: Mapping[str, Callable[[SourceConnection, SourceFile, bytes, Collection[str], str], Rowed]] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".jsonl": _jsonl,
}
SUFFIXES = tuple(_READERS)
