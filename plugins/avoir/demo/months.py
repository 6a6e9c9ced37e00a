"""Local months as values, and instants as whole numbers since 1970-01-01T00:00:00Z."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Self
from zoneinfo import ZoneInfo

SERVICENOW_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month; where it starts and ends depends on the zone it is asked for."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12:
            msg = f"a month lies between 1 and 12, got {self.month}"
            raise ValueError(msg)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def days(self) -> int:
        return (self.plus(1).first_day - self.first_day).days

    def plus(self, months: int) -> Month:
        years, month0 = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, month0 + 1)

    def bounds(self, zone: ZoneInfo) -> tuple[int, int]:
        """Start and end, half-open, in seconds: local midnight to local midnight."""
        return local_epoch(self.first_day, time(0), zone), local_epoch(self.plus(1).first_day, time(0), zone)

    @staticmethod
    def span(first: Month, last: Month) -> tuple[Month, ...]:
        """Every month from first to last, both included."""
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        return tuple(first.plus(step) for step in range(months))


def local_epoch(day: date, at: time, zone: ZoneInfo) -> int:
    """Seconds since 1970 of a local wall-clock time (the earlier one where it comes twice)."""
    return round(datetime.combine(day, at, zone).timestamp())


def local_date(epoch_seconds: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(epoch_seconds, zone).date()


def as_servicenow(epoch_seconds: int) -> str:
    """An instant as the Table API gives it: UTC, whole seconds, no zone."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime(SERVICENOW_FORMAT)


def from_servicenow(text: str) -> int:
    return round(datetime.strptime(text, SERVICENOW_FORMAT).replace(tzinfo=UTC).timestamp())
