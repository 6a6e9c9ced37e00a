"""Datadog: every result of the Synthetic tests, one monitor for each location, and no figure of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.synthetics_api import SyntheticsApi as SyntheticsV1
from datadog_api_client.v2.api.synthetics_api import SyntheticsApi as SyntheticsV2

from avoir.sources import datadog
from avoir.sources.datadog import SYSTEM, fetch
from avoir.sources.model import NothingLanded, Rejected, SourceConfigurationError, Window
from avoir.sources.vendor_http import (
    AccessDeniedError,
    IncompleteAnswerError,
    NotFoundError,
    UnavailableError,
)
from tests.vendors.datadog import API_KEY, APPLICATION_KEY, DUBLIN, FRANKFURT, Datadog, connection
from tests.vendors.serving import Reply, Request, serving

START = datetime(2026, 3, 30, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=5))
MINUTE = timedelta(minutes=1)
WEB = f"web@{FRANKFURT}"


@pytest.fixture
def account() -> Datadog:
    return Datadog()


def read(
    answer: Callable[[Request], Reply], *, window: Window = WINDOW, **options: Any
) -> tuple[list[tuple[str | None, ...]], list[Rejected]]:
    """Checks as (monitor, instant, state), and what was rejected."""
    checks, rejected = [], []
    with serving(answer) as url:
        for item in fetch(connection(url, **options), window, NothingLanded()):
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                checks += [row[:3] for row in item.values]
    return checks, rejected


def test_runs_of_the_window_are_landed_by_location(account: Datadog) -> None:
    web = account.test("web")
    account.run(web, WINDOW.start - timedelta(milliseconds=1))
    account.run(web, WINDOW.start, "failed")
    account.run(web, datetime(2026, 4, 1, 0, 0, 0, 123_000, tzinfo=UTC), location=DUBLIN)
    account.run(web, WINDOW.end)
    assert read(account) == (
        [
            (WEB, "2026-03-30T00:00:00+00:00", "down"),
            (f"web@{DUBLIN}", "2026-04-01T00:00:00.123000+00:00", "up"),
        ],
        [],
    )
    assert read(account, monitor_name="public_id")[0][0][0] == f"abc-000-000@{FRANKFURT}"


def test_a_run_that_says_nothing_of_the_service_is_no_check(account: Datadog) -> None:
    web = account.test("web")
    account.run(web, START, "failed")
    account.run(web, START + MINUTE, "passed", run_type="fast")
    account.run(web, START + 2 * MINUTE, "no_data")
    for run_type in ("ci", "triggered"):
        account.run(web, START + 3 * MINUTE, "failed", run_type=run_type)
    sick = account.run(web, START + 4 * MINUTE, "failed")
    sick["attributes"]["execution_info"]["unhealthy"] = True
    checks, rejected = read(account)
    assert [state for _, _, state in checks] == ["down", "up"]
    assert rejected == []


def test_devices_of_a_browser_test_are_told_apart(account: Datadog) -> None:
    shop = account.test("shop", "browser")
    result = account.run(shop, START)
    result["attributes"]["device"] = {"id": "chrome.laptop_large", "name": "Laptop"}
    account.run(account.test("app", "mobile"), START)
    assert [row[0] for row in read(account)[0]] == [f"shop@{FRANKFURT}@chrome.laptop_large"]
    with pytest.raises(IncompleteAnswerError, match="abc-000-001 is no API or browser test"):
        read(account, tests=["abc-000-001"])


@pytest.mark.parametrize("found_by", ["started_at", "finished_at"])
@pytest.mark.parametrize("is_closed", [True, False])
def test_no_result_is_lost_between_pages(account: Datadog, found_by: str, *, is_closed: bool) -> None:
    """However results are found, as long as the newest come first."""
    account.cap, account.found_by, account.is_closed = 5, found_by, is_closed
    web = account.test("web")
    for n in range(31):
        # Three at a time, of which one takes two minutes.
        took = timedelta(minutes=2) if n % 3 == 1 else timedelta(milliseconds=250)
        account.run(web, START + n // 3 * MINUTE, took=took)
    account.run(web, WINDOW.end - MINUTE, took=timedelta(minutes=30))
    found = {row["attributes"]["finished_at"] for row in account.results[web]}
    checks, _ = read(account)
    assert len(checks) == 32
    assert len({at for _, at, _ in checks}) == len(found)


def test_a_page_without_what_it_begins_with_is_refused(account: Datadog) -> None:
    account.cap = 5
    web = account.test("web")
    for n in range(12):
        account.run(web, START + n * MINUTE)
    pages: list[Reply] = []

    def answer(request: Request) -> Reply:
        reply = account(request)
        if request.path.endswith("/results"):
            pages.append(reply)
            if len(pages) >= 2:
                return Reply.json({"data": []})
        return reply

    with pytest.raises(IncompleteAnswerError, match="was asked for result abc-000-000-7 and what is before"):
        read(answer)


def test_a_page_that_was_read_before_is_refused(account: Datadog) -> None:
    account.cap = 5
    web = account.test("web")
    for n in range(12):
        account.run(web, START + n * MINUTE)
    pages: list[Reply] = []

    def answer(request: Request) -> Reply:
        reply = account(request)
        if not request.path.endswith("/results"):
            return reply
        pages.append(reply)
        return pages[0]

    with pytest.raises(IncompleteAnswerError, match="was asked for what is before"):
        read(answer)


def test_nothing_is_believed_when_it_is_said_twice(account: Datadog) -> None:
    for name in ("web", "edge"):
        account.run(account.test(name), START)
    answers: list[str] = []

    def answer(request: Request) -> Reply:
        if "abc-000-001" in request.path:
            answers.append(request.path)
            if len(answers) == 1:
                return Reply.json({"data": []})
        return account(request)

    assert len(read(answer)[0]) == 2


def test_tests_are_listed_until_two_walks_agree(account: Datadog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadog, "PAGE_ROWS", 5)
    for n in range(12):
        account.run(account.test(f"web-{n}"), START)
    assert len(read(account)[0]) == 12

    def answer(request: Request) -> Reply:
        """Its second page is lost each time."""
        if request.parameters.get("page_number") == "1":
            return Reply.json({"tests": []})
        return account(request)

    with pytest.raises(IncompleteAnswerError, match="4 walks do not agree"):
        read(answer)


def test_a_test_that_must_be_there_and_is_not_shown_fails(account: Datadog) -> None:
    web, edge = account.test("web"), account.test("edge")
    for one in (web, edge):
        account.run(one, START)
    assert [row[0] for row in read(account, tests=[web])[0]] == [WEB]
    with pytest.raises(IncompleteAnswerError, match="shows no xyz-000-000; check the keys' rights"):
        read(account, tests=[web, "xyz-000-000"])


def test_a_test_that_goes_while_it_is_read_fails(account: Datadog) -> None:
    account.run(account.test("web"), START)

    def go(number: int) -> None:
        if account.requests[-1].path.endswith("/results"):
            account.tests.clear()

    account.between = go
    with pytest.raises(NotFoundError, match="answered 404"):
        read(account)


def test_no_test_and_no_result_are_not_no_outage(account: Datadog) -> None:
    with pytest.raises(IncompleteAnswerError, match="no API or browser test, which is not"):
        read(account)
    web = account.test("web")
    with pytest.raises(IncompleteAnswerError, match="no test has a result in"):
        read(account)
    account.run(web, WINDOW.end)
    with pytest.raises(IncompleteAnswerError, match="no test has a result in"):
        read(account)


def test_two_tests_of_one_name_are_refused(account: Datadog) -> None:
    for _ in range(2):
        account.run(account.test("web"), START)
    with pytest.raises(IncompleteAnswerError, match="several tests called web; set monitor_name"):
        read(account)
    assert len(read(account, monitor_name="public_id")[0]) == 2


@pytest.mark.parametrize("secret", [f"{API_KEY}:another", f"another:{APPLICATION_KEY}"])
def test_each_key_is_needed_and_neither_is_told(account: Datadog, secret: str) -> None:
    account.run(account.test("web"), START)
    with serving(account) as url:
        source = dataclasses.replace(connection(url), environment={"VENDOR_SECRET": secret})
        with pytest.raises(AccessDeniedError, match=r"refused the token \(403\)") as caught:
            list(fetch(source, WINDOW, NothingLanded()))
    for key in secret.split(":"):
        assert key not in str(caught.value)
    sent = account.requests[0]
    assert not any(key in f"{sent.path}{sent.parameters}" for key in secret.split(":"))


@pytest.mark.parametrize("secret", [API_KEY, f"{API_KEY}:", f":{API_KEY}", f"{API_KEY}:a\nb", "a:b:c"])
def test_a_secret_that_is_not_two_keys_is_refused(secret: str) -> None:
    source = dataclasses.replace(connection("http://127.0.0.1:9"), environment={"VENDOR_SECRET": secret})
    with pytest.raises(SourceConfigurationError, match="must hold the API key and the application") as caught:
        list(fetch(source, WINDOW, NothingLanded()))
    assert API_KEY not in str(caught.value)


def test_a_limit_is_waited_for_as_long_as_it_says(account: Datadog, monkeypatch: pytest.MonkeyPatch) -> None:
    account.run(account.test("web"), START)
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    account.first = [
        Reply.json({"errors": ["Too many requests"]}, 429, {"X-RateLimit-Reset": "7"}),
        Reply.json({"errors": ["Too many requests"]}, 429, {"X-RateLimit-Reset": "7", "Retry-After": "3"}),
    ]
    assert len(read(account)[0]) == 1
    assert waited == [7, 3]


def test_a_limit_that_lasts_is_told(account: Datadog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    limit = {"X-RateLimit-Reset": "40", "X-RateLimit-Remaining": "0"}
    account.first = [Reply.json({"errors": ["Too many requests"]}, 429, limit) for _ in range(6)]
    with pytest.raises(UnavailableError, match="no requests left for this account for another 40 seconds"):
        read(account)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"finished_at": None}, "malformed"),
        ({"finished_at": "1774828860000"}, "malformed"),
        ({"run_type": None}, "malformed"),
        ({"run_type": "guessed"}, "malformed"),
        ({"finished_at": -1}, "bad_instant"),
        ({"finished_at": 99_999_999_999_999}, "bad_instant"),
        ({"location": None}, "missing_key"),
        ({"location": {"id": 7}}, "missing_key"),
        ({"status": None}, "unknown_state"),
        ({"status": "degraded"}, "unknown_state"),
    ],
)
def test_a_result_that_cannot_be_used_is_kept_aside(
    account: Datadog, change: dict[str, Any], code: str
) -> None:
    web = account.test("web")
    account.run(web, START)
    spoiled = account.run(web, START + MINUTE)

    def answer(request: Request) -> Reply:
        reply = account(request)
        if request.path.endswith("/results"):
            told = json.loads(reply.body)
            for one in told["data"]:
                if one["id"] == spoiled["id"]:
                    one["attributes"] |= {**change, "secret": "not to keep"}
            return Reply.json(told)
        return reply

    checks, rejected = read(answer, window=Window(START, START + timedelta(days=1)))
    assert [one.reason_code for one in rejected] == [code]
    told = json.loads(rejected[0].payload)
    assert told["result"]["id"] == spoiled["id"]
    assert "secret" not in told["result"]
    if "finished_at" not in change:
        assert told["checked_at"] == (START + MINUTE).isoformat()
    assert checks == [(WEB, "2026-03-30T00:00:00+00:00", "up")]


def test_a_result_of_another_test_is_not_the_answer(account: Datadog) -> None:
    web = account.test("web")
    account.run(web, START)["relationships"]["test"]["data"]["id"] = "xyz-000-000"
    with pytest.raises(IncompleteAnswerError, match="gave a result of test 'xyz-000-000'"):
        read(account)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("tests", [], "without a list of `tests`"),
        ("tests", {"tests": [7]}, "without a list of `tests`"),
        ("tests", {"tests": [{"name": "web"}]}, "gave a test without its id"),
        ("tests", {"tests": [{"public_id": "../x"}]}, "gave a test without its id"),
        ("tests", {"tests": [{"public_id": "a-b-c", "type": "api"}]}, "gave a-b-c without its name"),
        ("results", {}, "without a list of `data`"),
        ("results", {"data": [7]}, "without a list of `data`"),
    ],
)
def test_an_answer_that_is_none_is_refused(account: Datadog, path: str, body: Any, said: str) -> None:
    account.run(account.test("web"), START)

    def answer(request: Request) -> Reply:
        return Reply.json(body) if request.path.endswith(path) else account(request)

    with pytest.raises(IncompleteAnswerError, match=said):
        read(answer)


@pytest.mark.parametrize(
    ("option", "value"),
    [("tests", "abc-def-ghi"), ("tests", []), ("tests", ["../x"]), ("monitor_name", "message")],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        SYSTEM.options[option].check(value)


def test_its_vendor_reads_the_stateful_one_as_its_own(account: Datadog) -> None:
    """Datadog's client is made from its OpenAPI: what does not fit that is not parsed."""
    web = account.test("web")
    account.run(web, START, "failed")
    account.run(web, START + MINUTE, "no_data", run_type="fast", location=DUBLIN)
    shop = account.test("shop", "browser")
    account.run(shop, START)["attributes"]["device"] = {"id": "chrome.laptop_large", "name": "Laptop"}
    with serving(account) as url:
        configuration = Configuration(host=url)
        configuration.api_key = {"apiKeyAuth": API_KEY, "appKeyAuth": APPLICATION_KEY}
        configuration.enable_retry = False
        with ApiClient(configuration) as client:
            tests = list(SyntheticsV1(client).list_tests_with_pagination(page_size=1))
            results = SyntheticsV2(client)
            ends = {"from_ts": round(START.timestamp() * 1000), "to_ts": round(WINDOW.end.timestamp() * 1000)}
            found = results.list_synthetics_test_latest_results(web, **ends)
            shown = results.list_synthetics_browser_test_latest_results(shop, **ends)
    for one in (*tests, found, shown):
        assert not getattr(one, "_unparsed", False), one
    assert [(one.public_id, one.name, str(one.type)) for one in tests] == [
        (web, "web", "api"),
        (shop, "shop", "browser"),
    ]
    told = [one.attributes for one in (*found.data, *shown.data)]
    assert not any(one._unparsed for one in told)
    said = [(str(one.status), str(one.run_type), one.location.id, one.finished_at) for one in told]
    assert said == [
        ("no_data", "fast", DUBLIN, ends["from_ts"] + 60_000),
        ("failed", "scheduled", FRANKFURT, ends["from_ts"]),
        ("passed", "scheduled", FRANKFURT, ends["from_ts"]),
    ]
    assert told[0].execution_info.duration.value == 250
    assert told[2].device.id == "chrome.laptop_large"
    asked = [request for request in account.requests if request.path.endswith("/results")]
    assert {frozenset(request.parameters) for request in asked} == {frozenset(("from_ts", "to_ts"))}
