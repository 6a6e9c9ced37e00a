"""Jira: an instance whose pages move, whose clock is elsewhere and whose refusals look like answers."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from avoir.sources import jira_records
from avoir.sources.jira import SYSTEM, fetch, jql_bounds
from avoir.sources.model import NothingLanded, Rejected, Rows, Window
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from tests.vendors.jira import ACCOUNT, AGENT, APP, CUSTOMER, Issue, JiraInstance
from tests.vendors.serving import Answer, Reply, Request, connection_to, serving

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
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)


@pytest.fixture
def instance() -> JiraInstance:
    return JiraInstance()


def read(
    answer: Answer, *, window: Window = WINDOW, landed: NothingLanded | None = None, **options: Any
) -> tuple[Tables, list[Rejected]]:
    """Everything a load of one window gives, by table and column name."""
    options = {"projects": ["SUP"], "username": ACCOUNT, **options}
    tables: Tables = defaultdict(list)
    rejected: list[Rejected] = []
    with serving(answer) as url:
        source = connection_to(url, "jira", **options)
        for item in fetch(source, window, landed or NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                assert isinstance(item, Rows)
                names = SYSTEM.table(item.table).column_names
                tables[item.table] += [dict(zip(names, row, strict=True)) for row in item.values]
    return tables, rejected


def ids(tables: Tables) -> list[str]:
    return [row["issue_id"] for row in tables["issues"]]


def spread(instance: JiraInstance, number: int, *, step: timedelta = timedelta(minutes=7)) -> list[Issue]:
    return [instance.open(WINDOW.start + SECOND + n * step) for n in range(number)]


def test_an_issue_lands_with_all_that_happened_to_it(instance: JiraInstance) -> None:
    issue = instance.open(WINDOW.start + timedelta(hours=1), customfield_7={"value": "Printing"})
    at = WINDOW.start + timedelta(hours=2)
    instance.change(issue, at, status={"name": "In Progress"}, priority={"name": "Low", "id": "4"})
    instance.change(issue, at + SECOND, assignee={"accountId": AGENT, "displayName": "Bo"}, summary="Printer")
    tables, rejected = read(instance, service_field="customfield_7")
    assert rejected == []
    (row,) = tables["issues"]
    assert (row["issue_key"], row["service"], row["status"]) == ("SUP-1", "Printing", "In Progress")
    assert (row["team"], row["reporter"], row["resolution_date"]) == (AGENT, CUSTOMER, "")
    assert row["created"] == "2026-02-28T20:00:00.000-0500"
    told = [(c["tracked_as"], c["from_string"], c["to_string"], c["to_value"]) for c in tables["changes"]]
    assert sorted(told) == [
        ("", "It does not work", "Printer", "Printer"),
        ("assignment_group", "", "Bo", AGENT),
        ("priority", "High", "Low", "4"),
        ("state", "Waiting for support", "In Progress", ""),
    ]


def test_a_long_history_and_many_comments_are_read_from_their_own_pages(instance: JiraInstance) -> None:
    issue = instance.open(WINDOW.start)
    for n in range(230):
        instance.change(issue, WINDOW.start + n * SECOND, status={"name": f"S{n}"})
        instance.comment(issue, WINDOW.start + n * SECOND, CUSTOMER)
    tables, _ = read(instance)
    assert sorted(c["to_string"] for c in tables["changes"]) == sorted(f"S{n}" for n in range(230))
    assert len({c["comment_id"] for c in tables["comments"]}) == 230


def test_comments_say_who_may_read_them_and_what_wrote_them(instance: JiraInstance) -> None:
    issue = instance.open(WINDOW.start)
    at = WINDOW.start + SECOND
    instance.comment(issue, at, AGENT)
    instance.comment(issue, at, AGENT, public=False)
    instance.comment(issue, at, APP)
    instance.comment(issue, at, CUSTOMER)
    instance.comment(issue, at, AGENT, visibility={"type": "role", "value": "Administrators"})
    tables, _ = read(instance)
    told = [(c["author_type"], c["is_public"]) for c in tables["comments"]]
    assert told == [
        ("atlassian", "true"), ("atlassian", "false"), ("app", "true"), ("customer", "true"),
        ("atlassian", "false"),
    ]  # fmt: skip


def test_the_windows_edges_are_exact_though_jql_knows_minutes(instance: JiraInstance) -> None:
    window = Window(
        datetime(2026, 3, 2, 10, 15, 30, tzinfo=UTC), datetime(2026, 3, 2, 11, 45, 10, tzinfo=UTC)
    )
    millisecond = timedelta(milliseconds=1)
    edges = (window.start - millisecond, window.start, window.end - millisecond, window.end)
    before, first, last, after = (instance.open(at) for at in edges)
    tables, _ = read(instance, window=window)
    assert ids(tables) == [first.id, last.id]
    assert before.id != after.id


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
def test_no_clock_change_of_the_accounts_zone_hides_an_issue(zone: str, fold: int) -> None:
    dice = random.Random(f"{zone}{fold}")
    instance = JiraInstance(zone=ZoneInfo(zone), fold=fold)
    changes = [
        datetime(2026, *day, tzinfo=UTC)
        for day in ((3, 8, 7), (3, 29, 1), (4, 4, 15), (10, 25, 1), (11, 1, 6))
    ]
    for change in changes:
        for n in range(-36, 37):
            instance.open(change + timedelta(minutes=5 * n, seconds=dice.randrange(300)))
    found: set[str] = set()
    for change in changes:
        cuts = [change + timedelta(minutes=dice.randrange(-180, 180)) for _ in range(4)]
        edges = sorted({change - timedelta(hours=4), *cuts, change + timedelta(hours=4)})
        for start, end in pairwise(edges):
            found |= set(ids(read(instance, window=Window(start, end))[0]))
    assert found == set(instance.issues)
    assert len(found) > 300


def test_the_bounds_hold_the_window_in_either_reading_of_a_minute() -> None:
    window = Window(datetime(2026, 10, 25, 0, 20, tzinfo=UTC), datetime(2026, 10, 25, 1, 40, tzinfo=UTC))
    assert jql_bounds(window, ZoneInfo("Europe/Paris")) == ("2026-10-25 01:50", "2026-10-25 03:10")


@pytest.mark.parametrize("moved", [0, 99, 150])
def test_an_issue_that_moves_between_pages_hides_no_other(instance: JiraInstance, moved: int) -> None:
    issues = spread(instance, 350)

    def between(number: int) -> None:
        if number == 3:  # an issue of a page that was read moves to the end: all others move up by one
            instance.change(issues[moved], WINDOW.end - SECOND, status={"name": "Moved"})

    instance.between = between
    tables, _ = read(instance)
    assert set(ids(tables)) == set(instance.issues)
    assert "Moved" in {row["to_string"] for row in tables["changes"]}


def test_a_page_that_is_given_twice_is_an_error_and_not_an_end(instance: JiraInstance) -> None:
    spread(instance, 250)
    first: list[Reply] = []

    def answer(request: Request) -> Reply:
        if request.path.endswith("search/jql") and first:
            return first[0]
        reply = instance(request)
        if request.path.endswith("search/jql"):
            first.append(reply)
        return reply

    with pytest.raises(IncompleteAnswerError, match="nextPageToken 'as before'"):
        read(answer)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"issues": None, "isLast": True},
        {"issues": []},
        {"issues": [], "isLast": False},
        {"issues": [], "isLast": True, "nextPageToken": "x"},
        {"issues": [{"key": "SUP-1"}], "isLast": True},
        {"issues": [{"id": "1", "fields": {}}], "isLast": True},
        {"issues": [{"id": "1", "fields": {"updated": "2024-01-01T00:00:00.000+0000"}}], "isLast": True},
        [],
    ],
)
def test_a_search_that_does_not_say_it_is_whole_fails_the_load(instance: JiraInstance, body: Any) -> None:
    def answer(request: Request) -> Reply:
        return Reply.json(body) if request.path.endswith("search/jql") else instance(request)

    with pytest.raises(IncompleteAnswerError):
        read(answer)


def test_no_issue_is_believed_when_the_search_says_it_is_whole(instance: JiraInstance) -> None:
    assert read(instance) == ({}, [])


def test_a_wrong_key_is_refused_before_anything_is_read(instance: JiraInstance) -> None:
    spread(instance, 3)
    with pytest.raises(AccessDeniedError, match="VENDOR_SECRET") as caught:
        read(instance, username="someone@example.test")
    assert "s3cret" not in str(caught.value)
    assert [request.path for request in instance.requests] == ["/rest/api/3/myself"]


def test_a_key_that_is_revoked_while_we_read_is_not_an_empty_page(instance: JiraInstance) -> None:
    spread(instance, 250)

    def answer(request: Request) -> Reply:
        if instance.searches == 2:
            request = Request(request.path, request.parameters, {})
        return instance(request)

    with pytest.raises(AccessDeniedError, match=r"as anonymous \(AUTHENTICATED_FAILED\)"):
        read(answer)


def test_the_key_of_another_account_is_refused(instance: JiraInstance) -> None:
    def answer(request: Request) -> Reply:
        if request.path.endswith("/myself"):
            return Reply.json({**instance.account(), "emailAddress": "someone@example.test"})
        return instance(request)

    with pytest.raises(AccessDeniedError, match="another account"):
        read(answer)


def sla(**cycles: Any) -> dict[str, Any]:
    return {"id": "7", "name": "Time to first response", "completedCycles": [], **cycles}


def test_slas_land_as_jira_reports_them(instance: JiraInstance) -> None:
    done = {"startTime": {"epochMillis": 1}, "stopTime": {"epochMillis": 2}, "breached": False,
            "goalDuration": {"millis": 5}, "elapsedTime": {"millis": 1}}  # fmt: skip
    runs = {"startTime": {"epochMillis": 3}, "breached": True, "paused": True, "goalDuration": {"millis": 5}}
    request, plain = spread(instance, 2)
    request.slas = [sla(completedCycles=[done], ongoingCycle=runs)]
    assert plain.slas is None
    tables, _ = read(instance, service_desk=True)
    told = [(c["cycle_no"], c["started_ms"], c["stopped_ms"], c["is_breached"]) for c in tables["sla_cycles"]]
    assert told == [("1", "1", "2", "false"), ("2", "3", "", "true")]
    assert ids(tables) == [request.id, plain.id]


def test_a_next_link_to_another_host_is_refused(instance: JiraInstance) -> None:
    (issue,) = spread(instance, 1)

    def answer(request: Request) -> Reply:
        if request.path.endswith(f"{issue.id}/sla"):
            link = {"next": "http://198.51.100.7/steal"}
            return Reply.json({"values": [sla()], "isLastPage": False, "_links": link})
        return instance(request)

    with pytest.raises(IncompleteAnswerError, match="next link leads to another host"):
        read(answer, service_desk=True)


def test_slas_that_never_end_fail_the_load(instance: JiraInstance) -> None:
    (issue,) = spread(instance, 1)

    def answer(request: Request) -> Reply:
        if request.path.endswith(f"{issue.id}/sla"):
            return Reply.json({"values": [sla()] * 50, "isLastPage": False, "_links": {}})
        return instance(request)

    with pytest.raises(IncompleteAnswerError, match="do not come to an end"):
        read(answer, service_desk=True)


def test_an_issue_that_is_gone_is_marked_once_and_one_that_moved_is_not(instance: JiraInstance) -> None:
    gone, moved, kept = spread(instance, 3)
    del instance.issues[gone.id]
    moved.fields["project"] = {"key": "OPS"}
    landed = {gone.id, moved.id, kept.id}
    tables, _ = read(instance, landed=Known(issues=landed))
    assert [row["issue_id"] for row in tables["issue_deletions"]] == [gone.id]
    tables, _ = read(instance, landed=Known(issues=landed, issue_deletions={gone.id}))
    assert tables["issue_deletions"] == []


def test_losing_sight_of_every_issue_is_a_loss_of_rights_and_no_deletion(instance: JiraInstance) -> None:
    with pytest.raises(IncompleteAnswerError, match="none of 2 landed issues is visible"):
        read(instance, landed=Known(issues={"1", "2"}))


def test_records_that_cannot_be_cast_are_rejected_with_a_reason(instance: JiraInstance) -> None:
    good, bad = spread(instance, 2)
    instance.comment(bad, WINDOW.start + timedelta(hours=1), CUSTOMER, created="01/03/2026")
    bad.fields["resolutiondate"] = "2026-02-30T10:00:00.000+0000"
    tables, rejected = read(instance)
    assert ids(tables) == [good.id]
    assert sorted(item.table for item in rejected) == ["comments", "issues"]
    assert {item.reason_code for item in rejected} == {"bad_instant"}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"id": "12345678901234567890"},
        {"id": "\u0663"},
        {"id": None},
        {"created": "2026-03-02T10:00:00.000+2300"},
        {"created": "9999-03-02T10:00:00.000+0000"},
        {"created": "2026-03-02T10:00:00.000"},
        {"items": None},
    ],
)
def test_what_postgres_could_not_cast_never_lands(instance: JiraInstance, spoiled: dict[str, Any]) -> None:
    (issue,) = spread(instance, 1)
    instance.change(issue, WINDOW.start + timedelta(hours=1), status={"name": "A"})
    instance.change(issue, WINDOW.start + timedelta(hours=2), status={"name": "B"})
    issue.histories[0].update(spoiled)
    tables, rejected = read(instance)
    assert [row["to_string"] for row in tables["changes"]] == ["B"]
    assert [item.table for item in rejected] == ["changes"]


@pytest.mark.parametrize("histories", [None, "x", [None], [7], {"id": "1"}])
def test_a_changelog_that_is_none_is_read_from_its_own_pages(instance: JiraInstance, histories: Any) -> None:
    (issue,) = spread(instance, 1)
    instance.change(issue, WINDOW.start + timedelta(hours=1), status={"name": "A"})

    def answer(request: Request) -> Reply:
        reply = instance(request)
        if request.path.endswith("search/jql"):
            body = json.loads(reply.body)
            for one in body["issues"]:
                one["changelog"] = {"histories": histories, "total": 1}
            return Reply.json(body)
        return reply

    tables, _ = read(answer)
    assert [row["to_string"] for row in tables["changes"]] == ["A"]


@pytest.mark.parametrize("projects", [None, [], "SUP", ["sup"], ['SUP") or project in ("OPS']])
def test_projects_are_keys_and_nothing_else(projects: Any) -> None:
    with pytest.raises(ValueError, match="project keys"):
        connection_to("http://x", "jira", projects=projects)


# --- the instance is held to Jira's own description, and the source to Jira's own records ---


@pytest.fixture(scope="module")
def openapi(shared_data: Path) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((shared_data / "api" / "jira" / "openapi-v3.json").read_text())
    return described


def held_to(openapi: dict[str, Any], name: str, body: Any) -> None:
    # Where nothing was or is, Jira gives null, and its recorded records do: its description knows texts only.
    body = json.loads(json.dumps(body), object_hook=lambda o: {k: v for k, v in o.items() if v is not None})
    schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
    jsonschema.Draft4Validator(schema).validate(body)


@pytest.mark.real_data
def test_the_instance_answers_as_jira_describes_itself(
    instance: JiraInstance, openapi: dict[str, Any]
) -> None:
    (issue,) = spread(instance, 1)
    for n in range(45):
        instance.change(issue, WINDOW.start + n * SECOND, status={"name": f"S{n}"})
        instance.comment(issue, WINDOW.start + n * SECOND, CUSTOMER)
    answers: dict[str, Any] = {}

    def answer(request: Request) -> Reply:
        reply = instance(request)
        answers[request.path.rsplit("/", 1)[-1]] = json.loads(reply.body)
        return reply

    read(answer)
    assert set(answers) == {"myself", "jql", "changelog", "comment"}
    held_to(openapi, "User", answers["myself"])
    held_to(openapi, "PageBeanChangelog", answers["changelog"])
    held_to(openapi, "PageOfComments", answers["comment"])
    for found in answers["jql"]["issues"]:
        held_to(openapi, "IssueBean", found)
    with pytest.raises(jsonschema.ValidationError):
        held_to(openapi, "PageOfComments", {**answers["comment"], "total": "45"})


def recorded_issues(shared_data: Path) -> Iterator[dict[str, Any]]:
    for line in (shared_data / "api" / "jira" / "records.jsonl").read_text().splitlines():
        record = json.loads(line).get("record") or {}
        if str(record.get("stream", "")).endswith("jira__issues"):
            yield record["data"]


@pytest.mark.real_data
def test_recorded_issues_become_rows(shared_data: Path) -> None:
    fields = jira_records.Fields(service="project", team="assignee", hold="")
    count = 0
    for issue in recorded_issues(shared_data):
        made = jira_records.issue_row(issue, fields)
        assert not isinstance(made, Rejected)
        row = dict(zip(jira_records.ISSUES.column_names, made[1], strict=True))
        assert row["service"] == issue["fields"]["project"]["key"]
        changes = [
            one
            for h in issue["changelog"]["histories"]
            for one in jira_records.change_rows(issue["id"], h, fields)
        ]
        rows = [
            dict(zip(jira_records.CHANGES.column_names, c[1], strict=True))
            for c in changes
            if not isinstance(c, Rejected)
        ]
        assert len(rows) == sum(len(h["items"]) for h in issue["changelog"]["histories"])
        states = sorted((r for r in rows if r["tracked_as"] == "state"), key=lambda r: int(r["history_id"]))
        count += len(states)
        # What the changelog says last is what the issue says now, for states and for teams.
        assert not states or states[-1]["to_string"] == row["status"]
        teams = sorted(
            (r for r in rows if r["tracked_as"] == "assignment_group"), key=lambda r: int(r["history_id"])
        )
        assert not teams or teams[-1]["to_value"] == row["team"]
    assert count == 4
