"""What GitLab and GitHub share: milestones that have a date, and releases that deliver them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from avoir.sources.model import Landed, Rejected, Rows, SourceConnection, Table, Window
from avoir.sources.observing import Observation, Record, is_date, is_instant, observation_table

MILESTONES = observation_table(
    "milestones",
    (
        "milestone_id", "number", "project", "title", "state", "start_date", "due_date", "created_at",
        "updated_at", "closed_at", "delivered_by", "delivered_at", "approved_dates", "source_timezone",
    ),
    key=("milestone_id",),
    subject="milestone_id",
)  # fmt: skip

RELEASES = observation_table(
    "releases",
    (
        "project", "release_id", "tag_name", "name", "is_draft", "is_prerelease", "created_at", "released_at",
        "milestones",
    ),
    key=("project", "release_id"),
    subject="release_id",
)  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """A release that may deliver a milestone: its tag, and the instant that counts, with its zone."""

    tag: str
    at: datetime


@dataclass
class Found:
    """Records of one table as they are made: those that can be read, those that cannot, and their keys."""

    table: Table
    #: Whether all records of the table may be gone; else that is what lost rights look like.
    may_be_empty: bool = False
    records: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unread: list[tuple[str, ...]] = field(default_factory=list)

    def add(
        self,
        record: Record,
        given: Mapping[str, Any],
        *,
        needed: Sequence[str],
        instants: Sequence[str],
        dates: Sequence[str] = (),
    ) -> None:
        """Take a record, or reject it when a field is empty or not what it must be."""
        problem = _problem(record, needed, instants, dates)
        if problem is None:
            self.records.append(record)
            return
        # With its key, by which a later load that lands the record makes it good.
        keyed = {**given, **{name: record[name] for name in self.table.key}}
        payload = json.dumps(keyed, sort_keys=True, ensure_ascii=False)
        self.rejected.append(Rejected(self.table.name, *problem, payload))
        self.unread.append(tuple(record[name] for name in self.table.key))

    def landed_in(self, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        """The rejections, and what was not seen before."""
        yield from self.rejected
        observation = Observation(self.table, self.records, self.unread, may_be_empty=self.may_be_empty)
        yield observation.rows(window, landed)


def delivered(deliveries: Sequence[Delivery], window: Window) -> dict[str, str]:
    """The columns of a milestone that say by what and when it was delivered, as of the window's end."""
    past = [one for one in deliveries if one.at < window.end]
    if not past:
        return {"delivered_by": "", "delivered_at": ""}
    first = min(past, key=lambda one: (one.at, one.tag))
    return {"delivered_by": first.tag, "delivered_at": first.at.isoformat()}


def declared(source: SourceConnection) -> dict[str, str]:
    """The columns of a milestone that its connection declares."""
    return {
        "approved_dates": source.option("approved_dates"),
        "source_timezone": source.option("timezone"),
    }


def existed(record: Record, window: Window) -> bool:
    """Whether a record was made before the window's end, as far as it says when."""
    return not is_instant(record["created_at"]) or datetime.fromisoformat(record["created_at"]) < window.end


def text(value: object) -> str:
    """A field as text: null is ''."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def project_names(value: object, shape: Any, example: str) -> tuple[str, ...]:
    """An option that lists projects, each as ``shape`` wants it."""
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError(f"must be a list of projects such as {example}, got {value!r}")
    for one in value:
        if not shape.fullmatch(one):
            raise ValueError(f"is not a project such as {example}: {one!r}")
    if len(set(value)) != len(value):
        raise ValueError("names a project twice")
    return tuple(value)


def _problem(
    record: Record, needed: Sequence[str], instants: Sequence[str], dates: Sequence[str]
) -> tuple[str, str] | None:
    for name in needed:
        if not record[name]:
            return "missing_field", f"{name} is empty"
    for name in instants:
        if record[name] and not is_instant(record[name]):
            return "bad_instant", f"{name} is not an instant with its zone: {record[name]!r}"
    for name in dates:
        if record[name] and not is_date(record[name]):
            return "bad_date", f"{name} is not YYYY-MM-DD: {record[name]!r}"
    return None
