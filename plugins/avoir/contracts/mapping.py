"""Keys of a service from a mapping file: a CSV of which every matching row is one key."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from avoir.contracts.model import KeysFrom, SourceKey
from avoir.contracts.problems import choose_among

MAX_BYTES = 8 * 1024 * 1024


class MappingError(ValueError):
    """A mapping file that cannot give the keys asked for; ``mend`` says what to do."""

    def __init__(self, message: str, mend: str) -> None:
        """Keep the mend beside the message."""
        super().__init__(message)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class MappedKey:
    """A key and the line of the mapping file that gave it."""

    key: SourceKey
    line: int


def keys_of(keys_from: KeysFrom, root: Path) -> list[MappedKey]:
    """Return the keys of the matching rows, in file order; ``root`` is the contracts root.

    Raises:
        MappingError: the file is missing, outside of the root or no CSV; a column is unknown; no row
        matches; a key is empty or given twice.
    """
    path = root / keys_from.file
    if not path.resolve().is_relative_to(root.resolve()):
        msg = f"the mapping file {keys_from.file} lies outside of {root}"
        raise MappingError(msg, "name a file under the contracts root, relative to it")
    header, rows = _read(path, keys_from.file)
    for column in (keys_from.value, *keys_from.where):
        if column not in header:
            msg = f"the mapping file {keys_from.file} has no column {column}"
            raise MappingError(msg, choose_among(column, list(header)))
    found: dict[str, MappedKey] = {}
    for line, row in rows:
        if any(row[column] != text.strip() for column, text in keys_from.where.items()):
            continue
        value = row[keys_from.value]
        if not value:
            msg = f"line {line} of {keys_from.file} matches, but its {keys_from.value} is empty"
            raise MappingError(msg, "fill it in, or narrow `where`")
        if value in found:
            msg = f"{value!r} stands twice in {keys_from.file}, on lines {found[value].line} and {line}"
            raise MappingError(msg, "keep one of the two lines, or narrow `where`")
        try:
            key = SourceKey(source=keys_from.source, kind=keys_from.kind, value=value)
        except ValidationError as error:
            msg = f"line {line} of {keys_from.file} has no usable key: {error.errors()[0]['msg']}"
            raise MappingError(msg, "correct the mapping file") from None
        found[value] = MappedKey(key, line)
    if not found:
        asked = ", ".join(f"{column} = {text}" for column, text in keys_from.where.items()) or "any row"
        msg = f"no row of {keys_from.file} matches {asked}"
        raise MappingError(msg, "correct `where`, or add the rows to the mapping file")
    return list(found.values())


def _read(path: Path, name: str) -> tuple[tuple[str, ...], Iterator[tuple[int, dict[str, str]]]]:
    if not path.is_file():
        msg = f"the mapping file {name} does not exist"
        raise MappingError(msg, "create it under the contracts root, or correct its name")
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"the mapping file {name} cannot be read: {error.strerror or error}"
        raise MappingError(msg, "let this user read it") from None
    if len(content) > MAX_BYTES:
        msg = f"the mapping file {name} is larger than {MAX_BYTES} bytes"
        raise MappingError(msg, "split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        msg = f"line {line} of the mapping file {name} is not UTF-8"
        raise MappingError(msg, "save the file with the encoding UTF-8") from None
    if "\0" in text:
        msg = f"the mapping file {name} holds a NUL character"
        raise MappingError(msg, "save the file as plain CSV")
    return _parsed(text, name)


def _parsed(text: str, name: str) -> tuple[tuple[str, ...], Iterator[tuple[int, dict[str, str]]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [
            (reader.line_num, [cell.strip() for cell in cells])
            for cells in reader
            if any(cells) and not cells[0].lstrip().startswith("#")
        ]
    except csv.Error as error:
        msg = f"line {reader.line_num} of the mapping file {name} is not CSV: {error}"
        raise MappingError(msg, "separate by commas and put cells with commas in double quotes") from None
    if not lines:
        msg = f"the mapping file {name} has no lines"
        raise MappingError(msg, "write a header line and one row per key")
    header = tuple(lines[0][1])
    if len(set(header)) != len(header):
        msg = f"the mapping file {name} has two columns of one name"
        raise MappingError(msg, "give each column its own name")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            msg = f"line {line} of {name} has {len(cells)} cells, the header {len(header)}"
            raise MappingError(msg, "give the line one cell per column")
    return header, ((line, dict(zip(header, cells, strict=True))) for line, cells in lines[1:])
