"""CSV exports: strict about their columns, tolerant of a bad row, which is rejected and not guessed at."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile

MAX_CSV_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A row of a CSV file: its cells, and its number counted from 1 after the header."""

    number: int
    cells: dict[str, str]

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
    path: Path
    file: SourceFile
    header: tuple[str, ...]
    text: str
    delimiter: str = ","

    @classmethod
    def read(
        cls,
        source: SourceConnection,
        path: Path,
        columns: Sequence[str],
        *,
        delimiter: str = ",",
        may_have_others: bool = False,
        name: str | None = None,
    ) -> CsvFile:
        """Read a file that must have exactly these columns, in any order; or these and others.

        ``name`` is what the file is called below the source's folder, where that is more than its own name.

        Raises:
            SourceError: the file is missing, too large, empty, or has other columns.
        """
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_CSV_BYTES + 1)
        except OSError as error:
            raise SourceError(f"source {source.name}: cannot read {path}: {error.strerror}") from error
        if len(content) > MAX_CSV_BYTES:
            raise SourceError(f"source {source.name}: {path} is larger than {MAX_CSV_BYTES} bytes")
        # Bytes that are not UTF-8 survive as surrogates, so that the one bad row can be told and rejected.
        text = content.decode("utf-8-sig", "surrogateescape")
        header = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ()))
        missing = sorted(set(columns) - set(header))
        unknown = [] if may_have_others else sorted(set(header) - set(columns))
        twice = sorted({name for name in header if header.count(name) > 1})
        if missing or unknown or twice:
            message = f"source {source.name}: {name or path.name} has other columns than expected"
            message += f"; missing: {', '.join(missing)}" if missing else ""
            message += f"; unknown: {', '.join(unknown)}" if unknown else ""
            message += f"; twice: {', '.join(twice)}" if twice else ""
            raise SourceError(message)
        file = SourceFile(name or path.name, hashlib.sha256(content).hexdigest(), len(content))
        return cls(source, path, file, header, text, delimiter)

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
                if len(row) != len(self.header):
                    reason = f"the row has {len(row)} cells, the header {len(self.header)}"
                    payload = json.dumps(row, ensure_ascii=False)
                    yield Rejected(table, "wrong_cell_count", reason, payload, number, self.file)
                elif any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
                    reason = "the row holds bytes that are not UTF-8"
                    payload = json.dumps(row)
                    yield Rejected(table, "not_utf8", reason, payload, number, self.file)
                else:
                    yield Record(number, dict(zip(self.header, row, strict=True)))
        except csv.Error as error:
            message = f"source {self.source.name}: {self.file.name} after row {number}: {error}"
            raise SourceError(message) from error
        if not number:
            label = f"source {self.source.name}: {self.file.name}"
            raise SourceError(f"{label} has a header and no rows, which is not 'no records'")

    def rejected(self, table: str, record: Record, code: str, reason: str) -> Rejected:
        """A rejection of one row of this file."""
        return Rejected(table, code, reason, record.payload(), record.number, self.file)
