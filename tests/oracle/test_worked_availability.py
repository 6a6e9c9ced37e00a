"""Availabilities by quorum, outage, opening hours, monitor, sample and quarter, worked by hand.

April 2025 in UTC has 43 200 minutes and 22 weekdays; what is said to be down is down, all else was up.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from tests.oracle import Judged
from tests.oracle.small_contracts import (
    AVAILABLE,
    FIXED,
    LATE_DAYS,
    availability,
    calendar,
    clause,
    judged,
    milestone,
    month_row,
)

APRIL, MAY, JUNE = (date(2025, month, 1) for month in (4, 5, 6))
MONITORS = ("a", "b", "c")


def stretch(from_: str, to: str, monitor: str | None = None, **more: object) -> dict:
    """A stretch of the service from and to an instant as month-day hour, of all monitors or one."""
    row = {"service": "s", "from": f"2025-{from_}", "to": f"2025-{to}", **more}
    return row if monitor is None else {**row, "monitor": monitor}


def probes(state: str, from_: str, to: str, monitor: str | None = None, every: int = 300) -> dict:
    return stretch(from_, to, monitor, state=state, every_seconds=every)


def planned(from_: str, to: str) -> dict:
    return stretch(from_, to, announced="2025-04-01 00:00")


def measured(indicator: dict, test: dict, **more) -> Judged:
    """Judge one clause on the months from April to the last one that the test names."""
    test = {"expect": month_row("2025-04"), **test}
    objective = more.pop("objective", AVAILABLE)
    honours = {"maintenance": {"notice_hours": 0}} if "maintenance" in test else {}
    clauses = [clause(availability(**honours | indicator), objective, more.pop("penalty", FIXED))]
    return judged(clauses, test, zone="UTC", **more)


def down_minutes(result: Judged, month: date = APRIL, minutes: int = 43_200) -> Fraction:
    """The unavailability of a month, of so many minutes."""
    measure = result.months["A", 1, month][0]
    assert measure is not None
    return (100 - measure) * minutes / 100


# --- Several monitors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quorum", "minutes"), [(1, 90), (2, 30), (3, 0)])
def test_a_service_is_down_while_enough_of_its_monitors_are(quorum, minutes):
    downtime = [stretch("04-07 10:00", "04-07 11:00", "a"), stretch("04-07 10:30", "04-07 11:30", "b")]
    result = measured({"quorum": quorum}, {"downtime": downtime}, monitors=MONITORS)
    assert down_minutes(result) == minutes


@pytest.mark.parametrize(
    ("quorum", "unknown", "down", "scope"),
    [
        (1, "down", 60, 43_200),
        (2, "down", 60, 43_200),
        (2, "up", 0, 43_200),
        (2, "exclude", 0, 43_140),
        (3, "exclude", 0, 43_200),
    ],
)
def test_it_is_unknown_while_the_silent_monitors_could_make_up_the_quorum(quorum, unknown, down, scope):
    """Monitor a is down for an hour in which b says nothing; c is up throughout."""
    test = {
        "probes": [
            probes("up", "04-01 00:00", "05-01 00:00", "c"),
            probes("up", "04-01 00:00", "04-07 10:00", "a"),
            probes("down", "04-07 10:00", "04-07 11:00", "a"),
            probes("up", "04-07 11:00", "05-01 00:00", "a"),
            probes("up", "04-01 00:00", "04-07 09:57:30", "b"),
            probes("up", "04-07 11:00", "05-01 00:00", "b"),
        ]
    }
    # The last sample of b before the gap is of 9:55 and holds for seven and a half minutes.
    result = measured(
        {"quorum": quorum, "unknown": unknown, "probe_interval_seconds": 200}, test, monitors=MONITORS
    )
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(down, scope))


def test_the_monitors_without_samples_beside_one_that_has_some_are_unknown_and_beside_downtime_they_are_up():
    seen = [probes("up", "04-01 00:00", "05-01 00:00", "a")]
    result = measured({"unknown": "down"}, {"probes": seen}, monitors=("a", "b"))
    assert down_minutes(result) == 43_200
    result = measured({"unknown": "down", "quorum": 2}, {"probes": seen}, monitors=("a", "b"))
    assert down_minutes(result) == 0
    downtime = [stretch("04-07 10:00", "04-07 11:00", "a")]
    result = measured({"unknown": "down", "quorum": 2}, {"downtime": downtime}, monitors=("a", "b"))
    assert down_minutes(result) == 0


# --- Outages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "minutes"), [(299, 0), (300, 5)])
def test_an_outage_shorter_than_the_minimum_does_not_count_at_all(seconds, minutes):
    to = f"04-07 10:0{seconds // 60}:{seconds % 60:02d}"
    indicator = {"minimum_downtime_seconds": 300}
    assert down_minutes(measured(indicator, {"downtime": [stretch("04-07 10:00", to)]})) == minutes


def test_the_whole_outage_is_held_against_the_minimum_also_over_the_end_of_a_month_but_not_beyond_as_of():
    test = {"downtime": [stretch("04-30 23:58", "05-01 00:03")]}
    indicator = {"minimum_downtime_seconds": 300}
    result = measured(indicator, test)
    assert (down_minutes(result), down_minutes(result, MAY, 44_640)) == (2, 3)
    result = measured(indicator, test | {"as_of": "2025-05-01 00:02:59"})
    assert (result.months["A", 1, APRIL][0], result.months["A", 1, MAY][0]) == (100, 100)


def test_two_outages_of_two_monitors_that_meet_are_one_of_the_service():
    downtime = [stretch("04-07 10:00", "04-07 10:03", "a"), stretch("04-07 10:03", "04-07 10:06", "b")]
    indicator = {"minimum_downtime_seconds": 300}
    assert down_minutes(measured(indicator, {"downtime": downtime}, monitors=("a", "b"))) == 6
    of_each = measured(
        indicator | {"method": "deployed_minutes"}, {"downtime": downtime}, monitors=("a", "b")
    )
    assert of_each.months["A", 1, APRIL][0] == 100


def test_planned_work_within_an_outage_is_part_of_its_length_and_not_of_what_counts():
    test = {
        "downtime": [stretch("04-07 10:00", "04-07 10:10")],
        "maintenance": [planned("04-07 10:02", "04-07 10:09")],
    }
    result = measured({"minimum_downtime_seconds": 600}, test)
    assert down_minutes(result, minutes=43_193) == 3


def test_unknown_time_that_counts_as_down_makes_an_outage_longer_and_alone_is_one():
    """Down at 10:00, silent from 10:03 (the hold of that sample) to 10:10; and silent from 12:03 to 12:04."""
    seen = [
        probes("up", "04-01 00:00", "04-07 10:00", every=120),
        probes("down", "04-07 10:00", "04-07 10:01", every=120),
        probes("up", "04-07 10:10", "04-07 12:01", every=120),
        probes("up", "04-07 12:04", "05-01 00:00", every=120),
    ]
    indicator = {"probe_interval_seconds": 120, "minimum_downtime_seconds": 300}
    assert down_minutes(measured(indicator | {"unknown": "down"}, {"probes": seen})) == 10
    assert down_minutes(measured(indicator | {"unknown": "up"}, {"probes": seen})) == 0
    # Left out: the outage is too short, and eight minutes leave both sides.
    result = measured(indicator | {"unknown": "exclude", "minimum_downtime_seconds": 180}, {"probes": seen})
    assert down_minutes(result, minutes=43_192) == 3


def test_the_silence_before_the_first_sample_is_of_any_length_and_what_is_told_to_be_up_was_up_before():
    """Six hours of April belong to a silence without beginning, five minutes to an outage of its own."""
    indicator = {"unknown": "down", "minimum_downtime_seconds": 86_400}
    seen = [probes("up", "04-01 06:00", "05-01 00:00")]
    assert down_minutes(measured(indicator, {"probes": seen})) == 360
    told = [stretch("04-01 00:00", "04-01 00:05")]
    assert down_minutes(measured(indicator, {"downtime": told})) == 0


def test_what_counts_of_an_outage_is_cut_to_whole_minutes_once_for_each_month():
    indicator = {"whole_minutes": True}
    downtime = [stretch("04-07 10:00", "04-07 10:01:59"), stretch("04-07 11:00", "04-07 11:00:59")]
    downtime.append(stretch("04-30 23:57:30", "05-01 00:02:30"))
    result = measured(indicator, {"downtime": downtime})
    assert (down_minutes(result), down_minutes(result, MAY, 44_640)) == (1 + 2, 2)
    # Cut in two by planned work, an outage is still one: 90 and 90 seconds are three minutes.
    test = {
        "downtime": [stretch("04-07 10:00", "04-07 10:10")],
        "maintenance": [planned("04-07 10:01:30", "04-07 10:08:30")],
    }
    assert down_minutes(measured(indicator, test), minutes=43_193) == 3


# --- Opening hours ----------------------------------------------------------------------------------------


def test_service_hours_count_open_time_on_both_sides_and_elapsed_time_for_the_minimum():
    """Sixteen to ten is eighteen hours of which two are open; 176 hours are open in April."""
    indicator = {"method": "service_hours", "calendar": "c", "minimum_downtime_seconds": 18 * 3_600}
    test = {"downtime": [stretch("04-07 16:00", "04-08 10:00"), stretch("04-09 09:00", "04-09 17:00")]}
    assert measured(indicator, test).months["A", 1, APRIL][0] == 100 * (1 - Fraction(2, 176))


@pytest.mark.parametrize(("denominator", "down", "scope"), [("net", 1, 174), ("total", 1, 176)])
def test_planned_work_leaves_the_opening_hours_or_the_downtime_alone(denominator, down, scope):
    indicator = {"method": "service_hours", "calendar": "c", "denominator": denominator}
    test = {
        "downtime": [stretch("04-07 15:00", "04-08 09:30")],
        "maintenance": [planned("04-07 15:30", "04-08 09:30")],
    }
    result = measured(indicator, test)
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(down, 2) / scope)


def test_open_time_of_an_outage_is_cut_to_whole_minutes():
    calendars = [calendar("09:00-17:00", timezone="UTC")]
    indicator = {"method": "service_hours", "calendar": "c", "whole_minutes": True}
    test = {"downtime": [stretch("04-07 16:59:01", "04-08 09:00:30")]}
    result = measured(indicator, test, calendars=calendars)
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(1, 176 * 60))


# --- Monitors by their deployment -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unknown", "down", "scope"),
    [("exclude", 60, 64_740), ("up", 60, 64_800), ("down", 120, 64_800)],
)
def test_each_monitor_counts_from_its_first_sample_and_one_without_any_not_at_all(unknown, down, scope):
    """Monitor a for thirty days, an hour of them silent; b for fifteen, an hour of them down; never c."""
    seen = [
        probes("up", "04-01 00:00", "04-03 00:00", "a"),
        probes("up", "04-03 01:02:30", "05-01 00:00", "a"),
        probes("up", "04-16 00:00", "04-20 00:00", "b"),
        probes("down", "04-20 00:00", "04-20 01:00", "b"),
        probes("up", "04-20 01:00", "05-01 00:00", "b"),
    ]
    indicator = {"method": "deployed_minutes", "unknown": unknown}
    result = measured(indicator, {"probes": seen}, monitors=MONITORS)
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(down, scope))


def test_planned_work_leaves_the_time_of_each_monitor_that_was_there():
    seen = [
        probes("up", "04-01 00:00", "05-01 00:00", "a"),
        probes("up", "04-16 00:00", "05-01 00:00", "b"),
        probes("down", "04-20 00:00", "04-20 03:00", "b"),
    ]
    test = {
        "probes": seen,
        "maintenance": [planned("04-15 23:00", "04-16 01:00"), planned("04-20 01:00", "04-20 02:00")],
    }
    indicator = {"method": "deployed_minutes"}
    result = measured(indicator, test, monitors=("a", "b"))
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(120, 64_800 - 120 - 60 - 120))
    result = measured(indicator | {"denominator": "total"}, test, monitors=("a", "b"))
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(120, 64_800))


# --- Samples ----------------------------------------------------------------------------------------------

RUNS = [
    probes("up", "04-01 00:00", "04-11 00:00", every=86_400),
    probes("down", "04-08 00:00", "04-09 00:00", every=43_200),
    probes("up", "04-08 12:00", "04-08 13:00", every=43_200),
]
"""Eleven runs, daily and at noon of the 8th; the one at the midnight before it failed."""


def test_every_sample_is_an_execution_and_of_two_of_one_instant_the_last_holds():
    result = measured({"method": "executions"}, {"probes": RUNS})
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(1, 11))
    two = measured({"method": "executions"}, {"probes": RUNS}, monitors=("a", "b"))
    assert two.months["A", 1, APRIL][0] == 100 * (1 - Fraction(2, 22))


@pytest.mark.parametrize(
    ("denominator", "volume", "expected"),
    [("net", 9, Fraction(1, 9)), ("net", 10, None), ("total", 11, Fraction(1, 11)), ("total", 12, None)],
)
def test_samples_in_planned_work_leave_both_sides_or_stay_in_the_total(denominator, volume, expected):
    """The work hides the runs of the 2nd and 3rd, not the one at the instant it ends."""
    indicator = {"method": "executions", "denominator": denominator, "minimum_volume": volume}
    test = {"probes": RUNS, "maintenance": [planned("04-02 00:00", "04-04 00:00")]}
    measure, outcome = measured(indicator, test).months["A", 1, APRIL]
    assert measure == (None if expected is None else 100 * (1 - expected))
    assert outcome == ("no_data" if expected is None else "breached")


def test_executions_of_a_service_that_is_not_told_of_never_failed():
    assert measured({"method": "executions"}, {}).months["A", 1, APRIL] == (100, "met")


@pytest.mark.parametrize(
    ("volume", "unknown", "errors", "slices"),
    [(1, "exclude", "0.5", 10), (2, "exclude", "0.5", 1), (2, "up", "0.5", 30), (2, "down", "29.5", 30)],
)
def test_a_slice_with_too_few_samples_is_like_one_without(volume, unknown, errors, slices):
    """Days with one sample each, but for the 8th, one of whose two failed."""
    indicator = {"method": "mean_of_slices", "slice_seconds": 86_400, "minimum_volume": volume}
    result = measured(indicator | {"unknown": unknown}, {"probes": RUNS})
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(errors) / slices)


def test_a_slice_that_is_wholly_planned_leaves_the_mean_or_counts_as_one_without_error():
    test = {"probes": RUNS, "maintenance": [planned("04-02 00:00", "04-04 00:00")]}
    indicator = {"method": "mean_of_slices", "slice_seconds": 86_400}
    for denominator, slices in (("net", 8), ("total", 10)):
        result = measured(indicator | {"denominator": denominator}, test)
        assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(1, 2) / slices)


def test_a_month_that_is_wholly_left_out_has_no_data_or_no_error():
    test = {
        "downtime": [stretch("04-01 00:00", "05-01 00:00")],
        "maintenance": [planned("04-01 00:00", "05-01 00:00")],
    }
    assert measured({}, test).months["A", 1, APRIL] == (None, "no_data")
    assert measured({"denominator": "total"}, test).months["A", 1, APRIL] == (100, "met")


@pytest.mark.parametrize(("unknown", "scope"), [("exclude", 43_200 - 180), ("up", 43_200), ("down", 43_200)])
def test_of_the_whole_month_only_unknown_time_outside_of_planned_work_is_taken(unknown, scope):
    """Silent for six hours of which three are planned; an hour of the work the service was down."""
    seen = [
        probes("up", "04-01 00:00", "04-07 00:00"),
        probes("up", "04-07 06:02:30", "04-09 00:00"),
        probes("down", "04-09 00:00", "04-09 01:00"),
        probes("up", "04-09 01:00", "05-01 00:00"),
    ]
    test = {
        "probes": seen,
        "maintenance": [planned("04-07 03:02:30", "04-07 08:00"), planned("04-09 00:00", "04-09 00:30")],
    }
    result = measured({"denominator": "total", "unknown": unknown}, test)
    down = 30 + (180 if unknown == "down" else 0)
    assert result.months["A", 1, APRIL][0] == 100 * (1 - Fraction(down, scope))


# --- Quarters ---------------------------------------------------------------------------------------------


def test_a_quarter_is_judged_on_the_sums_of_its_months_in_the_last_of_them():
    """20 hours of April alone would break 99 %; of the quarter's 2 184 hours they are 0.9 %."""
    test = {"downtime": [stretch("04-07 00:00", "04-07 20:00")], "expect": month_row("2025-06")}
    assert measured({}, test, objective=AVAILABLE | {"value": 99}).months["A", 1, APRIL][1] == "breached"
    result = measured({"period": "quarter"}, test, objective=AVAILABLE | {"value": 99})
    assert result.months == {
        ("A", 1, APRIL): (None, "no_data"),
        ("A", 1, MAY): (None, "no_data"),
        ("A", 1, JUNE): (100 * (1 - Fraction(20, 2_184)), "met"),
    }
    broken = measured({"period": "quarter"}, test, objective=AVAILABLE | {"value": "99.1"})
    assert [(line.month, line.formula) for line in broken.lines] == [(JUNE, 100)]


