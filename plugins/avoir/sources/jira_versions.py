"""Versions of Jira's projects: when they are to be released, and when they were.

Jira keeps the present date of a version only, so what differs from what earlier loads saw lands
(:mod:`avoir.sources.observing`). Releasing a version writes the day of its release where its planned date
was: of a released version no plan can be read. Versions know no update instant and no creation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from avoir.sources.milestones import Found, declared, text
from avoir.sources.model import Landed, Rejected, Rows, SourceConnection, Window
from avoir.sources.observing import observation_table
from avoir.sources.vendor_http import IncompleteAnswerError

PAGE_VERSIONS = 50
WALKS = 3

VERSIONS = observation_table(
    "versions",
    (
        "version_id", "project_key", "name", "start_date", "release_date", "released", "archived",
        "approved_dates", "source_timezone",
    ),
    key=("version_id",),
    subject="version_id",
)  # fmt: skip

Ask = Callable[[str, Mapping[str, str]], dict[str, Any]]


def fetch_versions(
    source: SourceConnection, ask: Ask, window: Window, landed: Landed
) -> Iterator[Rows | Rejected]:
    """Every version of the projects that differs from what was seen before.

    Raises:
        IncompleteAnswerError: a page is malformed, or the versions are fewer than announced.
    """
    found = Found(VERSIONS)
    for project in source.option("projects"):
        for given in _versions(source, ask, project):
            record = {
                "version_id": text(given.get("id")),
                "project_key": project,
                "name": text(given.get("name")),
                "start_date": text(given.get("startDate")),
                "release_date": text(given.get("releaseDate")),
                "released": text(given.get("released")),
                "archived": text(given.get("archived")),
                **declared(source),
            }
            found.add(
                record, given, needed=("version_id", "name", "released"), instants=(),
                dates=("start_date", "release_date"),
            )  # fmt: skip
    yield from found.landed_in(window, landed)


def _versions(source: SourceConnection, ask: Ask, project: str) -> list[dict[str, Any]]:
    """All versions of a project; walked again while they are fewer than announced."""
    label = f"source {source.name}: the versions of {project}"
    found: dict[str, dict[str, Any]] = {}
    total = 0
    for _ in range(WALKS):
        found, total = _walk(ask, project, label)
        if len(found) == total:
            return list(found.values())
    raise IncompleteAnswerError(f"{label} were announced as {total} and given as {len(found)}")


def _walk(ask: Ask, project: str, label: str) -> tuple[dict[str, dict[str, Any]], int]:
    found: dict[str, dict[str, Any]] = {}
    start = 0
    while True:
        # By the order in which a new version is added at the end.
        asked = {"startAt": str(start), "maxResults": str(PAGE_VERSIONS), "orderBy": "sequence"}
        body = ask(f"rest/api/3/project/{project}/version", asked)
        values, total, is_last = body.get("values"), body.get("total"), body.get("isLast")
        if (
            not isinstance(values, list)
            or not all(isinstance(one, dict) for one in values)
            or not isinstance(total, int)
            or not isinstance(is_last, bool)
            or body.get("startAt") != start
        ):
            raise IncompleteAnswerError(
                f"{label} came without their `values`, `total` and `isLast`, or not from {start} on as asked"
            )
        for number, one in enumerate(values):
            found[text(one.get("id")) or f"{start + number}"] = one
        start += len(values)
        if is_last:
            return found, total
        if not values:
            raise IncompleteAnswerError(f"{label}: a page is empty and not the last")
