"""Jira's records as raw rows: one issue, one item of its changelog, one comment, one cycle of an SLA.

Each maker gives ``(table, values)``, or a :class:`avoir.sources.model.Rejected` with its reason code:

==================  ==========================================================================
``missing_field``   the record lacks a field that it must have
``bad_instant``     an instant in another form than ``2026-03-02T10:15:30.123+0100``
==================  ==========================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from avoir.sources.model import Column, SourceConnection, Table, text_columns
from avoir.sources.record_making import YEARS, Made, id_of, inner, made, rejected, text_of

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?([+-]\d{2}:?\d{2}|Z)", re.ASCII)
#: Postgres reads no offset beyond this.
_WIDEST_OFFSET = timedelta(hours=15, minutes=59)

ISSUES = Table(
    "issues",
    text_columns(
        "issue_id", "issue_key", "project_key", "issue_type", "summary", "status", "priority", "reporter",
        "service", "team", "hold_reason", "created", "updated", "resolution_date",
    ),
    key=("issue_id",),
    updated="updated",
    subject="issue_id",
)  # fmt: skip

CHANGES = Table(
    "changes",
    text_columns(
        "history_id", "item_no", "issue_id", "author", "created", "field", "field_id", "tracked_as",
        "from_value", "from_string", "to_value", "to_string",
    ),
    key=("history_id", "item_no"),
    subject="issue_id",
)  # fmt: skip

COMMENTS = Table(
    "comments",
    text_columns(
        "comment_id", "issue_id", "author", "author_type", "created", "updated", "is_public", "body"
    ),
    key=("comment_id",),
    updated="updated",
    subject="issue_id",
)

SLA_CYCLES = Table(
    "sla_cycles",
    (
        *text_columns(
            "issue_id", "sla_id", "sla_name", "cycle_no", "started_ms", "stopped_ms", "breach_ms",
            "is_breached", "is_paused", "goal_ms",
        ),
        # They move with every reading while the cycle runs, and say nothing new.
        Column("elapsed_ms", hashed=False),
        Column("remaining_ms", hashed=False),
    ),
    key=("issue_id", "sla_id", "cycle_no"),
    subject="issue_id",
)  # fmt: skip

ISSUE_DELETIONS = Table(
    "issue_deletions",
    (Column("issue_id"), Column("noticed_at", hashed=False)),
    key=("issue_id",),
    subject="issue_id",
)

TABLES = (ISSUES, CHANGES, COMMENTS, SLA_CYCLES, ISSUE_DELETIONS)


@dataclass(frozen=True)
class Fields:
    """Which fields of an instance hold what clocks look at: ids of fields, empty for none."""

    service: str
    team: str
    hold: str

    @classmethod
    def of(cls, source: SourceConnection) -> Fields:
        """As the connection's options say."""
        return cls(source.option("service_field"), source.option("team_field"), source.option("hold_field"))

    @property
    def names(self) -> tuple[str, ...]:
        """Fields to ask for."""
        always = (
            "project", "issuetype", "summary", "status", "priority", "reporter", "created", "updated",
            "resolutiondate", "comment",
        )  # fmt: skip
        return tuple(dict.fromkeys((*always, *filter(None, (self.service, self.team, self.hold)))))

    def tracked(self, item: Mapping[str, Any]) -> str:
        """What of a ticket an item of the changelog changed, as clocks name it; '' for what none looks at."""
        field_id = text_of(item.get("fieldId")) or text_of(item.get("field"))
        configured = {self.team: "assignment_group", self.hold: "hold_reason"}
        return {"status": "state", "priority": "priority", **configured, "": ""}.get(field_id, "")


def issue_row(issue: Mapping[str, Any], fields: Fields) -> Made:
    """The row of an issue."""
    given = issue["fields"]
    row = {
        "issue_id": issue["id"],
        "issue_key": text_of(issue.get("key")),
        "project_key": text_of(inner(given, "project", "key")),
        "issue_type": text_of(inner(given, "issuetype", "name")),
        "summary": text_of(given.get("summary")),
        "status": text_of(inner(given, "status", "name")),
        "priority": text_of(inner(given, "priority", "name")),
        "reporter": text_of(inner(given, "reporter", "accountId")),
        "service": _shown(given, fields.service),
        "team": _shown(given, fields.team),
        "hold_reason": _shown(given, fields.hold),
        "created": text_of(given.get("created")),
        "updated": text_of(given.get("updated")),
        "resolution_date": text_of(given.get("resolutiondate")),
    }
    return _made(
        ISSUES, row, issue, needed=("issue_key", "status"), instants=("created", "updated", "resolution_date")
    )


