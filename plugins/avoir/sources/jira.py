"""Jira Cloud and Jira Service Management: issues with their whole changelog, comments, and SLA cycles.

Flow: ``/myself`` says who the key is and in which zone JQL reads a date; the issues updated in the window
are walked by ``/search/jql`` (a token leads to the next page) with their changelog and comments; where an
issue has more of either than the page shows, its own endpoints are read to the end. The walk is made once
more for ids and instants only, and what the first one did not show is read by its id: an issue updated
while we read moves between pages. JQL knows minutes on the account's clock, so a wider stretch is asked
for and cut to the window here.

Versions of the projects, where the connection asks for them, are read by
:mod:`avoir.sources.jira_versions`.

Issues that were landed and are found neither in the projects nor by their id are marked in
``issue_deletions``. Links that an answer carries are never followed to another host. Instants are landed
as Jira gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from avoir.sources import jira_records as records
from avoir.sources.deletions import marked_as_gone
from avoir.sources.jira_versions import VERSIONS, fetch_versions
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.observing import approved_dates_option, zone_option
from avoir.sources.vendor_http import (
    AccessDeniedError,
    Answer,
    IncompleteAnswerError,
    NotFoundError,
    VendorApi,
)

PAGE_ISSUES = 100
#: A page of ids alone may be this long.
PAGE_IDS = 5000
PAGE_ENTRIES = 100
#: A desk has some SLAs; a list that is longer is one that never ends.
MOST_SLAS = 1000
_PROJECT = re.compile(r"[A-Z][A-Z0-9_]{0,254}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every issue of the projects that was updated in the window, with all that ever happened to it.

    Raises:
        AccessDeniedError: the key is not an account's; Jira would answer as anonymous, with fewer issues.
        IncompleteAnswerError: an answer is malformed, or short of what it announced.
    """
    api = VendorApi(source)
    reading = _Reading(api, records.Fields.of(source), _account_zone(api))
    seen: dict[str, str] = {}
    for page in reading.pages(window):
        updated = {issue["id"]: issue["fields"]["updated"] for issue in page}
        # An issue that moved to a later page has changed since it was read.
        yield from reading.landed_from([one for one in page if seen.get(one["id"]) != updated[one["id"]]])
        seen |= updated
    missed = [
        issue_id for issue_id, updated in reading.instants(window).items() if seen.get(issue_id) != updated
    ]
    yield from reading.landed_from(reading.by_id(missed))
    yield from _deletions(reading, window, landed, seen)
    if source.option("versions"):
        yield from fetch_versions(source, reading.ask, window, landed)


