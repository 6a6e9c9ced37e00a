"""An UptimeRobot account: pages of monitors with their logs; it answers a wrong key with 200."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

MOST_ROWS = 50
DOWN, UP, STARTED, PAUSED = 1, 2, 98, 99
STATUSES = {DOWN: 9, UP: 2, STARTED: 1, PAUSED: 0}


@dataclass
class UptimeRobot:
    #: What the account's clock shows: how long the newest entry of each log has lasted.
    now: datetime = datetime(2026, 7, 8, tzinfo=UTC)
    monitors: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    #: Called with the number of the request, before it is answered.
    between: Callable[[int], None] = lambda number: None

    def monitor(self, name: str) -> dict[str, Any]:
        """A new monitor without a log."""
        made = {
            "id": 777_000_000 + len(self.monitors) + 1, "friendly_name": name, "url": "https://x.example",
            "type": 1, "sub_type": "", "keyword_type": None, "keyword_value": "", "http_username": "",
            "http_password": "", "port": "", "interval": 300, "timeout": 30, "status": 1,
            "create_datetime": 1_735_689_600, "logs": [],
        }  # fmt: skip
        self.monitors.append(made)
        return made

    def happen(self, monitor: dict[str, Any], at: datetime, kind: int) -> None:
        """A new entry of a log; entries are kept in order of time."""
        reasons = {DOWN: ("500", "Internal Server Error"), UP: ("200", "OK")}
        code, detail = reasons.get(kind, ("98", "Started"))
        entry = {"type": kind, "datetime": int(at.timestamp()), "reason": {"code": code, "detail": detail}}
        monitor["logs"].append(entry)
        monitor["logs"].sort(key=lambda one: one["datetime"])
        monitor["status"] = STATUSES[monitor["logs"][-1]["type"]]

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.between(len(self.requests))
        if request.path != "/v2/getMonitors":
            return Reply(b"<html>Not Found</html>", 404)
        asked = request.parameters
        if asked.get("api_key") != SECRET:
            error = {
                "type": "invalid_parameter",
                "parameter_name": "api_key",
                "passed_value": asked["api_key"],
            }
            return Reply.json({"stat": "fail", "error": error})
        offset, limit = int(asked.get("offset", 0)), min(MOST_ROWS, int(asked.get("limit", MOST_ROWS)))
        rows = [self._shown(one) for one in self.monitors[offset : offset + limit]]
        paging = {"offset": offset, "limit": limit, "total": len(self.monitors)}
        return Reply.json({"stat": "ok", "pagination": paging, "monitors": rows})

    def _shown(self, monitor: dict[str, Any]) -> dict[str, Any]:
        now = int(self.now.timestamp())
        logs = [one for one in monitor["logs"] if one["datetime"] <= now]
        ends = [*(one["datetime"] for one in logs[1:]), now]
        told = [{**one, "duration": end - one["datetime"]} for one, end in zip(logs, ends, strict=True)]
        return {**monitor, "logs": told[::-1]}


def tell(robot: UptimeRobot, monitor: dict[str, Any], states: list[tuple[int, int, bool]]) -> None:
    """States ``(start, end, is_up)`` in seconds since 1970 as a log; between two of them it was paused."""
    known = None
    for start, end, is_up in states:
        if known is not None and known < start:
            robot.happen(monitor, datetime.fromtimestamp(known, UTC), PAUSED)
        robot.happen(monitor, datetime.fromtimestamp(start, UTC), UP if is_up else DOWN)
        known = end
    assert known is not None
    robot.now = max(robot.now, datetime.fromtimestamp(known, UTC) + timedelta(0))
