"""GitLab, GitHub and Jira's versions: what a load sees, what it makes of a hostile answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from avoir.sources import github, gitlab, jira
from avoir.sources.milestones import MILESTONES
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConnection, Table, Window
from avoir.sources.vendor_http import (
    AccessDeniedError,
    IncompleteAnswerError,
    NotFoundError,
    UnavailableError,
)
from tests.vendors.github import REPOSITORY, GitHubInstance
from tests.vendors.gitlab import PROJECT, GitLabInstance
from tests.vendors.jira import ACCOUNT, JiraInstance
from tests.vendors.serving import Reply, Request, connection_to, serving

START = datetime(2026, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
DUE = date(2026, 3, 6)


class Remembered(NothingLanded):
    """What loads landed: each record's newest state."""

    def __init__(self) -> None:
        self.states: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}

    def newest(self, table: str) -> Mapping[tuple[str, ...], Mapping[str, str]]:
        return self.states.get(table, {})


class Night:
    """Loads of one source, day by day."""

    def __init__(self, source: SourceConnection, fetch: Any, table: Table) -> None:
        self.source, self.fetch, self.table = source, fetch, table
        self.landed = Remembered()
        self.rejected: list[Rejected] = []

    def load(self, day: int, *, start: datetime | None = None) -> list[dict[str, str]]:
        """The rows of the table that the load of a day gives."""
        window = Window(start or START + (day - 1) * DAY, START + day * DAY)
        given: list[dict[str, str]] = []
        self.rejected = []
        for item in self.fetch(self.source, window, self.landed):
            if isinstance(item, Rejected):
                self.rejected.append(item)
            elif isinstance(item, Rows) and item.table == self.table.name:
                given += [dict(zip(self.table.column_names, row, strict=True)) for row in item.values]  # type: ignore[arg-type]
        known = self.landed.states.setdefault(self.table.name, {})
        known |= {tuple(one[name] for name in self.table.key): one for one in given}
        return given


@pytest.fixture
def forge() -> Iterator[tuple[GitLabInstance, Night]]:
    instance = GitLabInstance()
    with serving(instance) as url:
        source = connection_to(url, "gitlab", username=None, projects=[PROJECT])
        yield instance, Night(source, gitlab.fetch, MILESTONES)


@pytest.fixture
def hub() -> Iterator[tuple[GitHubInstance, Night]]:
    instance = GitHubInstance()
    with serving(instance) as url:
        source = connection_to(url, "github", username=None, repositories=[REPOSITORY])
        yield instance, Night(source, github.fetch, MILESTONES)


# --- what is seen of a system that holds the present only ---


def test_a_state_lands_when_it_differs_and_a_return_to_an_earlier_one_too(
    forge: tuple[GitLabInstance, Night],
) -> None:
    instance, night = forge
    milestone = instance.plan(START, "1.0", DUE)
    (first,) = night.load(1)
    assert (first["version_no"], first["due_date"], first["observed_from"]) == ("1", "2026-03-06", "")
    assert first["observed_at"] == (START + DAY - timedelta(microseconds=1)).isoformat()
    assert night.load(2) == []
    milestone["due_date"] = "2026-03-20"
    (second,) = night.load(3)
    assert (second["version_no"], second["due_date"]) == ("2", "2026-03-20")
    assert second["observed_from"] == (START + 2 * DAY).isoformat()
    milestone["due_date"] = "2026-03-06"
    (third,) = night.load(4)
    assert (third["version_no"], third["due_date"]) == ("3", "2026-03-06")


def test_what_was_before_the_last_look_cannot_be_seen_any_more(forge: tuple[GitLabInstance, Night]) -> None:
    instance, night = forge
    milestone = instance.plan(START, "1.0", DUE)
    night.load(5)
    milestone["due_date"] = "2026-03-20"
    instance.plan(START, "2.0", DUE)
    assert night.load(4) == []
    # The same window once more adds what was not there, or could not be read.
    assert {one["title"] for one in night.load(5)} == {"1.0", "2.0"}


def test_what_was_made_after_the_window_was_not_there(forge: tuple[GitLabInstance, Night]) -> None:
    instance, night = forge
    instance.plan(START + 2 * DAY, "1.0", DUE)
    assert night.load(2) == []
    assert [one["title"] for one in night.load(3)] == ["1.0"]


