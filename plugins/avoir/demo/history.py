"""How ServiceNow keeps history: a row that knows only its current state, and change rows beside it.

A record is told as its first state and a list of timed steps. ``replay`` turns that into what the Table
API would show at an instant: the record's row, its ``sys_audit`` rows and its ``sys_journal_field`` rows.
Nothing after the instant leaves a trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from avoir.demo.months import as_servicenow

Row = dict[str, str]


@dataclass(frozen=True)
class Change:
    """Fields set together in one update, so with one record checkpoint."""

    at: int
    user: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Note:
    """A journal entry: ``comments`` are public, ``work_notes`` are private."""

    at: int
    user: str
    element: str
    text: str


Step = Change | Note


@dataclass
class Tables:
    """What one vendor's ServiceNow holds, by table."""

    incident: list[Row] = field(default_factory=list)
    sys_audit: list[Row] = field(default_factory=list)
    sys_journal_field: list[Row] = field(default_factory=list)
    rm_release: list[Row] = field(default_factory=list)
    cmdb_ci_outage: list[Row] = field(default_factory=list)
    rm_defect: list[Row] = field(default_factory=list)

    def as_dict(self) -> dict[str, list[Row]]:
        """Every table in the order that a reader by instant expects."""
        by_update = ("incident", "rm_release", "cmdb_ci_outage", "rm_defect")
        by_creation = ("sys_audit", "sys_journal_field")
        return {
            **{name: sorted(getattr(self, name), key=_updated) for name in by_update},
            **{name: sorted(getattr(self, name), key=_created) for name in by_creation},
        }


def _updated(row: Row) -> tuple[str, str]:
    return row["sys_updated_on"], row["sys_id"]


def _created(row: Row) -> tuple[str, str]:
    return row["sys_created_on"], row["sys_id"]


def sys_id(*parts: object) -> str:
    """32 hexadecimal digits that depend only on the parts."""
    return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def replay(
    tables: Tables, table: str, first_state: Row, created: int, user: str, steps: Sequence[Step], as_of: int
) -> None:
    """Add a record and its history up to ``as_of`` (inclusive); a record created later is not added.

    Steps of the same second keep their order. ``sys_mod_count`` counts updates, and an audit row's
    ``record_checkpoint`` is the count that its update led to: that orders ties, where instants cannot.
    """
    if created > as_of:
        return
    row: Row = {
        **first_state,
        "sys_created_on": as_servicenow(created),
        "sys_created_by": user,
        "sys_updated_on": as_servicenow(created),
        "sys_updated_by": user,
    }
    checkpoint = 0
    record_id = row["sys_id"]
    for number, step in enumerate(sorted(steps, key=lambda step: step.at)):
        if step.at > as_of:
            break
        if step.at < created:
            msg = f"{table} {record_id}: a step lies before the record's creation"
            raise ValueError(msg)
        checkpoint += 1
        at = as_servicenow(step.at)
        if isinstance(step, Note):
            tables.sys_journal_field.append(
                {
                    "sys_id": sys_id(record_id, "journal", number),
                    "name": table,
                    "element_id": record_id,
                    "element": step.element,
                    "value": step.text,
                    "sys_created_on": at,
                    "sys_created_by": step.user,
                }
            )
        else:
            for name, value in step.fields.items():
                if row[name] == value:
                    continue
                tables.sys_audit.append(
                    {
                        "sys_id": sys_id(record_id, "audit", number, name),
                        "tablename": table,
                        "documentkey": record_id,
                        "fieldname": name,
                        "oldvalue": row[name],
                        "newvalue": value,
                        "user": step.user,
                        "record_checkpoint": str(checkpoint),
                        "sys_created_on": at,
                    }
                )
                row[name] = value
        row["sys_updated_on"] = at
        row["sys_updated_by"] = step.user
    row["sys_mod_count"] = str(checkpoint)
    getattr(tables, table).append(row)
