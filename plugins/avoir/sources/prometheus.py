"""Prometheus HTTP API: the raw samples of uptime probes.

Flow: one instant query ``selector[range]`` per stretch of the window, longer or shorter by how much the one
before it gave. A range vector returns the samples as they were scraped; ``query_range`` would carry the last
one forward for five minutes and so hide gaps, and is capped at 11 000 points. The query is evaluated one
millisecond before the stretch's end: Prometheus 2 includes both ends of a range and Prometheus 3 only the
later one, so both give at least the half-open stretch, and what lies outside of it is dropped here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from avoir.sources.ahead import begun
from avoir.sources.instants import instant_text, milliseconds
from avoir.sources.model import (
    Column,
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    System,
    Table,
    Window,
)
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

if TYPE_CHECKING:
    from avoir.sources.series import Series

SAMPLES = Table(
    "samples",
    (Column("monitor"), Column("sampled_at", "timestamptz"), Column("value", "double precision")),
    key=("monitor", "sampled_at"),
    partition="sampled_at",
    takes_series=True,
)

MOST_SAMPLES = 100_000
"""What an answer should hold at most, since it is in memory as a whole: the next ones ask for less."""

LONGEST_NAME_BYTES = 3000
"""Longest name of a monitor: the summary of a stretch of pages holds two of them on one page."""

FIRST_STRETCH = timedelta(hours=1)
MOST_LONGER = 8
"""How many times as long as the stretch before it a stretch is at most."""

SHORTEST_STRETCH = timedelta(minutes=1)
LONGEST_STRETCH = timedelta(days=31)


@dataclass
class Told:
    """What the server gave of a stretch, and how many samples that were."""

    given: int = 0
    series: list[Series] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def fetch(
    source: SourceConnection, window: Window, landed: Landed
) -> Iterator[Rows | Sequence[Series] | Rejected]:
    """Every sample of the selected series in the window.

    Raises:
        IncompleteAnswerError: the server warns of a partial answer, or has no sample in the whole window:
            a monitoring that says nothing is not a monitoring that saw no outage.
    """
    del landed
    landable = 0
    for told in _stretches(VendorApi(source), window):
        landable += sum(map(len, told.series)) + sum(len(rows.values) for rows in told.rows)
        if told.series:
            yield told.series
        yield from told.rows
        yield from told.rejected
    if not landable:
        message = (
            f"source {source.name}: {source.option('query')} has no sample in {window}; "
            "check the selector and the monitoring, an empty answer is not 'no outage'"
        )
        raise IncompleteAnswerError(message)


def _stretches(api: VendorApi, window: Window) -> Iterator[Told]:
    """What each stretch of the window gave. While one is landed the next one is asked for.

    None is longer than the fullest one so far allows: after a night without monitoring comes a day with it.
    """
    length, longest = FIRST_STRETCH, LONGEST_STRETCH
    stretch = Window(window.start, min(window.start + length, window.end))
    asked = begun(_samples_of, api, stretch)
    while True:
        told = asked.result()
        if told.given:
            longest = min(longest, (stretch.end - stretch.start) * MOST_SAMPLES // told.given)
        length = max(min(length * MOST_LONGER, longest), SHORTEST_STRETCH)
        is_last = stretch.end == window.end
        if not is_last:
            stretch = Window(stretch.end, min(stretch.end + length, window.end))
            asked = begun(_samples_of, api, stretch)
        yield told
        if is_last:
            return


def _samples_of(api: VendorApi, stretch: Window) -> Told:
    told = Told()
    if milliseconds(stretch.start) == milliseconds(stretch.end):
        return told  # Prometheus counts in milliseconds and refuses a range of none.
    for monitor, values in _series_of(api, stretch):
        told.given += len(values)
        _judge(told, monitor, values, stretch)
    return told


def _series_of(api: VendorApi, stretch: Window) -> list[tuple[str, list[Any]]]:
    first, end = milliseconds(stretch.start), milliseconds(stretch.end)
    at = end - 1
    answer = api.get(
        "api/v1/query",
        {"query": f"{api.source.option('query')}[{end - first}ms]", "time": f"{at // 1000}.{at % 1000:03d}"},
        parse=orjson.loads,
    )
    label = f"source {api.source.name}: query for {stretch}"
    body = answer.body
    if not isinstance(body, dict) or body.get("status") != "success":
        raise IncompleteAnswerError(
            f"{label} failed: {body.get('error') if isinstance(body, dict) else body!r}"
        )
    if body.get("warnings"):
        raise IncompleteAnswerError(f"{label} was answered in part: {'; '.join(map(str, body['warnings']))}")
    data = body.get("data")
    if (
        not isinstance(data, dict)
        or data.get("resultType") != "matrix"
        or not isinstance(data.get("result"), list)
    ):
        raise IncompleteAnswerError(f"{label} did not return a matrix of samples")
    series: dict[str, list[Any]] = {}
    for item in data["result"]:
        monitor, values = _labelled(api.source, item)
        if monitor in series:
            name = api.source.option("monitor_label")
            twice = f"{label} has several series with {name}={monitor!r}"
            raise IncompleteAnswerError(f"{twice}; narrow the query or choose another label")
        if not values:
            raise IncompleteAnswerError(f"{label} has a series of {monitor!r} without its samples")
        series[monitor] = values
    return sorted(series.items())


def _labelled(source: SourceConnection, item: object) -> tuple[str, list[Any]]:
    name = source.option("monitor_label")
    metric = item.get("metric") if isinstance(item, dict) else None
    values = item.get("values") if isinstance(item, dict) else None
    if not isinstance(metric, Mapping) or not isinstance(values, list):
        raise IncompleteAnswerError(f"source {source.name}: a series came without its labels or its values")
    monitor = metric.get(name)
    if not isinstance(monitor, str) or not monitor:
        known = ", ".join(sorted(map(str, metric)))
        raise IncompleteAnswerError(f"source {source.name}: a series has no label {name}; it has {known}")
    if len(monitor.encode(errors="replace")) > LONGEST_NAME_BYTES:
        raise IncompleteAnswerError(
            f"source {source.name}: a series has a {name} of more than {LONGEST_NAME_BYTES} bytes, "
            f"{monitor[:60]!r}…; narrow the query or choose another label"
        )
    return monitor, values


def _judge(told: Told, monitor: str, values: list[Any], stretch: Window) -> None:
    from avoir.sources.series import series_of  # noqa: PLC0415 - numpy, which reading the register need not load

    series = series_of(SAMPLES.name, monitor, values)
    first, end = milliseconds(stretch.start), milliseconds(stretch.end)
    if series is not None and first <= series.first and series.last < end:
        told.series.append(series)
        return
    rows, rejected = _judged_samples(monitor, values, stretch)
    told.rows.append(rows)
    told.rejected += rejected


def _judged_samples(monitor: str, values: list[Any], stretch: Window) -> tuple[Rows, list[Rejected]]:
    first, end = milliseconds(stretch.start), milliseconds(stretch.end)
    rows: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    told: dict[int, float] = {}
    for number, value in enumerate(values, start=1):
        try:
            stamp, text = value
            at = round(float(stamp) * 1000)
            figure = float(text)
        except (TypeError, ValueError, OverflowError):
            rejected.append(_malformed(monitor, value, number, "malformed_sample", 'not [seconds, "value"]'))
            continue
        if not first - 1 <= at <= end:
            raise IncompleteAnswerError(
                f"a sample of {monitor} is {at} ms after 1970, asked for {stretch}: not the answer to that"
            )
        if not first <= at < end:
            continue
        if not math.isfinite(figure):
            rejected.append(_malformed(monitor, value, number, "value_not_finite", "neither up nor down"))
            continue
        if told.setdefault(at, figure) != figure:
            rejected.append(_malformed(monitor, value, number, "conflicting_sample", "two values at once"))
            continue
        rows.append((monitor, instant_text(at), repr(figure)))
        numbers.append(number)
    return Rows(SAMPLES.name, rows, numbers), rejected


def _malformed(monitor: str, value: object, number: int, code: str, reason: str) -> Rejected:
    return Rejected(
        SAMPLES.name, code, f"sample of {monitor}: {reason}", json.dumps([monitor, value]), number
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be text, got {value!r}")
    return value.strip()


SYSTEM = System(
    name="prometheus",
    tables=(SAMPLES,),
    fetch=fetch,
    overlap=timedelta(hours=6),
    reads="http",
    options={
        "query": Option(default="probe_success", check=_text),
        "monitor_label": Option(default="instance", check=_text),
    },
)
