"""Probe logs: columns and words as declared, times in their zone, each file once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avoir.sources.model import NothingLanded, Rejected, SourceConnection, SourceError, Window
from avoir.sources.probe_log import SYSTEM, fetch

WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
COLUMNS = {"monitor": "check", "checked_at": "time", "state": "status"}
DECLARED: dict[str, Any] = {"columns": COLUMNS, "up": ["OK", "WARN"], "down": ["CRIT"]}


class Landed(NothingLanded):
    def __init__(self, *hashes: str) -> None:
        self.hashes = hashes

    def has_file(self, sha256: str) -> bool:
        return sha256 in self.hashes


def read(
    folder: Path, *, window: Window = WINDOW, landed: NothingLanded | None = None, **options: Any
) -> tuple[list[tuple[str | None, ...]], list[Rejected], list[str]]:
    """Rows, what was rejected, and hashes of the files that were read, as often as they had rows to land."""
    declared = {**DECLARED, **options}
    given = {
        name: option.check(declared.get(name, option.default)) for name, option in SYSTEM.options.items()
    }
    source = SourceConnection("log", SYSTEM.name, str(folder), WINDOW.start, options=given)
    rows, rejected, hashes = [], [], []
    for item in fetch(source, window, landed or NothingLanded()):
        if isinstance(item, Rejected):
            rejected.append(item)
        else:
            assert item.file is not None
            hashes.append(item.file.sha256)
            rows += [
                (monitor, datetime.fromisoformat(str(at)).isoformat(), *said)
                for monitor, at, *said in item.values
            ]
    return rows, rejected, hashes


def log(folder: Path, *rows: str, name: str = "a.csv", header: str = "check,time,status") -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in (header, *rows)))


def test_rows_are_read_as_they_are_declared(tmp_path: Path) -> None:
    header = "when;ms;what;site;ignored"
    log(tmp_path, "02.03.2026 10:00:00;12.5;CRIT;web;x", name="sub/b.txt", header=header)
    columns = {"monitor": "site", "checked_at": "when", "state": "what", "response_ms": "ms"}
    rows, rejected, _ = read(
        tmp_path, columns=columns, delimiter=";", files="*.txt", time_format="%d.%m.%Y %H:%M:%S",
        timezone="Europe/Paris",
    )  # fmt: skip
    assert not rejected
    assert rows == [("web", "2026-03-02T09:00:00+00:00", "down", "CRIT", "12.5")]


@pytest.mark.parametrize(
    ("form", "text", "instant"),
    [
        ("iso", "2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00+00:00"),
        ("epoch", "1772442000", "2026-03-02T09:00:00+00:00"),
        ("epoch", "1772442000.25", "2026-03-02T09:00:00.250000+00:00"),
        ("epoch_ms", "1772442000250", "2026-03-02T09:00:00.250000+00:00"),
        ("%Y-%m-%d %H:%M:%S %z", "2026-03-02 10:00:00 +0100", "2026-03-02T09:00:00+00:00"),
    ],
)
def test_times_have_the_declared_form(tmp_path: Path, form: str, text: str, instant: str) -> None:
    log(tmp_path, f"web,{text},OK")
    zone = {"timezone": "UTC"} if "%" in form else {}
    rows, rejected, _ = read(tmp_path, time_format=form, **zone)
    assert not rejected
    assert rows == [("web", instant, "up", "OK", None)]


def test_the_hour_that_comes_twice_is_told_in_order(tmp_path: Path) -> None:
    # Paris, 25 October 2026: 02:00 to 03:00 comes twice. Two monitors, each in its own order.
    times = ["02:00:00", "02:30:00", "02:00:00", "02:30:00", "03:00:00"]
    log(tmp_path, *(f"{monitor},2026-10-25 {time},OK" for time in times for monitor in ("web", "api")))
    rows, rejected, _ = read(tmp_path, time_format="%Y-%m-%d %H:%M:%S", timezone="Europe/Paris")
    assert not rejected
    told = [str(row[1]) for row in rows if row[0] == "api"]
    assert [instant[11:16] for instant in told] == ["00:00", "00:30", "01:00", "01:30", "02:00"]


def test_rows_that_cannot_be_used_are_kept_aside_with_their_place(tmp_path: Path) -> None:
    log(
        tmp_path, "web,2026-03-29 01:59:59,OK", ",2026-03-02 10:00:00,OK", "web,2026-03-29 02:30:00,OK",
        "web,10:00,OK", "web,2026-03-29 04:00:00,MAYBE", "web,2026-03-29 05:00:00,CRIT",
        "web,2026-03-29 05:00:00,OK", "web,2026-03-29 05:00:00,CRIT", "web,x",
    )  # fmt: skip
    rows, rejected, _ = read(tmp_path, time_format="%Y-%m-%d %H:%M:%S", timezone="Europe/Paris")
    assert len(rows) == 3
    assert [(one.reason_code, one.source_row) for one in rejected] == [
        ("missing_key", 2), ("bad_instant", 3), ("bad_instant", 4), ("unknown_state", 5),
        ("conflicting_version", 7), ("wrong_cell_count", 9),
    ]  # fmt: skip
    assert rejected[1].reason.startswith("a.csv:4: ")


CHECKS = st.lists(
    st.tuples(st.sampled_from(("web", "api")), st.integers(0, 9), st.sampled_from(("OK", "CRIT"))),
    min_size=1,
    max_size=20,
)


@given(checks=CHECKS)
def test_the_first_state_that_is_told_of_an_instant_counts(checks: list[tuple[str, int, str]]) -> None:
    first: dict[tuple[str, int], str] = {}
    kept = [
        number
        for number, (monitor, at, said) in enumerate(checks, 1)
        if first.setdefault((monitor, at), said) == said
    ]
    with TemporaryDirectory() as folder:
        log(Path(folder), *(f"{monitor},{at},{said}" for monitor, at, said in checks))
        rows, rejected, _ = read(Path(folder), time_format="epoch")
    assert [row[3] for row in rows] == [checks[number - 1][2] for number in kept]
    assert [one.source_row for one in rejected] == sorted({*range(1, len(checks) + 1)} - {*kept})
    assert {one.reason_code for one in rejected} <= {"conflicting_version"}


def test_a_long_log_is_landed_in_pieces_and_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.probe_log.BLOCK_ROWS", 3)
    log(tmp_path, *(f"web,{at},{'OK' if at % 5 else '?'}" for at in range(1, 13)))
    rows, rejected, hashes = read(tmp_path, time_format="epoch")
    assert [datetime.fromisoformat(str(row[1])).second for row in rows] == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12]
    assert ([one.source_row for one in rejected], len(hashes)) == ([5, 10], 4)


def test_a_log_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.probe_log.BLOCK_ROWS", 1)
    log(tmp_path, "web,1,OK", "web,2,OK", "web,3,OK")
    source = SourceConnection(
        "log", SYSTEM.name, str(tmp_path), WINDOW.start,
        options={name: option.default for name, option in SYSTEM.options.items()}
        | {"columns": COLUMNS, "up": ("OK",), "down": ("CRIT",), "time_format": "epoch", "monitor": ""},
    )  # fmt: skip
    items = fetch(source, WINDOW, NothingLanded())
    log(tmp_path, "web,1,OK", "web,2,OK", "web,3,CRIT", name="b.csv")
    next(items)
    (tmp_path / "a.csv").write_text("check,time,status\nweb,1,OK\nweb,2,OK\nweb,3,CRIT\n")
    with pytest.raises(SourceError, match=r"a.csv changed while it was read; load it again"):
        list(items)


def test_a_file_is_read_once(tmp_path: Path) -> None:
    log(tmp_path, "web,2026-03-02T10:00:00Z,OK")
    log(tmp_path, "web,2026-03-02T10:00:00Z,OK", name="copy.csv")
    rows, _, hashes = read(tmp_path)
    assert (len(rows), len(hashes)) == (1, 1)
    assert read(tmp_path, landed=Landed(*hashes)) == ([], [], [])
    log(tmp_path, "web,2026-03-02T10:00:00Z,OK", "web,2026-03-02T10:05:00Z,CRIT")
    assert len(read(tmp_path, landed=Landed(*hashes))[0]) == 2


def test_a_file_that_reaches_the_windows_end_waits(tmp_path: Path) -> None:
    log(tmp_path, "web,2026-03-02T10:00:00Z,OK", "web,2026-03-02T10:05:00Z,CRIT")
    end = datetime(2026, 3, 2, 10, 5, tzinfo=UTC)
    assert read(tmp_path, window=Window(WINDOW.start, end)) == ([], [], [])
    assert len(read(tmp_path, window=Window(WINDOW.start, end + timedelta(microseconds=1)))[0]) == 2


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("check,time,status\nweb,2026-03-02T10:00:00Z,OK\nweb,2026-03-02T10:05")
    with pytest.raises(SourceError, match=r"a.csv:3 ends in the middle of a row"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("check,time", "missing: status"),
        ("check,time,status,status", "twice: status"),
        ("", "missing: check, status, time"),
    ],
)
def test_a_log_without_its_columns_is_refused(tmp_path: Path, header: str, found: str) -> None:
    log(tmp_path, "web,2026-03-02T10:00:00Z,OK", header=header)
    with pytest.raises(SourceError, match=found):
        read(tmp_path)


def test_a_log_of_one_monitor_is_named_by_the_connection(tmp_path: Path) -> None:
    log(tmp_path, "2026-03-02T10:00:00Z,OK", header="time,status")
    columns = {"checked_at": "time", "state": "status"}
    assert read(tmp_path, columns=columns, monitor="web")[0][0][0] == "web"
    with pytest.raises(SourceError, match="option monitor"):
        read(tmp_path, columns=columns)
    with pytest.raises(SourceError, match="option monitor"):
        read(tmp_path, monitor="web")


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    log(tmp_path, "web,2026-03-02T10:00:00Z,OK")
    with pytest.raises(SourceError, match="both up and down"):
        read(tmp_path, down=["OK"])
    with pytest.raises(SourceError, match="need the option timezone"):
        read(tmp_path, time_format="%H:%M")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("columns", ["time"], "must map"),
        ("columns", {"checked_at": "time"}, "does not say which column is state"),
        ("columns", {**COLUMNS, "colour": "x"}, "unknown role 'colour'"),
        ("columns", {**COLUMNS, "monitor": "time"}, "one column for two roles"),
        ("up", [], "list of words"),
        ("up", [True], "list of words"),
        ("up", None, "list of words"),
        ("time_format", "rfc", "must be iso"),
        ("timezone", "Paris", "IANA zone"),
        ("files", "../*.csv", "pattern of file names"),
        ("delimiter", ";;", "one character"),
        ("monitor", " ", "must be text"),
    ],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SYSTEM.options[option].check(value)
