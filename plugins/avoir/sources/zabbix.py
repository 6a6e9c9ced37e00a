"""Zabbix: the history of the items that watch a service, by its JSON-RPC API.

Flow: ``item.get`` for the items with the connection's key (``icmpping``, ``net.tcp.service[https]``), each
with its host; then for each item, a UTC month of the window at a time, ``history.get`` from the last instant
seen, so that rows repeat over page borders and are known by their instant. What there is is counted first
(``countOutput``), and a walk that gave less is made again. A value above zero is up: checks, not states.

Zabbix answers a wrong token, and every other error, with 200 and an ``error`` in the body. The token goes
into ``Authorization``, as of Zabbix 6.4.

Not landed: ``malformed`` (a value without its instant), ``value_not_finite``.

Reference: https://www.zabbix.com/documentation/current/en/manual/api/reference/history/get
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.monitoring import CHECKS, SCHEMA
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, VendorApi

#: Values of a page.
PAGE_ROWS = 10_000
WALKS = 3
#: Kinds of values that say up or down: numeric with a fraction, and without.
_NUMERIC = ("0", "3")
#: "Not authorised", "Session terminated, re-login, please.", "No permissions ..." come with this code.
_REFUSED = ("not authori", "session terminated", "no permissions", "api token expired")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every value of every item of the key in the window.

    Raises:
        AccessDeniedError: the token is refused.
        IncompleteAnswerError: an answer is an error or not what was asked for, counted values do not come,
            there is no such item, or none of them has a value in the whole window.
    """
    del landed
    api = VendorApi(source)
    count = 0
    for item_id, (monitor, value_type) in sorted(_items(api).items()):
        for month in window.months():
            rows, rejected = _rows(monitor, _history(api, item_id, value_type, month), month)
            count += len(rows.values)
            yield rows
            yield from rejected
    if not count:
        message = (
            f"source {source.name}: no item {source.option('item_key')} has a value in {window}; "
            "check the key and the monitoring, an empty answer is not 'no outage'"
        )
        raise IncompleteAnswerError(message)


def _items(api: VendorApi) -> dict[str, tuple[str, str]]:
    """Name of the monitor and kind of value, by item."""
    key, name = api.source.option("item_key"), api.source.option("monitor_name")
    found = _called(
        api,
        "item.get",
        {
            "output": ["itemid", "key_", "value_type"],
            "selectHosts": ["host", "name"],
            "filter": {"key_": key},
        },
    )
    label = f"source {api.source.name}: item.get"
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise IncompleteAnswerError(f"{label} answered without a list of items")
    if not found:
        raise IncompleteAnswerError(
            f"{label} knows no item with the key {key}, or none that the account may see"
        )
    items: dict[str, tuple[str, str]] = {}
    for one in found:
        hosts = one.get("hosts")
        host = (
            hosts[0].get(name) if isinstance(hosts, list) and hosts and isinstance(hosts[0], dict) else None
        )
        item_id, kind = one.get("itemid"), one.get("value_type")
        if not isinstance(host, str) or not host or not isinstance(item_id, str) or kind not in _NUMERIC:
            raise IncompleteAnswerError(
                f"{label} gave an item without its host, id or a numeric type: {one!r}"
            )
        if any(host == known for known, _ in items.values()):
            raise IncompleteAnswerError(
                f"{label} gave several items {key} of {host}; choose another monitor_name"
            )
        items[item_id] = host, kind
    return items


