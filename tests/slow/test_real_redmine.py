"""A real Redmine: what happened in it is what its clocks say, and its answers are those we test against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from avoir.loading import load_window
from avoir.raw_tables import create_raw
from avoir.sources.model import SourceConnection, SourceError, Window
from avoir.sources.vendor_http import AccessDeniedError
from tests.vendors.faults import Passed, Proxy, proxy_to
from tests.vendors.real_redmine import Opened, RealRedmine, running_redmine
from tests.vendors.redmine import AGENT, COLLEAGUE, CUSTOMER, RedmineServer
from tests.vendors.serving import SECRET, connection_to, serving
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.redmine_nights import SOURCE, two_nights

pytestmark = pytest.mark.warehouse

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
NEXT = Window(WINDOW.end, WINDOW.end + timedelta(days=7))
#: In which nothing happens but what one test lets happen.
QUIET = Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC))
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HIDES = "Role.find_by!(name: 'Reader')"


@pytest.fixture(scope="module")
def redmine() -> Iterator[RealRedmine]:
    """On a machine that keeps the time of Paris, as Redmine then does."""
    with running_redmine("Europe/Paris") as one:
        yield one


@pytest.fixture
def raw(warehouse_dsn: str) -> Iterator[psycopg.Connection]:
    """Empty raw tables."""
    with psycopg.connect(warehouse_dsn) as connection:
        create_raw(connection)
        connection.commit()
        yield connection


def desk(redmine: RealRedmine, *projects: str, url: str = "", **options: Any) -> SourceConnection:
    """The connection to some projects of the server."""
    return connection_to(url or redmine.url, "redmine", name=SOURCE, projects=list(projects), **options)


def found(raw: psycopg.Connection, columns: str, table: str = "issues") -> list[tuple[Any, ...]]:
    """What landed in a table, in the order of its columns."""
    with raw.transaction():
        query = f"select {columns} from raw_redmine.{table} order by {columns}"
        return raw.execute(query.encode()).fetchall()


def numbers(raw: psycopg.Connection, table: str = "issues") -> list[int]:
    """The issues that landed, each as often as it did."""
    return [number for (number,) in found(raw, "cast(issue_id as int)", table)]


def answer(redmine: RealRedmine, path: str, key: str | None = SECRET, **parameters: str) -> requests.Response:
    """What the server answers, without a connector."""
    headers = {} if key is None else {"X-Redmine-API-Key": key}
    return requests.get(f"{redmine.url}/{path}.json", params=parameters, headers=headers, timeout=60)


@contextmanager
def meanwhile(redmine: RealRedmine, done: str, undone: str) -> Iterator[None]:
    """For the length of the block something is otherwise in Redmine."""
    redmine.ruby(done)
    try:
        yield
    finally:
        redmine.ruby(undone)


def test_what_happened_in_a_real_redmine_is_what_its_clocks_say(
    redmine: RealRedmine, bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    two_nights(bare_warehouse, tmp_path, redmine, desk(redmine, "support", "network"))


def test_no_issue_is_lost_while_issues_move_and_a_plain_walk_loses_some(
    redmine: RealRedmine, raw: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.redmine.PAGE_ROWS", 50)
    project = redmine.project("Moving")
    issues = [redmine.open(WINDOW.start + n * MINUTE, project=project) for n in range(110)]
    listed, listed_later = issues[20], issues[80]
    lists = 0

    def move(number: int, passed: Passed) -> None:
        nonlocal lists
        if passed.request.path != "/issues.json":
            return
        lists += 1
        # Those that were not read yet by who reads the newest first.
        for one in issues[3 * lists : 3 * lists + 3]:
            redmine.change(one, WINDOW.end - 60 * MINUTE + lists * SECOND, notes=f"after {lists}")
        if lists == 3:
            redmine.delete(listed)
            redmine.delete(listed_later)

    with proxy_to(redmine.url) as proxy:
        proxy.spoil = move
        seen = plain_offset_walk(proxy, project)
        assert lists == 2
        assert len({one.id for one in issues} - seen) >= 3, "it lost nothing, so this test shows nothing"
        report = load_window(raw, desk(redmine, project, url=proxy.url), WINDOW)
    assert lists == 5
    assert report.rows_rejected == 0
    assert numbers(raw) == [one.id for one in issues if one not in (listed, listed_later)]


def plain_offset_walk(proxy: Proxy, project: str) -> set[int]:
    """What anybody would write first: pages by offset, the last update first."""
    seen: set[int] = set()
    total, offset = 1, 0
    while offset < total:
        asked = {"project_id": project, "status_id": "*", "sort": "updated_on:desc", "limit": "500"}
        body = requests.get(
            f"{proxy.url}/issues.json",
            params={**asked, "offset": str(offset)},
            headers={"X-Redmine-API-Key": SECRET},
            timeout=60,
        ).json()
        assert (body["limit"], len(body["issues"])) == (100, min(100, body["total_count"] - offset))
        seen |= {one["id"] for one in body["issues"]}
        total, offset = body["total_count"], offset + 100
    return seen


def test_of_one_second_each_update_is_read_once_on_whichever_side_of_an_edge(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    """Redmine keeps fractions of a second, compares with them and does not show them."""
    project = redmine.project("Edges")
    tenth = timedelta(milliseconds=100)
    early, first, beside, last, after, later = (
        redmine.open(at, project=project)
        for at in (
            WINDOW.start - 4 * tenth,
            WINDOW.start,
            WINDOW.start + 4 * tenth,
            WINDOW.end - 4 * tenth,
            WINDOW.end,
            WINDOW.end + 4 * tenth,
        )
    )
    listed = answer(
        redmine,
        "issues",
        project_id=project,
        status_id="*",
        updated_on=f">={WINDOW.start:%Y-%m-%dT%H:%M:%SZ}",
    ).json()
    assert early.id in {one["id"] for one in listed["issues"]}, "older than asked for, by less than a second"
    source = desk(redmine, project)
    load_window(raw, source, WINDOW)
    assert numbers(raw) == [first.id, beside.id, last.id]
    # Saved in the same second as what was read, after it was read.
    redmine.change(last, WINDOW.end - 3 * tenth, status_id=3)
    redmine.change(last, WINDOW.end - 2 * tenth, status_id=2)
    load_window(raw, source, Window(WINDOW.end - timedelta(hours=2), NEXT.end))
    assert numbers(raw) == [first.id, beside.id, last.id, last.id, after.id, later.id]
    assert found(raw, "old_name, new_name, created_on", "journal_entries") == [
        ("New", "Waiting", "2026-03-07T23:59:59Z"),
        ("Waiting", "In Progress", "2026-03-07T23:59:59Z"),
    ]


def test_a_wrong_key_is_answered_as_nobodys_and_refused(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    public = redmine.open(WINDOW.start, project="support")
    redmine.open(WINDOW.start, project="secret")
    for key in ("another", None):
        listed = answer(redmine, "issues", key, status_id="*", limit="100")
        assert listed.status_code == 200
        names = {one["project"]["name"] for one in listed.json()["issues"]}
        assert (names, public.id in {one["id"] for one in listed.json()["issues"]}) == ({"Support"}, True)
    redmine.do("token", login="avoir", key="another")
    try:
        with pytest.raises(AccessDeniedError, match="VENDOR_SECRET") as caught:
            load_window(raw, desk(redmine, "support"), WINDOW)
    finally:
        redmine.do("token", login="avoir", key=SECRET)
    assert SECRET not in str(caught.value)
    assert numbers(raw) == []
    assert raw.execute("select count(*) from loads.batches").fetchone() == (0,)


@pytest.mark.parametrize(
    ("lost", "again"),
    [
        (
            "Token.where(action: 'api').update_all(value: 'another')",
            f"Token.where(action: 'api').update_all(value: '{SECRET}')",
        ),
        ("User.find_by!(login: 'avoir').lock!", "User.find_by!(login: 'avoir').activate!"),
        ("Setting.rest_api_enabled = '0'", "Setting.rest_api_enabled = '1'"),
    ],
    ids=["another_key", "a_locked_user", "no_interface"],
)
def test_a_key_that_is_lost_while_we_read_is_not_fewer_issues(
    redmine: RealRedmine, raw: psycopg.Connection, lost: str, again: str
) -> None:
    """From the second page on only public issues are answered, with 200."""
    redmine.open(WINDOW.start, project="support")
    lists = 0

    def lose(number: int, passed: Passed) -> None:
        nonlocal lists
        lists += passed.request.path == "/issues.json"
        if passed.request.path == "/issue_statuses.json":
            redmine.ruby(lost)

    with proxy_to(redmine.url) as proxy:
        proxy.spoil = lose
        try:
            with pytest.raises(AccessDeniedError):
                load_window(raw, desk(redmine, url=proxy.url), WINDOW)
        finally:
            redmine.ruby(again)
    assert lists >= 1
    assert numbers(raw) == []


def test_an_issue_that_is_gone_is_marked_and_one_out_of_sight_is_not(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    project, archived = redmine.project("Seen"), redmine.project("Archived")
    deleted, private, kept = (redmine.open(QUIET.start, project=project) for _ in range(3))
    stored = redmine.open(QUIET.start, project=archived)
    redmine.change(private, QUIET.start + MINUTE, is_private=True)
    source = desk(redmine)
    load_window(raw, source, QUIET)
    ours = {deleted.id, private.id, kept.id, stored.id}
    assert set(numbers(raw)) == ours
    redmine.delete(deleted)
    redmine.ruby(f"Project.find('{archived}').archive")
    with meanwhile(
        redmine,
        f"{HIDES}.update!(issues_visibility: 'default')",
        f"{HIDES}.update!(issues_visibility: 'all')",
    ):
        shown = [answer(redmine, f"issues/{one.id}").status_code for one in (deleted, private, kept, stored)]
        assert shown == [404, 403, 200, 403]
        load_window(raw, source, Window(QUIET.end, QUIET.end + timedelta(days=1)))
    assert numbers(raw, "issue_deletions") == [deleted.id]


def test_an_issue_that_moved_to_a_project_that_is_not_read_is_read_on(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    project, other = redmine.project("From"), redmine.project("To")
    issue = redmine.open(WINDOW.start, project=project)
    redmine.open(WINDOW.start, project=project)
    source = desk(redmine, project)
    load_window(raw, source, WINDOW)
    redmine.change(issue, WINDOW.end + MINUTE, project_id=redmine.ruby(f"Project.find('{other}').id"))
    redmine.change(issue, WINDOW.end + 2 * MINUTE, status_id=5, notes="Solved.")
    load_window(raw, source, NEXT)
    moved = [row for row in found(raw, "issue_id, project, status, is_closed") if row[0] == str(issue.id)]
    assert moved == [(str(issue.id), "From", "New", "false"), (str(issue.id), "To", "Closed", "true")]
    names = [name for (name,) in found(raw, "name", "journal_entries")]
    assert names == ["", "project_id", "status_id"]
    assert numbers(raw, "issue_deletions") == []


def test_an_entry_keeps_its_key_when_a_field_is_taken_out_of_sight(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    """Else the change of state would lie under the key of another, and what held the issue be gone."""
    project = redmine.project("Fields")
    issue = redmine.open(WINDOW.start, project=project, custom={12: "DNS", 13: ["a"], 14: "x"})
    changed = {12: "Mail", 13: ["b", "c"], 14: "y"}
    redmine.change(issue, WINDOW.start + MINUTE, custom=changed, status_id=2, notes="We look.")
    source = desk(redmine, project, hold_field=12)
    load_window(raw, source, WINDOW)
    told = found(raw, "name, tracked_as, old_value, new_value, notes", "journal_entries")
    assert told == [
        ("", "", "", "", "We look."),
        ("12", "hold_reason", "DNS", "Mail", ""),
        ("13", "", "", "b", ""),
        ("13", "", "", "c", ""),
        ("13", "", "a", "", ""),
        ("status_id", "state", "1", "2", ""),
    ]
    redmine.change(issue, WINDOW.end + MINUTE, notes="Still.")
    with meanwhile(
        redmine,
        "IssueCustomField.find(12).update!(visible: false, role_ids: [Role.find_by!(name: 'Worker').id])",
        "IssueCustomField.find(12).update!(visible: true)",
    ):
        load_window(raw, source, NEXT)
    assert found(raw, "name, tracked_as, old_value, new_value, notes", "journal_entries") == sorted(
        [*told, ("", "", "", "", "Still.")]
    )
    with pytest.raises(SourceError, match="custom field 13 may have several values"):
        load_window(raw, desk(redmine, project, hold_field=13), NEXT)


def test_a_private_note_is_read_by_who_may_and_its_issue_does_not_tell_that_it_became_one(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    project = redmine.project("Notes")
    issue = redmine.open(WINDOW.start, project=project)
    redmine.change(issue, WINDOW.start + MINUTE, notes="Hm.", private=True)
    note = redmine.change(issue, WINDOW.start + 2 * MINUTE, notes="We look.")
    source = desk(redmine, project)
    with meanwhile(
        redmine,
        f"{HIDES}.remove_permission!(:view_private_notes)",
        f"{HIDES}.add_permission!(:view_private_notes)",
    ):
        load_window(raw, source, WINDOW)
    assert found(raw, "notes, is_private", "journal_entries") == [("We look.", "false")]
    load_window(raw, source, WINDOW)
    assert found(raw, "notes, is_private", "journal_entries") == [("Hm.", "true"), ("We look.", "false")]
    redmine.ruby(f"Journal.find({note}).update!(private_notes: true)", WINDOW.end + MINUTE)
    load_window(raw, source, NEXT)
    assert ("We look.", "true") not in found(raw, "notes, is_private", "journal_entries")
    redmine.change(issue, WINDOW.end + 2 * MINUTE, status_id=2)
    load_window(raw, source, NEXT)
    assert ("We look.", "true") in found(raw, "notes, is_private", "journal_entries")


def test_the_hour_that_an_autumn_night_has_twice_is_told_once(
    redmine: RealRedmine, raw: psycopg.Connection
) -> None:
    """Redmine keeps the time of its machine's zone: what it does not know nobody can tell from it."""
    project = redmine.project("Autumn")
    first, second = (
        redmine.open(datetime(2026, 10, 25, hour, 30, tzinfo=UTC), project=project) for hour in (0, 1)
    )
    day = datetime(2026, 10, 25, tzinfo=UTC)
    load_window(raw, desk(redmine, project), Window(day, day + timedelta(days=1)))
    assert found(raw, "issue_id, created_on") == [
        (str(first.id), "2026-10-25T01:30:00Z"),
        (str(second.id), "2026-10-25T01:30:00Z"),
    ]


