"""Calendars of the zones whose clocks change in the strangest ways, and the instants at which they do.

A change of clocks may be by any amount, on any second, and skip a whole date; opening hours begin and end
beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from avoir.contracts.model import Calendar
from tests.oracle.business_time import SECOND_US, offset_us

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COUNTRIES = {
    "Australia/Lord_Howe": "AU",  # by half an hour
    "Africa/Casablanca": "MA",  # back for Ramadan
    "Pacific/Apia": "WS",  # skipped 30 December 2011
    "Pacific/Kiritimati": "KI",  # skipped 31 December 1994
    "Pacific/Kwajalein": "MH",  # skipped 21 August 1993
    "America/St_Johns": "CA",  # at 00:01 until 2011
    "America/Havana": "CU",  # at 01:00, back to midnight
    "America/Santiago": "CL",  # at midnight
    "Asia/Beirut": "LB",  # at midnight
    "Asia/Tehran": "IR",  # at midnight, by half hours from UTC
    "Asia/Kathmandu": "NP",  # 05:30 to 05:45
    "Asia/Pyongyang": "KP",  # to 08:30 and back
    "Africa/Monrovia": "LR",  # from 00:44:30 behind UTC
    "America/Caracas": "VE",  # by half an hour, twice
    "Antarctica/Troll": "NO",  # by two hours
    "Europe/Dublin": "IE",  # winter is the exception
    "Europe/Moscow": "RU",
    "Europe/Paris": "FR",
    "America/New_York": "US",
}


@cache
def changes_of(zone: str) -> tuple[int, ...]:
    """The seconds since 1970 at which a zone's offset changes, until 2037; found by bisecting days."""
    found: list[int] = []
    for day in range(2, 24_800):
        low, high = (day - 1) * 86_400, day * 86_400
        before = offset_us(low * SECOND_US, zone)
        if before != offset_us(high * SECOND_US, zone):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_us(middle * SECOND_US, zone) == before else (low, middle)
            found.append(high)
    return tuple(found)


@dataclass(frozen=True)
class StrangeCalendar:
    """A calendar as a file's text, typed, and the second since 1970 that it is looked at around."""

    document: dict[str, Any]
    around: int

    @property
    def calendar(self) -> Calendar:
        return Calendar.model_validate(self.document)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.document["timezone"])


def _opening(opens: int, closes: int) -> str:
    return f"{opens // 60:02d}:{opens % 60:02d}-{closes // 60:02d}:{closes % 60:02d}"


def _hours_of_a_day(dice: Random, near: Sequence[int]) -> list[str]:
    """One to nine openings; their ends are often the minutes beside a change, and at times meet."""
    pieces = dice.choice((1, 2, 2, 3, 4, 6, 9))
    ends: set[int] = set()
    while len(ends) < 2 * pieces:
        beside = dice.choice(near) + dice.choice((-90, -30, -1, 0, 1, 30, 60, 119))
        ends.add(max(0, min(1440, beside)) if dice.random() < 0.3 else dice.randint(0, 1440))
    pairs = pairwise(sorted(ends)) if dice.random() < 0.2 else _pairs(sorted(ends))
    return [_opening(*pair) for pair in list(pairs)[:pieces]]


def _pairs(ends: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(ends[::2], ends[1::2], strict=True)


def strange_calendar(dice: Random) -> StrangeCalendar:
    """A calendar and an instant beside a change of its zone, or beside a public holiday's midnight."""
    zone = dice.choice((*sorted(COUNTRIES), "Africa/Monrovia"))  # Its only change is the one by seconds.
    around = dice.choice(changes_of(zone))
    if dice.random() < 0.15:
        year = datetime.fromtimestamp(around, UTC).year
        public = sorted(holidays.country_holidays(COUNTRIES[zone], years=year))
        if public:  # The library knows nothing of some countries' early years.
            day = dice.choice(public)
            around = int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())
    walls = [datetime.fromtimestamp(around + n, ZoneInfo(zone)) for n in (-1, 0)]
    near = [wall.hour * 60 + wall.minute for wall in walls]
    if dice.random() < 0.06:
        return StrangeCalendar({"id": "c", "timezone": zone, "always": True}, around)
    weekly = {day: _hours_of_a_day(dice, near) for day in WEEKDAYS if dice.random() < 0.9}
    dates = sorted({(wall + timedelta(days=n)).date() for wall in walls for n in (-1, 0, 1)})
    closed = {day for day in dates if dice.random() < 0.05}
    half = {day for day in dates if dice.random() < 0.1} - closed
    document = {
        "id": "c",
        "timezone": zone,
        "weekly": weekly or {"sun": _hours_of_a_day(dice, near)},
        "holidays": {"country": COUNTRIES[zone]} if dice.random() < 0.5 else None,
        "closed": sorted(map(str, closed)),
        "half_days": {str(day): _hours_of_a_day(dice, near) for day in half},
    }
    return StrangeCalendar(document, around)