def test_what_is_gone_is_marked_and_may_come_back(forge: tuple[GitLabInstance, Night]) -> None:
    instance, night = forge
    kept = instance.plan(START, "1.0", DUE)
    lost = instance.plan(START, "2.0", DUE)
    night.load(1)
    instance.milestones = [kept]
    (gone,) = night.load(2)
    assert (gone["title"], gone["is_gone"], gone["due_date"]) == ("2.0", "true", "2026-03-06")
    assert night.load(3) == []
    instance.milestones = [kept, lost]
    (back,) = night.load(4)
    assert (back["is_gone"], back["version_no"]) == ("false", "3")


def test_a_list_that_is_empty_at_once_is_no_list_of_nothing(forge: tuple[GitLabInstance, Night]) -> None:
    instance, night = forge
    instance.plan(START, "1.0", DUE)
    night.load(1)
    instance.milestones = []
    with pytest.raises(IncompleteAnswerError, match="none of 1 milestones is visible any more"):
        night.load(2)


def test_a_record_that_cannot_be_read_is_rejected_and_not_gone(forge: tuple[GitLabInstance, Night]) -> None:
    instance, night = forge
    milestone = instance.plan(START, "1.0", DUE)
    night.load(1)
    milestone["due_date"] = "6 March"
    assert night.load(2) == []
    assert [(one.reason_code, one.table) for one in night.rejected] == [("bad_date", "milestones")]
    milestone["due_date"] = {"year": 2026}
    assert night.load(2) == []
    assert [one.reason_code for one in night.rejected] == ["bad_date"]
    milestone["due_date"] = None
    (seen,) = night.load(3)
    assert seen["due_date"] == ""


# --- GitLab ---


def test_a_release_delivers_the_milestones_it_names_once_it_is_there(
    forge: tuple[GitLabInstance, Night],
) -> None:
    instance, night = forge
    one, other = instance.plan(START, "1.0", DUE), instance.plan(START, "2.0", DUE)
    instance.release(START + 2 * DAY, "v1.1", one)
    # Dated back, dated ahead.
    instance.release(START + DAY, "v1.0", one, released_at=START - 10 * DAY)
    instance.release(START + DAY, "v2.0", other, released_at=START + 5 * DAY)
    found = {row["title"]: (row["delivered_by"], row["delivered_at"]) for row in night.load(4)}
    assert found == {"1.0": ("v1.0", (START + DAY).isoformat()), "2.0": ("", "")}
    (passed,) = night.load(6)
    assert (passed["title"], passed["delivered_at"]) == ("2.0", (START + 5 * DAY).isoformat())


def test_a_trusted_release_is_as_old_as_it_says(forge: tuple[GitLabInstance, Night]) -> None:
    instance, night = forge
    instance.release(START + DAY, "v1", instance.plan(START, "1.0", DUE), released_at=START - 10 * DAY)
    trusting = connection_to(
        night.source.url, "gitlab", username=None, projects=[PROJECT], released_at="trusted"
    )
    (row,) = Night(trusting, gitlab.fetch, MILESTONES).load(3)
    assert row["delivered_at"] == (START - 10 * DAY).isoformat()


@pytest.mark.parametrize("announces", [True, False])
def test_every_page_is_read(
    forge: tuple[GitLabInstance, Night], monkeypatch: pytest.MonkeyPatch, announces: bool
) -> None:
    monkeypatch.setattr("avoir.sources.gitlab.PAGE_ROWS", 3)
    instance, night = forge
    instance.announces = announces
    for number in range(10):
        instance.plan(START, f"{number}", DUE)
    assert len(night.load(1)) == 10
    assert len([one for one in instance.requests if one.path.endswith("/milestones")]) == (
        4 if announces else 8
    )


