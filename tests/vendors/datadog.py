"""A Datadog organisation: pages of Synthetic tests, and of each its newest results before an instant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from avoir.sources.model import SourceConnection
from tests.vendors.serving import Reply, Request, connection_to

API_KEY, APPLICATION_KEY = "4p1k3y", "4ppl1c4t10n"
#: Results that an answer holds.
CAP = 150
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

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.between(len(self.requests))
        if self.first:
            return self.first.pop(0)
        keys = {"Dd-Api-Key": API_KEY, "Dd-Application-Key": APPLICATION_KEY}
        given = {name.title(): text for name, text in request.headers.items()}
        if any(given.get(name) != key for name, key in keys.items()):
            return Reply.json({"errors": ["Forbidden"]}, 403)
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
