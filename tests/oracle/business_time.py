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


# --- Calendars ----------------------------------------------------------------------------------------------


class BusinessTime:
    """The open hours of one calendar, laid out by months of UTC when they are asked for."""

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
        month = month_of(local_date(start_us, "UTC"))
        while (opens := midnight_us(month, "UTC")) < end_us:
            pieces, whole = self._of_month(month)
            month = month_after(month)
            if start_us <= opens and midnight_us(month, "UTC") <= end_us:
                total += whole
            else:
                total += length_us(clipped(pieces, (start_us, end_us)))
        return total

    def open_in(self, start_us: int, end_us: int) -> list[Interval]:
        """Return the stretches of ``[start, end)`` in which the calendar is open; pieces may meet."""
        if self._calendar.always:
            return [(start_us, end_us)] if start_us < end_us else []
        pieces: list[Interval] = []
        month = month_of(local_date(start_us, "UTC"))
        while midnight_us(month, "UTC") < end_us:
            pieces += clipped(self._of_month(month)[0], (start_us, end_us))
            month = month_after(month)
        return pieces

    def of(self, intervals: Iterable[Interval]) -> int:
        """Return the business microseconds of a union."""
        return sum(self.between(start, end) for start, end in intervals)

    def instant_after(self, start_us: int, open_us: int) -> int:
        """Return the earliest instant, from ``start`` on, at which so much business time has passed.

        Where the last of it ends a day's hours it is their end, not the next opening.
        """
        if self._calendar.always or open_us <= 0:
            return start_us + max(0, open_us)
        left, month = open_us, month_of(local_date(start_us, "UTC"))
        while True:
            for opens, closes in self._of_month(month)[0]:
                opened = max(opens, start_us)
                if opened < closes and left <= closes - opened:
                    return opened + left
                left -= max(0, closes - opened)
            month = month_after(month)

    def opens_on(self, day: date) -> bool:
        """Whether there is any business time on a date of the calendar's zone; never on one it skipped."""
        utc_us = (day - EPOCH.date()).days * DAY_US
        stretches = _offsets(self._zone, utc_us - DAY_US, utc_us + 2 * DAY_US)
        return any(self._of_day(day, stretch) for stretch in stretches)

    def _of_month(self, month: date) -> tuple[list[Interval], int]:
        if month not in self._months:
            pieces: list[Interval] = []
            bounds = midnight_us(month, "UTC"), midnight_us(month_after(month), "UTC")
            for stretch in _offsets(self._zone, *bounds):
                start, end, offset = stretch
                day = local_date(start + offset, "UTC")
                while day <= local_date(end - 1 + offset, "UTC"):
                    pieces += self._of_day(day, stretch)
                    day += timedelta(days=1)
            joined = united(pieces)
            self._months[month] = (joined, length_us(joined))
        return self._months[month]

    def _hours_on(self, day: date) -> tuple[tuple[int, int], ...]:
        """Minutes of the wall clock: half days before closed days, these before holidays and weekdays."""
        if self._calendar.always:
            return ((0, 1_440),)
        if day in self._calendar.half_days:
            openings = self._calendar.half_days[day]
        elif day in self._closed or day in self._holidays or self._calendar.weekly is None:
            openings = ()
        else:
            openings = self._calendar.weekly.of_weekday(day.weekday())
        return tuple((opening.opens_minute, opening.closes_minute) for opening in openings)

    def _of_day(self, day: date, stretch: tuple[int, int, int]) -> list[Interval]:
        """Return when the wall clock reads the hours of a date, within a stretch of one offset."""
        start, end, offset = stretch
        wall_midnight = (day - EPOCH.date()).days * DAY_US - offset
        hours = [
            (wall_midnight + opens * 60 * SECOND_US, wall_midnight + closes * 60 * SECOND_US)
            for opens, closes in self._hours_on(day)
        ]
        return clipped(hours, (start, end))


@cache
def _offsets(zone: str, start_us: int, end_us: int) -> tuple[tuple[int, int, int], ...]:
    """Return the stretches of ``[start, end)`` by offset from UTC: start, end, offset in microseconds."""
    stretches: list[tuple[int, int, int]] = []
    since, offset = start_us, offset_us(start_us, zone)
    for at in range(start_us, end_us, _APART_US):
        following = min(at + _APART_US, end_us - SECOND_US)
        if offset_us(following, zone) != offset:
            low, high = at // SECOND_US, following // SECOND_US  # Clocks change on whole seconds.
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_us(middle * SECOND_US, zone) == offset else (low, middle)
            stretches.append((since, high * SECOND_US, offset))
            since, offset = high * SECOND_US, offset_us(high * SECOND_US, zone)
    return (*stretches, (since, end_us, offset))


_APART_US = DAY_US // 4
"""No zone has changed its clocks twice within six hours."""


def offset_us(at_us: int, zone: str) -> int:
    """Return how far the wall clock of a zone is ahead of UTC at an instant, in microseconds."""
    offset = (EPOCH + at_us * MICROSECOND).astimezone(ZoneInfo(zone)).utcoffset()
    return (offset or timedelta(0)) // MICROSECOND


_CALENDARS: dict[str, BusinessTime] = {}


def business_time(calendar: Calendar) -> BusinessTime:
    """Return the open hours of a calendar; equal calendars are laid out once."""
    key = calendar.model_dump_json()
    if key not in _CALENDARS:
        _CALENDARS[key] = BusinessTime(calendar)
    return _CALENDARS[key]
