"""Pingdom: the confirmed states of each check, by its API 3.1.

Flow: pages of ``checks``, which announce how many there are; then for each check, a UTC month of the window
at a time, ``summary.outage``: stretches that were up, down or unknown, so states and not single checks.
Pingdom confirms a failure from a second place before it calls it down. ``unknown`` is no state.

Not landed: ``malformed`` (a check or a stretch that is none), ``missing_key``, ``bad_instant``,
``unknown_state``.

Reference: https://docs.pingdom.com/api/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from avoir.sources.announced_pages import all_announced
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.monitoring import SCHEMA, STATES, State, StateName, within
from avoir.sources.record_making import is_whole
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

#: Checks of a page.
PAGE_ROWS = 1000
_SAYS: Mapping[str, StateName | None] = {"up": "up", "down": "down", "unknown": None}
_LAST_SECOND = 4_102_444_800  # 2100-01-01
_KEPT = ("id", "name", "status", "created")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every confirmed state of every check, as far as it lies in the window.

    Raises:
        IncompleteAnswerError: an answer is not what was asked for, announced checks do not come, there is no
            check at all, or one says nothing of a stretch in which it existed.
    """
    del landed
    api = VendorApi(source)
    checks = all_announced(f"source {source.name}", "checks", partial(_page, api), PAGE_ROWS)
    if not checks:
        message = f"source {source.name}: the account has no check, which is not 'no outage'"
        raise IncompleteAnswerError(message)
    values: list[tuple[str | None, ...]] = []
    for check in checks:
        for item in _states_of(api, check, window):
            if isinstance(item, Rejected):
                yield item
            else:
                values.append(item.row())
    yield Rows(STATES.name, values, range(1, len(values) + 1))


def _page(api: VendorApi, offset: int) -> tuple[list[Any], int]:
    body = api.get("api/3.1/checks", {"limit": str(PAGE_ROWS), "offset": str(offset)}).body
    rows = body.get("checks") if isinstance(body, dict) else None
    counts = body.get("counts") if isinstance(body, dict) else None
    total = counts.get("total") if isinstance(counts, dict) else None
    if not isinstance(rows, list) or not isinstance(total, int):
        message = f"source {api.source.name}: checks answered without them or how many there are"
        raise IncompleteAnswerError(message)
    return rows, total


def _states_of(api: VendorApi, check: Any, window: Window) -> Iterator[State | Rejected]:
    if not isinstance(check, dict) or not isinstance(check.get("id"), int):
        yield _rejected(check, "malformed", "it is no check, or has no id")
        return
    monitor = check.get(api.source.option("monitor_name"))
    if isinstance(monitor, bool) or not isinstance(monitor, str | int) or monitor == "":
        yield _rejected(check, "missing_key", f"{api.source.option('monitor_name')} is empty")
        return
    created = check.get("created")
    if not is_whole(created) or not 0 <= created < _LAST_SECOND:
        yield _rejected(check, "bad_instant", f"created is not a second of this century: {created!r}")
        return
    created_at = datetime.fromtimestamp(created, UTC)
    for month in window.months():
        if created_at >= month.end:
            continue
        for stretch in _stretches(api, check["id"], month):
            item = _state(str(monitor), stretch)
            if isinstance(item, Rejected):
                yield item
            elif item is not None:
                yield from within([item], month)


def _stretches(api: VendorApi, check_id: int, month: Window) -> list[Any]:
    start, end = int(month.start.timestamp()), -int(-month.end.timestamp() // 1)
    path = f"api/3.1/summary.outage/{check_id}"
    body = api.get(path, {"from": str(start), "to": str(end), "order": "asc"}).body
    summary = body.get("summary") if isinstance(body, dict) else None
    stretches = summary.get("states") if isinstance(summary, dict) else None
    if not isinstance(stretches, list):
        raise IncompleteAnswerError(f"source {api.source.name}: {path} answered without a list of states")
    if not stretches:
        message = f"source {api.source.name}: check {check_id} says nothing of {month}, not even 'unknown'"
        raise IncompleteAnswerError(message)
    return stretches


def _state(monitor: str, stretch: Any) -> State | Rejected | None:
    if not isinstance(stretch, dict):
        return _rejected(stretch, "malformed", f"a state of {monitor} is no object")
    start, end, said = stretch.get("timefrom"), stretch.get("timeto"), stretch.get("status")
    payload = {"monitor": monitor, "state": stretch}
    if is_whole(start) and 0 <= start < _LAST_SECOND:
        # The key, by which a later state is known to make this one good.
        payload["from_at"] = datetime.fromtimestamp(start, UTC).isoformat()
    if not is_whole(start) or not is_whole(end):
        return _rejected(payload, "malformed", "a state without its begin or end in whole seconds")
    if not 0 <= start <= end < _LAST_SECOND:
        reason = f"it does not end after it begins in this century: {start} to {end}"
        return _rejected(payload, "bad_instant", reason)
    if not isinstance(said, str) or said not in _SAYS:
        return _rejected(payload, "unknown_state", f"status is none of {', '.join(_SAYS)}: {said!r}")
    state = _SAYS[said]
    if state is None or start == end:
        return None
    start_at, end_at = (datetime.fromtimestamp(second, UTC) for second in (start, end))
    return State(monitor, start_at, end_at, state, said)


def _rejected(payload: Any, code: str, reason: str) -> Rejected:
    if isinstance(payload, dict) and "state" not in payload:
        payload = {name: value for name, value in payload.items() if name in _KEPT}
    return Rejected(STATES.name, code, reason, json.dumps(payload, ensure_ascii=False, sort_keys=True))


def _name(value: object) -> str:
    if value not in ("name", "id"):
        raise ValueError(f"must be name or id, got {value!r}")
    return str(value)


SYSTEM = System(
    name="pingdom",
    tables=(STATES,),
    fetch=fetch,
    overlap=timedelta(hours=6),
    reads="http",
    options={"monitor_name": Option(default="name", check=_name)},
    schema_name=SCHEMA,
)
