"""A real Zabbix: months that it was told with their own clocks, and a site that it looks at itself."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avoir.demo.vendors import AS_OF
from avoir.loading import load_window
from avoir.postgres import EmbeddedPostgres
from avoir.sources.model import NothingLanded, Rejected, SourceConnection, Window
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from avoir.sources.zabbix import fetch
from tests.vendors.faults import Passed, proxy_to
from tests.vendors.real_zabbix import FRACTION, KEY, Reader, RealZabbix, Value, running_zabbix
from tests.vendors.serving import connection_to
from tests.vendors.web_site import WebSite, lasting
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked
from tests.warehouse.uptime_nights import HALFWAY, believe, measured, night, register_of, uptime_world

pytestmark = pytest.mark.warehouse

START = datetime(2026, 3, 30, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
#: Values that a proxy of Zabbix kept while it could not reach its server.
LATE = timedelta(hours=3)


@pytest.fixture(scope="module")
def zabbix(
    postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealZabbix]:
    with running_zabbix(tmp_path_factory.mktemp("zabbix"), postgres_server) as one:
        yield one


@dataclass(frozen=True)
class Watched:
    """Two hosts, of which the account may read one."""

    reader: Reader
    groups: tuple[str, str]
    seen: str
    hidden: str


@pytest.fixture
def watched(zabbix: RealZabbix, request: pytest.FixtureRequest) -> Watched:
    """New ones for each test, with two values each on the day."""
    name = f"{request.node.originalname[:40]}-{zabbix.stored()}"
    seen, hidden = f"{name}-seen", f"{name}-hidden"
    groups = zabbix.group(seen), zabbix.group(hidden)
    for host, group_id in zip((seen, hidden), groups, strict=True):
        zabbix.trapper(zabbix.host(host, group_id))
    zabbix.send([_value(host, n * 60, str(n)) for host in (seen, hidden) for n in (0, 1)])
    return Watched(zabbix.reader(name, groups[:1]), groups, seen, hidden)


def _value(host: str, after_seconds: float, value: str) -> Value:
    return Value(host, round(1000 * (START.timestamp() + after_seconds)), value)


def source_of(url: str, token: str, name: str = "zabbix", **options: Any) -> SourceConnection:
    """The connection of an account to a Zabbix."""
    made = connection_to(url, "zabbix", name=name, username=None, **{"item_key": KEY, **options})
    return dataclasses.replace(made, environment={"VENDOR_SECRET": token})


def read(source: SourceConnection, window: Window = DAY) -> dict[str, list[tuple[str, str]]]:
    """Instants and states by monitor."""
    found: dict[str, list[tuple[str, str]]] = {}
    for item in fetch(source, window, NothingLanded()):
        assert not isinstance(item, Rejected), item
        for monitor, checked_at, state, *_ in item.values:
            found.setdefault(str(monitor), []).append((str(checked_at), str(state)))
    return found


def test_months_of_a_real_zabbix_are_the_truth(
    zabbix: RealZabbix, bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    # This vendor's probes come at halves of a second.
    with uptime_world(tmp_path, "hudson") as world:
        monitor = world.vendor.monitor
        group_id = zabbix.group("of the platform")
        zabbix.trapper(zabbix.host(monitor, group_id))
        reader = zabbix.reader("avoir", [group_id])
        source = source_of(zabbix.url, reader.token, world.vendor.prometheus_source, monitors=[monitor])
        values = [Value(monitor, at, str(value)) for at, value in world.samples]
        believe(bare_warehouse, world, tmp_path)
        halfway, late = (round(at.timestamp() * 1000) for at in (HALFWAY, HALFWAY - LATE))
        in_time = [value for value in values if value.at_ms < late]
        rest = [value for value in values if value.at_ms >= late]
        assert sum(value.at_ms < halfway for value in rest) > 30
        for as_of, told in ((HALFWAY, in_time), (AS_OF, rest)):
            zabbix.send(told)
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        assert any(month[3] > 0 for month in world.truth.values()), "nothing was unknown"
        landed = asked(
            bare_warehouse,
            "select cast(extract(epoch from checked_at) * 1000 as bigint) as at, said"
            " from raw_monitoring.checks where _source_name = %s order by 1",
            source.name,
        )
        first, last = (round(instant.timestamp() * 1000) for instant in (source.history_from, AS_OF))
        expected = [value for value in values if first <= value.at_ms < last]
        assert [(row["at"], row["said"]) for row in landed] == [(one.at_ms, one.value) for one in expected]
        assert len(expected) > 20_000
        assert any(one.at_ms % 1000 for one in expected)


def test_what_the_account_may_not_see_is_not_no_outage(zabbix: RealZabbix, watched: Watched) -> None:
    source = source_of(zabbix.url, watched.reader.token)
    assert read(source) == {
        watched.seen: [("2026-03-30T00:00:00+00:00", "down"), ("2026-03-30T00:01:00+00:00", "up")]
    }
    both = source_of(zabbix.url, watched.reader.token, monitors=[watched.seen, watched.hidden])
    with pytest.raises(IncompleteAnswerError, match=f"no item icmpping of {watched.hidden}; check the acc"):
        read(both)
    zabbix.may_read(watched.reader, watched.groups)
    assert read(both).keys() == {watched.seen, watched.hidden}
    zabbix.may_read(watched.reader, [])
    with pytest.raises(IncompleteAnswerError, match="knows no item with the key icmpping, or none that"):
        read(source)


def test_rights_that_go_while_values_are_read_are_noticed(zabbix: RealZabbix, watched: Watched) -> None:
    zabbix.may_read(watched.reader, watched.groups)

    def lose(number: int, passed: Passed) -> None:
        if passed.request.content["method"] == "item.get":
            zabbix.may_read(watched.reader, watched.groups[:1])

    with proxy_to(zabbix.url) as proxy:
        proxy.spoil = lose
        with pytest.raises(IncompleteAnswerError, match=f"{watched.hidden} disappeared while"):
            read(source_of(proxy.url, watched.reader.token))


def test_a_token_that_is_none_is_refused(zabbix: RealZabbix, watched: Watched) -> None:
    good = watched.reader.token
    for token in ("wrong", good[:-1], good[::-1]):
        with pytest.raises(AccessDeniedError, match="refused the token in the variable VENDOR") as caught:
            read(source_of(zabbix.url, token))
        assert token not in str(caught.value)
    zabbix.may_call(watched.reader, "item.get")
    with pytest.raises(AccessDeniedError, match=r'No permissions to call "history.get"'):
        read(source_of(zabbix.url, good))
    zabbix.may_call(watched.reader, "item.get", "history.get")
    for change in ({"status": 1}, {"status": 0, "expires_at": 1_000_000_000}):
        zabbix.call("token.update", {"tokenid": watched.reader.token_id, **change})
        with pytest.raises(AccessDeniedError, match="refused the token in the variable VENDOR") as caught:
            read(source_of(zabbix.url, good))
        assert good not in str(caught.value)
    zabbix.call("token.update", {"tokenid": watched.reader.token_id, "expires_at": 0})
    assert read(source_of(zabbix.url, good))


def test_as_many_values_as_are_counted_must_come(
    zabbix: RealZabbix, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.zabbix.PAGE_ROWS", 10)
    # Four in each second, so that pages end in the middle of one.
    told = [_value(watched.seen, 3600 + n / 4, "1") for n in range(97)]
    zabbix.send(told)
    source = source_of(zabbix.url, watched.reader.token)
    assert len(read(source)[watched.seen]) == 99

    def lose(number: int, passed: Passed) -> None:
        if passed.request.content["params"].get("limit"):
            answer = json.loads(passed.body)
            passed.body = json.dumps({**answer, "result": answer["result"][1:]}).encode()

    with proxy_to(zabbix.url) as proxy:
        proxy.spoil = lose
        with pytest.raises(IncompleteAnswerError, match="more values than it gave"):
            read(dataclasses.replace(source, url=proxy.url))


def test_a_value_that_is_told_twice_lands_once(
    zabbix: RealZabbix, watched: Watched, bare_warehouse: BareWarehouse
) -> None:
    again = _value(watched.seen, 0, "0")
    source = source_of(zabbix.url, watched.reader.token, "told_twice")
    # What follows it is stored after it would be.
    zabbix.send([again, _value(watched.seen, 120, "1")], stored=1)
    assert len(read(source)[watched.seen]) == 3
    with zabbix.without_keys():
        zabbix.send([again])
        assert len(read(source)[watched.seen]) == 4
        with bare_warehouse.warehouse.connect("avoir_loader") as connection:
            report = load_window(connection, source, DAY)
    assert (report.rows_read, report.rows_landed, report.rows_duplicate) == (4, 3, 1)


def test_a_fraction_above_zero_is_up(zabbix: RealZabbix, watched: Watched) -> None:
    host = f"{watched.seen}-fraction"
    zabbix.trapper(zabbix.host(host, watched.groups[0]), value_type=FRACTION)
    zabbix.send([_value(host, n, value) for n, value in enumerate(("0.25", "0", "1e-9"))])
    states = [state for _, state in read(source_of(zabbix.url, watched.reader.token))[host]]
    assert states == ["up", "down", "up"]


def test_what_zabbix_saw_is_what_the_site_did(
    zabbix: RealZabbix, watched: Watched, bare_warehouse: BareWarehouse
) -> None:
    """Up, gone, up; and for some seconds nobody looked."""
    site = WebSite()
    key = f"net.tcp.service[http,127.0.0.1,{site.port}]"
    told: list[tuple[datetime, datetime, str]] = []
    host = f"{watched.seen}-site"
    with site.there():
        item_id = zabbix.look(zabbix.host(host, watched.groups[0]), key)
        _wait_for_first(zabbix, item_id)
        told.append((*lasting(6), "up"))
        site.go()
        told.append((*lasting(6), "down"))
    with site.there():
        told.append((*lasting(6), "up"))
        zabbix.call("item.update", {"itemid": item_id, "status": 1})
        unwatched_from, unwatched_to = lasting(8)
        zabbix.call("item.update", {"itemid": item_id, "status": 0})
        time.sleep(3)
        told.append((*lasting(6), "up"))
    source = source_of(zabbix.url, watched.reader.token, "looked_at", item_key=key, monitors=[host])
    with bare_warehouse.warehouse.connect("avoir_loader") as connection:
        window = Window(told[0][0] - timedelta(minutes=5), datetime.now(UTC))
        report = load_window(connection, source, window)
    assert report.rows_rejected == 0
    checks = asked(
        bare_warehouse,
        "select checked_at, state from raw_monitoring.checks where _source_name = 'looked_at' order by 1",
    )
    for start, end, state in told:
        seen = [row["state"] for row in checks if start < row["checked_at"] < end]
        assert len(seen) >= 3, "a second apart, less what its edges and a busy machine take"
        assert set(seen) == {state}
    quiet_from = unwatched_from + timedelta(seconds=1)
    assert [row for row in checks if quiet_from < row["checked_at"] < unwatched_to] == []


def _wait_for_first(zabbix: RealZabbix, item_id: str) -> None:
    for _ in range(300):
        if zabbix.call("history.get", {"itemids": [item_id], "limit": 1}):
            return
        time.sleep(0.1)
    pytest.fail("Zabbix does not look at the site")
