"""Datadog: what each run of a Synthetic test found, and the states of monitors behind SLOs, by its API.

SLOs are read by :mod:`avoir.sources.datadog_slos`; here are the tests.

Flow: pages of ``/api/v1/synthetics/tests``, which announce no total and are therefore walked, each time with
pages of another length, until two walks agree; then for each API and browser test, a UTC month of the window
at a time, ``/api/v2/synthetics/tests/.../results``. It gives the newest results before an instant, as many as
it likes, so the next page is asked for what had finished when the oldest of the last one did: it must hold
that one again, and the walk ends with a page that holds nothing else.

A run that passed is up, one that failed is down: checks, not states, one monitor for each test and location
(and device, of a browser test). ``no_data``, and what an unhealthy location says, is no check. Runs of a
pipeline or by hand are none either: they may look at something else.

Not landed: ``malformed`` (a result without its end or its type of run), ``missing_key`` (without its
location), ``bad_instant``, ``unknown_state``.

Reference: https://docs.datadoghq.com/api/latest/synthetics/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from avoir.sources.datadog_histories import SLO_FIGURES
from avoir.sources.datadog_slos import MONITOR_SETTINGS, SLO_ID, slo_reader
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConfigurationError,
    SourceConnection,
    System,
    Window,
)
from avoir.sources.monitoring import CHECKS, SCHEMA, STATES, StateName
from avoir.sources.record_making import is_whole
from avoir.sources.unannounced_pages import all_agreed
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

_READS = ("tests", "slos")
#: Tests of a page.
PAGE_ROWS = 100
#: The longest that a run lasts: whether results are found by their begin or end is not described.
LONGEST_RUN = timedelta(hours=1)
_SAYS: dict[str, StateName | None] = {"passed": "up", "failed": "down", "no_data": None}
_COUNTED, _ELSEWHERE = ("scheduled", "fast"), ("ci", "triggered")
_PLACES = {"api": "api/v2/synthetics/tests", "browser": "api/v2/synthetics/tests/browser"}
_PUBLIC_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_KEYS = re.compile(r"([A-Za-z0-9_-]{1,200}):([A-Za-z0-9_-]{1,200})")
_LAST_MS = 4_102_444_800_000  # 2100-01-01
_KEPT = ("status", "run_type", "location", "device", "started_at", "finished_at")


@dataclass(frozen=True)
class SyntheticTest:
    """A test whose results are read: ``path`` is where they are."""

    public_id: str
    name: str
    path: str


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every result of every test that finished in the window, and the states of monitors behind SLOs.

    Raises:
        AccessDeniedError: a key is refused, or may not read what is to be read.
        IncompleteAnswerError: an answer is not what was asked for, walks do not agree, a test or SLO is not
            there that must be, no test has a result in the whole window, or as :class:`SloReader` says.
        SourceConfigurationError: the secret is not two keys, or an option is of what is not read.
    """
    reads = source.option("reads")
    for name in _READS:
        if source.option(name) is not None and name not in reads:
            message = f"source {source.name}: option {name} is given, and reads does not name {name}"
            raise SourceConfigurationError(message)
    api = VendorApi(source, keys=_keys(source))
    tests = _tests(api) if "tests" in reads else []
    slos = slo_reader(api) if "slos" in reads else None
    if tests:
        yield from _checks(api, tests, window)
    if slos is not None:
        yield from slos.items(window, landed)


def _checks(api: VendorApi, tests: list[SyntheticTest], window: Window) -> Iterator[Rows | Rejected]:
    count = 0
    for test in tests:
        for month in window.months():
            rows, rejected = _rows(test, _results(api, test, month), month)
            count += len(rows.values)
            yield rows
            yield from rejected
    if not count:
        message = f"source {api.source.name}: no test has a result in {window}, which is not 'no outage'"
        raise IncompleteAnswerError(message)


def _keys(source: SourceConnection) -> dict[str, str]:
    """Both keys, by their headers."""
    found = _KEYS.fullmatch(source.secret)
    if found is None:
        raise SourceConfigurationError(
            f"source {source.name}: {source.secret_place} must hold the API key and the application key, "
            "with a colon between them"
        )
    return {"DD-API-KEY": found[1], "DD-APPLICATION-KEY": found[2]}


