"""Business time by lookup against a walk second by second, and against intervals, where zones are strangest.

Short stretches beside changes of clocks are walked by the second, with hours read off the file's own text;
long ones are held against the oracle's intervals, which are laid out in another way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random

import holidays
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avoir.contracts.calendars import COLUMN_PIECES, CalendarDay, calendar_days, opened_before
from avoir.contracts.model import Calendar
from tests.oracle.business_time import (
    DAY_US,
    EPOCH,
    MICROSECOND,
    SECOND_US,
    BusinessTime,
    Interval,
    offset_us,
    united,
)
from tests.oracle.strange_calendars import WEEKDAYS, StrangeCalendar, changes_of, strange_calendar

HOUR_US = 3_600 * SECOND_US
# Evenly spread; what hypothesis draws piece by piece is mostly plain.
DICE = st.randoms(use_true_random=True)
QUIETLY = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
KNOWN_CHANGES = (
    ("Africa/Monrovia", "1972-01-07T00:44:30"),
    ("Asia/Kathmandu", "1985-12-31T18:30:00"),
    ("Pacific/Kwajalein", "1993-08-21T12:00:00"),
    ("Pacific/Kiritimati", "1994-12-31T10:00:00"),
    ("America/Caracas", "2007-12-09T07:00:00"),
    ("America/Caracas", "2016-05-01T07:00:00"),
    ("America/St_Johns", "2010-11-07T02:31:00"),
    ("Europe/Moscow", "2011-03-26T23:00:00"),
    ("Europe/Moscow", "2014-10-25T22:00:00"),
    ("Pacific/Apia", "2011-12-30T10:00:00"),
    ("Asia/Pyongyang", "2015-08-14T15:00:00"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00"),
    ("Africa/Casablanca", "2025-02-23T02:00:00"),
    ("Australia/Lord_Howe", "2025-10-04T15:30:00"),
)


@pytest.mark.parametrize(("zone", "instant"), KNOWN_CHANGES)
def test_the_changes_that_zones_are_known_for_are_among_those_that_are_walked(
    zone: str, instant: str
) -> None:
    assert int(datetime.fromisoformat(f"{instant}+00:00").timestamp()) in changes_of(zone)


def days_around(drawn: StrangeCalendar, start_us: int, end_us: int) -> list[CalendarDay]:
    """The laid out days of an interval."""
    first, last = ((EPOCH + at * MICROSECOND).date() for at in (start_us, end_us))
    return calendar_days(drawn.calendar, first - timedelta(days=1), last + timedelta(days=1))


def looked_up(days: list[CalendarDay], start_us: int, end_us: int) -> int:
    ends = [EPOCH + at * MICROSECOND for at in (start_us, end_us)]
    return opened_before(days, ends[1]) - opened_before(days, ends[0])


# --- By the second ----------------------------------------------------------------------------------------


def is_open(drawn: StrangeCalendar, second: int, public: holidays.HolidayBase | dict[date, str]) -> bool:
    """Whether the wall clock reads a time within the hours of the date it shows, straight from the text."""
    document = drawn.document
    if document.get("always"):
        return True
    wall = datetime.fromtimestamp(second, drawn.zone)
    day, minute = wall.date(), wall.hour * 60 + wall.minute
    if str(day) in document["half_days"]:
        hours = document["half_days"][str(day)]
    elif str(day) in document["closed"] or day in public:
        hours = []
    else:
        hours = document["weekly"].get(WEEKDAYS[day.weekday()], [])
    for text in hours:
        opens, closes = (int(end[:2]) * 60 + int(end[3:]) for end in text.split("-"))
        if opens <= minute < closes:
            return True
    return False


def test_the_lookup_equals_a_walk_by_the_second_through_every_change_of_clocks() -> None:
    seen = dict.fromkeys(("open", "shut", "partly", "by halves of minutes"), 0)

    @settings(QUIETLY, max_examples=240)
    @given(DICE)
    def walk(dice: Random) -> None:
        drawn = strange_calendar(dice)
        start_us = drawn.around * SECOND_US + dice.randint(-2 * HOUR_US, HOUR_US // 4)
        length = dice.choice((0, dice.randint(1, 3 * SECOND_US), *(dice.randint(0, 3 * HOUR_US),) * 8))
        end_us = start_us + length
        days = days_around(drawn, start_us, end_us)
        rule = drawn.document.get("holidays")
        public = holidays.country_holidays(rule["country"]) if rule else {}
        walked = 0
        for second in range(start_us // SECOND_US, -(-end_us // SECOND_US)):
            within = max(start_us, second * SECOND_US), min(end_us, (second + 1) * SECOND_US)
            walked += (within[1] - within[0]) * is_open(drawn, second, public)
            # Every whole minute and the seconds beside it, so that a mistake shows where it is made.
            if second % 60 < 2 or within[1] == end_us:
                assert looked_up(days, start_us, within[1]) == walked, (drawn, within[1])
        assert looked_up(days, start_us, end_us) == walked
        seen["shut" if walked == 0 else "open" if walked == length else "partly"] += 1
        seen["by halves of minutes"] += offset_us(start_us, drawn.zone.key) % (60 * SECOND_US) != 0

    walk()
    assert min(seen.values()) > 0, seen
    assert seen["partly"] >= 50, seen


# --- By intervals -----------------------------------------------------------------------------------------


def test_the_lookup_equals_interval_arithmetic_over_hundreds_of_days() -> None:
    seen = dict.fromkeys(("measured", "with business time", "over a change of clocks"), 0)

    @settings(QUIETLY, max_examples=180)
    @given(DICE)
    def measure(dice: Random) -> None:
        drawn = strange_calendar(dice)
        middle_us = drawn.around * SECOND_US
        span = max(3 * DAY_US, middle_us - 200 * DAY_US), middle_us + 250 * DAY_US
        changes = [at * SECOND_US for at in changes_of(drawn.zone.key) if span[0] < at * SECOND_US < span[1]]
        beside = (-HOUR_US, -1, 0, 1, 1_800 * SECOND_US)
        instants = [dice.choice([*changes, middle_us]) + dice.choice(beside) for _ in range(4)]
        instants = sorted([*instants, *(dice.randint(*span) for _ in range(8))])
        days = days_around(drawn, instants[0], instants[-1])
        oracle = BusinessTime(drawn.calendar)
        for start_us, end_us in [*pairwise(instants), (instants[0], instants[-1])]:
            found = looked_up(days, start_us, end_us)
            assert found == oracle.between(start_us, end_us), (drawn, start_us, end_us)
            seen["measured"] += 1
            seen["with business time"] += 0 < found < end_us - start_us
            seen["over a change of clocks"] += any(start_us < at < end_us for at in changes)
        flags = {day.utc_date: day.is_business_day for day in days[:: max(1, len(days) // 40)]}
        assert flags == {day: oracle.opens_on(day) for day in flags}, drawn

    measure()
    assert seen["measured"] > 2_000, seen
    assert min(seen.values()) > 200, seen


def pieces_of(oracle: BusinessTime, day: date) -> list[Interval]:
    """The oracle's pieces of one UTC day."""
    start_us = (day - EPOCH.date()).days * DAY_US
    return united(oracle.open_in(start_us, start_us + DAY_US))


