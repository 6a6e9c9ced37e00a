"""A GitLab with one project: milestones, releases that name them, pages linked by headers.

As the real one it keeps the present date of a milestone only, announces its totals in ``X-Total``, gives a
project that the token may not see as one that is not there, and lets a release be dated back or ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from tests.vendors.serving import SECRET, Reply, Request, linked

PROJECT = "acme/app"


@dataclass
class GitLabInstance:
    milestones: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    #: Above 10 000 records GitLab stops to announce them.
    announces: bool = True
    requests: list[Request] = field(default_factory=list)
    next_id: int = 100

    # --- what happens in the instance ---

    def plan(self, at: datetime, title: str, due: date | None) -> dict[str, Any]:
        self.next_id += 1
        milestone = {
            "id": self.next_id,
            "iid": self.next_id - 100,
            "project_id": 4,
            "title": title,
            "description": "",
            "state": "active",
            "created_at": written(at),
            "updated_at": written(at),
            "due_date": due.isoformat() if due else None,
            "start_date": None,
            "expired": False,
            "web_url": f"http://x/{PROJECT}/-/milestones/{self.next_id - 100}",
        }
        self.milestones.append(milestone)
        return milestone

    def change(self, milestone: dict[str, Any], at: datetime, **fields: Any) -> None:
        milestone.update(fields, updated_at=written(at))

    def release(
        self, at: datetime, tag: str, *milestones: dict[str, Any], released_at: datetime | None = None
    ) -> dict[str, Any]:
        release = {
            "tag_name": tag,
            "name": f"Release {tag}",
            "description": "",
            "created_at": written(at),
            "released_at": written(released_at or at),
            "upcoming_release": False,
            "milestones": [dict(one) for one in milestones],
            "author": {"id": 1, "username": "root"},
        }
        self.releases.append(release)
        return release

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return Reply.json({"message": "401 Unauthorized"}, 401)
        lists = {"milestones": self.milestones, "releases": self.releases}
        _, found, name = request.path.rpartition(f"/api/v4/projects/{quote(PROJECT, safe='')}/")
        if not found or name not in lists:
            return Reply.json({"message": "404 Project Not Found"}, 404)
        records = lists[name]
        if name == "milestones":
            # The newest due date last, as GitLab sorts them; none at the end.
            records = sorted(records, key=lambda one: (one["due_date"] or "9999", one["id"]))
        totals = {"X-Total": str(len(records))} if self.announces else {}
        return linked(request, records, headers=totals)


def written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
