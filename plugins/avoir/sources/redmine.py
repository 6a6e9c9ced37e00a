"""Redmine: issues with their journals, and which of them are gone.

Flow: ``users/current`` says who the key is; the issues updated since the window's start are walked by their
number: each page asks for the numbers above the last one seen. A walk by offset loses the rows that move
while it is on its way; numbers never move, and nothing leaves a stretch that has no upper end. What lies
after the window's end is left for the next. A list ignores that journals are wanted, so each issue is then
read by its number.

Every page announces ``total_count``, the issues that match: a page that is shorter, or holds issues that it
was not asked for, fails the load. A key that Redmine does not know makes its answers an anonymous user's,
with 200 and fewer issues: who the key is is asked again when all has been read.

Issues that were landed and cannot be read any more are marked in ``issue_deletions``. One that was moved to a
project that is not read is read on by its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from avoir.sources import redmine_records as records
from avoir.sources.deletions import marked_as_gone
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, SourceError, System, Window
from avoir.sources.record_making import id_of, text_of, utc_instant_of
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError, VendorApi

#: Redmine gives no more, whatever is asked for.
PAGE_ROWS = 100
KEY_HEADER = "X-Redmine-API-Key"
#: What Redmine compares may be finer than the second that it shows.
_ROUNDED = timedelta(seconds=2)
_PROJECT = re.compile(r"[a-z0-9_-]{1,100}")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every issue of the projects that was updated in the window, with all its journals.

    Raises:
        AccessDeniedError: the key is no user's, or another one's than the connection names.
        IncompleteAnswerError: a page is short or not what was asked for.
        SourceError: a field that clocks look at may have several values at once.
    """
    api = VendorApi(source, key_header=KEY_HEADER)
    user = _signed_in(api)
    reading = _Reading(api)
    seen: set[str] = set()
    for page in reading.pages(since=window.start):
        # A project's list holds those of its subprojects, which may be listed as well.
        new = {id_of(issue["id"]): reading.instant(issue) for issue in page if id_of(issue["id"]) not in seen}
        yield from reading.landed_from([issue_id for issue_id, at in new.items() if at in window])
        seen |= set(new)
    yield from _deletions(reading, window, landed, seen)
    if _signed_in(api) != user:
        raise AccessDeniedError(f"{reading.label}: the key became another user's while it was read with")