def test_every_piece_of_every_day_is_laid_out_however_many_there_are() -> None:
    seen = dict.fromkeys(("few", "six", "more"), 0)

    @settings(QUIETLY, max_examples=200)
    @given(DICE)
    def lay_out(dice: Random) -> None:
        drawn = strange_calendar(dice)
        first = datetime.fromtimestamp(drawn.around, UTC).date() - timedelta(days=4)
        dates = [first + timedelta(days=n) for n in range(9)]
        oracle = BusinessTime(drawn.calendar)
        expected = {day: pieces_of(oracle, day) for day in dates}
        for day in calendar_days(drawn.calendar, dates[0], dates[-1] + timedelta(days=1)):
            begins = day.day_no * DAY_US
            assert [(begins + a, begins + b) for a, b in day.pieces] == expected[day.utc_date], drawn
            count = len(day.pieces)
            seen["few" if count < COLUMN_PIECES else "six" if count == COLUMN_PIECES else "more"] += 1

    lay_out()
    assert min(seen.values()) > 0, seen


@pytest.mark.parametrize(
    ("zone", "skipped"), [("Pacific/Apia", "2011-12-30"), ("Pacific/Kiritimati", "1994-12-31")]
)
def test_a_date_that_never_came_is_no_business_day_even_of_a_calendar_that_never_shuts(
    zone: str, skipped: str
) -> None:
    calendar = Calendar.model_validate({"id": "c", "timezone": zone, "always": True})
    day = date.fromisoformat(skipped)
    days = calendar_days(calendar, day - timedelta(days=1), day + timedelta(days=2))
    assert [(one.is_business_day, one.open_day_us) for one in days] == [
        (True, DAY_US),
        (False, DAY_US),
        (True, DAY_US),
    ]
    assert not BusinessTime(calendar).opens_on(day)
