"""An Asana workspace: stateful, and as inconvenient as the real one.

A list is in the order that people give it, so that its pages move; no total is announced; fields come only
where they are asked for; a story of an assignment does not say whose the task was before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

READER, AGENT, CUSTOMER = "1200000000000001", "1200000000000002", "1200000000000003"
SUPPORT, NETWORK = "1201000000000001", "1201000000000002"
PROJECTS = {SUPPORT: "Support", NETWORK: "Network"}
PRIORITY = "1202000000000001"
MOST_ROWS = 100


@dataclass
class Task:
    gid: str
    created: datetime
    modified: datetime
    author: str
    sections: dict[str, str]
    completed: datetime | None = None
    assignee: str = ""
    priority: str = ""
    stories: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class AsanaWorkspace:
    #: In the order that people give them.
    tasks: list[Task] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    #: Called with the number of lists so far, before each is answered.
    between: Callable[[int], None] = lambda number: None
    lists: int = 0
    next_id: int = 1_203_000_000_000_000
    #: Where the link to a next page leads.
    link: str = ""

    # --- what happens in the workspace ---

    def open(
        self, at: datetime, *, project: str = SUPPORT, section: str = "New", author: str = CUSTOMER,
        priority: str = "",
    ) -> Task:  # fmt: skip
        task = Task(self._number(), at, at, author, {project: section}, priority=priority)
        self.tasks.append(task)
        return task

    def move(self, task: Task, at: datetime, section: str, *, project: str = SUPPORT) -> None:
        before, task.sections[project] = task.sections[project], section
        told = {"old_section": {"gid": "1", "name": before}, "new_section": {"gid": "2", "name": section}}
        self._story(task, at, "section_changed", project={"gid": project}, **told)

    def complete(self, task: Task, at: datetime, *, is_done: bool = True) -> None:
        task.completed = at if is_done else None
        self._story(task, at, "marked_complete" if is_done else "marked_incomplete")

    def assign(self, task: Task, at: datetime, to: str) -> None:
        task.assignee = to
        self._story(task, at, "assigned" if to else "unassigned", assignee={"gid": to} if to else None)

    def rank(self, task: Task, at: datetime, priority: str) -> None:
        before, task.priority = task.priority, priority
        told = {"old_enum_value": _option(before), "new_enum_value": _option(priority)}
        self._story(task, at, "enum_custom_field_changed", custom_field={"gid": PRIORITY}, **told)

    def say(self, task: Task, at: datetime, author: str | None = AGENT) -> None:
        self._story(task, at, "comment_added", author=author, text="…")

    def _story(self, task: Task, at: datetime, kind: str, *, author: str | None = AGENT, **told: Any) -> None:
        task.stories.append(
            {
                "gid": self._number(),
                "created_at": written(at),
                "created_by": {"gid": author} if author else None,
                "type": "comment" if kind == "comment_added" else "system",
                "resource_subtype": kind,
                "source": "web" if author else "api",
                "text": "",
                **told,
            }
        )
        task.modified = max(task.modified, at)

    def _number(self) -> str:
        self.next_id += 1
        return str(self.next_id)

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return Reply.json({"errors": [{"message": "Not Authorized"}]}, 401)
        path = request.path.removeprefix("/api/1.0/")
        if path == "users/me":
            return Reply.json({"data": {"gid": READER, "name": "Avoir", "email": "avoir@example.test"}})
        if path == "tasks":
            self.lists += 1
            self.between(self.lists)
            return self._list(request.parameters)
        if found := re.fullmatch(r"projects/(\d+)", path):
            name = PROJECTS.get(found[1])
            return Reply.json({"data": {"gid": found[1], "name": name}}) if name else _not_found()
        found = re.fullmatch(r"tasks/(\d+)(/stories)?", path)
        task = next((one for one in self.tasks if found and one.gid == found[1]), None)
        if found is None or task is None:
            return _not_found()
        if found[2]:
            return self._paged(task.stories, request)
        return Reply.json({"data": self.shown(task, request.parameters)})

    def _list(self, parameters: dict[str, str]) -> Reply:
        project = parameters["project"]
        found = [one for one in self.tasks if project in one.sections]
        if since := parameters.get("modified_since"):
            found = [one for one in found if one.modified >= datetime.fromisoformat(since)]
        shown = [self.shown(one, parameters) for one in found]
        return self._paged(shown, Request("/api/1.0/tasks", parameters, {}))

    def _paged(self, entries: list[dict[str, Any]], request: Request) -> Reply:
        start = int(request.parameters.get("offset", "at0").removeprefix("at"))
        end = start + min(MOST_ROWS, int(request.parameters.get("limit", "20")))
        wanted = request.parameters.get("opt_fields", "gid").split(",")
        names = {name.split(".")[0] for name in wanted} | {"gid"}
        shown = [{name: text for name, text in one.items() if name in names} for one in entries[start:end]]
        following = None
        if end < len(entries):
            following = {"offset": f"at{end}", "path": request.path, "uri": self.link or None}
        return Reply.json({"data": shown, "next_page": following})

    def shown(self, task: Task, parameters: dict[str, str]) -> dict[str, Any]:
        del parameters
        return {
            "gid": task.gid,
            "name": "It does not work",
            "resource_subtype": "default_task",
            "created_at": written(task.created),
            "modified_at": written(task.modified),
            "completed": task.completed is not None,
            "completed_at": written(task.completed) if task.completed else None,
            "created_by": {"gid": task.author},
            "assignee": {"gid": task.assignee} if task.assignee else None,
            "memberships": [
                {"project": {"gid": project}, "section": {"gid": "1", "name": section}}
                for project, section in task.sections.items()
            ],
            "custom_fields": [{"gid": PRIORITY, "display_value": task.priority or None}],
        }


def _option(name: str) -> dict[str, str] | None:
    return {"gid": "1", "name": name} if name else None


def _not_found() -> Reply:
    return Reply.json({"errors": [{"message": "Not a recognized ID"}]}, 404)


def written(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"
