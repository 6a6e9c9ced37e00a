"""A status page: its own JSON, which lists the newest 50, and the manage API with its pages and key.

Records have the fields of recorded ones (``tests/unit/sources/test_statuspage.py`` holds them to that).
A page of the manage API is a place in a list that moves: a new incident pushes the others down.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

PAGE_ID = "yltqpl26m292"
LISTED = 50
MOST_ROWS = 100


@dataclass
class StatusPage:
    incidents: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    #: Called with the number of the request, before it is answered.
    between: Callable[[int], None] = lambda number: None
    next_id: int = 100

    # --- what happens on the page ---

    def component(self, name: str, at: datetime) -> str:
        """A new component; its id."""
        component_id = self._id("c")
        self.components.append(
            {
                "id": component_id, "name": name, "status": "operational", "created_at": written(at),
                "updated_at": written(at), "position": len(self.components) + 1, "description": None,
                "showcase": True, "start_date": f"{at:%Y-%m-%d}", "group_id": None, "page_id": PAGE_ID,
                "group": False, "only_show_if_degraded": False,
            }
        )  # fmt: skip
        return component_id

    def incident(
        self,
        at: datetime,
        components: Iterable[str],
        *,
        impact: str = "minor",
        shown_at: datetime | None = None,
        **statuses: str,
    ) -> dict[str, Any]:
        """A new incident, shown as begun at ``shown_at``; ``statuses`` are what its components become."""
        record = self._record(at, components, impact)
        record["started_at"] = written(shown_at or at)
        self.incidents.append(record)
        self.update(record, at, "investigating", shown_at=shown_at, **statuses)
        return record

    def maintenance(
        self, at: datetime, components: Iterable[str], begins: datetime, ends: datetime
    ) -> dict[str, Any]:
        """Work announced at ``at`` for the stretch from ``begins`` to ``ends``."""
        record = self._record(at, components, "maintenance")
        record |= {"scheduled_for": written(begins), "scheduled_until": written(ends)}
        record["started_at"] = written(begins)
        self.incidents.append(record)
        self.update(record, at, "scheduled")
        return record

    def update(
        self,
        record: dict[str, Any],
        at: datetime,
        status: str,
        *,
        shown_at: datetime | None = None,
        **statuses: str,
    ) -> None:
        """An update: a new status of the incident, and of some of its components."""
        affected = []
        for component in record["components"]:
            old = component["status"]
            component["status"] = statuses.get(
                component["id"], "operational" if status == "resolved" else old
            )
            affected.append(
                {
                    "code": component["id"],
                    "name": component["name"],
                    "old_status": old,
                    "new_status": component["status"],
                }
            )
        record["incident_updates"].insert(
            0,
            {
                "id": self._id("u"), "status": status, "body": "We are on it.", "incident_id": record["id"],
                "created_at": written(at), "updated_at": written(at), "display_at": written(shown_at or at),
                # A page whose incidents change no component's status gives null.
                "affected_components": affected if statuses or status == "resolved" else None,
                "deliver_notifications": True, "custom_tweet": None, "tweet_id": None,
            },
        )  # fmt: skip
        record |= {"status": status, "updated_at": written(at)}
        if status in ("resolved", "completed"):
            record["resolved_at"] = written(shown_at or at)

    def _record(self, at: datetime, components: Iterable[str], impact: str) -> dict[str, Any]:
        wanted = set(components)
        named = [copy.deepcopy(one) for one in self.components if one["id"] in wanted]
        assert len(named) == len(wanted)
        record_id = self._id("i")
        return {
            "id": record_id, "name": "It does not work", "status": "", "created_at": written(at),
            "updated_at": written(at), "monitoring_at": None, "resolved_at": None, "impact": impact,
            "shortlink": f"https://stspg.io/{record_id}", "started_at": written(at), "page_id": PAGE_ID,
            "incident_updates": [], "components": named,
        }  # fmt: skip

    def _id(self, kind: str) -> str:
        self.next_id += 1
        return f"{kind}{self.next_id:011}"

    # --- what it answers ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.between(len(self.requests))
        newest = sorted(
            self.incidents, key=lambda one: (str(one["created_at"]), str(one["id"])), reverse=True
        )
        page = {"id": PAGE_ID, "name": "Acme", "url": "http://x", "time_zone": "Etc/UTC", "updated_at": ""}
        if request.path == "/api/v2/incidents.json":
            listed = [one for one in newest if one["impact"] != "maintenance"][:LISTED]
            return Reply.json({"page": page, "incidents": listed})
        if request.path == "/api/v2/scheduled-maintenances.json":
            listed = [one for one in newest if one["impact"] == "maintenance"][:LISTED]
            return Reply.json({"page": page, "scheduled_maintenances": listed})
        if request.path == "/api/v2/components.json":
            return Reply.json({"page": page, "components": self.components})
        managed = re.fullmatch(r"/v1/pages/(\w+)/(incidents|components)(?:/(\w+))?", request.path)
        if managed is None:
            return Reply(b"<html>Page not found</html>", 404)
        if request.headers.get("Authorization") != f"OAuth {SECRET}":
            return Reply.json({"error": "Could not authenticate"}, 401)
        if managed[1] != PAGE_ID:
            return Reply.json({"error": "Page not found"}, 404)
        rows, size = (newest, "limit") if managed[2] == "incidents" else (self.components, "per_page")
        if managed[3] is not None:
            found = next((one for one in rows if one["id"] == managed[3]), None)
            return Reply.json({"error": "Record not found"}, 404) if found is None else Reply.json(found)
        length = min(MOST_ROWS, int(request.parameters.get(size, MOST_ROWS)))
        start = (int(request.parameters.get("page", 1)) - 1) * length
        return Reply.json(rows[start : start + length])


def written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
