"""Asana: tasks of projects with their stories, and which of them are gone.

Flow: the tasks of each project that were modified since the window's start are walked, done or not, by the
token that leads to the next page; of each the stories are read to the end, which tell what happened to it.
The order of a list is the order that people give it, so a task may move between pages: a second walk
compares numbers and instants, and what the first one did not show is read by its number. What was modified
after the window's end is left for the next.

Asana announces no totals. A page that a token promised and that is empty fails the load; links that an answer
carries are never followed. Tasks that were landed and cannot be read any more are marked in
``task_deletions``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from avoir.sources import asana_records as records
from avoir.sources.deletions import marked_as_gone
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.record_making import id_of, text_of, utc_instant_of
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError, VendorApi

PAGE_ROWS = 100
_API = "api/1.0"


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every task of the projects that was modified in the window, with all its stories.

    Raises:
        AccessDeniedError: the token is nobody's.
        IncompleteAnswerError: an answer is malformed, or does not say where the next one is.
    """
    reading = _Reading(VendorApi(source))
    seen: dict[str, str] = {}
    for page in reading.pages(records.TASK_FIELDS, window.start):
        new = [task for task in page if seen.get(task["gid"]) != task["modified_at"]]
        yield from reading.landed_from([task for task in new if reading.instant(task) in window])
        seen |= {task["gid"]: task["modified_at"] for task in page}
    again = {
        task["gid"]: task["modified_at"]
        for page in reading.pages(("gid", "modified_at"), window.start)
        for task in page
    }
    missed = [task_id for task_id, modified in again.items() if seen.get(task_id) != modified]
    found = [task for task_id in missed if (task := reading.by_id(task_id)) is not None]
    yield from reading.landed_from([task for task in found if reading.instant(task) in window])
    yield from _deletions(reading, window, landed, set(seen) | set(again))


