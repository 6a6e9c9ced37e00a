"""UptimeRobot: the log of each monitor, by its API v2.

Flow: pages of ``getMonitors`` with the whole log of each monitor, so that what a monitor is as the window
begins is known, however long ago it became so. Each page announces how many monitors there are; they are
walked by offset until two walks saw exactly that many, and the same.

The log tells of changes: states, not checks. ``down`` and ``up`` last until the next entry, the newest for as
long as the monitor has looked. While a monitor was paused, or had only been started, nobody looked.

UptimeRobot answers a wrong key with 200, and ``stat: fail`` in the body.

Not landed: ``malformed`` (a monitor or an entry that is none), ``missing_key``, ``bad_instant``,
``unknown_state`` (a type of entry that is not described).

Reference: https://uptimerobot.com/api/legacy/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from avoir.sources.announced_pages import all_announced
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.monitoring import SCHEMA, STATES, State, StateName, within
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, VendorApi

#: Monitors of a page, which is also the most it gives.
PAGE_ROWS = 50
_DOWN, _UP, _STARTED, _PAUSED = 1, 2, 98, 99
_SAYS: dict[int, tuple[StateName | None, str]] = {
    _DOWN: ("down", "down"),
    _UP: ("up", "up"),
    _STARTED: (None, "started"),
    _PAUSED: (None, "paused"),
}
_KEPT = ("id", "friendly_name", "logs", "monitor", "from_at", "log")
_LAST_SECOND = 4_102_444_800  # 2100-01-01


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every state of every monitor, as far as it lies in the window.

    Raises:
        AccessDeniedError: the key is refused.
        IncompleteAnswerError: an answer is no page of monitors, announced monitors do not come, or there is
            none at all.
    """
    del landed
    api = VendorApi(source, token_scheme=None)
    monitors = all_announced(f"source {source.name}", "monitors", partial(_page, api), PAGE_ROWS)
    if not monitors:
        message = f"source {source.name}: the account has no monitor, which is not 'no outage'"
        raise IncompleteAnswerError(message)
    values: list[tuple[str | None, ...]] = []
    for monitor in monitors:
        for item in _states(monitor, source.option("monitor_name")):
            if isinstance(item, Rejected):
                yield item
            else:
                values.extend(state.row() for state in within([item], window))
    yield Rows(STATES.name, values, range(1, len(values) + 1))


def _page(api: VendorApi, offset: int) -> tuple[list[Any], int]:
    label = f"source {api.source.name}: getMonitors"
    body = api.post(
        "v2/getMonitors",
        form={
            "api_key": api.source.secret,
            "format": "json",
            "logs": "1",
            "offset": str(offset),
            "limit": str(PAGE_ROWS),
        },
    ).body
    if not isinstance(body, dict):
        raise IncompleteAnswerError(f"{label} answered without an object")
    if body.get("stat") != "ok":
        error = body.get("error")
        kind = error.get("type") if isinstance(error, dict) else None
        if kind in ("invalid_parameter", "missing_parameter", "not_authorized"):
            where = api.source.secret_env
            raise AccessDeniedError(f"{label} refused the key in {where}: {kind}; check it and its rights")
        raise IncompleteAnswerError(f"{label} failed: {kind or 'without a reason'}")
    rows, paging = body.get("monitors"), body.get("pagination")
    total = paging.get("total") if isinstance(paging, dict) else None
    if not isinstance(rows, list) or not isinstance(total, int):
        raise IncompleteAnswerError(f"{label} answered without its monitors or how many there are")
    told = paging.get("offset") if isinstance(paging, dict) else None
    if told != offset:
        raise IncompleteAnswerError(
            f"{label} was asked for what follows {offset} and gave what follows {told!r}"
        )
    return rows, total


def _states(monitor: Any, name: str) -> Iterator[State | Rejected]:
    """What the log of a monitor says, in order of time."""
    if not isinstance(monitor, dict) or not isinstance(monitor.get("logs", []), list):
        yield _rejected(monitor, "malformed", "it is no monitor, or its log is no list")
        return
    key = monitor.get(name)
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        yield _rejected(monitor, "missing_key", f"{name} is empty")
        return
    entries: list[tuple[int, int, int]] = []
    for entry in monitor.get("logs", []):
        read = _entry(entry)
        if isinstance(read, tuple):
            entries.append(read)
        else:
            yield _rejected(
                {"monitor": str(key), "from_at": _begin(entry), "log": entry}, *read.split(": ", 1)
            )
    entries.sort()
    ends = [(first, second[0]) for first, second in pairwise(entries)]
    if entries:
        # The newest entry goes on: so far as the monitor has looked.
        ends.append((entries[-1], entries[-1][0] + entries[-1][2]))
    for (start, kind, _), end in ends:
        state, said = _SAYS[kind]
        if state is not None and start < end:
            start_at, end_at = (datetime.fromtimestamp(second, UTC) for second in (start, end))
            yield State(str(key), start_at, end_at, state, said)


def _begin(entry: Any) -> str | None:
    """When an entry that cannot be used began, if it says so: a later one of the same makes it good."""
    at = entry.get("datetime") if isinstance(entry, dict) else None
    if isinstance(at, bool) or not isinstance(at, int) or not 0 < at < _LAST_SECOND:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat()


def _entry(entry: Any) -> tuple[int, int, int] | str:
    """Second since 1970, type and duration of an entry; or reason code and reason why it cannot be used."""
    if not isinstance(entry, dict):
        return "malformed: an entry of the log is no object"
    at, kind, duration = (entry.get(name) for name in ("datetime", "type", "duration"))
    if any(isinstance(part, bool) or not isinstance(part, int) for part in (at, kind, duration)):
        return "malformed: an entry without its instant, type or duration as whole numbers"
    assert isinstance(at, int)
    assert isinstance(kind, int)
    assert isinstance(duration, int)
    if not 0 < at < _LAST_SECOND or not 0 <= duration < _LAST_SECOND - at:
        return f"bad_instant: it is not of this century: {at} for {duration} seconds"
    if kind not in _SAYS:
        return f"unknown_state: the type is none of {', '.join(map(str, _SAYS))}: {kind}"
    return at, kind, duration


def _rejected(payload: Any, code: str, reason: str) -> Rejected:
    if isinstance(payload, dict):
        # A monitor holds the password that it signs in with.
        payload = {name: value for name, value in payload.items() if name in _KEPT}
    return Rejected(STATES.name, code, reason, json.dumps(payload, ensure_ascii=False, sort_keys=True))


def _name(value: object) -> str:
    if value not in ("friendly_name", "id"):
        raise ValueError(f"must be friendly_name or id, got {value!r}")
    return str(value)


SYSTEM = System(
    name="uptimerobot",
    tables=(STATES,),
    fetch=fetch,
    overlap=timedelta(hours=6),
    reads="http",
    options={"monitor_name": Option(default="friendly_name", check=_name)},
    schema_name=SCHEMA,
)
