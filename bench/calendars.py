"""Calendars as contracts of the world have them: as the days of the warehouse, and as a peer's schedules."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import holidays as holiday_library

from avoir.contracts.calendars import calendar_days
from avoir.contracts.model import Calendar

_PLACES = (
    ("Europe/Paris", "FR"), ("Europe/Berlin", "DE"), ("Europe/London", "GB"), ("Europe/Lisbon", "PT"),
    ("Europe/Warsaw", "PL"), ("Europe/Bucharest", "RO"), ("America/New_York", "US"),
    ("America/Chicago", "US"), ("America/Denver", "US"), ("America/Los_Angeles", "US"),
    ("America/Sao_Paulo", "BR"),
    ("America/St_Johns", "CA"), ("America/Santiago", "CL"), ("Asia/Kolkata", "IN"), ("Asia/Tokyo", "JP"),
    ("Asia/Singapore", "SG"), ("Asia/Kathmandu", "NP"), ("Australia/Sydney", "AU"),
    ("Australia/Lord_Howe", "AU"), ("Pacific/Auckland", "NZ"),
)  # fmt: skip
_HOURS = (
    ["09:00-17:00"], ["08:00-18:00"], ["08:30-12:30", "13:30-17:30"], ["09:00-12:00", "14:00-18:00"],
    ["07:00-19:00"], ["06:00-22:00"], ["00:00-24:00"],
)  # fmt: skip
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
_WEEK_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class Calendars:
    """Calendars by id, and the UTC days that the warehouse keeps of them."""

    by_id: dict[str, Calendar]
    days_from: date
    days_to: date

    def day_rows(self) -> Iterator[tuple[object, ...]]:
        """Yield the rows of ``reference.calendar_days`` in the order of its columns."""
        for calendar_id, calendar in self.by_id.items():
            for day in calendar_days(calendar, self.days_from, self.days_to):
                yield (calendar_id, *day.row())

    def weekly_schedules(self) -> Iterator[tuple[str, int, int, date, date]]:
        """Yield opening times in UTC minutes since Sunday, as public packages lay them out to fan out.

        A stretch of weeks with the same times is one set of rows with the dates between which it is valid: a
        change of clocks begins a new one, and so does a week with a holiday. As in these packages a week has
        one offset from UTC; it is that of its Sunday at noon.
        """
        for calendar_id, calendar in self.by_id.items():
            first = self.days_from - timedelta(days=(self.days_from.weekday() + 1) % 7)
            sundays = [first + timedelta(days=7 * n) for n in range((self.days_to - first).days // 7 + 1)]
            of_weeks = [(_opening_minutes(calendar, sunday), sunday) for sunday in sundays]
            runs = [(minutes, next(run)[1]) for minutes, run in groupby(of_weeks, key=lambda week: week[0])]
            runs.append(((), sundays[-1] + timedelta(days=7)))
            for (minutes, valid_from), (_, valid_until) in pairwise(runs):
                for opens, closes in minutes:
                    yield calendar_id, opens, closes, valid_from, valid_until


def make_calendars(count: int, days_from: date, days_to: date) -> Calendars:
    """Return so many calendars: one in ten open always, one in five on Saturdays too, most with holidays."""
    dice = random.Random(count)  # noqa: S311 - the same calendars every time, no secret.
    years = range(days_from.year, days_to.year + 1)
    made: dict[str, Calendar] = {}
    for number in range(count):
        # As long as the ids of real versions: contract, number, eight digits of a hash, name of the calendar.
        calendar_id = f"contract-{number // 4:04d}:1:{dice.getrandbits(32):08x}/office-{number % 4}"
        made[calendar_id] = Calendar.model_validate(_content(number, years, dice))
    return Calendars(made, days_from, days_to)


def _content(number: int, years: range, dice: random.Random) -> dict[str, object]:
    zone, country = _PLACES[number % len(_PLACES)]
    content: dict[str, object] = {"id": f"office-{number % 4}", "timezone": zone}
    if number % 10 == 9:
        return content | {"always": True}
    weekly = dict.fromkeys(_WEEKDAYS, dice.choice(_HOURS))
    if number % 5 == 2:
        weekly["sat"] = ["09:00-13:00"]
    if number % 7 == 3:
        weekly["fri"] = ["08:00-14:00"]
    content["weekly"] = weekly
    if number % 8 != 6:
        content["holidays"] = {"country": country}
    content["half_days"] = {f"{year}-12-{day}": ["09:00-12:00"] for year in years for day in (24, 31)}
    content["closed"] = [f"{year}-08-{dice.randint(10, 20)}" for year in years]
    return content


def _opening_minutes(calendar: Calendar, sunday: date) -> tuple[tuple[int, int], ...]:
    """The week's opening times in UTC minutes since its Sunday, in order and apart."""
    if calendar.always:
        return ((0, _WEEK_MINUTES),)
    noon = datetime(sunday.year, sunday.month, sunday.day, 12, tzinfo=UTC)
    offset = noon.astimezone(ZoneInfo(calendar.timezone or "UTC")).utcoffset() or timedelta(0)
    shift = int(offset.total_seconds()) // 60
    pieces: list[tuple[int, int]] = []
    for number in range(-1, 8):
        for opens, closes in _hours_on(calendar, sunday + timedelta(days=number)):
            midnight = number * 24 * 60 - shift
            start, end = max(0, midnight + opens), min(_WEEK_MINUTES, midnight + closes)
            if pieces and pieces[-1][1] == start < end:
                pieces[-1] = (pieces[-1][0], end)
            elif start < end:
                pieces.append((start, end))
    return tuple(pieces)


def _hours_on(calendar: Calendar, day: date) -> list[tuple[int, int]]:
    if day in calendar.half_days:
        openings = calendar.half_days[day]
    elif day in calendar.closed or day in _holidays(calendar) or calendar.weekly is None:
        openings = ()
    else:
        openings = calendar.weekly.of_weekday(day.weekday())
    return [(opening.opens_minute, opening.closes_minute) for opening in openings]


def _holidays(calendar: Calendar) -> Any:
    return () if calendar.holidays is None else _holidays_of(calendar.holidays.country)


@cache
def _holidays_of(country: str) -> Any:
    return holiday_library.country_holidays(country)
