"""The vendors' systems over real HTTP: shapes, refusals, paging and its traps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from avoir.demo.server import BAD_FIRST, RunningWorld
from avoir.demo.world import WorldPaths, read_secrets

ReadRows = Callable[[WorldPaths, str, str], list[dict[str, str]]]
NO_LINKS = {"sysparm_exclude_reference_link": "true"}


class Client:
    """Speaks to the running world as one of its users."""

    def __init__(self, paths: WorldPaths, url: str) -> None:
        self.url = url
        self.secrets = read_secrets(paths.secrets_file)
        self.session = requests.Session()

    def table(self, vendor: str, table: str, **parameters: str) -> requests.Response:
        secret = self.secrets[f"AVOIR_SECRET_{vendor.upper()}_SERVICENOW"]
        return self.session.get(
            f"{self.url}/{vendor}/servicenow/api/now/table/{table}",
            params=parameters,
            auth=("avoir", secret),
            timeout=10,
        )

    def prometheus(self, vendor: str, path: str, **parameters: str) -> requests.Response:
        token = self.secrets[f"AVOIR_SECRET_{vendor.upper()}_PROMETHEUS"]
        return self.session.get(
            f"{self.url}/{vendor}/prometheus/api/v1/{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )


@pytest.fixture
def client(world: WorldPaths) -> Iterator[Client]:
    with RunningWorld(world.root) as running:
        client = Client(world, running.url)
        yield client
        client.session.close()


def test_health_needs_no_credentials(client: Client) -> None:
    answer = requests.get(f"{client.url}/health", timeout=5)
    assert (answer.status_code, answer.json()["vendors"]) == (200, ["kaveri", "thornbury"])
    assert client.url.startswith("http://127.0.0.1:")


def test_a_wrong_key_is_refused(client: Client) -> None:
    for path in (
        "/thornbury/servicenow/api/now/table/incident",
        "/thornbury/prometheus/api/v1/query?query=up&time=1",
    ):
        for auth in (None, ("avoir", "wrong"), ("", "")):
            assert requests.get(client.url + path, auth=auth, timeout=5).status_code == 401
    kaveri = client.secrets["AVOIR_SECRET_KAVERI_SERVICENOW"]
    path = "/thornbury/servicenow/api/now/table/incident"
    answer = requests.get(client.url + path, auth=("avoir", kaveri), timeout=5)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "User Not Authenticated"
    assert "WWW-Authenticate" in answer.headers


def test_a_query_filters_orders_and_announces_its_total(
    client: Client, world: WorldPaths, rows_of: ReadRows
) -> None:
    start, end = "2026-05-10 00:00:00", "2026-06-01 00:00:00"
    query = f"sys_updated_on>={start}^sys_updated_on<{end}^ORDERBYDESCsys_updated_on^ORDERBYsys_id"
    answer = client.table("thornbury", "incident", sysparm_query=query, **NO_LINKS)
    wanted = [row for row in rows_of(world, "thornbury", "incident") if start <= row["sys_updated_on"] < end]
    result = answer.json()["result"]
    assert sorted(result, key=lambda row: row["sys_id"]) == sorted(wanted, key=lambda row: row["sys_id"])
    assert [row["sys_updated_on"] for row in result] == sorted(
        (row["sys_updated_on"] for row in wanted), reverse=True
    )
    assert int(answer.headers["X-Total-Count"]) == len(wanted) > 20


def test_equality_and_lists_are_understood(client: Client) -> None:
    query = "tablename=incident^fieldname=hold_reason^newvalueIN1,4"
    rows = client.table("thornbury", "sys_audit", sysparm_query=query).json()["result"]
    assert {row["newvalue"] for row in rows} == {"1", "4"}
    assert {row["fieldname"] for row in rows} == {"hold_reason"}


def test_fields_are_chosen_and_references_carry_links_unless_told(client: Client) -> None:
    fields = {"sysparm_fields": "sys_id,caller_id,number", "sysparm_limit": "1"}
    linked = client.table("thornbury", "incident", **fields).json()["result"][0]
    plain = client.table("thornbury", "incident", **fields, **NO_LINKS).json()["result"][0]
    assert list(linked) == list(plain) == ["sys_id", "caller_id", "number"]
    assert linked["caller_id"]["value"] == plain["caller_id"]
    assert linked["caller_id"]["link"].startswith(client.url)


def test_links_walk_every_page(client: Client, world: WorldPaths, rows_of: ReadRows) -> None:
    answer = client.table("thornbury", "sys_journal_field", sysparm_limit="200")
    seen = [row["sys_id"] for row in answer.json()["result"]]
    secret = client.secrets["AVOIR_SECRET_THORNBURY_SERVICENOW"]
    pages = 1
    while "next" in answer.links:
        answer = client.session.get(answer.links["next"]["url"], auth=("avoir", secret), timeout=10)
        seen += [row["sys_id"] for row in answer.json()["result"]]
        pages += 1
    assert pages > 1
    assert seen == [row["sys_id"] for row in rows_of(world, "thornbury", "sys_journal_field")]


@pytest.mark.parametrize("query", ["sys_updated_on", "no_such_field=1", "ORDERBYno_such_field"])
def test_a_query_it_cannot_read_is_refused(client: Client, query: str) -> None:
    assert client.table("thornbury", "incident", sysparm_query=query).status_code == 400


def test_unknown_tables_vendors_and_paths_are_refused(client: Client) -> None:
    assert client.table("thornbury", "sys_user").status_code == 400
    assert client.table("thornbury", "../../secrets").status_code in (400, 404)
    assert (
        requests.get(f"{client.url}/helios/servicenow/api/now/table/incident", timeout=5).status_code == 404
    )
    assert requests.get(f"{client.url}/", timeout=5).status_code == 404


def test_the_vendor_that_pages_badly(client: Client, world: WorldPaths, rows_of: ReadRows) -> None:
    rows = rows_of(world, "kaveri", "incident")
    assert len(rows) > 150
    first = client.table("kaveri", "incident", sysparm_limit="1000")
    second = client.table("kaveri", "incident", sysparm_limit="1000", sysparm_offset="100")
    pages = [[row["sys_id"] for row in answer.json()["result"]] for answer in (first, second)]
    assert [len(page) for page in pages] == [100, 100]
    assert len(set(pages[0]) & set(pages[1])) == 3
    assert first.headers["X-Total-Count"] == second.headers["X-Total-Count"] == str(len(rows))
    assert "Link" not in first.headers


def test_it_refuses_now_and_then_and_answers_the_next_time(client: Client) -> None:
    statuses = [client.table("kaveri", "rm_release", sysparm_limit="1").status_code for _ in range(130)]
    refusals = {number: status for number, status in enumerate(statuses) if status != 200}
    assert refusals == {BAD_FIRST: 429, 30: 503, 55: 429, 80: 503}


def test_a_refusal_says_when_to_come_back(client: Client) -> None:
    answers = [client.table("kaveri", "rm_release", sysparm_limit="1") for _ in range(BAD_FIRST + 1)]
    assert (answers[-1].status_code, answers[-1].headers["Retry-After"]) == (429, "1")


# Prometheus


def sample_lines(world: WorldPaths) -> list[tuple[int, str]]:
    file: Path = world.samples_file("thornbury", "thornbury-platform")
    lines = (line.split(",") for line in file.read_text(encoding="ascii").splitlines())
    return [(int(at), value) for at, value in lines]


def values_of(answer: requests.Response) -> list[list[Any]]:
    data = answer.json()["data"]
    assert data["resultType"] == "matrix"
    assert len(data["result"]) == 1
    values: list[list[Any]] = data["result"][0]["values"]
    return values


def test_a_range_gives_the_raw_samples_open_on_its_left(client: Client, world: WorldPaths) -> None:
    end = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    answer = client.prometheus(
        "thornbury", "query", query='probe_success{job="thornbury-platform"}[31d]', time=str(end)
    )
    wanted = [[at / 1000, value] for at, value in sample_lines(world) if end - 31 * 86400 < at / 1000 <= end]
    assert values_of(answer) == wanted
    assert len(wanted) > 8_000
    first = wanted[0][0]
    for length, includes_it in ((600_000, False), (600_001, True)):
        query = f"probe_success[{length}ms]"
        answer = client.prometheus("thornbury", "query", query=query, time=str(first + 600))
        assert (wanted[0] in values_of(answer)) is includes_it


def test_a_month_is_quick(client: Client) -> None:
    query = {"query": "probe_success[31d]", "time": "2026-06-01T00:00:00Z"}
    client.prometheus("thornbury", "query", **query)
    taken = []
    for _ in range(3):  # Of three, since other tests run beside it.
        started = time.perf_counter()
        client.prometheus("thornbury", "query", **query)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.5


def test_query_range_carries_forward_and_is_capped(client: Client, world: WorldPaths) -> None:
    silent = next(
        (before[0], after[0])
        for before, after in zip(sample_lines(world), sample_lines(world)[1:], strict=False)
        if after[0] - before[0] > 1_500_000
    )
    start, end = silent[0] / 1000, silent[1] / 1000
    answer = client.prometheus(
        "thornbury", "query_range", query="probe_success", start=str(start), end=str(end), step="60"
    )
    carried = [at for at, _ in values_of(answer)]
    assert carried[:5] == [start + 60 * minute for minute in range(5)]
    assert carried[5:] in ([], [end])
    refused = client.prometheus(
        "thornbury", "query_range", query="probe_success", start="0", end="660060", step="1m"
    )
    assert refused.status_code == 400
    assert "11,000 points" in refused.json()["error"]
    allowed = client.prometheus(
        "thornbury", "query_range", query="probe_success", start="0", end="660000", step="1m"
    )
    assert allowed.json()["data"]["result"] == []


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ('probe_success{job="thornbury-platform"}', 1),
        ('{__name__="probe_success",job=~"thornbury-.*"}', 1),
        ('probe_success{job="kaveri-platform"}', 0),
        ('probe_success{job!="thornbury-platform"}', 0),
    ],
)
def test_selectors_choose_the_series(client: Client, query: str, series: int) -> None:
    instant = client.prometheus("thornbury", "query", query=query, time="2026-07-01T00:00:00Z")
    assert len(instant.json()["data"]["result"]) == series
    ranged = client.prometheus("thornbury", "query", query=query + "[1h30m]", time="2026-07-01T00:00:00Z")
    assert len(ranged.json()["data"]["result"]) == series


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "probe_success[31x]", "time": "1"},
        {"query": "sum(probe_success)", "time": "1"},
        {"query": "probe_success[1d]", "time": "yesterday"},
        {"query": "probe_success[1d]"},
        {"query": 'probe_success{job="a" garbage}', "time": "1"},
    ],
)
def test_a_bad_query_is_an_error_with_status_400(client: Client, parameters: dict[str, str]) -> None:
    answer = client.prometheus("thornbury", "query", **parameters)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_parameters_may_come_as_a_form(client: Client) -> None:
    token = client.secrets["AVOIR_SECRET_THORNBURY_PROMETHEUS"]
    answer = requests.post(
        f"{client.url}/thornbury/prometheus/api/v1/query",
        data={"query": "probe_success[1h]", "time": "2026-06-01T00:00:00Z"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    assert len(values_of(answer)) == 12


def test_many_readers_at_once_get_the_same(client: Client) -> None:
    token = client.secrets["AVOIR_SECRET_THORNBURY_PROMETHEUS"]

    def read(number: int) -> str:
        del number
        answer = requests.get(
            f"{client.url}/thornbury/prometheus/api/v1/query",
            params={"query": "probe_success[7d]", "time": "2026-06-01T00:00:00Z"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        return answer.text

    with ThreadPoolExecutor(8) as readers:
        answers = set(readers.map(read, range(24)))
    assert len(answers) == 1
    assert len(json.loads(answers.pop())["data"]["result"][0]["values"]) > 1_900


def test_a_folder_without_a_complete_world_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no complete world"):
        RunningWorld(tmp_path)
