"""Business time as a table: the exact open pieces of every UTC day of a calendar.

One definition holds everywhere: **a calendar is open at an instant when the wall clock of its zone reads a
time within the opening hours of the date it shows.** Hence, when clocks change:

- hours that the clock skips do not exist: 02:30-04:00 on the spring Sunday of Paris opens at 03:00 and
  lasts one hour;
- hours that it shows twice are open both times: 01:00-02:30 on the autumn Sunday is open from 01:00 to the
  first 02:30, and again from the second 02:00 to the second 02:30 (2 h in all);
- a whole day 00:00-24:00 has 23, 24 or 25 hours (23.5 and 24.5 on Lord Howe Island).

Public holidays, closed days and half days are local dates. Which hours hold on a date: half days, else none
on closed days and holidays, else those of the weekday.

The table answers "how much business time lies before t" by
``C(t) = open_before_us + Σ max(0, min(t, close) - open)`` with t in microseconds of its UTC day, so the
business time of ``[from, to)`` is ``C(to) - C(from)``. The first :data:`COLUMN_PIECES` pieces of a day have
columns of their own; what a day has beyond them stands in two arrays, which hardly any day needs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays as holiday_library

from avoir.contracts.model import MINUTES_PER_DAY, Calendar, Opening

COLUMN_PIECES = 6
MICROSECONDS_PER_MINUTE = 60_000_000
MICROSECONDS_PER_DAY = MINUTES_PER_DAY * MICROSECONDS_PER_MINUTE
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DATE = EPOCH.date()

_WHOLE_DAY = (Opening(0, MINUTES_PER_DAY),)
_HOUR_US = 60 * MICROSECONDS_PER_MINUTE
_SECOND_US = 1_000_000
_DAYS_OF_A_YEAR = 366
_LAST_YEAR = 2200


class CalendarError(ValueError):
    """A calendar that opens so seldom that a target on it is never reached."""


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One UTC day of a calendar. Pieces are half-open microseconds of the UTC day, in order and apart."""

    utc_date: date
    is_business_day: bool
    open_before_us: int
    pieces: tuple[tuple[int, int], ...]

    @property
    def day_no(self) -> int:
        """UTC days since 1970-01-01."""
        return (self.utc_date - EPOCH_DATE).days

    @property
    def open_day_us(self) -> int:
        """Open microseconds of this day."""
        return sum(close - open_ for open_, close in self.pieces)

    def row(self) -> tuple[int | bool | date | list[int] | None, ...]:
        """Return the values of ``reference.calendar_days`` after ``calendar_id``; unused pieces are null."""
        padded = self.pieces[:COLUMN_PIECES] + ((None, None),) * (COLUMN_PIECES - len(self.pieces))
        flat = [end for piece in padded for end in piece]
        more = self.pieces[COLUMN_PIECES:]
        return (
            self.day_no,
            self.utc_date,
            self.is_business_day,
            self.open_before_us,
            self.open_day_us,
            *flat,
            [open_ for open_, _ in more] or None,
            [close for _, close in more] or None,
        )


