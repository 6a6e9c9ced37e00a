"""Zendesk's records as raw rows: one ticket, one event of its audits, one deletion.

Each maker gives ``(table, values)``, or a rejection with its reason code:

==================  ==========================================================================
``missing_field``   the record lacks a field that it must have
``bad_instant``     an instant in another form than ``2026-03-02T10:15:30Z``
==================  ==========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from avoir.sources.model import Column, SourceConnection, Table, text_columns
from avoir.sources.record_making import Made, id_of, inner, made, rejected, text_of

#: A field of a connection's own: its number.
CUSTOM_FIELD = re.compile(r"\d{1,18}", re.ASCII)
#: Where a service may be named, beside a field of one's own.
SERVICES = ("brand", "group", "organization")
#: Events that say something to somebody; a voice comment is a call that was held.
COMMENTS = ("Comment", "VoiceComment")
#: Events that set a field: when the ticket was made, and later.
SETTINGS = ("Create", "Change")

TICKETS = Table(
    "tickets",
    text_columns(
        "ticket_id", "subject", "status", "priority", "requester_id", "organization_id", "brand_id",
        "group_id", "service", "team", "hold_reason", "via_channel", "created_at", "updated_at",
        "generated_timestamp",
    ),
    key=("ticket_id",),
    updated="generated_timestamp",
    subject="ticket_id",
)  # fmt: skip

TICKET_EVENTS = Table(
    "ticket_events",
    (
        *text_columns(
            "event_id", "audit_id", "ticket_id", "type", "field_name", "tracked_as", "previous_value",
            "value", "is_public", "is_creation", "author_id", "via_channel", "body", "created_at",
        ),
        # A group that is renamed, or a user whose role changes, makes no other event of an old one.
        Column("previous_name", hashed=False),
        Column("value_name", hashed=False),
        Column("author_role", hashed=False),
    ),
    key=("event_id",),
    subject="ticket_id",
)  # fmt: skip

TICKET_DELETIONS = Table(
    "ticket_deletions",
    (Column("ticket_id"), Column("noticed_at", hashed=False)),
    key=("ticket_id",),
    subject="ticket_id",
)

TABLES = (TICKETS, TICKET_EVENTS, TICKET_DELETIONS)


@dataclass(frozen=True)
class Fields:
    """Where an instance keeps the service and the reason to wait, and the names behind its numbers."""

    service: str
    hold: str
    groups: Mapping[str, str] = field(default_factory=dict)
    brands: Mapping[str, str] = field(default_factory=dict)
    organizations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, source: SourceConnection, groups: Mapping[str, str], brands: Mapping[str, str]) -> Fields:
        """As the connection's options say."""
        return cls(source.option("service_field"), source.option("hold_field"), groups, brands)

    def service_of(self, ticket: Mapping[str, Any], organizations: Mapping[str, str]) -> str:
        """The name of a ticket's service; a number that has no name stays one."""
        names = {"brand": self.brands, "group": self.groups, "organization": organizations}.get(self.service)
        if names is None:
            return custom_value(ticket, self.service)
        number = text_of(ticket.get(f"{self.service}_id"))
        return names.get(number, number)

    def tracked(self, name: str) -> str:
        """What of a ticket a field is, as clocks name it; '' for what none looks at."""
        configured = {self.hold: "hold_reason"} if self.hold else {}
        return {
            "status": "state", "priority": "priority", "group_id": "assignment_group", **configured
        }.get(name, "")  # fmt: skip


def custom_value(ticket: Mapping[str, Any], field_id: str) -> str:
    """The value of a field of one's own; '' where the ticket has none."""
    fields = ticket.get("custom_fields")
    for one in fields if isinstance(fields, list) else ():
        if isinstance(one, dict) and text_of(one.get("id")) == field_id:
            return text_of(one.get("value"))
    return ""


def ticket_row(ticket: Mapping[str, Any], fields: Fields, organizations: Mapping[str, str]) -> Made:
    """The row of a ticket."""
    group = text_of(ticket.get("group_id"))
    row = {
        "ticket_id": id_of(ticket.get("id")),
        "subject": text_of(ticket.get("raw_subject") or ticket.get("subject")),
        "status": text_of(ticket.get("status")),
        "priority": text_of(ticket.get("priority")),
        "requester_id": text_of(ticket.get("requester_id")),
        "organization_id": text_of(ticket.get("organization_id")),
        "brand_id": text_of(ticket.get("brand_id")),
        "group_id": group,
        "service": fields.service_of(ticket, organizations),
        "team": fields.groups.get(group, group),
        "hold_reason": custom_value(ticket, fields.hold) if fields.hold else "",
        "via_channel": text_of(inner(ticket, "via", "channel")),
        "created_at": text_of(ticket.get("created_at")),
        "updated_at": text_of(ticket.get("updated_at")),
        "generated_timestamp": id_of(ticket.get("generated_timestamp")),
    }
    needed = ("ticket_id", "status", "created_at", "generated_timestamp")
    return made(TICKETS, row, ticket, needed=needed, instants=("created_at", "updated_at"))


def event_rows(
    ticket_id: str, audit: Mapping[str, Any], fields: Fields, roles: Mapping[str, str]
) -> Iterator[Made]:
    """A row for each event of an audit that set a field or said something; other kinds may come and go."""
    events = audit.get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        yield rejected(TICKET_EVENTS, "missing_field", "the audit has no events", audit)
        return
    is_creation = any(event.get("type") == "Create" for event in events)
    for event in events:
        if event.get("type") not in (*COMMENTS, *SETTINGS):
            continue
        name = text_of(event.get("field_name"))
        is_comment = event["type"] in COMMENTS
        tracked = fields.tracked(name) if event["type"] == "Change" else ""
        previous, value = text_of(event.get("previous_value")), text_of(event.get("value"))
        author = text_of(event.get("author_id") or audit.get("author_id"))
        row = {
            "event_id": id_of(event.get("id")),
            "audit_id": id_of(audit.get("id")),
            "ticket_id": ticket_id,
            "type": text_of(event["type"]),
            "field_name": name,
            "tracked_as": tracked,
            "previous_value": previous,
            "value": value,
            "is_public": text_of(event.get("public")) if is_comment else "",
            "is_creation": text_of(is_creation),
            "author_id": author,
            # An event states how it came where that is another way than its audit's.
            "via_channel": text_of(inner(event, "via", "channel") or inner(audit, "via", "channel")),
            "body": text_of(event.get("body")) if is_comment else "",
            "created_at": text_of(audit.get("created_at")),
            "previous_name": fields.groups.get(previous, previous) if name == "group_id" else previous,
            "value_name": fields.groups.get(value, value) if name == "group_id" else value,
            "author_role": roles.get(author, ""),
        }
        needed = ("event_id", "audit_id", "created_at", *(("is_public",) if is_comment else ("field_name",)))
        yield made(TICKET_EVENTS, row, audit, needed=needed, instants=("created_at",))


def comment_authors(audit: Mapping[str, Any]) -> Iterator[str]:
    """Numbers of the users who wrote comments of an audit."""
    events = audit.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("type") in COMMENTS:
            author = id_of(event.get("author_id") or audit.get("author_id"))
            if author:
                yield author
