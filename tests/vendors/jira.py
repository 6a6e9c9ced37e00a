"""A Jira Cloud instance with a service desk: stateful, and as inconvenient as the real one.

Its JQL knows minutes on the account's clock, its pages are found by a token that stands for a place in a
list that moves, a search shows the newest histories and comments only, and a wrong key is answered as
anonymous: with 200 and fewer issues, but for ``/myself``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.vendors.serving import SECRET, Reply, Request

ACCOUNT = "avoir@example.test"
CUSTOMER, AGENT, APP = "qm:ann", "5b10:bo", "557058:bot"
TYPES = {CUSTOMER: "customer", AGENT: "atlassian", APP: "app"}


@dataclass
class Issue:
    id: str
    key: str
    created: datetime
    updated: datetime
    fields: dict[str, Any]
    histories: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    slas: list[dict[str, Any]] | None = None


@dataclass
class JiraInstance:
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/New_York"))
    #: Which of two readings JQL takes of a minute that the clock shows twice.
    fold: int = 1
    cap: int = 100
    shown_histories: int = 40
    shown_comments: int = 20
    issues: dict[str, Issue] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    #: Called with the number of searches so far, before each is answered.
    between: Callable[[int], None] = lambda number: None
    searches: int = 0
    next_id: int = 10_000
    next_history: int = 500

    # --- what happens in the instance ---

    def open(self, at: datetime, *, project: str = "SUP", reporter: str = CUSTOMER, **fields: Any) -> Issue:
        self.next_id += 1
        named = {
            "project": {"id": "1", "key": project, "self": "http://x"},
            "issuetype": {"name": "[System] Incident"},
            "summary": "It does not work",
            "status": {"name": "Waiting for support"},
            "priority": {"name": "High", "id": "2"},
            "reporter": user(reporter),
            "assignee": None,
            "resolutiondate": None,
            **fields,
        }
        issue = Issue(str(self.next_id), f"{project}-{self.next_id - 10_000}", at, at, named)
        self.issues[issue.id] = issue
        return issue

    def change(self, issue: Issue, at: datetime, *, author: str = AGENT, **values: Any) -> None:
        """Set fields by their names, several in one history."""
        items = []
        for name, value in values.items():
            before = issue.fields.get(name)
            items.append(
                {
                    "field": name,
                    "fieldId": name,
                    "fieldtype": "jira",
                    "from": part(before, "accountId", "id"),
                    "fromString": part(before, "displayName", "name", "value"),
                    "to": part(value, "accountId", "id"),
                    "toString": part(value, "displayName", "name", "value"),
                }
            )
            issue.fields[name] = value
        self.next_history += 1
        history = {
            "id": str(self.next_history),
            "author": user(author),
            "created": written(at, self.zone),
            "items": items,
        }
        issue.histories.append(history)
        issue.updated = max(issue.updated, at)

    def comment(self, issue: Issue, at: datetime, author: str, *, public: bool = True, **more: Any) -> None:
        issue.comments.append(
            {
                "id": str(20_000 + sum(len(one.comments) for one in self.issues.values())),
                "author": user(author),
                "created": written(at, self.zone),
                "updated": written(at, self.zone),
                "body": {"type": "doc", "version": 1, "content": []},
                "jsdPublic": public,
                **more,
            }
        )
        issue.updated = max(issue.updated, at)

    def plan(self, name: str, due: date | None, *, project: str = "SUP") -> dict[str, Any]:
        """A version of a project; it keeps no instant of its making."""
        version = {
            "self": f"https://x/rest/api/3/version/{30_000 + len(self.versions)}",
            "id": str(30_000 + len(self.versions)),
            "name": name,
            "archived": False,
            "released": False,
            "projectId": {"SUP": 1}.get(project, 2),
        }
        if due is not None:
            version["releaseDate"] = due.isoformat()
        self.versions.append(version)
        return version

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        expected = base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            if request.path.endswith("/myself"):
                return Reply.json({"message": "Client must be authenticated to access this resource."}, 401)
            return Reply.json(
                {"issues": [], "isLast": True}, headers={"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
            )
        path = request.path.removeprefix("/rest/api/3/")
        if path == "myself":
            return Reply.json(self.account())
        if path == "search/jql":
            self.searches += 1
            self.between(self.searches)
            return self._search(request.parameters)
        if versions := re.fullmatch(r"project/([A-Z]+)/version", path):
            return self._versions(versions[1], request)
        if sla := re.fullmatch(r"/rest/servicedeskapi/request/(\d+)/sla", request.path):
            return self._sla(self.issues.get(sla[1]))
        found = re.fullmatch(r"issue/(\d+)(?:/(changelog|comment))?", path)
        if found is None or found[1] not in self.issues:
            return Reply.json({"errorMessages": ["Issue does not exist or you do not have permission"]}, 404)
        issue = self.issues[found[1]]
        if found[2] is None:
            return Reply.json(self.shown(issue, request.parameters))
        entries = issue.histories if found[2] == "changelog" else issue.comments
        name = "values" if found[2] == "changelog" else "comments"
        start, rows = int(request.parameters["startAt"]), min(100, int(request.parameters["maxResults"]))
        page = entries[start : start + rows]
        body = {"startAt": start, "maxResults": rows, "total": len(entries), name: page}
        return Reply.json(body | ({"isLast": start + rows >= len(entries)} if name == "values" else {}))

    def account(self) -> dict[str, Any]:
        return {**user(AGENT), "emailAddress": ACCOUNT, "timeZone": self.zone.key, "active": True}

    def _search(self, parameters: dict[str, str]) -> Reply:
        matched = re.fullmatch(
            r'project in \(("[A-Z]+"(?:, "[A-Z]+")*)\)'
            r'(?: and updated >= "(.{16})" and updated <= "(.{16})")? order by (updated|created) asc',
            parameters["jql"],
        )
        if matched is None:
            return Reply.json({"errorMessages": [f"Error in the JQL Query: {parameters['jql']}"]}, 400)
        projects = re.findall(r'"([A-Z]+)"', matched[1])
        found = [one for one in self.issues.values() if one.fields["project"]["key"] in projects]
        if matched[2]:
            first, last = self.read(matched[2]), self.read(matched[3])
            found = [one for one in found if first <= one.updated <= last]
        found.sort(key=lambda one: (getattr(one, matched[4]), int(one.id)))
        start = int(base64.b64decode(parameters.get("nextPageToken", "MA==")))
        # Asked for ids alone, Jira gives longer pages.
        cap = self.cap if parameters["fields"] not in ("id", "updated") else 50 * self.cap
        rows = min(cap, int(parameters["maxResults"]))
        body: dict[str, Any] = {
            "issues": [self.shown(one, parameters) for one in found[start : start + rows]]
        }
        if start + rows >= len(found):
            return Reply.json(body | {"isLast": True})
        token = base64.b64encode(str(start + rows).encode()).decode()
        return Reply.json(body | {"isLast": False, "nextPageToken": token})

    def read(self, minute: str) -> datetime:
        local = datetime.strptime(minute, "%Y-%m-%d %H:%M")
        return local.replace(tzinfo=self.zone, fold=self.fold).astimezone(UTC)

    def shown(self, issue: Issue, parameters: dict[str, str]) -> dict[str, Any]:
        comments = issue.comments[: self.shown_comments]
        every = {
            **issue.fields,
            "created": written(issue.created, self.zone),
            "updated": written(issue.updated, self.zone),
            "comment": {
                "comments": comments,
                "maxResults": len(comments),
                "total": len(issue.comments),
                "startAt": 0,
            },
        }
        asked = parameters["fields"].split(",")
        shown: dict[str, Any] = {"id": issue.id, "key": issue.key, "self": f"http://x/{issue.id}"}
        if asked != ["id"]:
            shown["fields"] = {name: every[name] for name in asked if name in every}
        if parameters.get("expand") == "changelog":
            newest = issue.histories[::-1][: self.shown_histories]
            shown["changelog"] = {
                "startAt": 0,
                "maxResults": len(newest),
                "total": len(issue.histories),
                "histories": newest,
            }
        return shown

    def _versions(self, project: str, request: Request) -> Reply:
        start = int(request.parameters["startAt"])
        rows = min(self.cap, int(request.parameters["maxResults"]))
        found = [one for one in self.versions if one["projectId"] == {"SUP": 1}.get(project, 2)]
        base = f"https://x{request.path}"
        body = {
            "self": f"{base}?startAt={start}",
            "maxResults": rows,
            "startAt": start,
            "total": len(found),
            "isLast": start + rows >= len(found),
            "values": found[start : start + rows],
        }
        return Reply.json(body if body["isLast"] else {**body, "nextPage": f"{base}?startAt={start + rows}"})

    def _sla(self, issue: Issue | None) -> Reply:
        if issue is None or issue.slas is None:
            return Reply.json({"errorMessage": "The request does not exist"}, 404)
        return Reply.json(
            {"size": len(issue.slas), "start": 0, "limit": 50, "isLastPage": True, "values": issue.slas}
        )


def user(account: str) -> dict[str, Any]:
    return {"self": "http://x/user", "accountId": account, "accountType": TYPES.get(account, "atlassian"),
            "displayName": account.split(":")[-1].title()}  # fmt: skip


def written(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03}{local:%z}"


def part(value: Any, *names: str) -> str | None:
    if isinstance(value, dict):
        return next((value[name] for name in names if value.get(name)), None)
    return value
