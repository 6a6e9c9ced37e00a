"""Registers, whatever keeps them: what lands, what is marked as gone, what is rejected, what stops a load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avoir.sources import register_confluence, register_file, register_sharepoint
from avoir.sources.model import NothingLanded, Rejected, SourceConnection, SourceError, Window
from avoir.sources.oauth import token_url_option
from avoir.sources.register_landing import TABLES
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError
from tests.vendors.confluence import ACCOUNT, ConfluenceSite, storage
from tests.vendors.serving import SECRET, Reply, Request, connection_to, serving
from tests.vendors.sharepoint import CLIENT, LIST, SITE, SharePointSite

START = datetime(2026, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS = {"Id": "text", "Owner": "text", "Due": "date", "Cost": "number"}
DECLARED = {"register": "risks", "key": ["Id"], "columns": COLUMNS}
HEADER = list(COLUMNS)


class Remembered(NothingLanded):
    def __init__(self) -> None:
        self.states: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}

    def newest(self, table: str) -> Mapping[tuple[str, ...], Mapping[str, str]]:
        return self.states.get(table, {})


class Night:
    """Loads of one register, day by day; `rejected` and `columns` are those of the last."""

    def __init__(self, source: SourceConnection, fetch: Any) -> None:
        self.source, self.fetch = source, fetch
        self.landed = Remembered()
        self.rejected: list[tuple[str, str]] = []
        self.columns: dict[str, tuple[str, str]] = {}

    def load(self, day: int) -> dict[str, Any]:
        """Entries that landed: their fields, or None when they are gone."""
        window = Window(START + (day - 1) * DAY, START + day * DAY)
        given: dict[str, list[dict[str, str]]] = {}
        self.rejected = []
        for item in self.fetch(self.source, window, self.landed):
            if isinstance(item, Rejected):
                self.rejected.append((item.reason_code, item.reason))
            else:
                names = next(one for one in TABLES if one.name == item.table).column_names
                given[item.table] = [dict(zip(names, row, strict=True)) for row in item.values]  # type: ignore[arg-type]
        for table in TABLES:
            known = self.landed.states.setdefault(table.name, {})
            known |= {tuple(one[name] for name in table.key): one for one in given.get(table.name, [])}
        self.columns = {
            one["column_name"]: (one["is_declared"], one["is_gone"]) for one in given.get("columns", [])
        }
        return {
            one["entry_key"]: None if one["is_gone"] == "true" else json.loads(one["fields"])
            for one in given.get("entries", [])
        }


def entry(key: str, owner: str = "Ann", due: str = "2026-03-06", cost: str = "10.50") -> dict[str, str]:
    return {"Id": key, "Owner": owner, "Due": due, "Cost": cost}


# --- files ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "risks"
    path.mkdir()
    return path


def night_of(folder: Path, **options: Any) -> Night:
    given = {**DECLARED, **options}
    known = register_file.SYSTEM.options
    source = SourceConnection(
        name="risks",
        system="register_file",
        url=str(folder),
        history_from=START,
        options={name: one.check(given.get(name, one.default)) for name, one in known.items()},
    )
    return Night(source, register_file.fetch)


def write(path: Path, text: str, at: datetime = START) -> None:
    path.write_text(text)
    os.utime(path, (at.timestamp(), at.timestamp()))


def test_files_are_one_register_and_what_leaves_it_is_marked(folder: Path) -> None:
    night = night_of(folder)
    write(folder / "a.csv", "Id,Owner,Due,Cost\nR1,Ann,2026-03-06,10.50\nR2,Ann,2026-03-06,10.50\n")
    write(folder / "b.yml", "- {Id: R3, Owner: Ann, Due: 2026-03-06, Cost: 10.50, Note: [late, dear]}\n")
    assert night.load(1) == {
        "R1": {**entry("R1"), "Note": ""},
        "R2": {**entry("R2"), "Note": ""},
        "R3": {**entry("R3"), "Note": '["late", "dear"]'},
    }
    assert night.columns == {**dict.fromkeys(HEADER, ("true", "false")), "Note": ("false", "false")}
    assert night.load(2) == {}
    # An entry is changed, one is gone, and a column with it.
    write(folder / "a.csv", "Id,Owner,Due,Cost\nR1,Bo,2026-03-06,10.50\nR2,Ann,2026-03-06,10.50\n")
    (folder / "b.yml").unlink()
    assert night.load(3) == {"R1": entry("R1", "Bo"), "R2": entry("R2"), "R3": None}
    assert night.columns == {"Note": ("false", "true")}


def test_while_a_file_is_newer_than_the_window_nothing_is_seen(folder: Path) -> None:
    night = night_of(folder)
    write(folder / "a.csv", "Id,Owner,Due,Cost\nR1,Ann,2026-03-06,10.50\n")
    night.load(1)
    write(folder / "a.csv", "Id,Owner,Due,Cost\nR2,Ann,2026-03-06,10.50\n", at=START + 2 * DAY)
    assert night.load(2) == {}
    assert night.load(3) == {"R1": None, "R2": entry("R2")}


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (",Ann,2026-03-06,10", "missing_key", "a.csv:3: Id is empty"),
        ("R2,Ann,6 March,10", "bad_date", "a.csv:3: Due is written in none of the formats"),
        ("R2,Ann,2026-02-30,10", "bad_date", "a.csv:3: Due is written in none of the formats"),
        ('R2,Ann,2026-03-06,"10,5"', "bad_number", "a.csv:3: Cost is no decimal number: '10,5'"),
        ("R2,Ann,2026-03-06,1e3", "bad_number", "a.csv:3: Cost is no decimal number"),
        ("R1,Bo,2026-03-06,10.50", "conflicting_entry", "a.csv:3: a.csv:2 gives the same entry otherwise"),
        ("R2,Ann", "wrong_cell_count", "a.csv:3: the row has 2 cells, the header 4"),
        ("R2,A\x00nn,2026-03-06,10", "nul_character", "a.csv:3: a cell holds a NUL character"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_and_is_not_gone(
    folder: Path, row: str, code: str, reason: str
) -> None:
    night = night_of(folder)
    write(folder / "a.csv", "Id,Owner,Due,Cost\nR1,Ann,2026-03-06,10.50\nR2,Ann,2026-03-06,10.50\n")
    night.load(1)
    write(folder / "a.csv", f"Id,Owner,Due,Cost\nR1,Ann,2026-03-06,10.50\n{row}\n")
    night.load(2)
    ((found, told),) = night.rejected
    assert found == code
    assert told.startswith(reason)
    is_named = "R2," in row
    seen = night.landed.newest("entries")["risks", "R2"]["is_gone"]
    assert seen == ("false" if is_named or code in ("missing_key", "wrong_cell_count") else "true")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "Id,Owner,Due\nR1,Ann,2026-03-06\n", "missing: Cost"),
        ("a.csv", "Id,Owner,Due,Cost,Note,Note\nR1,Ann,2026-03-06,1,a,b\n", "twice: Note"),
        ("a.csv", "Id,Owner,Due,Cost\n", "which is not 'no entries'"),
        ("a.yml", "- {Id: R1, Owner: Ann, Due: 2026-03-06}\n", "has no column 'Cost'"),
        ("a.yml", "- &a {Id: R1}\n- *a\n", "uses an alias"),
        ("a.yml", "Id: R1\n", "must be a list of entries"),
        ("a.yml", "- {Id: R1\n", "is not valid YAML"),
        ("a.yml", "- {Id: R1, Id: R2}\n", "gives a column twice"),
    ],
)
def test_a_file_that_is_no_register_stops_the_load(folder: Path, name: str, text: str, problem: str) -> None:
    write(folder / name, text)
    with pytest.raises(SourceError, match=problem):
        night_of(folder).load(1)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("register", "wishes", "must be one of surveys"),
        ("key", [], "must be a list of the columns"),
        ("columns", {"Id": "money"}, "Id must be text, date, number"),
        ("columns", {}, "must say of each column"),
        ("formats", ["%d"], "does not say year, month and day"),
    ],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        register_file.SYSTEM.options[option].check(value)


# --- Confluence ---


@pytest.fixture
def wiki() -> Iterator[tuple[ConfluenceSite, Night]]:
    site = ConfluenceSite()
    with serving(site) as url:
        source = connection_to(url, "register_confluence", username=ACCOUNT, pages=["7"], **DECLARED)
        yield site, Night(source, register_confluence.fetch)


def test_a_table_of_a_page_shows_what_its_cells_stand_for(wiki: tuple[ConfluenceSite, Night]) -> None:
    site, night = wiki
    status = (
        '<ac:structured-macro ac:name="status"><ac:parameter ac:name="colour">Red</ac:parameter>'
        '<ac:parameter ac:name="title">Open</ac:parameter></ac:structured-macro>'
    )
    person = '<ac:link><ri:user ri:account-id="5b10:ann" /></ac:link>'
    rows = [
        ["R1", person, '<time datetime="2026-03-06" />', "10.50", status],
        ["R&eacute;2", "Ann &amp; <strong>Bo</strong>", "2026-03-20", "-1", "a<br />b"],
    ]
    site.pages["7"] = ([*HEADER, "State"], rows)
    assert night.load(1) == {
        "R1": {**entry("R1", "5b10:ann"), "State": "Open"},
        "Ré2": {**entry("Ré2", "Ann & Bo", "2026-03-20", "-1"), "State": "a b"},
    }
    assert night.columns["State"] == ("false", "false")
    site.pages["7"] = ([*HEADER, "State"], rows[:1])
    assert night.load(2) == {"Ré2": None}


def test_a_row_with_joined_cells_is_rejected(wiki: tuple[ConfluenceSite, Night]) -> None:
    site, night = wiki
    site.pages["7"] = (HEADER, [list(entry("R1").values()), ["R2", "Ann"]])
    assert night.load(1) == {"R1": entry("R1")}
    assert night.rejected == [
        ("wrong_cell_count", "page 7, row 2: it has 2 cells, the header 4; are some joined?")
    ]


@pytest.mark.parametrize(
    ("body", "error", "problem"),
    [
        ("<p>Nothing yet</p>", SourceError, "has 0 tables with the columns"),
        (storage(HEADER, [["R1", "Ann", "2026-03-06", "1"]]) * 2, SourceError, "has 2 tables"),
        (storage(HEADER, []), SourceError, "has no rows, which is not 'no entries'"),
        (storage([*HEADER, "Id"], [["R1", "", "", "", ""]]), SourceError, "two columns of the table"),
        ("<table><tbody><tr>", IncompleteAnswerError, "holds no whole document"),
        ('<!DOCTYPE x [<!ENTITY e "x">]><p>&e;</p>', IncompleteAnswerError, "holds no whole document"),
        ("<p>&unheard;</p>", IncompleteAnswerError, "holds no whole document"),
    ],
)
def test_a_page_that_is_no_register_stops_the_load(
    wiki: tuple[ConfluenceSite, Night], body: str, error: type[SourceError], problem: str
) -> None:
    site, night = wiki
    site.pages["7"], site.bodies["7"] = (HEADER, []), body
    with pytest.raises(error, match=problem):
        night.load(1)


def test_an_entity_leads_to_no_file(wiki: tuple[ConfluenceSite, Night], tmp_path: Path) -> None:
    site, night = wiki
    (tmp_path / "secret").write_text("hidden")
    declared = f'<!DOCTYPE p [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    site.pages["7"] = (HEADER, [])
    site.bodies["7"] = f"{declared}{storage(HEADER, [['&e;', 'Ann', '2026-03-06', '1']])}"
    with pytest.raises(IncompleteAnswerError) as caught:
        night.load(1)
    assert "hidden" not in str(caught.value)


def test_a_page_out_of_sight_or_out_of_use_stops_the_load(wiki: tuple[ConfluenceSite, Night]) -> None:
    site, night = wiki
    with pytest.raises(NotFoundError):
        night.load(1)
    site.pages["7"] = (HEADER, [list(entry("R1").values())])
    site.status = "archived"
    with pytest.raises(SourceError, match="is 'archived' and not current"):
        night.load(1)


def test_an_answer_to_nobody_is_refused(wiki: tuple[ConfluenceSite, Night]) -> None:
    site, _ = wiki
    site.pages["7"] = (HEADER, [list(entry("R1").values())])

    def anonymous(request: Request) -> Reply:
        reply = site(request)
        reply.headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
        return reply

    with serving(anonymous) as url:
        source = connection_to(url, "register_confluence", username=ACCOUNT, pages=["7"], **DECLARED)
        with pytest.raises(AccessDeniedError, match="answered as anonymous"):
            Night(source, register_confluence.fetch).load(1)


# --- SharePoint ---


@pytest.fixture
def sharepoint() -> Iterator[tuple[SharePointSite, Night]]:
    site = SharePointSite()
    with serving(site) as url:
        source = connection_to(
            url, "register_sharepoint", username=CLIENT, site=SITE, list=LIST,
            token_url=f"{url}/tenant/oauth2/v2.0/token", **DECLARED,
        )  # fmt: skip
        yield site, Night(source, register_sharepoint.fetch)


def test_a_list_is_read_with_a_token_page_by_page(
    sharepoint: tuple[SharePointSite, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.register_sharepoint.PAGE_ROWS", 3)
    site, night = sharepoint
    for number in range(7):
        site.add(START, Id=f"R{number}", Owner="Ann", Due="2026-03-06", Cost=10 + number, Done=True)
    found = night.load(1)
    assert len(found) == 7
    assert found["R6"] == {**entry("R6", cost="16"), "Done": "true"}
    assert [one["scope"] for one in site.asked] == ["https://graph.microsoft.com/.default"]
    site.items = site.items[1:]
    assert night.load(2) == {"R0": None}


def test_a_column_that_no_item_fills_any_more_was_renamed(sharepoint: tuple[SharePointSite, Night]) -> None:
    site, night = sharepoint
    item = site.add(START, Id="R1", Owner="Ann", Due="2026-03-06", Cost=None)
    assert night.load(1) == {"R1": entry("R1", cost="")}
    assert set(night.columns) == {"Id", "Owner", "Due"}
    item["fields"] |= {"Owner": None, "Responsible": "Ann"}
    with pytest.raises(SourceError, match="has no column 'Owner'"):
        night.load(2)


def test_a_value_of_another_type_goes_to_quarantine(sharepoint: tuple[SharePointSite, Night]) -> None:
    site, night = sharepoint
    site.add(START, Id="R1", Owner="Ann", Due="2026-03-06", Cost=1)
    changed = site.add(START, Id="R2", Owner="Ann", Due="2026-03-06", Cost=1)
    night.load(1)
    changed["fields"]["Cost"] = {"value": 1, "currency": "EUR"}
    assert night.load(2) == {}
    assert [code for code, _ in night.rejected] == ["bad_number"]
    site.items[0]["fields"] = None
    assert night.load(3) == {}
    assert sorted(code for code, _ in night.rejected) == ["bad_number", "missing_key"]


def test_a_wrong_secret_is_told_without_it(sharepoint: tuple[SharePointSite, Night]) -> None:
    site, night = sharepoint
    url = night.source.url
    source = connection_to(
        url, "register_sharepoint", username="another", site=SITE, list=LIST,
        token_url=f"{url}/tenant/oauth2/v2.0/token", **DECLARED,
    )  # fmt: skip
    with pytest.raises(AccessDeniedError, match=r"refused client another \(401\)") as caught:
        Night(source, register_sharepoint.fetch).load(1)
    assert SECRET not in str(caught.value)
    assert site.requests == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Reply.json({"token_type": "Bearer"}), "without a bearer token"),
        (Reply.json({"token_type": "mac", "access_token": "t"}), "without a bearer token"),
        (Reply(b"<html>"), "without a bearer token"),
        (Reply.json({}, 302, {"Location": "http://127.0.0.1:1/"}), "answered 302 without a bearer token"),
        (Reply.json({}, 500), "still answered 500"),
    ],
)
def test_a_token_endpoint_that_gives_none_stops_the_load(answer: Reply, problem: str) -> None:
    with serving(lambda request: answer) as url:
        source = connection_to(
            url, "register_sharepoint", username=CLIENT, site=SITE, list=LIST, token_url=url, **DECLARED
        )
        with pytest.raises(SourceError, match=problem):
            Night(source, register_sharepoint.fetch).load(1)


def test_a_list_without_items_or_that_leads_elsewhere_stops_the_load(
    sharepoint: tuple[SharePointSite, Night],
) -> None:
    site, night = sharepoint
    with pytest.raises(SourceError, match="which is not 'no entries'"):
        night.load(1)
    site.add(START, Id="R1")
    answer = site.__call__

    def elsewhere(request: Request) -> Reply:
        reply = answer(request)
        if request.path.endswith("/items"):
            body = json.loads(reply.body) | {"@odata.nextLink": "http://127.0.0.1:1/more"}
            return Reply.json(body)
        return reply

    with serving(elsewhere) as url:
        source = connection_to(
            url, "register_sharepoint", username=CLIENT, site=SITE, list=LIST,
            token_url=f"{url}/oauth2/v2.0/token", **DECLARED,
        )  # fmt: skip
        with pytest.raises(IncompleteAnswerError, match="leads to another host"):
            Night(source, register_sharepoint.fetch).load(1)


@pytest.mark.parametrize("url", ["http://login.example/token", "ftp://x/y", "token", ""])
def test_a_secret_is_sent_by_https_only(url: str) -> None:
    with pytest.raises(ValueError, match="must be an https address"):
        token_url_option().check(url)
