"""ServiceNow Table API: incidents with their history, releases, their defects, announced and actual outages.

Flow: one walk per table over ``sys_updated_on`` (or ``sys_created_on`` of append-only tables) inside the
window, ordered by that instant and ``sys_id``. Pages are found by instant, not by offset: a record that is
updated while we read leaves the window and would shift every later row over an offset. Each page starts
again at the last instant seen, so rows repeat over page borders and are recognised by their id; an offset
is used only inside one instant that fills more than a page. Every page announces ``X-Total-Count``, the
rows that match its query: the walk ends when that many different ids have been seen, is made again when
rows are short, and fails after :data:`WALKS` walks. ``Link`` headers are not needed and never followed.

Instants are landed as the API gives them: text, UTC, ``YYYY-MM-DD HH:MM:SS``; an unset field is ''.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    System,
    Table,
    Window,
    text_columns,
)
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

PAGE_ROWS = 1000
WALKS = 3
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)


@dataclass(frozen=True)
class _Feed:
    """A table of the API: its raw table, the instant that orders it, and columns that are named otherwise."""

    table: Table
    instant: str
    renamed: Mapping[str, str]
    instants: tuple[str, ...]
    required: tuple[str, ...] = ()
    """Instants besides the ordering one without which a record is nothing."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields to ask for, in the order of the raw columns."""
        return tuple(self.renamed.get(name, name) for name in self.table.column_names)


INCIDENT = _Feed(
    table=Table(
        "incident",
        text_columns(
            "sys_id", "number", "sys_created_on", "sys_updated_on", "opened_at", "state", "hold_reason",
            "priority", "assignment_group", "business_service", "caller_id", "opened_by", "contact_type",
            "short_description", "resolved_at", "closed_at", "close_code", "reopen_count", "sys_mod_count",
        ),
        key=("sys_id",),
        updated="sys_updated_on",
        subject="sys_id",
    ),
    instant="sys_updated_on",
    renamed={},
    instants=("sys_created_on", "sys_updated_on", "opened_at", "resolved_at", "closed_at"),
    required=("opened_at",),
)  # fmt: skip

SYS_AUDIT = _Feed(
    table=Table(
        "sys_audit",
        text_columns(
            "sys_id", "tablename", "documentkey", "fieldname", "oldvalue", "newvalue", "user_name",
            "record_checkpoint", "sys_created_on",
        ),
        key=("sys_id",),
        subject="documentkey",
    ),
    instant="sys_created_on",
    renamed={"user_name": "user"},
    instants=("sys_created_on",),
)  # fmt: skip

SYS_JOURNAL_FIELD = _Feed(
    table=Table(
        "sys_journal_field",
        text_columns("sys_id", "name", "element_id", "element", "value", "sys_created_on", "sys_created_by"),
        key=("sys_id",),
        subject="element_id",
    ),
    instant="sys_created_on",
    renamed={},
    instants=("sys_created_on",),
)

RM_RELEASE = _Feed(
    table=Table(
        "rm_release",
        text_columns(
            "sys_id", "number", "short_description", "business_service", "start_date", "end_date", "approval",
            "state", "work_end", "sys_created_on", "sys_updated_on",
        ),
        key=("sys_id",),
        updated="sys_updated_on",
        subject="sys_id",
    ),
    instant="sys_updated_on",
    renamed={},
    instants=("start_date", "end_date", "work_end", "sys_created_on", "sys_updated_on"),
)  # fmt: skip

CMDB_CI_OUTAGE = _Feed(
    table=Table(
        "cmdb_ci_outage",
        text_columns(
            "sys_id", "number", "cmdb_ci", "business_service", "type", "begin_at", "end_at", "sys_created_on",
            "sys_updated_on",
        ),
        key=("sys_id",),
        updated="sys_updated_on",
        subject="business_service",
    ),
    instant="sys_updated_on",
    renamed={"begin_at": "begin", "end_at": "end"},
    instants=("begin_at", "end_at", "sys_created_on", "sys_updated_on"),
)  # fmt: skip

