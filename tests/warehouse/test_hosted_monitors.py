"""From monitors that are asked over HTTP to months: what they tell of the platform is what is true of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from avoir.demo.vendors import AS_OF
from tests.vendors.datadog import DOWN, DUBLIN, FRANKFURT, NO_DATA, UP, Datadog
from tests.vendors.datadog import connection as datadog_connection
from tests.vendors.pingdom import Pingdom
from tests.vendors.serving import connection_to, serving
from tests.vendors.uptimerobot import UptimeRobot, tell
from tests.vendors.zabbix import Zabbix
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked
from tests.warehouse.uptime_nights import (
    HALFWAY,
    Stretch,
    believe,
    measured,
    night,
    register_of,
    uptime_world,
)

pytestmark = pytest.mark.warehouse


def test_values_of_zabbix_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    server = Zabbix()
    # This vendor's probes come at halves of a second.
    with uptime_world(tmp_path, "hudson") as world, serving(server) as url:
        item = server.item(world.vendor.monitor)
        source = connection_to(
            url, "zabbix", name=world.vendor.prometheus_source, username=None, item_key="icmpping"
        )
        believe(bare_warehouse, world, tmp_path)
        rest = list(world.samples)
        for as_of in (HALFWAY, AS_OF):
            seen = [sample for sample in rest if sample[0] < as_of.timestamp() * 1000]
            rest = rest[len(seen) :]
            for at_ms, value in seen:
                server.receive(item, datetime.fromtimestamp(at_ms / 1000, UTC), str(value))
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        assert any(at_ms % 1000 for at_ms, _ in world.samples)


def test_runs_of_datadog_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    account = Datadog()
    # This vendor's probes are told to the millisecond.
    with uptime_world(tmp_path, "kaveri") as world, serving(account) as url:
        test = account.test(world.vendor.monitor)
        source = datadog_connection(url, world.vendor.prometheus_source, tests=[test])
        key = f"kind: monitor, value: {world.vendor.monitor}"
        believe(bare_warehouse, world, tmp_path, {key: f"{key}@{FRANKFURT}"})
        rest = list(world.samples)
        for as_of in (HALFWAY, AS_OF):
            seen = [sample for sample in rest if sample[0] < as_of.timestamp() * 1000]
            rest = rest[len(seen) :]
            for at_ms, value in seen:
                at = datetime.fromtimestamp(at_ms / 1000, UTC)
                account.run(test, at, "passed" if value else "failed")
                if at_ms % 10 == 0:
                    # The contract names one location, and what looks at something else says nothing of it.
                    account.run(test, at, "failed" if value else "passed", location=DUBLIN)
                    account.run(test, at, "failed", run_type="ci")
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        assert any(month[3] > 0 for month in world.truth.values()), "nothing was unknown"
        assert any(at_ms % 1000 for at_ms, _ in world.samples)


def test_states_behind_an_slo_of_datadog_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    account = Datadog()
    # This vendor's probes are told to the second, as changes of a monitor are.
    with uptime_world(tmp_path, "borealis") as world, serving(account) as url:
        made = datetime(2026, 1, 1, tzinfo=UTC)
        monitors = [account.monitor(name, made) for name in (world.vendor.monitor, "somebody else's")]
        slo = account.slo("All is there", made, *monitors)
        changes = [(made, NO_DATA), *told_as_changes(world.stretches)]
        source = datadog_connection(url, world.vendor.prometheus_source, reads=["slos"], slos=[slo])
        believe(bare_warehouse, world, tmp_path)
        for as_of in (HALFWAY, AS_OF):
            # What is to come is not known yet; the other monitor is down whenever this one is up.
            seen = [(at, state) for at, state in changes if at < as_of]
            for monitor, said in zip(monitors, ((UP, DOWN, NO_DATA), (DOWN, UP, NO_DATA)), strict=True):
                account.changes[monitor, ""] = [(int(at.timestamp()), said[state]) for at, state in seen]
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        assert any(month[3] > 0 for month in world.truth.values()), "nothing was without data"
        assert NO_DATA in {state for _, state in changes[1:-1]}
    figures = asked(
        bare_warehouse,
        "select month, sli_value::numeric as sli_value from raw_monitoring.slo_figures where scope_name = %s",
        world.vendor.monitor,
    )
    # What Datadog itself makes of a UTC month is beside it, and judges nothing.
    assert set(world.truth) <= {one["month"] for one in figures if 99 < one["sli_value"] < 100}


def told_as_changes(stretches: list[Stretch]) -> list[tuple[datetime, int]]:
    """When the state changed, and to what: between two stretches there is no data."""
    changes: list[tuple[datetime, int]] = []
    for number, one in enumerate(stretches):
        changes.append((datetime.fromtimestamp(one.start_ms / 1000, UTC), UP if one.is_up else DOWN))
        if number + 1 == len(stretches) or stretches[number + 1].start_ms > one.end_ms:
            changes.append((datetime.fromtimestamp(one.end_ms / 1000, UTC), NO_DATA))
    return changes


def test_states_of_pingdom_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    account = Pingdom(now=0)
    with uptime_world(tmp_path, "tejo") as world, serving(account) as url:
        check = account.check(world.vendor.monitor, datetime(2026, 1, 1, tzinfo=UTC))
        assert all(at_ms % 1000 == 0 for at_ms, _ in world.samples)
        for one in world.stretches:
            account.tell(check, one.start_ms // 1000, one.end_ms // 1000, "up" if one.is_up else "down")
        source = connection_to(url, "pingdom", name=world.vendor.prometheus_source, username=None)
        believe(bare_warehouse, world, tmp_path)
        for as_of in (HALFWAY, AS_OF):
            account.now = int(as_of.timestamp())
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        assert any(month[3] > 0 for month in world.truth.values()), "nothing was unknown"


def test_states_of_uptimerobot_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    robot = UptimeRobot()
    with uptime_world(tmp_path) as world, serving(robot) as url:
        monitor = robot.monitor(world.vendor.monitor)
        robot.happen(robot.monitor("somebody else's"), datetime(2026, 1, 1, tzinfo=UTC), 2)
        # Whole seconds are what the log knows, and what this vendor's probes are told in.
        assert all(at_ms % 1000 == 0 for at_ms, _ in world.samples)
        tell(
            robot, monitor, [(one.start_ms // 1000, one.end_ms // 1000, one.is_up) for one in world.stretches]
        )
        source = connection_to(url, "uptimerobot", name=world.vendor.prometheus_source, username=None)
        believe(bare_warehouse, world, tmp_path)
        for as_of in (HALFWAY, AS_OF):
            robot.now = as_of
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        assert any(month[3] > 0 for month in world.truth.values()), "it was never paused"
    (counted,) = asked(
        bare_warehouse,
        "select count(*) as rows, count(distinct _batch_id) as batches from raw_monitoring.states"
        " where _source_name = %s",
        source.name,
    )
    assert counted["batches"] == 2
    assert counted["rows"] < 400
