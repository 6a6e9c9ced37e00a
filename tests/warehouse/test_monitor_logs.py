"""From logs of monitors to months: checks in CSV files and states in Nagios archives are what is true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from avoir.demo.vendors import AS_OF
from avoir.sources.model import SourceConnection
from tests.vendors.nagios import MONITOR, write_archives
from tests.vendors.serving import connection_to
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked
from tests.warehouse.uptime_nights import (
    HALFWAY,
    UptimeWorld,
    believe,
    measured,
    night,
    register_of,
    uptime_world,
)

pytestmark = pytest.mark.warehouse

Tell = Callable[[UptimeWorld, Path, datetime], None]


def folder_of(world: UptimeWorld, folder: Path, system: str, **options: Any) -> SourceConnection:
    """The connection that the contract knows, over a folder."""
    return connection_to(str(folder), system, name=world.vendor.prometheus_source, username=None, **options)


def write_csv(world: UptimeWorld, folder: Path, until: datetime) -> None:
    """A file per local day, times on the vendor's clock: the one under way grows, as a monitor writes it."""
    folder.mkdir(exist_ok=True)
    by_day: dict[str, list[str]] = {}
    for at_ms, value in world.samples:
        at = datetime.fromtimestamp(at_ms / 1000, world.vendor.zone)
        if at < until:
            row = f"{world.vendor.monitor};{at:%d/%m/%Y %H:%M:%S};{'fine' if value else 'broken'};12\n"
            by_day.setdefault(f"{at:%Y-%m-%d}", []).append(row)
    for day, rows in by_day.items():
        (folder / f"probes-{day}.csv").write_text("check;time;result;ms\n" + "".join(rows))


def write_nagios(world: UptimeWorld, folder: Path, until: datetime) -> None:
    """Daily archives; where the truth knows nothing, the monitor had been stopped."""
    states = [
        (one.start_ms // 1000, one.end_ms // 1000, one.is_up)
        for one in world.stretches
        if one.start_ms % 1000 == one.end_ms % 1000 == 0 or one.end_ms == world.stretches[-1].end_ms
    ]
    assert len(states) == len(world.stretches), "the log knows whole seconds, and this vendor's probes are"
    write_archives(folder, states, until=int(until.timestamp()))


def told_in_two_nights(
    warehouse: BareWarehouse, world: UptimeWorld, home: Path, source: SourceConnection, tell: Tell
) -> None:
    """The truth told up to the middle, then to the end; months must be the truth."""
    for as_of in (HALFWAY, AS_OF):
        tell(world, source.path, as_of)
        reports = night(warehouse, [source, register_of(world)], as_of, home / "target")
        assert reports[0].rows_rejected == 0
    assert measured(warehouse, world) == world.truth


def test_checks_in_csv_files_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    with uptime_world(tmp_path) as world:
        source = folder_of(
            world,
            tmp_path / "probes",
            "probe_log",
            columns={"monitor": "check", "checked_at": "time", "state": "result", "response_ms": "ms"},
            up=["fine"],
            down=["broken"],
            time_format="%d/%m/%Y %H:%M:%S",
            timezone=world.vendor.timezone,
            delimiter=";",
        )
        believe(bare_warehouse, world, tmp_path)
        told_in_two_nights(bare_warehouse, world, tmp_path, source, write_csv)
    evidence = asked(
        bare_warehouse,
        "select count(*) as rows, count(distinct _source_file_id) as files from raw_monitoring.checks"
        " where _source_name = %s",
        source.name,
    )
    assert evidence[0]["rows"] == len(world.samples)
    assert evidence[0]["files"] > 80


def test_states_in_nagios_archives_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    with uptime_world(tmp_path, "tejo") as world:
        source = folder_of(world, tmp_path / "archives", "nagios_log")
        key = f"kind: monitor, value: {world.vendor.monitor}"
        believe(bare_warehouse, world, tmp_path, {key: f'kind: monitor, value: "{MONITOR}"'})
        told_in_two_nights(bare_warehouse, world, tmp_path, source, write_nagios)
        # A month without an unknown minute would not have seen that it was stopped.
        assert any(month[3] > 0 for month in world.truth.values())
    states = asked(
        bare_warehouse,
        "select state, count(*) as rows from raw_monitoring.states where _source_name = %s group by 1",
        source.name,
    )
    assert {row["state"] for row in states} == {"up", "down"}
