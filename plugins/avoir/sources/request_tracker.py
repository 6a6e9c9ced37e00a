"""Request Tracker 5 over REST 2: tickets, and the transactions that made them what they are.

Flow: tickets updated, and transactions made, since the window's start are walked by id: each page asks
for the ids above the last one seen. A walk by page number loses the rows that move while it is on its
way; ids never move, and nothing leaves a stretch that has no upper end. What lies after the window's end
is left for the next.

A page holds 100 rows at most, whatever is asked for. Tickets announce how many match in all: a page that
is shorter, or holds rows it was not asked for, fails the load. Of transactions most accounts are not told
that: they are walked until a page is empty, and until two walks agree. RT reads a date on the account's
clock and may answer a date it does not understand with nothing or with everything: whether it understands
is asked first, the start is moved back by more than any zone is wide, and every row is held against the
window here.

Values are landed as RT gives them: numbers are text, and an instant that is not set is
1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from avoir.sources.model import Landed, Rejected, Rows, SourceConnection, System, Table, Window, text_columns
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

#: RT gives no more, whatever is asked for.
PAGE_ROWS = 100
WALKS = 3
#: No clock on earth is further from UTC.
_WIDEST_ZONE = timedelta(hours=14)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
#: Digits that Postgres can keep as a bigint.
_ID = re.compile(r"\d{1,18}", re.ASCII)
#: Transactions that a clock may look at; others tell of mail, links and times.
TYPES = ("Create", "Status", "Set", "Correspond", "Comment")
_ANY_TYPE = " OR ".join(f"Type = '{name}'" for name in TYPES)

TICKETS = Table(
    "tickets",
    text_columns(
        "ticket_id", "subject", "queue_id", "queue", "status", "priority", "owner", "requestors", "created",
        "last_updated", "resolved",
    ),
    key=("ticket_id",),
    updated="last_updated",
    subject="ticket_id",
)  # fmt: skip

TRANSACTIONS = Table(
    "transactions",
    # The names of queues stand beside their ids: RT tells a move by ids alone.
    text_columns(
        "transaction_id", "ticket_id", "type", "field", "old_value", "new_value", "old_queue", "new_queue",
        "creator", "created",
    ),
    key=("transaction_id",),
    subject="ticket_id",
)  # fmt: skip


@dataclass(frozen=True)
class _Feed:
    """A list of the API: its path, fields to ask for, the instant that places a row, what else must hold."""

    path: str
    fields: tuple[str, ...]
    expanded: Mapping[str, str]
    instant: str
    condition: str
    #: Whether every account is told how many rows match; of transactions only one that may do anything.
    announces: bool


_TICKET_FEED = _Feed(
    path="tickets",
    fields=(
        "Subject", "Queue", "Status", "Priority", "Owner", "Requestor", "Created", "LastUpdated", "Resolved",
    ),
    expanded={"fields[Queue]": "Name"},
    instant="LastUpdated",
    condition="",
    announces=True,
)  # fmt: skip

_TRANSACTION_FEED = _Feed(
    path="transactions",
    fields=("ObjectType", "ObjectId", "Type", "Field", "OldValue", "NewValue", "Creator", "Created"),
    expanded={},
    instant="Created",
    condition=f" AND ObjectType = 'RT::Ticket' AND ({_ANY_TYPE})",
    announces=False,
)


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every ticket that was updated in the window, and every transaction made in it.

    Raises:
        IncompleteAnswerError: a page is short, RT does not understand the window, or the account may not see
            all transactions of the tickets it sees.
    """
    del landed
    api = VendorApi(source)
    _must_understand_dates(api)
    queues = _queue_names(api)
    yield from _rows(TICKETS, [_ticket(record) for record in _walked(api, _TICKET_FEED, window)])
    transactions = _walked(api, _TRANSACTION_FEED, window)
    yield from _rows(TRANSACTIONS, [_transaction(record, queues) for record in transactions])


def _rows(table: Table, made: list[tuple[str, ...] | Rejected]) -> Iterator[Rows | Rejected]:
    yield from (row for row in made if isinstance(row, Rejected))
    numbered = [(number, row) for number, row in enumerate(made, start=1) if not isinstance(row, Rejected)]
    yield Rows(table.name, [row for _, row in numbered], [number for number, _ in numbered])


