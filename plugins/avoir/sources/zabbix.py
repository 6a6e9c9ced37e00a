"""Zabbix: the history of the items that watch a service, by its JSON-RPC API.

Flow: ``apiinfo.version``, which says how the token is given: in ``Authorization`` as of Zabbix 6.4, with the
request before. ``item.get`` for the items with the connection's key (``icmpping``,
``net.tcp.service[https]``), each with its host; then for each item, a UTC month of the window at a time,
``history.get``. A full page may end in the middle of a second, so the next one begins with that second
again. What there is is counted first (``countOutput``), and a walk that gave less is made again. A value
above zero is up: checks, not states.

What the account may not see is answered as if it were not there. Items are therefore asked for again when
all is read, and the connection may name the monitors that there must be.

Zabbix answers a wrong token, and every other error, with 200 and an ``error`` in the body.

Not landed: ``malformed`` (a value without its instant), ``value_not_finite``.

Reference: https://www.zabbix.com/documentation/current/en/manual/api/reference/history/get
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
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
#: The first version that takes the token in a header.
_TAKES_HEADER = (6, 4)


@dataclass(frozen=True)
class Frontend:
    """The API of a frontend; ``token`` where it wants it in the body of each request."""

    api: VendorApi
    token: str | None = field(default=None, repr=False)

    @property
    def source(self) -> SourceConnection:
        """The connection."""
        return self.api.source


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every value of every item of the key in the window.

    Raises:
        AccessDeniedError: the token is refused.
        IncompleteAnswerError: an answer is an error or not what was asked for, counted values do not come,
            there is no such item, an item is not visible that must be, or none of them has a value in the
            whole window.
    """
    del landed
    api = _frontend(source)
    count = 0
    items = _items(api)
    for item_id, (monitor, value_type) in sorted(items.items()):
        for month in window.months():
            rows, rejected = _rows(monitor, _history(api, item_id, value_type, month), month)
            count += len(rows.values)
            yield rows
            yield from rejected
    if lost := items.keys() - _items(api).keys():
        monitors = ", ".join(sorted(items[item_id][0] for item_id in lost))
        message = (
            f"source {source.name}: {monitors} disappeared while its values were read, which is what lost "
            "rights look like; load it again"
        )
        raise IncompleteAnswerError(message)
    if not count:
        message = (
            f"source {source.name}: no item {source.option('item_key')} has a value in {window}; "
            "check the key and the monitoring, an empty answer is not 'no outage'"
        )
        raise IncompleteAnswerError(message)


def _frontend(source: SourceConnection) -> Frontend:
    """The frontend, and the token where it takes it."""
    # Who asks for the version must not say who he is: that is an error to Zabbix.
    anonymous = VendorApi(source, token_scheme=None)
    told = _called(Frontend(anonymous), "apiinfo.version", {})
    found = re.match(r"(\d{1,3})\.(\d{1,3})\b", told, re.ASCII) if isinstance(told, str) else None
    if found is None:
        raise IncompleteAnswerError(
            f"source {source.name}: apiinfo.version answered without a version such as 7.0.0: {told!r}"
        )
    if (int(found[1]), int(found[2])) < _TAKES_HEADER:
        return Frontend(anonymous, source.secret)
    return Frontend(VendorApi(source))


def _items(api: Frontend) -> dict[str, tuple[str, str]]:
    """Name of the monitor and kind of value, by item; of the connection's monitors, where it names them."""
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
    wanted: Collection[str] | None = api.source.option("monitors")
    if wanted is None:
        return items
    if missing := set(wanted) - {host for host, _ in items.values()}:
        message = f"{label} shows no item {key} of {', '.join(sorted(missing))}; check the account's rights"
        raise IncompleteAnswerError(message)
    return {item_id: one for item_id, one in items.items() if one[0] in wanted}


def _history(api: Frontend, item_id: str, value_type: str, month: Window) -> list[dict[str, Any]]:
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
            return seen
    message = (
        f"source {api.source.name}: item {item_id} counted {missing} more values than it gave in {month}, "
        f"in each of {WALKS} walks; nothing was landed"
    )
    raise IncompleteAnswerError(message)


def _walked(api: Frontend, item_id: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The values of one walk, in order; one that is stored twice comes twice, as it is counted twice."""
    label = f"source {api.source.name}: history.get of item {item_id}"
    seen: list[dict[str, Any]] = []
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
        if len(rows) < PAGE_ROWS:
            return sorted([*seen, *rows], key=lambda row: _instant(row) or (0, 0))
        latest = max((at[0] for at in map(_instant, rows) if at is not None), default=cursor)
        if latest == cursor:
            raise IncompleteAnswerError(
                f"{label} has more than {PAGE_ROWS} values in one second, at {cursor}"
            )
        # The page's last second comes again, whole, with the next one.
        seen += [row for row in rows if (_instant(row) or (0, 0))[0] < latest]
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


def _called(frontend: Frontend, method: str, parameters: dict[str, Any]) -> Any:
    """What a method answers.

    Raises:
        AccessDeniedError: the error says that the token is refused.
        IncompleteAnswerError: any other error, or no answer to this.
    """
    label = f"source {frontend.source.name}: {method}"
    content = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1}
    if frontend.token is not None:
        content["auth"] = frontend.token
    body = frontend.api.post("api_jsonrpc.php", content=content).body
    if not isinstance(body, dict):
        raise IncompleteAnswerError(f"{label} answered without an object")
    if "error" in body:
        error = body["error"] if isinstance(body["error"], dict) else {}
        said = f"{error.get('message', '')} {error.get('data', '')}".strip()
        # What was asked may be told again, and the token with it.
        said = said.replace(frontend.source.secret, "(the token)")[:200]
        if any(word in said.lower() for word in _REFUSED):
            place = frontend.source.secret_place
            raise AccessDeniedError(f"{label} refused the token in {place}: {said}")
        raise IncompleteAnswerError(f"{label} failed: {said}")
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


def _monitors(value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"must be a list of monitors as monitor_name calls them, got {value!r}")
    return frozenset(value)


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
        "monitors": Option(check=_monitors),
    },
    schema_name=SCHEMA,
)
