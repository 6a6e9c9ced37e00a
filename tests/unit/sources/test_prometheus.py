"""Raw samples month by month: half-open, exact, and silence is never health."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from vendor_server import Answered, Vendor

from avoir.sources import prometheus
from avoir.sources.model import NothingLanded, Rejected, Rows, Window
from avoir.sources.prometheus import fetch
from avoir.sources.reaching import reach
from avoir.sources.vendor_http import IncompleteAnswerError

WINDOW = Window(datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


def matrix(*series: dict[str, Any], **more: Any) -> Answered:
    return Answered.json(
        {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more}
    )


class Prometheus:
    """Evaluates ``selector[Nms]`` at ``time`` as Prometheus 2 does: both ends belong to the range."""

    def __init__(self, samples: dict[str, list[tuple[float, str]]]) -> None:
        self.samples = samples

    def __call__(self, path: str, parameters: dict[str, str]) -> Answered:
        assert path == "/api/v1/query"
        length = re.fullmatch(r"probe_success\[(\d+)ms\]", parameters["query"])
        assert length is not None
        end = float(parameters["time"])
        start = end - int(length[1]) / 1000
        return matrix(
            *(
                {"metric": {"instance": name}, "values": [list(v) for v in values if start <= v[0] <= end]}
                for name, values in self.samples.items()
                if any(start <= v[0] <= end for v in values)
            )
        )


def fetched(vendor: Vendor, **options: Any) -> tuple[list[tuple[str | None, ...]], list[Rejected]]:
    source = vendor.connection("prometheus", username=None, **options)
    rows: list[tuple[str | None, ...]] = []
    rejected: list[Rejected] = []
    for item in fetch(source, WINDOW, NothingLanded()):
        if isinstance(item, Rejected):
            rejected.append(item)
        else:
            several = [item] if isinstance(item, Rows) else [series.rows() for series in item]
            rows += [row for one in several for row in one.values]
    return rows, rejected


def seconds(instant: datetime) -> float:
    return instant.timestamp()


def test_each_sample_of_the_window_is_read_once_and_no_other(vendor: Vendor) -> None:
    border = datetime(2026, 2, 1, tzinfo=UTC)
    instants = [
        WINDOW.start - timedelta(milliseconds=1),
        WINDOW.start,
        border - timedelta(milliseconds=1),
        border,
        datetime(2026, 2, 14, 6, 0, 0, 123000, tzinfo=UTC),
        WINDOW.end - timedelta(milliseconds=1),
        WINDOW.end,
    ]
    vendor.answer = Prometheus({"web": [(seconds(instant), "1") for instant in instants]})
    rows, rejected = fetched(vendor)
    assert [datetime.fromisoformat(str(row[1])) for row in rows] == instants[1:-1]
    assert rejected == []
    assert len(vendor.requests) == 5  # an hour, 8, 64, 512, the rest: nothing much was given


def test_large_answers_make_the_next_ones_smaller_and_nothing_falls_between_them(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_SAMPLES", 50)
    every = timedelta(minutes=10)
    instants = [WINDOW.start + n * every for n in range((WINDOW.end - WINDOW.start) // every)]
    vendor.answer = Prometheus({"web": [(seconds(instant), "1") for instant in instants]})
    rows, rejected = fetched(vendor)
    assert [datetime.fromisoformat(str(row[1])) for row in rows] == instants
    assert rejected == []
    spans = [
        int(parameters["query"].split("[")[1].removesuffix("ms]")) for _, parameters, _ in vendor.requests
    ]
    # After the first hour and its six samples no answer holds more than 50, which take 500 minutes.
    assert spans[:2] == [3_600_000, 8 * 3_600_000]
    assert 495 * 60_000 < max(spans) <= 500 * 60_000


def test_an_answer_larger_than_it_should_be_makes_those_after_it_smaller_for_good(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_SAMPLES", 50)
    first, again = WINDOW.start + timedelta(days=1), WINDOW.start + timedelta(days=14)
    instants = [busy + n * timedelta(minutes=1) for busy in (first, again) for n in range(600)]
    vendor.answer = Prometheus({"web": [(seconds(instant), "1") for instant in instants]})
    rows, rejected = fetched(vendor)
    assert ([datetime.fromisoformat(str(row[1])) for row in rows], rejected) == (instants, [])
    spans = [
        int(parameters["query"].split("[")[1].removesuffix("ms]")) for _, parameters, _ in vendor.requests
    ]
    fullest = spans.index(max(spans))
    assert (fullest, spans[fullest]) == (2, 64 * 3_600_000)
    # 600 in 64 hours; then nothing for twelve days.
    assert max(spans[fullest + 1 :]) == spans[fullest] * 50 // 600


def test_the_token_goes_as_bearer(vendor: Vendor) -> None:
    vendor.answer = Prometheus({"web": [(seconds(WINDOW.start), "1")]})
    fetched(vendor)
    assert vendor.requests[0][2]["Authorization"] == "Bearer s3cret"


def test_a_month_without_samples_is_a_gap_and_a_window_without_any_is_an_error(vendor: Vendor) -> None:
    vendor.answer = Prometheus({"web": [(seconds(WINDOW.start), "0")]})
    assert len(fetched(vendor)[0]) == 1
    vendor.answer = Prometheus({})
    with pytest.raises(IncompleteAnswerError, match="an empty answer is not 'no outage'"):
        fetched(vendor)


def test_values_that_are_neither_up_nor_down_are_rejected(vendor: Vendor) -> None:
    at = seconds(WINDOW.start)
    series = {
        "metric": {"instance": "web"},
        "values": [[at, "NaN"], [at + 1, "+Inf"], ["x", "1"], [at + 2], [at + 3, "1"]],
    }
    vendor.answer = lambda path, parameters: matrix(*[series] * (len(vendor.requests) == 1))
    rows, rejected = fetched(vendor)
    assert len(rows) == 1
    codes = [item.reason_code for item in rejected[:4]]
    assert codes == ["value_not_finite", "value_not_finite", "malformed_sample", "malformed_sample"]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Answered.json({"status": "error", "error": "query timed out"}), "query timed out"),
        (matrix(warnings=["one store did not answer"]), "answered in part: one store did not answer"),
        (Answered.json({"status": "success", "data": {"resultType": "vector", "result": []}}), "matrix"),
        (matrix({"metric": {"job": "x"}, "values": []}), "has no label instance; it has job"),
        (
            matrix(*[{"metric": {"instance": "web"}, "values": [[0, "1"]]}] * 2),
            "several series with instance='web'",
        ),
        (matrix({"metric": {"instance": "ü" * 1501}, "values": [[0, "1"]]}), "of more than 3000 bytes, 'üüü"),
        (matrix({"metric": {"instance": "web"}}), "without its labels or its values"),
        (matrix({"metric": {"instance": "web"}, "values": []}), "a series of 'web' without its samples"),
        (matrix({"metric": {"instance": "web"}, "values": [[0, "1"]]}), "not the answer to that"),
    ],
)
def test_an_answer_in_part_fails_the_load(vendor: Vendor, reply: Answered, message: str) -> None:
    vendor.answer = lambda path, parameters: reply
    with pytest.raises(IncompleteAnswerError, match=message):
        fetched(vendor)


def test_a_stretch_shorter_than_a_millisecond_holds_nothing_to_ask_for(vendor: Vendor) -> None:
    a_bit = timedelta(microseconds=100)
    window = Window(WINDOW.start + a_bit, WINDOW.start + prometheus.FIRST_STRETCH + 3 * a_bit)
    vendor.answer = Prometheus({"web": [(seconds(WINDOW.start + timedelta(hours=1)), "1")]})
    items = list(fetch(vendor.connection("prometheus", username=None), window, NothingLanded()))
    assert [len(item[0]) for item in items if not isinstance(item, Rows | Rejected)] == [1]
    assert all("[0ms]" not in parameters["query"] for _, parameters, _ in vendor.requests)


@pytest.mark.parametrize("text", ["1e-400", "1_0", " 1 "])
def test_a_number_is_told_alike_whatever_stands_beside_it(vendor: Vendor, text: str) -> None:
    at = seconds(WINDOW.start)
    vendor.answer = Prometheus({"web": [(at, text)]})
    alone, _ = fetched(vendor)
    vendor.answer = Prometheus({"web": [(at, text), (at + 1, "NaN")]})
    beside, _ = fetched(vendor)
    assert beside == alone


def test_an_instant_beyond_all_years_at_the_end_is_not_the_answer(vendor: Vendor) -> None:
    vendor.answer = lambda path, parameters: matrix(
        {"metric": {"instance": "web"}, "values": [[seconds(WINDOW.start), "1"], [1e300, "1"]]}
    )
    with pytest.raises(IncompleteAnswerError, match="not the answer to that"):
        fetched(vendor)


def test_one_answer_that_is_much_too_large_makes_the_next_one_fit(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_SAMPLES", 50)
    instants = [WINDOW.start + n * timedelta(minutes=5) for n in range(31 * 288)]
    vendor.answer = Prometheus({"web": [(seconds(instant), "1") for instant in instants]})
    rows, _ = fetched(vendor)
    assert len(rows) == len(instants)
    spans = [
        int(parameters["query"].split("[")[1].removesuffix("ms]")) for _, parameters, _ in vendor.requests
    ]
    # 288 a day were given, so 50 are four hours and ten minutes.
    assert max(spans[1:]) <= 4 * 3_600_000 + 600_000


_READS_ONE_STRETCH = """
import sys
import time
from datetime import UTC, datetime, timedelta
from avoir.sources.model import NothingLanded, SourceConnection, Window
from avoir.sources.prometheus import fetch
from avoir.sources.reaching import reach