class _Reading:
    """One reading of a workspace: the names of its projects, and the numbers of what was found."""

    def __init__(self, api: VendorApi) -> None:
        self.api = api
        self.label = f"source {api.source.name}"
        self.numbers = {table.name: count(1) for table in records.TABLES}
        me = self._ask("users/me", {}).get("data")
        if not isinstance(me, dict) or not id_of(me.get("gid")):
            raise AccessDeniedError(
                f"{self.label}: users/me names no user; check the token in {api.source.secret_place}"
            )
        self.fields = records.Fields.of(
            api.source, {one: self._name(one) for one in api.source.option("projects")}
        )

    def pages(self, fields: tuple[str, ...], since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        """Tasks of the projects, page by page: those modified since an instant, or all."""
        asked = {"opt_fields": ",".join(fields)}
        if since is not None:
            asked["modified_since"] = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for project in self.fields.projects:
            for page in self._listed("tasks", {**asked, "project": project}):
                if since is not None:
                    for task in page:
                        self._must_be_since(task, since)
                yield page

    def by_id(self, task_id: str) -> dict[str, Any] | None:
        """A task read by its number; None of one that is gone."""
        try:
            task = self._ask(f"tasks/{task_id}", {"opt_fields": ",".join(records.TASK_FIELDS)}).get("data")
        except NotFoundError:
            return None
        if not isinstance(task, dict) or task.get("gid") != task_id:
            raise IncompleteAnswerError(f"{self.label}: task {task_id} was asked for and another given")
        return task

    def instant(self, task: Mapping[str, Any]) -> datetime:
        """When a task was last modified."""
        instant = utc_instant_of(task.get("modified_at"))
        if instant is None:
            raise IncompleteAnswerError(
                f"{self.label}: task {task['gid']} has no instant of its last change: "
                f"{task.get('modified_at')!r}"
            )
        return instant

    def landed_from(self, tasks: list[dict[str, Any]]) -> Iterator[Rows | Rejected]:
        """The rows of some tasks, all their stories with them; one that is gone meanwhile is left out."""
        found: dict[str, list[tuple[str | None, ...]]] = {table.name: [] for table in records.TABLES}
        for task in tasks:
            path = f"tasks/{task['gid']}/stories"
            try:
                pages = list(self._listed(path, {"opt_fields": ",".join(records.STORY_FIELDS)}))
            except NotFoundError:
                if self.by_id(task["gid"]) is not None:
                    raise
                continue
            stories = [story for page in pages for story in page]
            for row in (records.task_row(task, self.fields), *records.story_rows(task, stories, self.fields)):
                if isinstance(row, Rejected):
                    yield row
                else:
                    found[row[0]].append(row[1])
        for table, values in found.items():
            if values:
                yield Rows(table, values, [next(self.numbers[table]) for _ in values])

    def _listed(self, path: str, parameters: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        token: str | None = None
        tokens: set[str] = set()
        while True:
            asked = {**parameters, "limit": str(PAGE_ROWS)}
            body = self._ask(path, asked if token is None else {**asked, "offset": token})
            rows = body.get("data")
            if not isinstance(rows, list) or not all(
                isinstance(row, dict) and isinstance(row.get("gid"), str) and id_of(row["gid"])
                for row in rows
            ):
                raise IncompleteAnswerError(f"{self.label}: {path} answered without `data` and their numbers")
            if "next_page" not in body:
                raise IncompleteAnswerError(f"{self.label}: {path} does not say whether a page follows")
            if not rows and (token is not None or body["next_page"] is not None):
                raise IncompleteAnswerError(f"{self.label}: a page of {path} that was promised is empty")
            yield rows
            following = body["next_page"]
            if following is None:
                return
            token = text_of(following.get("offset")) if isinstance(following, dict) else ""
            if not token or token in tokens:
                raise IncompleteAnswerError(
                    f"{self.label}: {path} did not say where its next page is (offset "
                    f"{'as before' if token in tokens else repr(token)}); nothing was landed"
                )
            self.api.must_stay(following.get("uri"))
            tokens.add(token)

    def _must_be_since(self, task: Mapping[str, Any], since: datetime) -> None:
        # What Asana compares may be finer than what it is asked for.
        if self.instant(task) < since - timedelta(seconds=2):
            raise IncompleteAnswerError(
                f"{self.label}: task {task['gid']} of {task['modified_at']} was given when asked for what "
                f"was modified since {since}"
            )

    def _name(self, project: str) -> str:
        shown = self._ask(f"projects/{project}", {"opt_fields": "name"}).get("data")
        name = text_of(shown.get("name")) if isinstance(shown, dict) else ""
        if not name:
            raise IncompleteAnswerError(f"{self.label}: project {project} came without its name")
        return name

    def _ask(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        body = self.api.get(f"{_API}/{path}", parameters).body
        if not isinstance(body, dict):
            raise IncompleteAnswerError(f"{self.label}: {path} did not answer with an object")
        return body


def _deletions(
    reading: _Reading, window: Window, landed: Landed, seen: set[str]
) -> Iterator[Rows | Rejected]:
    yield from marked_as_gone(
        landed,
        window,
        table="tasks",
        key="task_id",
        marks="task_deletions",
        visible=lambda: seen | {task["gid"] for page in reading.pages(("gid",), None) for task in page},
        is_found=lambda task_id: reading.by_id(task_id) is not None,
        label=reading.label,
        check="the token's user",
    )


def _projects(value: object) -> tuple[str, ...]:
    numbers = tuple(map(str, value)) if isinstance(value, list) else ()
    if not numbers or not all(records.CUSTOM_FIELD.fullmatch(one) for one in numbers):
        raise ValueError(f"must be a list of numbers of projects such as ['1201234567890123'], got {value!r}")
    return numbers


def _field(default: str, *words: str) -> Option:
    known = tuple(dict.fromkeys((default, *words)))

    def check(value: object) -> str:
        text = str(value)
        if text not in known and not records.CUSTOM_FIELD.fullmatch(text):
            named = ", ".join(filter(None, known))
            raise ValueError(f"must be {f'{named} or ' if named else ''}the number of a field, got {value!r}")
        return text

    return Option(default=default, check=check)


SYSTEM = System(
    name="asana",
    tables=records.TABLES,
    fetch=fetch,
    # Lists follow what is written within minutes.
    overlap=timedelta(hours=2),
    reads="http",
    options={
        "projects": Option(required=True, check=_projects),
        "service_field": _field(""),
        "state_field": _field(records.COMPLETION, records.SECTION),
        "hold_field": _field("", records.SECTION),
        "priority_field": _field(""),
        "team_field": _field(records.ASSIGNEE, records.SECTION),
    },
)
