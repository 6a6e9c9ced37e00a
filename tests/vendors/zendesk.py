"""A Zendesk instance: stateful, and as inconvenient as the real one.

Its export leaves out the last minute and allows few requests a minute, a ticket that changes moves to its
end, deleted tickets stay in it, audits come in pages but those of archived tickets all at once, and a wrong
token is answered by ``users/me`` with 200 and a user without a number.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

ACCOUNT = "avoir@example.test"
READER, AGENT, CUSTOMER, COLLEAGUE, SYSTEM = 900_001, 900_002, 900_101, 900_102, -1
ROLES = {READER: "admin", AGENT: "agent", CUSTOMER: "end-user", COLLEAGUE: "end-user"}
GROUPS = {31: "Desk", 32: "Network"}
BRANDS = {41: "Support", 42: "Hosting"}
ORGANIZATIONS = {51: "Acme"}


@dataclass
class Ticket:
    id: int
    generated: int
    fields: dict[str, Any]
    audits: list[dict[str, Any]] = field(default_factory=list)
    is_archived: bool = False


@dataclass
class ZendeskInstance:
    now: datetime = datetime(2026, 12, 1, tzinfo=UTC)
    #: Export requests that are answered between two that are told to wait.
    allowed: int = 10
    #: Audits a page holds at most.
    shown_audits: int = 100
    groups: dict[int, str] = field(default_factory=lambda: dict(GROUPS))
    tickets: dict[int, Ticket] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    #: Where the export's links lead, up to their cursor; left out, it gives none.
    link: str = ""
    #: Called with the number of exports so far, before each is answered.
    between: Callable[[int], None] = lambda number: None
    exports: int = 0
    since_told: int = 0
    next_id: int = 23_111_000_000_000

    # --- what happens in the instance ---

    def open(
        self, at: datetime, *, brand: int = 41, requester: int = CUSTOMER, submitter: int | None = None,
        **fields: Any,
    ) -> Ticket:  # fmt: skip
        number = len(self.tickets) + 1
        subject = "It does not work"
        ticket = Ticket(
            number,
            0,
            {
                "url": f"https://example.zendesk.com/api/v2/tickets/{number}.json",
                "id": number,
                "external_id": None,
                "via": {"channel": "email", "source": {"from": {}, "to": {}, "rel": None}},
                "created_at": written(at),
                "type": None,
                "subject": subject,
                "raw_subject": subject,
                "description": "…",
                "priority": "normal",
                "status": "new",
                "requester_id": requester,
                "submitter_id": submitter or requester,
                "assignee_id": None,
                "organization_id": 51,
                "group_id": 31,
                "brand_id": brand,
                "is_public": True,
                "tags": [],
                "custom_fields": [],
                **fields,
            },
        )
        self.tickets[number] = ticket
        made = [
            {"type": "Create", "field_name": name, "value": told(ticket.fields[name])}
            for name in ("subject", "status", "priority", "group_id", "requester_id")
        ]
        author = submitter or requester
        self._audit(ticket, at, author, [comment(author, public=True), *made])
        return ticket

    def change(
        self, ticket: Ticket, at: datetime, *, author: int = AGENT, channel: str = "web", **fields: Any
    ) -> None:
        """Set fields by their names, several in one audit."""
        events = []
        for name, value in fields.items():
            before, ticket.fields[name] = ticket.fields.get(name), value
            events.append(
                {"type": "Change", "field_name": name, "previous_value": told(before), "value": told(value)}
            )
        self._audit(ticket, at, author, events, channel)

    def choose(self, ticket: Ticket, at: datetime, field_id: int, value: str | None) -> None:
        """Set a field of the instance's own."""
        chosen = ticket.fields["custom_fields"]
        before = next((one["value"] for one in chosen if one["id"] == field_id), None)
        ticket.fields["custom_fields"] = [one for one in chosen if one["id"] != field_id]
        ticket.fields["custom_fields"].append({"id": field_id, "value": value})
        event = {"type": "Change", "field_name": str(field_id), "previous_value": before, "value": value}
        self._audit(ticket, at, AGENT, [event])

    def say(
        self, ticket: Ticket, at: datetime, author: int, *, public: bool = True, channel: str = "web",
        **events: Any,
    ) -> None:  # fmt: skip
        """Comment on a ticket, and change fields of it in the same audit."""
        changes = []
        for name, value in events.items():
            before, ticket.fields[name] = ticket.fields.get(name), value
            changes.append(
                {"type": "Change", "field_name": name, "previous_value": told(before), "value": told(value)}
            )
        self._audit(ticket, at, author, [comment(author, public=public), *changes], channel)

    def delete(self, ticket: Ticket, at: datetime) -> None:
        """Delete a ticket: it stays in the export, its audits cannot be read any more."""
        ticket.fields["status"] = "deleted"
        ticket.generated = int(at.timestamp())

    def touch(self, ticket: Ticket, at: datetime) -> None:
        """The system writes to a ticket without an event of it."""
        ticket.generated = int(at.timestamp())

    def _audit(
        self, ticket: Ticket, at: datetime, author: int, events: list[dict[str, Any]], channel: str = "web"
    ) -> None:
        ids = range(self.next_id + 1, self.next_id + len(events) + 1)
        audit = {
            "id": self.next_id,
            "ticket_id": ticket.id,
            "created_at": written(at),
            "author_id": author,
            "via": {"channel": channel, "source": {"from": {}, "to": {}, "rel": None}},
            "metadata": {"system": {}, "custom": {}},
            "events": [{"id": number, **event} for number, event in zip(ids, events, strict=True)],
        }
        self.next_id += len(events) + 1
        ticket.audits.append(audit)
        ticket.fields["updated_at"] = written(at)
        ticket.generated = max(ticket.generated, int(at.timestamp()))

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        expected = base64.b64encode(f"{ACCOUNT}/token:{SECRET}".encode()).decode()
        is_known = request.headers.get("Authorization") == f"Basic {expected}"
        path = request.path.removeprefix("/api/v2/").removesuffix(".json")
        if path == "users/me":
            return Reply.json({"user": self.account() if is_known else anonymous()})
        if not is_known:
            return Reply.json({"error": "Couldn't authenticate you"}, 401)
        if path == "incremental/tickets/cursor":
            return self._export(request.parameters)
        if path in ("groups", "brands"):
            names = self.groups if path == "groups" else BRANDS
            return self._listed(path, [named(n, name) for n, name in names.items()], request.parameters, 100)
        if path in ("users/show_many", "organizations/show_many"):
            kind = path.split("/")[0]
            ids = [int(one) for one in request.parameters["ids"].split(",")]
            assert len(ids) <= 100
            known = {**ROLES, **ORGANIZATIONS}
            shown = [self._user(n) if kind == "users" else named(n, known[n]) for n in ids if n in known]
            return Reply.json({kind: shown, "count": len(shown), "next_page": None})
        found = re.fullmatch(r"tickets/(\d+)(/audits)?", path)
        ticket = self.tickets.get(int(found[1])) if found else None
        if found is None or ticket is None or ticket.fields["status"] == "deleted":
            return Reply.json({"error": "RecordNotFound", "description": "Not found"}, 404)
        if not found[2]:
            return Reply.json({"ticket": shown_ticket(ticket)})
        if ticket.is_archived:
            audits = ticket.audits
            return Reply.json({"audits": audits, "count": len(audits), "next_page": None})
        return self._listed("audits", ticket.audits, request.parameters, self.shown_audits)

    def account(self) -> dict[str, Any]:
        return {**self._user(READER), "email": ACCOUNT}

    def _user(self, number: int) -> dict[str, Any]:
        return {"id": number, "name": f"User {number}", "role": ROLES[number], "active": True}

    def _export(self, parameters: dict[str, str]) -> Reply:
        if self.since_told >= self.allowed:
            self.since_told = 0
            return Reply.json({"error": "TooManyRequests"}, 429, {"Retry-After": "0"})
        self.since_told += 1
        self.exports += 1
        self.between(self.exports)
        newest = int((self.now - timedelta(minutes=1)).timestamp())
        if "cursor" in parameters:
            after = tuple(map(int, base64.b64decode(parameters["cursor"]).split(b"|")))
        else:
            after = (int(parameters["start_time"]), 0)
            if after[0] > newest:
                return Reply.json({"error": "InvalidValue", "description": "Too recent start_time."}, 422)
        found = sorted(
            (
                one
                for one in self.tickets.values()
                if (one.generated, one.id) > after and one.generated <= newest
            ),
            key=lambda one: (one.generated, one.id),
        )
        page = found[: int(parameters["per_page"])]
        last = (page[-1].generated, page[-1].id) if page else after
        cursor = base64.b64encode(f"{last[0]}|{last[1]}".encode()).decode()
        return Reply.json(
            {
                "tickets": [shown_ticket(one) for one in page],
                "after_cursor": cursor,
                "after_url": f"{self.link}{cursor}" if self.link else None,
                "before_cursor": None,
                "before_url": None,
                "end_of_stream": len(page) == len(found),
            }
        )

    def _listed(
        self, name: str, entries: Sequence[dict[str, Any]], parameters: dict[str, str], cap: int
    ) -> Reply:
        start = int(parameters.get("page[after]", "0"))
        end = start + min(cap, int(parameters["page[size]"]))
        more = end < len(entries)
        meta = {"has_more": more, "after_cursor": str(end) if more else None, "before_cursor": None}
        return Reply.json({name: list(entries[start:end]), "meta": meta, "links": {"next": None}})


def shown_ticket(ticket: Ticket) -> dict[str, Any]:
    return {**ticket.fields, "generated_timestamp": ticket.generated}


def comment(author: int, *, public: bool) -> dict[str, Any]:
    body = {"body": "…", "html_body": "<p>…</p>", "plain_body": "…", "attachments": []}
    return {"type": "Comment", "author_id": author, "public": public, **body}


def named(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "name": name, "deleted": False}


def anonymous() -> dict[str, Any]:
    return {"id": None, "url": None, "name": "Anonymous user", "email": "invalid@example.com",
            "role": "end-user", "active": None}  # fmt: skip


def told(value: Any) -> Any:
    """A value as an audit tells it: numbers are texts."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
