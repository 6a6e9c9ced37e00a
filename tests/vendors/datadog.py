"""A Datadog organisation: Synthetic tests with their newest results before an instant, SLOs and monitors.

An SLO's history is when the state of each of its monitors changed, from the last change before the stretch
that is asked for on. What it counts no data as is the monitor's setting, as in Datadog.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from avoir.sources.model import SourceConnection
from tests.vendors.serving import Reply, Request, connection_to

API_KEY, APPLICATION_KEY = "4p1k3y", "4ppl1c4t10n"
#: Results that an answer holds.
CAP = 150
UP, DOWN, NO_DATA = 0, 1, 2
FRANKFURT, DUBLIN = "aws:eu-central-1", "aws:eu-west-1"


def connection(url: str, name: str = "vendor_under_test", **options: Any) -> SourceConnection:
    """The connection with both keys."""
    made = connection_to(url, "datadog", name=name, username=None, **options)
    return replace(made, environment={"VENDOR_SECRET": f"{API_KEY}:{APPLICATION_KEY}"})


@dataclass
class Datadog:
    cap: int = CAP
    #: By what a result is found, and whether the last instant that is asked for belongs to it.
    found_by: str = "finished_at"
    is_closed: bool = True
    tests: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    #: Whether a history begins with the change before the stretch, or with the stretch.
    begins_before: bool = True
    #: What the application key may read.
    scopes: set[str] = field(default_factory=lambda: {"synthetics_read", "slos_read", "monitors_read"})
    slo_numbers: Iterator[int] = field(default_factory=lambda: count(35_281))
    slos: list[dict[str, Any]] = field(default_factory=list)
    monitors: list[dict[str, Any]] = field(default_factory=list)
    #: Changes of state by the id of a monitor, or of a time-slice SLO, and group.
    changes: dict[tuple[int | str, str], list[tuple[int, int]]] = field(default_factory=dict)
    #: Good events and all, of SLOs that count them.
    events: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: Stretches that somebody took out of an SLO, in seconds.
    corrections: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    #: Answered before anything else.
    first: list[Reply] = field(default_factory=list)
    #: Called with the number of the request, before it is answered.
    between: Callable[[int], None] = lambda number: None

    def test(self, name: str, kind: str = "api") -> str:
        """A new test; its public id."""
        number = len(self.tests)
        public_id = f"abc-{number // 1000:03}-{number % 1000:03}"
        self.tests.append(
            {
                "public_id": public_id, "name": name, "type": kind, "status": "live", "message": "",
                "subtype": "http", "tags": ["env:prod"], "locations": [FRANKFURT, DUBLIN],
                "monitor_id": 12_345_678 + number, "options": {"tick_every": 300},
                "config": {"assertions": [], "request": {"method": "GET", "url": "https://x.example"}},
                "creator": {"name": "A", "handle": "a@x.example", "email": "a@x.example"},
            }
        )  # fmt: skip
        self.results[public_id] = []
        return public_id

    def run(
        self,
        public_id: str,
        at: datetime,
        status: str = "passed",
        *,
        location: str = FRANKFURT,
        run_type: str = "scheduled",
        took: timedelta = timedelta(milliseconds=250),
    ) -> dict[str, Any]:
        """A run of a test that finished at an instant; it may be changed."""
        results = self.results[public_id]
        finished = round(at.timestamp() * 1000)
        took_ms = took // timedelta(milliseconds=1)
        made = {
            "id": f"{public_id}-{len(results)}",
            "type": "result_summary",
            "attributes": {
                "started_at": finished - took_ms, "finished_at": finished, "status": status,
                "run_type": run_type, "test_type": "api", "test_sub_type": "http",
                "location": {"id": location, "name": location.title()},
                "execution_info": {
                    "duration": {"has_duration": True, "value": took_ms}, "is_fast_retry": False,
                    "unhealthy": False,
                },
            },
            "relationships": {"test": {"data": {"id": public_id, "type": "test"}}},
        }  # fmt: skip
        results.append(made)
        return made

    def monitor(self, name: str, made: datetime, *groups: str, notify_no_data: bool = False) -> int:
        """A new monitor, of which nothing is known until something changes; its id."""
        number = 15_173_800 + len(self.monitors)
        at = made.isoformat(timespec="microseconds")
        self.monitors.append(
            {
                "id": number, "name": name, "type": "query alert", "multi": bool(groups), "created": at,
                "modified": at, "deleted": None, "message": "@pager", "tags": [], "priority": None,
                "restricted_roles": None, "query": "avg(last_5m):avg:web.up{*} by {host} < 1",
                "overall_state": "OK", "creator": {"name": "A", "handle": "a@x", "email": "a@x"},
                "options": {"notify_no_data": notify_no_data, "no_data_timeframe": 10, "silenced": {}},
            }
        )  # fmt: skip
        for group in groups or ("",):
            self.changes[number, group] = []
        return number

    def slo(self, name: str, made: datetime, *monitors: int, groups: tuple[str, ...] = ()) -> str:
        """A new SLO of these monitors, or of time slices where there is none; its id."""
        slo_id = f"{next(self.slo_numbers):032x}"
        second = int(made.timestamp())
        kind = "monitor" if monitors else "time_slice"
        told: dict[str, Any] = {
            "id": slo_id, "name": name, "type": kind, "type_id": 0 if monitors else 2, "description": "",
            "tags": ["service:web"], "monitor_tags": [], "created_at": second, "modified_at": second,
            "thresholds": [{"timeframe": "30d", "target": 99.9, "target_display": "99.9"}],
            "timeframe": "30d", "target_threshold": 99.9,
            "creator": {"name": None, "handle": "a@x", "email": "a@x"},
        }  # fmt: skip
        if monitors:
            told["monitor_ids"] = list(monitors)
        else:
            self.changes[slo_id, ""] = []
        if groups:
            told["groups"] = list(groups)
        self.slos.append(told)
        return slo_id

    def slo_of_events(self, name: str, made: datetime, good: int, total: int) -> str:
        """A new SLO that counts so many events a month; its id."""
        slo_id = self.slo(name, made)
        query = {"numerator": "sum:hits{code:2xx}.as_count()", "denominator": "sum:hits{*}.as_count()"}
        self.slos[-1] |= {"type": "metric", "type_id": 1, "query": query}
        self.events[slo_id] = (good, total)
        return slo_id

    def become(self, of: int | str, at: datetime, state: int, group: str = "") -> None:
        """A monitor, a group of it or a time-slice SLO changes its state."""
        self.changes[of, group] = sorted([*self.changes[of, group], (int(at.timestamp()), state)])

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.between(len(self.requests))
        if self.first:
            return self.first.pop(0)
        keys = {"Dd-Api-Key": API_KEY, "Dd-Application-Key": APPLICATION_KEY}
        given = {name.title(): text for name, text in request.headers.items()}
        if any(given.get(name) != key for name, key in keys.items()):
            return Reply.json({"errors": ["Forbidden"]}, 403)
        scope = {"slo": "slos_read", "monitor": "monitors_read"}.get(request.path.split("/")[3])
        if (scope or "synthetics_read") not in self.scopes:
            return Reply.json({"errors": ["Forbidden", f"missing scope {scope}"]}, 403)
        if scope is not None:
            return self._objectives(request)
        if request.path == "/api/v1/synthetics/tests":
            size, page = (int(request.parameters[name]) for name in ("page_size", "page_number"))
            return Reply.json({"tests": self.tests[page * size : (page + 1) * size]})
        asked = re.fullmatch(r"/api/v2/synthetics/tests/(browser/)?([a-z0-9-]+)/results", request.path)
        known = {one["public_id"]: one["type"] for one in self.tests}
        if asked is None or known.get(asked[2]) != ("browser" if asked[1] else "api"):
            return Reply.json({"errors": ["Synthetics test not found"]}, 404)
        return Reply.json({"data": self._newest(asked[2], request.parameters), "included": []})

    def _newest(self, public_id: str, asked: dict[str, str]) -> list[dict[str, Any]]:
        first, last = int(asked["from_ts"]), int(asked["to_ts"]) + self.is_closed
        results = self.results[public_id]
        found = [one for one in results if first <= one["attributes"].get(self.found_by, 0) < last]
        found.sort(key=lambda one: one["attributes"].get(self.found_by, 0), reverse=True)
        return found[: self.cap]

    def _objectives(self, request: Request) -> Reply:
        asked = request.parameters
        if request.path == "/api/v1/monitor":
            page, size = int(asked.get("page", 0)), int(asked["page_size"])
            return Reply.json(self.monitors[page * size : (page + 1) * size])
        if request.path == "/api/v1/slo":
            first, limit = int(asked.get("offset", 0)), int(asked["limit"])
            # As it is recorded: the filtered count is the length of a page.
            counts = {"total_count": len(self.slos), "total_filtered_count": min(limit, len(self.slos))}
            rows = self.slos[first : first + limit]
            return Reply.json({"data": rows, "error": None, "metadata": {"page": counts}})
        found = re.fullmatch(r"/api/v1/slo/([0-9a-f]+)/history", request.path)
        slo = next((one for one in self.slos if found and one["id"] == found[1]), None)
        if slo is None:
            return Reply.json({"errors": ["SLO not found"]}, 404)
        first, last = int(asked["from_ts"]), int(asked["to_ts"])
        corrected = asked.get("apply_correction", "true") == "true"
        return Reply.json({"data": self._history(slo, first, last, corrected), "errors": None})

    def _history(self, slo: dict[str, Any], first: int, last: int, corrected: bool) -> dict[str, Any]:
        known = {one["id"]: one for one in self.monitors}
        owners = slo.get("monitor_ids", [slo["id"]])
        left_out = self.corrections.get(slo["id"], []) if corrected else []
        told: dict[str, Any] = {
            "from_ts": first, "to_ts": last, "type": slo["type"], "type_id": slo["type_id"],
            "thresholds": {one["timeframe"]: one for one in slo["thresholds"]}, "slo": slo,
        }  # fmt: skip
        if slo["id"] in self.events:
            return {**told, **_counted(*self.events[slo["id"]], first)}
        parts = [
            (owner, group, changes)
            for (owner, group), changes in self.changes.items()
            if owner in owners and (not group or group in slo.get("groups", [group]))
        ]
        entries = []
        for owner, group, changes in parts:
            monitor = known.get(owner)
            entry = _told(self._shown(changes, first, last), first, last, left_out, monitor)
            entries.append({"name": group or (monitor or slo)["name"], **entry})
            if group:
                entries[-1]["group"] = group
        told["overall"] = entries[0]
        if len(parts) > 1:
            whole = worst([self._shown(changes, first, last) for _, _, changes in parts])
            entry = _told(whole, first, last, left_out, known.get(owners[0]))
            told["overall"] = {"name": slo["name"], **entry}
        if len(owners) > 1:
            told["monitors"] = entries
        elif parts[0][1]:
            told["groups"] = entries
        return told

    def _shown(self, changes: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
        """Changes of a stretch, and the one before it."""
        before = [one for one in changes if one[0] <= first][-1:]
        if before and not self.begins_before:
            before = [(first, before[0][1])]
        return before + [one for one in changes if first < one[0] < last]


def _told(
    changes: list[tuple[int, int]],
    first: int,
    last: int,
    left_out: list[tuple[int, int]],
    monitor: dict[str, Any] | None,
) -> dict[str, Any]:
    """A history with its figure, in which what nobody measured is what the monitor's setting makes of it."""
    is_lost_down = monitor is not None and monitor["options"].get("notify_no_data")
    down = total = 0
    ends = [*(at for at, _ in changes), last][1:]
    for (at, state), end in zip(changes, ends, strict=True):
        start = max(at, first)
        counted = end - start - sum(max(0, min(end, b) - max(start, a)) for a, b in left_out)
        total += counted
        down += counted * (state == DOWN or (state == NO_DATA and is_lost_down))
    entry: dict[str, Any] = {"history": [list(one) for one in changes], "span_precision": 2.0}
    entry["sli_value"] = 100 - 100 * down / total if total else None
    if monitor:
        modified = int(datetime.fromisoformat(monitor["modified"]).timestamp())
        entry |= {"preview": False, "monitor_type": "query alert", "monitor_modified": modified}
    return entry


def _counted(good: int, total: int, first: int) -> dict[str, Any]:
    """What is told of events, as it is recorded."""
    series = {
        name: {"count": 1, "sum": float(count), "values": [float(count)]}
        for name, count in (("numerator", good), ("denominator", total))
    }
    shape = {"interval": 7200, "query": "a, b", "res_type": "time_series", "resp_version": 2}
    overall: dict[str, Any] = {"sli_value": 100 * good / total if total else None, "span_precision": 2}
    if not total:
        message = "The denominator is zero valued"
        overall["errors"] = [{"error_type": "ZERO_VALUED_DENOMINATOR", "error_message": message}]
    return {"overall": overall, "series": {**series, **shape, "times": [first * 1000.0]}, "group_by": []}


def worst(histories: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """What several monitors are together: down while one is, else without data while one is."""
    merged: list[tuple[int, int]] = []
    for at in sorted({at for history in histories for at, _ in history}):
        since = [[state for begun, state in history if begun <= at][-1:] for history in histories]
        states = {state for found in since for state in found}
        state = DOWN if DOWN in states else max(states)
        if not merged or merged[-1][1] != state:
            merged.append((at, state))
    return merged
