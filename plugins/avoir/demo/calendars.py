"""Business hours of the demo's own oracle: zoneinfo, holidays and a list of open pieces, nothing shared.

``OpenHours`` lists every open piece of a calendar as instants and answers two questions: how much open
time lies between two instants, and at which instant a given amount has passed.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import holidays

from avoir.demo.months import local_epoch
from avoir.demo.vendors import CalendarTerms

_WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_DAY = date(2024, 10, 1)
_LAST_DAY = date(2026, 12, 31)


def parse_period(period: str) -> tuple[time, time]:
    """``"09:00-12:30"`` as two local times."""
    opens, closes = period.split("-")
    return time.fromisoformat(opens), time.fromisoformat(closes)


class OpenHours:
    """A calendar laid out as instants, in seconds, between two local dates (both included)."""

    def __init__(
        self, terms: CalendarTerms, zone: ZoneInfo, first: date = _FIRST_DAY, last: date = _LAST_DAY
    ) -> None:
        self.terms = terms
        self.zone = zone
        self._public_holidays: frozenset[date] = frozenset()
        if terms.country is not None:
            years = range(first.year, last.year + 1)
            listed = holidays.country_holidays(terms.country, subdiv=terms.subdivision, years=years)
            self._public_holidays = frozenset(listed)
        self.starts: list[int] = []
        self.ends: list[int] = []
        self._open_before: list[int] = []
        total = 0
        day = first
        while day <= last:
            for start, end in self.pieces(day):
                self.starts.append(start)
                self.ends.append(end)
                self._open_before.append(total)
                total += end - start
            day += timedelta(days=1)

    def periods(self, day: date) -> tuple[str, ...]:
        """The local opening periods of one local date; none when closed. Not for a calendar without hours."""
        if day in self.terms.closed:
            return ()
        if day in self.terms.half_days:
            return self.terms.half_days[day]
        if day in self._public_holidays:
            return ()
        return self.terms.weekly.get(_WEEKDAY_NAMES[day.weekday()], ())

    def pieces(self, day: date) -> list[tuple[int, int]]:
        """The open pieces of one local date as instants."""
        if self.terms.always:
            midnights = [local_epoch(date_, time(0), self.zone) for date_ in (day, day + timedelta(days=1))]
            return [(midnights[0], midnights[1])]
        return [
            (local_epoch(day, opens, self.zone), local_epoch(day, closes, self.zone))
            for opens, closes in map(parse_period, self.periods(day))
        ]

    def is_business_day(self, day: date) -> bool:
        return self.terms.always or bool(self.periods(day))

    def business_days_after(self, due: date, delivered: date) -> int:
        """Business days after ``due`` up to and including ``delivered``; 0 when not after."""
        days = (due + timedelta(days=step) for step in range(1, (delivered - due).days + 1))
        return sum(self.is_business_day(day) for day in days)

    def open_until(self, instant: int) -> int:
        """Open seconds from the first laid-out day to the instant."""
        piece = bisect_right(self.starts, instant) - 1
        if piece < 0:
            msg = f"{instant} lies before the first laid-out day"
            raise ValueError(msg)
        return self._open_before[piece] + min(instant, self.ends[piece]) - self.starts[piece]

    def open_between(self, start: int, end: int) -> int:
        return self.open_until(end) - self.open_until(start)

    def after(self, start: int, open_seconds: int) -> int:
        """The earliest instant at which ``open_seconds`` of open time have passed since ``start``."""
        if open_seconds == 0:
            return start
        target = self.open_until(start) + open_seconds
        piece = bisect_right(self._open_before, target - 1) - 1
        return self.starts[piece] + target - self._open_before[piece]

    def next_opening(self, instant: int) -> int:
        """The first opening strictly after the instant."""
        return self.starts[bisect_right(self.starts, instant)]

    def is_open(self, instant: int) -> bool:
        piece = bisect_right(self.starts, instant) - 1
        return piece >= 0 and instant < self.ends[piece]