RM_DEFECT = _Feed(
    table=Table(
        "rm_defect",
        text_columns(
            "sys_id", "number", "release", "priority", "state", "opened_at", "closed_at", "sys_created_on",
            "sys_updated_on",
        ),
        key=("sys_id",),
        updated="sys_updated_on",
        subject="release",
    ),
    instant="sys_updated_on",
    renamed={},
    instants=("opened_at", "closed_at", "sys_created_on", "sys_updated_on"),
)  # fmt: skip

SYS_AUDIT_DELETE = _Feed(
    table=Table(
        "sys_audit_delete",
        text_columns("sys_id", "tablename", "documentkey", "display_value", "sys_created_on", "deleted_by"),
        key=("sys_id",),
        subject="documentkey",
    ),
    instant="sys_created_on",
    renamed={"deleted_by": "user"},
    instants=("sys_created_on",),
)

METRIC_INSTANCE = _Feed(
    table=Table(
        "metric_instance",
        text_columns(
            "sys_id", "definition", "tablename", "documentkey", "field", "value", "started_at", "ended_at",
            "duration", "business_duration", "calculation_complete", "sys_created_on", "sys_updated_on",
        ),
        key=("sys_id",),
        updated="sys_updated_on",
        subject="documentkey",
    ),
    instant="sys_updated_on",
    renamed={"tablename": "table", "documentkey": "id", "started_at": "start", "ended_at": "end"},
    instants=("started_at", "ended_at", "sys_created_on", "sys_updated_on"),
)  # fmt: skip

TASK_SLA = _Feed(
    table=Table(
        "task_sla",
        text_columns(
            "sys_id", "task", "sla", "stage", "has_breached", "started_at", "ended_at", "planned_end_time",
            "pause_duration", "business_duration", "business_percentage", "sys_created_on", "sys_updated_on",
        ),
        key=("sys_id",),
        updated="sys_updated_on",
        subject="task",
    ),
    instant="sys_updated_on",
    renamed={"started_at": "start_time", "ended_at": "end_time"},
    instants=("started_at", "ended_at", "planned_end_time", "sys_created_on", "sys_updated_on"),
)  # fmt: skip

FEEDS = (
    *(INCIDENT, SYS_AUDIT, SYS_JOURNAL_FIELD, RM_RELEASE, CMDB_CI_OUTAGE),
    *(RM_DEFECT, SYS_AUDIT_DELETE, METRIC_INSTANCE, TASK_SLA),
)
#: Tables that an instance may not have or not show to every account: read where the register names them.
OPTIONAL = (RM_DEFECT, SYS_AUDIT_DELETE, METRIC_INSTANCE, TASK_SLA)


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every record of the chosen tables whose instant lies in the window."""
    del landed
    api = VendorApi(source)
    for feed in FEEDS:
        if feed.table.name in source.option("tables"):
            yield from _fetch_feed(api, feed, window)


def _fetch_feed(api: VendorApi, feed: _Feed, window: Window) -> Iterator[Rows | Rejected]:
    records = _walked(api, feed, window)
    values: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    for number, record in enumerate(records, start=1):
        row = _row_of(feed, record)
        if isinstance(row, Rejected):
            yield row
        else:
            values.append(row)
            numbers.append(number)
    yield Rows(feed.table.name, values, numbers)


def _walked(api: VendorApi, feed: _Feed, window: Window) -> list[dict[str, Any]]:
    """All records of the window in order of instant and id; walked again while rows are short."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    shortfall = 0
    for _ in range(WALKS):
        shortfall = _walk(api, feed, window, seen)
        if shortfall <= 0:
            return [seen[key] for key in sorted(seen)]
    message = (
        f"source {api.source.name}: {feed.table.name} announced {shortfall} more records than it gave "
        f"in {window}, in each of {WALKS} walks; nothing was landed"
    )
    raise IncompleteAnswerError(message)