def _tests(api: VendorApi) -> list[SyntheticTest]:
    """The tests to read, in order of their ids."""
    label = f"source {api.source.name}: synthetics/tests"
    listed = _listed(api, label)
    wanted = api.source.option("tests")
    if missing := set(wanted or ()) - listed.keys():
        raise IncompleteAnswerError(f"{label} shows no {', '.join(sorted(missing))}; check the keys' rights")
    found: list[SyntheticTest] = []
    for public_id, one in sorted(listed.items()):
        if wanted is not None and public_id not in wanted:
            continue
        name, place = one.get(api.source.option("monitor_name")), _PLACES.get(str(one.get("type")))
        if place is None:
            if wanted is not None:
                message = f"{label}: {public_id} is no API or browser test, and no other is read"
                raise IncompleteAnswerError(message)
            continue
        if not isinstance(name, str) or not name.strip():
            raise IncompleteAnswerError(f"{label} gave {public_id} without its name")
        if any(name == other.name for other in found):
            message = f"{label} gave several tests called {name}; set monitor_name: public_id"
            raise IncompleteAnswerError(message)
        found.append(SyntheticTest(public_id, name, f"{place}/{public_id}/results"))
    if not found:
        raise IncompleteAnswerError(f"{label} shows no API or browser test, which is not 'no outage'")
    return found


def _listed(api: VendorApi, label: str) -> dict[str, dict[str, Any]]:
    def page(rows: int, number: int) -> list[dict[str, Any]]:
        asked = {"page_size": str(rows), "page_number": str(number)}
        return _list_of(api.get("api/v1/synthetics/tests", asked).body, "tests", label)

    def public_id(row: dict[str, Any]) -> str:
        found = row.get("public_id")
        if not isinstance(found, str) or not _PUBLIC_ID.fullmatch(found):
            raise IncompleteAnswerError(f"{label} gave a test without its id")
        return found

    return all_agreed(label, page, PAGE_ROWS, public_id)


def _results(api: VendorApi, test: SyntheticTest, month: Window) -> list[dict[str, Any]]:
    """The results of a month and of what surrounds it, in order; those without an instant come first."""
    label = f"source {api.source.name}: {test.path}"
    seen: dict[str, dict[str, Any]] = {}
    earliest, before, boundary = int(_ms(month.start - LONGEST_RUN)), -int(-_ms(month.end) // 1), ""
    while True:
        rows = _page(api, test, earliest, before)
        if boundary and boundary not in map(_id, rows):
            message = f"{label} was asked for result {boundary} and what is before it, and did not give it"
            raise IncompleteAnswerError(message)
        for row in rows:
            _must_be_asked_for(row, test, before, label)
        new = [row for row in rows if _id(row) not in seen]
        seen |= {_id(row): row for row in rows}
        finished = {_id(row): at for row in rows if (at := _finished(row)) is not None}
        if not new or not finished or min(finished.values()) < earliest:
            return sorted(seen.values(), key=lambda row: _finished(row) or 0)
        boundary = min(finished, key=lambda key: finished[key])
        # Whether the instant itself belongs to what is asked for is not described.
        before = min(before, finished[boundary] + 1)


def _page(api: VendorApi, test: SyntheticTest, earliest: int, before: int) -> list[dict[str, Any]]:
    asked = {"from_ts": str(earliest), "to_ts": str(before)}
    label = f"source {api.source.name}: {test.path}"
    # That there is nothing is believed when it is said twice.
    for _ in range(2):
        rows = _list_of(api.get(test.path, asked).body, "data", label)
        if rows:
            break
    return rows


def _must_be_asked_for(row: dict[str, Any], test: SyntheticTest, before: int, label: str) -> None:
    """Refuse a result of another test, or of a run that began after what was asked for.

    Raises:
        IncompleteAnswerError: it is one.
    """
    related: Any = row.get("relationships")
    for name in ("test", "data", "id"):
        related = related.get(name) if isinstance(related, dict) else None
    if related not in (None, test.public_id):
        raise IncompleteAnswerError(f"{label} gave a result of test {related!r}")
    started = _whole(row, "started_at") or _whole(row, "finished_at")
    if started is not None and started > before:
        raise IncompleteAnswerError(f"{label} was asked for what is before {before} and gave {started}")


def _rows(test: SyntheticTest, results: list[dict[str, Any]], month: Window) -> tuple[Rows, list[Rejected]]:
    rows: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    for number, result in enumerate(results, start=1):
        at = _finished(result)
        if at is not None and _instant(at) not in month:
            continue
        item = _check(test, result, number)
        if isinstance(item, Rejected):
            rejected.append(item)
        elif item is not None:
            rows.append(item)
            numbers.append(number)
    return Rows(CHECKS.name, rows, numbers), rejected


def _check(
    test: SyntheticTest, result: dict[str, Any], number: int
) -> tuple[str | None, ...] | Rejected | None:
    """A row of :data:`CHECKS`; None where nobody looked."""
    attributes = _attributes(result)
    if attributes.get("run_type") in _ELSEWHERE:
        return None
    at, said = _finished(result), attributes.get("status")
    place = _named(attributes, "location")
    if _whole(result, "finished_at") is None or attributes.get("run_type") not in _COUNTED:
        return _rejected(test, result, number, "malformed", "a result without its end or its type of run")
    if at is None:
        return _rejected(test, result, number, "bad_instant", "it did not finish in this century")
    if place is None:
        return _rejected(test, result, number, "missing_key", "a result without its location")
    if not isinstance(said, str) or said not in _SAYS:
        reason = f"status is none of {', '.join(_SAYS)}: {said!r}"
        return _rejected(test, result, number, "unknown_state", reason)
    details = attributes.get("execution_info")
    details = details if isinstance(details, dict) else {}
    state = _SAYS[said]
    if state is None or details.get("unhealthy") is True:
        return None
    duration = details.get("duration")
    took = duration.get("value") if isinstance(duration, dict) else None
    return (
        _monitor(test, attributes),
        _instant(at).isoformat(),
        state,
        said,
        str(took) if is_whole(took) else None,
    )


def _monitor(test: SyntheticTest, attributes: dict[str, Any]) -> str:
    parts = (test.name, _named(attributes, "location"), _named(attributes, "device"))
    return "@".join(part for part in parts if part)


def _named(attributes: dict[str, Any], what: str) -> str | None:
    """The id of a location or a device."""
    found = attributes.get(what)
    name = found.get("id") if isinstance(found, dict) else None
    return name if isinstance(name, str) and name else None


def _attributes(result: dict[str, Any]) -> dict[str, Any]:
    found = result.get("attributes")
    return found if isinstance(found, dict) else {}


def _id(result: dict[str, Any]) -> str:
    """By what a result is known in a walk; one without an id by all it says."""
    found = result.get("id")
    return found if isinstance(found, str) and found else json.dumps(result, sort_keys=True)


def _whole(result: dict[str, Any], name: str) -> int | None:
    found = _attributes(result).get(name)
    return found if is_whole(found) else None


def _finished(result: dict[str, Any]) -> int | None:
    """When a run finished, in milliseconds since 1970; None where it does not say, or not in this century."""
    at = _whole(result, "finished_at")
    return at if at is not None and 0 <= at < _LAST_MS else None


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC) + timedelta(milliseconds=at % 1000)


