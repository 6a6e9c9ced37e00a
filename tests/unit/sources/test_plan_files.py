"""Plans in files: what lands, what is told with file and line, and which file stops the load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from avoir.sources import spreadsheet
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConnection, SourceError, Window
from avoir.sources.plan_file import PLANS, SYSTEM, fetch, parse_instant
from tests.unit.sources.workbooks import with_cells, workbook

WRITTEN = datetime(2026, 2, 1, tzinfo=UTC)
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
HEADER = "id,v,service,planned,announced,by,approved,delivered"
COLUMNS = {
    "milestone": "id", "version": "v", "service": "service", "planned": "planned", "announced": "announced",
    "approved_by": "by", "approved": "approved", "delivered": "delivered",
}  # fmt: skip
ROW = "M1,1,apps,2026-03-06,2026-01-05,Ann,2026-01-07,"


def connection(folder: Path, **options: Any) -> SourceConnection:
    given = {"columns": COLUMNS, "timezone": "Europe/Paris", **options}
    return SourceConnection(
        name="plans",
        system="plan_file",
        url=str(folder),
        history_from=datetime(2026, 1, 1, tzinfo=UTC),
        options={name: one.check(given.get(name, one.default)) for name, one in SYSTEM.options.items()},
    )


def write(folder: Path, *rows: str, name: str = "plan.csv", at: datetime = WRITTEN, end: str = "\n") -> Path:
    path = folder / name
    path.write_bytes(("\n".join((HEADER, *rows)) + end).encode())
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def read(folder: Path, **options: Any) -> tuple[list[Mapping[str, str | None]], list[Rejected]]:
    rows: list[Mapping[str, str | None]] = []
    rejected = []
    for item in fetch(connection(folder, **options), WINDOW, NothingLanded()):
        if isinstance(item, Rows):
            rows += [dict(zip(PLANS.column_names, one, strict=True)) for one in item.values]
        else:
            rejected.append(item)
    return rows, rejected


def test_a_date_is_its_noon_and_a_file_says_when_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, ROW, "M1,2,apps,2026-03-20,2026-02-02 09:30:00,,,2026-03-20 08:00:00")
    rows, rejected = read(tmp_path)
    assert rejected == []
    assert rows == [
        {
            "milestone": "M1", "version": "1", "service": "apps", "planned_at": "2026-03-06T11:00:00+00:00",
            "announced_at": "2026-01-05T11:00:00+00:00", "approved_by": "Ann",
            "approved_at": "2026-01-07T11:00:00+00:00", "delivered_at": "",
            "received_at": "2026-02-01T00:00:00+00:00",
        },
        {
            "milestone": "M1", "version": "2", "service": "apps", "planned_at": "2026-03-20T11:00:00+00:00",
            "announced_at": "2026-02-02T08:30:00+00:00", "approved_by": "", "approved_at": "",
            "delivered_at": "2026-03-20T07:00:00+00:00", "received_at": "2026-02-01T00:00:00+00:00",
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (",1,apps,2026-03-06,2026-01-05,,,", "missing_key", "no milestone"),
        ("M2,one,apps,2026-03-06,2026-01-05,,,", "missing_key", "no whole number"),
        ("M2,1234567890,apps,2026-03-06,2026-01-05,,,", "missing_key", "nine digits"),
        ("M2,1,apps,,2026-01-05,,,", "missing_field", "planned is empty"),
        ("M2,1,apps,2026-03-06,,,,", "missing_field", "announced is empty"),
        ("M2,1,,2026-03-06,2026-01-05,,,", "missing_field", "service is empty"),
        ("M2,1,apps,06/03/2026,2026-01-05,,,", "bad_date", "planned: is written in none of the formats"),
        ("M2,1,apps,2026-02-30,2026-01-05,,,", "bad_date", "planned: is written in none of the formats"),
        ("M2,1,apps,2026-03-29 02:30:00,2026-01-05,,,", "bad_date", "does not exist in Europe/Paris"),
        ("M2,1,apps,2026-03-06,2026-01-05,Ann,,", "half_an_approval", "or neither"),
        ("M2,1,apps,2026-03-06,2026-01-05,,2026-01-07,", "half_an_approval", "or neither"),
        ("M1,1,apps,2026-03-07,2026-01-05,Ann,2026-01-07,", "conflicting_version", "line 2 gives version 1"),
        ("M1,2,apps,2026-03-20,2026-01-04,,,", "announced_out_of_order", "before the one before it"),
        ("M2,1,apps", "wrong_cell_count", "the row has 3 cells, the header 8"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_file_and_line(
    tmp_path: Path, row: str, code: str, reason: str
) -> None:
    write(tmp_path, ROW, row)
    rows, rejected = read(tmp_path)
    assert [one["milestone"] for one in rows] == ["M1"]
    (one,) = rejected
    assert (one.table, one.reason_code, one.source_row) == ("plans", code, 2)
    assert one.reason.startswith("plan.csv:3: ")
    assert reason in one.reason


def test_a_milestone_is_delivered_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        "M1,1,apps,2026-03-06,2026-01-05,,,2026-03-06",
        "M1,2,apps,2026-03-20,2026-02-02,,,2026-03-07",
        "M1,3,apps,2026-03-20,2026-02-03,,,2026-03-06",
    )
    rows, rejected = read(tmp_path)
    assert [one["version"] for one in rows] == ["1", "3"]
    assert [one.reason_code for one in rejected] == ["conflicting_delivery"]


def test_bytes_of_another_encoding_cost_their_row_only(tmp_path: Path) -> None:
    write(tmp_path, ROW, "M2,1,apps,2026-03-06,2026-01-05,Ann,2026-01-07,")
    path = tmp_path / "plan.csv"
    path.write_bytes(path.read_bytes().replace(b"M2,1,apps", b"M\xe9,1,apps"))
    os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    rows, rejected = read(tmp_path)
    assert len(rows) == 1
    assert [one.reason_code for one in rejected] == ["not_utf8"]
    rows, rejected = read(tmp_path, encoding="cp1252")
    assert ([one["milestone"] for one in rows], rejected) == (["M1", "Mé"], [])


def test_a_file_that_is_still_being_written_stops_the_load(tmp_path: Path) -> None:
    write(tmp_path, ROW, "M2,1,ap", end="")
    with pytest.raises(SourceError, match=r"plan\.csv:3 ends in the middle of a row"):
        read(tmp_path)
    # A file that merely ends without a line's end is whole.
    write(tmp_path, ROW, end="")
    assert len(read(tmp_path)[0]) == 1
    write(tmp_path, ROW, 'M2,1,"ap', end="")
    with pytest.raises(SourceError, match=r"plan\.csv:3 cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", r"missing: .*delivered.* \(it has none\)"),
        (b"id,v,service,planned,announced,by,approved\n", r"missing: delivered \(it has id, v, "),
        (b"id,id,v,service,planned,announced,by,approved,delivered\n", "twice: id"),
    ],
)
def test_a_file_that_is_no_such_table_stops_the_load(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(content)
    os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    with pytest.raises(SourceError, match=problem):
        read(tmp_path)


def test_a_lost_mount_is_no_empty_plan(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is it mounted"):
        read(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        read(tmp_path / "gone")


def test_what_is_written_after_the_window_is_left_for_the_next(tmp_path: Path) -> None:
    write(tmp_path, ROW, at=WINDOW.end)
    assert read(tmp_path) == ([], [])
    write(tmp_path, ROW, at=WINDOW.end - timedelta(seconds=1))
    assert len(read(tmp_path)[0]) == 1


def test_hidden_files_and_links_are_no_deliveries(tmp_path: Path) -> None:
    write(tmp_path, ROW)
    write(tmp_path, ROW, name="~$plan.csv")
    write(tmp_path, ROW, name=".plan.csv")
    (tmp_path / "linked.csv").symlink_to(tmp_path / "plan.csv")
    assert len(read(tmp_path)[0]) == 1


# --- Excel ---


def drop(folder: Path, content: bytes, name: str = "plan.xlsx") -> None:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))


def test_a_workbook_is_read_as_the_same_plan(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "excel").mkdir()
    write(tmp_path / "csv", ROW, "M2,one,apps,2026-03-06,2026-01-05,,,")
    content = workbook(
        HEADER.split(","), ROW.split(","), ["M2", "one", "apps", "2026-03-06", "2026-01-05", "", "", ""]
    )
    drop(tmp_path / "excel", content)
    rows, rejected = read(tmp_path / "excel")
    assert rows == read(tmp_path / "csv")[0]
    assert len(rows) == 1
    assert [one.reason for one in rejected] == [
        "plan.xlsx:3: no milestone, or a version that is no whole number"
    ]
    with pytest.raises(SourceError, match="it has no sheet 'Budget' but Sheet"):
        read(tmp_path / "excel", sheet="Budget")


def test_half_a_workbook_stops_the_load(tmp_path: Path) -> None:
    content = workbook(HEADER.split(","), ROW.split(","))
    drop(tmp_path, content[: len(content) // 2])
    with pytest.raises(SourceError, match="cut off or no workbook"):
        read(tmp_path)
    drop(tmp_path, b"no workbook at all")
    with pytest.raises(SourceError, match="cut off or no workbook"):
        read(tmp_path)


def test_a_workbook_that_would_burst_is_not_unfolded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MOST_BYTES", 100_000)
    drop(tmp_path, workbook(HEADER.split(","), *([["0" * 1000] * 8] * 100)))
    with pytest.raises(SourceError, match="are too large"):
        read(tmp_path)


def test_a_plan_is_read_as_its_workbook_shows_it(tmp_path: Path) -> None:
    when = datetime(2026, 1, 5, 14, 30)
    # The version by a formula, days as days, an instant with its clock.
    content = workbook(HEADER.split(","), ["M1", "=1+1", "apps", date(2026, 3, 6), when, "", "", ""])
    drop(tmp_path, with_cells(content, B2="<c><f>1+1</f><v>2</v></c>"))
    (row,), rejected = read(tmp_path)
    assert rejected == []
    # A day is its noon in Paris.
    assert [row[name] for name in ("version", "planned_at", "announced_at")] == [
        "2", "2026-03-06T11:00:00+00:00", "2026-01-05T13:30:00+00:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "code", "reason"),
    [
        ("<c><f>1+1</f></c>", "formula", "plan.xlsx:2: B2 holds a formula that was never computed: =1+1"),
        ('<c t="e"><f>A9</f><v>#N/A</v></c>', "cell_error", "plan.xlsx:2: B2 holds the error #N/A"),
    ],
)
def test_a_cell_without_a_value_costs_its_row(tmp_path: Path, cell: str, code: str, reason: str) -> None:
    row = ["M1", "=1+1", "apps", "2026-03-06", "2026-01-05", "", "", ""]
    drop(tmp_path, with_cells(workbook(HEADER.split(","), row, ["M2", "1", *row[2:]]), B2=cell))
    rows, rejected = read(tmp_path)
    assert [one["milestone"] for one in rows] == ["M2"]
    assert [(one.reason_code, one.reason) for one in rejected] == [(code, reason)]


@pytest.mark.parametrize("name", ["plan.xls", "plan.ods", "plan.xlsm"])
def test_a_table_that_is_not_read_does_not_go_unseen(tmp_path: Path, name: str) -> None:
    write(tmp_path, ROW)
    drop(tmp_path, b"\xd0\xcf\x11\xe0", name)
    with pytest.raises(SourceError, match=rf"{name} is of no kind that is read; save it as \.xlsx"):
        read(tmp_path)


# --- what a connection declares ---


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("columns", {"milestone": "id", "version": "v", "planned": "planned"}, "which column is announced"),
        ("columns", {**COLUMNS, "cost": "cost"}, "names 'cost'"),
        ("columns", ["id"], "must name the columns"),
        ("formats", [], "must be a list of formats"),
        ("formats", ["%d.%m"], "does not say year, month and day"),
        ("formats", ["%Q"], "format"),
        ("timezone", "Paris", "must be an IANA zone"),
        ("encoding", "utf-9", "must be an encoding"),
        ("delimiter", ";;", "must be one character"),
        ("service", 7, "must be text"),
    ],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SYSTEM.options[option].check(value)


def test_the_hour_that_occurs_twice_is_its_first() -> None:
    paris = ZoneInfo("Europe/Paris")
    written = parse_instant("2026-10-25 02:30:00", ["%Y-%m-%d %H:%M:%S"], paris)
    assert written == "2026-10-25T00:30:00+00:00"