class _Reading:
    """One reading of an instance: the names behind numbers, and the numbers of what was found."""

    def __init__(self, api: VendorApi) -> None:
        self.api = api
        self.label = f"source {api.source.name}"
        self.numbers = {table.name: count(1) for table in records.TABLES}
        #: Issues that are in no list any more, and when each was last updated.
        self.moved: dict[str, datetime] = {}
        statuses = self._listed("issue_statuses.json", "issue_statuses")
        priorities = self._listed("enumerations/issue_priorities.json", "issue_priorities")
        closed = frozenset(id_of(one.get("id")) for one in statuses if one.get("is_closed") is True)
        self.fields = records.Fields.of(api.source, _named(statuses), _named(priorities), closed)

    def pages(self, since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        """Issues by their number, page by page; those updated since an instant, or all."""
        updated = {} if since is None else {"updated_on": f">={since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        for project in self.api.source.option("projects") or ("",):
            # Of all states: Redmine gives open issues only, unless asked.
            asked = {"status_id": "*", "sort": "id:asc", "limit": str(PAGE_ROWS), **updated}
            yield from self._walked(asked | ({"project_id": project} if project else {}), since)

    def _walked(self, asked: Mapping[str, str], since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        last = 0
        while True:
            body = self._ask("issues.json", {**asked, "issue_id": f">={last + 1}"})
            issues, total = body.get("issues"), body.get("total_count")
            if (
                not isinstance(issues, list)
                or not all(isinstance(issue, dict) and id_of(issue.get("id")) for issue in issues)
                or isinstance(total, bool)
                or not isinstance(total, int)
            ):
                raise IncompleteAnswerError(
                    f"{self.label}: issues.json answered without `issues`, their ids and their `total_count`"
                )
            if len(issues) < min(total, PAGE_ROWS):
                raise IncompleteAnswerError(
                    f"{self.label}: {total} issues were announced, a page gave {len(issues)}"
                )
            for issue in issues:
                if int(issue["id"]) <= last:
                    raise IncompleteAnswerError(
                        f"{self.label}: issue {issue['id']} was given, asked for what follows {last}"
                    )
                if since is not None and self.instant(issue) < since - _ROUNDED:
                    raise IncompleteAnswerError(
                        f"{self.label}: issue {issue['id']} of {issue['updated_on']} was given when asked "
                        f"for what was updated since {since}"
                    )
            if not issues:
                return
            yield issues
            last = max(int(issue["id"]) for issue in issues)
            if len(issues) == total:
                return

    def instant(self, issue: Mapping[str, Any]) -> datetime:
        """When an issue was last updated."""
        instant = utc_instant_of(issue.get("updated_on"))
        if instant is None:
            raise IncompleteAnswerError(
                f"{self.label}: issue {issue['id']} has no instant of its last update: "
                f"{issue.get('updated_on')!r}"
            )
        return instant

    def landed_from(self, issue_ids: list[str]) -> Iterator[Rows | Rejected]:
        """The rows of some issues, all their journals with them; one that is gone meanwhile is left out."""
        found: dict[str, list[tuple[str | None, ...]]] = {table.name: [] for table in records.TABLES}
        for issue_id in issue_ids:
            issue = self._issue(issue_id)
            if issue is None:
                continue
            made = [records.issue_row(issue, self.fields)]
            for journal in issue["journals"]:
                made += records.entry_rows(issue_id, journal, self.fields)
            for row in made:
                if isinstance(row, Rejected):
                    yield row
                else:
                    found[row[0]].append(row[1])
        for table, values in found.items():
            if values:
                yield Rows(table, values, [next(self.numbers[table]) for _ in values])

    def _issue(self, issue_id: str) -> dict[str, Any] | None:
        try:
            issue = self._ask(f"issues/{issue_id}.json", {"include": "journals"}).get("issue")
        except NotFoundError:
            return None
        journals = issue.get("journals") if isinstance(issue, dict) else None
        if (
            not isinstance(issue, dict)
            or id_of(issue.get("id")) != issue_id
            or not isinstance(journals, list)
            or not all(isinstance(journal, dict) for journal in journals)
        ):
            raise IncompleteAnswerError(f"{self.label}: issue {issue_id} came without its journals")
        if several := records.many_valued(issue, self.fields):
            raise SourceError(
                f"{self.label}: custom field {several} may have several values, and journals tell them one "
                "by one; name a field with one value as team_field and hold_field"
            )
        return issue

    def is_found(self, issue_id: str) -> bool:
        """Whether an issue is still there, in whatever project, if only for others to see."""
        try:
            issue = self._ask(f"issues/{issue_id}.json", {}).get("issue")
        except NotFoundError:
            return False
        except AccessDeniedError:
            return True
        if not isinstance(issue, dict) or id_of(issue.get("id")) != issue_id:
            raise IncompleteAnswerError(f"{self.label}: issue {issue_id} was answered with another or none")
        self.moved[issue_id] = self.instant(issue)
        return True

    def _listed(self, path: str, name: str) -> list[dict[str, Any]]:
        listed = self._ask(path, {}).get(name)
        if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
            raise IncompleteAnswerError(f"{self.label}: {path} answered without `{name}`")
        return listed

    def _ask(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        body = self.api.get(path, parameters).body
        if not isinstance(body, dict):
            raise IncompleteAnswerError(f"{self.label}: {path} did not answer with an object")
        return body


def _named(listed: list[dict[str, Any]]) -> dict[str, str]:
    return {id_of(one.get("id")): text_of(one.get("name")) for one in listed}


def _signed_in(api: VendorApi) -> str:
    """The number of the user whose key it is; nobody else is answered here with more than a refusal."""
    source = api.source
    body = api.get("users/current.json", {}).body
    user = body.get("user") if isinstance(body, dict) else None
    number = id_of(user.get("id")) if isinstance(user, dict) else ""
    if not isinstance(user, dict) or not number:
        raise AccessDeniedError(
            f"source {source.name}: users/current names no user; check the key in {source.secret_place}"
        )
    login = user.get("login")
    if login and source.username and str(login).lower() != source.username.lower():
        raise AccessDeniedError(f"source {source.name}: the key is that of another user than username")
    return number


def _deletions(
    reading: _Reading, window: Window, landed: Landed, seen: set[str]
) -> Iterator[Rows | Rejected]:
    yield from marked_as_gone(
        landed,
        window,
        table="issues",
        key="issue_id",
        marks="issue_deletions",
        visible=lambda: seen | {id_of(one["id"]) for page in reading.pages(since=None) for one in page},
        is_found=reading.is_found,
        label=reading.label,
        check="the user's roles",
    )
    yield from reading.landed_from([issue_id for issue_id, at in reading.moved.items() if at in window])


def _projects(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) and _PROJECT.fullmatch(one) for one in value
    ):
        raise ValueError(f"must be a list of project identifiers such as [support], got {value!r}")
    return tuple(value)


def _field(words: tuple[str, ...], what: str) -> Option:
    def check(value: object) -> str:
        text = str(value)
        if text not in words and not records.CUSTOM_FIELD.fullmatch(text):
            raise ValueError(f"must be {what}, got {value!r}")
        return text

    return Option(default=words[0], check=check)


SYSTEM = System(
    name="redmine",
    tables=records.TABLES,
    fetch=fetch,
    # An issue is dated when its saving begins and seen when it is committed.
    overlap=timedelta(hours=2),
    reads="http",
    options={
        "projects": Option(default=(), check=_projects),
        "service_field": _field(
            records.SERVICES, f"{', '.join(records.SERVICES)} or the number of a custom field"
        ),
        "team_field": _field(("assigned_to",), "assigned_to or the number of a custom field"),
        "hold_field": _field(("",), "the number of a custom field"),
    },
)
