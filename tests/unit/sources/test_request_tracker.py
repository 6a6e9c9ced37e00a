"""Request Tracker 5, a real one: nothing is lost while tickets are updated under the walk."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
import requests

from avoir.sources import request_tracker
from avoir.sources.model import NothingLanded, Rejected, Rows, Window
from avoir.sources.request_tracker import PAGE_ROWS, SYSTEM, fetch
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from tests.vendors.faults import Passed, proxy_to
from tests.vendors.request_tracker import READER, RequestTracker, running_request_tracker
from tests.vendors.serving import Reply, Request, connection_to, serving

SEEDED = 365
FIRST = datetime(2026, 2, 1, tzinfo=UTC)
YEARS = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC))
Tables = dict[str, list[dict[str, str]]]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)


@pytest.fixture(scope="module")
def rt() -> Iterator[RequestTracker]:
    # Its own zone is not UTC: what it says must not depend on it.
    with running_request_tracker("America/New_York") as running:
        running.seed(SEEDED, FIRST, 600)
        yield running


def read(url: str, *, window: Window = YEARS, username: str = READER[0]) -> Tables:
    """Everything a load of one window gives, by table and column name."""
    tables: Tables = defaultdict(list)
    for item in fetch(connection_to(url, "request_tracker", username=username), window, NothingLanded()):
        assert isinstance(item, Rows), item
        names = SYSTEM.table(item.table).column_names
        tables[item.table] += [dict(zip(names, row, strict=True)) for row in item.values]
    return tables


def every(rt: RequestTracker, table: str) -> set[str]:
    where = {
        "Tickets": "1 = 1",
        "Transactions": f"ObjectType = 'RT::Ticket' and Type in {request_tracker.TYPES}",
    }
    return {str(key) for (key,) in rt.sql(f"select id from {table} where {where[table]}")}


def test_all_tickets_and_transactions_are_read(rt: RequestTracker) -> None:
    tables = read(rt.url)
    assert {row["ticket_id"] for row in tables["tickets"]} == every(rt, "Tickets")
    assert {row["transaction_id"] for row in tables["transactions"]} == every(rt, "Transactions")
    assert len(tables["tickets"]) >= SEEDED


def plain_page_walk(url: str) -> set[str]:
    """What anybody would write first: pages by number, in the order of the last update."""
    found: set[str] = set()
    page, pages = 1, 1
    while page <= pages:
        parameters: dict[str, str | int] = {
            "query": "LastUpdated >= '2025-01-01 00:00:00'",
            "orderby": "LastUpdated",
            "per_page": PAGE_ROWS,
            "page": page,
        }
        body = requests.get(f"{url}/REST/2.0/tickets", params=parameters, auth=READER, timeout=60).json()
        found |= {str(item["id"]) for item in body["items"]}
        pages = body["pages"]
        page += 1
    return found


def test_no_ticket_is_lost_while_tickets_are_updated_and_a_plain_walk_loses_some(rt: RequestTracker) -> None:
    oldest = [str(key) for (key,) in rt.sql("select id from Tickets order by LastUpdated limit 100")]
    upcoming = iter(oldest)
    updates: list[str] = []

    def update_some(number: int, passed: Passed) -> None:
        if "/tickets" in passed.request.path and "query" in passed.request.parameters:
            for ticket in islice(upcoming, 4):
                rt.change(ticket, Subject=f"updated after request {number}")
                updates.append(ticket)

    with proxy_to(rt.url) as proxy:
        proxy.spoil = update_some
        lost = every(rt, "Tickets") - plain_page_walk(proxy.url)
        plain_updates = len(updates)
        ours = read(proxy.url)
    assert plain_updates >= 12
    assert len(lost) >= 4, "the plain walk lost nothing, so this test shows nothing"
    assert len(updates) > plain_updates
    assert {row["ticket_id"] for row in ours["tickets"]} == every(rt, "Tickets")
    # Transactions made while we read are read as far as they were made before their walk.
    assert len(ours["transactions"]) >= SEEDED


def test_what_happens_to_a_ticket_is_told_in_names(rt: RequestTracker) -> None:
    ticket = rt.open("Support", Priority=10)
    rt.change(ticket, Status="stalled", Queue="Network", Priority=50)
    rt.say(ticket, "comment")
    rt.say(ticket, "correspond")
    tables = read(rt.url)
    (row,) = (one for one in tables["tickets"] if one["ticket_id"] == ticket)
    assert (row["queue"], row["requestors"], row["resolved"]) == ("Network", "ann", "1970-01-01T00:00:00Z")
    assert (row["status"], row["priority"]) == ("stalled", "50")
    told = [
        (t["type"], t["field"], t["old_queue"] or t["old_value"], t["new_queue"] or t["new_value"])
        for t in tables["transactions"]
        if t["ticket_id"] == ticket
    ]
    assert sorted(told) == [
        ("Comment", "", "", ""),
        ("Correspond", "", "", ""),
        ("Create", "", "", ""),
        ("Set", "Priority", "10", "50"),
        ("Set", "Queue", "Support", "Network"),
        ("Status", "Status", "new", "stalled"),
    ]


def test_a_ticket_that_is_deleted_leaves_the_search_and_its_transactions_say_so(rt: RequestTracker) -> None:
    gone, other = rt.open(), rt.open()
    rt.change(gone, Status="deleted")
    tables = read(rt.url)
    tickets = {row["ticket_id"] for row in tables["tickets"]}
    assert other in tickets
    assert gone not in tickets
    told = [
        row["new_value"] for row in tables["transactions"] if row["ticket_id"] == gone and row["new_value"]
    ]
    assert told == ["deleted"]
    rt.change(gone, Status="new")


def test_a_window_is_half_open_whatever_the_servers_zone(rt: RequestTracker) -> None:
    window = Window(FIRST + timedelta(minutes=100), FIRST + timedelta(minutes=200))
    tables = read(rt.url, window=window)
    created = sorted(row["created"] for row in tables["transactions"])
    assert created[0] == "2026-02-01T01:40:00Z"
    assert created[-1] == "2026-02-01T03:10:00Z"
    assert len(created) == 10


def test_a_window_in_which_nothing_happened_is_empty(rt: RequestTracker) -> None:
    before = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    assert read(rt.url, window=before) == {"tickets": [], "transactions": []}


def test_a_wrong_key_is_refused(rt: RequestTracker) -> None:
    with pytest.raises(AccessDeniedError, match="VENDOR_SECRET") as caught:
        read(rt.url, username="nobody")
    assert "s3cret" not in str(caught.value)


def test_an_account_that_may_not_see_comments_reads_all_else(rt: RequestTracker) -> None:
    ticket = rt.open()
    rt.say(ticket, "comment")
    rt.say(ticket, "correspond")
    kinds = [t["type"] for t in read(rt.url, username="half")["transactions"] if t["ticket_id"] == ticket]
    assert sorted(kinds) == ["Correspond", "Create", "Status"]


@pytest.mark.parametrize(
    ("path", "spoiled", "message"),
    [
        ("tickets", "no_total", "did not announce their `total`"),
        ("tickets", "short", "announced .* rows, a page gave 99"),
        ("tickets", "twice", "asked for what follows"),
        ("transactions", "twice", "asked for what follows"),
        ("transactions", "no_items", "without a list of `items`"),
        ("transactions", "text", "without a list of `items` with their ids"),
    ],
)
def test_a_page_that_is_not_what_was_asked_for_fails_the_load(
    rt: RequestTracker, path: str, spoiled: str, message: str
) -> None:
    pages: list[bytes] = []

    def spoil(number: int, passed: Passed) -> None:
        if not passed.request.path.endswith(f"/{path}") or passed.request.parameters["per_page"] == "1":
            return
        body = json.loads(passed.body)
        pages.append(passed.body)
        if spoiled == "no_total":
            body["total"] = None
        elif spoiled == "short":
            del body["items"][7]
        elif spoiled == "no_items":
            del body["items"]
        elif spoiled == "text":
            body["items"][3]["id"] = "RT::Ticket-7"
        passed.body = pages[0] if spoiled == "twice" else json.dumps(body).encode()

    with proxy_to(rt.url) as proxy:
        proxy.spoil = spoil
        with pytest.raises(IncompleteAnswerError, match=message):
            read(proxy.url)


def test_a_transaction_that_one_walk_left_out_is_found_by_the_next(rt: RequestTracker) -> None:
    left_out: list[str] = []

    def spoil(number: int, passed: Passed) -> None:
        if passed.request.path.endswith("/transactions") and not left_out:
            body = json.loads(passed.body)
            left_out.append(body["items"].pop(7)["id"])
            passed.body = json.dumps(body).encode()

    with proxy_to(rt.url) as proxy:
        proxy.spoil = spoil
        tables = read(proxy.url)
    assert left_out[0] in {row["transaction_id"] for row in tables["transactions"]}
    assert {row["transaction_id"] for row in tables["transactions"]} == every(rt, "Transactions")


def test_dates_that_are_not_understood_fail_the_load() -> None:
    def answer(request: Request) -> Reply:
        total = 0 if "LastUpdated" in request.parameters["query"] else 7
        items: list[dict[str, Any]] = [{"id": "1"}] if total else []
        return Reply.json({"items": items, "total": total})

    with serving(answer) as url, pytest.raises(IncompleteAnswerError, match="of 7 tickets 0 are said"):
        read(url)


def test_all_rows_for_a_date_are_not_believed() -> None:
    old = {"id": "1", "LastUpdated": "2019-01-01T00:00:00Z"}

    def answer(request: Request) -> Reply:
        known = request.path.endswith("/queues/all") or request.parameters["query"].startswith("id > 0")
        return Reply.json({"items": [old] if known else [], "total": 1 if known else 0})

    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    with serving(answer) as url, pytest.raises(IncompleteAnswerError, match="did not understand the date"):
        read(url, window=window)


def test_records_that_cannot_be_cast_are_rejected_with_a_reason(rt: RequestTracker) -> None:
    def spoil(number: int, passed: Passed) -> None:
        body = json.loads(passed.body)
        if passed.request.path.endswith("/tickets") and body["items"]:
            body["items"][0]["Created"] = "Thu Jan 01 00:00:00 1970"
            passed.body = json.dumps(body).encode()

    with proxy_to(rt.url) as proxy:
        proxy.spoil = spoil
        items = list(fetch(connection_to(proxy.url, "request_tracker"), YEARS, NothingLanded()))
    codes = {item.reason_code for item in items if isinstance(item, Rejected)}
    assert codes == {"bad_instant"}
