"""Asana: a workspace whose lists are in the order people give them, and that announces no totals."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avoir.sources.asana import SYSTEM, fetch
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConfigurationError, Window
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError
from tests.vendors.asana import AGENT, CUSTOMER, NETWORK, PRIORITY, SUPPORT, AsanaWorkspace, Task
from tests.vendors.serving import SECRET, Answer, Reply, Request, connection_to, serving

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
Tables = dict[str, list[dict[str, str]]]


class Known(NothingLanded):
    """What earlier loads landed."""

    def __init__(self, **landed: set[str]) -> None:
        self.landed = landed

    def keys(self, table: str, column: str) -> frozenset[str]:
        assert column == "task_id"
        return frozenset(self.landed.get(table, set()))


@pytest.fixture(autouse=True)
def _small_pages_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)
    monkeypatch.setattr("avoir.sources.asana.PAGE_ROWS", 10)


@pytest.fixture
def workspace() -> AsanaWorkspace:
    return AsanaWorkspace()


def read(
    answer: Answer, *, window: Window = WINDOW, landed: NothingLanded | None = None, **options: Any
) -> tuple[Tables, list[Rejected]]:
    """Everything a load of one window gives, by table and column name."""
    tables: Tables = defaultdict(list)
    rejected: list[Rejected] = []
    with serving(answer) as url:
        source = connection_to(url, "asana", **{"username": None, "projects": [SUPPORT], **options})
        for item in fetch(source, window, landed or NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                assert isinstance(item, Rows)
                names = SYSTEM.table(item.table).column_names
                tables[item.table] += [dict(zip(names, row, strict=True)) for row in item.values]
    return tables, rejected


def ids(tables: Tables) -> list[str]:
    return [row["task_id"] for row in tables["tasks"]]


def spread(workspace: AsanaWorkspace, number: int) -> list[Task]:
    return [workspace.open(WINDOW.start + SECOND + n * timedelta(minutes=7)) for n in range(number)]


def spoiled(workspace: AsanaWorkspace, path: str, spoil: Callable[[Any], Any]) -> Answer:
    """The workspace, answers under a path changed."""

    def answer(request: Request) -> Reply:
        reply = workspace(request)
        return Reply.json(spoil(json.loads(reply.body))) if request.path.endswith(path) else reply

    return answer


def test_a_task_lands_with_all_its_stories(workspace: AsanaWorkspace) -> None:
    task = workspace.open(WINDOW.start + timedelta(hours=1), priority="Low")
    at = WINDOW.start + timedelta(hours=2)
    workspace.assign(task, at, CUSTOMER)
    workspace.assign(task, at + SECOND, AGENT)
    workspace.rank(task, at + 2 * SECOND, "High")
    workspace.move(task, at + 3 * SECOND, "Waiting")
    workspace.say(task, at + 4 * SECOND)
    workspace.complete(task, at + 5 * SECOND)
    workspace.assign(task, at + 6 * SECOND, "")
    tables, rejected = read(workspace, hold_field="section", priority_field=PRIORITY)
    assert rejected == []
    (row,) = tables["tasks"]
    assert (row["service"], row["state"], row["hold_reason"]) == ("Support", "completed", "Waiting")
    assert (row["priority"], row["team"], row["created_by"]) == ("High", "", CUSTOMER)
    assert (row["created_at"], row["completed_at"]) == (
        "2026-03-01T01:00:00.000Z", "2026-03-01T02:00:05.000Z",
    )  # fmt: skip
    told = [(s["tracked_as"], s["old_value"], s["new_value"]) for s in tables["stories"]]
    assert told == [
        ("assignment_group", "", CUSTOMER),
        # Asana does not say whose it was before; the story before does.
        ("assignment_group", CUSTOMER, AGENT),
        ("priority", "Low", "High"),
        ("hold_reason", "New", "Waiting"),
        ("", "", ""),
        ("state", "open", "completed"),
        ("assignment_group", AGENT, ""),
    ]


def test_a_task_is_of_the_first_project_that_is_listed(workspace: AsanaWorkspace) -> None:
    task = workspace.open(WINDOW.start)
    task.sections[NETWORK] = "Backlog"
    workspace.move(task, WINDOW.start + SECOND, "Waiting")
    workspace.move(task, WINDOW.start + 2 * SECOND, "Sprint", project=NETWORK)
    options = {"hold_field": "section"}
    told = {}
    for projects in ([SUPPORT, NETWORK], [NETWORK, SUPPORT]):
        tables, _ = read(workspace, projects=projects, **options)
        (row,) = tables["tasks"]
        told[row["service"]] = [s["new_value"] for s in tables["stories"] if s["tracked_as"]]
        assert row["hold_reason"] == told[row["service"]][-1]
    assert told == {"Support": ["Waiting"], "Network": ["Sprint"]}


def test_tasks_are_read_whether_they_are_done_or_not(workspace: AsanaWorkspace) -> None:
    one, other = spread(workspace, 2)
    workspace.complete(one, WINDOW.start + timedelta(hours=1))
    workspace.complete(other, WINDOW.start + timedelta(hours=1))
    workspace.complete(other, WINDOW.start + timedelta(hours=2), is_done=False)
    tables, _ = read(workspace)
    assert [row["state"] for row in tables["tasks"]] == ["completed", "open"]
    assert [s["new_value"] for s in tables["stories"] if s["task_id"] == other.gid] == ["completed", "open"]


def test_the_windows_edges_are_exact(workspace: AsanaWorkspace) -> None:
    window = Window(WINDOW.start + timedelta(microseconds=500_000), WINDOW.end)
    edges = (window.start - MILLISECOND, window.start, WINDOW.end - MILLISECOND, WINDOW.end)
    _, first, last, _ = (workspace.open(at) for at in edges)
    assert ids(read(workspace, window=window)[0]) == [first.gid, last.gid]


def test_a_long_history_is_read_page_by_page(workspace: AsanaWorkspace) -> None:
    (task,) = spread(workspace, 1)
    for n in range(45):
        workspace.say(task, WINDOW.start + timedelta(hours=1) + n * SECOND)
    tables, _ = read(workspace)
    assert {row["story_id"] for row in tables["stories"]} == {story["gid"] for story in task.stories}
    assert len(tables["stories"]) == 45


@pytest.mark.parametrize("moved", [0, 9, 15])
def test_a_task_that_moves_between_pages_hides_no_other(workspace: AsanaWorkspace, moved: int) -> None:
    tasks = spread(workspace, 35)

    def between(number: int) -> None:
        if number == 3:  # somebody drags a task of a page that was read to the end of the list
            workspace.tasks.remove(tasks[moved])
            workspace.tasks.append(tasks[moved])
            workspace.say(tasks[moved], WINDOW.end - SECOND)

    workspace.between = between
    tables, _ = read(workspace)
    assert set(ids(tables)) == {task.gid for task in tasks}
    assert tasks[moved].gid in {row["task_id"] for row in tables["stories"]}


def test_a_task_that_is_deleted_while_we_read_is_left_out(workspace: AsanaWorkspace) -> None:
    gone, kept = spread(workspace, 2)

    def answer(request: Request) -> Reply:
        if f"/tasks/{gone.gid}" in request.path and gone in workspace.tasks:
            workspace.tasks.remove(gone)
        return workspace(request)

    tables, rejected = read(answer)
    assert (ids(tables), rejected) == ([kept.gid], [])


def test_stories_that_cannot_be_read_of_a_task_that_can_fail_the_load(workspace: AsanaWorkspace) -> None:
    spread(workspace, 1)

    def answer(request: Request) -> Reply:
        return Reply.json({}, 404) if request.path.endswith("/stories") else workspace(request)

    with pytest.raises(NotFoundError, match="404"):
        read(answer)


@pytest.mark.parametrize("path", ["/tasks", "/stories"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {},
        lambda body: [],
        lambda body: {**body, "data": None},
        lambda body: {"data": body["data"]},
        lambda body: {**body, "data": []},
        lambda body: {**body, "data": [{"gid": 7}]},
        lambda body: {**body, "next_page": {}},
        lambda body: {**body, "next_page": "at10"},
        lambda body: {**body, "next_page": {"offset": "at10"}},
    ],
)
def test_a_list_that_does_not_say_where_it_goes_on_fails_the_load(
    workspace: AsanaWorkspace, path: str, spoil: Callable[[Any], Any]
) -> None:
    for task in spread(workspace, 25):
        for n in range(25 if task is workspace.tasks[0] else 1):
            workspace.say(task, WINDOW.start + timedelta(hours=5) + n * SECOND)
    with pytest.raises(IncompleteAnswerError):
        read(spoiled(workspace, path, spoil))


@pytest.mark.parametrize("modified", ["yesterday", None, "2026-02-28T00:00:00.000Z"])
def test_tasks_that_were_not_asked_for_are_not_believed(workspace: AsanaWorkspace, modified: Any) -> None:
    spread(workspace, 3)

    def spoil(body: Any) -> Any:
        body["data"][1]["modified_at"] = modified
        return body

    with pytest.raises(IncompleteAnswerError):
        read(spoiled(workspace, "/tasks", spoil))


def test_a_next_link_to_another_host_is_refused(workspace: AsanaWorkspace) -> None:
    spread(workspace, 25)
    workspace.link = "http://198.51.100.7/steal"
    with pytest.raises(IncompleteAnswerError, match="next link leads to another host"):
        read(workspace)


def test_a_wrong_token_is_refused(workspace: AsanaWorkspace) -> None:
    def answer(request: Request) -> Reply:
        return workspace(Request(request.path, request.parameters, {}))

    with pytest.raises(AccessDeniedError, match="VENDOR_SECRET") as caught:
        read(answer)
    assert SECRET not in str(caught.value)
    nobody = spoiled(workspace, "/users/me", lambda body: {"data": {"gid": None}})
    with pytest.raises(AccessDeniedError, match="names no user"):
        read(nobody)


def test_a_project_that_cannot_be_seen_fails_the_load(workspace: AsanaWorkspace) -> None:
    with pytest.raises(NotFoundError, match="404"):
        read(workspace, projects=["99"])


def test_a_task_that_is_gone_is_marked_once_and_one_that_moved_is_not(workspace: AsanaWorkspace) -> None:
    gone, moved, kept = spread(workspace, 3)
    workspace.tasks.remove(gone)
    moved.sections = {NETWORK: "New"}
    landed = {task.gid for task in (gone, moved, kept)}
    tables, _ = read(workspace, landed=Known(tasks=landed))
    assert [row["task_id"] for row in tables["task_deletions"]] == [gone.gid]
    tables, _ = read(workspace, landed=Known(tasks=landed, task_deletions={gone.gid}))
    assert tables["task_deletions"] == []
    with pytest.raises(IncompleteAnswerError, match="none of 3 landed tasks is visible"):
        read(AsanaWorkspace(), landed=Known(tasks=landed))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"created_at": "02/03/2026"}, "bad_instant"),
        ({"created_at": "9999-03-02T10:00:00.000Z"}, "bad_instant"),
        ({"completed_at": "2026-02-30T10:00:00.000Z"}, "bad_instant"),
        ({"completed": None}, "missing_field"),
        ({"memberships": [7]}, "missing_field"),
    ],
)
def test_a_task_that_cannot_be_cast_is_rejected_with_a_reason(
    workspace: AsanaWorkspace, spoil: dict[str, Any], code: str
) -> None:
    good, _ = spread(workspace, 2)

    def spoil_second(body: Any) -> Any:
        body["data"][1].update(spoil)
        return body

    tables, rejected = read(spoiled(workspace, "/tasks", spoil_second))
    assert ids(tables) == [good.gid]
    assert [(item.table, item.reason_code) for item in rejected] == [("tasks", code)]


@pytest.mark.parametrize("spoil", [{"created_at": "yesterday"}, {"type": None}, {"resource_subtype": None}])
def test_a_story_that_cannot_be_cast_never_lands(workspace: AsanaWorkspace, spoil: dict[str, Any]) -> None:
    (task,) = spread(workspace, 1)
    workspace.say(task, WINDOW.start + timedelta(hours=1))
    workspace.complete(task, WINDOW.start + timedelta(hours=2))
    task.stories[0].update(spoil)
    tables, rejected = read(workspace)
    assert [row["resource_subtype"] for row in tables["stories"]] == ["marked_complete"]
    assert [item.table for item in rejected] == ["stories"]


@pytest.mark.parametrize(
    "option",
    [{"projects": []}, {"projects": "1"}, {"projects": ["a"]}, {"state_field": "assignee"},
     {"team_field": "completion"}, {"hold_field": "x"}, {"priority_field": "section"}],
)  # fmt: skip
def test_options_are_known_words_or_numbers(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        connection_to("http://x", "asana", **{"projects": [SUPPORT], **option})


def test_one_place_holds_one_thing(workspace: AsanaWorkspace) -> None:
    with pytest.raises(SourceConfigurationError, match="must each be another place"):
        read(workspace, state_field="section", hold_field="section")
