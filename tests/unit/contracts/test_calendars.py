"""Business time by lookup equals business time by walking, and the worked numbers of the field."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avoir.contracts.calendars import (
    MICROSECONDS_PER_DAY,
    CalendarDay,
    calendar_days,
    days_that_reach,
    microseconds_since_epoch,
    open_microseconds,
    opened_before,
)
from avoir.contracts.model import Calendar

HOUR = 3_600_000_000
MINUTE = 60_000_000
PARIS = "Europe/Paris"


def weekdays(hours: str, *more: str, zone: str = PARIS, **other: object) -> Calendar:
    """A calendar with the same hours from Monday to Friday."""
    weekly = {day: [hours, *more] for day in ("mon", "tue", "wed", "thu", "fri")}
    return Calendar.model_validate({"id": "test", "timezone": zone, "weekly": weekly, **other})


def whole_days(zone: str) -> Calendar:
    return Calendar.model_validate({"id": "test", "timezone": zone, "always": True})


def local(text: str, zone: str = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def business(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Business microseconds by the lookup, checked against the walk."""
    days = calendar_days(
        calendar,
        start.astimezone(UTC).date() - timedelta(days=3),
        end.astimezone(UTC).date() + timedelta(days=1),
    )
    found = opened_before(days, end) - opened_before(days, start)
    assert found == open_microseconds(calendar, start, end)
    return found


def elapsed(start: datetime, end: datetime) -> int:
    return microseconds_since_epoch(end) - microseconds_since_epoch(start)


# --- The worked numbers ------------------------------------------------------------------------------------


def test_from_an_afternoon_to_the_next_morning_on_weekdays() -> None:
    start, end = local("2025-12-10T14:00"), local("2025-12-11T09:00")
    assert business(weekdays("09:00-17:00"), start, end) == 3 * HOUR
    assert elapsed(start, end) == 19 * HOUR


def test_over_a_weekend_from_a_late_friday() -> None:
    start, end = local("2025-12-12T21:00"), local("2025-12-15T09:30")
    assert business(weekdays("08:00-17:00"), start, end) == HOUR + 30 * MINUTE
    assert elapsed(start, end) == 60 * HOUR + 30 * MINUTE


def test_a_target_of_a_full_day_is_used_up_when_the_day_closes() -> None:
    calendar, start = weekdays("08:00-16:00"), local("2025-12-10T07:00")
    assert business(calendar, start, local("2025-12-10T16:00")) == 8 * HOUR
    assert business(calendar, start, local("2025-12-10T15:59:59.999999")) == 8 * HOUR - 1


def test_a_whole_night_when_the_clock_skips_an_hour() -> None:
    start, end = local("2026-03-29T00:00"), local("2026-03-29T06:00")
    assert business(whole_days(PARIS), start, end) == 5 * HOUR
    assert elapsed(start, end) == 5 * HOUR


def test_over_the_first_of_may_and_a_weekend() -> None:
    calendar = weekdays("09:00-18:00", holidays={"country": "FR"})
    start, end = local("2026-04-30T17:00"), local("2026-05-04T10:00")
    assert business(calendar, start, end) == 2 * HOUR
    assert elapsed(start, end) == 89 * HOUR


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [("2026-03-01", "2026-04-01", 44_580), ("2026-10-01", "2026-11-01", 44_700)],
)
def test_the_minutes_of_a_month_with_a_change_of_clocks(start: str, end: str, minutes: int) -> None:
    found = business(whole_days(PARIS), local(f"{start}T00:00"), local(f"{end}T00:00"))
    assert found == minutes * MINUTE


# --- Changes of clocks -------------------------------------------------------------------------------------


def on_sundays(hours: list[str], zone: str = PARIS) -> Calendar:
    return Calendar.model_validate({"id": "test", "timezone": zone, "weekly": {"sun": hours}})


@pytest.mark.parametrize(
    ("hours", "day", "expected"),
    [
        (["02:30-04:00"], "2026-03-29", HOUR),
        (["02:00-03:00"], "2026-03-29", 0),
        (["01:00-02:30"], "2026-10-25", 2 * HOUR),
        (["02:30-04:00"], "2026-10-25", 2 * HOUR),
        (["00:00-24:00"], "2026-03-29", 23 * HOUR),
        (["00:00-24:00"], "2026-10-25", 25 * HOUR),
        (["00:00-02:30", "02:30-24:00"], "2026-10-25", 25 * HOUR),
    ],
)
def test_skipped_hours_do_not_exist_and_repeated_ones_count_twice(
    hours: list[str], day: str, expected: int
) -> None:
    start = local(f"{day}T00:00")
    assert business(on_sundays(hours), start, local(f"{day}T23:59") + timedelta(minutes=1)) == expected


def test_a_day_on_lord_howe_island_changes_by_half_an_hour() -> None:
    zone = "Australia/Lord_Howe"
    spring, autumn = local("2025-10-05T00:00", zone), local("2026-04-05T00:00", zone)
    day = timedelta(days=1)
    assert business(whole_days(zone), spring, spring + day) == 23 * HOUR + 30 * MINUTE
    assert business(whole_days(zone), autumn, autumn + day) == 24 * HOUR + 30 * MINUTE


