"""Asana's records as raw rows: one task, one story of it.

Each maker gives ``(table, values)``, or a rejection with its reason code:

==================  ==========================================================================
``missing_field``   the record lacks a field that it must have
``bad_instant``     an instant in another form than ``2026-03-02T10:15:30.123Z``
==================  ==========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avoir.sources.model import Column, SourceConfigurationError, SourceConnection, Table, text_columns
from avoir.sources.record_making import Made, id_of, inner, made, text_of, utc_instant_of

#: A custom field: its number.
CUSTOM_FIELD = re.compile(r"\d{1,18}", re.ASCII)
COMPLETION, SECTION, ASSIGNEE = "completion", "section", "assignee"
#: How a task that is done, and one that is not, are told.
DONE, OPEN = "completed", "open"
TASK_FIELDS = (
    "gid", "name", "created_at", "modified_at", "completed", "completed_at", "created_by", "assignee",
    "memberships.project", "memberships.section.name", "custom_fields.display_value", "resource_subtype",
)  # fmt: skip
STORY_FIELDS = (
    "gid", "created_at", "created_by", "type", "resource_subtype", "text", "source", "assignee", "project",
    "old_section.name", "new_section.name", "custom_field", "old_enum_value.name", "new_enum_value.name",
    "old_text_value", "new_text_value", "old_number_value", "new_number_value",
)  # fmt: skip

TASKS = Table(
    "tasks",
    text_columns(
        "task_id", "name", "project_id", "service", "state", "hold_reason", "priority", "team", "section",
        "completed", "created_by", "created_at", "modified_at", "completed_at",
    ),
    key=("task_id",),
    updated="modified_at",
    subject="task_id",
)  # fmt: skip

STORIES = Table(
    "stories",
    (
        *text_columns(
            "story_id", "task_id", "type", "resource_subtype", "tracked_as", "custom_field_id", "created_by",
            "source", "text", "created_at",
        ),
        # A section or an option that is renamed makes no other story of an old one.
        Column("old_value", hashed=False),
        Column("new_value", hashed=False),
    ),
    key=("story_id",),
    subject="task_id",
)  # fmt: skip

TASK_DELETIONS = Table(
    "task_deletions",
    (Column("task_id"), Column("noticed_at", hashed=False)),
    key=("task_id",),
    subject="task_id",
)

TABLES = (TASKS, STORIES, TASK_DELETIONS)


@dataclass(frozen=True)
class Fields:
    """Where an instance keeps what clocks look at: words of ours, numbers of custom fields, '' for none.

    ``projects`` are names by number, in the order in which a task is looked for.
    """

    service: str
    state: str
    hold: str
    priority: str
    team: str
    projects: Mapping[str, str]

    @classmethod
    def of(cls, source: SourceConnection, projects: Mapping[str, str]) -> Fields:
        """As the connection's options say.

        Raises:
            SourceConfigurationError: one place is said to hold two things.
        """
        names = ("service", "state", "hold", "priority", "team")
        places = {name: source.option(f"{name}_field") for name in names}
        told = [place for name, place in places.items() if place and name != "service"]
        if len(set(told)) < len(told):
            raise SourceConfigurationError(
                f"source {source.name}: state_field, hold_field, priority_field and team_field must each be "
                "another place"
            )
        return cls(projects=projects, **places)

    def tracked(self, place: str) -> str:
        """What of a task a place of a value is, as clocks name it; '' for what none looks at."""
        if not place:
            return ""
        return {
            self.hold: "hold_reason", self.priority: "priority", self.team: "assignment_group",
            self.state: "state",
        }.get(place, "")  # fmt: skip


def home_of(task: Mapping[str, Any], fields: Fields) -> tuple[str, str]:
    """The first of the projects that holds a task, and the section it is in there."""
    memberships = task.get("memberships")
    held = {
        text_of(inner(one, "project", "gid")): text_of(inner(one, "section", "name"))
        for one in (memberships if isinstance(memberships, list) else ())
        if isinstance(one, dict)
    }
    return next(((project, held[project]) for project in fields.projects if project in held), ("", ""))


def task_row(task: Mapping[str, Any], fields: Fields) -> Made:
    """The row of a task."""
    project, section = home_of(task, fields)
    values = {
        COMPLETION: DONE if task.get("completed") is True else OPEN,
        SECTION: section,
        ASSIGNEE: text_of(inner(task, "assignee", "gid")),
        "": "",
    }

    def value_of(place: str) -> str:
        return values[place] if place in values else _custom_value(task, place)

    row = {
        "task_id": id_of(task.get("gid")),
        "name": text_of(task.get("name")),
        "project_id": project,
        "service": _custom_value(task, fields.service)
        if fields.service
        else fields.projects.get(project, ""),
        "state": value_of(fields.state),
        "hold_reason": value_of(fields.hold),
        "priority": value_of(fields.priority),
        "team": value_of(fields.team),
        "section": section,
        "completed": text_of(task.get("completed")),
        "created_by": text_of(inner(task, "created_by", "gid")),
        "created_at": text_of(task.get("created_at")),
        "modified_at": text_of(task.get("modified_at")),
        "completed_at": text_of(task.get("completed_at")),
    }
    needed = ("task_id", "project_id", "completed", "created_at", "modified_at")
    return made(TASKS, row, task, needed=needed, instants=("created_at", "modified_at", "completed_at"))


def story_rows(
    task: Mapping[str, Any], stories: Sequence[Mapping[str, Any]], fields: Fields
) -> Iterator[Made]:
    """A row for each story of a task, the oldest first; Asana does not say whose a task was before."""
    project, _ = home_of(task, fields)
    held = ""
    for story in sorted(stories, key=_order):
        kind = text_of(story.get("resource_subtype"))
        place, old, new = "", "", ""
        if kind in ("marked_complete", "marked_incomplete"):
            place, old, new = COMPLETION, DONE, OPEN
            if kind == "marked_complete":
                old, new = new, old
        elif kind in ("assigned", "unassigned"):
            place, old = ASSIGNEE, held
            new = held = text_of(inner(story, "assignee", "gid")) if kind == "assigned" else ""
        elif kind == "section_changed" and text_of(inner(story, "project", "gid")) in ("", project):
            place = SECTION
            old, new = (text_of(inner(story, f"{when}_section", "name")) for when in ("old", "new"))
        elif kind.endswith("_custom_field_changed"):
            place = text_of(inner(story, "custom_field", "gid"))
            old, new = (_changed_value(story, when) for when in ("old", "new"))
        row = {
            "story_id": id_of(story.get("gid")),
            "task_id": id_of(task.get("gid")),
            "type": text_of(story.get("type")),
            "resource_subtype": kind,
            "tracked_as": fields.tracked(place),
            "custom_field_id": text_of(inner(story, "custom_field", "gid")),
            "created_by": text_of(inner(story, "created_by", "gid")),
            "source": text_of(story.get("source")),
            "text": text_of(story.get("text")),
            "created_at": text_of(story.get("created_at")),
            "old_value": old,
            "new_value": new,
        }
        needed = ("story_id", "type", "resource_subtype", "created_at")
        yield made(STORIES, row, story, needed=needed, instants=("created_at",))


def _order(story: Mapping[str, Any]) -> tuple[str, int]:
    instant = utc_instant_of(story.get("created_at"))
    return instant.isoformat() if instant else "", int(id_of(story.get("gid")) or 0)


def _changed_value(story: Mapping[str, Any], when: str) -> str:
    """The value before or after a change of a custom field, whatever its type."""
    option = text_of(inner(story, f"{when}_enum_value", "name"))
    return option or next(
        (
            text_of(story[name])
            for kind in ("text", "number")
            if story.get(name := f"{when}_{kind}_value") is not None
        ),
        "",
    )


def _custom_value(task: Mapping[str, Any], field_id: str) -> str:
    found = task.get("custom_fields")
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and text_of(one.get("gid")) == field_id:
            return text_of(one.get("display_value"))
    return ""