def _walked(api: VendorApi, feed: _Feed, window: Window) -> list[dict[str, Any]]:
    """All rows of the window by id; walked again while rows are short."""
    start = f"{window.start - _WIDEST_ZONE:%Y-%m-%d %H:%M:%S}"
    condition = f"{feed.instant} >= '{start}'{feed.condition}"
    seen: dict[int, dict[str, Any]] = {}
    shortfall = 0
    for _ in range(WALKS):
        shortfall = _walk(api, feed, condition, seen)
        if shortfall <= 0:
            return [seen[key] for key in sorted(seen) if _is_within(api, feed, seen[key], window)]
    raise IncompleteAnswerError(
        f"source {api.source.name}: {feed.path} were short of {shortfall} rows in {window}, "
        f"in each of {WALKS} walks; nothing was landed"
    )


def _walk(api: VendorApi, feed: _Feed, condition: str, seen: dict[int, dict[str, Any]]) -> int:
    """One walk by id; adds to ``seen`` and returns how many rows are known to be missing.

    Where no total is announced, as many as the walk before did not show: two walks must agree.
    """
    before, reached = len(seen), max(seen, default=None)
    last, announced = 0, None
    while True:
        items, total = _page(api, feed, f"id > {last} AND {condition}")
        announced = total if announced is None else announced
        for item in items:
            if int(item["id"]) <= last:
                raise IncompleteAnswerError(
                    f"source {api.source.name}: {feed.path} gave {item['id']}, asked for what follows {last}"
                )
        if total is not None and len(items) < min(total, PAGE_ROWS):
            raise IncompleteAnswerError(
                f"source {api.source.name}: {feed.path} announced {total} rows, a page gave {len(items)}; "
                "the account must be allowed to see all of them"
            )
        seen |= {int(item["id"]): item for item in items}
        if not items:
            break
        last = max(int(item["id"]) for item in items)
    if announced is not None:
        return announced - len(seen)
    if reached is None:
        return max(1, len(seen))
    return sum(1 for key in seen if key <= reached) - before


def _page(
    api: VendorApi, feed: _Feed, query: str, *, rows: int | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    answer = api.get(
        f"REST/2.0/{feed.path}",
        {
            "query": query,
            "orderby": "id",
            "order": "ASC",
            "per_page": str(rows or PAGE_ROWS),
            "fields": ",".join(feed.fields),
            **feed.expanded,
        },
    )
    items, total = _items(api, feed.path, answer.body)
    if total is None and feed.announces:
        raise IncompleteAnswerError(
            f"source {api.source.name}: {feed.path} did not announce their `total`: a short answer could not "
            "be told from a full one; the account must be allowed to see all that it searches"
        )
    return items, total


def _items(api: VendorApi, path: str, body: object) -> tuple[list[dict[str, Any]], int | None]:
    label = f"source {api.source.name}: {path}"
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and _ID.fullmatch(str(item.get("id", ""))) for item in items
    ):
        raise IncompleteAnswerError(f"{label} answered without a list of `items` with their ids")
    total = body.get("total") if isinstance(body, dict) else None
    if total is not None and not isinstance(total, int):
        raise IncompleteAnswerError(f"{label} announced {total!r} as their `total`")
    return items, total


def _must_understand_dates(api: VendorApi) -> None:
    """Every ticket was updated after 1971: a literal that finds fewer was not understood."""
    _, all_tickets = _page(api, _TICKET_FEED, "id > 0", rows=1)
    _, dated = _page(api, _TICKET_FEED, "id > 0 AND LastUpdated >= '1971-01-01 00:00:00'", rows=1)
    if (dated or 0) < (all_tickets or 0):
        raise IncompleteAnswerError(
            f"source {api.source.name}: of {all_tickets} tickets {dated} are said to be updated since 1971; "
            "RT does not read dates as YYYY-MM-DD HH:MM:SS"
        )


def _is_within(api: VendorApi, feed: _Feed, item: Mapping[str, Any], window: Window) -> bool:
    text = _text(item.get(feed.instant))
    if not _is_instant(text):
        return True  # rejected with its reason when its row is made
    instant = datetime.fromisoformat(text)
    if instant < window.start - 2 * _WIDEST_ZONE:
        raise IncompleteAnswerError(
            f"source {api.source.name}: {feed.path} gave {item['id']} of {text} when asked for {window}; "
            "RT did not understand the date"
        )
    return instant in window


