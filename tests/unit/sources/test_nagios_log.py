"""Nagios' event log: states with their ends, and silence where the monitor was not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avoir.sources.model import NothingLanded, Rejected, SourceConnection, SourceError, Window
from avoir.sources.nagios_log import SYSTEM, fetch

MIDNIGHT = 1_772_323_200  # 2026-03-01 00:00Z
DAY, HOUR = 86_400, 3600
WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
STARTS = (0, "Nagios 4.4.6 starting... (PID=1)")
STOPS = "Successfully shutdown... (PID=1)"


def alert(state: str, kind: str = "HARD", service: str = "HTTP") -> str:
    return f"SERVICE ALERT: web;{service};{state};{kind};3;look; here"


def current(state: str, service: str = "HTTP", kind: str = "HARD") -> str:
    return f"CURRENT SERVICE STATE: web;{service};{state};{kind};1;look"


def log(folder: Path, name: str, *lines: tuple[float, str] | str) -> None:
    """A log of lines at so many seconds after midnight, or of lines as they stand."""
    told = (line if isinstance(line, str) else f"[{MIDNIGHT + round(line[0])}] {line[1]}\n" for line in lines)
    (folder / name).write_text("".join(told), encoding="utf-8")


def read(
    folder: Path, *, window: Window = WINDOW, **options: Any
) -> tuple[list[tuple[str, int, int, str]], list[Rejected]]:
    """States as (monitor, seconds after midnight from and to, state), and what was rejected."""
    given = {name: option.check(options.get(name, option.default)) for name, option in SYSTEM.options.items()}
    source = SourceConnection("nagios", SYSTEM.name, str(folder), WINDOW.start, options=given)
    states, rejected = [], []
    for item in fetch(source, window, NothingLanded()):
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        assert item.file is not None
        for monitor, start, end, state, _ in item.values:
            assert start is not None
            assert end is not None
            instants = (round(datetime.fromisoformat(at).timestamp()) - MIDNIGHT for at in (start, end))
            states.append((str(monitor), *instants, str(state)))
    return sorted(states), rejected


def test_a_state_lasts_until_the_next_one(tmp_path: Path) -> None:
    log(
        tmp_path, "nagios.log", STARTS, (0, current("OK")), (600, alert("CRITICAL")), (900, alert("WARNING")),
        (1200, alert("OK")), (1500, "HOST ALERT: web;DOWN;HARD;3;gone"),
        (1800, "HOST ALERT: web;UP;HARD;1;back"),
        (3600, "Auto-save of retention data completed successfully."),
    )  # fmt: skip
    states, rejected = read(tmp_path)
    assert not rejected
    assert states == [
        ("web", 1500, 1800, "down"),
        ("web", 1800, 3600, "up"),
        ("web;HTTP", 0, 600, "up"),
        ("web;HTTP", 600, 900, "down"),
        ("web;HTTP", 900, 3600, "up"),
    ]


def test_soft_states_count_only_where_the_connection_says_so(tmp_path: Path) -> None:
    log(
        tmp_path, "nagios.log", STARTS, (0, current("OK")), (600, alert("CRITICAL", "SOFT")),
        (660, alert("CRITICAL", "SOFT")), (720, alert("CRITICAL")), (900, alert("OK")),
        (1000, alert("CRITICAL", "SOFT")), (1060, alert("OK", "SOFT")), (1200, STOPS),
    )  # fmt: skip
    hard, all_of_them = ([one[1:] for one in read(tmp_path, states=states)[0]] for states in ("hard", "all"))
    assert hard == [(0, 720, "up"), (720, 900, "down"), (900, 1200, "up")]
    assert all_of_them == [
        (0, 600, "up"), (600, 900, "down"), (900, 1000, "up"), (1000, 1060, "down"), (1060, 1200, "up"),
    ]  # fmt: skip


def test_what_the_monitor_could_not_tell_is_no_state(tmp_path: Path) -> None:
    log(
        tmp_path, "nagios.log", STARTS, (0, current("OK")), (600, alert("UNKNOWN")), (900, alert("CRITICAL")),
        (1000, "HOST ALERT: web;UNREACHABLE;HARD;3;router"), (1200, STOPS),
    )  # fmt: skip
    assert read(tmp_path)[0] == [("web;HTTP", 0, 600, "up"), ("web;HTTP", 900, 1200, "down")]


def test_a_check_that_was_never_made_is_no_state(tmp_path: Path) -> None:
    never = "INITIAL SERVICE STATE: web;HTTP;OK;HARD;1;(null)"
    log(tmp_path, "nagios.log", STARTS, (0, never), (600, alert("CRITICAL")), (900, STOPS))
    assert read(tmp_path)[0] == [("web;HTTP", 600, 900, "down")]


def test_while_it_was_stopped_nobody_looked(tmp_path: Path) -> None:
    log(
        tmp_path, "nagios.log", STARTS, (0, current("CRITICAL")), (600, "Caught SIGTERM, shutting down..."),
        (601, STOPS),
        (1200, "Nagios 4.4.6 starting... (PID=2)"), (1210, current("CRITICAL")), (1500, STOPS),
    )  # fmt: skip
    assert read(tmp_path)[0] == [("web;HTTP", 0, 600, "down"), ("web;HTTP", 1210, 1500, "down")]


def test_one_that_died_looked_until_its_last_line(tmp_path: Path) -> None:
    log(
        tmp_path, "nagios.log", STARTS, (0, current("OK")), (600, current("OK", "SSH")),
        (1200, "Nagios 4.4.6 starting... (PID=2)"), (1200, current("OK")), (1500, STOPS),
    )  # fmt: skip
    assert read(tmp_path)[0] == [("web;HTTP", 0, 600, "up"), ("web;HTTP", 1200, 1500, "up")]


def rotated(day: int, state: str) -> tuple[tuple[float, str], ...]:
    return ((day * DAY, "LOG ROTATION: DAILY"), (day * DAY, "LOG VERSION: 2.0"), (day * DAY, current(state)))


def test_a_state_lasts_over_archives_whatever_their_names_say(tmp_path: Path) -> None:
    # December sorts after January: the order is that of their lines.
    log(tmp_path, "nagios-12-02-2025-00.log", STARTS, (0, current("OK")), (600, alert("CRITICAL")))
    log(tmp_path, "nagios-01-03-2026-00.log", *rotated(1, "CRITICAL"))
    log(tmp_path, "nagios.log", *rotated(2, "CRITICAL"), (2 * DAY + 60, alert("OK")), (2 * DAY + 90, STOPS))
    assert read(tmp_path)[0] == [
        ("web;HTTP", 0, 600, "up"), ("web;HTTP", 600, 2 * DAY + 60, "down"),
        ("web;HTTP", 2 * DAY + 60, 2 * DAY + 90, "up"),
    ]  # fmt: skip


def test_of_a_missing_archive_nothing_is_known(tmp_path: Path) -> None:
    log(tmp_path, "nagios-03-02-2026-00.log", STARTS, (0, current("OK")), (600, alert("CRITICAL")))
    log(tmp_path, "nagios-03-03-2026-00.log", *rotated(1, "CRITICAL"), (DAY + 60, alert("OK")))
    log(tmp_path, "nagios-03-05-2026-00.log", *rotated(3, "OK"), (3 * DAY + 60, STOPS))
    assert read(tmp_path)[0] == [
        ("web;HTTP", 0, 600, "up"), ("web;HTTP", 600, DAY + 60, "down"),
        ("web;HTTP", 3 * DAY, 3 * DAY + 60, "up"),
    ]  # fmt: skip


def test_states_are_cut_at_the_window(tmp_path: Path) -> None:
    log(tmp_path, "nagios.log", STARTS, (0, current("OK")), (3 * DAY, STOPS))
    window = Window(WINDOW.start + timedelta(days=1), WINDOW.start + timedelta(days=2))
    assert read(tmp_path, window=window)[0] == [("web;HTTP", DAY, 2 * DAY, "up")]
    # Knowledge ends with the log's last line.
    assert read(tmp_path)[0] == [("web;HTTP", 0, 3 * DAY, "up")]


def test_lines_that_cannot_be_used_are_kept_aside_with_their_place(tmp_path: Path) -> None:
    log(
        tmp_path, "nagios.log", STARTS, (0, current("OK")),
        "no instant\n", "[x] SERVICE ALERT: web;HTTP;OK;HARD;1;look\n", "[99999999999] y\n",
        (600, "SERVICE ALERT: web;HTTP;CRITICAL"), (601, alert("ON FIRE")), (602, alert("CRITICAL", "MUSHY")),
        (60, alert("CRITICAL")), (603, "SERVICE ALERT: ;HTTP;OK;HARD;1;look"), (900, STOPS),
    )  # fmt: skip
    states, rejected = read(tmp_path)
    assert states == [("web;HTTP", 0, 900, "up")]
    assert [(one.reason_code, one.source_row) for one in rejected] == [
        ("malformed", 3), ("malformed", 4), ("malformed", 5), ("malformed", 6), ("unknown_state", 7),
        ("malformed", 8), ("out_of_order", 9), ("malformed", 10),
    ]  # fmt: skip
    assert rejected[0].reason.startswith("nagios.log, line 3: ")


def test_an_archive_that_is_cut_off_is_refused_the_log_in_use_is_not(tmp_path: Path) -> None:
    log(tmp_path, "nagios.log", STARTS, (0, current("OK")), (600, STOPS), "[17723")
    assert read(tmp_path) == ([("web;HTTP", 0, 600, "up")], [])
    log(tmp_path, "nagios-03-02-2026-00.log", STARTS, (0, current("OK")), "[17723")
    with pytest.raises(SourceError, match=r"nagios-03-02-2026-00.log, line 3 ends in the middle of a line"):
        read(tmp_path)


def test_bytes_of_any_kind_are_a_line(tmp_path: Path) -> None:
    line = f"[{MIDNIGHT}] CURRENT SERVICE STATE: web;HTTP;OK;HARD;1;".encode()
    (tmp_path / "nagios.log").write_bytes(
        line + b"\xff\x0b\x85 x\r\n" + f"[{MIDNIGHT + 60}] {STOPS}\n".encode()
    )
    assert read(tmp_path) == ([("web;HTTP", 0, 60, "up")], [])


def test_a_folder_that_is_gone_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no file"):
        read(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        read(tmp_path / "gone")


@pytest.mark.parametrize("states", ["soft", None, True])
def test_which_states_count_is_one_of_two_words(states: Any) -> None:
    with pytest.raises(ValueError, match="must be hard"):
        SYSTEM.options["states"].check(states)