def _ms(instant: datetime) -> float:
    return instant.timestamp() * 1000


def _list_of(body: Any, name: str, label: str) -> list[dict[str, Any]]:
    rows = body.get(name) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise IncompleteAnswerError(f"{label} answered without a list of `{name}`")
    return rows


def _rejected(test: SyntheticTest, result: dict[str, Any], number: int, code: str, reason: str) -> Rejected:
    attributes = _attributes(result)
    told: dict[str, Any] = {
        "monitor": _monitor(test, attributes),
        "result": {"id": result.get("id"), **{name: attributes.get(name) for name in _KEPT}},
    }
    if (at := _finished(result)) is not None:
        # The key, by which a later result is known to make this one good.
        told["checked_at"] = _instant(at).isoformat()
    payload = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return Rejected(CHECKS.name, code, f"result of {test.name}: {reason}", payload, number)


def _what(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(_READS):
        raise ValueError(f"must be a list of {' and '.join(_READS)}, or of one of them, got {value!r}")
    return tuple(map(str, value))


def _ids(form: re.Pattern[str], example: str) -> Callable[[object], frozenset[str] | None]:
    def check(value: object) -> frozenset[str] | None:
        if value is None:
            return None
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(one, str) and form.fullmatch(one) for one in value)
        ):
            raise ValueError(f"must be a list of ids such as {example}, got {value!r}")
        return frozenset(value)

    return check


def _name(*known: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in known:
            raise ValueError(f"must be {' or '.join(known)}, got {value!r}")
        return str(value)

    return check


SYSTEM = System(
    name="datadog",
    tables=(CHECKS, STATES, SLO_FIGURES, MONITOR_SETTINGS),
    fetch=fetch,
    overlap=timedelta(hours=6),
    reads="http",
    options={
        "reads": Option(default=["tests"], check=_what),
        "tests": Option(check=_ids(_PUBLIC_ID, "abc-def-ghi")),
        "monitor_name": Option(default="name", check=_name("name", "public_id")),
        "slos": Option(check=_ids(SLO_ID, "9236f988e3d25ac6982fd4319912ec43")),
        "slo_monitor_name": Option(default="name", check=_name("name", "id")),
    },
    schema_name=SCHEMA,
)
