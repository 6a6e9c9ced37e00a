"""CSV exports: strict about their columns, tolerant of a bad row, which is rejected and not guessed at."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avoir.sources.local_folder import bytes_of
from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile

MAX_CSV_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A row of a CSV file: its cells, its number counted from 1 after the header, the line it begins on."""

    number: int
    cells: dict[str, str]
    line: int

    def values(self, columns: Sequence[str]) -> tuple[str | None, ...]:
        """The cells of these columns, in their order."""
        return tuple(self.cells[column] for column in columns)

    def payload(self) -> str:
        """The whole row as JSON, the same for the same cells."""
        return json.dumps(self.cells, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose header was checked."""

    source: SourceConnection
    file: SourceFile
    header: tuple[str, ...]
    text: str
    encoding: str
    delimiter: str

    @classmethod
    def read(
        cls,
        source: SourceConnection,
        path: Path,
        columns: Sequence[str],
        *,
        name: str = "",
        delimiter: str = ",",
        others: bool = False,
    ) -> CsvFile:
        """Read a file that must have exactly these columns, in any order; with ``others`` these and more.

        ``name`` is what the file is called below the source's folder, where that is more than its own name.

        Raises:
            SourceError: the file is missing, too large, empty, or has other columns.
        """
        content = bytes_of(source, path, MAX_CSV_BYTES + 1)
        if len(content) > MAX_CSV_BYTES:
            raise SourceError(f"source {source.name}: {path} is larger than {MAX_CSV_BYTES} bytes")
        file = SourceFile(name or path.name, hashlib.sha256(content).hexdigest(), len(content))
        return cls.parsed(source, file, content, columns, delimiter=delimiter, others=others)

    @classmethod
    def parsed(
        cls,
        source: SourceConnection,
        file: SourceFile,
        content: bytes,
        columns: Sequence[str],
        *,
        encoding: str = "utf-8",
        delimiter: str = ",",
        others: bool = False,
    ) -> CsvFile:
        """The file of these bytes; with ``others`` it may have more columns, but none of them twice.

        Raises:
            SourceError: it has other columns, or is not in the encoding at all.
        """
        is_utf_8 = encoding.lower() in ("utf-8", "utf8")
        # Bytes that are not in the encoding survive as surrogates, so that one bad row is told and rejected.
        try:
            text = content.decode("utf-8-sig" if is_utf_8 else encoding, "surrogateescape")
        except UnicodeError as error:
            raise SourceError(f"source {source.name}: {file.name} is not {encoding}: {error}") from error
        try:
            header = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ()))
        except csv.Error as error:
            raise SourceError(f"source {source.name}: {file.name}:1: {error}") from error
        label = f"source {source.name}: {file.name}"
        return cls(
            source, file, checked_header(label, header, columns, others=others), text, encoding, delimiter
        )

    def records(self, table: str, *, may_be_empty: bool = False) -> Iterator[Record | Rejected]:
        """Every row after the header in which something stands.

        Raises:
            SourceError: the file has no rows, ends in the middle of one, or its quoting is broken.
        """
        label = f"source {self.source.name}: {self.file.name}"
        number = 0
        for number, (line, row, is_last) in enumerate(self._rows(label), start=1):
            where = f"{self.file.name}:{line}"
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(self.header):
                if is_last and len(row) < len(self.header) and not self.text.endswith(("\n", "\r")):
                    what = "ends in the middle of a row; is it still being written?"
                    raise SourceError(f"{label}:{line} {what}")
                reason = f"{where}: the row has {len(row)} cells, the header {len(self.header)}"
                payload = json.dumps(row, ensure_ascii=False)
                yield Rejected(table, "wrong_cell_count", reason, payload, number, self.file)
            elif any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
                reason = f"{where}: the row holds bytes that are not {self.encoding.upper()}"
                payload = json.dumps(row)
                yield Rejected(table, "not_utf8", reason, payload, number, self.file)
            else:
                yield Record(number, dict(zip(self.header, row, strict=True)), line)
        if not number and not may_be_empty:
            raise SourceError(f"{label} has a header and no rows, which is not 'no records'")

    def _rows(self, label: str) -> Iterator[tuple[int, list[str], bool]]:
        """The line on which each row begins, its cells, and whether it is the last."""
        rows = csv.reader(io.StringIO(self.text, newline=""), strict=True, delimiter=self.delimiter)
        before: tuple[int, list[str]] | None = None
        line = 1
        try:
            next(rows)
            line = rows.line_num + 1
            for row in rows:
                if before is not None:
                    yield *before, False
                before, line = (line, row), rows.line_num + 1
        except csv.Error as error:
            raise SourceError(f"{label}:{line} cannot be read: {error}") from error
        if before is not None:
            yield *before, True

    def rejected(self, table: str, record: Record, code: str, reason: str) -> Rejected:
        """A rejection of one row of this file, with its line."""
        reason = f"{self.file.name}:{record.line}: {reason}"
        return Rejected(table, code, reason, record.payload(), record.number, self.file)


def checked_header(
    label: str, cells: Sequence[str], columns: Collection[str], *, others: bool
) -> tuple[str, ...]:
    """The names of a header, stripped of blanks; a column without a name is none of them.

    Args:
        label: what the file is called, for the error.
        cells: the header as it is written.
        columns: those that it must have.
        others: whether it may have more.

    Raises:
        SourceError: it lacks a column, has one too many, or one twice.
    """
    header = tuple(cell.strip() for cell in cells)
    missing = sorted(set(columns) - set(header))
    unknown = [] if others else sorted(set(header) - set(columns))
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if missing or unknown or twice:
        message = f"{label} has other columns than expected"
        if missing:
            message += f"; missing: {', '.join(missing)} (it has {', '.join(header) or 'none'})"
        message += f"; unknown: {', '.join(unknown)}" if unknown else ""
        message += f"; twice: {', '.join(twice)}" if twice else ""
        raise SourceError(message)
    return header