def _walk(api: VendorApi, feed: _Feed, window: Window, seen: dict[tuple[str, str], dict[str, Any]]) -> int:
    """One walk over the window; adds to ``seen`` and returns how many announced records are missing."""
    start = _api_instant(window.start)
    end = _api_instant(window.end + timedelta(microseconds=999_999))
    cursor, offset, announced = start, 0, None
    while True:
        rows, total = _page(api, feed, cursor, end, offset)
        announced = total if announced is None else announced
        last = cursor
        for row in rows:
            instant, sys_id = _text(row.get(feed.instant)), _text(row.get("sys_id"))
            seen[(instant, sys_id)] = row
            if not _INSTANT.fullmatch(instant):
                continue
            if not start <= instant < end:
                message = (
                    f"source {api.source.name}: {feed.table.name} gave a record of {instant} when asked for "
                    f"{start} to {end}; the account's time zone must be GMT and the field readable to it"
                )
                raise IncompleteAnswerError(message)
            last = max(last, instant)
        if not rows or offset + len(rows) >= total:
            reached = sum(1 for instant, _ in seen if not _INSTANT.fullmatch(instant) or instant >= cursor)
            return max(announced - len(seen), total - reached)
        if last > cursor:
            cursor, offset = last, 0
        else:
            offset += len(rows)


def _page(api: VendorApi, feed: _Feed, start: str, end: str, offset: int) -> tuple[list[dict[str, Any]], int]:
    at = feed.instant
    answer = api.get(
        f"api/now/table/{feed.table.name}",
        {
            "sysparm_query": f"{at}>={start}^{at}<{end}^ORDERBY{at}^ORDERBYsys_id",
            "sysparm_fields": ",".join(feed.fields),
            "sysparm_limit": str(PAGE_ROWS),
            "sysparm_offset": str(offset),
            "sysparm_display_value": "false",
            "sysparm_exclude_reference_link": "true",
        },
    )
    label = f"source {api.source.name}: {feed.table.name}"
    rows = answer.body.get("result") if isinstance(answer.body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise IncompleteAnswerError(f"{label} answered without a list of records in `result`")
    announced = answer.headers.get("x-total-count", "")
    if not announced.isdigit():
        message = (
            f"{label} did not announce X-Total-Count, so a short answer could not be told from a full one"
        )
        raise IncompleteAnswerError(message)
    return rows, int(announced)


def _row_of(feed: _Feed, record: dict[str, Any]) -> tuple[str | None, ...] | Rejected:
    values = tuple(_text(record.get(name, "")) for name in feed.fields)
    named = dict(zip(feed.table.column_names, values, strict=True))

    def rejected(code: str, reason: str) -> Rejected:
        return Rejected(feed.table.name, code, reason, json.dumps(record, sort_keys=True, ensure_ascii=False))

    if missing := [name for name in feed.fields if name not in record]:
        return rejected("missing_field", f"the answer has no field {missing[0]}")
    if not named["sys_id"]:
        return rejected("missing_key", "sys_id is empty")
    for name in (feed.instant, *feed.required):
        if not named[name]:
            return rejected("missing_instant", f"{name} is empty")
    for name in feed.instants:
        if named[name] and not _is_instant(named[name]):
            return rejected("bad_instant", f"{name} is not YYYY-MM-DD HH:MM:SS: {named[name]!r}")
    return values


def _is_instant(text: str) -> bool:
    if not _INSTANT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _text(value: object) -> str:
    """A field as text: a reference that came with its link is its value, null is ''."""
    if isinstance(value, dict):
        value = value.get("value", "")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _api_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _table_names(value: object) -> tuple[str, ...]:
    known = tuple(feed.table.name for feed in FEEDS)
    if value is None:
        return tuple(feed.table.name for feed in FEEDS if feed not in OPTIONAL)
    if not isinstance(value, list) or not value or not set(value) <= set(known):
        raise ValueError(f"must be a list of some of {', '.join(known)}")
    return tuple(value)


SYSTEM = System(
    name="servicenow",
    tables=tuple(feed.table for feed in FEEDS),
    fetch=fetch,
    overlap=timedelta(hours=2),
    reads="http",
    options={"tables": Option(check=_table_names)},
)