def test_a_list_that_is_short_of_its_total_lands_nothing(
    forge: tuple[GitLabInstance, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, night = forge
    instance.plan(START, "1.0", DUE)
    answer = instance.__call__

    def short(request: Request) -> Reply:
        reply = answer(request)
        reply.headers["X-Total"] = "2"
        return reply

    with serving(short) as url:
        source = connection_to(url, "gitlab", username=None, projects=[PROJECT])
        with pytest.raises(IncompleteAnswerError, match="of 2 that it announced, in 3 walks"):
            list(gitlab.fetch(source, Window(START, START + DAY), NothingLanded()))
    assert night.load(1)


def test_a_next_link_to_another_host_is_not_followed() -> None:
    elsewhere: list[Request] = []

    def other(request: Request) -> Reply:
        elsewhere.append(request)
        return Reply.json([])

    with serving(other) as there:

        def answer(request: Request) -> Reply:
            return Reply.json([], headers={"Link": f'<{there}/more>; rel="next"'})

        with serving(answer) as url:
            for system, fetch, options in (
                ("gitlab", gitlab.fetch, {"projects": [PROJECT]}),
                ("github", github.fetch, {"repositories": [REPOSITORY]}),
            ):
                source = connection_to(url, system, username=None, **options)
                with pytest.raises(IncompleteAnswerError, match="leads to another host; it was not followed"):
                    list(fetch(source, Window(START, START + DAY), NothingLanded()))
    assert elsewhere == []


@pytest.mark.parametrize(("system", "fetch"), [("gitlab", gitlab.fetch), ("github", github.fetch)])
def test_a_wrong_token_and_a_project_out_of_sight_are_told_apart(system: str, fetch: Any) -> None:
    instance = GitLabInstance() if system == "gitlab" else GitHubInstance()
    option = "projects" if system == "gitlab" else "repositories"
    with serving(instance) as url:
        hidden = connection_to(url, system, username=None, **{option: ["acme/hidden"]})
        with pytest.raises(NotFoundError, match="404"):
            list(fetch(hidden, Window(START, START + DAY), NothingLanded()))
        wrong = connection_to(url, system, username=None, **{option: ["acme/app"]})
        wrong = SourceConnection(
            name="wrong", system=system, url=url, history_from=START, secret_env="OTHER",
            options=wrong.options, environment={"OTHER": "0ther"},
        )  # fmt: skip
        with pytest.raises(AccessDeniedError, match="check the secret in the variable OTHER") as caught:
            list(fetch(wrong, Window(START, START + DAY), NothingLanded()))
        assert "0ther" not in str(caught.value)


# --- GitHub ---


def test_drafts_and_prereleases_deliver_nothing(hub: tuple[GitHubInstance, Night]) -> None:
    instance, night = hub
    instance.plan(START, "1.0", DUE)
    instance.plan(START, "Spring", DUE)
    # One that was published and taken back is a draft again.
    instance.release(START, "1.0", draft=True)["published_at"] = "2026-01-10T00:00:00Z"
    instance.release(START + DAY, "1.0", prerelease=True)
    assert {row["delivered_at"] for row in night.load(2)} == {""}
    instance.release(START + 2 * DAY, "v7", name="Spring")
    (spring,) = night.load(3)
    assert (spring["title"], spring["delivered_by"]) == ("Spring", "v7")
    loose = connection_to(
        night.source.url, "github", username=None, repositories=[REPOSITORY], prereleases=True
    )
    found = {row["title"]: row["delivered_by"] for row in Night(loose, github.fetch, MILESTONES).load(4)}
    assert found == {"1.0": "1.0", "Spring": "v7"}


def test_where_it_is_agreed_closing_a_milestone_delivers_it(hub: tuple[GitHubInstance, Night]) -> None:
    instance, night = hub
    milestone = instance.plan(START, "1.0", DUE)
    closed_at = (START + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    instance.change(milestone, START + DAY, state="closed", closed_at=closed_at)
    source = connection_to(
        night.source.url, "github", username=None, repositories=[REPOSITORY], delivered_by="closing"
    )
    (row,) = Night(source, github.fetch, MILESTONES).load(2)
    assert row["delivered_at"] == (START + DAY).isoformat()
    assert [one["delivered_at"] for one in night.load(2)] == [""]


def test_a_secondary_limit_is_waited_for(hub: tuple[GitHubInstance, Night]) -> None:
    instance, night = hub
    instance.plan(START, "1.0", DUE)
    limit = {"message": "You have exceeded a secondary rate limit"}
    instance.first = [
        Reply.json(limit, 403, {"Retry-After": "0"}),
        Reply.json(limit, 429, {"Retry-After": "0"}),
    ]
    assert len(night.load(1)) == 1
    assert instance.first == []
    assert {one.headers["X-GitHub-Api-Version"] for one in instance.requests} == {"2022-11-28"}


def test_a_limit_of_an_hour_is_told_with_its_end(hub: tuple[GitHubInstance, Night]) -> None:
    instance, night = hub
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START.timestamp()))}
    instance.first = [Reply.json({"message": "API rate limit exceeded"}, 403, used_up)]
    with pytest.raises(
        UnavailableError, match="no requests left for this account until 2026-01-10 00:00 UTC"
    ):
        night.load(1)


