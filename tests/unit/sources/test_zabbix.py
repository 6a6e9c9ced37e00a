"""Zabbix: every value of the items with a key, counted first, and errors that come with 200."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avoir.sources import zabbix
from avoir.sources.model import NothingLanded, Rejected, Window
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from avoir.sources.zabbix import SYSTEM, fetch
from tests.vendors.serving import Reply, Request, connection_to, serving
from tests.vendors.zabbix import Zabbix

START = datetime(2026, 3, 30, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=5))
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)


@pytest.fixture
def server() -> Zabbix:
    return Zabbix()


def read(
    answer: Callable[[Request], Reply], *, window: Window = WINDOW, **options: Any
) -> tuple[list[tuple[str | None, ...]], list[Rejected]]:
    """Checks as (monitor, instant, state), and what was rejected."""
    checks, rejected = [], []
    given = {"item_key": "icmpping", **options}
    with serving(answer) as url:
        for item in fetch(connection_to(url, SYSTEM.name, username=None, **given), window, NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                checks += [row[:3] for row in item.values]
    return checks, rejected


def test_values_of_the_window_are_landed_with_their_nanoseconds(server: Zabbix) -> None:
    web, other = server.item("web"), server.item("web-2", "agent.ping")
    for item in (web, other):
        server.receive(item, WINDOW.start - timedelta(microseconds=1))
        server.receive(item, WINDOW.start + timedelta(microseconds=250_000), "0")
        server.receive(item, datetime(2026, 4, 1, tzinfo=UTC))
        server.receive(item, WINDOW.end)
    assert read(server) == (
        [
            ("web", "2026-03-30T00:00:00.250000+00:00", "down"),
            ("web", "2026-04-01T00:00:00+00:00", "up"),
        ],
        [],
    )
    assert read(server, monitor_name="name")[0][0][0] == "Web"


def test_pages_repeat_over_their_borders_and_lose_nothing(
    server: Zabbix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zabbix, "PAGE_ROWS", 5)
    web = server.item("web")
    # Three values in each second.
    for n in range(21):
        server.receive(web, START + timedelta(seconds=n // 3, microseconds=n))
    assert len(read(server)[0]) == 21
    server.history[web] += [{**server.history[web][0], "ns": str(ns * 1000)} for ns in range(100, 104)]
    with pytest.raises(IncompleteAnswerError, match="more than 5 values in one second"):
        read(server)


def test_values_that_are_counted_and_do_not_come_are_missed(server: Zabbix) -> None:
    web = server.item("web")
    for n in range(3):
        server.receive(web, START + n * MINUTE)

    def answer(request: Request) -> Reply:
        if request.content["params"].get("countOutput"):
            return Reply.json({"jsonrpc": "2.0", "result": "4", "id": 1})
        return server(request)

    with pytest.raises(IncompleteAnswerError, match="counted 1 more values than it gave"):
        read(answer)


def test_a_value_that_comes_while_it_is_read_is_read(server: Zabbix) -> None:
    web = server.item("web")
    server.receive(web, START)

    def answer(request: Request) -> Reply:
        if request.content["params"].get("sortfield") and len(server.history[web]) == 1:
            server.receive(web, START + MINUTE)
        return server(request)

    assert len(read(answer)[0]) == 2


def test_a_wrong_token_that_is_answered_with_200_is_refused(
    server: Zabbix, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.item("web")
    monkeypatch.setattr("tests.vendors.zabbix.SECRET", "another")
    with pytest.raises(AccessDeniedError, match="refused the token in VENDOR_SECRET") as caught:
        read(server)
    assert "s3cret" not in str(caught.value)


def test_no_item_and_no_value_are_not_no_outage(server: Zabbix) -> None:
    with pytest.raises(IncompleteAnswerError, match="knows no item with the key icmpping"):
        read(server)
    server.item("web")
    with pytest.raises(IncompleteAnswerError, match="has a value in"):
        read(server)


def test_two_items_of_one_name_are_refused(server: Zabbix) -> None:
    server.item("web")
    server.item("web")
    with pytest.raises(IncompleteAnswerError, match="several items icmpping of web"):
        read(server)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "without an object"),
        ({}, "without the result"),
        ({"jsonrpc": "2.0", "result": [], "id": 7}, "without the result"),
        ({"jsonrpc": "2.0", "result": {}, "id": 1}, "without a list of items"),
        ({"jsonrpc": "2.0", "result": [7], "id": 1}, "without a list of items"),
        ({"jsonrpc": "2.0", "result": [{"itemid": "1"}], "id": 1}, "without its host"),
        (
            {"jsonrpc": "2.0", "error": {"message": "Internal error.", "data": "SQL"}, "id": 1},
            "failed: Internal",
        ),
        ({"jsonrpc": "2.0", "error": 7, "id": 1}, "failed: "),
    ],
)
def test_an_answer_that_is_none_is_refused(body: Any, said: str) -> None:
    with pytest.raises(IncompleteAnswerError, match=said):
        read(lambda request: Reply.json(body))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"clock": None}, "malformed"),
        ({"clock": 1_774_828_800}, "malformed"),
        ({"ns": "x"}, "malformed"),
        ({"value": None}, "malformed"),
        ({"value": "up"}, "malformed"),
        ({"value": "nan"}, "value_not_finite"),
    ],
)
def test_a_value_that_cannot_be_used_is_kept_aside(server: Zabbix, change: dict[str, Any], code: str) -> None:
    web = server.item("web")
    server.receive(web, START)
    server.receive(web, START + MINUTE)

    def answer(request: Request) -> Reply:
        reply = server(request)
        if not request.content["params"].get("sortfield"):
            return reply
        values = [dict(one) for one in server.history[web]]
        values[1] |= change
        return Reply.json({"jsonrpc": "2.0", "result": values, "id": 1})

    checks, rejected = read(answer, window=Window(START, START + timedelta(days=1)))
    assert [one.reason_code for one in rejected] == [code]
    if "value" in change:
        told = json.loads(rejected[0].payload)
        assert (told["monitor"], told["checked_at"]) == ("web", (START + MINUTE).isoformat())
    assert checks == [("web", "2026-03-30T00:00:00+00:00", "up")]


def test_a_value_of_another_item_or_time_is_not_the_answer(server: Zabbix) -> None:
    web = server.item("web")
    server.receive(web, START)
    for change, said in (({"itemid": "1"}, "value of item '1'"), ({"clock": "1"}, "and gave 1")):

        def answer(request: Request, change: dict[str, str] = change) -> Reply:
            if not request.content["params"].get("sortfield"):
                return server(request)
            told = [{**server.history[web][0], **change}]
            return Reply.json({"jsonrpc": "2.0", "result": told, "id": 1})

        with pytest.raises(IncompleteAnswerError, match=said):
            read(answer)


@pytest.mark.parametrize(("option", "value"), [("item_key", ""), ("item_key", 7), ("monitor_name", "ip")])
def test_an_option_that_cannot_be_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        SYSTEM.options[option].check(value)
