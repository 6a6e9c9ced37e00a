"""Windows are half-open, zoned and never empty; cutting one at month borders loses and repeats nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avoir.sources.model import Window

INSTANTS = st.datetimes(datetime(1999, 1, 1), datetime(2038, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(INSTANTS, st.timedeltas(timedelta(microseconds=1), timedelta(days=900)))
def test_the_months_of_a_window_join_up_to_it(start: datetime, length: timedelta) -> None:
    window = Window(start, start + length)
    months = list(window.months())
    assert months[0].start == window.start
    assert months[-1].end == window.end
    assert all(one.end == other.start for one, other in pairwise(months))
    assert all((month.end - timedelta(microseconds=1)).month == month.start.month for month in months)


@settings(deadline=None)
@given(INSTANTS, st.timedeltas(timedelta(microseconds=1), timedelta(days=900)), INSTANTS)
def test_an_instant_of_a_window_is_in_exactly_one_of_its_months(
    start: datetime, length: timedelta, instant: datetime
) -> None:
    window = Window(start, start + length)
    assert sum(instant in month for month in window.months()) == (1 if instant in window else 0)


def test_the_start_belongs_to_a_window_and_the_end_does_not() -> None:
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert window.start in window
    assert window.end not in window
    assert window.end - timedelta(microseconds=1) in window


def test_windows_of_other_zones_are_kept_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    window = Window(datetime(2026, 7, 1, 2, tzinfo=zone), datetime(2026, 7, 1, 3, tzinfo=zone))
    assert window == Window(datetime(2026, 7, 1, 0, tzinfo=UTC), datetime(2026, 7, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("length", [timedelta(0), timedelta(microseconds=-1)])
def test_an_empty_window_cannot_be_built(length: timedelta) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="must end after it starts"):
        Window(start, start + length)


def test_a_window_without_zone_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="start must carry its zone"):
        Window(datetime(2026, 1, 1), datetime(2026, 2, 1, tzinfo=UTC))
