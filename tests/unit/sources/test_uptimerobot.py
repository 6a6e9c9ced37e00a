"""UptimeRobot: states from the log of every monitor, and nothing where nobody looked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avoir.sources import uptimerobot
from avoir.sources.model import NothingLanded, Rejected, Window
from avoir.sources.uptimerobot import SYSTEM, fetch
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from tests.vendors.serving import Reply, Request, connection_to, serving
from tests.vendors.uptimerobot import DOWN, PAUSED, STARTED, UP, UptimeRobot

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=30))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def robot() -> UptimeRobot:
    return UptimeRobot(now=WINDOW.end)


def read(
    answer: Callable[[Request], Reply], *, window: Window = WINDOW, **options: Any
) -> tuple[list[tuple[str, timedelta, timedelta, str]], list[Rejected]]:
    """States as (monitor, time after the start from and to, state), and what was rejected."""
    states, rejected = [], []
    with serving(answer) as url:
        for item in fetch(connection_to(url, SYSTEM.name, username=None, **options), window, NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            for monitor, start, end, state, _ in item.values:
                instants = (datetime.fromisoformat(str(at)) - START for at in (start, end))
                states.append((str(monitor), *instants, str(state)))
    return states, rejected


def test_a_state_lasts_until_the_next_entry_and_nobody_looked_while_paused(robot: UptimeRobot) -> None:
    web = robot.monitor("web")
    for hours, kind in (
        (-900, STARTED),
        (-899, UP),
        (5, DOWN),
        (6, UP),
        (8, PAUSED),
        (10, STARTED),
        (11, DOWN),
    ):
        robot.happen(web, START + hours * HOUR, kind)
    robot.now = START + 20 * HOUR
    assert read(robot) == (
        [
            ("web", 0 * HOUR, 5 * HOUR, "up"),
            ("web", 5 * HOUR, 6 * HOUR, "down"),
            ("web", 6 * HOUR, 8 * HOUR, "up"),
            # As far as the account has looked, which is not to the window's end.
            ("web", 11 * HOUR, 20 * HOUR, "down"),
        ],
        [],
    )


def test_states_are_cut_at_the_window_and_pages_are_all_read(
    robot: UptimeRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uptimerobot, "PAGE_ROWS", 5)
    for n in range(12):
        robot.happen(robot.monitor(f"web-{n}"), START - DAY, UP)
    window = Window(START + DAY, START + 2 * DAY)
    states, _ = read(robot, window=window)
    assert {one[0] for one in states} == {f"web-{n}" for n in range(12)}
    assert {one[1:] for one in states} == {(DAY, 2 * DAY, "up")}


def test_a_monitor_is_its_name_or_its_id(robot: UptimeRobot) -> None:
    robot.happen(robot.monitor("web"), START, UP)
    assert read(robot, monitor_name="id")[0][0][0] == "777000001"
    with pytest.raises(ValueError, match="friendly_name or id"):
        read(robot, monitor_name="url")


def test_a_monitor_that_is_deleted_while_pages_are_read_loses_none(
    robot: UptimeRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uptimerobot, "PAGE_ROWS", 5)
    for n in range(12):
        robot.happen(robot.monitor(f"web-{n}"), START, UP)

    def between(number: int) -> None:
        if number == 2:
            del robot.monitors[:3]

    robot.between = between
    assert {one[0] for one in read(robot)[0]} >= {one["friendly_name"] for one in robot.monitors}


def test_a_wrong_key_that_is_answered_with_200_is_refused(
    robot: UptimeRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.vendors.uptimerobot.SECRET", "another")
    with pytest.raises(AccessDeniedError, match="refused the key in VENDOR_SECRET") as caught:
        read(robot)
    assert "s3cret" not in str(caught.value)


def test_an_account_without_monitors_is_not_one_without_outage(robot: UptimeRobot) -> None:
    with pytest.raises(IncompleteAnswerError, match="has no monitor"):
        read(robot)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "without an object"),
        ({}, "failed: without a reason"),
        ({"stat": "fail", "error": {"type": "rate_limit"}}, "failed: rate_limit"),
        ({"stat": "ok", "monitors": []}, "or how many there are"),
        ({"stat": "ok", "monitors": {}, "pagination": {"total": 1, "offset": 0}}, "or how many there are"),
        ({"stat": "ok", "monitors": [{}], "pagination": {"total": 60, "offset": 50}}, "gave what follows 50"),
        (
            {"stat": "ok", "monitors": [], "pagination": {"total": 2, "offset": 0}},
            "2 more monitors were announced",
        ),
    ],
)
def test_an_answer_that_is_no_page_is_refused(body: Any, said: str) -> None:
    with pytest.raises(IncompleteAnswerError, match=said):
        read(lambda request: Reply.json(body))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": 7}, "unknown_state"),
        ({"type": "1"}, "malformed"),
        ({"datetime": None}, "malformed"),
        ({"datetime": 0}, "bad_instant"),
        ({"datetime": 10**12}, "bad_instant"),
    ],
)
def test_an_entry_that_cannot_be_used_is_kept_aside(
    robot: UptimeRobot, change: dict[str, Any], code: str
) -> None:
    web = robot.monitor("web")
    robot.happen(web, START, UP)
    told = robot._shown(web)
    spoilt = {**told["logs"][0], "duration": 60, **change}
    paging = {"offset": 0, "limit": 50, "total": 1}
    body = {"stat": "ok", "pagination": paging, "monitors": [{**told, "logs": [spoilt, *told["logs"]]}]}
    states, rejected = read(lambda request: Reply.json(body))
    assert [one.reason_code for one in rejected] == [code]
    if code == "unknown_state":
        told = json.loads(rejected[0].payload)
        assert (told["monitor"], told["from_at"]) == ("web", START.isoformat())
    assert states == [("web", 0 * HOUR, 30 * DAY, "up")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"friendly_name": ""}, "missing_key"),
        ({"friendly_name": None}, "missing_key"),
        ({"logs": 7}, "malformed"),
    ],
)
def test_a_monitor_that_cannot_be_used_is_kept_aside_without_its_password(
    robot: UptimeRobot, change: dict[str, Any], code: str
) -> None:
    web = robot.monitor("web")
    web |= {"http_password": "h1dden", **change}
    paging = {"offset": 0, "limit": 50, "total": 1}
    body = {"stat": "ok", "pagination": paging, "monitors": [web]}
    _, rejected = read(lambda request: Reply.json(body))
    assert [one.reason_code for one in rejected] == [code]
    assert "h1dden" not in rejected[0].payload


def test_no_redirect_is_followed(robot: UptimeRobot) -> None:
    with pytest.raises(IncompleteAnswerError, match=r"redirects to elsewhere.example"):
        read(lambda request: Reply(b"", 302, {"Location": "https://elsewhere.example/x"}))
