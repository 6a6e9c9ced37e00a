"""Samples that become arrays are the samples that were given; what needs to be judged does not become one."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avoir.sources.instants import instant_text
from avoir.sources.series import series_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECONDS = st.integers(0, 7_258_118_400_000)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(MILLISECONDS, NUMBERS), min_size=1, unique_by=lambda one: one[0]).map(sorted))
def test_a_series_holds_its_samples_to_the_millisecond(samples: list[tuple[int, float]]) -> None:
    answer = json.dumps([[float(f"{at // 1000}.{at % 1000:03d}"), repr(value)] for at, value in samples])
    series = series_of("samples", "web", orjson.loads(answer))
    assert series is not None
    assert (series.first, series.last) == (samples[0][0], samples[-1][0])
    told = [(at, float(value or "")) for _, at, value in series.rows().values]
    assert told == [(instant_text(at), value) for at, value in samples]
    assert [datetime.fromisoformat(str(at)) for at, _ in told] == [
        EPOCH + timedelta(milliseconds=at) for at, _ in samples
    ]


@pytest.mark.parametrize(
    ("monitor", "samples"),
    [
        ("web", [[1, "1"], [1, "1"]]),
        ("web", [[2, "1"], [1, "1"]]),
        ("web", [[1, "NaN"]]),
        ("web", [[1, "+Inf"]]),
        ("web", [[1, "up"]]),
        ("web", [[1, "1"], [1e300, "1"]]),
        ("web", [[1, "1"], [-1e300, "1"]]),
        ("web", [[1, 1]]),
        ("web", [["1", "1"]]),
        ("web", [[True, "1"]]),
        ("web", [[None, "1"]]),
        ("web", [[1, "1", "2"]]),
        ("web", [[1]]),
        ("web", ["1"]),
        ("web", [7]),
        ("web", []),
        ("we\x00b", [[1, "1"]]),
        ("\ud800", [[1, "1"]]),
        ("", [[1, "1"]]),
    ],
)
def test_what_needs_to_be_judged_is_no_series(monitor: str, samples: list[Any]) -> None:
    assert series_of("samples", monitor, samples) is None


def test_an_instant_beyond_all_years_is_not_taken_for_one_within_them() -> None:
    series = series_of("samples", "web", [[1e300, "1"]])
    assert series is None or not 0 <= series.first < 7_258_118_400_000
    assert math.isfinite(1e300)


def test_a_long_name_does_not_make_a_piece_of_a_copy_longer_than_memory_has_room_for() -> None:
    name = "https://shop.example/" + "x" * 100_000
    series = series_of("samples", name, [[n, "1"] for n in range(1000)])
    assert series is not None
    pieces = list(series.copied("probes", 1))
    assert max(map(len, pieces)) < 20_000_000
    assert sum(map(len, pieces)) > 1000 * len(name)
