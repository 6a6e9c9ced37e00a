"""Whether a source can be read: its credentials, its address, one record. Nothing is landed."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.register import system_of

if TYPE_CHECKING:
    from avoir.sources.series import Series

#: How far back a record is looked for, first to last; then the whole history.
LOOKS_BACK = (timedelta(days=1), timedelta(days=31))


@dataclass(frozen=True)
class Reached:
    """What a source answered.

    ``record`` is one record's table and key, such as ``incident sys_id=ab12``; None when it gave none that
    can be landed. ``refused`` is the reason of the first record that would go to quarantine.
    """

    window: Window
    record: str | None
    refused: str | None


def reach(source: SourceConnection, as_of: datetime) -> Reached:
    """Read a source up to its first record: the last day, the last month, then all its history.

    Raises:
        SourceError: its secret is not set, its system refuses it, does not answer or answers what cannot be
            trusted. The message says what to change and never holds the secret.
    """
    system = system_of(source)
    if source.secret_place is not None:
        _ = source.secret
    refused: str | None = None
    window = None
    for window in _windows(source, system, as_of):
        with closing(_items(source, system, window)) as items:
            for item in items:
                if isinstance(item, Rejected):
                    refused = refused or f"{item.reason_code}: {item.reason}"
                    continue
                rows = item if isinstance(item, Rows) else item[0].rows()
                if rows.values:
                    return Reached(window, _key_of(system, rows), refused)
    if window is None:
        raise ValueError(f"the history of {source.name} begins at {source.history_from}, after {as_of}")
    return Reached(window, None, refused)


def _items(
    source: SourceConnection, system: System, window: Window
) -> Generator[Rows | Sequence[Series] | Rejected, None, None]:
    yield from system.fetch(source, window, NothingLanded())


def _windows(source: SourceConnection, system: System, as_of: datetime) -> Iterator[Window]:
    starts = [] if system.reads_all else [as_of - back for back in LOOKS_BACK]
    for start in (*starts, source.history_from):
        if source.history_from <= start < as_of:
            yield Window(start, as_of)


def _key_of(system: System, rows: Rows) -> str:
    table = system.table(rows.table)
    named = dict(zip(table.column_names, rows.values[0], strict=True))
    return f"{table.name} " + " ".join(f"{name}={named[name]}" for name in table.key)
