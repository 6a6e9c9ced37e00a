"""Instants and business time: whole microseconds since 1970-01-01 UTC, and the open hours of calendars.

A calendar is open at an instant when the wall clock of its zone reads a time within the opening hours of the
date that it shows: hours that a change of clocks skips do not exist, hours that it shows twice count twice
(docs/contract-format.md, "Calendars"; DECISIONS 1 and 2). Intervals are half-open pairs of microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import holidays

from avoir.contracts.model import Calendar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

Interval = tuple[int, int]
"""Half-open microseconds since the epoch."""


# --- Instants ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def instant_us(text: str, zone: str) -> int:
    """Return the microseconds of an instant as a contract writes it: local to the zone, or with an offset.

    Raises:
        ValueError: a local time that exists twice or not at all.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        local = moment.replace(tzinfo=ZoneInfo(zone))
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            msg = f"{text} exists twice or not at all in {zone}; write its offset"
            raise ValueError(msg)
        moment = local
    return (moment - EPOCH) // MICROSECOND


@cache
def midnight_us(day: date, zone: str) -> int:
    """Return the first instant of a local date, in microseconds."""
    # fold=0 reads a midnight that the clock skips with the offset before: the very instant of the change.
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return (midnight - EPOCH) // MICROSECOND


def local_date(at_us: int, zone: str) -> date:
    """Return the date that the wall clock of a zone shows at an instant."""
    return (EPOCH + at_us * MICROSECOND).astimezone(ZoneInfo(zone)).date()


def month_of(day: date) -> date:
    """Return the first day of a date's month."""
    return day.replace(day=1)


def month_after(month: date, months: int = 1) -> date:
    """Return the first day of the month so many months later (earlier when negative)."""
    years, zero_based = divmod(month.year * 12 + month.month - 1 + months, 12)
    return date(years, zero_based + 1, 1)


# --- Sets of time -----------------------------------------------------------------------------------------


def united(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union: in order, apart, none empty."""
    joined: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def clipped(intervals: Iterable[Interval], within: Interval) -> list[Interval]:
    """Return what of the intervals lies within one."""
    cut = ((max(start, within[0]), min(end, within[1])) for start, end in intervals)
    return [(start, end) for start, end in cut if start < end]


def without(intervals: Sequence[Interval], removed: Sequence[Interval]) -> list[Interval]:
    """Return what of the intervals lies outside of the removed ones; both are unions."""
    kept: list[Interval] = []
    position = 0
    for start, end in intervals:
        at = start
        while position < len(removed) and removed[position][1] <= at:
            position += 1
        ahead = position
        while ahead < len(removed) and removed[ahead][0] < end:
            if at < removed[ahead][0]:
                kept.append((at, removed[ahead][0]))
            at = max(at, removed[ahead][1])
            ahead += 1
        if at < end:
            kept.append((at, end))
    return kept


def length_us(intervals: Iterable[Interval]) -> int:
    """Return the microseconds of a union."""
    return sum(end - start for start, end in intervals)


# --- Calendars --------------------------------------------------------------------------------------------


class BusinessTime:
    """The open hours of one calendar, laid out month by month of its zone when they are asked for."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._zone = calendar.timezone or "UTC"
        self._months: dict[date, tuple[list[Interval], int]] = {}
        self._closed = frozenset(calendar.closed)
        rule = calendar.holidays
        self._holidays = holidays.country_holidays(rule.country, subdiv=rule.subdivision) if rule else {}

    def between(self, start_us: int, end_us: int) -> int:
        """Return the business microseconds of ``[start, end)``."""
        if self._calendar.always:
            return max(0, end_us - start_us)
        total = 0
        month = month_of(local_date(start_us, self._zone))
        while (opens := midnight_us(month, self._zone)) < end_us:
            pieces, whole = self._of_month(month)
            month = month_after(month)
            if start_us <= opens and midnight_us(month, self._zone) <= end_us:
                total += whole
            else:
                total += length_us(clipped(pieces, (start_us, end_us)))
        return total

    def opens_on(self, day: date) -> bool:
        """Whether there is any business time on a date of the calendar's zone."""
        return self._calendar.always or bool(self._of_day(day))

    def _of_month(self, month: date) -> tuple[list[Interval], int]:
        if month not in self._months:
            days = (month_after(month) - month).days
            pieces = united(p for n in range(days) for p in self._of_day(month + timedelta(days=n)))
            self._months[month] = (pieces, length_us(pieces))
        return self._months[month]

    def _hours_on(self, day: date) -> tuple[tuple[int, int], ...]:
        """Minutes of the wall clock: half days before closed days, these before holidays and weekdays."""
        if day in self._calendar.half_days:
            openings = self._calendar.half_days[day]
        elif day in self._closed or day in self._holidays or self._calendar.weekly is None:
            openings = ()
        else:
            openings = self._calendar.weekly.of_weekday(day.weekday())
        return tuple((opening.opens_minute, opening.closes_minute) for opening in openings)

    def _of_day(self, day: date) -> list[Interval]:
        hours = self._hours_on(day)
        pieces: list[Interval] = []
        for start, end, offset in _offsets_on(day, self._zone) if hours else ():
            wall_midnight = (day - EPOCH.date()).days * DAY_US - offset
            for opens, closes in hours:
                piece = (wall_midnight + opens * 60 * SECOND_US, wall_midnight + closes * 60 * SECOND_US)
                pieces += clipped([piece], (start, end))
        return united(pieces)


@cache
def _offsets_on(day: date, zone: str) -> tuple[tuple[int, int, int], ...]:
    """Return the stretches of a local date by their offset from UTC, all in microseconds."""
    start, end = midnight_us(day, zone), midnight_us(day + timedelta(days=1), zone)
    before, after = _offset_us(start, zone), _offset_us(end - SECOND_US, zone)
    if before == after:
        return ((start, end, before),)
    low, high = start // SECOND_US, end // SECOND_US - 1  # Clocks change on whole seconds.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset_us(middle * SECOND_US, zone) == before else (low, middle)
    return ((start, high * SECOND_US, before), (high * SECOND_US, end, after))


def _offset_us(at_us: int, zone: str) -> int:
    offset = (EPOCH + at_us * MICROSECOND).astimezone(ZoneInfo(zone)).utcoffset()
    return (offset or timedelta(0)) // MICROSECOND


_CALENDARS: dict[str, BusinessTime] = {}


def business_time(calendar: Calendar) -> BusinessTime:
    """Return the open hours of a calendar; equal calendars are laid out once."""
    key = calendar.model_dump_json()
    if key not in _CALENDARS:
        _CALENDARS[key] = BusinessTime(calendar)
    return _CALENDARS[key]