def test_a_list_that_changes_with_every_walk_lands_nothing(
    hub: tuple[GitHubInstance, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.github.PAGE_ROWS", 3)
    instance, night = hub
    for number in range(7):
        instance.plan(START, f"{number}", DUE)
    answer = instance.__call__

    def restless(request: Request) -> Reply:
        if request.path.endswith("/milestones") and "page" not in request.parameters:
            instance.change(instance.milestones[0], START, title=f"{len(instance.requests)}")
        return answer(request)

    with serving(restless) as url:
        source = connection_to(url, "github", username=None, repositories=[REPOSITORY])
        with pytest.raises(IncompleteAnswerError, match="others each time, in 3 walks"):
            list(github.fetch(source, Window(START, START + DAY), NothingLanded()))
    assert len(night.load(1)) == 7


@pytest.mark.parametrize(
    ("system", "option", "value", "problem"),
    [
        (gitlab.SYSTEM, "projects", [], "must be a list of projects"),
        (gitlab.SYSTEM, "projects", ["app"], "is not a project such as group/app"),
        (gitlab.SYSTEM, "projects", ["a/b", "a/b"], "names a project twice"),
        (gitlab.SYSTEM, "projects", ["a/../b?x"], "is not a project"),
        (gitlab.SYSTEM, "approved_dates", "none", "must be first"),
        (gitlab.SYSTEM, "released_at", "now", "must be not_before_creation"),
        (gitlab.SYSTEM, "timezone", "Mars", "must be an IANA zone"),
        (github.SYSTEM, "repositories", ["a/b/c"], "is not a project such as owner/app"),
        (github.SYSTEM, "delivered_by", "merge", "must be release or closing"),
        (github.SYSTEM, "prereleases", "yes", "must be true or false"),
    ],
)
def test_an_option_that_cannot_be_is_refused(system: Any, option: str, value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        system.options[option].check(value)


# --- Jira's versions ---


@pytest.fixture
def versions() -> Iterator[tuple[JiraInstance, Night]]:
    instance = JiraInstance(cap=3)
    with serving(instance) as url:
        source = connection_to(url, "jira", username=ACCOUNT, projects=["SUP", "OPS"], versions=True)
        table = next(one for one in jira.SYSTEM.tables if one.name == "versions")
        yield instance, Night(source, jira.fetch, table)


def test_versions_of_every_project_are_read_to_the_end(versions: tuple[JiraInstance, Night]) -> None:
    instance, night = versions
    for number in range(7):
        instance.plan(f"1.{number}", DUE)
    instance.plan("9.9", None, project="OPS")
    rows = night.load(1)
    assert [(one["project_key"], one["name"]) for one in rows] == [
        *(("SUP", f"1.{number}") for number in range(7)),
        ("OPS", "9.9"),
    ]
    instance.versions[0] |= {"released": True, "releaseDate": "2026-01-11"}
    (released,) = night.load(2)
    assert (released["released"], released["release_date"]) == ("true", "2026-01-11")


def test_fewer_versions_than_announced_land_nothing(versions: tuple[JiraInstance, Night]) -> None:
    instance, night = versions
    for number in range(4):
        instance.plan(f"1.{number}", DUE)
    instance.versions[1]["id"] = instance.versions[0]["id"]
    with pytest.raises(IncompleteAnswerError, match="announced as 4 and given as 3"):
        night.load(1)


def test_versions_are_read_where_the_connection_asks_for_them(versions: tuple[JiraInstance, Night]) -> None:
    instance, night = versions
    instance.plan("1.0", DUE)
    source = connection_to(night.source.url, "jira", username=ACCOUNT, projects=["SUP"])
    assert Night(source, jira.fetch, night.table).load(1) == []


def test_the_fake_gives_versions_as_atlassian_describes_them(
    versions: tuple[JiraInstance, Night], shared_data: Any
) -> None:
    instance, _ = versions
    for number in range(4):
        instance.plan(f"1.{number}", DUE)
    instance.versions[0] |= {"released": True, "archived": True}
    described = json.loads((shared_data / "api" / "jira" / "openapi-v3.json").read_text())
    schema = {"$ref": "#/components/schemas/PageBeanVersion", "components": described["components"]}
    for start in ("0", "3"):
        parameters = {"startAt": start, "maxResults": "50"}
        reply = instance._versions("SUP", Request("/rest/api/3/project/SUP/version", parameters, {}))
        jsonschema.Draft4Validator(schema).validate(json.loads(reply.body))
        assert json.loads(reply.body)["values"]
