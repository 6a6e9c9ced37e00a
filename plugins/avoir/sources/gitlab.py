"""GitLab: milestones of projects with their dates, and the releases that deliver them.

Flow: of each project all milestones and all releases are read, whatever the window: GitLab keeps the present
date of a milestone only. What differs from what earlier loads saw lands (:mod:`avoir.sources.observing`).
Pages follow ``Link`` headers and are held to ``X-Total`` where GitLab states it
(:mod:`avoir.sources.linked_pages`).

A release names the milestones that it delivers; of several the first counts. Its ``released_at`` may be set
at will, before as after: it counts once it has passed, and not before ``created_at``, unless the connection
says ``released_at: trusted``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from avoir.sources import milestones as shared
from avoir.sources.linked_pages import listed
from avoir.sources.milestones import MILESTONES, RELEASES, Delivery, Found, text
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.observing import approved_dates_option, is_instant, zone_option
from avoir.sources.vendor_http import VendorApi

PAGE_ROWS = 100
_PROJECT = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every milestone and release of the projects that differs from what was seen before.

    Raises:
        AccessDeniedError: GitLab refuses the token.
        NotFoundError: a project is not there, or the token may not see it.
        IncompleteAnswerError: a list is malformed, or short of what it announced.
    """
    api = VendorApi(source)
    found_milestones, found_releases = Found(MILESTONES), Found(RELEASES, may_be_empty=True)
    for project in source.option("projects"):
        path = f"api/v4/projects/{quote(project, safe='')}"
        page = {"per_page": str(PAGE_ROWS)}
        releases = listed(
            api, f"{path}/releases", {**page, "order_by": "created_at", "sort": "asc"}, "tag_name"
        )
        for given in releases:
            found_releases.add(
                _release(project, given), given, needed=("tag_name", "created_at"),
                instants=("created_at", "released_at"),
            )  # fmt: skip
        for given in listed(api, f"{path}/milestones", page, "id"):
            record = _milestone(source, project, given)
            if shared.existed(record, window):
                deliveries = _deliveries(source, releases, given.get("id"))
                found_milestones.add(
                    {**record, **shared.delivered(deliveries, window)}, given,
                    needed=("milestone_id", "title", "created_at"), instants=("created_at", "updated_at"),
                    dates=("start_date", "due_date"),
                )  # fmt: skip
    yield from found_milestones.landed_in(window, landed)
    yield from found_releases.landed_in(window, landed)


def _milestone(source: SourceConnection, project: str, given: Mapping[str, Any]) -> dict[str, str]:
    return {
        "milestone_id": text(given.get("id")),
        "number": text(given.get("iid")),
        "project": project,
        "title": text(given.get("title")),
        "state": text(given.get("state")),
        "start_date": text(given.get("start_date")),
        "due_date": text(given.get("due_date")),
        "created_at": text(given.get("created_at")),
        "updated_at": text(given.get("updated_at")),
        "closed_at": "",
        **shared.declared(source),
    }


def _release(project: str, given: Mapping[str, Any]) -> dict[str, str]:
    named = given.get("milestones")
    keys = [text(one.get("id")) for one in named if isinstance(one, dict)] if isinstance(named, list) else []
    return {
        "project": project,
        "release_id": text(given.get("tag_name")),
        "tag_name": text(given.get("tag_name")),
        "name": text(given.get("name")),
        "is_draft": "false",
        "is_prerelease": "false",
        "created_at": text(given.get("created_at")),
        "released_at": text(given.get("released_at")),
        "milestones": "|".join(sorted(keys)),
    }


def _deliveries(
    source: SourceConnection, releases: list[dict[str, Any]], milestone_id: object
) -> list[Delivery]:
    found = []
    for given in releases:
        record = _release("", given)
        if text(milestone_id) not in record["milestones"].split("|") or not is_instant(record["created_at"]):
            continue
        at = datetime.fromisoformat(record["created_at"])
        if is_instant(record["released_at"]):
            released_at = datetime.fromisoformat(record["released_at"])
            at = released_at if source.option("released_at") == "trusted" else max(at, released_at)
        found.append(Delivery(record["tag_name"], at))
    return found


def _projects(value: object) -> tuple[str, ...]:
    return shared.project_names(value, _PROJECT, "group/app")


def _released_at(value: object) -> str:
    if value not in ("trusted", "not_before_creation"):
        raise ValueError(f"must be not_before_creation or trusted, got {value!r}")
    return str(value)


SYSTEM = System(
    name="gitlab",
    tables=(MILESTONES, RELEASES),
    fetch=fetch,
    overlap=timedelta(hours=2),
    reads="http",
    observes=True,
    options={
        "projects": Option(required=True, check=_projects),
        "timezone": zone_option(),
        "approved_dates": approved_dates_option(),
        "released_at": Option(default="not_before_creation", check=_released_at),
    },
)
