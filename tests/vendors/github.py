"""A GitHub with one repository: milestones, releases with drafts and prereleases, and its limits.

As the real one it keeps the present date of a milestone only, announces no totals, shows drafts to those who
may push, gives a repository that the token may not see as one that is not there, and says 403 where it means
to be asked later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request, linked

REPOSITORY = "acme/app"


@dataclass
class GitHubInstance:
    milestones: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    #: Answers that are given first, whatever is asked.
    first: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    next_id: int = 5000

    # --- what happens in the instance ---

    def plan(self, at: datetime, title: str, due: date | None) -> dict[str, Any]:
        self.next_id += 1
        milestone = {
            "id": self.next_id,
            "number": self.next_id - 5000,
            "title": title,
            "description": None,
            "state": "open",
            "created_at": written(at),
            "updated_at": written(at),
            "due_on": None if due is None else f"{due.isoformat()}T08:00:00Z",
            "closed_at": None,
            "open_issues": 3,
            "closed_issues": 0,
        }
        self.milestones.append(milestone)
        return milestone

    def change(self, milestone: dict[str, Any], at: datetime, **fields: Any) -> None:
        milestone.update(fields, updated_at=written(at))

    def release(
        self, at: datetime, tag: str, *, name: str = "", draft: bool = False, prerelease: bool = False
    ) -> dict[str, Any]:
        self.next_id += 1
        release = {
            "id": self.next_id,
            "tag_name": tag,
            "target_commitish": "main",
            "name": name or None,
            "draft": draft,
            "prerelease": prerelease,
            "created_at": written(at),
            "published_at": None if draft else written(at),
        }
        self.releases.append(release)
        return release

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.first:
            return self.first.pop(0)
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return Reply.json({"message": "Bad credentials"}, 401)
        _, found, name = request.path.rpartition(f"/repos/{REPOSITORY}/")
        if not found or name not in ("milestones", "releases"):
            return Reply.json({"message": "Not Found"}, 404)
        if name == "releases":
            return linked(request, sorted(self.releases, key=lambda one: one["created_at"], reverse=True))
        shown = self.milestones
        if request.parameters.get("state", "open") != "all":
            shown = [one for one in shown if one["state"] == request.parameters.get("state", "open")]
        return linked(request, sorted(shown, key=lambda one: (one["due_on"] or "9999", one["id"])))


def written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