def test_the_stateful_server_answers_as_the_real_one(redmine: RealRedmine) -> None:
    last = "{model}.maximum(:id) || 0"
    ours = RedmineServer(
        last_id=redmine.ruby(last.format(model="Issue")),
        next_journal=redmine.ruby(last.format(model="Journal")),
    )
    first = ours.last_id + 1
    happened = [story(one) for one in (ours, redmine)]
    assert [one.id for one in happened[0]] == [one.id for one in happened[1]]
    listed = {"project_id": "secret", "issue_id": f">={first}"}
    every = {**listed, "status_id": "*", "sort": "id:asc", "limit": "100"}
    questions: list[tuple[str, dict[str, str]]] = [
        ("users/current", {}),
        ("issue_statuses", {}),
        ("enumerations/issue_priorities", {}),
        ("issues", listed),
        ("issues", every),
        ("issues", {**every, "issue_id": f">={first + 1}"}),
        ("issues", {**every, "limit": "500"}),
        ("issues", {**every, "limit": "2", "offset": "1", "sort": "updated_on:desc"}),
        ("issues", {**every, "updated_on": ">=2026-03-01T00:03:00Z"}),
        ("issues", {**every, "updated_on": ">=yesterday"}),
        ("issues", {**every, "project_id": "unknown"}),
        ("issues", {**every, "project_id": "network"}),
        (f"issues/{first}", {}),
        *((f"issues/{one.id}", {"include": "journals"}) for one in happened[0]),
        ("issues/99999999", {}),
    ]
    with serving(ours) as url:
        for path, parameters in questions:
            for key in (SECRET, "another"):
                theirs, own = (
                    requests.get(
                        f"{address}/{path}.json",
                        params=parameters,
                        headers={"X-Redmine-API-Key": key},
                        timeout=60,
                    )
                    for address in (redmine.url, url)
                )
                asked = (path, parameters, key)
                assert (own.status_code, *asked) == (theirs.status_code, *asked)
                if not theirs.content:
                    assert not own.content, asked
                elif path == "users/current":
                    assert shape(own.json()) == shape(theirs.json()), asked
                else:
                    assert own.json() == theirs.json(), asked