def _queue_names(api: VendorApi) -> dict[str, str]:
    names: dict[str, str] = {}
    page = 1
    while True:
        parameters = {
            "fields": "Name",
            "per_page": str(PAGE_ROWS),
            "page": str(page),
            "find_disabled_rows": "1",
        }
        items, total = _items(
            api, "queues", api.get("REST/2.0/queues/all", {**parameters, "orderby": "id"}).body
        )
        known = len(names)
        names |= {str(item["id"]): _text(item.get("Name")) for item in items}
        if len(names) == total or (total is None and len(names) == known):
            return names
        if len(names) == known:
            raise IncompleteAnswerError(
                f"source {api.source.name}: {total} queues were announced and {known} given"
            )
        page += 1


def _ticket(record: Mapping[str, Any]) -> tuple[str, ...] | Rejected:
    queue = record.get("Queue")
    requestors = record.get("Requestor")
    row = {
        "ticket_id": str(record["id"]),
        "subject": _text(record.get("Subject")),
        "queue_id": _text(queue),
        "queue": _text(queue.get("Name")) if isinstance(queue, dict) else "",
        "status": _text(record.get("Status")),
        "priority": _text(record.get("Priority")),
        "owner": _text(record.get("Owner")),
        "requestors": "|".join(_text(one) for one in requestors) if isinstance(requestors, list) else "",
        "created": _text(record.get("Created")),
        "last_updated": _text(record.get("LastUpdated")),
        "resolved": _text(record.get("Resolved")),
    }
    return _checked(
        TICKETS, row, record, needed=("queue", "status", "created", "last_updated"),
        instants=("created", "last_updated", "resolved"),
    )  # fmt: skip


def _transaction(record: Mapping[str, Any], queues: Mapping[str, str]) -> tuple[str, ...] | Rejected:
    row = {
        "transaction_id": str(record["id"]),
        "ticket_id": _text(record.get("ObjectId")),
        "type": _text(record.get("Type")),
        "field": _text(record.get("Field")),
        "old_value": _text(record.get("OldValue")),
        "new_value": _text(record.get("NewValue")),
        "old_queue": "",
        "new_queue": "",
        "creator": _text(record.get("Creator")),
        "created": _text(record.get("Created")),
    }
    if row["field"] == "Queue":
        # A queue that the account may not see keeps its number.
        row["old_queue"] = queues.get(row["old_value"], row["old_value"])
        row["new_queue"] = queues.get(row["new_value"], row["new_value"])
    needed = ("ticket_id", "type", "created")
    return _checked(TRANSACTIONS, row, record, needed=needed, instants=("created",))


def _checked(
    table: Table,
    row: Mapping[str, str],
    record: Mapping[str, Any],
    *,
    needed: tuple[str, ...],
    instants: tuple[str, ...],
) -> tuple[str, ...] | Rejected:
    def rejected(code: str, reason: str) -> Rejected:
        return Rejected(table.name, code, reason, json.dumps(record, sort_keys=True, ensure_ascii=False))

    for name in needed:
        if not row[name]:
            return rejected("missing_field", f"{name} is empty")
    for name in instants:
        if row[name] and not _is_instant(row[name]):
            return rejected("bad_instant", f"{name} is not YYYY-MM-DDTHH:MM:SSZ: {row[name]!r}")
    return tuple(row[name] for name in table.column_names)


def _is_instant(text: str) -> bool:
    if not _INSTANT.fullmatch(text):
        return False
    try:
        return datetime.fromisoformat(text).tzinfo == UTC
    except ValueError:
        return False


def _text(value: object) -> str:
    """A field as text: of another record its id, of nothing ''."""
    if isinstance(value, dict):
        value = value.get("id", "")
    return "" if value is None else str(value)


SYSTEM = System(
    name="request_tracker",
    tables=(TICKETS, TRANSACTIONS),
    fetch=fetch,
    # A transaction is dated when it begins and seen when it is committed.
    overlap=timedelta(hours=2),
    reads="http",
)