class _Reading:
    """One reading of an instance: what is asked for, and the numbers of what was found."""

    def __init__(self, api: VendorApi, fields: records.Fields, zone: ZoneInfo) -> None:
        self.api = api
        self.fields = fields
        self.zone = zone
        self.label = f"source {api.source.name}"
        self.numbers = {table.name: count(1) for table in records.TABLES}

    def pages(self, window: Window) -> Iterator[list[dict[str, Any]]]:
        """Issues of the window, page by page."""
        first, last = jql_bounds(window, self.zone)
        jql = f'{self._projects()} and updated >= "{first}" and updated <= "{last}" order by updated asc'
        parameters = {"jql": jql, "fields": ",".join(self.fields.names), "expand": "changelog"}
        for page in self._searched(parameters, PAGE_ISSUES):
            for issue in page:
                self._must_be_near(issue, window)
            yield [issue for issue in page if _updated(issue) in window]

    def instants(self, window: Window) -> dict[str, str]:
        """Ids of the window's issues, each with the instant of its last update."""
        first, last = jql_bounds(window, self.zone)
        jql = f'{self._projects()} and updated >= "{first}" and updated <= "{last}" order by updated asc'
        found: dict[str, str] = {}
        for page in self._searched({"jql": jql, "fields": "updated"}, PAGE_IDS):
            found |= {issue["id"]: issue["fields"]["updated"] for issue in page if _updated(issue) in window}
        return found

    def visible_ids(self) -> set[str]:
        """Ids of every issue of the projects."""
        found: set[str] = set()
        for page in self._searched(
            {"jql": f"{self._projects()} order by created asc", "fields": "id"}, PAGE_IDS
        ):
            found |= {issue["id"] for issue in page}
        return found

    def by_id(self, issue_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Issues read one by one; one that is gone meanwhile is left out."""
        found = []
        parameters = {"fields": ",".join(self.fields.names), "expand": "changelog"}
        for issue_id in issue_ids:
            try:
                answer = self.api.get(f"rest/api/3/issue/{issue_id}", parameters)
            except NotFoundError:
                continue
            found += self._issues([answer.body])
            _updated(found[-1])
        return found

    def is_found(self, issue_id: str) -> bool:
        """Whether an issue can be read by its id, in whatever project it is now."""
        try:
            self.ask(f"rest/api/3/issue/{issue_id}", {"fields": "updated"})
        except NotFoundError:
            return False
        return True

    def landed_from(self, issues: Sequence[dict[str, Any]]) -> Iterator[Rows | Rejected]:
        """The rows of some issues, all their changes and comments with them."""
        for issue in issues:
            found: dict[str, list[tuple[str | None, ...]]] = {table.name: [] for table in records.TABLES}
            made = [records.issue_row(issue, self.fields)]
            for history in self._changelog(issue):
                made += records.change_rows(issue["id"], history, self.fields)
            made += [records.comment_row(issue["id"], comment) for comment in self._comments(issue)]
            if self.api.source.option("service_desk"):
                made += [row for sla in self._slas(issue["id"]) for row in records.sla_rows(issue["id"], sla)]
            for row in made:
                if isinstance(row, Rejected):
                    yield row
                else:
                    found[row[0]].append(row[1])
            for table, values in found.items():
                if values:
                    yield Rows(table, values, [next(self.numbers[table]) for _ in values])

    def _projects(self) -> str:
        names = ", ".join(f'"{name}"' for name in self.api.source.option("projects"))
        return f"project in ({names})"

    def _searched(self, parameters: Mapping[str, str], page_rows: int) -> Iterator[list[dict[str, Any]]]:
        token: str | None = None
        tokens: set[str] = set()
        while True:
            asked = {**parameters, "maxResults": str(page_rows)}
            body = self.ask(
                "rest/api/3/search/jql", asked if token is None else {**asked, "nextPageToken": token}
            )
            issues = body.get("issues")
            if not isinstance(issues, list):
                raise IncompleteAnswerError(f"{self.label}: the search answered without a list of `issues`")
            if token is not None and not issues:
                raise IncompleteAnswerError(f"{self.label}: a page that the search promised is empty")
            yield self._issues(issues)
            token, is_last = body.get("nextPageToken"), body.get("isLast")
            if token is None and is_last is True:
                return
            if not isinstance(token, str) or not token or is_last is True or token in tokens:
                raise IncompleteAnswerError(
                    f"{self.label}: the search did not say where its next page is (isLast {is_last!r}, "
                    f"nextPageToken {'as before' if token in tokens else token!r}); nothing was landed"
                )
            tokens.add(token)

    def _issues(self, found: Sequence[object]) -> list[dict[str, Any]]:
        for issue in found:
            if not isinstance(issue, dict) or not records.is_number(issue.get("id")):
                raise IncompleteAnswerError(f"{self.label}: an issue has no numeric id")
            if not isinstance(issue.get("fields", {}), dict):
                raise IncompleteAnswerError(f"{self.label}: issue {issue['id']} came without its fields")
        return [issue for issue in found if isinstance(issue, dict)]

    def _must_be_near(self, issue: dict[str, Any], window: Window) -> None:
        if not window.start - timedelta(hours=3) <= _updated(issue) <= window.end + timedelta(hours=3):
            raise IncompleteAnswerError(
                f"{self.label}: issue {issue['id']} of {issue['fields']['updated']} was given when asked for "
                f"{window}; JQL was not read in the zone {self.zone.key} that /myself states"
            )

    def _changelog(self, issue: dict[str, Any]) -> list[dict[str, Any]]:
        shown = issue.get("changelog")
        if isinstance(shown, dict) and _is_whole(shown, "histories"):
            return list(shown["histories"])
        return self._entries(f"rest/api/3/issue/{issue['id']}/changelog", "values")

    def _comments(self, issue: dict[str, Any]) -> list[dict[str, Any]]:
        shown = issue["fields"].get("comment")
        if isinstance(shown, dict) and _is_whole(shown, "comments"):
            return list(shown["comments"])
        return self._entries(f"rest/api/3/issue/{issue['id']}/comment", "comments")

    def _entries(self, path: str, name: str) -> list[dict[str, Any]]:
        """Every entry of a list that pages by offset; entries are only ever added at its end."""
        found: dict[str, dict[str, Any]] = {}
        start = 0
        while True:
            body = self.ask(
                path, {"startAt": str(start), "maxResults": str(PAGE_ENTRIES), "orderBy": "created"}
            )
            entries, total = body.get(name), body.get("total")
            if not isinstance(entries, list) or not isinstance(total, int):
                raise IncompleteAnswerError(
                    f"{self.label}: {path} answered without `{name}` and their `total`"
                )
            found |= {
                str(entry["id"]): entry for entry in entries if isinstance(entry, dict) and "id" in entry
            }
            start += len(entries)
            if start >= total:
                break
            if not entries:
                raise IncompleteAnswerError(
                    f"{self.label}: {path} announced {total} entries and gave {start}"
                )
        if len(found) < total:
            raise IncompleteAnswerError(
                f"{self.label}: {path} announced {total} entries and gave {len(found)}"
            )
        return [found[key] for key in sorted(found, key=lambda key: (len(key), key))]

    def _slas(self, issue_id: str) -> list[dict[str, Any]]:
        """What Jira Service Management reports of an issue; none of one that is no request of a customer."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                body = self.ask(
                    f"rest/servicedeskapi/request/{issue_id}/sla", {"start": str(len(found)), "limit": "50"}
                )
            except NotFoundError:
                return []
            values = body.get("values")
            if not isinstance(values, list) or not isinstance(body.get("isLastPage"), bool):
                raise IncompleteAnswerError(f"{self.label}: the SLAs of {issue_id} came without `values`")
            found += [value for value in values if isinstance(value, dict)]
            links = body.get("_links")
            self.api.must_stay(links.get("next") if isinstance(links, dict) else None)
            if len(found) > MOST_SLAS:
                raise IncompleteAnswerError(f"{self.label}: the SLAs of {issue_id} do not come to an end")
            if body["isLastPage"]:
                return found
            if not values:
                raise IncompleteAnswerError(
                    f"{self.label}: a page of the SLAs of {issue_id} is empty and not the last"
                )

    def ask(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """An object that the account may see."""
        answer = self.api.get(path, parameters)
        _must_be_signed_in(self.api.source, answer)
        if not isinstance(answer.body, dict):
            raise IncompleteAnswerError(f"{self.label}: {path} did not answer with an object")
        return answer.body


def jql_bounds(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    """First and last minute, on the account's clock, between which JQL finds at least the window.

    A minute that a clock shows twice may mean either: the bounds move outward until both readings hold it.
    """
    first, last = window.start, window.end
    while max(_read_as(first, zone)) > window.start:
        first -= timedelta(minutes=30)
    while min(_read_as(last, zone)) < window.end:
        last += timedelta(minutes=30)
    return _minute(first, zone), _minute(last, zone)


def _minute(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _read_as(instant: datetime, zone: ZoneInfo) -> list[datetime]:
    local = datetime.strptime(_minute(instant, zone), "%Y-%m-%d %H:%M")  # noqa: DTZ007 its zone is given below
    return [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]


def _account_zone(api: VendorApi) -> ZoneInfo:
    """The zone in which JQL reads dates: that of the account the key belongs to."""
    source = api.source
    answer = api.get("rest/api/3/myself", {})
    _must_be_signed_in(source, answer)
    account = answer.body
    if not isinstance(account, dict) or not account.get("accountId"):
        raise AccessDeniedError(f"source {source.name}: /myself names no account; check the API token")
    email = account.get("emailAddress")
    if email and source.username and email.lower() != source.username.lower():
        raise AccessDeniedError(
            f"source {source.name}: the API token is that of another account than username"
        )
    try:
        return ZoneInfo(str(account.get("timeZone")))
    except (ZoneInfoNotFoundError, ValueError) as error:
        zone = account.get("timeZone")
        raise IncompleteAnswerError(
            f"source {source.name}: /myself states no known zone: {zone!r}"
        ) from error


def _must_be_signed_in(source: SourceConnection, answer: Answer) -> None:
    reason = answer.headers.get("x-seraph-loginreason", "OK")
    if reason != "OK":
        raise AccessDeniedError(
            f"source {source.name}: {answer.url} answered as anonymous ({reason}); check the API token"
        )


def _updated(issue: Mapping[str, Any]) -> datetime:
    text = issue.get("fields", {}).get("updated")
    instant = records.instant_of(text)
    if instant is None:
        raise IncompleteAnswerError(f"issue {issue['id']} has no instant of its last update: {text!r}")
    return instant


def _is_whole(shown: Mapping[str, Any], name: str) -> bool:
    entries, total = shown.get(name), shown.get("total")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return False
    return isinstance(total, int) and len(entries) >= total


def _deletions(
    reading: _Reading, window: Window, landed: Landed, seen: Mapping[str, str]
) -> Iterator[Rows | Rejected]:
    yield from marked_as_gone(
        landed,
        window,
        table="issues",
        key="issue_id",
        marks="issue_deletions",
        visible=lambda: reading.visible_ids() | set(seen),
        is_found=reading.is_found,
        label=reading.label,
        check="the account's rights",
    )


def _project_keys(value: object) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(key, str) and _PROJECT.fullmatch(key) for key in value)
    ):
        raise ValueError(f"must be a list of project keys such as [SUP], got {value!r}")
    return tuple(value)


def _field_id(value: object) -> str:
    if not isinstance(value, str) or (value and not _FIELD.fullmatch(value)):
        raise ValueError(f"must be the id of a field such as customfield_10050, got {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")  # noqa: TRY004 one kind
    return value


SYSTEM = System(
    name="jira",
    tables=(*records.TABLES, VERSIONS),
    fetch=fetch,
    # Jira's search index follows its database within minutes.
    overlap=timedelta(hours=2),
    reads="http",
    options={
        "projects": Option(required=True, check=_project_keys),
        "service_field": Option(default="project", check=_field_id),
        "team_field": Option(default="assignee", check=_field_id),
        "hold_field": Option(default="", check=_field_id),
        "service_desk": Option(default=False, check=_flag),
        "versions": Option(default=False, check=_flag),
        "approved_dates": approved_dates_option(),
        "timezone": zone_option(),
    },
)
