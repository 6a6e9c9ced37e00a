"""Instants as vendors write them, read so that Postgres reads the same: anything else is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})", re.ASCII
)
_WIDEST_OFFSET = timedelta(hours=15, minutes=59)
#: An instant of another year is a mistake of the vendor's.
YEARS = range(1970, 2200)


def rfc_3339(value: object) -> datetime | None:
    """An instant with its offset, as in ``2026-03-02T10:15:30.123+01:00``, in UTC; None for anything else."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    offset = instant.utcoffset()
    is_readable = offset is not None and abs(offset) <= _WIDEST_OFFSET and instant.year in YEARS
    return instant.astimezone(UTC) if is_readable else None
