"""Tables in files: one reader of CSV and one of workbooks, and what each makes of what cannot be read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest

from avoir.sources.model import Rejected, SourceConnection, SourceError, SourceFile
from avoir.sources.spreadsheet import NoValue, UnreadableWorkbookError, rows_of, shown
from avoir.sources.table_file import Form, Row, csv_rows, xlsx_rows
from tests.unit.sources.workbooks import repacked, with_cells, workbook

START = datetime(2026, 3, 1).astimezone()
SOURCE = SourceConnection("tables", "plan_file", "/srv/tables", START)


def file_of(content: bytes, name: str) -> SourceFile:
    return SourceFile(name, hashlib.sha256(content).hexdigest(), len(content))


def read_csv(content: bytes, columns: Sequence[str] = ("A", "B"), **form: str) -> list[Row | Rejected]:
    return list(csv_rows(SOURCE, file_of(content, "t.csv"), content, columns, Form(**form), "rows"))


def read_xlsx(content: bytes, columns: Sequence[str] = ("A", "B")) -> list[Row]:
    return list(xlsx_rows(SOURCE, file_of(content, "t.xlsx"), content, columns, Form()))


def cells_of(content: bytes) -> dict[str, object]:
    """What stands below the header of a workbook of one row."""
    (row,) = read_xlsx(content)
    return dict(row.cells)


# --- CSV ---


def test_a_table_is_the_same_from_csv_and_from_a_workbook() -> None:
    rows = [(" A ", "B", "", "More"), ("1", "x", "", ""), ("", "", "", ""), ("2", "y", "", "z")]
    text = "\ufeff" + "".join(",".join(row) + "\n" for row in rows)
    written = read_csv(text.encode())
    shown_rows = read_xlsx(workbook(*[[cell or None for cell in row] for row in rows]))
    assert [(row.number, row.line) for row in written if isinstance(row, Row)] == [(1, 2), (3, 4)]
    assert [row.line for row in shown_rows] == [2, 4]
    assert [{n: shown(c) for n, c in row.cells.items()} for row in shown_rows] == [
        {"A": "1", "B": "x", "More": ""},
        {"A": "2", "B": "y", "More": "z"},
    ]
    assert [row.cells for row in written if isinstance(row, Row)] == [
        {"A": "1", "B": "x", "More": ""},
        {"A": "2", "B": "y", "More": "z"},
    ]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (("A",), r"missing: B \(it has A\)"),
        (("A", "B", "B"), "twice: B"),
        (("A", "B", "Note", "Note"), "twice: Note"),
    ],
)
def test_a_header_must_have_its_columns_and_none_twice(header: Sequence[str], problem: str) -> None:
    with pytest.raises(SourceError, match=rf"source tables: t\.csv has other columns.*{problem}"):
        read_csv((",".join(header) + "\n").encode())
    with pytest.raises(SourceError, match=rf"source tables: t\.xlsx has other columns.*{problem}"):
        read_xlsx(workbook(header))


@pytest.mark.parametrize("content", [b"", workbook()], ids=["csv", "xlsx"])
def test_nothing_at_all_is_no_table(content: bytes) -> None:
    read = read_xlsx if content else read_csv
    with pytest.raises(SourceError, match=r"missing: A, B \(it has none\)"):
        read(content)


def test_a_row_is_told_by_the_line_on_which_it_begins() -> None:
    rows = read_csv(b'A,B\n"one\ntwo",x\nshort\n3,y\n')
    assert [row.line for row in rows if isinstance(row, Row)] == [2, 5]
    (rejected,) = [row for row in rows if isinstance(row, Rejected)]
    assert rejected.reason == "t.csv:4: the row has 1 cells, the header 2"
    assert (rejected.reason_code, rejected.source_row) == ("wrong_cell_count", 2)


def test_a_file_that_ends_in_the_middle_of_a_row_is_still_being_written() -> None:
    with pytest.raises(SourceError, match=r"t\.csv:3 ends in the middle of a row"):
        read_csv(b"A,B\n1,x\n2")
    with pytest.raises(SourceError, match=r"t\.csv:3 cannot be read: unexpected end of data"):
        read_csv(b'A,B\n1,x\n2,"y')
    # One that merely ends without a line's end is whole, and one row too short is that row's fault.
    assert len(read_csv(b"A,B\n1,x\n2,y")) == 2
    assert isinstance(read_csv(b"A,B\n1,x\n2\n")[1], Rejected)


def test_bytes_of_another_encoding_cost_their_row() -> None:
    rows = read_csv(b"A,B\n\xe9,x\n2,y\n")
    assert [row.reason_code for row in rows if isinstance(row, Rejected)] == ["not_utf8"]
    (_, second) = rows
    assert isinstance(second, Row)
    (first, _) = read_csv(b"A;B\n\xe9;x\n2;y\n", encoding="cp1252", delimiter=";")
    assert isinstance(first, Row)
    assert first.cells == {"A": "é", "B": "x"}
    with pytest.raises(SourceError, match=r"t\.csv is not utf-16"):
        read_csv(b"A,B\n1", encoding="utf-16")


# --- workbooks: what a user sees ---


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("<c><f>1+1</f><v>2</v></c>", 2),
        ("<c><f>1/4</f><v>0.25</v></c>", 0.25),
        ('<c t="str"><f>"a"&amp;"b"</f><v>ab</v></c>', "ab"),
        ('<c t="str"><f>""</f><v></v></c>', None),
        ('<c t="b"><f>TRUE()</f><v>1</v></c>', "true"),
        ('<c><f t="array" ref="B2">SUM(A1:A2)</f><v>7</v></c>', 7),
    ],
)
def test_of_a_formula_the_value_that_was_kept_is_read(cell: str, value: object) -> None:
    content = with_cells(workbook(("A", "B"), ("1", "=1+1")), B2=cell)
    assert cells_of(content) == {"A": "1", "B": value}


@pytest.mark.parametrize(
    ("cell", "code", "reason"),
    [
        ("<c><f>1+1</f><v></v></c>", "formula", "B2 holds a formula that was never computed: =1+1"),
        ("<c><f>1+1</f></c>", "formula", "B2 holds a formula that was never computed: =1+1"),
        ('<c t="b"><f>1=1</f></c>', "formula", "B2 holds a formula that was never computed: =1=1"),
        (
            '<c><f t="array" ref="B2">SUM(A1:A2)</f></c>',
            "formula",
            "B2 holds a formula that was never computed: =SUM(A1:A2)",
        ),
        ('<c t="e"><v>#DIV/0!</v></c>', "cell_error", "B2 holds the error #DIV/0!"),
        ('<c t="e"><f>NA()</f><v>#N/A</v></c>', "cell_error", "B2 holds the error #N/A"),
    ],
)
def test_what_is_no_value_is_told_with_its_cell(cell: str, code: str, reason: str) -> None:
    found = cells_of(with_cells(workbook(("A", "B"), ("1", "=1+1")), B2=cell))["B"]
    assert isinstance(found, NoValue)
    assert (found.code, found.reason) == (code, reason)


def test_a_formula_beside_the_table_is_nobodys_business() -> None:
    (row,) = read_xlsx(workbook(("A", "B"), ("1", "x", "=1+1")))
    assert row.cells == {"A": "1", "B": "x"}


def formatted(value: object, number_format: str) -> object:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(("A", "B"))
    sheet.append(("1", value))
    sheet["B2"].number_format = number_format
    buffer = io.BytesIO()
    book.save(buffer)
    return cells_of(buffer.getvalue())["B"]


@pytest.mark.parametrize(
    ("value", "number_format", "found"),
    [
        (date(2026, 3, 6), "dd/mm/yyyy", date(2026, 3, 6)),
        (datetime(2026, 3, 6), "dd/mm/yyyy hh:mm", datetime(2026, 3, 6)),
        (datetime(2026, 3, 6), '[$-409]dddd, d mmmm yyyy "hours"', date(2026, 3, 6)),
        # What is not shown is there all the same.
        (datetime(2026, 3, 6, 10, 15, 30), "dd/mm/yyyy", datetime(2026, 3, 6, 10, 15, 30)),
        (time(10, 15), "hh:mm", "10:15:00"),
        (timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
    ],
)
def test_a_day_is_a_day_and_an_instant_has_its_clock(
    value: object, number_format: str, found: object
) -> None:
    assert formatted(value, number_format) == found
    assert type(formatted(value, number_format)) is type(found)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("10", "10"),
        ("10.0", "10"),
        ("10.50", "10.5"),
        ("1234567.89", "1234567.89"),
        # The last bit of a sum is not shown by Excel either.
        ("0.30000000000000004", "0.3"),
        ("-1E-3", "-0.001"),
        ("1E20", "100000000000000000000"),
        ("12345678901234567", "12345678901234567"),
    ],
)
def test_numbers_are_the_digits_that_are_shown(written: str, text: str) -> None:
    content = with_cells(workbook(("A", "B"), ("1", 1)), B2=f"<c><v>{written}</v></c>")
    assert shown(cells_of(content)["B"]) == text


# --- workbooks that are refused ---


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "encrypted, or of Excel's format until 2003"),
        (
            repacked(workbook(("A",)), lambda _, data: data, **{"xl/macrosheets/sheet1.xml": b"<a/>"}),
            "macros",
        ),
        (repacked(workbook(("A",)), lambda _, data: data, **{"xl/vbaProject.bin": b""}), "macros"),
        (
            repacked(workbook(("A",)), lambda name, data: b"<Types/>" if "Content" in name else data),
            "no workbook",
        ),
        (b"PK\x03\x04", "cut off or no workbook"),
        (b"", "cut off or no workbook"),
    ],
    ids=["encrypted", "old macros", "macros", "no workbook part", "half an archive", "nothing"],
)
def test_a_workbook_that_cannot_be_trusted_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableWorkbookError, match=problem):
        list(rows_of(content, None))


def test_no_module_reads_tables_beside_these_readers() -> None:
    """Two readers of one format would come to differ."""
    sources = Path(rows_of.__code__.co_filename).parent
    readers = {"csv_file.py": "csv.reader", "spreadsheet.py": "load_workbook"}
    for name, word in readers.items():
        found = [path.name for path in sorted(sources.glob("*.py")) if word in path.read_text()]
        assert found == [name]
