"""Pingdom: confirmed states of every check, month by month, and 'unknown' for what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avoir.sources import pingdom
from avoir.sources.model import NothingLanded, Rejected, Window
from avoir.sources.pingdom import SYSTEM, fetch
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError
from tests.vendors.pingdom import Pingdom
from tests.vendors.serving import Reply, Request, connection_to, serving

START = datetime(2026, 3, 20, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=30))
SECOND = int(START.timestamp())
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def account() -> Pingdom:
    return Pingdom(now=int(WINDOW.end.timestamp()))


def tell(account: Pingdom, check: int, start: timedelta, end: timedelta, status: str) -> None:
    account.tell(check, int((START + start).timestamp()), int((START + end).timestamp()), status)


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
                start_at, end_at = (datetime.fromisoformat(str(at)) - START for at in (start, end))
                states.append((str(monitor), start_at, end_at, str(state)))
    return states, rejected


def test_confirmed_states_are_landed_and_unknown_is_none(account: Pingdom) -> None:
    web = account.check("web", START - DAY)
    tell(account, web, 0 * HOUR, 5 * HOUR, "up")
    tell(account, web, 5 * HOUR, 6 * HOUR, "down")
    tell(account, web, 9 * HOUR, 20 * DAY, "up")
    states, rejected = read(account)
    assert not rejected
    # Months are asked for one by one: the second of them begins after twelve days.
    assert states == [
        ("web", 0 * HOUR, 5 * HOUR, "up"),
        ("web", 5 * HOUR, 6 * HOUR, "down"),
        ("web", 9 * HOUR, 12 * DAY, "up"),
        ("web", 12 * DAY, 20 * DAY, "up"),
    ]
    asked = [one.parameters for one in account.requests if "outage" in one.path]
    assert [(int(one["from"]) - SECOND, int(one["to"]) - SECOND) for one in asked] == [
        (0, 12 * 86_400),
        (12 * 86_400, 30 * 86_400),
    ]


def test_a_check_is_asked_for_nothing_before_it_was_made(account: Pingdom) -> None:
    account.check("new", START + 13 * DAY)
    assert read(account) == ([], [])
    assert len([one for one in account.requests if "outage" in one.path]) == 1


def test_a_check_that_says_nothing_is_not_one_that_was_up(account: Pingdom) -> None:
    web = account.check("web", START)

    def answer(request: Request) -> Reply:
        return Reply.json({"summary": {"states": []}}) if "outage" in request.path else account(request)

    with pytest.raises(IncompleteAnswerError, match=f"check {web} says nothing of"):
        read(answer)


def test_checks_that_move_while_pages_are_read_are_all_read(
    account: Pingdom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pingdom, "PAGE_ROWS", 5)
    for n in range(12):
        tell(account, account.check(f"web-{n}", START), 0 * HOUR, DAY, "up")

    def between(number: int) -> None:
        if number == 2:
            del account.checks[:3]

    account.between = between
    assert {one[0] for one in read(account)[0]} == {f"web-{n}" for n in range(3, 12)}


def test_checks_that_come_as_others_go_are_all_read(
    account: Pingdom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pingdom, "PAGE_ROWS", 5)
    for n in range(12):
        tell(account, account.check(f"web-{n}", START), 0 * HOUR, DAY, "up")

    def between(number: int) -> None:
        # As many as before, at other places: no page says that anything is missing.
        if number == 2:
            for n in range(12, 15):
                tell(account, account.check(f"web-{n}", START), 0 * HOUR, DAY, "up")
            del account.checks[:3]

    account.between = between
    assert {one[0] for one in read(account)[0]} == {f"web-{n}" for n in range(3, 15)}


def test_a_wrong_token_is_refused_and_not_told(account: Pingdom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.vendors.pingdom.SECRET", "another")
    with pytest.raises(AccessDeniedError, match="refused the token") as caught:
        read(account)
    assert "s3cret" not in str(caught.value)


def test_an_account_without_checks_is_not_one_without_outage(account: Pingdom) -> None:
    with pytest.raises(IncompleteAnswerError, match="has no check"):
        read(account)


def test_a_check_that_was_deleted_meanwhile_fails_the_load(account: Pingdom) -> None:
    web = account.check("web", START)
    del account.states[web]
    with pytest.raises(NotFoundError):
        read(account)


@pytest.mark.parametrize("body", [[], {}, {"checks": []}, {"checks": {}, "counts": {"total": 1}}, 7])
def test_an_answer_that_is_no_page_is_refused(body: Any) -> None:
    with pytest.raises(IncompleteAnswerError, match="or how many there are"):
        read(lambda request: Reply.json(body))


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (7, "malformed"),
        ({"status": "up", "timefrom": SECOND}, "malformed"),
        ({"status": "up", "timefrom": str(SECOND), "timeto": SECOND + 1}, "malformed"),
        ({"status": "up", "timefrom": SECOND + 1, "timeto": SECOND}, "bad_instant"),
        ({"status": "sleepy", "timefrom": SECOND, "timeto": SECOND + 1}, "unknown_state"),
    ],
)
def test_a_state_that_cannot_be_used_is_kept_aside(account: Pingdom, state: Any, code: str) -> None:
    account.check("web", START)
    good = {"status": "up", "timefrom": SECOND, "timeto": SECOND + 3600}

    def answer(request: Request) -> Reply:
        return (
            Reply.json({"summary": {"states": [state, good]}})
            if "outage" in request.path
            else account(request)
        )

    states, rejected = read(answer, window=Window(START, START + DAY))
    assert [one.reason_code for one in rejected] == [code]
    if code == "unknown_state":
        told = json.loads(rejected[0].payload)
        assert (told["monitor"], told["from_at"]) == ("web", START.isoformat())
    assert states == [("web", 0 * HOUR, HOUR, "up")]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"id": None}, "malformed"), ({"name": ""}, "missing_key"), ({"created": "today"}, "bad_instant")],
)
def test_a_check_that_cannot_be_used_is_kept_aside(
    account: Pingdom, change: dict[str, Any], code: str
) -> None:
    account.check("web", START)
    account.checks[0] |= change
    states, rejected = read(account)
    assert (states, [one.reason_code for one in rejected]) == ([], [code])


def test_a_monitor_is_its_name_or_its_id(account: Pingdom) -> None:
    tell(account, account.check("web", START), 0 * HOUR, DAY, "up")
    assert read(account, monitor_name="id")[0][0][0] == "85900001"
    with pytest.raises(ValueError, match="name or id"):
        read(account, monitor_name="hostname")
