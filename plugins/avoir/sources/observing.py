"""Systems that hold the present only: what a load saw of a record lands where it differs from what was seen.

A date that such a system moves leaves no trace in it, so its history is what loads saw: a row per state of a
record, numbered from 1, with the stretch in which it came to be so. The state was not there yet at
``observed_from``, the window's start, if the record was seen before, and it was at ``observed_at``, the last
instant of the window. A record that is not given any more is seen once more, as gone. A window that ends
before the last one that was looked at sees nothing: what was then cannot be asked any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from avoir.sources.declared_instants import zone_of
from avoir.sources.model import Column, Landed, Option, Rows, Table, Window, text_columns
from avoir.sources.vendor_http import IncompleteAnswerError

#: What every table of observations ends with. The instants are no part of what was seen.
_OBSERVED = (
    *text_columns("is_gone", "version_no"),
    Column("observed_from", hashed=False),
    Column("observed_at", hashed=False),
)
Record = Mapping[str, str]


def observation_table(
    name: str, columns: Sequence[str | Column], *, key: tuple[str, ...], subject: str
) -> Table:
    """A raw table of states that were seen of a record; ``columns`` are its own, text where not said."""
    own = tuple(one if isinstance(one, Column) else Column(one) for one in columns)
    return Table(name, (*own, *_OBSERVED), key=key, updated="version_no", subject=subject)


@dataclass(frozen=True)
class Observation:
    """What a window's load saw of one table: every record there is, by its columns."""

    table: Table
    records: Sequence[Record]
    #: Keys of records that were given and could not be read: they are not gone.
    unread: Collection[tuple[str, ...]] = ()
    #: Whether it may be that nothing is there any more; else that is what lost rights look like.
    may_be_empty: bool = True

    def rows(self, window: Window, landed: Landed) -> Rows:
        """What differs from what was seen before, and what is gone since.

        Raises:
            IncompleteAnswerError: nothing is there any more, and it may not be so.
        """
        known = landed.newest(self.table.name)
        if known and not self.records and not self.unread and not self.may_be_empty:
            message = (
                f"none of {len(known)} {self.table.name} is visible any more; check the account's rights"
            )
            raise IncompleteAnswerError(message)
        at = (window.end - timedelta(microseconds=1)).isoformat()
        if any(_instant(one) > window.end for one in known.values()):
            return Rows(self.table.name, [], [])
        changed = [self._seen(record, known, window, at) for record in self.records]
        present = {self._key(record) for record in self.records} | set(self.unread)
        gone = [
            self._made({**one, "is_gone": "true"}, one, window, at)
            for key, one in sorted(known.items())
            if key not in present and one["is_gone"] == "false"
        ]
        values = [row for row in changed if row is not None] + gone
        return Rows(self.table.name, values, range(1, len(values) + 1))

    @property
    def _told(self) -> list[str]:
        return [one.name for one in self.table.columns if one.hashed and one.name != "version_no"]

    def _key(self, record: Record) -> tuple[str, ...]:
        return tuple(record[name] for name in self.table.key)

    def _seen(
        self, record: Record, known: Mapping[tuple[str, ...], Record], window: Window, at: str
    ) -> tuple[str, ...] | None:
        before = known.get(self._key(record))
        state = {**record, "is_gone": "false"}
        if before is not None and all(before[name] == state[name] for name in self._told):
            return None
        return self._made(state, before, window, at)

    def _made(self, state: Record, before: Record | None, window: Window, at: str) -> tuple[str, ...]:
        row = {
            **state,
            "version_no": "1" if before is None else str(int(before["version_no"]) + 1),
            "observed_from": "" if before is None else window.start.isoformat(),
            "observed_at": at,
        }
        return tuple(row[name] for name in self.table.column_names)


def _instant(record: Record) -> datetime:
    return datetime.fromisoformat(record["observed_at"])


def is_instant(text: str) -> bool:
    """Whether a text is an instant with its zone, as ISO 8601 writes it."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def is_date(text: str) -> bool:
    """Whether a text is a date, ``YYYY-MM-DD``."""
    try:
        return len(text) == len("2026-01-01") and bool(date.fromisoformat(text))
    except ValueError:
        return False


def zone_option() -> Option:
    """``timezone``: on whose calendar the dates are that the system gives without a time."""

    def check(value: object) -> str:
        return str(zone_of(value) or "UTC")

    return Option(default="UTC", check=check)


def approved_dates_option() -> Option:
    """``approved_dates``: which of the dates that were seen are agreed, where nobody approves any."""

    def check(value: object) -> str:
        if value not in ("first", "every"):
            raise ValueError(f"must be first (the first date seen, no later one) or every, got {value!r}")
        return str(value)

    return Option(default="first", check=check)
