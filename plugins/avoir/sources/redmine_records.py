"""Redmine's records as raw rows: one issue, one entry of its journals.

Each maker gives ``(table, values)``, or a rejection with its reason code:

==================  ==========================================================================
``missing_field``   the record lacks a field that it must have
``bad_instant``     an instant in another form than ``2026-03-02T10:15:30Z``
==================  ==========================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from avoir.sources.model import Column, SourceConnection, Table, text_columns
from avoir.sources.record_making import Made, id_of, inner, made, rejected, text_of

#: A custom field: its number.
CUSTOM_FIELD = re.compile(r"\d{1,18}", re.ASCII)
SERVICES = ("project", "category", "tracker")

ISSUES = Table(
    "issues",
    (
        *text_columns(
            "issue_id", "project_id", "project", "tracker", "subject", "status_id", "status", "priority_id",
            "priority", "author_id", "assigned_to_id", "service", "team", "hold_reason", "is_private",
            "created_on", "updated_on", "closed_on",
        ),
        # Of its status. An issue that is opened again keeps the instant of its last closing.
        Column("is_closed", hashed=False),
    ),
    key=("issue_id",),
    updated="updated_on",
    subject="issue_id",
)  # fmt: skip

JOURNAL_ENTRIES = Table(
    "journal_entries",
    (
        *text_columns(
            "journal_id", "entry_no", "issue_id", "author_id", "property", "name", "tracked_as", "old_value",
            "new_value", "notes", "is_private", "created_on",
        ),
        # A status that is renamed makes no other entry of an old one, nor does a field that is not shown any
        # more: `entry_no` is of the field that changed.
        Column("old_name", hashed=False),
        Column("new_name", hashed=False),
    ),
    key=("journal_id", "entry_no"),
    subject="issue_id",
)  # fmt: skip

ISSUE_DELETIONS = Table(
    "issue_deletions",
    (Column("issue_id"), Column("noticed_at", hashed=False)),
    key=("issue_id",),
    subject="issue_id",
)

TABLES = (ISSUES, JOURNAL_ENTRIES, ISSUE_DELETIONS)


@dataclass(frozen=True)
class Fields:
    """Which fields hold what clocks look at, and what is behind the numbers of statuses and priorities."""

    service: str
    team: str
    hold: str
    statuses: Mapping[str, str]
    priorities: Mapping[str, str]
    closed: frozenset[str]

    @classmethod
    def of(
        cls,
        source: SourceConnection,
        statuses: Mapping[str, str],
        priorities: Mapping[str, str],
        closed: frozenset[str],
    ) -> Fields:
        """As the connection's options say.

        Args:
            source: the connection.
            statuses: names by number.
            priorities: names by number.
            closed: numbers of the statuses in which an issue is closed.
        """
        return cls(
            service=source.option("service_field"),
            team=source.option("team_field"),
            hold=source.option("hold_field"),
            statuses=statuses,
            priorities=priorities,
            closed=closed,
        )

    def tracked(self, kind: str, name: str) -> str:
        """What of an issue an entry changed, as clocks name it; '' for what none looks at."""
        if kind == "cf":
            return {self.team: "assignment_group", self.hold: "hold_reason", "": ""}.get(name, "")
        if kind != "attr":
            return ""
        if name == "assigned_to_id" and self.team == "assigned_to":
            return "assignment_group"
        return {"status_id": "state", "priority_id": "priority"}.get(name, "")

    def shown(self, kind: str, name: str, value: str) -> str:
        """The name of a value that a journal tells by its number; one without a name keeps it."""
        names = {"status_id": self.statuses, "priority_id": self.priorities} if kind == "attr" else {}
        return names.get(name, {}).get(value, value)


def custom_value(issue: Mapping[str, Any], field_id: str) -> str:
    """The value of a custom field; '' where the issue has none, several as one text."""
    value = _custom(issue, field_id)
    return ", ".join(map(text_of, value)) if isinstance(value, list) else text_of(value)


def _custom(issue: Mapping[str, Any], field_id: str) -> object:
    fields = issue.get("custom_fields")
    for one in fields if isinstance(fields, list) else ():
        if isinstance(one, dict) and text_of(one.get("id")) == field_id:
            return one.get("value")
    return None


def many_valued(issue: Mapping[str, Any], fields: Fields) -> str:
    """The field of the team or of holding that may have several values; '' where neither may.

    Journals tell such a field value by value, so that what it was at an instant is in none of them.
    """
    return next((one for one in (fields.team, fields.hold) if isinstance(_custom(issue, one), list)), "")


def issue_row(issue: Mapping[str, Any], fields: Fields) -> Made:
    """The row of an issue."""
    in_field = fields.service not in SERVICES
    assignee = text_of(inner(issue, "assigned_to", "id"))
    row = {
        "issue_id": id_of(issue.get("id")),
        "project_id": text_of(inner(issue, "project", "id")),
        "project": text_of(inner(issue, "project", "name")),
        "tracker": text_of(inner(issue, "tracker", "name")),
        "subject": text_of(issue.get("subject")),
        "status_id": text_of(inner(issue, "status", "id")),
        "status": text_of(inner(issue, "status", "name")),
        "priority_id": text_of(inner(issue, "priority", "id")),
        "priority": text_of(inner(issue, "priority", "name")),
        "author_id": text_of(inner(issue, "author", "id")),
        "assigned_to_id": assignee,
        "service": custom_value(issue, fields.service)
        if in_field
        else text_of(inner(issue, fields.service, "name")),
        "team": assignee if fields.team == "assigned_to" else custom_value(issue, fields.team),
        "hold_reason": custom_value(issue, fields.hold) if fields.hold else "",
        "is_private": text_of(issue.get("is_private")),
        "created_on": text_of(issue.get("created_on")),
        "updated_on": text_of(issue.get("updated_on")),
        "closed_on": text_of(issue.get("closed_on")),
        "is_closed": text_of(text_of(inner(issue, "status", "id")) in fields.closed),
    }
    needed = ("issue_id", "project", "status", "created_on", "updated_on")
    return made(ISSUES, row, issue, needed=needed, instants=("created_on", "updated_on", "closed_on"))


def entry_rows(issue_id: str, journal: Mapping[str, Any], fields: Fields) -> Iterator[Made]:
    """A row for what a journal says, and one for each detail that it changed."""
    details = journal.get("details")
    if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
        yield rejected(JOURNAL_ENTRIES, "missing_field", "the journal has no details", journal)
        return
    common = {
        "journal_id": id_of(journal.get("id")),
        "issue_id": issue_id,
        "author_id": text_of(inner(journal, "user", "id")),
        "is_private": text_of(journal.get("private_notes")),
        "created_on": text_of(journal.get("created_on")),
    }
    notes = text_of(journal.get("notes"))
    rows = [{"entry_no": "0000", "property": "note", "notes": notes}] if notes else []
    times: Counter[str] = Counter()
    for detail in details:
        kind, name = text_of(detail.get("property")), text_of(detail.get("name"))
        old, new = text_of(detail.get("old_value")), text_of(detail.get("new_value"))
        times[f"{kind} {name}"] += 1
        rows.append(
            {
                # A field of several values is told value by value.
                "entry_no": f"{kind} {name} {times[f'{kind} {name}']}",
                "property": kind,
                "name": name,
                "tracked_as": fields.tracked(kind, name),
                "old_value": old,
                "new_value": new,
                "old_name": fields.shown(kind, name, old),
                "new_name": fields.shown(kind, name, new),
            }
        )
    needed = ("journal_id", "property", "is_private", "created_on")
    for row in rows:
        named = dict.fromkeys(JOURNAL_ENTRIES.column_names, "") | row | common
        yield made(JOURNAL_ENTRIES, named, journal, needed=needed, instants=("created_on",))