def test_a_quarter_stays_open_until_its_last_month_has_begun_and_counts_as_far_as_it_goes():
    test = {"downtime": [stretch("04-07 00:00", "04-07 20:00")], "expect": month_row("2025-06")}
    result = measured({"period": "quarter"}, test | {"as_of": "2025-06-01 00:00"})
    assert result.months == {("A", 1, APRIL): (None, "no_data"), ("A", 1, MAY): (None, "no_data")}
    result = measured({"period": "quarter"}, test | {"as_of": "2025-06-02 00:00"})
    assert result.months["A", 1, JUNE][0] == 100 * (1 - Fraction(20, (30 + 31 + 1) * 24))


def test_each_version_judges_its_own_months_of_the_quarter():
    """Version 2 begins on 16 May: the first is judged in May, on a month and a half, the second in June."""
    test = {
        "downtime": [stretch("05-15 12:00", "05-16 12:00")],
        "expect": month_row("2025-04") + month_row("2025-06"),
    }
    amendment = {"effective_from": date(2025, 5, 16), "order_amount": "1"}
    result = measured({"period": "quarter", "minimum_downtime_seconds": 86_400}, test, amendment=amendment)
    assert {key[1:]: measure for key, (measure, _) in result.months.items()} == {
        (1, APRIL): None,
        (1, MAY): 100 * (1 - Fraction(12, 45 * 24)),
        (2, MAY): None,
        (2, JUNE): 100 * (1 - Fraction(12, 46 * 24)),
    }


