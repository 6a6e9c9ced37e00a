"""Tickets in files: what a mapping makes of them, and what no file may do to us."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avoir.sources import spreadsheet, ticket_files
from avoir.sources.model import (
    NothingLanded,
    Rejected,
    Rows,
    SourceConfigurationError,
    SourceConnection,
    SourceError,
    Window,
    parse_sources,
)
from avoir.sources.ticket_files import SYSTEM, fetch
from tests.unit.sources.workbooks import repacked, with_cells, workbook

WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
DELIVERED = datetime(2026, 3, 5, tzinfo=UTC).timestamp()
TICKETS = {
    "files": "tickets*",
    "columns": {"ticket": "Number", "opened": "Opened", "updated": "Changed", "state": "Status",
                "service": "Product", "requester": "Caller"},
}  # fmt: skip
HISTORY = {
    "files": "history*",
    "columns": {
        "ticket": "Number",
        "at": "When",
        "author": "Who",
        "field": "What",
        "old": "From",
        "new": "To",
    },
    "fields": {"Status": "state", "Reply": "public_comment", "Note": "private_note"},
}  # fmt: skip
LOG = {
    "files": "log*",
    "columns": {"ticket": "Number", "at": "When", "author": "Who", "state": "Status", "priority": "Prio",
                "public_comment": "Reply"},
}  # fmt: skip
HEADER = ("Number", "Opened", "Changed", "Status", "Product", "Caller", "Remark")
GOOD = ("T1", "02/03/2026 10:00", "03/03/2026 11:00", "Open", "Mail", "Ann", "x")
HISTORY_HEADER = ("Number", "When", "Who", "What", "From", "To")


class Folder:
    """A folder of deliveries, and what a load of it gives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str, content: bytes, *, at: float = DELIVERED) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (at, at))
        return path

    def csv(self, name: str, *rows: Sequence[str], delimiter: str = ",", encoding: str = "utf-8") -> Path:
        text = "".join(delimiter.join(row) + "\r\n" for row in rows)
        return self.put(name, text.encode(encoding))

    def connection(self, **options: Any) -> SourceConnection:
        given = {
            "tickets": TICKETS, "events": HISTORY, "instant_format": "%d/%m/%Y %H:%M",
            "timezone": "Europe/Paris", **options,
        }  # fmt: skip
        filled = {
            name: option.check(given.get(name, option.default)) for name, option in SYSTEM.options.items()
        }
        return SourceConnection("drop_under_test", SYSTEM.name, str(self.path), WINDOW.start, options=filled)

    def read(
        self, *, landed: NothingLanded | None = None, window: Window = WINDOW, **options: Any
    ) -> tuple[dict[str, list[dict[str, str]]], list[Rejected]]:
        tables: dict[str, list[dict[str, str]]] = {table.name: [] for table in SYSTEM.tables}
        rejected: list[Rejected] = []
        for item in fetch(self.connection(**options), window, landed or NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            assert isinstance(item, Rows)
            assert item.file is not None
            names = SYSTEM.table(item.table).column_names
            tables[item.table] += [dict(zip(names, row, strict=True)) for row in item.values]
        return tables, rejected


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# --- what a mapping makes of files ---


def test_a_ticket_lands_as_it_is_mapped(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    tables, rejected = folder.read()
    assert rejected == []
    (row,) = tables["tickets"]
    assert (row["ticket_id"], row["ticket_number"], row["service"], row["requester"]) == (
        "T1", "T1", "Mail", "Ann",
    )  # fmt: skip
    # Paris is an hour ahead; what is not mapped is kept beside it.
    assert (row["opened_at"], row["resolved_at"]) == ("2026-03-02T09:00:00.000000Z", "")
    assert json.loads(row["record"])["Remark"] == "x"


def test_a_history_lands_as_its_words_say(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    folder.csv(
        "history.csv",
        HISTORY_HEADER,
        ("T1", "02/03/2026 10:30", "Bo", "Status", "New", "Open"),
        ("T1", "02/03/2026 10:31", "Bo", "Reply", "", "We look."),
        ("T1", "02/03/2026 10:32", "Bo", "Note", "", "Hm."),
        ("T1", "02/03/2026 10:33", "Bo", "Colour", "red", "blue"),
    )
    tables, rejected = folder.read()
    assert rejected == []
    told = [(e["field"], e["old_value"], e["new_value"], e["sequence"]) for e in tables["ticket_events"]]
    assert told == [
        ("state", "New", "Open", "1"),
        ("public_comment", "", "We look.", "2"),
        ("private_note", "", "Hm.", "3"),
        ("", "red", "blue", "4"),
    ]


def test_rows_that_state_values_are_changes_where_a_value_is_another(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    folder.csv(
        "log.csv",
        ("Number", "When", "Who", "Status", "Prio", "Reply"),
        ("T1", "02/03/2026 12:00", "Bo", "Done", "2", "Solved."),
        ("T2", "02/03/2026 10:00", "Bo", "New", "3", ""),
        ("T1", "02/03/2026 10:00", "Ann", "New", "2", ""),
        ("T1", "02/03/2026 11:00", "Bo", "Open", "2", "We look."),
        ("T1", "02/03/2026 11:30", "Bo", "Open", "", ""),
    )
    tables, rejected = folder.read(events=LOG)
    assert rejected == []
    told = [(e["ticket_id"], e["field"], e["old_value"], e["new_value"]) for e in tables["ticket_events"]]
    assert told == [
        ("T1", "state", "", "New"),
        ("T1", "priority", "", "2"),
        ("T1", "state", "New", "Open"),
        ("T1", "public_comment", "", "We look."),
        ("T1", "priority", "2", ""),
        ("T1", "state", "Open", "Done"),
        ("T1", "priority", "", "2"),
        ("T1", "public_comment", "", "Solved."),
        ("T2", "state", "", "New"),
        ("T2", "priority", "", "3"),
    ]


def test_one_file_may_hold_tickets_and_their_events(folder: Folder) -> None:
    folder.csv(
        "all.csv",
        ("Number", "Opened", "When", "Status"),
        ("T1", "02/03/2026 10:00", "02/03/2026 10:00", "New"),
        ("T1", "02/03/2026 10:00", "02/03/2026 11:00", "Done"),
    )
    columns = {"ticket": "Number", "opened": "Opened", "updated": "When", "state": "Status"}
    tables, rejected = folder.read(
        tickets={"files": "all.csv", "columns": columns, "constants": {"service": "Mail"}},
        events={"files": "all.csv", "columns": {"ticket": "Number", "at": "When", "state": "Status"}},
    )
    assert rejected == []
    assert [(row["state"], row["service"]) for row in tables["tickets"]] == [
        ("New", "Mail"),
        ("Done", "Mail"),
    ]
    assert [row["new_value"] for row in tables["ticket_events"]] == ["New", "Done"]


def test_the_same_delivery_in_three_formats_is_the_same(tmp_path: Path) -> None:
    made = []
    rows = (HEADER, GOOD, ("T2", *GOOD[1:]))
    moments = {1: datetime(2026, 3, 2, 10), 2: datetime(2026, 3, 3, 11)}
    cells = [[moments.get(n, cell) for n, cell in enumerate(row)] for row in rows[1:]]
    lines = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in rows[1:]]
    for name, content in {
        "tickets.csv": "".join(",".join(row) + "\n" for row in rows).encode(),
        "tickets.xlsx": workbook(HEADER, *cells),
        "tickets.jsonl": ("\n".join(lines) + "\n").encode(),
    }.items():
        folder = Folder(tmp_path / name)
        folder.put(name, content)
        tables, rejected = folder.read()
        assert rejected == []
        made.append([{k: v for k, v in row.items() if k != "record"} for row in tables["tickets"]])
    assert made[0] == made[1] == made[2]
    assert [row["ticket_id"] for row in made[0]] == ["T1", "T2"]


def test_fields_of_objects_are_reached_with_dots(folder: Folder) -> None:
    record = {"id": 7, "at": {"opened": "2026-03-02T10:00:00Z", "changed": "2026-03-02T12:00:00+02:00"}}
    folder.put("tickets.jsonl", json.dumps(record).encode() + b"\n")
    columns = {"ticket": "id", "opened": "at.opened", "updated": "at.changed"}
    tables, rejected = folder.read(
        tickets={"files": "tickets*", "columns": columns, "constants": {"service": "Mail"}},
        events=None, instant_format="iso", timezone=None,
    )  # fmt: skip
    assert rejected == []
    (row,) = tables["tickets"]
    assert (row["ticket_id"], row["opened_at"], row["updated_at"]) == (
        "7", "2026-03-02T10:00:00.000000Z", "2026-03-02T10:00:00.000000Z",
    )  # fmt: skip


def test_an_event_that_is_told_twice_is_one_and_another_is_not(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    event = ("T1", "02/03/2026 10:30", "Bo", "Reply", "", "We look.")
    folder.csv("history-1.csv", HISTORY_HEADER, event, event, (*event[:5], "We look again."))
    folder.csv("history-2.csv", HISTORY_HEADER, ("T1", "01/03/2026 10:30", *event[2:]), event)
    tables, _ = folder.read()
    keys = [(row["ticket_id"], row["event_id"]) for row in tables["ticket_events"]]
    assert len(keys) == 5
    assert len(set(keys)) == 3


def test_the_declared_encoding_and_delimiter_are_used(folder: Folder) -> None:
    rows = (HEADER, ("T1", *GOOD[1:5], "Zoé", "x"))
    folder.csv("tickets.csv", *rows, delimiter=";", encoding="cp1252")
    tables, rejected = folder.read(encoding="cp1252", delimiter=";")
    assert (rejected, tables["tickets"][0]["requester"]) == ([], "Zoé")
    _, rejected = folder.read(delimiter=";")
    assert [item.reason_code for item in rejected] == ["not_utf8"]


def test_a_file_is_known_by_its_bytes_and_waits_for_its_window(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    folder.csv("old/tickets copy.csv", HEADER, GOOD)
    late = folder.csv("tickets-late.csv", HEADER, ("T2", *GOOD[1:]))
    os.utime(late, (WINDOW.end.timestamp(), WINDOW.end.timestamp()))
    assert len(folder.read()[0]["tickets"]) == 1
    following = Window(WINDOW.end, WINDOW.end + timedelta(days=1))
    assert len(folder.read(window=following)[0]["tickets"]) == 2

    class Known(NothingLanded):
        def has_file(self, sha256: str) -> bool:
            return len(sha256) == 64

    assert folder.read(landed=Known())[0]["tickets"] == []


# --- instants ---


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-02 10:00", "does not match format"),
        ("03/13/2026 10:00", "does not match format"),
        ("29/03/2026 02:30", "does not exist in Europe/Paris"),
        ("02/03/1066 10:00", "no year of our time"),
        ("02/03/2026", "does not match format"),
        ("", "is empty"),
        (" ", "is empty"),
    ],
)
def test_an_instant_in_another_form_is_rejected_with_its_line(folder: Folder, text: str, reason: str) -> None:
    folder.csv("tickets.csv", HEADER, GOOD, ("T2", text, *GOOD[2:]))
    tables, rejected = folder.read()
    assert [row["ticket_id"] for row in tables["tickets"]] == ["T1"]
    (item,) = rejected
    assert item.reason.startswith("tickets.csv:3: Opened")
    assert reason in item.reason
    assert json.loads(item.payload)["Number"] == "T2"


def test_an_instant_without_a_zone_is_not_read_in_one_that_nobody_declared(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    _, rejected = folder.read(timezone=None)
    assert "the option timezone declares none" in rejected[0].reason
    zoned = ("T1", "2026-03-02T10:00:00+01:00", "2026-03-02T10:00:00Z", *GOOD[3:])
    folder.csv("tickets.csv", HEADER, zoned)
    tables, rejected = folder.read(timezone=None, instant_format="iso")
    assert (rejected, tables["tickets"][0]["opened_at"]) == ([], "2026-03-02T09:00:00.000000Z")


def test_a_number_of_a_spreadsheet_is_no_instant(folder: Folder) -> None:
    folder.put("tickets.xlsx", workbook(HEADER, ("T1", 46083.5, *GOOD[2:])))
    assert "is a number and no instant" in folder.read()[1][0].reason


# --- files that are not what they should be ---


def test_a_row_that_cannot_be_used_is_told_with_file_and_line(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD, GOOD[:3], ("", *GOOD[1:]), ('"T\n3"', *GOOD[1:4], "", *GOOD[5:]))
    tables, rejected = folder.read()
    assert len(tables["tickets"]) == 1
    assert [(item.reason_code, item.reason.split(": ")[0]) for item in rejected] == [
        ("wrong_cell_count", "tickets.csv:3"),
        ("missing_field", "tickets.csv:4"),
        ("missing_field", "tickets.csv:5"),
    ]


@pytest.mark.parametrize("name", ["tickets.csv", "tickets.jsonl"])
def test_a_file_that_is_cut_off_fails_the_load(folder: Folder, name: str) -> None:
    text = "".join(",".join(row) + "\n" for row in (HEADER, GOOD, ("T2", *GOOD[1:])))
    if name.endswith("jsonl"):
        text = "".join(json.dumps(dict(zip(HEADER, GOOD, strict=True))) + "\n" for _ in range(2))
    folder.put(name, text.encode()[:-1])
    with pytest.raises(SourceError, match="is cut off"):
        folder.read()
    assert folder.read(ends_with_newline=False)[1] == []


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_workbook_that_is_cut_off_fails_the_load(folder: Folder, part: float) -> None:
    content = workbook(HEADER, *[GOOD] * 50)
    folder.put("tickets.xlsx", content[: int(part * len(content))])
    with pytest.raises(SourceError, match="cut off or no workbook"):
        folder.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is cut off"),
        (b"Number,Opened\nT1,x\n", "missing: Caller, Changed, Product, Status"),
        ((",".join(HEADER) + "\n").encode(), "has no rows, which is not"),
        ((",".join((*HEADER, "Status")) + "\n").encode(), "twice: Status"),
        ((",".join(HEADER) + '\n"T1\n').encode(), "unexpected end of data"),
        (b'"' + b"x" * 200_000 + b"\n", "field larger than field limit"),
    ],
)
def test_a_csv_file_that_cannot_be_trusted_fails_the_load(
    folder: Folder, content: bytes, message: str
) -> None:
    folder.put("tickets.csv", content)
    with pytest.raises(SourceError, match=message):
        folder.read()


def test_lines_that_are_no_objects_are_rejected(folder: Folder) -> None:
    good = json.dumps(dict(zip(HEADER, GOOD, strict=True)))
    lines = [good, "[1]", "{", json.dumps({"Number": "T2"}), "[" * 100_000, '{"Number": NaN}', "\\xff"]
    folder.put("tickets.jsonl", "\n".join(lines).encode() + b"\n")
    tables, rejected = folder.read()
    assert len(tables["tickets"]) == 1
    assert [item.reason_code for item in rejected] == [
        "bad_json", "bad_json", "missing_field", "bad_json", "missing_field", "bad_json",
    ]  # fmt: skip
    assert rejected[2].reason.startswith("tickets.jsonl:4: ")


def test_a_formula_is_what_it_was_when_it_was_computed_or_nothing(folder: Folder) -> None:
    never = ("T2", *GOOD[1:3], '=WEBSERVICE("http://198.51.100.7/")', *GOOD[4:])
    kept, beside = ("T3", *GOOD[1:3], "=1+1", *GOOD[4:]), (*GOOD[:6], "=1+1")
    failed = ("T4", *GOOD[1:3], "=1+1", *GOOD[4:])
    content = workbook(HEADER, beside, never, kept, failed)
    states = {"D4": '<c t="str"><f>1+1</f><v>New</v></c>', "D5": '<c t="e"><f>NA()</f><v>#N/A</v></c>'}
    folder.put("tickets.xlsx", with_cells(content, **states))
    tables, rejected = folder.read()
    assert [(row["ticket_id"], row["state"]) for row in tables["tickets"]] == [("T1", "Open"), ("T3", "New")]
    assert [(item.reason_code, item.reason) for item in rejected] == [
        (
            "formula",
            "tickets.xlsx:3: Status: D3 holds a formula that was never computed: "
            '=WEBSERVICE("http://198.51.100.7/")',
        ),
        ("cell_error", "tickets.xlsx:5: Status: D5 holds the error #N/A"),
    ]


def test_a_day_of_a_spreadsheet_is_no_instant(folder: Folder) -> None:
    folder.put("tickets.xlsx", workbook(HEADER, ("T1", date(2026, 3, 2), *GOOD[2:])))
    assert "2026-03-02 is a day and no instant" in folder.read()[1][0].reason


@pytest.mark.parametrize(
    ("change", "added", "message"),
    [
        (lambda name, data: data, {"xl/vbaProject.bin": b"x"}, "it holds macros"),
        (lambda name, data: data, {"xl/bomb.xml": b"0" * 60_000_000}, "as those of a trap do"),
        (lambda name, data: data, {f"x{n}": b"" for n in range(2001)}, "too large"),
        (
            lambda name, data: data.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet')
            if name.endswith("sheet1.xml") else data,
            {}, "is not plain XML",
        ),
        (
            lambda name, data: data.decode().encode("utf-16") if name.endswith("sheet1.xml") else data,
            {}, "is not plain XML",
        ),
        (lambda name, data: b"<a" if name.endswith("sheet1.xml") else data, {}, "broken|no workbook"),
        (lambda name, data: b"<a" if name.endswith("workbook.xml") else data, {}, "no workbook"),
    ],
)  # fmt: skip
def test_a_workbook_that_is_a_trap_is_refused(
    folder: Folder, change: Callable[[str, bytes], bytes], added: dict[str, bytes], message: str
) -> None:
    folder.put("tickets.xlsx", repacked(workbook(HEADER, GOOD), change, **added))
    with pytest.raises(SourceError, match=message):
        folder.read()


def test_a_sheet_that_lies_about_its_size_is_read_as_it_is(folder: Folder) -> None:
    def lie(name: str, data: bytes) -> bytes:
        return data.replace(b'<dimension ref="A1:G2"', b'<dimension ref="A1:B1"')

    content = workbook(HEADER, GOOD)
    folder.put("tickets.xlsx", repacked(content, lie))
    assert len(folder.read()[0]["tickets"]) == 1


def test_a_workbook_with_several_sheets_must_say_which(folder: Folder) -> None:
    folder.put("tickets.xlsx", workbook(HEADER, GOOD, sheets=("Data", "Notes")))
    with pytest.raises(SourceError, match="sheets Data, Notes; name one"):
        folder.read()
    with pytest.raises(SourceError, match="no sheet 'Other'"):
        folder.read(sheet="Other")
    assert len(folder.read(sheet="Data")[0]["tickets"]) == 1


def test_a_file_that_nothing_takes_is_not_overlooked(folder: Folder) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    folder.csv("more.csv", HEADER, GOOD, GOOD)
    folder.put("tickets.xls", b"old")
    folder.put("~$tickets.xlsx", b"a lock of Excel's")
    folder.put("readme.md", b"hello")
    tables, rejected = folder.read()
    assert len(tables["tickets"]) == 1
    assert [(item.reason_code, item.reason.split()[0]) for item in rejected] == [
        ("unknown_file", "more.csv"), ("unknown_file", "tickets.xls"),
    ]  # fmt: skip


def test_a_folder_that_is_gone_or_empty_fails_the_load(folder: Folder) -> None:
    with pytest.raises(SourceError, match="is it mounted"):
        folder.read()
    folder.path.rmdir()
    with pytest.raises(SourceError, match="does not exist"):
        folder.read()


def test_a_file_that_is_too_large_is_not_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.csv("tickets.csv", HEADER, GOOD)
    monkeypatch.setattr(ticket_files, "MAX_FILE_BYTES", 10)
    with pytest.raises(SourceError, match="larger than 10 bytes"):
        folder.read()
    assert spreadsheet.MOST_BYTES <= 256 * 1024 * 1024


# --- what a connection may declare ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tickets": None}, "must be a mapping"),
        ({"tickets": {**TICKETS, "columns": {"ticket": "N"}}}, "must say which column is opened"),
        (
            {"tickets": {**TICKETS, "columns": {**TICKETS["columns"], "colour": "C"}}},
            "'colour', which is none",
        ),
        ({"tickets": {**TICKETS, "constants": {"opened": "x"}}}, "another for each ticket"),
        ({"tickets": {**TICKETS, "files": ""}}, "pattern of names"),
        ({"events": {"files": "h*", "columns": {"ticket": "N", "at": "W"}}}, "which column names the field"),
        ({"events": {**HISTORY, "columns": {**HISTORY["columns"], "state": "S"}}}, "which column names the"),
        ({"events": {**HISTORY, "fields": {}}}, "fields must say"),
        ({"events": {**HISTORY, "fields": {"Status": "status"}}}, "fields must say"),
        ({"instant_format": None}, "must be iso or a format"),
        ({"instant_format": "%d/%m/%Y"}, "must be iso or a format"),
        ({"timezone": "Paris"}, "IANA zone"),
        ({"encoding": "utf-16"}, "an encoding over ASCII"),
        ({"encoding": "klingon"}, "an encoding over ASCII"),
        ({"delimiter": ";;"}, "one character"),
    ],
)
def test_a_declaration_that_leaves_something_to_guess_is_refused(
    folder: Folder, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        folder.connection(**options)


def test_a_connection_is_read_from_its_file(folder: Folder) -> None:
    path = folder.put(
        "sources.yml",
        b"""\
sources:
  - name: acme_tickets
    system: ticket_files
    vendor: acme
    url: drops
    history_from: 2026-01-01T00:00:00Z
    options:
      instant_format: "%d.%m.%Y %H:%M"
      timezone: Europe/Berlin
      tickets:
        files: "tickets*"
        columns: {ticket: Nr, opened: Eroeffnet, updated: Stand}
        constants: {service: Mail}
""",
    )
    (source,) = parse_sources(path, {})
    assert source.option("tickets").columns["opened"] == "Eroeffnet"
    path.write_bytes(path.read_bytes().replace(b"constants", b"constant"))
    with pytest.raises(
        SourceConfigurationError, match="option tickets: must be a mapping with files, columns"
    ):
        parse_sources(path, {})


def test_a_sheet_may_begin_anywhere_and_say_more_than_its_header(folder: Folder) -> None:
    blank: tuple[None, ...] = (None,)
    noted = (*GOOD, None, "a note beside the table")
    folder.put("tickets.xlsx", workbook(blank, blank, HEADER, GOOD, blank, ("T2", *noted[1:])))
    tables, rejected = folder.read()
    assert rejected == []
    assert [row["ticket_id"] for row in tables["tickets"]] == ["T1", "T2"]
    assert "a note" not in tables["tickets"][1]["record"]
