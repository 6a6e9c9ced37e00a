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


def test_a_value_that_is_stored_twice_is_counted_twice(
    server: Zabbix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a database that was made before version 6.0, which has no key there."""
    monkeypatch.setattr(zabbix, "PAGE_ROWS", 5)
    web = server.item("web")
    for n in range(12):
        server.receive(web, START + n // 2 * MINUTE)
    checks, _ = read(server)
    assert (len(checks), len(set(checks))) == (12, 6)


@pytest.mark.parametrize(
    ("version", "place"),
    [("6.0.14", "body"), ("6.4.0", "header"), ("7.0.0beta1", "header"), ("7.4.2", "header")],
)
def test_the_token_is_where_the_version_wants_it(server: Zabbix, version: str, place: str) -> None:
    server.version = version
    web = server.item("web")
    server.receive(web, START)
    assert len(read(server)[0]) == 1
    first, *others = server.requests
    assert first.content["method"] == "apiinfo.version"
    assert b"s3cret" not in first.body
    assert "Authorization" not in first.headers
    for one in others:
        assert (b"s3cret" in one.body) == (place == "body")
        assert ("Authorization" in one.headers) == (place == "header")


def test_a_version_that_is_none_is_no_zabbix() -> None:
    for told in (7, "seven", "", None):
        with pytest.raises(IncompleteAnswerError, match="without a version such as"):
            read(lambda request, told=told: Reply.json({"jsonrpc": "2.0", "result": told, "id": 1}))


def test_a_monitor_that_must_be_there_and_is_not_visible_fails(server: Zabbix) -> None:
    web, edge, other = server.item("web"), server.item("edge"), server.item("other")
    for item in (web, edge, other):
        server.receive(item, START)
    wanted = ["web", "edge"]
    assert {row[0] for row in read(server, monitors=wanted)[0]} == set(wanted)
    server.hidden = {edge}
    with pytest.raises(IncompleteAnswerError, match="shows no item icmpping of edge; check the account's"):
        read(server, monitors=wanted)
    assert {row[0] for row in read(server)[0]} == {"web", "other"}


def test_a_right_that_is_lost_while_values_are_read_is_noticed(server: Zabbix) -> None:
    for name in ("web", "edge"):
        server.receive(server.item(name), START)

    def answer(request: Request) -> Reply:
        if request.content["method"] == "history.get":
            server.hidden = {server.items[1]["itemid"]}
        return server(request)

    with pytest.raises(IncompleteAnswerError, match="edge disappeared while its values were read"):
        read(answer)


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
    with pytest.raises(AccessDeniedError, match="refused the token in the variable VENDOR_SECRET") as caught:
        read(server)
    assert "s3cret" not in str(caught.value)


def test_an_error_that_says_the_token_again_is_told_without_it() -> None:
    def answer(request: Request) -> Reply:
        if request.content["method"] == "apiinfo.version":
            return Reply.json({"jsonrpc": "2.0", "result": "6.0.14", "id": 1})
        error = {"message": "Invalid params.", "data": f"unexpected {request.content['auth']}"}
        return Reply.json({"jsonrpc": "2.0", "error": error, "id": 1})

    with pytest.raises(IncompleteAnswerError, match="the token") as caught:
        read(answer)
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
    def answer(request: Request) -> Reply:
        is_version = request.content["method"] == "apiinfo.version"
        return Reply.json({"jsonrpc": "2.0", "result": "7.0.0", "id": 1} if is_version else body)

    with pytest.raises(IncompleteAnswerError, match=said):
        read(answer)


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


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("item_key", ""),
        ("item_key", 7),
        ("monitor_name", "ip"),
        ("monitors", "web"),
        ("monitors", []),
        ("monitors", [7]),
    ],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        SYSTEM.options[option].check(value)
