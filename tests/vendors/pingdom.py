"""A Pingdom account: pages of checks, and what each was in the stretch that is asked for, cut to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

State = tuple[int, int, str]


@dataclass
class Pingdom:
    #: The account's clock, in seconds since 1970: nothing is known of what comes.
    now: int
    checks: list[dict[str, Any]] = field(default_factory=list)
    states: dict[int, list[State]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    #: Called with the number of the request, before it is answered.
    between: Callable[[int], None] = lambda number: None

    def check(self, name: str, created: datetime) -> int:
        """A new check, unknown until something is told of it; its id."""
        number = 85_900_000 + len(self.checks) + 1
        self.checks.append(
            {
                "id": number, "created": int(created.timestamp()), "name": name, "hostname": "x.example",
                "resolution": 5, "type": "http", "ipv6": False, "verify_certificate": True, "status": "up",
                "lasttesttime": self.now, "lastresponsetime": 355, "tags": [],
            }
        )  # fmt: skip
        self.states[number] = []
        return number

    def tell(self, number: int, start: int, end: int, status: str) -> None:
        """What a check was from one second to another; what was told of it later is forgotten."""
        kept = [(a, min(b, start), s) for a, b, s in self.states[number] if a < start]
        self.states[number] = [*kept, (start, end, status)]

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.between(len(self.requests))
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            error = {"statuscode": 401, "statusdesc": "Unauthorized", "errormessage": "Invalid token"}
            return Reply.json({"error": error}, 401)
        if request.path == "/api/3.1/checks":
            offset, limit = (int(request.parameters.get(name, 25_000)) for name in ("offset", "limit"))
            rows = self.checks[offset : offset + limit]
            total = len(self.checks)
            return Reply.json(
                {"checks": rows, "counts": {"total": total, "limited": len(rows), "filtered": total}}
            )
        asked = re.fullmatch(r"/api/3\.1/summary\.outage/(\d+)", request.path)
        if asked is None or int(asked[1]) not in self.states:
            error = {"statuscode": 404, "statusdesc": "Not Found", "errormessage": "No such check"}
            return Reply.json({"error": error}, 404)
        start, end = (int(request.parameters[name]) for name in ("from", "to"))
        return Reply.json({"summary": {"states": self._shown(int(asked[1]), start, min(end, self.now))}})

    def _shown(self, number: int, start: int, end: int) -> list[dict[str, Any]]:
        """All of the stretch: what nobody told of is unknown."""
        shown, at = [], start
        for began, ended, status in self.states[number]:
            begins, ends = max(began, at), min(ended, end)
            if begins >= ends:
                continue
            if at < begins:
                shown.append({"status": "unknown", "timefrom": at, "timeto": begins})
            shown.append({"status": status, "timefrom": begins, "timeto": ends})
            at = ends
        if at < end:
            shown.append({"status": "unknown", "timefrom": at, "timeto": end})
        return shown
