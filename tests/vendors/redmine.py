"""A Redmine server: stateful, and as inconvenient as the real one.

Its list of issues pages by offset over rows that move, ignores that journals are wanted, shows open issues
only unless asked for all, announces how many match and gives 100 at most. A key that it does not know is
nobody's: the list of public issues is answered all the same, with 200. An issue that is opened again keeps
the instant of its last closing; a field of several values is told value by value; what is said in private
stands in a journal of its own. ``tests/slow/test_real_redmine.py`` asks it and a real one the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

READER, AGENT, CUSTOMER, COLLEAGUE = 11, 12, 13, 14
LOGINS = {READER: "avoir", AGENT: "bo", CUSTOMER: "ann", COLLEAGUE: "cy"}
STATUSES = {1: "New", 2: "In Progress", 3: "Waiting", 5: "Closed"}
CLOSED = (5,)
PRIORITIES = {1: "Low", 2: "Normal", 3: "High"}
PROJECTS = {"support": (1, "Support"), "network": (2, "Network"), "secret": (3, "Secret")}
PUBLIC = ("support",)
#: Custom fields of every issue, and whether one may have several values.
FIELDS = {12: False, 13: True, 14: False}
#: Those that the key's user may not see.
HIDDEN = (14,)
#: A journal tells attributes in this order, whatever was said first.
TOLD_IN_ORDER = ("project_id", "subject", "status_id", "assigned_to_id", "priority_id")
MOST_ROWS = 100


@dataclass
class Issue:
    id: int
    project: str
    created: datetime
    updated: datetime
    fields: dict[str, int | str]
    closed: datetime | None = None
    custom: dict[int, Any] = field(default_factory=dict)
    journals: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class RedmineServer:
    issues: dict[int, Issue] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=lambda: dict(STATUSES))
    hidden: set[int] = field(default_factory=lambda: set(HIDDEN))
    requests: list[Request] = field(default_factory=list)
    #: Called with the number of lists so far, before each is answered.
    between: Callable[[int], None] = lambda number: None
    lists: int = 0
    key: str = SECRET
    next_journal: int = 700
    last_id: int = 0

    # --- what happens on the server ---

    def open(
        self, at: datetime, *, project: str = "support", author: int = CUSTOMER, status: int = 1,
        custom: dict[int, Any] | None = None,
    ) -> Issue:  # fmt: skip
        self.last_id += 1
        fields: dict[str, int | str] = {
            "author_id": author, "status_id": status, "priority_id": 2, "assigned_to_id": "",
            "subject": "It does not work", "project_id": PROJECTS[project][0],
        }  # fmt: skip
        issue = Issue(self.last_id, project, at, at, fields, custom=dict(custom or {}))
        issue.closed = at if status in CLOSED else None
        self.issues[issue.id] = issue
        return issue

    def change(
        self, issue: Issue, at: datetime, *, author: int = AGENT, notes: str = "", private: bool = False,
        custom: dict[int, Any] | None = None, **fields: int | str,
    ) -> None:  # fmt: skip
        """Set fields by their names and say something: one journal, or two where it is said in private."""
        details = [
            detail("attr", name, issue.fields[name], fields[name])
            for name in TOLD_IN_ORDER
            if name in fields and issue.fields[name] != fields[name]
        ]
        for number, value in (custom or {}).items():
            before = issue.custom.get(number)
            if not isinstance(value, list):
                details.append(detail("cf", str(number), before, value))
                continue
            details += [detail("cf", str(number), one, None) for one in before or [] if one not in value]
            details += [detail("cf", str(number), None, one) for one in value if one not in (before or [])]
        was_closed = issue.fields["status_id"] in CLOSED
        issue.fields |= fields
        if "project_id" in fields:
            (issue.project,) = (name for name, (n, _) in PROJECTS.items() if n == fields["project_id"])
            # In the other project what had no value has an empty one.
            issue.custom = {n: "" for n, several in FIELDS.items() if not several} | issue.custom
        issue.custom |= custom or {}
        if issue.fields["status_id"] in CLOSED and not was_closed:
            issue.closed = at
        issue.updated = max(issue.updated, at)
        if private and details:
            self._tell(issue, at, author, None, details)
            details = []
        self._tell(issue, at, author, notes, details, private=private)

    def _tell(
        self, issue: Issue, at: datetime, author: int, notes: str | None, details: list[dict[str, Any]], *,
        private: bool = False,
    ) -> None:  # fmt: skip
        self.next_journal += 1
        issue.journals.append(
            {
                "id": self.next_journal,
                "user": {"id": author, "name": name_of(author)},
                "notes": notes,
                "created_on": written(at),
                "private_notes": private,
                "details": details,
            }
        )

    def delete(self, issue: Issue) -> None:
        """Nothing of it stays."""
        del self.issues[issue.id]

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        is_known = request.headers.get("X-Redmine-API-Key") == self.key
        path = request.path.removesuffix(".json").lstrip("/")
        if path == "users/current":
            return Reply.json({"user": self.account()}) if is_known else Reply(b"", 401)
        if path == "issue_statuses":
            named = [{"id": n, "name": name, "is_closed": n in CLOSED} for n, name in self.statuses.items()]
            return Reply.json({"issue_statuses": named})
        if path == "enumerations/issue_priorities":
            listed = [
                {"id": n, "name": name, "is_default": False, "active": True} for n, name in PRIORITIES.items()
            ]
            return Reply.json({"issue_priorities": listed})
        visible = [one for one in self.issues.values() if is_known or one.project in PUBLIC]
        if path == "issues":
            self.lists += 1
            self.between(self.lists)
            project = request.parameters.get("project_id", PUBLIC[0])
            if project in PROJECTS and project not in PUBLIC and not is_known:
                return Reply(b"", 401)
            return self._list([one for one in visible if one.id in self.issues], request.parameters)
        found = re.fullmatch(r"issues/(\d+)", path)
        issue = self.issues.get(int(found[1])) if found else None
        if issue is None:
            return Reply(b"", 404)
        if issue not in visible:
            return Reply(b"", 401)
        shown = self.shown(issue)
        if "journals" in request.parameters.get("include", ""):
            shown["journals"] = self._visible(issue.journals)
        return Reply.json({"issue": shown})

    def _visible(self, journals: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without the fields that the user may not see, and without journals that then say nothing."""
        shown = []
        for journal in journals:
            details = [
                one
                for one in journal["details"]
                if one["property"] != "cf" or int(one["name"]) not in self.hidden
            ]
            if details or journal["notes"]:
                shown.append({**journal, "details": details})
        return shown

    def account(self) -> dict[str, Any]:
        at = written(datetime(2026, 1, 1, tzinfo=UTC))
        return {
            "id": READER, "login": LOGINS[READER], "admin": False, "firstname": LOGINS[READER],
            "lastname": "…", "created_on": at, "updated_on": at, "last_login_on": None,
            "passwd_changed_on": at, "twofa_scheme": None, "api_key": self.key,
        }  # fmt: skip

    def _list(self, found: list[Issue], parameters: dict[str, str]) -> Reply:
        if project := parameters.get("project_id"):
            if project not in PROJECTS:
                return Reply(b"", 404)
            found = [one for one in found if one.project == project]
        if parameters.get("status_id") != "*":
            found = [one for one in found if one.fields["status_id"] not in CLOSED]
        if since := parameters.get("updated_on"):
            matched = re.fullmatch(r">=(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)", since)
            if matched is None:
                return Reply.json({"errors": ["Updated is invalid"]}, 422)
            found = [one for one in found if one.updated >= datetime.fromisoformat(matched[1])]
        if first := parameters.get("issue_id"):
            found = [one for one in found if one.id >= int(first.removeprefix(">="))]
        name, _, direction = parameters.get("sort", "id:desc").partition(":")
        by_update = name == "updated_on"
        found.sort(
            key=lambda one: (one.updated.timestamp() if by_update else 0, one.id), reverse=direction == "desc"
        )
        offset = int(parameters.get("offset", "0"))
        rows = min(MOST_ROWS, int(parameters.get("limit", "25")))
        page = [self.shown(one) for one in found[offset : offset + rows]]
        return Reply.json({"issues": page, "total_count": len(found), "offset": offset, "limit": rows})

    def shown(self, issue: Issue) -> dict[str, Any]:
        status, priority = int(issue.fields["status_id"]), int(issue.fields["priority_id"])
        number, name = PROJECTS[issue.project]
        shown = {
            "id": issue.id,
            "project": {"id": number, "name": name},
            "tracker": {"id": 3, "name": "Support"},
            "status": {"id": status, "name": self.statuses[status], "is_closed": status in CLOSED},
            "priority": {"id": priority, "name": PRIORITIES[priority]},
            "author": {"id": issue.fields["author_id"], "name": name_of(int(issue.fields["author_id"]))},
        }
        # Redmine leaves out what an issue has not.
        if assignee := issue.fields["assigned_to_id"]:
            shown["assigned_to"] = {"id": assignee, "name": name_of(int(assignee))}
        shown |= {
            "subject": issue.fields["subject"],
            "description": "…",
            "start_date": None,
            "due_date": None,
            "done_ratio": 0,
            "is_private": False,
            "estimated_hours": None,
            "total_estimated_hours": None,
            "custom_fields": [
                {"id": n, "name": f"F{n}"}
                | ({"multiple": True} if several else {})
                | {"value": issue.custom.get(n, [] if several else None)}
                for n, several in FIELDS.items()
                if n not in self.hidden
            ],
            "created_on": written(issue.created),
            "updated_on": written(issue.updated),
            "closed_on": issue.closed and written(issue.closed),
        }
        return shown


def detail(kind: str, name: str, old: Any, new: Any) -> dict[str, Any]:
    """One detail of a journal."""
    return {"property": kind, "name": name, "old_value": told(old), "new_value": told(new)}


def name_of(user: int) -> str:
    """A person as issues show one."""
    return f"{LOGINS[user]} …"


def told(value: Any) -> str | None:
    """A value as a journal tells it: numbers are texts, none is null."""
    return None if value in (None, "") else str(value)


def written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