def change_rows(issue_id: str, history: Mapping[str, Any], fields: Fields) -> list[Made]:
    """A row for each item of a history."""
    items = history.get("items")
    if not isinstance(items, list):
        return [rejected(CHANGES, "missing_field", "the history has no items", history)]
    return [
        _made(
            CHANGES,
            {
                "history_id": text_of(history.get("id")),
                # Keys compare as text: 2 before 10.
                "item_no": f"{number:04}",
                "issue_id": issue_id,
                "author": text_of(inner(history, "author", "accountId")),
                "created": text_of(history.get("created")),
                "field": text_of(item.get("field")),
                "field_id": text_of(item.get("fieldId")),
                "tracked_as": fields.tracked(item),
                "from_value": text_of(item.get("from")),
                "from_string": text_of(item.get("fromString")),
                "to_value": text_of(item.get("to")),
                "to_string": text_of(item.get("toString")),
            },
            history,
            needed=("history_id", "field", "created"),
            instants=("created",),
        )
        for number, item in enumerate((item for item in items if isinstance(item, dict)), start=1)
    ]


def comment_row(issue_id: str, comment: Mapping[str, Any]) -> Made:
    """The row of a comment. One that is shown to a role or group only is as private as an internal one."""
    is_public = comment.get("jsdPublic", True) is True and not comment.get("visibility")
    row = {
        "comment_id": text_of(comment.get("id")),
        "issue_id": issue_id,
        "author": text_of(inner(comment, "author", "accountId")),
        "author_type": text_of(inner(comment, "author", "accountType")),
        "created": text_of(comment.get("created")),
        "updated": text_of(comment.get("updated")),
        "is_public": text_of(is_public),
        "body": json.dumps(comment.get("body"), sort_keys=True, ensure_ascii=False),
    }
    needed = ("comment_id", "created")
    return _made(COMMENTS, row, comment, needed=needed, instants=("created", "updated"))


def sla_rows(issue_id: str, sla: Mapping[str, Any]) -> list[Made]:
    """A row for each cycle of an SLA that Jira Service Management reports of an issue."""
    completed = sla.get("completedCycles")
    cycles = list(completed) if isinstance(completed, list) else []
    if isinstance(sla.get("ongoingCycle"), dict):
        cycles.append(sla["ongoingCycle"])
    return [
        _made(
            SLA_CYCLES,
            {
                "issue_id": issue_id,
                "sla_id": text_of(sla.get("id")),
                "sla_name": text_of(sla.get("name")),
                "cycle_no": str(number),
                "started_ms": text_of(inner(cycle, "startTime", "epochMillis")),
                "stopped_ms": text_of(inner(cycle, "stopTime", "epochMillis")),
                "breach_ms": text_of(inner(cycle, "breachTime", "epochMillis")),
                "is_breached": text_of(cycle.get("breached")),
                "is_paused": text_of(cycle.get("paused")),
                "goal_ms": text_of(inner(cycle, "goalDuration", "millis")),
                "elapsed_ms": text_of(inner(cycle, "elapsedTime", "millis")),
                "remaining_ms": text_of(inner(cycle, "remainingTime", "millis")),
            },
            sla,
            needed=("sla_id", "started_ms"),
            instants=(),
        )
        for number, cycle in enumerate((cycle for cycle in cycles if isinstance(cycle, dict)), start=1)
    ]


def is_number(value: object) -> bool:
    """Whether a value is a text of digits that Postgres can keep as a bigint."""
    return isinstance(value, str) and id_of(value) != ""


def instant_of(text: object) -> datetime | None:
    """An instant as Jira writes it; None for anything else."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = instant.utcoffset()
    is_readable = offset is not None and abs(offset) <= _WIDEST_OFFSET and instant.year in YEARS
    return instant if is_readable else None


def shown_of(value: object) -> str:
    """What a field of any type shows: a user's account, else the name that the changelog would state."""
    if isinstance(value, list):
        return ", ".join(map(shown_of, value))
    if isinstance(value, dict):
        for name in ("accountId", "value", "name", "title", "displayName", "key", "id"):
            if value.get(name):
                return text_of(value[name])
        return ""
    return text_of(value)


def _shown(given: Mapping[str, Any], field_id: str) -> str:
    if field_id == "project":
        return text_of(inner(given, "project", "key"))
    return shown_of(given.get(field_id)) if field_id else ""


def _made(
    table: Table,
    row: Mapping[str, str],
    record: Mapping[str, Any],
    *,
    needed: tuple[str, ...],
    instants: tuple[str, ...],
) -> Made:
    if table is CHANGES and row["history_id"] and not is_number(row["history_id"]):
        return rejected(table, "missing_field", f"history_id is not a number: {row['history_id']!r}", record)
    return made(table, row, record, needed=needed, instants=instants, instant_of=instant_of)
