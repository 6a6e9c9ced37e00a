"""Redmine: a server whose pages move, and whose refusals look like answers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from avoir.sources.model import NothingLanded, Rejected, Rows, SourceError, Window
from avoir.sources.redmine import SYSTEM, fetch
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError
from tests.vendors.redmine import AGENT, CUSTOMER, Issue, RedmineServer
from tests.vendors.serving import SECRET, Answer, Reply, Request, connection_to, serving

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
SECOND = timedelta(seconds=1)
Tables = dict[str, list[dict[str, str]]]


class Known(NothingLanded):
    """What earlier loads landed."""

    def __init__(self, **landed: set[str]) -> None:
        self.landed = landed

    def keys(self, table: str, column: str) -> frozenset[str]:
        assert column == "issue_id"
        return frozenset(self.landed.get(table, set()))


@pytest.fixture(autouse=True)
def _small_pages_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)
    monkeypatch.setattr("avoir.sources.redmine.PAGE_ROWS", 10)


@pytest.fixture
def server() -> RedmineServer:
    return RedmineServer()


def read(
    answer: Answer, *, window: Window = WINDOW, landed: NothingLanded | None = None, **options: Any
) -> tuple[Tables, list[Rejected]]:
    """Everything a load of one window gives, by table and column name."""
    tables: Tables = defaultdict(list)
    rejected: list[Rejected] = []
    with serving(answer) as url:
        source = connection_to(url, "redmine", **{"username": "avoir", **options})
        for item in fetch(source, window, landed or NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                assert isinstance(item, Rows)
                names = SYSTEM.table(item.table).column_names
                tables[item.table] += [dict(zip(names, row, strict=True)) for row in item.values]
    return tables, rejected


def ids(tables: Tables) -> list[int]:
    return [int(row["issue_id"]) for row in tables["issues"]]


def spread(server: RedmineServer, number: int) -> list[Issue]:
    return [server.open(WINDOW.start + SECOND + n * timedelta(minutes=7)) for n in range(number)]


def spoiled(server: RedmineServer, path: str, spoil: Callable[[Any], Any]) -> Answer:
    """The server, answers of a path changed."""

    def answer(request: Request) -> Reply:
        reply = server(request)
        return Reply.json(spoil(json.loads(reply.body))) if request.path == path else reply

    return answer


def test_an_issue_lands_with_all_its_journals(server: RedmineServer) -> None:
    issue = server.open(WINDOW.start + timedelta(hours=1), custom={12: "DNS", 13: ["a", "b"]})
    at = WINDOW.start + timedelta(hours=2)
    server.change(issue, at, status_id=2, priority_id=3, assigned_to_id=AGENT)
    server.change(issue, at + SECOND, notes="We look.", custom={12: "Mail"})
    server.change(issue, at + 2 * SECOND, notes="Hm.", private=True)
    server.change(issue, at + 3 * SECOND, subject="Printer", status_id=5)
    tables, rejected = read(server, hold_field=12)
    assert rejected == []
    (row,) = tables["issues"]
    assert (row["service"], row["status"], row["priority"], row["team"]) == (
        "Support",
        "Closed",
        "High",
        str(AGENT),
    )
    assert (row["hold_reason"], row["author_id"]) == ("Mail", str(CUSTOMER))
    assert row["closed_on"] == "2026-03-01T02:00:03Z"
    told = [(e["tracked_as"], e["old_name"], e["new_name"]) for e in tables["journal_entries"]]
    assert told == [
        ("state", "New", "In Progress"),
        ("assignment_group", "", str(AGENT)),
        ("priority", "Normal", "High"),
        ("", "", ""),
        ("hold_reason", "DNS", "Mail"),
        ("", "", ""),
        ("", "It does not work", "Printer"),
        ("state", "In Progress", "Closed"),
    ]
    notes = [(e["entry_no"], e["notes"], e["is_private"]) for e in tables["journal_entries"] if e["notes"]]
    assert notes == [("0000", "We look.", "false"), ("0000", "Hm.", "true")]
    keys = [(e["journal_id"], e["entry_no"]) for e in tables["journal_entries"]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("options", "service", "team"),
    [
        ({"service_field": "tracker"}, "Support", ""),
        ({"service_field": 13, "team_field": "12"}, "a, b", "DNS"),
        ({"service_field": "category"}, "", ""),
    ],
)
def test_service_and_team_are_named_where_the_connection_says(
    server: RedmineServer, options: dict[str, Any], service: str, team: str
) -> None:
    server.open(WINDOW.start, custom={12: "DNS", 13: ["a", "b"]})
    (row,) = read(server, **options)[0]["issues"]
    assert (row["service"], row["team"]) == (service, team)


def test_an_issue_that_is_opened_again_is_not_closed_though_it_was(server: RedmineServer) -> None:
    issue = server.open(WINDOW.start)
    server.change(issue, WINDOW.start + SECOND, status_id=5)
    server.change(issue, WINDOW.start + 2 * SECOND, notes="Thank you.")
    (row,) = read(server)[0]["issues"]
    assert (row["closed_on"], row["is_closed"]) == ("2026-03-01T00:00:01Z", "true")
    server.change(issue, WINDOW.start + 3 * SECOND, status_id=2)
    (row,) = read(server)[0]["issues"]
    assert (row["closed_on"], row["is_closed"]) == ("2026-03-01T00:00:01Z", "false")


@pytest.mark.parametrize("option", ["team_field", "hold_field"])
def test_a_field_of_several_values_is_refused_where_its_history_counts(
    server: RedmineServer, option: str
) -> None:
    server.open(WINDOW.start, custom={12: "DNS", 13: []})
    assert len(read(server, **{option: 12})[0]["issues"]) == 1
    with pytest.raises(SourceError, match="custom field 13 may have several values"):
        read(server, **{option: 13})


def test_an_entry_keeps_its_key_when_one_before_it_is_not_shown_any_more(server: RedmineServer) -> None:
    issue = server.open(WINDOW.start, custom={12: "DNS", 13: ["a"], 14: "x"})
    server.change(
        issue,
        WINDOW.start + SECOND,
        status_id=2,
        custom={12: "Mail", 13: ["b", "c"], 14: "y"},
        notes="We look.",
    )
    server.change(issue, WINDOW.start + 2 * SECOND, custom={12: "DNS"})
    before, _ = read(server)
    server.hidden |= {12}
    after, _ = read(server)

    def keyed(tables: Tables) -> dict[tuple[str, str], tuple[str, str, str]]:
        return {
            (one["journal_id"], one["entry_no"]): (one["name"], one["old_value"], one["new_value"])
            for one in tables["journal_entries"]
        }

    assert len(keyed(before)) == len(before["journal_entries"]) == 7
    assert len(keyed(after)) == 5
    assert keyed(after).items() < keyed(before).items()


def test_closed_issues_are_read_though_redmine_hides_them(server: RedmineServer) -> None:
    closed = server.open(WINDOW.start, status=5)
    assert ids(read(server)[0]) == [closed.id]


def test_the_windows_edges_are_exact(server: RedmineServer) -> None:
    edges = (WINDOW.start - SECOND, WINDOW.start, WINDOW.end - SECOND, WINDOW.end)
    _, first, last, _ = (server.open(at) for at in edges)
    assert ids(read(server)[0]) == [first.id, last.id]


def plain_offset_walk(url: str) -> set[int]:
    """What anybody would write first: pages by offset, in the order of the last update."""
    found: set[int] = set()
    total, offset = 1, 0
    while offset < total:
        parameters = {"status_id": "*", "sort": "updated_on:desc", "offset": str(offset), "limit": "10"}
        headers = {"X-Redmine-API-Key": SECRET}
        body = requests.get(f"{url}/issues.json", params=parameters, headers=headers, timeout=60).json()
        found |= {one["id"] for one in body["issues"]}
        total, offset = body["total_count"], offset + 10
    return found


def test_no_issue_is_lost_while_issues_are_updated_and_a_plain_walk_loses_some(server: RedmineServer) -> None:
    spread(server, 55)

    def between(number: int) -> None:
        # The newest comes first: what was not read yet moves before the place that is read.
        for issue in sorted(server.issues.values(), key=lambda one: (one.updated, one.id))[:3]:
            server.change(issue, WINDOW.end - timedelta(hours=1) + number * SECOND, notes=f"after {number}")

    server.between = between
    with serving(server) as url:
        lost = set(server.issues) - plain_offset_walk(url)
    assert len(lost) >= 3, "the plain walk lost nothing, so this test shows nothing"
    assert set(ids(read(server)[0])) == set(server.issues)


def test_an_issue_that_is_deleted_while_we_read_is_left_out(server: RedmineServer) -> None:
    gone, kept = spread(server, 2)

    def answer(request: Request) -> Reply:
        if request.path == f"/issues/{gone.id}.json":
            server.issues.pop(gone.id, None)
        return server(request)

    tables, rejected = read(answer)
    assert (ids(tables), rejected) == ([kept.id], [])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {},
        lambda body: [],
        lambda body: {**body, "issues": None},
        lambda body: {**body, "total_count": None},
        lambda body: {**body, "total_count": "25"},
        lambda body: {**body, "total_count": True},
        lambda body: {**body, "issues": []},
        lambda body: {**body, "issues": body["issues"][1:]},
        lambda body: {**body, "issues": [{"id": "x"}] * 10},
        lambda body: {**body, "issues": [{"id": 1, "updated_on": "yesterday"}] * 10},
        lambda body: {**body, "issues": [{"id": 1, "updated_on": "2026-02-28T00:00:00Z"}] * 10},
    ],
)
def test_a_page_that_is_not_what_was_asked_for_fails_the_load(
    server: RedmineServer, spoil: Callable[[Any], Any]
) -> None:
    spread(server, 25)
    with pytest.raises(IncompleteAnswerError):
        read(spoiled(server, "/issues.json", spoil))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {},
        lambda body: {"issue": {**body["issue"], "journals": None}},
        lambda body: {"issue": {**body["issue"], "journals": ["x"]}},
        lambda body: {"issue": {name: text for name, text in body["issue"].items() if name != "journals"}},
        lambda body: {"issue": {**body["issue"], "id": 99}},
    ],
)
def test_an_issue_without_its_journals_fails_the_load(
    server: RedmineServer, spoil: Callable[[Any], Any]
) -> None:
    spread(server, 1)
    with pytest.raises(IncompleteAnswerError, match="came without its journals"):
        read(spoiled(server, "/issues/1.json", spoil))


def test_a_server_that_does_not_know_the_filter_by_number_is_not_believed(server: RedmineServer) -> None:
    spread(server, 25)

    def answer(request: Request) -> Reply:
        asked = {name: text for name, text in request.parameters.items() if name != "issue_id"}
        return server(Request(request.path, asked, request.headers))

    with pytest.raises(IncompleteAnswerError, match="asked for what follows 10"):
        read(answer)


def test_a_wrong_key_is_refused_before_anything_is_read(server: RedmineServer) -> None:
    spread(server, 3)
    server.key = "another"
    with pytest.raises(AccessDeniedError, match="VENDOR_SECRET") as caught:
        read(server)
    assert SECRET not in str(caught.value)
    assert [request.path for request in server.requests] == ["/users/current.json"]


def test_a_key_that_is_revoked_while_we_read_is_not_fewer_issues(server: RedmineServer) -> None:
    spread(server, 25)
    for _ in range(20):
        server.open(WINDOW.start + SECOND, project="secret")

    def between(number: int) -> None:
        if number == 3:  # from here on only public issues are answered, with 200
            server.key = "another"

    server.between = between
    with pytest.raises(AccessDeniedError):
        read(server)
    assert server.lists >= 3


def test_the_key_of_another_user_is_refused(server: RedmineServer) -> None:
    with pytest.raises(AccessDeniedError, match="another user than username"):
        read(server, username="bo")
    assert read(server, username=None) == ({}, [])


def test_only_the_projects_that_are_listed_are_read(server: RedmineServer) -> None:
    ours, _, also = (server.open(WINDOW.start, project=name) for name in ("support", "secret", "network"))
    tables, _ = read(server, projects=["support", "network", "support"])
    assert ids(tables) == [ours.id, also.id]
    with pytest.raises(NotFoundError, match="404"):
        read(server, projects=["unknown"])


def test_an_issue_that_is_gone_is_marked_once_and_one_that_moved_is_not(server: RedmineServer) -> None:
    gone, moved, kept = spread(server, 3)
    del server.issues[gone.id]
    server.change(moved, WINDOW.end, project_id=2)
    landed = {str(one.id) for one in (gone, moved, kept)}
    tables, _ = read(server, landed=Known(issues=landed), projects=["support"])
    assert [row["issue_id"] for row in tables["issue_deletions"]] == [str(gone.id)]
    tables, _ = read(
        server, landed=Known(issues=landed, issue_deletions={str(gone.id)}), projects=["support"]
    )
    assert tables["issue_deletions"] == []


def test_an_issue_that_moved_to_a_project_that_is_not_read_is_read_on(server: RedmineServer) -> None:
    moved, kept = spread(server, 2)
    server.change(moved, WINDOW.end - SECOND, project_id=2)
    landed = Known(issues={str(one.id) for one in (moved, kept)})
    tables, _ = read(server, landed=landed, projects=["support"])
    assert [(row["issue_id"], row["service"]) for row in tables["issues"]] == [
        (str(kept.id), "Support"),
        (str(moved.id), "Network"),
    ]
    assert [row["name"] for row in tables["journal_entries"]] == ["project_id"]
    # What happens to it after the window is left for the next one, as with any other.
    server.change(moved, WINDOW.end, status_id=5)
    assert ids(read(server, landed=landed, projects=["support"])[0]) == [kept.id]
    # Nobody looks for what never landed.
    assert ids(read(server, projects=["support"])[0]) == [kept.id]
    with pytest.raises(IncompleteAnswerError, match="issue 1 was answered with another or none"):
        read(
            spoiled(server, f"/issues/{moved.id}.json", lambda body: {"issue": None}),
            landed=landed,
            projects=["support"],
        )


def test_losing_sight_of_every_issue_is_a_loss_of_rights_and_no_deletion(server: RedmineServer) -> None:
    with pytest.raises(IncompleteAnswerError, match="none of 2 landed issues is visible"):
        read(server, landed=Known(issues={"1", "2"}))


def test_an_issue_that_others_only_may_see_is_not_gone(server: RedmineServer) -> None:
    hidden, kept = spread(server, 2)

    def answer(request: Request) -> Reply:
        if request.path == f"/issues/{hidden.id}.json":
            return Reply(b"", 403)
        reply = server(request)
        if request.path == "/issues.json":
            body = json.loads(reply.body)
            body["issues"] = [one for one in body["issues"] if one["id"] != hidden.id]
            return Reply.json({**body, "total_count": len(body["issues"])})
        return reply

    tables, _ = read(answer, landed=Known(issues={str(hidden.id), str(kept.id)}))
    assert tables["issue_deletions"] == []


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"created_on": "02/03/2026"}, "bad_instant"),
        ({"created_on": "9999-03-02T10:00:00Z"}, "bad_instant"),
        ({"closed_on": "2026-02-30T10:00:00Z"}, "bad_instant"),
        ({"status": None}, "missing_field"),
        ({"project": "Support"}, "missing_field"),
    ],
)
def test_an_issue_that_cannot_be_cast_is_rejected_with_a_reason(
    server: RedmineServer, spoil: dict[str, Any], code: str
) -> None:
    good, bad = spread(server, 2)
    spoiling = spoiled(server, f"/issues/{bad.id}.json", lambda body: {"issue": {**body["issue"], **spoil}})
    tables, rejected = read(spoiling)
    assert ids(tables) == [good.id]
    assert [(item.table, item.reason_code) for item in rejected] == [("issues", code)]


@pytest.mark.parametrize(
    "spoil",
    [
        {"id": 10**19},
        {"id": None},
        {"id": True},
        {"created_on": "yesterday"},
        {"details": None},
        {"details": ["x"]},
        {"details": [{"name": "status_id"}]},
        {"private_notes": None},
    ],
)
def test_a_journal_that_postgres_could_not_cast_never_lands(
    server: RedmineServer, spoil: dict[str, Any]
) -> None:
    (issue,) = spread(server, 1)
    server.change(issue, WINDOW.start + timedelta(hours=1), status_id=2)
    server.change(issue, WINDOW.start + timedelta(hours=2), status_id=5)

    def spoiling(body: Any) -> Any:
        body["issue"]["journals"][0].update(spoil)
        return body

    tables, rejected = read(spoiled(server, f"/issues/{issue.id}.json", spoiling))
    assert [row["new_name"] for row in tables["journal_entries"]] == ["Closed"]
    assert [item.table for item in rejected] == ["journal_entries"]


@pytest.mark.parametrize(
    "option",
    [{"projects": "support"}, {"projects": ["a b"]}, {"service_field": "team"}, {"team_field": "x"},
     {"hold_field": "status"}],
)  # fmt: skip
def test_options_are_known_words_identifiers_or_numbers(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        connection_to("http://x", "redmine", **option)
