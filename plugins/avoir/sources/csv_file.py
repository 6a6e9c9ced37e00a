"""CSV exports: strict about their columns, tolerant of a bad row, which is rejected and not guessed at."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from avoir.sources.drift import look_at_header
from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile

MAX_CSV_BYTES = 1024 * 1024 * 1024
_PIECE_BYTES = 1 << 20
#: What bytes become that are not in a file's encoding.
_FOREIGN = re.compile("[\udc80-\udcff]")


class Record(NamedTuple):
    """A row of a CSV file: its number counted from 1 after the header, its cells, the line it begins on."""

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
    """A CSV file whose header was checked. Its rows are read as they are asked for, and any number of times.

    A file in a folder stays there: whoever reads one to its end that is no longer what its hash says fails.
    """

    source: SourceConnection
    file: SourceFile
    header: tuple[str, ...]
    encoding: str
    delimiter: str
    opened: Callable[[], BinaryIO]

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
        digest, size = hashlib.sha256(), 0
        with _Stream(source, path) as stream:
            while (piece := stream.read(_PIECE_BYTES)) and size <= MAX_CSV_BYTES:
                digest.update(piece)
                size += len(piece)
        if size > MAX_CSV_BYTES:
            raise SourceError(f"source {source.name}: {path} is larger than {MAX_CSV_BYTES} bytes")
        file = SourceFile(name or path.name, digest.hexdigest(), size)
        opened = partial(_unchanged, source, path, file)
        return cls._of(source, file, opened, columns, "utf-8", delimiter, others=others)

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
        return cls._of(
            source, file, partial(io.BytesIO, content), columns, encoding, delimiter, others=others
        )

    @classmethod
    def _of(
        cls,
        source: SourceConnection,
        file: SourceFile,
        opened: Callable[[], BinaryIO],
        columns: Sequence[str],
        encoding: str,
        delimiter: str,
        *,
        others: bool,
    ) -> CsvFile:
        whole = cls(source, file, (), encoding, delimiter, opened)
        header = next((row for _, row, _ in whole._rows()), [])
        label = f"source {source.name}: {file.name}"
        checked = checked_header(label, header, columns, others=others)
        return replace(whole, header=checked)

    def records(
        self, table: str, *, may_be_empty: bool = False, must_end: bool = False
    ) -> Iterator[Record | Rejected]:
        """Every row after the header in which something stands.

        Args:
            table: whose rows they are to be.
            may_be_empty: a file of a header alone is none without rows.
            must_end: the last row must end with its line, so that nobody doubts that it is whole.

        Raises:
            SourceError: the file has no rows, ends in the middle of one, its quoting is broken, or it is not
                in its encoding at all.
        """
        label = f"source {self.source.name}: {self.file.name}"
        number = -1
        for number, (line, row, is_cut) in enumerate(self._rows()):
            text = "".join(row)
            if not number or not text.strip():
                continue
            if is_cut and (must_end or len(row) < len(self.header)):
                raise SourceError(f"{label}:{line} ends in the middle of a row; is it still being written?")
            where = f"{self.file.name}:{line}"
            if len(row) != len(self.header):
                reason = f"{where}: the row has {len(row)} cells, the header {len(self.header)}"
                payload = json.dumps(row, ensure_ascii=False)
                yield Rejected(table, "wrong_cell_count", reason, payload, number, self.file)
            elif not text.isascii() and _FOREIGN.search(text):
                reason = f"{where}: the row holds bytes that are not {self.encoding.upper()}"
                payload = json.dumps(row)
                yield Rejected(table, "not_utf8", reason, payload, number, self.file)
            else:
                yield Record(number, dict(zip(self.header, row, strict=True)), line)
        if number < 1 and not may_be_empty:
            raise SourceError(f"{label} has a header and no rows, which is not 'no records'")

    def _rows(self) -> Iterator[tuple[int, list[str], bool]]:
        """The line on which each row begins, its cells, and whether the file ends before that line does.

        The header is the first of them.
        """
        label = f"source {self.source.name}: {self.file.name}"
        is_utf_8 = self.encoding.lower() in ("utf-8", "utf8")
        line = 1
        # Bytes that are not in the encoding survive as surrogates, so that one bad row is told and rejected.
        with io.TextIOWrapper(
            self.opened(), "utf-8-sig" if is_utf_8 else self.encoding, "surrogateescape", newline=""
        ) as stream:
            lines = _Lines(stream)
            rows = csv.reader(lines, strict=True, delimiter=self.delimiter)
            before: tuple[int, list[str]] | None = None
            try:
                for row in rows:
                    if before is not None:
                        yield *before, False
                    before, line = (line, row), rows.line_num + 1
            except csv.Error as error:
                raise SourceError(f"{label}:{line} cannot be read: {error}") from error
            except UnicodeError as error:
                raise SourceError(f"{label} is not {self.encoding}: {error}") from error
            if before is not None:
                yield *before, not lines.last.endswith(("\n", "\r"))

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
    look_at_header([name for name in header if name])
    return header


class _Lines:
    """The lines of a stream, of which the last one that was read is kept."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.last = line
            yield line


class _Stream(io.FileIO):
    """A file of the source's folder; that it cannot be read is an error of the source.

    With the hash that it had, it must still be that file when it has been read.
    """

    def __init__(self, source: SourceConnection, path: Path, sha256: str | None = None) -> None:
        self._label, self._path = f"source {source.name}", path
        self._expected, self._digest = sha256, hashlib.sha256()
        try:
            super().__init__(path)
        except OSError as error:
            raise self._unreadable(error) from error

    def readinto(self, buffer: Any) -> int:
        try:
            count = super().readinto(buffer)
        except OSError as error:
            raise self._unreadable(error) from error
        if self._expected is not None:
            self._digest.update(memoryview(buffer)[:count])
            if not count and self._digest.hexdigest() != self._expected:
                raise SourceError(f"{self._label}: {self._path} changed while it was read; load it again")
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self._label}: cannot read {self._path}: {error.strerror}")


def _unchanged(source: SourceConnection, path: Path, file: SourceFile) -> BinaryIO:
    return io.BufferedReader(_Stream(source, path, file.sha256), _PIECE_BYTES)