def test_a_change_of_clocks_may_fall_on_any_minute() -> None:
    zone = "America/St_Johns"  # Until 2011 clocks changed at 00:01 there.
    sundays = on_sundays(["00:00-02:00"], zone)
    # In autumn Sunday begins, one minute later it is Saturday 23:01 again, then Sunday begins anew.
    for day, minutes in (("2010-03-14", 60), ("2010-11-07", 121)):
        assert business(sundays, local(f"{day}T00:00", zone), local(f"{day}T12:00", zone)) == minutes * MINUTE
    before, after = local("2010-03-14T00:00", zone), local("2010-03-14T01:01", zone)
    assert business(sundays, before, after) == MINUTE


def test_a_date_that_an_island_skipped_has_no_business_time() -> None:
    calendar = Calendar.model_validate(
        {"id": "test", "timezone": "Pacific/Apia", "weekly": {"fri": ["09:00-17:00"]}}
    )
    days = calendar_days(calendar, date(2011, 12, 28), date(2012, 1, 2))
    assert [day.is_business_day for day in days] == [False] * 5  # Friday 30 December 2011 never came.
    assert sum(day.open_day_us for day in days) == 0


# --- Which hours hold --------------------------------------------------------------------------------------


def hours_of(calendar: Calendar, day: date) -> tuple[bool, int]:
    (row,) = calendar_days(calendar, day, day + timedelta(days=1))
    return row.is_business_day, row.open_day_us // HOUR


def test_half_days_win_over_closed_days_holidays_and_weekends() -> None:
    calendar = weekdays(
        "09:00-17:00",
        holidays={"country": "FR"},
        closed=["2026-05-15"],
        half_days={"2026-05-14": ["09:00-12:00"], "2026-05-16": ["10:00-11:00"]},
    )
    assert hours_of(calendar, date(2026, 5, 13)) == (True, 8)
    assert hours_of(calendar, date(2026, 5, 14)) == (True, 3)  # Ascension Day
    assert hours_of(calendar, date(2026, 5, 15)) == (False, 0)
    assert hours_of(calendar, date(2026, 5, 16)) == (True, 1)  # a Saturday
    assert hours_of(calendar, date(2026, 5, 25)) == (False, 0)  # Whit Monday


def test_the_subdivision_decides_about_its_own_holidays() -> None:
    good_friday = date(2026, 4, 3)
    for subdivision, works in ((None, True), ("57", False), ("6AE", False)):
        calendar = weekdays("09:00-17:00", holidays={"country": "FR", "subdivision": subdivision})
        assert hours_of(calendar, good_friday)[0] is works


def test_a_business_day_is_a_local_date_even_where_its_hours_fall_on_another_utc_day() -> None:
    calendar = Calendar.model_validate(
        {"id": "test", "timezone": "Pacific/Kiritimati", "weekly": {"mon": ["08:00-12:00"]}}
    )
    days = calendar_days(calendar, date(2026, 6, 7), date(2026, 6, 9))
    assert [(d.utc_date.day, d.is_business_day, d.open_day_us // HOUR) for d in days] == [
        (7, False, 4),  # Monday 8 June 08:00 local is Sunday 18:00 UTC.
        (8, True, 0),
    ]


# --- The rows ----------------------------------------------------------------------------------------------


def test_a_row_lists_its_pieces_in_microseconds_of_the_utc_day() -> None:
    calendar = weekdays("09:00-12:30", "13:30-18:00")
    (day,) = calendar_days(calendar, date(2026, 1, 5), date(2026, 1, 6))
    nothing = (None,) * 10
    pieces = (8 * HOUR, 11 * HOUR + 30 * MINUTE, 12 * HOUR + 30 * MINUTE, 17 * HOUR)
    assert day.row() == (20458, date(2026, 1, 5), True, 0, 8 * HOUR, *pieces, *nothing)


def test_a_whole_day_is_one_piece() -> None:
    days = calendar_days(whole_days(PARIS), date(2026, 3, 28), date(2026, 3, 31))
    assert [day.pieces for day in days] == [((0, MICROSECONDS_PER_DAY),)] * 3
    assert [day.open_before_us for day in days] == [0, 24 * HOUR, 48 * HOUR]


def test_what_a_day_has_beyond_six_pieces_stands_in_arrays() -> None:
    seven = [f"{hour}:00-{hour}:30" for hour in range(10, 17)]
    calendar = Calendar.model_validate(
        {"id": "rota", "timezone": "Asia/Tokyo", "weekly": {"mon": seven, "tue": ["08:00-08:30"]}}
    )
    # Tuesday 08:00 in Tokyo is still Monday.
    (day,) = calendar_days(calendar, date(2026, 1, 5), date(2026, 1, 6))
    assert day.open_day_us == 4 * HOUR
    opens_us = [hour * HOUR for hour in (1, 2, 3, 4, 5, 6, 7, 23)]
    ends = [end for open_us in opens_us for end in (open_us, open_us + 30 * MINUTE)]
    assert day.row()[5:] == (*ends[:12], ends[12::2], ends[13::2])
    assert ends[12:] == [7 * HOUR, 7 * HOUR + 30 * MINUTE, 23 * HOUR, 23 * HOUR + 30 * MINUTE]


def test_an_empty_range_and_a_calendar_without_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="must end after it starts"):
        calendar_days(whole_days(PARIS), date(2026, 1, 1), date(2026, 1, 1))
    with pytest.raises(ValueError, match="has no zone"):
        calendar_days(
            Calendar.model_validate({"id": "x", "always": True}), date(2026, 1, 1), date(2026, 1, 2)
        )