def test_too_few_samples_are_those_of_the_whole_quarter():
    test = {"probes": RUNS, "expect": month_row("2025-06")}
    indicator = {"method": "executions", "period": "quarter", "minimum_volume": 11}
    assert measured(indicator, test).months["A", 1, JUNE][0] == 100 * (1 - Fraction(1, 11))
    assert measured(indicator | {"minimum_volume": 12}, test).months["A", 1, JUNE] == (None, "no_data")


def test_slices_of_a_quarter_are_summed_and_not_the_means_of_its_months():
    """One slice of two failed in April, none of ten in May."""
    seen = [
        probes("down", "04-01 00:00", "04-01 12:00", every=86_400),
        probes("up", "04-02 00:00", "04-03 00:00", every=86_400),
        probes("up", "05-01 00:00", "05-11 00:00", every=86_400),
    ]
    indicator = {"method": "mean_of_slices", "slice_seconds": 86_400, "period": "quarter"}
    result = measured(indicator, {"probes": seen, "expect": month_row("2025-06")})
    assert result.months["A", 1, JUNE][0] == 100 * (1 - Fraction(1, 12))


# --- Begun days of delay ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "delivered", "late"),
    [
        ("calendar", date(2025, 3, 7), 0),
        ("calendar", date(2025, 3, 8), 0),
        ("calendar", date(2025, 3, 10), 2),
        ("calendar", date(2025, 3, 4), 0),
        ("business", date(2025, 3, 10), 0),
        ("business", date(2025, 3, 11), 1),
        ("business", None, 16),
        ("calendar", None, 24),
    ],
)
def test_the_day_of_delivery_is_not_over_where_only_whole_days_count(days, delivered, late):
    """Due on Friday 7 March; while it is undelivered the day of ``as_of``, 1 April, is the one not over."""
    release = {"release": "R", "service": "s", "due": date(2025, 3, 7), "delivered": delivered}
    indicator = milestone(days=days, calendar="c", started_day="floor")
    result = judged([clause(indicator, LATE_DAYS)], {"releases": [release]})
    assert result.milestones["A", "R"][0] == late
