"""CSV exports: strict about their columns, tolerant of a bad row, which is rejected and not guessed at."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avoir.sources.local_folder import bytes_of
from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile

MAX_CSV_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A row of a CSV file: its cells, its number counted from 1 after the header, the line it ends on."""

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
        encoding: str = "utf-8-sig",
        delimiter: str = ",",
        others: bool = False,
    ) -> CsvFile:
        """The file of these bytes; with ``others`` it may have more columns, but none of them twice.

        Raises:
            SourceError: it has other columns, or is not in the encoding at all.
        """
        # Bytes that are not in the encoding survive as surrogates, so that one bad row is told and rejected.
        try:
            text = content.decode(encoding, "surrogateescape")
        except UnicodeError as error:
            raise SourceError(f"source {source.name}: {file.name} is not {encoding}: {error}") from error
        try:
            header = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ()))
        except csv.Error as error:
            raise SourceError(f"source {source.name}: {file.name}:1: {error}") from error
        missing = sorted(set(columns) - set(header))
        unknown = [] if others else sorted(set(header) - set(columns))
        twice = sorted({name for name in header if header.count(name) > 1})
        if missing or unknown or twice:
            message = f"source {source.name}: {file.name} has other columns than expected"
            message += f"; missing: {', '.join(missing)}" if missing else ""
            message += f"; unknown: {', '.join(unknown)}" if unknown else ""
            message += f"; twice: {', '.join(twice)}" if twice else ""
            raise SourceError(message)
        return cls(source, file, header, text, encoding.removesuffix("-sig"), delimiter)

    def records(self, table: str) -> Iterator[Record | Rejected]:
        """Every row after the header.

        Raises:
            SourceError: the file has no rows, or its quoting is broken.
        """
        rows = csv.reader(io.StringIO(self.text, newline=""), strict=True, delimiter=self.delimiter)
        next(rows)
        number = 0
        try:
            for number, row in enumerate(rows, start=1):
                if not row:
                    continue
                where = f"{self.file.name}:{rows.line_num}"
                if len(row) != len(self.header):
                    reason = f"{where}: the row has {len(row)} cells, the header {len(self.header)}"
                    payload = json.dumps(row, ensure_ascii=False)
                    yield Rejected(table, "wrong_cell_count", reason, payload, number, self.file)
                elif any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
                    reason = f"{where}: the row holds bytes that are not {self.encoding.upper()}"
                    payload = json.dumps(row)
                    yield Rejected(table, "not_utf8", reason, payload, number, self.file)
                else:
                    yield Record(number, dict(zip(self.header, row, strict=True)), rows.line_num)
        except csv.Error as error:
            message = f"source {self.source.name}: {self.file.name} after row {number}: {error}"
            raise SourceError(message) from error
        if not number:
            label = f"source {self.source.name}: {self.file.name}"
            raise SourceError(f"{label} has a header and no rows, which is not 'no records'")

    def rejected(self, table: str, record: Record, code: str, reason: str) -> Rejected:
        """A rejection of one row of this file, with its line."""
        reason = f"{self.file.name}:{record.line}: {reason}"
        return Rejected(table, code, reason, record.payload(), record.number, self.file)