def test_the_range_does_not_change_the_days() -> None:
    calendar = weekdays("09:00-17:00", holidays={"country": "FR"})
    wide = calendar_days(calendar, date(2025, 1, 1), date(2027, 1, 1))
    narrow = calendar_days(calendar, date(2026, 3, 1), date(2026, 5, 1))
    by_date = {day.utc_date: day for day in wide}

    def shape(day: CalendarDay) -> tuple[object, ...]:
        return day.pieces, day.is_business_day

    assert [shape(day) for day in narrow] == [shape(by_date[day.utc_date]) for day in narrow]


# --- The lookup against the walk ---------------------------------------------------------------------------

ZONES = (
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Kiritimati",
    "America/New_York",
    "Europe/Paris",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "UTC",
)
# Days around changes of clocks in these zones, where mistakes live; and a whole date that Samoa skipped.
EVENTFUL = (
    "2025-03-30",
    "2025-10-26",
    "2026-03-08",
    "2026-11-01",
    "2025-10-05",
    "2026-04-05",
    "2025-02-23",
    "2025-04-06",
    "2010-11-07",
    "2011-12-30",
    "1995-01-01",
    "2024-02-29",
    "2025-12-31",
)


@st.composite
def openings(draw: st.DrawFn) -> list[str]:
    grain = draw(st.sampled_from((1, 30)))
    times = draw(st.lists(st.integers(0, 1440 // grain), max_size=4, unique=True))
    ordered = sorted(times)
    pairs = zip(ordered[::2], ordered[1::2], strict=False)
    return [
        "-".join(f"{minute * grain // 60:02d}:{minute * grain % 60:02d}" for minute in pair) for pair in pairs
    ]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    zone = draw(st.sampled_from(ZONES))
    if draw(st.integers(0, 9)) == 0:
        return whole_days(zone)
    weekly = {day: draw(openings()) for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
    weekly["sun"] = draw(openings()) or ["00:30-03:30"]
    eventful = date.fromisoformat(draw(st.sampled_from(EVENTFUL)))
    half = draw(openings())
    return Calendar.model_validate(
        {
            "id": "test",
            "timezone": zone,
            "weekly": weekly,
            "holidays": draw(st.sampled_from((None, {"country": "FR"}, {"country": "US"}))),
            "closed": [eventful + timedelta(days=1)],
            "half_days": {eventful: half} if half else {},
        }
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    calendar=calendars(),
    day=st.sampled_from(EVENTFUL),
    offset_us=st.integers(-36 * HOUR, 36 * HOUR),
    length_us=st.integers(0, 72 * HOUR),
)
def test_the_lookup_equals_the_walk(calendar: Calendar, day: str, offset_us: int, length_us: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(microseconds=offset_us)
    end = start + timedelta(microseconds=length_us)
    found = business(calendar, start, end)
    assert 0 <= found <= length_us


@settings(max_examples=60, deadline=None)
@given(calendar=calendars(), day=st.sampled_from(EVENTFUL))
def test_the_rows_are_what_the_lookup_needs(calendar: Calendar, day: str) -> None:
    middle = date.fromisoformat(day)
    days = calendar_days(calendar, middle - timedelta(days=5), middle + timedelta(days=5))
    before = 0
    for number, row in enumerate(days):
        assert row.day_no == days[0].day_no + number
        assert row.open_before_us == before
        ends = [end for piece in row.pieces for end in piece]
        assert ends == sorted(set(ends))  # In order, apart, never empty.
        assert all(0 <= end <= MICROSECONDS_PER_DAY for end in ends)
        assert len(row.row()) == 19
        before += row.open_day_us


def test_days_reach_as_far_as_the_longest_target_of_a_clock() -> None:
    start, end, noon = date(2026, 1, 1), date(2026, 3, 1), datetime(2026, 2, 27, 12, tzinfo=UTC)
    mondays = Calendar.model_validate({"id": "m", "timezone": "UTC", "weekly": {"mon": ["09:00-10:00"]}})
    near = days_that_reach(mondays, start, end, after=noon, open_us=0)
    assert near[-1].utc_date == date(2026, 2, 28)
    far = days_that_reach(mondays, start, end, after=noon, open_us=100 * HOUR)
    assert far[-1].utc_date > date(2026, 2, 27) + timedelta(weeks=100)
    assert far[: len(near)] == near
