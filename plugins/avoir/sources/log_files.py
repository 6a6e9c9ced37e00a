"""The files of a folder in which a monitor leaves its logs."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from avoir.sources.local_folder import files_of
from avoir.sources.model import SourceConnection, SourceError


def log_files(source: SourceConnection, pattern: str) -> list[tuple[str, Path]]:
    """Regular files below the source's folder whose name fits the pattern: their name there, and their path.

    No links are followed; the order is that of their names.

    Raises:
        SourceError: the folder is missing or unreadable, or holds no such file, which is what a lost mount
            looks like.
    """
    found = files_of(source, lambda name: fnmatchcase(name, pattern))
    if not found:
        raise SourceError(
            f"source {source.name}: {source.path} holds no file {pattern} at all; is it mounted?"
        )
    return [(one.name, one.path) for one in sorted(found, key=lambda one: one.name)]


def pattern_option(value: Any) -> str:
    """The check of an option that is the pattern of a file's name.

    Raises:
        ValueError: it is no name.
    """
    if not isinstance(value, str) or not value or PurePosixPath(value).name != value:
        raise ValueError(f"must be a pattern of file names such as *.csv, got {value!r}")
    return value


def local_instant(text: str, form: str, zone: ZoneInfo, *, not_before: datetime | None) -> datetime | None:
    """A local time of a log in UTC; None for another form or a time that the zone's clock skipped.

    Of an hour that comes twice it is the first, unless that lies before what the log told before it: rows of
    a log are in the order of time.
    """
    try:
        local = datetime.strptime(text, form)  # noqa: DTZ007 - the zone follows
        if local.tzinfo is not None:
            return local.astimezone(UTC)
        instants = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    except (ValueError, OverflowError):
        return None
    if instants[0].astimezone(zone).replace(tzinfo=None) != local:
        return None
    return instants[1] if not_before is not None and instants[0] < not_before else instants[0]