def story(desk: Any) -> list[Opened]:
    """Everything that an issue can live through, in the project that only the key's user sees."""
    at = WINDOW.start
    plain, busy, closed, again, gone = (
        desk.open(at, project="secret", custom={12: "DNS", 13: ["a"], 14: "x"}),
        desk.open(at + MINUTE, project="secret"),
        desk.open(at + 2 * MINUTE, project="secret", status=5),
        desk.open(at + 3 * MINUTE, project="secret", author=AGENT),
        desk.open(at + 4 * MINUTE, project="secret"),
    )
    desk.change(plain, at + 5 * MINUTE, custom={12: "Mail", 13: ["b", "c"], 14: "y"}, status_id=3)
    desk.change(
        busy, at + 6 * MINUTE, assigned_to_id=AGENT, priority_id=3, subject="Printer", notes="We look."
    )
    desk.change(busy, at + 7 * MINUTE, notes="Hm.", private=True)
    desk.change(busy, at + 8 * MINUTE, notes="Hm.", private=True, status_id=2, assigned_to_id=COLLEAGUE)
    desk.change(closed, at + 9 * MINUTE, author=CUSTOMER, notes="Thank you.")
    desk.change(again, at + 10 * MINUTE, status_id=5)
    desk.change(again, at + 11 * MINUTE, status_id=2, assigned_to_id=AGENT)
    desk.change(again, at + 12 * MINUTE, custom={14: "y"})
    desk.change(again, at + 13 * MINUTE, project_id=2, priority_id=1)
    desk.delete(gone)
    return [plain, busy, closed, again]


def shape(value: Any) -> Any:
    """The keys of an answer and the types behind them."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__
