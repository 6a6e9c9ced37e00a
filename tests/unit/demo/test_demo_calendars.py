"""The oracle's business hours against cases worked by hand."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from avoir.demo.calendars import OpenHours
from avoir.demo.months import Month, from_servicenow
from avoir.demo.vendors import HELIOS, CalendarTerms

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("mon", "tue", "wed", "thu", "fri")
ALWAYS = OpenHours(CalendarTerms("always", always=True), PARIS)
FRENCH = OpenHours(CalendarTerms("office", dict.fromkeys(DAYS, ("09:00-18:00",)), country="FR"), PARIS)
NINE_TO_FIVE = OpenHours(CalendarTerms("nine", dict.fromkeys(DAYS, ("09:00-17:00",))), PARIS)
EIGHT_TO_FIVE = OpenHours(CalendarTerms("eight", dict.fromkeys(DAYS, ("08:00-17:00",))), PARIS)
HELIOS_OFFICE = OpenHours(HELIOS.versions[0].calendar("office"), PARIS)
HOUR = 3600


def paris(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp())


@pytest.mark.parametrize(
    ("hours", "start", "end", "open_seconds"),
    [
        (NINE_TO_FIVE, "2025-12-09T14:00", "2025-12-10T09:00", 3 * HOUR),
        (EIGHT_TO_FIVE, "2025-12-12T21:00", "2025-12-15T09:30", HOUR * 3 // 2),
        (ALWAYS, "2026-03-29T00:00", "2026-03-29T06:00", 5 * HOUR),
        (ALWAYS, "2025-10-26T00:00", "2025-10-26T06:00", 7 * HOUR),
        (FRENCH, "2026-04-30T17:00", "2026-05-04T10:00", 2 * HOUR),
        (FRENCH, "2025-07-12T10:00", "2025-07-15T09:00", 0),  # a Saturday to the day after Bastille Day
        (HELIOS_OFFICE, "2025-03-04T12:20", "2025-03-04T13:40", 20 * 60),  # over lunch
        (
            HELIOS_OFFICE,
            "2025-12-24T12:00",
            "2025-12-29T09:15",
            45 * 60,
        ),  # half day, Christmas, bridge, weekend
        (HELIOS_OFFICE, "2025-03-07T16:59:59", "2025-03-07T18:30", 1),  # Friday closes at five
    ],
)
def test_open_time_between_two_instants(hours: OpenHours, start: str, end: str, open_seconds: int) -> None:
    assert hours.open_between(paris(start), paris(end)) == open_seconds


def test_the_second_of_closing_is_closed_and_the_second_of_opening_is_open() -> None:
    assert not HELIOS_OFFICE.is_open(paris("2025-03-04T12:30:00"))
    assert HELIOS_OFFICE.is_open(paris("2025-03-04T12:29:59"))
    assert HELIOS_OFFICE.is_open(paris("2025-03-04T13:30:00"))


@pytest.mark.parametrize(
    ("start", "open_seconds", "reached"),
    [
        ("2025-03-04T12:20", 600, "2025-03-04T12:30"),  # the earliest instant: closing, not the next opening
        ("2025-03-04T12:20", 601, "2025-03-04T13:30:01"),
        ("2025-03-04T20:00", 1800, "2025-03-05T09:30"),
        ("2025-03-04T20:00", 0, "2025-03-04T20:00"),
        ("2025-03-07T16:50", 1800, "2025-03-10T09:20"),
    ],
)
def test_instant_at_which_open_time_has_passed(start: str, open_seconds: int, reached: str) -> None:
    assert HELIOS_OFFICE.after(paris(start), open_seconds) == paris(reached)


def test_after_is_the_inverse_of_open_between_on_every_hour_of_a_year() -> None:
    start = paris("2025-01-02T09:00")
    for step in range(0, 365 * 86400, 7 * HOUR + 11):
        instant = HELIOS_OFFICE.after(start, step % 500_000)
        assert HELIOS_OFFICE.open_between(start, instant) == step % 500_000


def test_clock_matches_a_walk_over_every_minute_of_the_weeks_of_both_clock_changes() -> None:
    for first in ("2025-03-28T00:00", "2025-10-24T00:00"):
        start = paris(first)
        minutes = range(start, start + 5 * 86400, 60)
        walked = sum(60 for minute in minutes if FRENCH.is_open(minute))
        assert FRENCH.open_between(start, minutes.stop) == walked > 0


@pytest.mark.parametrize(("month", "minutes"), [(Month(2026, 3), 44_580), (Month(2025, 10), 44_700)])
def test_months_of_clock_changes_are_an_hour_shorter_and_longer(month: Month, minutes: int) -> None:
    start, end = month.bounds(PARIS)
    assert (end - start) // 60 == minutes
    assert ALWAYS.open_between(start, end) == end - start


def test_a_month_in_kolkata_starts_on_the_day_before_in_utc() -> None:
    start, _ = Month(2025, 1).bounds(ZoneInfo("Asia/Kolkata"))
    assert start == from_servicenow("2024-12-31 18:30:00")


@pytest.mark.parametrize(
    ("due", "delivered", "days"),
    [
        (date(2025, 6, 6), date(2025, 6, 10), 1),  # Friday to Tuesday over Whit Monday
        (date(2025, 6, 6), date(2025, 6, 8), 0),
        (date(2025, 6, 6), date(2025, 6, 6), 0),
        (date(2025, 6, 6), date(2025, 6, 3), 0),
        (date(2025, 6, 2), date(2025, 6, 6), 4),
    ],
)
def test_business_days_after_the_due_date(due: date, delivered: date, days: int) -> None:
    assert FRENCH.business_days_after(due, delivered) == days


def test_calendar_needs_hours_or_always_but_not_both() -> None:
    with pytest.raises(ValueError, match="either weekly hours or always"):
        CalendarTerms("both", {"mon": ("09:00-12:00",)}, always=True)
    with pytest.raises(ValueError, match="either weekly hours or always"):
        CalendarTerms("neither")
