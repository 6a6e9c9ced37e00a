"""Datadog's SLOs: the states of the monitors behind them, month by month, and no data for what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.monitors_api import MonitorsApi
from datadog_api_client.v1.api.service_level_objectives_api import ServiceLevelObjectivesApi

from avoir.sources import datadog_slos
from avoir.sources.datadog import SYSTEM, fetch
from avoir.sources.datadog_histories import SLO_FIGURES
from avoir.sources.datadog_slos import MONITOR_SETTINGS
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConfigurationError, Window
from avoir.sources.monitoring import STATES
from avoir.sources.reaching import reach
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError
from tests.vendors.datadog import (
    API_KEY,
    APPLICATION_KEY,
    DOWN,
    FRANKFURT,
    NO_DATA,
    UP,
    Datadog,
    connection,
)
from tests.vendors.serving import Reply, Request, serving

START = datetime(2026, 3, 20, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=30))
MADE = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: A whole second, counted from 1970.
SECOND = int(START.timestamp())
Told = tuple[str, timedelta, timedelta, str]


@pytest.fixture
def account() -> Datadog:
    return Datadog()


class Landed(NothingLanded):
    """Monitors that landed before."""

    def __init__(self, *monitors: str) -> None:
        self.monitors = frozenset(monitors)

    def keys(self, table: str, column: str) -> frozenset[str]:
        assert (table, column) == (STATES.name, "monitor")
        return self.monitors


def items(
    answer: Callable[[Request], Reply],
    window: Window = WINDOW,
    landed: NothingLanded | None = None,
    **options: Any,
) -> list[Rows | Rejected]:
    given = {"reads": ["slos"], **options}
    with serving(answer) as url:
        return list(fetch(connection(url, **given), window, landed or NothingLanded()))


def read(answer: Callable[[Request], Reply], **options: Any) -> tuple[list[Told], list[Rejected]]:
    """States as (monitor, time after the start from and to, state), and what was rejected."""
    states: list[Told] = []
    rejected: list[Rejected] = []
    for item in items(answer, **options):
        if isinstance(item, Rejected):
            rejected.append(item)
        elif item.table == STATES.name:
            for monitor, start, end, state, _ in item.values:
                start_at, end_at = (datetime.fromisoformat(str(at)) - START for at in (start, end))
                states.append((str(monitor), start_at, end_at, str(state)))
    return states, rejected


def web(account: Datadog) -> int:
    """A monitor in an SLO: up, down for an hour, without data for three, up."""
    number = account.monitor("web", MADE)
    account.slo("Web is there", MADE, number)
    account.become(number, MADE, UP)
    account.become(number, START + 5 * HOUR, DOWN)
    account.become(number, START + 6 * HOUR, NO_DATA)
    account.become(number, START + 9 * HOUR, UP)
    return number


def spoiled(account: Datadog, change: Callable[[dict[str, Any]], object]) -> Callable[[Request], Reply]:
    """The account, something changed in the body of each history."""

    def answer(request: Request) -> Reply:
        reply = account(request)
        if request.path.endswith("/history"):
            told = json.loads(reply.body)
            change(told)
            return Reply.json(told)
        return reply

    return answer


@pytest.mark.parametrize("begins_before", [True, False])
def test_changes_become_states_and_no_data_is_none(account: Datadog, *, begins_before: bool) -> None:
    web(account)
    account.begins_before = begins_before
    states, rejected = read(account)
    assert not rejected
    # Months are asked for one by one, each from its beginning: the second one begins after twelve days.
    assert states == [
        ("web", 0 * HOUR, 5 * HOUR, "up"),
        ("web", 5 * HOUR, 6 * HOUR, "down"),
        ("web", 9 * HOUR, 12 * DAY, "up"),
        ("web", 12 * DAY, 30 * DAY, "up"),
    ]
    asked = [one.parameters for one in account.requests if one.path.endswith("/history")]
    assert [(int(one["from_ts"]) - SECOND, int(one["to_ts"]) - SECOND) for one in asked] == [
        (-19 * 86_400, 12 * 86_400),
        (12 * 86_400, 30 * 86_400),
    ]
    assert {one["apply_correction"] for one in asked} == {"false"}


def test_what_was_before_the_first_change_is_not_known(account: Datadog) -> None:
    number = account.monitor("web", MADE)
    account.slo("Web is there", MADE, number)
    account.become(number, START + 2 * DAY, UP)
    assert read(account)[0][0] == ("web", 2 * DAY, 12 * DAY, "up")


def test_windows_cut_elsewhere_tell_the_same(account: Datadog) -> None:
    web(account)
    seams = [START, START + 5 * HOUR + timedelta(microseconds=500), START + 7 * HOUR, START + 20 * DAY]
    pieces = [read(account, window=Window(*ends))[0] for ends in pairwise(seams)]
    joined: list[Told] = []
    for one in (state for piece in pieces for state in piece):
        if joined and joined[-1][2:] == (one[1], one[3]):
            joined[-1] = (*joined[-1][:2], one[2], one[3])
        else:
            joined.append(one)
    assert joined == [
        ("web", 0 * HOUR, 5 * HOUR, "up"),
        ("web", 5 * HOUR, 6 * HOUR, "down"),
        ("web", 9 * HOUR, 20 * DAY, "up"),
    ]


def test_each_of_several_monitors_has_its_history(account: Datadog) -> None:
    numbers = [account.monitor(name, MADE) for name in ("web", "api")]
    account.slo("All is there", MADE, *numbers)
    for number, hours in zip(numbers, (1, 2), strict=True):
        account.become(number, MADE, UP)
        account.become(number, START + hours * HOUR, DOWN)
    day = Window(START, START + DAY)
    assert read(account, window=day)[0] == [
        ("web", 0 * HOUR, HOUR, "up"),
        ("web", HOUR, DAY, "down"),
        ("api", 0 * HOUR, 2 * HOUR, "up"),
        ("api", 2 * HOUR, DAY, "down"),
    ]
    by_id = {one[0] for one in read(account, window=day, slo_monitor_name="id")[0]}
    assert by_id == {str(number) for number in numbers}


def test_groups_and_time_slices_are_told_apart(account: Datadog) -> None:
    number = account.monitor("web", MADE, "host:a", "host:b", "host:c")
    account.slo("Two hosts", MADE, number, groups=("host:a", "host:b"))
    slices = account.slo("Fast enough", MADE)
    for group in ("host:a", "host:b", "host:c"):
        account.become(number, MADE, UP, group)
    account.become(number, START + HOUR, DOWN, "host:b")
    account.become(slices, MADE, DOWN)
    day = Window(START, START + DAY)
    assert read(account, window=day)[0] == [
        ("web@host:a", 0 * HOUR, DAY, "up"),
        ("web@host:b", 0 * HOUR, HOUR, "up"),
        ("web@host:b", HOUR, DAY, "down"),
        ("Fast enough", 0 * HOUR, DAY, "down"),
    ]
    told = read(account, window=day, slo_monitor_name="id", slos=[slices])[0]
    assert told == [(slices, 0 * HOUR, DAY, "down")]
    # No monitor is behind it, so none is asked for.
    account.scopes.remove("monitors_read")
    assert read(account, window=day, slos=[slices])[0]


def test_tests_and_slos_are_read_by_one_source(account: Datadog) -> None:
    web(account)
    account.run(account.test("shop"), START)
    found = items(account, reads=["tests", "slos"])
    told = {
        one.table: {row[0] for row in one.values} for one in found if isinstance(one, Rows) and one.values
    }
    assert told["checks"] == {f"shop@{FRANKFURT}"}
    assert told["states"] == {"web"}
    account.scopes = {"synthetics_read"}
    assert {one.table for one in items(account, reads=["tests"]) if isinstance(one, Rows)} == {"checks"}
    with pytest.raises(AccessDeniedError, match="403"):
        items(account, reads=["tests", "slos"])


def test_a_source_of_slos_only_is_reached(account: Datadog) -> None:
    web(account)
    with serving(account) as url:
        reached = reach(connection(url, reads=["slos"]), WINDOW.end)
    day = WINDOW.end - DAY
    assert reached.record == f"states monitor=web from_at={day.isoformat()}"
    assert reached.refused is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"reads": ["slos"], "tests": ["abc-def-ghi"]}, "tests"),
        ({"reads": ["tests"], "slos": ["abc"]}, "slos"),
    ],
)
def test_an_option_of_what_is_not_read_is_refused(options: dict[str, Any], name: str) -> None:
    message = f"option {name} is given, and reads does not name {name}"
    with pytest.raises(SourceConfigurationError, match=message):
        list(fetch(connection("http://127.0.0.1:9", **options), WINDOW, NothingLanded()))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("reads", []),
        ("reads", "slos"),
        ("reads", ["slos", "monitors"]),
        ("slos", []),
        ("slos", ["../x"]),
        ("slo_monitor_name", "public_id"),
    ],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        SYSTEM.options[option].check(value)


# --- Datadog's own figures ---


def figures(answer: Callable[[Request], Reply], **options: Any) -> list[tuple[str | None, ...]]:
    found = [one for one in items(answer, **options) if isinstance(one, Rows)]
    return [row for one in found if one.table == SLO_FIGURES.name for row in one.values]


def test_of_a_month_that_ends_its_own_figure_is_landed(account: Datadog) -> None:
    web(account)
    slo = account.slos[0]["id"]
    account.corrections[slo] = [(SECOND + 5 * 3600, SECOND + 6 * 3600)]
    # An hour of 31 days: no data is up, as the monitor is set, and what was corrected is not.
    share = 100 - 100 / (31 * 24)
    told = (slo, "Web is there", "monitor", "2026-03", "slo", "Web is there", str(share))
    assert figures(account) == [(*told, '{"30d": "99.9"}', None)]
    account.monitors[0]["options"]["notify_no_data"] = True
    assert figures(account)[0][6] == str(100 - 100 * 4 / (31 * 24))
    assert figures(account, window=Window(START, START + 12 * DAY - HOUR)) == []
    # The whole month, however late the window begins.
    asked = Window(START + 11 * DAY, START + 12 * DAY)
    assert figures(account, window=asked)[0][3:6] == ("2026-03", "slo", "Web is there")


def test_each_monitor_and_group_has_its_figure(account: Datadog) -> None:
    grouped = account.monitor("hosts", MADE, "host:a", "host:b")
    for group in ("host:a", "host:b"):
        account.become(grouped, MADE, UP, group)
    account.become(grouped, START, DOWN, "host:b")
    numbers = [account.monitor(name, MADE) for name in ("web", "api")]
    for number in numbers:
        account.become(number, MADE, UP)
    account.slo("Hosts", MADE, grouped)
    account.slo("Both", MADE, *numbers)
    share = str(100 - 100 * 12 / 31)
    assert [row[4:7] for row in figures(account)] == [
        ("slo", "Hosts", share),
        ("group", "host:a", "100.0"),
        ("group", "host:b", share),
        ("slo", "Both", "100.0"),
        ("monitor", "web", "100.0"),
        ("monitor", "api", "100.0"),
    ]


def test_an_slo_of_events_has_a_figure_and_no_state(account: Datadog) -> None:
    account.slo_of_events("Requests", MADE, 999, 1000)
    none = account.slo_of_events("Nobody came", MADE, 0, 0)
    account.scopes.remove("monitors_read")
    assert read(account) == ([], [])
    assert [(row[1], row[2], row[6], row[8]) for row in figures(account)] == [
        ("Requests", "metric", "99.9", None),
        ("Nobody came", "metric", None, "ZERO_VALUED_DENOMINATOR"),
    ]
    within_a_month = Window(START, START + DAY)
    account.requests.clear()
    assert figures(account, window=within_a_month) == []
    assert not any(one.path.endswith("/history") for one in account.requests)
    failed = spoiled(account, lambda told: told["data"]["overall"].update(errors=[{"error_type": "TIMEOUT"}]))
    with pytest.raises(IncompleteAnswerError, match="answered an error: TIMEOUT"):
        figures(failed)
    with pytest.raises(IncompleteAnswerError, match=f"{none} answered without `overall`"):
        figures(spoiled(account, lambda told: told["data"].pop("overall")), slos=[none])


@pytest.mark.parametrize("value", ["all", True, float("nan"), [99.9]])
def test_a_figure_that_is_no_number_is_kept_aside(account: Datadog, value: Any) -> None:
    web(account)
    answer = spoiled(account, lambda told: told["data"]["overall"].update(sli_value=value))
    states, rejected = read(answer)
    assert len(states) == 4
    assert [(one.table, one.reason_code) for one in rejected] == [(SLO_FIGURES.name, "malformed")]
    assert json.loads(rejected[0].payload)["slo_id"] == account.slos[0]["id"]


def test_how_a_monitor_takes_missing_data_is_landed(account: Datadog) -> None:
    number = web(account)
    account.monitor("of no SLO", MADE)
    fast = account.monitor("errors", MADE, "host:a", notify_no_data=True)
    account.become(fast, MADE, UP, "host:a")
    account.slo("No errors", MADE, fast)
    account.slo("The same again", MADE, number)
    del account.monitors[2]["options"]["notify_no_data"]
    account.monitors[2]["options"]["on_missing_data"] = "show_no_data"
    account.monitors[2]["modified"] = changed = "2026-03-01T10:00:00+00:00"
    made = MADE.isoformat(timespec="microseconds")
    (found,) = [one for one in items(account) if isinstance(one, Rows) and one.table == MONITOR_SETTINGS.name]
    assert found.values == [
        (str(number), "web", "query alert", "false", made, made, "false", "10", None),
        (str(fast), "errors", "query alert", "true", made, changed, None, "10", "show_no_data"),
    ]


# --- what must be there ---


def test_an_slo_or_monitor_that_is_not_shown_fails(account: Datadog) -> None:
    with pytest.raises(IncompleteAnswerError, match="shows no SLO, which is not"):
        read(account)
    web(account)
    other = account.slo("Not ours", MADE)
    assert {one[0] for one in read(account, slos=[account.slos[0]["id"]])[0]} == {"web"}
    with pytest.raises(IncompleteAnswerError, match="shows no abc; check the keys' rights"):
        read(account, slos=[other, "abc"])
    account.monitors.clear()
    with pytest.raises(IncompleteAnswerError, match="monitor shows no 15173800, which SLO"):
        read(account, slos=[account.slos[0]["id"]])


def test_an_slo_that_goes_while_it_is_read_fails(account: Datadog) -> None:
    web(account)

    def go(number: int) -> None:
        if account.requests[-1].path.endswith("/history"):
            account.slos.clear()

    account.between = go
    with pytest.raises(NotFoundError, match="answered 404"):
        read(account)


def test_lists_are_walked_until_they_are_whole(account: Datadog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadog_slos, "PAGE_ROWS", 5)
    for n in range(12):
        number = account.monitor(f"web-{n}", MADE)
        account.slo(f"Web {n} is there", MADE, number)
        account.become(number, MADE, UP)
    assert len({one[0] for one in read(account)[0]}) == 12

    def lost(path: str) -> Callable[[Request], Reply]:
        """Its second page is lost each time."""

        def answer(request: Request) -> Reply:
            reply = account(request)
            if request.path.endswith(path) and request.parameters.get("page") == "1":
                return Reply.json([])
            if request.path.endswith(path) and request.parameters.get("offset") == "5":
                return Reply.json({**json.loads(reply.body), "data": []})
            return reply

        return answer

    with pytest.raises(IncompleteAnswerError, match="more SLOs were announced than came"):
        read(lost("/slo"))
    with pytest.raises(IncompleteAnswerError, match="monitor: 4 walks do not agree"):
        read(lost("/monitor"))


def test_slos_that_come_as_others_go_are_all_read(account: Datadog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadog_slos, "PAGE_ROWS", 5)
    for n in range(12):
        account.become(account.slo(f"slices-{n}", MADE), MADE, UP)

    def between(number: int) -> None:
        # In the second walk. As many as before, at other places: no page says that anything is missing.
        if number == 5:
            for n in range(12, 15):
                account.become(account.slo(f"slices-{n}", MADE), MADE, UP)
            del account.slos[:3]

    account.between = between
    assert {one[0] for one in read(account)[0]} == {f"slices-{n}" for n in range(3, 15)}


def test_monitors_of_one_name_are_refused_unless_called_by_their_ids(account: Datadog) -> None:
    for number in (account.monitor("web", MADE), account.monitor("web", MADE)):
        account.slo(f"SLO of {number}", MADE, number)
        account.become(number, MADE, UP)
    with pytest.raises(IncompleteAnswerError, match="called web; set slo_monitor_name: id"):
        read(account)
    assert len({one[0] for one in read(account, slo_monitor_name="id")[0]}) == 2
    account.slos = account.slos[:1]
    account.slos[0]["monitor_ids"] = [one["id"] for one in account.monitors]
    with pytest.raises(IncompleteAnswerError, match="several monitors called web, and does not tell"):
        read(account, slo_monitor_name="id")


def test_a_monitor_of_two_slos_is_told_once(account: Datadog) -> None:
    number = web(account)
    other = account.slo("The same again", MADE, number)
    assert len(read(account)[0]) == 4

    def replayed(told: dict[str, Any]) -> None:
        if told["data"]["slo"]["id"] == other:
            told["data"]["overall"]["history"] = [[SECOND - 30 * 86_400, DOWN]]

    with pytest.raises(IncompleteAnswerError, match=r"tells another history of web than .* only one of them"):
        read(spoiled(account, replayed))


def test_a_group_is_not_taken_for_a_monitor_of_that_name(account: Datadog) -> None:
    grouped, alone = account.monitor("web", MADE, "a"), account.monitor("web@a", MADE)
    account.become(grouped, MADE, UP, "a")
    account.become(alone, MADE, UP)
    for number in (grouped, alone):
        account.slo(f"SLO of {number}", MADE, number)
    with pytest.raises(IncompleteAnswerError, match="tells another history of web@a"):
        read(account)
    told = {one[0] for one in read(account, slo_monitor_name="id")[0]}
    assert told == {f"{grouped}@a", str(alone)}


def test_groups_that_are_not_told_any_more_fail(account: Datadog) -> None:
    number = account.monitor("web", MADE, "host:a", "host:b")
    account.slo("All hosts", MADE, number)
    for group in ("host:a", "host:b"):
        account.become(number, MADE, UP, group)
    without = spoiled(account, lambda told: told["data"].pop("groups"))
    # More groups than Datadog tells of: the monitor as a whole.
    assert {one[0] for one in read(without)[0]} == {"web"}
    with pytest.raises(IncompleteAnswerError, match="without the groups of web, which it had before"):
        read(without, landed=Landed("web@host:a"))
    months = iter(range(9))
    at_first = spoiled(account, lambda told: told["data"].pop("groups") if next(months) else None)
    with pytest.raises(IncompleteAnswerError, match="without the groups of web, which it had before"):
        read(at_first)
    account.slos[0]["groups"] = ["host:a", "host:z"]
    with pytest.raises(IncompleteAnswerError, match="did not answer for its groups: host:z"):
        read(account)


# --- answers that are none ---


def history(value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda told: told["data"]["overall"].update(history=value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told.update(errors=[{"error": "timed out"}]), "answered an error: .*timed out"),
        (lambda told: told["data"].update(errors=["timed out"]), "answered an error: .*timed out"),
        (lambda told: told.update(data=None), "answered without `data`"),
        (lambda told: told["data"].update(from_ts=SECOND), "was asked for .* and answered for"),
        (lambda told: told["data"].update(to_ts=None), "was asked for .* and answered for"),
        (lambda told: told["data"].update(type="metric"), "gave the history of another SLO"),
        (lambda told: told["data"]["slo"].update(id="abc"), "gave the history of another SLO"),
        (lambda told: told["data"]["overall"].update(preview=True), "still being computed anew"),
        (lambda told: told["data"]["overall"].update(errors=[{"error_type": "X"}]), "answered an error: .*X"),
        (lambda told: told["data"].update(overall=None), "web says nothing of .* not even 'no data'"),
        (history([]), "web says nothing of .* not even 'no data'"),
        (history("up"), "web says nothing of .* not even 'no data'"),
        (history([[SECOND + 40 * 86_400, 1]]), "was asked for what is before .* and told of"),
        (lambda told: told["data"].update(groups=7), "`groups` that are no list"),
        (lambda told: told["data"].update(groups=[{"history": [[SECOND, 0]]}]), "groups without names"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    account: Datadog, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    web(account)
    with pytest.raises(IncompleteAnswerError, match=said):
        read(spoiled(account, change))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (lambda told: told["data"]["monitors"].pop(), "did not answer for each of its monitors: web, api"),
        (lambda told: told["data"]["monitors"][0].update(name="shop"), "did not answer for each"),
        (lambda told: told["data"].pop("monitors"), "did not answer for each of its monitors"),
        (lambda told: told["data"]["monitors"][1].update(preview=True), "still being computed anew"),
        (lambda told: told["data"]["overall"].update(preview=True), "still being computed anew"),
        (lambda told: told["data"]["monitors"][1].update(history=[]), "api says nothing of"),
    ],
)
def test_half_of_several_monitors_is_refused(
    account: Datadog, told: Callable[[dict[str, Any]], object], said: str
) -> None:
    numbers = [account.monitor(name, MADE) for name in ("web", "api")]
    account.slo("All is there", MADE, *numbers)
    for number in numbers:
        account.become(number, MADE, UP)
    with pytest.raises(IncompleteAnswerError, match=said):
        read(spoiled(account, told))


def test_before_it_was_made_an_slo_need_not_say_anything(account: Datadog) -> None:
    number = account.monitor("web", MADE)
    account.slo("New", START + 15 * DAY, number)
    account.become(number, START + 15 * DAY, UP)
    assert read(account)[0] == [("web", 15 * DAY, 30 * DAY, "up")]
    account.monitors[0]["created"] = (START + 40 * DAY).isoformat()
    account.changes[number, ""] = []
    assert read(account)[0] == []


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/slo", [], "without its SLOs or how many"),
        ("/slo", {"data": [], "metadata": {"page": {"total_filtered_count": 0}}}, "without its SLOs or how"),
        ("/slo", {"data": [], "errors": ["x"], "metadata": {"page": {"total_count": 0}}}, "without its SLOs"),
        (
            "/slo",
            {"data": [{"id": "../x"}], "metadata": {"page": {"total_count": 1}}},
            "an SLO without its id",
        ),
        (
            "/slo",
            {"data": [{"id": "a", "type": "monitor", "name": "b"}], "metadata": {"page": {"total_count": 1}}},
            "gave a without its name, its monitors",
        ),
        ("/monitor", {"errors": []}, "without a list of monitors"),
        ("/monitor", [7], "without a list of monitors"),
        ("/monitor", [{"name": "web"}], "a monitor without its id"),
        ("/monitor", [{"id": 15_173_800}], "gave 15173800 without its name"),
    ],
)
def test_a_list_that_is_none_is_refused(account: Datadog, path: str, body: Any, said: str) -> None:
    web(account)

    def answer(request: Request) -> Reply:
        return Reply.json(body) if request.path.endswith(path) else account(request)

    with pytest.raises(IncompleteAnswerError, match=said):
        read(answer)


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        (7, "malformed"),
        ([SECOND], "malformed"),
        ([SECOND, None], "malformed"),
        ([str(SECOND), 1], "malformed"),
        ([SECOND + 0.5, 1], "malformed"),
        ([SECOND + 5 * 3600, 0], "malformed"),
        ([-1, 1], "bad_instant"),
        ([99_999_999_999, 1], "bad_instant"),
    ],
)
def test_a_month_with_a_change_that_is_none_is_kept_aside(account: Datadog, pair: Any, code: str) -> None:
    """Where it belongs is not known, so neither is how long the state before it lasted."""
    web(account)

    def change(told: dict[str, Any]) -> None:
        if told["data"]["from_ts"] < SECOND:
            told["data"]["overall"]["history"].append(pair)

    states, rejected = read(spoiled(account, change))
    assert [one.reason_code for one in rejected] == [code]
    told = json.loads(rejected[0].payload)
    assert (told["monitor"], told["from_at"]) == ("web", START.isoformat())
    assert states == [("web", 12 * DAY, 30 * DAY, "up")]


def test_a_state_that_is_not_known_is_neither(account: Datadog) -> None:
    number = web(account)
    account.become(number, START + 7 * HOUR, 3)
    account.become(number, START - 9 * DAY, 4)
    account.become(number, START - 8 * DAY, UP)
    states, rejected = read(account)
    assert [one.reason_code for one in rejected] == ["unknown_state"]
    assert json.loads(rejected[0].payload) == {
        "monitor": "web",
        "from_at": (START + 7 * HOUR).isoformat(),
        "change": [SECOND + 7 * 3600, 3],
    }
    assert states[:3] == [
        ("web", 0 * HOUR, 5 * HOUR, "up"),
        ("web", 5 * HOUR, 6 * HOUR, "down"),
        ("web", 9 * HOUR, 12 * DAY, "up"),
    ]


def test_changes_may_come_in_any_order_twice_and_with_a_point(account: Datadog) -> None:
    web(account)
    expected = read(account)

    def change(told: dict[str, Any]) -> None:
        entries = told["data"]["overall"]["history"]
        entries += [list(map(float, entries[0])), [entries[-1][0] + 60, entries[-1][1]]]
        entries.reverse()

    assert read(spoiled(account, change)) == expected


# --- the stateful server is the vendor's ---


def test_its_vendor_reads_the_stateful_one_as_its_own(account: Datadog) -> None:
    """Datadog's client is made from its OpenAPI: what does not fit that is not parsed."""
    number = web(account)
    grouped = account.monitor("hosts", MADE, "host:a", "host:b", notify_no_data=True)
    for group in ("host:a", "host:b"):
        account.become(grouped, MADE, UP, group)
    account.slo("Hosts", MADE, grouped, groups=("host:a",))
    account.slo("All", MADE, number, account.monitor("api", MADE))
    account.become(account.slo("Fast", MADE), MADE, UP)
    account.become(account.monitors[2]["id"], MADE, UP)
    account.slo_of_events("Requests", MADE, 1, 2)
    account.slo_of_events("Nobody came", MADE, 0, 0)
    with serving(account) as url:
        configuration = Configuration(host=url)
        configuration.api_key = {"apiKeyAuth": API_KEY, "appKeyAuth": APPLICATION_KEY}
        configuration.enable_retry = False
        with ApiClient(configuration) as client:
            objectives = ServiceLevelObjectivesApi(client)
            listed = list(objectives.list_slos_with_pagination(limit=2))
            page = objectives.list_slos(limit=3, offset=3)
            monitors = list(MonitorsApi(client).list_monitors_with_pagination(page_size=2))
            ends = {"from_ts": SECOND, "to_ts": SECOND + 86_400}
            found = [
                objectives.get_slo_history(one.id, **ends, apply_correction=False).data for one in listed
            ]
    entries = [
        entry for one in found for entry in (one.overall, *one.get("groups", []), *one.get("monitors", []))
    ]
    for one in (*listed, page, *monitors, *found, *entries):
        assert not getattr(one, "_unparsed", False), one
    assert [str(one.type) for one in listed] == [*["monitor"] * 3, "time_slice", *["metric"] * 2]
    assert page.metadata.page.total_count == 6
    assert [(one.id, one.name) for one in monitors] == [(one["id"], one["name"]) for one in account.monitors]
    assert [one.options.notify_no_data for one in monitors] == [False, True, False]
    web_history, groups, several, slices, counted, uncounted = found
    assert web_history.overall.history[1:] == [
        [SECOND + hours * 3600, state] for hours, state in ((5, DOWN), (6, NO_DATA), (9, UP))
    ]
    assert [one.group for one in groups.groups] == ["host:a"]
    assert [one.name for one in several.monitors] == ["web", "api"]
    assert (slices.overall.sli_value, counted.overall.sli_value) == (100, 50)
    assert counted.series.denominator.sum == 2
    assert uncounted.overall.errors[0].error_type == "ZERO_VALUED_DENOMINATOR"


def test_recorded_slos_are_shaped_as_the_stateful_ones(account: Datadog, shared_data: Path) -> None:
    """Its search is another endpoint: of one SLO it must say what the list says, under names of its own."""
    recorded = json.loads((shared_data / "api" / "datadog" / "slos.json").read_text())
    web(account)
    shown = {
        "id": "id", "name": "name", "sloType": "type", "monitorIds": "monitor_ids",
        "createdAt": "created_at", "modifiedAt": "modified_at", "thresholds": "thresholds",
    }  # fmt: skip
    rows = recorded["data"]["attributes"]["slos"]
    assert len(rows) == 2
    for row in rows:
        told = {"id": row["data"]["id"], **row["data"]["attributes"]}
        assert datadog_slos.SLO_ID.fullmatch(told["id"])
        for theirs, ours in shown.items():
            assert isinstance(told[theirs], type(account.slos[0][ours])), theirs
        for threshold in told["thresholds"]:
            assert {"target", "timeframe"} <= set(threshold) & set(account.slos[0]["thresholds"][0])