def _history(api: VendorApi, item_id: str, value_type: str, month: Window) -> list[dict[str, Any]]:
    """All values of an item in a month, in order; walked again while some are missing."""
    first, last = int(month.start.timestamp()), -int(-month.end.timestamp() // 1) - 1
    asked = {"history": int(value_type), "itemids": [item_id], "time_from": first, "time_till": last}
    missing = 0
    for _ in range(WALKS):
        counted = _called(api, "history.get", {**asked, "countOutput": True})
        if not (isinstance(counted, str) and counted.isascii() and counted.isdigit()):
            raise IncompleteAnswerError(
                f"source {api.source.name}: history.get did not say how many values it has"
            )
        seen = _walked(api, item_id, asked)
        missing = int(counted) - len(seen)
        if missing <= 0:
            return [seen[key] for key in sorted(seen)]
    message = (
        f"source {api.source.name}: item {item_id} counted {missing} more values than it gave in {month}, "
        f"in each of {WALKS} walks; nothing was landed"
    )
    raise IncompleteAnswerError(message)


def _walked(api: VendorApi, item_id: str, asked: dict[str, Any]) -> dict[tuple[int, int], dict[str, Any]]:
    """The values of one walk, by second and nanosecond."""
    label = f"source {api.source.name}: history.get of item {item_id}"
    seen: dict[tuple[int, int], dict[str, Any]] = {}
    cursor = asked["time_from"]
    while True:
        page = {"output": "extend", "sortfield": "clock", "sortorder": "ASC", "limit": PAGE_ROWS}
        rows = _called(api, "history.get", {**asked, **page, "time_from": cursor})
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise IncompleteAnswerError(f"{label} answered without a list of values")
        for row in rows:
            if row.get("itemid") != item_id:
                raise IncompleteAnswerError(f"{label} gave a value of item {row.get('itemid')!r}")
            at = _instant(row)
            if at is not None and not cursor <= at[0] <= asked["time_till"]:
                raise IncompleteAnswerError(f"{label} was asked for what follows {cursor} and gave {at[0]}")
            seen[at or (-1, len(seen))] = row
        if len(rows) < PAGE_ROWS:
            return seen
        latest = max((at[0] for at in map(_instant, rows) if at is not None), default=cursor)
        if latest == cursor:
            raise IncompleteAnswerError(
                f"{label} has more than {PAGE_ROWS} values in one second, at {cursor}"
            )
        cursor = latest


def _rows(monitor: str, values: list[dict[str, Any]], month: Window) -> tuple[Rows, list[Rejected]]:
    rows: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    for number, value in enumerate(values, start=1):
        at = _instant(value)
        figure = _figure(value.get("value"))
        if at is None or figure is None:
            reason = "a value without its instant or its number"
            rejected.append(_rejected(monitor, value, number, "malformed", reason))
            continue
        if not math.isfinite(figure):
            rejected.append(_rejected(monitor, value, number, "value_not_finite", "neither up nor down"))
            continue
        checked_at = _checked_at(at)
        if checked_at in month:
            state = "up" if figure > 0 else "down"
            rows.append((monitor, checked_at.isoformat(), state, str(value["value"]), None))
            numbers.append(number)
    return Rows(CHECKS.name, rows, numbers), rejected


def _instant(value: dict[str, Any]) -> tuple[int, int] | None:
    """Second since 1970 and nanosecond; Zabbix gives both as text."""
    clock, ns = value.get("clock"), value.get("ns", "0")
    if not all(isinstance(one, str) and one.isascii() and one.isdigit() for one in (clock, ns)):
        return None
    second, nanosecond = int(str(clock)), int(str(ns))
    return (second, nanosecond) if second < 4_102_444_800 and nanosecond < 1_000_000_000 else None


def _checked_at(at: tuple[int, int]) -> datetime:
    return datetime.fromtimestamp(at[0], UTC) + timedelta(microseconds=at[1] // 1000)


def _figure(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _called(api: VendorApi, method: str, parameters: dict[str, Any]) -> Any:
    """What a method answers.

    Raises:
        AccessDeniedError: the error says that the token is refused.
        IncompleteAnswerError: any other error, or no answer to this.
    """
    label = f"source {api.source.name}: {method}"
    content = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1}
    body = api.post("api_jsonrpc.php", content=content).body
    if not isinstance(body, dict):
        raise IncompleteAnswerError(f"{label} answered without an object")
    if "error" in body:
        error = body["error"] if isinstance(body["error"], dict) else {}
        said = f"{error.get('message', '')} {error.get('data', '')}".strip()
        if any(word in said.lower() for word in _REFUSED):
            raise AccessDeniedError(f"{label} refused the token in {api.source.secret_env}: {said[:200]}")
        raise IncompleteAnswerError(f"{label} failed: {said[:200]}")
    if "result" not in body or body.get("id") != 1:
        raise IncompleteAnswerError(f"{label} answered without the result of what was asked")
    return body["result"]


def _rejected(monitor: str, value: dict[str, Any], number: int, code: str, reason: str) -> Rejected:
    told: dict[str, Any] = {"monitor": monitor, "value": value}
    if (at := _instant(value)) is not None:
        # The key, by which a later value is known to make this one good.
        told["checked_at"] = _checked_at(at).isoformat()
    payload = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return Rejected(CHECKS.name, code, f"value of {monitor}: {reason}", payload, number)


def _key(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be the key of an item such as icmpping, got {value!r}")
    return value.strip()


def _name(value: object) -> str:
    if value not in ("host", "name"):
        raise ValueError(f"must be host (the technical name) or name (the visible one), got {value!r}")
    return str(value)


SYSTEM = System(
    name="zabbix",
    tables=(CHECKS,),
    fetch=fetch,
    overlap=timedelta(hours=6),
    reads="http",
    options={
        "item_key": Option(required=True, check=_key),
        "monitor_name": Option(default="host", check=_name),
    },
    schema_name=SCHEMA,
)
