"""Upptime, a monitor that keeps its log in git: its checks, and the figures it publishes itself.

``checks.csv`` (option ``checks``) is the log of the repository's commits, one row per commit: the monitor
commits when a state changes and once per scheduled run, so it is a change log with a heartbeat, and no row
is not no data. The state holds until the next row; how long at most is the contract's probe interval, since
only the contract can say when silence becomes "unknown". ``summary.json`` and ``<slug>.yml`` (option
``history``) are what the monitor publishes: kept beside the measured figures and never used as them.

Not landed: ``bad_instant``, ``missing_key``, ``unknown_status`` (Upptime knows up, down and degraded),
``conflicting_version`` (one monitor, one commit, two states).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from avoir.sources.csv_file import CsvFile, Record
from avoir.sources.instants import rfc_3339
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    SourceFile,
    System,
    Table,
    Window,
    text_columns,
)

CHECKS = Table(
    "checks",
    text_columns("commit", "checked_at", "slug", "name", "status", "http_code", "response_ms"),
    key=("slug", "checked_at"),
    subject="slug",
    instant="checked_at",
)

#: Raw columns of what the monitor publishes, with their names in ``summary.json``.
_PUBLISHED_FIELDS = {
    "slug": "slug",
    "name": "name",
    "url": "url",
    "status": "status",
    "uptime": "uptime",
    "uptime_day": "uptimeDay",
    "uptime_week": "uptimeWeek",
    "uptime_month": "uptimeMonth",
    "uptime_year": "uptimeYear",
    "response_time": "time",
    "daily_minutes_down": "dailyMinutesDown",
}

PUBLISHED = Table(
    "published",
    text_columns(*_PUBLISHED_FIELDS, "last_updated"),
    key=("slug",),
    updated="last_updated",
)

STATUSES = ("up", "down", "degraded")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every check of the window, and the published figures if they were updated before its end."""
    del landed
    yield from _checks(source, window)
    if source.option("history"):
        yield from _published(source, window)


def _checks(source: SourceConnection, window: Window) -> Iterator[Rows | Rejected]:
    log = CsvFile.read(source, source.path / source.option("checks"), CHECKS.column_names)
    kept: dict[tuple[str, str], Record] = {}
    landing: list[Record] = []
    for record in log.records(CHECKS.name):
        if isinstance(record, Rejected):
            yield record
            continue
        cells = record.cells
        if not cells["slug"] or not cells["commit"]:
            yield log.rejected(CHECKS.name, record, "missing_key", "the check has no monitor or no commit")
            continue
        checked_at = rfc_3339(cells["checked_at"])
        if checked_at is None:
            reason = f"checked_at is not an instant with its offset: {cells['checked_at']!r}"
            yield log.rejected(CHECKS.name, record, "bad_instant", reason)
            continue
        if cells["status"] not in STATUSES:
            reason = f"status is none of {', '.join(STATUSES)}: {cells['status']!r}"
            yield log.rejected(CHECKS.name, record, "unknown_status", reason)
            continue
        if checked_at not in window:
            continue
        known = kept.setdefault((cells["slug"], cells["checked_at"]), record)
        if known.cells["status"] != cells["status"]:
            reason = f"row {known.number} gives {cells['slug']} another state at the same instant"
            yield log.rejected(CHECKS.name, record, "conflicting_version", reason)
            continue
        landing.append(record)
    yield Rows(
        CHECKS.name,
        [record.values(CHECKS.column_names) for record in landing],
        [record.number for record in landing],
        log.file,
    )


def _published(source: SourceConnection, window: Window) -> Iterator[Rows | Rejected]:
    folder = source.path / source.option("history")
    path = folder / "summary.json"
    content = _read(source, path)
    file = SourceFile(
        f"{source.option('history')}/summary.json", hashlib.sha256(content).hexdigest(), len(content)
    )
    try:
        monitors = json.loads(content, parse_float=str, parse_int=str)
    except ValueError as error:
        raise SourceError(f"source {source.name}: {path} is not JSON: {error}") from error
    if not isinstance(monitors, list) or not monitors:
        raise SourceError(f"source {source.name}: {path} lists no monitor")
    for number, monitor in enumerate(monitors, start=1):
        payload = json.dumps(monitor, ensure_ascii=False, sort_keys=True)
        slug = monitor.get("slug") if isinstance(monitor, dict) else None
        if not isinstance(slug, str) or not slug or PurePosixPath(slug).name != slug:
            reason = "a published monitor has no usable slug"
            yield Rejected(PUBLISHED.name, "missing_key", reason, payload, number, file)
            continue
        updated_at = _last_updated(source, folder / f"{slug}.yml")
        if updated_at is None:
            reason = f"{slug}.yml does not say when {slug} was last updated"
            yield Rejected(PUBLISHED.name, "missing_instant", reason, payload, number, file)
            continue
        if updated_at >= window.end:
            continue
        values = (*(_cell(monitor.get(name)) for name in _PUBLISHED_FIELDS.values()), updated_at.isoformat())
        yield Rows(PUBLISHED.name, [values], [number], file)


def _last_updated(source: SourceConnection, path: Path) -> datetime | None:
    if not path.is_file():
        return None
    try:
        document = YAML(typ="safe", pure=True).load(_read(source, path).decode())
    except (YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"source {source.name}: {path} is not valid YAML: {error}") from error
    value = document.get("lastUpdated") if isinstance(document, dict) else None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return rfc_3339(str(value))


def _read(source: SourceConnection, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"source {source.name}: cannot read {path}: {error.strerror}") from error


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _relative(value: object) -> str:
    if (
        not isinstance(value, str)
        or not value
        or PurePosixPath(value).is_absolute()
        or ".." in PurePosixPath(value).parts
    ):
        raise ValueError(f"must be a name below the source's folder, got {value!r}")
    return value


SYSTEM = System(
    name="upptime",
    tables=(CHECKS, PUBLISHED),
    fetch=fetch,
    # The log is made anew from git each time: a rewritten history may bring rows of any age.
    overlap=timedelta(days=36500),
    reads="files",
    options={
        "checks": Option(default="checks_from_git_log.csv", check=_relative),
        "history": Option(
            default="history", check=lambda value: "" if value in (None, False) else _relative(value)
        ),
    },
)