start = datetime(2026, 1, 30, tzinfo=UTC)
options = {"query": "probe_success", "monitor_label": "instance"}
source = SourceConnection("probes", "prometheus", sys.argv[1], start, options=options)
for item in fetch(source, Window(start, start + timedelta(days=31)), NothingLanded()):
    time.sleep(1)
    raise SystemExit(f"enough: {len(item[0])}")
"""


def test_who_has_read_enough_leaves_though_the_next_stretch_was_asked_for(vendor: Vendor) -> None:
    came, leaves = threading.Event(), threading.Event()

    def answer(path: str, parameters: dict[str, str]) -> Answered:
        if len(vendor.requests) > 1:
            came.set()
            leaves.wait(60)
        return matrix({"metric": {"instance": "web"}, "values": [[seconds(WINDOW.start), "1"]]})

    vendor.answer = answer
    try:
        done = subprocess.run(
            [sys.executable, "-c", _READS_ONE_STRETCH, vendor.url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    finally:
        leaves.set()
    assert came.wait(10)
    assert (done.returncode, done.stderr) == (1, "enough: 1\n")


def test_what_the_next_stretch_fails_with_is_raised_after_this_one_was_told(vendor: Vendor) -> None:
    vendor.answer = lambda path, parameters: (
        matrix({"metric": {"instance": "web"}, "values": [[seconds(WINDOW.start), "1"]]})
        if len(vendor.requests) == 1
        else Answered.json({"status": "error", "error": "too many samples"})
    )
    items = fetch(vendor.connection("prometheus", username=None), WINDOW, NothingLanded())
    first = next(items)
    assert not isinstance(first, Rows | Rejected)
    assert [len(series) for series in first] == [1]
    with pytest.raises(IncompleteAnswerError, match="too many samples"):
        next(items)


def test_a_source_that_gives_series_is_reached_by_its_first_sample(vendor: Vendor) -> None:
    vendor.answer = Prometheus({"web": [(seconds(WINDOW.end - timedelta(hours=n)), "1") for n in (3, 2, 1)]})
    reached = reach(vendor.connection("prometheus", username=None), WINDOW.end)
    assert reached.record == "samples monitor=web sampled_at=2026-03-01 21:00:00.000+00"
