"""GitHub: milestones of repositories with their dates, and the releases that deliver them.

Flow: of each repository all milestones and all releases are read, whatever the window: GitHub keeps the
present date of a milestone only. What differs from what earlier loads saw lands
(:mod:`avoir.sources.observing`). Pages follow ``Link`` headers; GitHub announces no totals, so a list of
several pages is walked until two walks agree (:mod:`avoir.sources.linked_pages`).

A release delivers the milestone whose title is its tag or its name. A draft delivers nothing, nor does a
prerelease unless the connection says so. Where releases are not made the connection may say that closing a
milestone delivers it. A limit that GitHub lifts soon is waited for; one that it lifts in an hour is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from avoir.sources import milestones as shared
from avoir.sources.linked_pages import listed
from avoir.sources.milestones import MILESTONES, RELEASES, Delivery, Found, text
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.observing import approved_dates_option, is_instant, zone_option
from avoir.sources.vendor_http import VendorApi

PAGE_ROWS = 100
#: Another version may name its fields otherwise.
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every milestone and release of the repositories that differs from what was seen before.

    Raises:
        AccessDeniedError: GitHub refuses the token.
        NotFoundError: a repository is not there, or the token may not see it.
        UnavailableError: the account has no requests left; the message says until when.
        IncompleteAnswerError: a list is malformed, or no two walks of it agree.
    """
    api = VendorApi(source, HEADERS)
    found_milestones, found_releases = Found(MILESTONES), Found(RELEASES, may_be_empty=True)
    page = {"per_page": str(PAGE_ROWS)}
    for repository in source.option("repositories"):
        releases = listed(api, f"repos/{repository}/releases", page, "id")
        for given in releases:
            found_releases.add(
                _release(repository, given), given, needed=("release_id", "tag_name", "created_at"),
                instants=("created_at", "released_at"),
            )  # fmt: skip
        for given in listed(api, f"repos/{repository}/milestones", {**page, "state": "all"}, "id"):
            record = _milestone(source, repository, given)
            if shared.existed(record, window):
                deliveries = _deliveries(source, releases, record)
                found_milestones.add(
                    {**record, **shared.delivered(deliveries, window)}, given,
                    needed=("milestone_id", "title", "created_at"),
                    instants=("created_at", "updated_at", "closed_at"), dates=("due_date",),
                )  # fmt: skip
    yield from found_milestones.landed_in(window, landed)
    yield from found_releases.landed_in(window, landed)


def _milestone(source: SourceConnection, repository: str, given: Mapping[str, Any]) -> dict[str, str]:
    return {
        "milestone_id": text(given.get("id")),
        "number": text(given.get("number")),
        "project": repository,
        "title": text(given.get("title")),
        "state": text(given.get("state")),
        "start_date": "",
        "due_date": _due_date(text(given.get("due_on"))),
        "created_at": text(given.get("created_at")),
        "updated_at": text(given.get("updated_at")),
        "closed_at": text(given.get("closed_at")),
        **shared.declared(source),
    }


def _due_date(due_on: str) -> str:
    """The date of a milestone, which GitHub gives as an early hour of that day in UTC."""
    return f"{datetime.fromisoformat(due_on).astimezone(UTC):%Y-%m-%d}" if is_instant(due_on) else due_on


def _release(repository: str, given: Mapping[str, Any]) -> dict[str, str]:
    return {
        "project": repository,
        # A draft may have the tag of another release.
        "release_id": text(given.get("id")),
        "tag_name": text(given.get("tag_name")),
        "name": text(given.get("name")),
        "is_draft": text(given.get("draft")),
        "is_prerelease": text(given.get("prerelease")),
        "created_at": text(given.get("created_at")),
        "released_at": text(given.get("published_at")),
        "milestones": "",
    }


def _deliveries(
    source: SourceConnection, releases: list[dict[str, Any]], milestone: Mapping[str, str]
) -> list[Delivery]:
    if source.option("delivered_by") == "closing":
        closed_at = milestone["closed_at"]
        is_closed = milestone["state"] == "closed" and is_instant(closed_at)
        return [Delivery("", datetime.fromisoformat(closed_at))] if is_closed else []
    found = []
    for given in releases:
        record = _release("", given)
        if milestone["title"] not in (record["tag_name"], record["name"]) or record["is_draft"] != "false":
            continue
        if record["is_prerelease"] == "true" and not source.option("prereleases"):
            continue
        if is_instant(record["released_at"]):
            found.append(Delivery(record["tag_name"], datetime.fromisoformat(record["released_at"])))
    return found


def _repositories(value: object) -> tuple[str, ...]:
    return shared.project_names(value, _REPOSITORY, "owner/app")


def _delivered_by(value: object) -> str:
    if value not in ("release", "closing"):
        raise ValueError(f"must be release or closing, got {value!r}")
    return str(value)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")  # noqa: TRY004 one kind
    return value


SYSTEM = System(
    name="github",
    tables=(MILESTONES, RELEASES),
    fetch=fetch,
    overlap=timedelta(hours=2),
    reads="http",
    observes=True,
    options={
        "repositories": Option(required=True, check=_repositories),
        "timezone": zone_option(),
        "approved_dates": approved_dates_option(),
        "delivered_by": Option(default="release", check=_delivered_by),
        "prereleases": Option(default=False, check=_yes_or_no),
    },
)
