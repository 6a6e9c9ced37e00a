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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from avoir.sources.csv_file import CsvFile
from avoir.sources.declared_instants import zone_of
from avoir.sources.instants import YEARS, rfc_3339
from avoir.sources.log_files import local_instant, log_files, pattern_option
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, SourceError, System, Window
from avoir.sources.monitoring import CHECKS, SCHEMA

#: What a column of a log may be for; a log without ``monitor`` is of the one that ``monitor`` names.
ROLES = ("monitor", "checked_at", "state", "response_ms")
_REQUIRED = ("checked_at", "state")
_EPOCH = re.compile(r"\d{1,15}(?:\.\d{1,6})?", re.ASCII)

ReadInstant = Callable[[str, datetime | None], datetime | None]


@dataclass(frozen=True)
class _Form:
    """How the rows of a connection's logs are to be read."""

    columns: dict[str, str]
    monitor: str
    words: dict[str, str]
    read_instant: ReadInstant
    told_as: str


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every check of every new file whose rows lie before the window's end.

    Raises:
        SourceError: the folder holds no log, or a log is cut off, has other columns or no rows.
    """
    form = _form_of(source)
    seen: set[str] = set()
    for name, path in log_files(source, source.option("files")):
        log = CsvFile.read(
            source,
            path,
            tuple(form.columns.values()),
            delimiter=source.option("delimiter"),
            others=True,
            name=name,
        )
        if log.file.sha256 in seen or landed.has_file(log.file.sha256):
            continue
        seen.add(log.file.sha256)
        if not log.text.endswith(("\n", "\r")):
            what = "ends in the middle of a row; it is still being written, or was cut off"
            raise SourceError(f"source {source.name}: {name} {what}")
        items = list(_read(log, form))
        if all(checked_at < window.end for _, checked_at in items if checked_at is not None):
            yield from _landing(log, items)


_Row = tuple[str | None, ...]


def _landing(
    log: CsvFile, items: list[tuple[Rejected | tuple[int, _Row], datetime | None]]
) -> Iterator[Rows | Rejected]:
    values: list[_Row] = []
    numbers: list[int] = []
    for item, _ in items:
        if isinstance(item, Rejected):
            yield item
        else:
            numbers.append(item[0])
            values.append(item[1])
    yield Rows(CHECKS.name, values, numbers, log.file)


def _read(log: CsvFile, form: _Form) -> Iterator[tuple[Rejected | tuple[int, _Row], datetime | None]]:
    """Every row of a log: rejected, or its number and values with its instant."""
    told: dict[str, datetime] = {}
    states: dict[tuple[str, datetime], str] = {}
    for record in log.records(CHECKS.name):
        if isinstance(record, Rejected):
            yield record, None
            continue
        cells = {role: record.cells[column].strip() for role, column in form.columns.items()}
        monitor = cells.get("monitor", form.monitor)
        checked_at = form.read_instant(cells["checked_at"], told.get(monitor))
        state = form.words.get(cells["state"])
        problem = None
        if not monitor:
            problem = "missing_key", "the check has no monitor"
        elif checked_at is None:
            problem = (
                "bad_instant",
                f"{form.columns['checked_at']} is not {form.told_as}: {cells['checked_at']!r}",
            )
        elif state is None:
            problem = (
                "unknown_state",
                f"{form.columns['state']} is none of the words declared: {cells['state']!r}",
            )
        elif states.setdefault((monitor, checked_at), state) != state:
            problem = "conflicting_version", f"a row before says something else of {monitor} at this instant"
        if problem is not None or checked_at is None or state is None:
            yield log.rejected(CHECKS.name, record, *(problem or ("", ""))), None
            continue
        told[monitor] = max(checked_at, told.get(monitor, checked_at))
        values = (monitor, checked_at.isoformat(), state, cells["state"], cells.get("response_ms") or None)
        yield (record.number, values), checked_at


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

    def read_instant(text: str, not_before: datetime | None) -> datetime | None:
        instant = local_instant(text, form, zone, not_before=not_before)
        return instant if instant is not None and instant.year in YEARS else None

    told_as = f"a time of the form {form!r} in {zone.key}"
    return _Form(columns, source.option("monitor"), words, read_instant, told_as)


def _since_1970(text: str, divisor: int) -> datetime | None:
    if not _EPOCH.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    microseconds = (int(whole) * 1_000_000 + int(fraction.ljust(6, "0") or 0)) // divisor
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    return instant if instant.year in YEARS else None


_INSTANTS: dict[str, ReadInstant] = {
    "iso": lambda text, _: rfc_3339(text),
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