def calendar_days(calendar: Calendar, days_from: date, days_to: date) -> list[CalendarDay]:
    """Return every UTC day of ``[days_from, days_to)``; business time accumulates from ``days_from``.

    Raises:
        ValueError: the range is empty or the calendar has no zone.
    """
    if days_from >= days_to:
        msg = f"the range of days must end after it starts, got {days_from} to {days_to}"
        raise ValueError(msg)
    zone = _zone_of(calendar)
    first_us = _us_of_date(days_from)
    end_us = _us_of_date(days_to)
    segments = _offset_segments(zone.key, days_from, days_to)
    hours = _HoursByDate(calendar)
    pieces_by_day: dict[int, list[tuple[int, int]]] = {}
    business_dates: set[date] = set()
    last: tuple[int, int] | None = None
    ordered: list[tuple[int, int]] = []
    for local_date in _dates(days_from - timedelta(days=2), days_to + timedelta(days=2)):
        day_pieces = list(_instants(hours.on(local_date), _us_of_date(local_date), segments))
        if day_pieces:
            business_dates.add(local_date)
        ordered.extend(day_pieces)
    for start, end in sorted(ordered):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            _lay_out(last, pieces_by_day)
        last = (start, end)
    if last is not None:
        _lay_out(last, pieces_by_day)

    days: list[CalendarDay] = []
    before = 0
    for day_start in range(first_us, end_us, MICROSECONDS_PER_DAY):
        utc_date = EPOCH_DATE + timedelta(microseconds=day_start)
        pieces = tuple(pieces_by_day.get(day_start // MICROSECONDS_PER_DAY, ()))
        day = CalendarDay(utc_date, utc_date in business_dates, before, pieces)
        before += day.open_day_us
        days.append(day)
    return days


def days_that_reach(
    calendar: Calendar, days_from: date, days_to: date, *, after: datetime, open_us: int
) -> list[CalendarDay]:
    """Return the days of ``[days_from, days_to)``, and more until so much open time follows an instant.

    A clock that starts at ``after`` with a target of ``open_us`` microseconds then has its due instant within
    the days. A calendar that opens on no day of its last year is not extended: no clock on it ever runs.

    Raises:
        ValueError: the range is empty, the calendar has no zone, or ``after`` is naive.
        CalendarError: the calendar opens so seldom that the time does not follow before the year 2200.
    """
    days = calendar_days(calendar, days_from, days_to)
    while True:
        last = days[-1]
        if not days[0].day_no <= microseconds_since_epoch(after) // MICROSECONDS_PER_DAY <= last.day_no:
            return days
        left = last.open_before_us + last.open_day_us - opened_before(days, after)
        if left >= open_us or not any(day.pieces for day in days[-_DAYS_OF_A_YEAR:]):
            return days
        if days_to.year >= _LAST_YEAR:
            msg = f"calendar {calendar.id} opens too seldom: its longest target is not reached by {days_to}"
            raise CalendarError(msg)
        days_to += timedelta(days=_DAYS_OF_A_YEAR)
        days = calendar_days(calendar, days_from, days_to)


def opened_before(days: Sequence[CalendarDay], instant: datetime) -> int:
    """Return C(instant): the open microseconds from the first day to the instant, as SQL looks it up.

    Raises:
        ValueError: the instant is naive or outside of the days.
    """
    at = microseconds_since_epoch(instant)
    position = at // MICROSECONDS_PER_DAY - days[0].day_no
    if not 0 <= position < len(days):
        msg = f"{instant} is outside of the days {days[0].utc_date} to {days[-1].utc_date}"
        raise ValueError(msg)
    day = days[position]
    of_day = at % MICROSECONDS_PER_DAY
    return day.open_before_us + sum(max(0, min(of_day, close) - open_) for open_, close in day.pieces)


def open_microseconds(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Return the business time of ``[start, end)`` by walking it, minute by minute, reading the wall clock.

    Slow and obviously correct, for tests: opening hours and changes of the clock fall on whole minutes, so
    the state at the start of each piece holds for the piece (true of all zones since 1972).
    """
    if start.tzinfo is None or end.tzinfo is None:
        msg = f"both ends need a zone, got {start} and {end}"
        raise ValueError(msg)
    zone = _zone_of(calendar)
    hours = _HoursByDate(calendar)
    at, last = start.astimezone(UTC), end.astimezone(UTC)
    total = timedelta(0)
    while at < last:
        following = min(last, at.replace(second=0, microsecond=0) + timedelta(minutes=1))
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        if any(o.opens_minute <= minute < o.closes_minute for o in hours.on(local.date())):
            total += following - at
        at = following
    return total // timedelta(microseconds=1)


def microseconds_since_epoch(instant: datetime) -> int:
    """Return exact microseconds since 1970-01-01 UTC.

    Raises:
        ValueError: the instant is naive.
    """
    if instant.tzinfo is None:
        msg = f"{instant} has no zone"
        raise ValueError(msg)
    return (instant - EPOCH) // timedelta(microseconds=1)


class _HoursByDate:
    """The opening hours of local dates of one calendar."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._closed = frozenset(calendar.closed)
        rule = calendar.holidays
        # Typed as Any: the library's dict of dates fills itself year by year on look-up.
        self._holidays: Any = (
            holiday_library.country_holidays(rule.country, subdiv=rule.subdivision)
            if rule is not None
            else ()
        )

    def on(self, local_date: date) -> tuple[Opening, ...]:
        half_day = self._calendar.half_days.get(local_date)
        if half_day is not None:
            return half_day
        if self._calendar.weekly is None:
            return _WHOLE_DAY
        if local_date in self._closed or local_date in self._holidays:
            return ()
        return self._calendar.weekly.of_weekday(local_date.weekday())


def _zone_of(calendar: Calendar) -> ZoneInfo:
    if calendar.timezone is None:
        msg = f"calendar {calendar.id} has no zone; resolve it against its contract first"
        raise ValueError(msg)
    return ZoneInfo(calendar.timezone)


def _us_of_date(day: date) -> int:
    return (day - EPOCH_DATE).days * MICROSECONDS_PER_DAY


def _dates(first: date, end: date) -> Iterator[date]:
    for number in range((end - first).days):
        yield first + timedelta(days=number)


@dataclass(frozen=True, slots=True)
class _Segment:
    """A stretch of instants with one offset from UTC, in microseconds."""

    start_us: int
    end_us: int
    offset_us: int


def _offset_us(zone: ZoneInfo, at_us: int) -> int:
    offset = (EPOCH + timedelta(microseconds=at_us)).astimezone(zone).utcoffset()
    return (offset or timedelta(0)) // timedelta(microseconds=1)


@lru_cache(maxsize=256)
def _offset_segments(zone_name: str, days_from: date, days_to: date) -> tuple[_Segment, ...]:
    """Return the stretches of constant offset that cover the days and four more on each side."""
    zone = ZoneInfo(zone_name)
    at = _us_of_date(days_from - timedelta(days=4))
    end = _us_of_date(days_to + timedelta(days=4))
    segments: list[_Segment] = []
    start, offset = at, _offset_us(zone, at)
    while at < end:
        following = min(at + _HOUR_US, end)
        next_offset = _offset_us(zone, following)
        if next_offset != offset:
            low, high = at, following
            while high - low > _SECOND_US:  # Offsets change on whole seconds.
                middle = (low + high) // 2 // _SECOND_US * _SECOND_US
                if _offset_us(zone, middle) == offset:
                    low = middle
                else:
                    high = middle
            segments.append(_Segment(start, high, offset))
            start, offset = high, next_offset
        at = following
    segments.append(_Segment(start, end, offset))
    return tuple(segments)


def _instants(
    openings: tuple[Opening, ...], date_us: int, segments: tuple[_Segment, ...]
) -> Iterator[tuple[int, int]]:
    """Yield the UTC microseconds at which the wall clock reads these openings of a local date."""
    if not openings:
        return
    # Offsets lie within a day of UTC, so only segments within two days of the date can show it.
    first = max(0, bisect_right(segments, date_us - 2 * MICROSECONDS_PER_DAY, key=lambda s: s.start_us) - 1)
    for segment in segments[first:]:
        if segment.start_us > date_us + 3 * MICROSECONDS_PER_DAY:
            return
        for opening in openings:
            start = date_us + opening.opens_minute * MICROSECONDS_PER_MINUTE - segment.offset_us
            end = date_us + opening.closes_minute * MICROSECONDS_PER_MINUTE - segment.offset_us
            start, end = max(start, segment.start_us), min(end, segment.end_us)
            if start < end:
                yield start, end


def _lay_out(piece: tuple[int, int], pieces_by_day: dict[int, list[tuple[int, int]]]) -> None:
    """Split a piece at UTC midnights."""
    start, end = piece
    while start < end:
        day_no = start // MICROSECONDS_PER_DAY
        midnight = (day_no + 1) * MICROSECONDS_PER_DAY
        stop = min(end, midnight)
        offset = day_no * MICROSECONDS_PER_DAY
        pieces_by_day.setdefault(day_no, []).append((start - offset, stop - offset))
        start = stop
