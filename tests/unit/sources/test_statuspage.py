"""Status pages: what is listed lands once per version, and what is no longer listed stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avoir.sources import statuspage
from avoir.sources.model import NothingLanded, Rejected, SourceError, Window
from avoir.sources.statuspage import fetch
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from tests.vendors.serving import Reply, Request, connection_to, serving
from tests.vendors.statuspage import PAGE_ID, StatusPage

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=30))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Landed(NothingLanded):
    """Earlier loads landed these incidents."""

    def __init__(self, *ids: str) -> None:
        self.ids = frozenset(ids)

    def has_rows(self, table: str) -> bool:
        return bool(self.ids)

    def keys(self, table: str, column: str) -> frozenset[str]:
        assert (table, column) == ("incidents", "incident_id")
        return self.ids


@pytest.fixture
def page() -> StatusPage:
    made = StatusPage()
    made.component("API", START)
    return made


def read(
    answer: Callable[[Request], Reply],
    *,
    window: Window = WINDOW,
    landed: NothingLanded | None = None,
    managed: bool = False,
) -> tuple[dict[str, list[dict[str, str | None]]], list[Rejected]]:
    """Rows by table, and what was rejected."""
    rows: dict[str, list[dict[str, str | None]]] = {table.name: [] for table in statuspage.SYSTEM.tables}
    rejected = []
    with serving(answer) as url:
        source = connection_to(url, "statuspage", username=None, **({"page_id": PAGE_ID} if managed else {}))
        for item in fetch(source, window, landed or NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                names = statuspage.SYSTEM.table(item.table).column_names
                rows[item.table] += [dict(zip(names, values, strict=True)) for values in item.values]
    return rows, rejected


@pytest.mark.parametrize("managed", [False, True], ids=["published", "managed"])
def test_incidents_maintenances_and_updates_become_rows(page: StatusPage, managed: bool) -> None:
    (api,) = (one["id"] for one in page.components)
    web = page.component("Web", START)
    out = page.incident(START + HOUR, [api, web], shown_at=START, **{api: "major_outage"})
    page.update(out, START + 2 * HOUR, "resolved")
    page.maintenance(START, [web], START + DAY, START + DAY + HOUR)
    everywhere = page.incident(START + DAY, [], impact="critical")
    rows, rejected = read(page, managed=managed)
    assert not rejected
    told = {(one["incident_id"], one["component_id"], one["kind"]) for one in rows["incidents"]}
    assert {key[1:] for key in told} == {
        (api, "incident"), (web, "incident"), (web, "maintenance"), (PAGE_ID, "incident"),
    }  # fmt: skip
    assert (everywhere["id"], PAGE_ID, "incident") in told
    changes = {
        (one["component_id"], one["new_status"], one["display_at"]) for one in rows["component_changes"]
    }
    assert changes == {
        (api, "major_outage", "2026-03-01T00:00:00.000Z"),
        (web, "operational", "2026-03-01T00:00:00.000Z"),
        (api, "operational", "2026-03-01T02:00:00.000Z"),
        (web, "operational", "2026-03-01T02:00:00.000Z"),
    }
    assert {one["name"] for one in rows["components"]} == {"API", "Web"}


def test_what_was_updated_at_the_windows_end_is_of_the_next_one(page: StatusPage) -> None:
    (api,) = (one["id"] for one in page.components)
    page.incident(WINDOW.end - timedelta(milliseconds=1), [api])
    page.incident(WINDOW.end, [api])
    rows, _ = read(page)
    assert len(rows["incidents"]) == 1


def test_more_than_a_page_lists_between_two_loads_is_refused(page: StatusPage) -> None:
    (api,) = (one["id"] for one in page.components)
    first = page.incident(START, [api])
    for n in range(1, 50):
        page.incident(START + n * HOUR, [api])
    seen = Landed(first["id"])
    assert len(read(page, landed=seen)[0]["incidents"]) == 50
    page.incident(START + 50 * HOUR, [api])
    with pytest.raises(
        IncompleteAnswerError, match=r"none of the 50 listed incidents landed before.*page_id"
    ):
        read(page, landed=seen)
    # Nothing landed yet: the list is where the history begins. With the key, it is read whole.
    assert len(read(page)[0]["incidents"]) == 50
    assert len(read(page, landed=seen, managed=True)[0]["incidents"]) == 51


def test_a_list_that_is_empty_is_not_no_outage(page: StatusPage) -> None:
    assert read(page)[0]["incidents"] == []
    with pytest.raises(IncompleteAnswerError, match="lists no incident any more"):
        read(page, landed=Landed("i1"))
    page.components.clear()
    with pytest.raises(IncompleteAnswerError, match="lists no component"):
        read(page)


def test_rows_that_move_while_they_are_read_are_all_read(
    page: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statuspage, "PAGE_ROWS", 5)
    (api,) = (one["id"] for one in page.components)
    for n in range(12):
        page.incident(START + n * HOUR, [api])

    def between(number: int) -> None:
        if number == 2:  # after the first page: what was on it is gone, the second moves up
            del page.incidents[-3:]

    page.between = between
    rows, _ = read(page, managed=True)
    assert {one["incident_id"] for one in rows["incidents"]} >= {one["id"] for one in page.incidents}


def test_walks_that_never_agree_are_refused(page: StatusPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuspage, "PAGE_ROWS", 5)
    (api,) = (one["id"] for one in page.components)
    for n in range(12):
        page.incident(START + n * HOUR, [api])

    def answer(request: Request) -> Reply:
        # Every page but the first is empty, as behind a broken cache.
        if request.parameters.get("page", "1") != "1":
            return Reply.json([])
        return page(request)

    with pytest.raises(IncompleteAnswerError, match="walks over incidents do not agree"):
        read(answer, managed=True)


def test_a_list_without_an_end_ends(page: StatusPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuspage, "MOST_PAGES", 20)
    record = page.incident(START, [])
    with pytest.raises(IncompleteAnswerError, match="has no end after 20 pages"):
        read(lambda request: Reply.json([record]), managed=True)


def test_a_wrong_key_is_refused_and_not_told(page: StatusPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.vendors.statuspage.SECRET", "another")
    with pytest.raises(AccessDeniedError, match="refused the token") as caught:
        read(page, managed=True)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": None}, "missing_key"),
        ({"id": 7}, "missing_key"),
        ({"updated_at": None}, "missing_instant"),
        ({"created_at": "yesterday"}, "bad_instant"),
        ({"resolved_at": "2026-03-01T00:00:00"}, "bad_instant"),
        ({"started_at": "2026-W09-1T00:00:00Z"}, "bad_instant"),
        ({"started_at": 1772323200}, "bad_instant"),
        ({"components": "API"}, "malformed"),
        ({"components": ["API"]}, "malformed"),
        ({"incident_updates": [7]}, "malformed"),
        ({"scheduled_for": "2026-03-02T00:00:00Z"}, "missing_instant"),
    ],
)
def test_an_incident_that_cannot_be_used_is_kept_aside(
    page: StatusPage, change: dict[str, Any], code: str
) -> None:
    (api,) = (one["id"] for one in page.components)
    page.incident(START, [api])
    page.incident(START, [api]).update(change)
    rows, rejected = read(page)
    assert [(one.table, one.reason_code) for one in rejected] == [("incidents", code)]
    # Under the names of its key, so that a later version of it makes it good.
    assert {"incident_id", "component_id"} <= json.loads(rejected[0].payload).keys()
    assert len(rows["incidents"]) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"new_status": "on fire"}, "unknown_status"),
        ({"new_status": None}, "unknown_status"),
        ({"code": ""}, "missing_key"),
    ],
)
def test_a_change_that_cannot_be_used_is_kept_aside(
    page: StatusPage, change: dict[str, Any], code: str
) -> None:
    (api,) = (one["id"] for one in page.components)
    record = page.incident(START, [api], **{api: "major_outage"})
    record["incident_updates"][0]["affected_components"][0].update(change)
    rows, rejected = read(page)
    assert [(one.table, one.reason_code) for one in rejected] == [("component_changes", code)]
    assert json.loads(rejected[0].payload)["update_id"] == record["incident_updates"][0]["id"]
    assert len(rows["incidents"]) == 1
    assert rows["component_changes"] == []


@pytest.mark.parametrize("body", [[], {}, {"incidents": {}}, {"incidents": None}, 7, None])
def test_an_answer_that_is_no_list_is_refused(body: Any) -> None:
    with pytest.raises(IncompleteAnswerError, match=r"incidents.json answered without a list"):
        read(lambda request: Reply.json(body))


@pytest.mark.parametrize("page_id", ["", "a/b", "../x", 7])
def test_a_page_id_is_letters_and_digits(page_id: Any) -> None:
    with pytest.raises(ValueError, match="id of the page"):
        connection_to("http://x", "statuspage", page_id=page_id)


def test_a_redirect_is_not_followed(page: StatusPage) -> None:
    with pytest.raises(SourceError, match=r"redirects to elsewhere.example"):
        read(lambda request: Reply(b"", 302, {"Location": "https://elsewhere.example/x"}))


# --- the page is held to recorded incidents, and the source reads them ---


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(
        (shared_data / "api" / "statuspage" / "incidents.json").read_text()
    )
    assert len(records) == 3
    return records


def kinds(record: Any) -> Any:
    """The shape of a record: names of its fields, down to its parts."""
    if isinstance(record, dict):
        return {name: kinds(value) for name, value in record.items() if isinstance(value, dict | list)} | {
            "": sorted(record)
        }
    if isinstance(record, list):
        return next((kinds(one) for one in record), None)
    return None


@pytest.mark.real_data
def test_the_page_gives_what_a_real_one_gave(page: StatusPage, recorded: list[dict[str, Any]]) -> None:
    (api,) = (one["id"] for one in page.components)
    made = page.incident(START, [api], **{api: "partial_outage"})
    assert kinds(made) == kinds(recorded[0])


@pytest.mark.real_data
def test_recorded_incidents_become_rows(recorded: list[dict[str, Any]], page: StatusPage) -> None:
    page.incidents = recorded
    rows, rejected = read(page)
    assert not rejected
    assert len(rows["incidents"]) == sum(max(1, len(one["components"])) for one in recorded) == 6
    changes: Iterator[dict[str, Any]] = (
        change
        for one in recorded
        for update in one["incident_updates"]
        for change in update["affected_components"] or []
    )
    assert len(rows["component_changes"]) == len(list(changes)) == 14
