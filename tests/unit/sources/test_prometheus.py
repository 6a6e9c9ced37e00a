"""Raw samples month by month: half-open, exact, and silence is never health."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from vendor_server import Answered, Vendor

from avoir.sources import prometheus
from avoir.sources.model import NothingLanded, Rejected, Rows, Window
from avoir.sources.prometheus import fetch
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
            rows += (item if isinstance(item, Rows) else item.rows()).values
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
    assert len(vendor.requests) == 5  # a day, two, four, eight, sixteen: nothing much was given


def test_large_answers_make_the_next_ones_smaller_and_nothing_falls_between_them(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_SAMPLES", 50)
    every = timedelta(minutes=45)
    instants = [WINDOW.start + n * every for n in range((WINDOW.end - WINDOW.start) // every)]
    vendor.answer = Prometheus({"web": [(seconds(instant), "1") for instant in instants]})
    rows, rejected = fetched(vendor)
    assert [datetime.fromisoformat(str(row[1])) for row in rows] == instants
    assert rejected == []
    spans = [
        int(parameters["query"].split("[")[1].removesuffix("ms]")) for _, parameters, _ in vendor.requests
    ]
    assert spans[0] == 86_400_000
    # 50 samples are a day and a half.
    assert max(spans[2:]) <= 3 * 86_400_000


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
        (matrix({"metric": {"instance": "web"}}), "without its labels or its values"),
        (matrix({"metric": {"instance": "web"}, "values": []}), "a series of 'web' without its samples"),
        (matrix({"metric": {"instance": "web"}, "values": [[0, "1"]]}), "not the answer to that"),
    ],
)
def test_an_answer_in_part_fails_the_load(vendor: Vendor, reply: Answered, message: str) -> None:
    vendor.answer = lambda path, parameters: reply
    with pytest.raises(IncompleteAnswerError, match=message):
        fetched(vendor)
