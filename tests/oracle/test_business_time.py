"""The inverse of business time, and what a service counts as, against counting by the hour."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avoir.contracts.model import Calendar
from tests.oracle.business_time import BusinessTime, business_time, instant_us, midnight_us
from tests.oracle.drafting import CALENDARS
from tests.oracle.small_contracts import AVAILABLE, PARIS, availability, calendar, clause, judged, month_row

HOUR_US = 3_600_000_000
EVERY_CASE = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("start", "hours", "reached"),
    [
        ("2025-03-03 07:00", 8, "2025-03-03 16:00"),
        ("2025-03-03 16:00", 0, "2025-03-03 16:00"),
        ("2025-03-03 16:00", 1, "2025-03-04 09:00"),
        ("2025-03-07 12:00", 40, "2025-03-14 12:00"),
        ("2025-03-29 12:00", 1, "2025-03-31 09:00"),
    ],
)
def test_so_many_open_hours_have_passed_at_the_end_of_the_last_of_them(start, hours, reached):
    office = BusinessTime(Calendar.model_validate(calendar("08:00-16:00", timezone=PARIS)))
    found = office.instant_after(instant_us(start, PARIS), hours * HOUR_US)
    assert found == instant_us(reached, PARIS)


@settings(EVERY_CASE, max_examples=150)
@given(st.sampled_from(CALENDARS), st.integers(0, 400 * 24 * HOUR_US), st.integers(1, 60 * HOUR_US))
def test_the_inverse_is_the_earliest_instant_by_which_so_much_was_open(document, after, open_us):
    hours = business_time(Calendar.model_validate(document))
    start_us = midnight_us(date(2025, 1, 1), PARIS) + after
    reached = hours.instant_after(start_us, open_us)
    assert hours.between(start_us, reached) == open_us
    assert hours.between(start_us, reached - 1) < open_us


_STATES = st.lists(st.tuples(st.sampled_from("udx"), st.integers(1, 30)), min_size=1, max_size=12)


def _by_hour(drawn: list[tuple[str, int]], hours: int) -> str:
    text = "".join(state * length for state, length in drawn)[:hours]
    return text + "u" * (hours - len(text))


@settings(EVERY_CASE, max_examples=120)
@given(
    st.lists(_STATES, min_size=1, max_size=3),
    st.integers(1, 3),
    st.sampled_from(("down", "up", "exclude")),
    st.integers(1, 8),
    st.sampled_from(("net", "total")),
    st.lists(st.integers(0, 95), max_size=10, unique=True),
    st.sampled_from(("minutes", "deployed_minutes")),
)
def test_outages_are_what_a_count_by_the_hour_finds(
    monitors, quorum, unknown, minimum, denominator, left_out, method
):
    """Four days of hours that are up, down or silent (u, d, x), some of them planned work."""
    hours = 96
    seen = [_by_hour(drawn, hours) for drawn in monitors]

    def row(hour: int, length: int, **more) -> dict:
        ends = [divmod(at, 24) for at in (hour, hour + length)]
        texts = [f"2025-04-{1 + day:02d} {of_day:02d}:00" for day, of_day in ends]
        return {"service": "s", "from": texts[0], "to": texts[1], **more}

    test = {
        "probes": [
            row(hour, 1, monitor=f"m{n}", state="up" if state == "u" else "down", every_seconds=1_800)
            for n, states in enumerate(seen)
            for hour, state in enumerate(states)
            if state != "x"
        ],
        "maintenance": [row(hour, 1, announced="2025-03-31 00:00") for hour in left_out],
        "as_of": "2025-04-05 00:00",
        "expect": month_row("2025-04"),
    }
    indicator = availability(
        method=method,
        unknown=unknown,
        probe_interval_seconds=1_200,  # Half-hourly samples hold exactly until the next.
        minimum_downtime_seconds=minimum * 3_600,
        denominator=denominator,
        maintenance={"notice_hours": 0},
        **({"quorum": quorum} if method == "minutes" else {}),
    )
    result = judged(
        [clause(indicator, AVAILABLE)], test, zone="UTC", monitors=[f"m{n}" for n in range(len(seen))]
    )

    def state_at(hour: int) -> str:
        now = [states[hour] for states in seen]
        if now.count("d") >= quorum:
            return "d"
        return "x" if now.count("d") + now.count("x") >= quorum else "u"

    if not test["probes"]:
        return  # Nothing is said of the service: it was up.
    if method == "minutes":
        counted = ["".join(state_at(hour) for hour in range(hours))]
    else:
        counted = [" " * len(states) if set(states) == {"x"} else states for states in seen]
        counted = [states.replace("x", " ", len(states) - len(states.lstrip("x"))) for states in counted]
    down = total = 0
    for states in counted:
        at = 0
        for is_down, run in groupby(states, lambda s: s == "d" or (s == "x" and unknown == "down")):
            length = len(list(run))
            if is_down and length >= minimum:
                down += sum(hour not in left_out for hour in range(at, at + length))
            at += length
        for hour, state in enumerate(states):
            planned, leaves = hour in left_out, state == "x" and unknown == "exclude"
            total += state != " " and not (leaves and not planned) and (denominator == "total" or not planned)
    expected = None if total == 0 else 100 * (1 - Fraction(down, total))
    assert result.months["A", 1, date(2025, 4, 1)][0] == expected
