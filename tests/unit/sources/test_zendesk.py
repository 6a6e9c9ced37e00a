"""Zendesk: an instance whose export moves, makes one wait and keeps its last minute to itself."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from avoir.sources import zendesk, zendesk_records
from avoir.sources.model import NothingLanded, Rejected, Rows, Window
from avoir.sources.record_making import text_of
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, UnavailableError
from avoir.sources.zendesk import SYSTEM, fetch
from tests.vendors.serving import Answer, Reply, Request, connection_to, serving
from tests.vendors.zendesk import ACCOUNT, AGENT, COLLEAGUE, CUSTOMER, Ticket, ZendeskInstance, shown_ticket

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
SECOND = timedelta(seconds=1)
Tables = dict[str, list[dict[str, str]]]


class Known(NothingLanded):
    """What earlier loads landed."""

    def __init__(self, *tickets: str) -> None:
        self.tickets = frozenset(tickets)

    def keys(self, table: str, column: str) -> frozenset[str]:
        assert (table, column) == ("tickets", "ticket_id")
        return self.tickets


@pytest.fixture(autouse=True)
def _small_pages_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)
    monkeypatch.setattr("avoir.sources.zendesk.PAGE_TICKETS", 10)


@pytest.fixture
def instance() -> ZendeskInstance:
    return ZendeskInstance()


def read(
    answer: Answer, *, window: Window = WINDOW, landed: NothingLanded | None = None, **options: Any
) -> tuple[Tables, list[Rejected]]:
    """Everything a load of one window gives, by table and column name."""
    tables: Tables = defaultdict(list)
    rejected: list[Rejected] = []
    with serving(answer) as url:
        source = connection_to(url, "zendesk", **{"username": ACCOUNT, **options})
        for item in fetch(source, window, landed or NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                assert isinstance(item, Rows)
                names = SYSTEM.table(item.table).column_names
                tables[item.table] += [dict(zip(names, row, strict=True)) for row in item.values]
    return tables, rejected


def ids(tables: Tables) -> list[int]:
    return [int(row["ticket_id"]) for row in tables["tickets"]]


def spread(instance: ZendeskInstance, number: int) -> list[Ticket]:
    return [instance.open(WINDOW.start + SECOND + n * timedelta(minutes=7)) for n in range(number)]


def spoiled(instance: ZendeskInstance, path: str, spoil: Callable[[Any], Any]) -> Answer:
    """The instance, answers under a path changed."""

    def answer(request: Request) -> Reply:
        reply = instance(request)
        return Reply.json(spoil(json.loads(reply.body))) if path in request.path else reply

    return answer


def test_a_ticket_lands_with_all_that_happened_to_it(instance: ZendeskInstance) -> None:
    ticket = instance.open(WINDOW.start + timedelta(hours=1))
    instance.choose(ticket, WINDOW.start + timedelta(hours=1, minutes=5), 360, "parts")
    instance.change(ticket, WINDOW.start + timedelta(hours=2), status="hold", priority=None, group_id=32)
    instance.say(ticket, WINDOW.start + timedelta(hours=3), AGENT, status="solved")
    tables, rejected = read(instance, hold_field="360")
    assert rejected == []
    (row,) = tables["tickets"]
    assert (row["service"], row["team"], row["status"], row["priority"]) == (
        "Support",
        "Network",
        "solved",
        "",
    )
    assert (row["hold_reason"], row["requester_id"]) == ("parts", str(CUSTOMER))
    assert row["created_at"] == "2026-03-01T01:00:00Z"
    told = [(c["tracked_as"], c["previous_name"], c["value_name"]) for c in tables["ticket_events"]
            if c["type"] == "Change"]  # fmt: skip
    assert told == [
        ("hold_reason", "", "parts"),
        ("state", "new", "hold"),
        ("priority", "normal", ""),
        ("assignment_group", "Desk", "Network"),
        ("state", "hold", "solved"),
    ]
    made = {(c["field_name"], c["tracked_as"]) for c in tables["ticket_events"] if c["type"] == "Create"}
    assert ("status", "") in made


@pytest.mark.parametrize(
    ("option", "service"), [("brand", "Hosting"), ("group", "Desk"), ("organization", "Acme"), (360, "DNS")]
)
def test_the_service_is_named_where_the_connection_says(
    instance: ZendeskInstance, option: str | int, service: str
) -> None:
    instance.open(WINDOW.start, brand=42, custom_fields=[{"id": 360, "value": "DNS"}])
    tables, _ = read(instance, service_field=option)
    assert [row["service"] for row in tables["tickets"]] == [service]


def test_comments_say_who_may_read_them_and_what_wrote_them(instance: ZendeskInstance) -> None:
    ticket = instance.open(WINDOW.start)
    at = WINDOW.start + SECOND
    instance.say(ticket, at, AGENT)
    instance.say(ticket, at, AGENT, public=False)
    instance.say(ticket, at, AGENT, channel="rule")
    instance.say(ticket, at, COLLEAGUE, channel="email")
    instance.say(ticket, at, 777)
    tables, _ = read(instance)
    told = [
        (c["author_role"], c["is_public"], c["via_channel"], c["is_creation"])
        for c in tables["ticket_events"]
        if c["type"] == "Comment"
    ]
    assert told == [
        ("end-user", "true", "web", "true"),
        ("agent", "true", "web", "false"),
        ("agent", "false", "web", "false"),
        ("agent", "true", "rule", "false"),
        ("end-user", "true", "email", "false"),
        # A user who cannot be shown has no role, and is not given one.
        ("", "true", "web", "false"),
    ]


def test_the_windows_edges_are_exact_and_join(instance: ZendeskInstance) -> None:
    edges = (WINDOW.start - SECOND, WINDOW.start, WINDOW.end - SECOND, WINDOW.end)
    before, first, last, after = (instance.open(at) for at in edges)
    assert ids(read(instance)[0]) == [first.id, last.id]
    cuts = [WINDOW.start - SECOND, WINDOW.start, WINDOW.end, WINDOW.end + SECOND]
    found = [ids(read(instance, window=Window(*cut))[0]) for cut in pairwise(cuts)]
    assert found == [[before.id], [first.id, last.id], [after.id]]


def test_a_window_of_the_past_is_not_walked_to_the_present(instance: ZendeskInstance) -> None:
    spread(instance, 15)
    for n in range(100):
        instance.open(WINDOW.end + n * SECOND)
    tables, _ = read(instance)
    assert len(ids(tables)) == 15
    assert instance.exports == 3


def test_a_ticket_that_changes_while_the_export_is_read_hides_no_other(instance: ZendeskInstance) -> None:
    tickets = spread(instance, 35)

    def between(number: int) -> None:
        if number == 3:
            instance.change(tickets[1], WINDOW.end - SECOND, status="open")

    instance.between = between
    tables, _ = read(instance)
    assert set(ids(tables)) == set(instance.tickets)
    assert "open" in {row["value"] for row in tables["ticket_events"]}


def test_an_update_without_an_event_is_a_newer_version_all_the_same(instance: ZendeskInstance) -> None:
    (ticket,) = spread(instance, 1)
    instance.touch(ticket, WINDOW.end + timedelta(hours=1))
    assert ids(read(instance)[0]) == []
    window = Window(WINDOW.end, WINDOW.end + timedelta(days=1))
    (row,) = read(instance, window=window)[0]["tickets"]
    assert row["updated_at"] < "2026-03-02"
    assert int(row["generated_timestamp"]) == (WINDOW.end + timedelta(hours=1)).timestamp()


def test_the_last_minute_is_left_for_the_next_window(instance: ZendeskInstance) -> None:
    instance.now = WINDOW.end
    early = instance.open(WINDOW.end - timedelta(minutes=2))
    late = instance.open(WINDOW.end - timedelta(seconds=30))
    assert ids(read(instance)[0]) == [early.id]
    instance.now = WINDOW.end + timedelta(days=1)
    following = Window(WINDOW.end - SYSTEM.overlap, instance.now)
    assert ids(read(instance, window=following)[0]) == [early.id, late.id]
    assert SYSTEM.overlap > timedelta(minutes=1)


def test_a_limit_on_requests_is_waited_for(instance: ZendeskInstance) -> None:
    spread(instance, 55)
    instance.allowed = 2
    assert len(ids(read(instance)[0])) == 55
    instance.allowed = 0
    with pytest.raises(UnavailableError, match="still answered 429"):
        read(instance)


def test_long_histories_are_read_page_by_page_and_archived_ones_at_once(instance: ZendeskInstance) -> None:
    instance.shown_audits = 3
    long, archived = spread(instance, 2)
    for ticket in (long, archived):
        for n in range(20):
            instance.say(ticket, WINDOW.start + timedelta(hours=20) + n * SECOND, AGENT)
    archived.is_archived = True
    tables, _ = read(instance)
    for ticket in (long, archived):
        audits = {r["audit_id"] for r in tables["ticket_events"] if r["ticket_id"] == str(ticket.id)}
        assert audits == {str(audit["id"]) for audit in ticket.audits}
        assert len(audits) == 21


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {},
        lambda body: {**body, "audits": None},
        lambda body: {**body, "audits": [{"events": []}]},
        lambda body: {"audits": body["audits"]},
        lambda body: {"audits": body["audits"], "count": len(body["audits"]) + 1},
        lambda body: {**body, "meta": {}},
        lambda body: {**body, "meta": {"has_more": True, "after_cursor": None}},
        lambda body: {**body, "meta": {"has_more": True, "after_cursor": "1"}},
        lambda body: {**body, "audits": [], "meta": {"has_more": True, "after_cursor": "1"}},
        lambda body: {**body, "audits": [], "meta": {"has_more": False}},
        lambda body: {**body, "audits": [{**body["audits"][0], "ticket_id": 77}]},
        lambda body: [],
    ],
)
def test_audits_that_do_not_say_they_are_whole_fail_the_load(
    instance: ZendeskInstance, spoil: Callable[[Any], Any]
) -> None:
    spread(instance, 1)
    with pytest.raises(IncompleteAnswerError):
        read(spoiled(instance, "/audits", spoil))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {},
        lambda body: {**body, "tickets": {}},
        lambda body: {**body, "end_of_stream": None},
        lambda body: {**body, "tickets": []},
        lambda body: {**body, "after_cursor": None},
        lambda body: {**body, "after_cursor": "MTc3MjMyMzIwMHww"},
        lambda body: {**body, "tickets": [None]},
        lambda body: {**body, "tickets": [{"id": 1}]},
        lambda body: {**body, "tickets": [{"id": 1, "generated_timestamp": True}]},
        lambda body: {**body, "tickets": [{"id": 1, "generated_timestamp": 10**15}]},
        lambda body: {**body, "tickets": [{"id": 1, "generated_timestamp": 1_500_000_000}]},
        lambda body: {**body, "tickets": [{"id": "x", "generated_timestamp": 1_772_400_000}]},
    ],
)
def test_an_export_that_does_not_say_where_it_goes_on_fails_the_load(
    instance: ZendeskInstance, spoil: Callable[[Any], Any]
) -> None:
    spread(instance, 25)
    with pytest.raises(IncompleteAnswerError):
        read(spoiled(instance, "/incremental/", spoil))


@pytest.mark.parametrize("link", ["http://198.51.100.7/steal?cursor=", "https://127.0.0.1/steal?cursor="])
def test_a_next_link_to_another_host_is_refused(instance: ZendeskInstance, link: str) -> None:
    spread(instance, 25)
    instance.link = link
    with pytest.raises(IncompleteAnswerError, match="next link leads to another host"):
        read(instance)


def test_a_wrong_token_that_is_answered_as_anonymous_is_an_error(instance: ZendeskInstance) -> None:
    spread(instance, 3)
    with pytest.raises(AccessDeniedError, match=r"anonymous.*VENDOR_SECRET") as caught:
        read(instance, username="someone@example.test")
    assert "s3cret" not in str(caught.value)
    assert [request.path for request in instance.requests] == ["/api/v2/users/me.json"]


def test_a_token_that_is_revoked_while_we_read_fails_the_load(instance: ZendeskInstance) -> None:
    spread(instance, 25)

    def answer(request: Request) -> Reply:
        if instance.exports == 2:
            request = Request(request.path, request.parameters, {})
        return instance(request)

    with pytest.raises(AccessDeniedError, match="401"):
        read(answer)


@pytest.mark.parametrize(
    ("user", "message"),
    [({"email": "someone@example.test"}, "another account"), ({"role": "end-user"}, "an end user's")],
)
def test_an_account_that_would_see_less_is_refused(
    instance: ZendeskInstance, user: dict[str, str], message: str
) -> None:
    def answer(request: Request) -> Reply:
        if request.path.endswith("/me.json"):
            return Reply.json({"user": {**instance.account(), **user}})
        return instance(request)

    with pytest.raises(AccessDeniedError, match=message):
        read(answer)


def test_a_ticket_that_was_deleted_is_marked_and_keeps_its_last_row(instance: ZendeskInstance) -> None:
    seen, unseen, kept = spread(instance, 3)
    for ticket in (seen, unseen):
        instance.delete(ticket, WINDOW.end - SECOND)
    tables, rejected = read(instance, landed=Known(str(seen.id)))
    assert rejected == []
    assert [row["ticket_id"] for row in tables["ticket_deletions"]] == [str(seen.id), str(unseen.id)]
    assert {row["noticed_at"] for row in tables["ticket_deletions"]} == {"2026-03-07T23:59:59+00:00"}
    # One that no load ever saw lands as the export still knows it: opened, and deleted.
    assert sorted(ids(tables)) == [unseen.id, kept.id]


def test_a_ticket_that_goes_while_we_read_waits_for_the_export_to_say_so(instance: ZendeskInstance) -> None:
    gone, kept = spread(instance, 2)

    def answer(request: Request) -> Reply:
        if f"/tickets/{gone.id}" in request.path:
            gone.fields["status"] = "deleted"
        return instance(request)

    tables, rejected = read(answer)
    assert rejected == []
    assert {row["ticket_id"] for row in tables["ticket_events"]} == {str(kept.id)}


def test_audits_that_cannot_be_read_of_a_ticket_that_can_fail_the_load(instance: ZendeskInstance) -> None:
    spread(instance, 1)

    def answer(request: Request) -> Reply:
        return Reply.json({}, 404) if request.path.endswith("/audits.json") else instance(request)

    with pytest.raises(IncompleteAnswerError, match="404"):
        read(answer)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"created_at": "02/03/2026"}, "bad_instant"),
        ({"created_at": "2026-02-30T10:00:00Z"}, "bad_instant"),
        ({"created_at": "9999-03-02T10:00:00Z"}, "bad_instant"),
        ({"created_at": "2026-03-02T10:00:00"}, "bad_instant"),
        ({"created_at": {"at": 1}}, "bad_instant"),
        ({"status": None}, "missing_field"),
    ],
)
def test_a_ticket_that_cannot_be_cast_is_rejected_with_a_reason(
    instance: ZendeskInstance, spoil: dict[str, Any], code: str
) -> None:
    good, bad = spread(instance, 2)
    bad.fields.update(spoil)
    tables, rejected = read(instance)
    assert ids(tables) == [good.id]
    assert [(item.table, item.reason_code) for item in rejected] == [("tickets", code)]


@pytest.mark.parametrize(
    "spoil",
    [
        {"created_at": "yesterday"},
        {"events": None},
        {"events": ["x"]},
        {"events": [{"id": 10**19, "type": "Comment", "public": True}]},
        {"events": [{"id": True, "type": "Comment", "public": True}]},
        {"events": [{"id": 7, "type": "Comment"}]},
        {"events": [{"id": 7, "type": "Change", "value": "open"}]},
    ],
)
def test_an_audit_that_postgres_could_not_cast_never_lands(
    instance: ZendeskInstance, spoil: dict[str, Any]
) -> None:
    (ticket,) = spread(instance, 1)
    instance.change(ticket, WINDOW.start + timedelta(hours=1), status="open")
    instance.change(ticket, WINDOW.start + timedelta(hours=2), status="solved")
    ticket.audits[1].update(spoil)
    tables, rejected = read(instance)
    assert [row["value"] for row in tables["ticket_events"] if row["type"] == "Change"] == ["solved"]
    assert [item.table for item in rejected] == ["ticket_events"]


def test_events_of_a_kind_that_is_not_known_are_left_alone(instance: ZendeskInstance) -> None:
    (ticket,) = spread(instance, 1)
    ticket.audits[0]["events"].append({"id": 1, "type": "SomethingNew", "value": {"a": [1]}})
    tables, rejected = read(instance)
    assert rejected == []
    assert "SomethingNew" not in {row["type"] for row in tables["ticket_events"]}


@pytest.mark.parametrize("option", [{"service_field": "team"}, {"hold_field": "status"}])
def test_fields_are_known_words_or_numbers(option: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        connection_to("http://x", "zendesk", **option)


def test_without_an_address_the_secret_is_an_oauth_token(instance: ZendeskInstance) -> None:
    told: list[str] = []

    def answer(request: Request) -> Reply:
        told.append(request.headers["Authorization"])
        return instance(request)

    with pytest.raises(AccessDeniedError):
        read(answer, username=None)
    assert told == ["Bearer s3cret"]


# --- the instance and the source are held to Zendesk's own records ---


def recorded(shared_data: Path, stream: str) -> Iterator[dict[str, Any]]:
    for line in (shared_data / "api" / "zendesk" / "records.jsonl").read_text().splitlines():
        record = json.loads(line).get("record") or {}
        if str(record.get("stream", "")).endswith(f"zendesk__{stream}"):
            yield record["data"]


@pytest.mark.real_data
def test_recorded_tickets_become_rows(shared_data: Path) -> None:
    groups = {str(one["id"]): one["name"] for one in recorded(shared_data, "groups")}
    fields = zendesk_records.Fields(service="group", hold="23111693329300", groups=groups)
    tickets = list(recorded(shared_data, "tickets"))
    assert len(tickets) == 14
    for ticket in tickets:
        made = zendesk_records.ticket_row(ticket, fields, {})
        assert not isinstance(made, Rejected), made
        row = dict(zip(zendesk_records.TICKETS.column_names, made[1], strict=True))
        assert row["status"] == ticket["status"]
        assert row["generated_timestamp"] == str(ticket["generated_timestamp"])
        # The recorded groups are others than the tickets': a number without a name stays one.
        assert (
            row["service"]
            == row["team"]
            == groups.get(str(ticket["group_id"]), str(ticket["group_id"] or ""))
        )
        assert row["hold_reason"] == str(ticket["custom_fields"][0]["value"] or "")
    assert {text_of(one["group_id"]) for one in tickets} >= {"23111598987540"}


@pytest.mark.real_data
def test_the_instance_answers_with_what_zendesk_answered(
    instance: ZendeskInstance, shared_data: Path
) -> None:
    kinds: dict[str, set[type]] = defaultdict(set)
    for ticket in recorded(shared_data, "tickets"):
        for name, value in ticket.items():
            kinds[name].add(type(value))
    (ours,) = spread(instance, 1)
    instance.change(ours, WINDOW.start + timedelta(hours=1), status="open", priority=None)
    shown = shown_ticket(ours)
    assert set(shown) <= set(kinds)
    nullable = {"priority", "assignee_id"}
    differing = {
        name for name, value in shown.items() if type(value) not in kinds[name] and name not in nullable
    }
    assert differing <= {"organization_id"}  # none of the recorded tickets has one
    users = list(recorded(shared_data, "users"))
    assert {user["role"] for user in users} <= {"admin", "agent", "end-user"}
    assert set(instance.account()) <= set(users[0])
    assert zendesk.PAGE_TICKETS == 10
