"""Probe logs as CSV files in a folder: one row per check, columns and words as the connection declares them.

A file is known by the hash of its bytes: one that grew or was corrected is read again, whole, and what it
told before lands once. Rows are in the order of time, as a monitor writes them. A file that ends in the
middle of a row fails the load, since nobody can say what is missing; one with a row at or after the window's
end waits for the next window.

Not landed: ``missing_key`` (no monitor), ``bad_instant`` (another form than declared, or an hour that the
clock skipped), ``unknown_state`` (neither of the declared words), ``conflicting_version`` (another row of
the monitor gives another state at the same instant), and what :mod:`avoir.sources.csv_file` rejects.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from avoir.sources.csv_file import CsvFile, Record
from avoir.sources.declared_instants import zone_of
from avoir.sources.instants import EPOCH, YEARS, microseconds, microseconds_text, rfc_3339
from avoir.sources.log_files import local_instant, log_files, pattern_option
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, SourceError, System, Window
from avoir.sources.monitoring import CHECKS, SCHEMA

#: What a column of a log may be for; a log without ``monitor`` is of the one that ``monitor`` names.
ROLES = ("monitor", "checked_at", "state", "response_ms")
_REQUIRED = ("checked_at", "state")
#: How many rows of a log are landed as one piece.
BLOCK_ROWS = 50_000
_SECONDS = re.compile(r"\d{1,15}(?:\.\d{1,6})?", re.ASCII)
_LAST = microseconds(datetime(YEARS.stop, 1, 1, tzinfo=UTC))
#: Stands for the instant of a row that has none.
_REJECTED = -(1 << 63)

#: Reads the text of an instant; of one that may be either of two it is the first that is not before another.
#: All are in microseconds since 1970.
ReadInstant = Callable[[str, int | None], int | None]


@dataclass(frozen=True)
class _Form:
    """How the rows of a connection's logs are to be read."""

    columns: dict[str, str]
    monitor: str
    words: dict[str, str]
    read_instant: ReadInstant
    told_as: str

    def monitor_of(self, cells: Mapping[str, str]) -> str:
        """The monitor of a row; empty where none is named."""
        column = self.columns.get("monitor")
        return self.monitor if column is None else cells[column].strip()

    def said_of(self, cells: Mapping[str, str]) -> str:
        """What the monitor calls the state of a row."""
        return cells[self.columns["state"]].strip()


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every check of every new file whose rows lie before the window's end.

    Raises:
        SourceError: the folder holds no log, or a log is cut off, has other columns or no rows.
    """
    form = _form_of(source)
    columns = tuple(form.columns.values())
    seen: set[str] = set()
    for name, path in log_files(source, source.option("files")):
        log = CsvFile.read(
            source, path, columns, delimiter=source.option("delimiter"), others=True, name=name
        )
        if log.file.sha256 in seen or landed.has_file(log.file.sha256):
            continue
        seen.add(log.file.sha256)
        instants, rejected = _judged(log, form)
        if max(instants, default=_REJECTED) < microseconds(window.end):
            yield from rejected
            yield from _landing(log, form, instants)


def _judged(log: CsvFile, form: _Form) -> tuple[array[int], list[Rejected]]:
    """Of each row of a log the instant of its check, in microseconds since 1970, and the rows without one."""
    instants: array[int] = array("q")
    rejected: list[Rejected] = []
    told: defaultdict[str, _Told] = defaultdict(_Told)
    for record in log.records(CHECKS.name, must_end=True):
        found = record if isinstance(record, Rejected) else _instant_of(log, record, form, told)
        if isinstance(found, Rejected):
            rejected.append(found)
            found = _REJECTED
        instants.append(found)
    return instants, rejected


def _instant_of(log: CsvFile, record: Record, form: _Form, told: defaultdict[str, _Told]) -> int | Rejected:
    cells = record.cells
    monitor, said, at = form.monitor_of(cells), form.said_of(cells), cells[form.columns["checked_at"]].strip()
    if not monitor:
        return log.rejected(CHECKS.name, record, "missing_key", "the check has no monitor")
    before = told[monitor]
    checked_at = form.read_instant(at, before.newest)
    if checked_at is None:
        reason = f"{form.columns['checked_at']} is not {form.told_as}: {at!r}"
        return log.rejected(CHECKS.name, record, "bad_instant", reason)
    if said not in form.words:
        reason = f"{form.columns['state']} is none of the words declared: {said!r}"
        return log.rejected(CHECKS.name, record, "unknown_state", reason)
    if before.differs(checked_at, form.words[said]):
        reason = f"a row before says something else of {monitor} at this instant"
        return log.rejected(CHECKS.name, record, "conflicting_version", reason)
    return checked_at


def _landing(log: CsvFile, form: _Form, instants: array[int]) -> Iterator[Rows]:
    """The rows that have an instant, a piece at a time: a log may be longer than memory has room for."""
    values: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    took = form.columns.get("response_ms")
    for record, at in zip(log.records(CHECKS.name), instants, strict=True):
        if at == _REJECTED or isinstance(record, Rejected):
            continue
        cells = record.cells
        said = form.said_of(cells)
        response_ms = (cells[took].strip() or None) if took else None
        values.append((form.monitor_of(cells), microseconds_text(at), form.words[said], said, response_ms))
        numbers.append(record.number)
        if len(values) == BLOCK_ROWS:
            yield Rows(CHECKS.name, values, numbers, log.file)
            values, numbers = [], []
    if values:
        yield Rows(CHECKS.name, values, numbers, log.file)


@dataclass
class _Told:
    """What a monitor told so far: its checks in the order of time, and beside them those that came late."""

    instants: array[int] = field(default_factory=lambda: array("q"))
    states: bytearray = field(default_factory=bytearray)
    late: dict[int, str] = field(default_factory=dict)

    @property
    def newest(self) -> int | None:
        """Its newest instant, in microseconds since 1970."""
        return self.instants[-1] if self.instants else None

    def differs(self, at: int, state: str) -> bool:
        """Whether it told another state of the instant; else it has told this one."""
        if not self.instants or at > self.instants[-1]:
            self.instants.append(at)
            self.states.append(state == "up")
            return False
        place = bisect_left(self.instants, at)
        if self.instants[place] == at:
            return self.states[place] != (state == "up")
        return self.late.setdefault(at, state) != state


# --- How a connection declares its logs ---


def _form_of(source: SourceConnection) -> _Form:
    zone: ZoneInfo | None = source.option("timezone")
    form: str = source.option("time_format")
    columns: dict[str, str] = source.option("columns")
    words = dict.fromkeys(source.option("up"), "up") | dict.fromkeys(source.option("down"), "down")
    if twice := set(source.option("up")) & set(source.option("down")):
        raise SourceError(f"source {source.name}: {min(twice)!r} cannot be both up and down")
    if ("monitor" in columns) == bool(source.option("monitor")):
        message = "either a column holds the monitor's name or the option monitor states it, not both"
        raise SourceError(f"source {source.name}: {message}")
    if form in _INSTANTS:
        return _Form(columns, source.option("monitor"), words, _INSTANTS[form], _TOLD_AS[form])
    if zone is None:
        raise SourceError(f"source {source.name}: times of the form {form!r} need the option timezone")

    def read_instant(text: str, not_before: int | None) -> int | None:
        newest = None if not_before is None else EPOCH + timedelta(microseconds=not_before)
        instant = local_instant(text, form, zone, not_before=newest)
        return microseconds(instant) if instant is not None and instant.year in YEARS else None

    told_as = f"a time of the form {form!r} in {zone.key}"
    return _Form(columns, source.option("monitor"), words, read_instant, told_as)


def _since_1970(text: str, divisor: int) -> int | None:
    if not _SECONDS.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    instant = (int(whole) * 1_000_000 + int(fraction.ljust(6, "0") or 0)) // divisor
    return instant if instant < _LAST else None


# Many monitors are often looked at together.
@lru_cache(maxsize=1024)
def _iso(text: str) -> int | None:
    instant = rfc_3339(text)
    return None if instant is None else microseconds(instant)


_INSTANTS: dict[str, ReadInstant] = {
    "iso": lambda text, _: _iso(text),
    "epoch": lambda text, _: _since_1970(text, 1),
    "epoch_ms": lambda text, _: _since_1970(text, 1000),
}
_TOLD_AS = {
    "iso": "an instant with its offset as in 2026-03-02T10:15:30Z",
    "epoch": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
}


def _columns(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(name, str) and name for pair in value.items() for name in pair
    ):
        raise ValueError(f"must map {', '.join(ROLES)} to columns of the log, got {value!r}")
    if unknown := sorted(set(value) - set(ROLES)):
        raise ValueError(f"has the unknown role {unknown[0]!r}; known are {', '.join(ROLES)}")
    if missing := [role for role in _REQUIRED if role not in value]:
        raise ValueError(f"does not say which column is {missing[0]}")
    if len(set(value.values())) != len(value):
        raise ValueError("names one column for two roles")
    return dict(value)


def _words(value: Any) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str | int) and str(word) for word in words):
        raise ValueError(f"must be a list of words, in quotes, got {value!r}")
    if any(isinstance(word, bool) for word in words):
        raise ValueError(f"must be a list of words, in quotes, got {value!r}")
    return tuple(map(str, words))


def _delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n':
        raise ValueError(f"must be one character, got {value!r}")
    return value


def _time_format(value: Any) -> str:
    if not isinstance(value, str) or (value not in _INSTANTS and "%" not in value):
        raise ValueError(f"must be {', '.join(_INSTANTS)} or a form such as %Y-%m-%d %H:%M:%S, got {value!r}")
    return value


def _name(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be text, got {value!r}")
    return value.strip()


SYSTEM = System(
    name="probe_log",
    tables=(CHECKS,),
    fetch=fetch,
    # A log may arrive late or be corrected: what has landed is known by its hash.
    overlap=timedelta(days=36500),
    reads="files",
    options={
        "columns": Option(required=True, check=_columns),
        "up": Option(required=True, check=_words),
        "down": Option(required=True, check=_words),
        "monitor": Option(check=_name),
        "time_format": Option(default="iso", check=_time_format),
        "timezone": Option(check=zone_of),
        "files": Option(default="*.csv", check=pattern_option),
        "delimiter": Option(default=",", check=_delimiter),
    },
    schema_name=SCHEMA,
)
