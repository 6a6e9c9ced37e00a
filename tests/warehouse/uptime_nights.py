"""Nights over one source of uptime: the demo world's truth told by it, months built, compared with the truth.

The contract is the demo's own; a source under test takes the name of the one that the contract knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from avoir.contracts.loading import load_contracts
from avoir.demo.server import RunningWorld
from avoir.demo.truth import states
from avoir.demo.vendors import AS_OF, VENDORS, Vendor
from avoir.demo.world import WorldPaths, build_world
from avoir.loading import LoadReport, load_window, next_window
from avoir.modelling import run_dbt
from avoir.postgres import free_port
from avoir.settings import CHECKOUT
from avoir.sources.model import SourceConnection, parse_sources
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked

MONTHS = 3
#: A night in the middle of the history, so that the last one is an increment.
HALFWAY = datetime(2026, 5, 20, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Stretch:
    """A state of the platform, half-open, in milliseconds since 1970; between two of them nobody looked."""

    start_ms: int
    end_ms: int
    is_up: bool


@dataclass(frozen=True)
class UptimeWorld:
    """One vendor of the demo's world: what its monitor saw, what it announced, what is true of it."""

    vendor: Vendor
    paths: WorldPaths
    sources: Mapping[str, SourceConnection]

    @cached_property
    def samples(self) -> list[tuple[int, int]]:
        """Milliseconds since 1970, and 1 for up or 0 for down; one every five minutes but for gaps."""
        text = self.paths.samples_file(self.vendor.vendor_id, self.vendor.monitor).read_text()
        return [(int(at), int(value)) for at, value in (line.split(",") for line in text.splitlines())]

    @cached_property
    def register(self) -> list[dict[str, Any]]:
        """What the vendor announced and reported: rows of ``cmdb_ci_outage``."""
        path = self.paths.table_file(self.vendor.vendor_id, "cmdb_ci_outage")
        rows: list[dict[str, Any]] = json.loads(path.read_text())
        return rows

    @property
    def truth(self) -> dict[str, tuple[Decimal, ...]]:
        """By month: seconds of it, in scope, down, unknown, of maintenance left out; 1 where breached."""
        told = json.loads(self.paths.truth_file.read_text())["platform_months"]
        names = ("month", "in_scope", "downtime", "unknown", "excluded_maintenance")
        months = {
            one["month"]: (
                *(Decimal(str(one[f"{name}_seconds"])) for name in names),
                Decimal(int(one["breached"])),
            )
            for one in told
            if one["vendor"] == self.vendor.vendor_id
        }
        assert len(months) == MONTHS
        assert sum(values[2] for values in months.values()) > 0
        return months

    @cached_property
    def stretches(self) -> list[Stretch]:
        """The samples as states: each holds until the next one, at most as long as the contract says."""
        return list(stretches_of(self.samples, round(AS_OF.timestamp() * 1000)))


def stretches_of(samples: Sequence[tuple[int, int]], as_of_ms: int) -> Iterator[Stretch]:
    """What is known of the samples, equal states that follow in time joined."""
    held: Stretch | None = None
    for start, end, value in states(samples, as_of_ms):
        if value is None:
            continue
        if held is not None and held.end_ms == start and held.is_up == bool(value):
            held = replace(held, end_ms=end)
            continue
        if held is not None:
            yield held
        held = Stretch(start, end, bool(value))
    if held is not None:
        yield held


@contextmanager
def uptime_world(home: Path, vendor_id: str = "helios") -> Iterator[UptimeWorld]:
    """Three months of one vendor, its register served as in the demo."""
    paths = build_world(home / "world", vendors=(vendor_id,), months=MONTHS)
    with RunningWorld(paths.root, port=free_port(0)) as running:
        connections = parse_sources(paths.sources_file, paths.environment(running.url))
        yield UptimeWorld(VENDORS[vendor_id], paths, {one.name: one for one in connections})


def register_of(world: UptimeWorld) -> SourceConnection:
    """The vendor's ServiceNow, of which only the register of outages is read."""
    source = world.sources[world.vendor.servicenow_source]
    return replace(source, options={"tables": ("cmdb_ci_outage",)})


def believe(
    warehouse: BareWarehouse, world: UptimeWorld, folder: Path, change: Mapping[str, str] | None = None
) -> None:
    """Load the vendor's contract, some of its text changed."""
    target = folder / "contracts" / world.vendor.vendor_id
    target.mkdir(parents=True)
    for path in (CHECKOUT / "contracts" / "demo" / world.vendor.vendor_id).iterdir():
        text = path.read_text()
        for old, new in (change or {}).items():
            assert old in text, old
            text = text.replace(old, new)
        (target / path.name).write_text(text)
    with warehouse.warehouse.connect("avoir_transformer") as connection:
        report = load_contracts(
            connection,
            folder / "contracts",
            as_of=datetime(2025, 1, 1, tzinfo=UTC),
            days_from=date(2025, 1, 1),
            days_to=date(2027, 6, 1),
        )
    assert report.refused_files == (), report.problems


def night(
    warehouse: BareWarehouse, sources: Sequence[SourceConnection], as_of: datetime, target: Path
) -> list[LoadReport]:
    """Load sources up to an instant, each twice, and build what months of availability need."""
    reports = []
    with warehouse.warehouse.connect("avoir_loader") as connection:
        for source in sources:
            window = next_window(connection, source, as_of)
            assert window is not None
            reports.append(load_window(connection, source, window))
            again = load_window(connection, source, window)
            assert again.rows_landed == 0, again
    selected = ["+fct_availability_months", "built_batches", "built_hashes", "built_instants"]
    arguments = ["run", "--select", *selected, "--vars", json.dumps({"as_of": as_of.isoformat()})]
    run_dbt(
        [*arguments, "--target-path", str(target)],
        project=warehouse.project,
        environment=warehouse.environment,
    )
    return reports


def measured(warehouse: BareWarehouse, world: UptimeWorld) -> dict[str, tuple[Decimal, ...]]:
    """Complete months as the warehouse has them, in the order of :attr:`UptimeWorld.truth`."""
    rows = asked(
        warehouse,
        """
        select to_char(month_date, 'YYYY-MM') as month, month_seconds,
            in_scope_us / 1000000.0 as in_scope_seconds,
            downtime_us / 1000000.0 as downtime_seconds, unknown_seconds, maintenance_seconds, outcome
        from facts.fct_availability_months where is_complete and vendor_id = %s
        """,
        world.vendor.vendor_id,
    )
    names = ("month", "in_scope", "downtime", "unknown", "maintenance")
    return {
        row["month"]: (
            *(row[f"{name}_seconds"] for name in names),
            Decimal(int(row["outcome"] == "breached")),
        )
        for row in rows
        if row["month"] in world.truth
    }


def reported(warehouse: BareWarehouse, world: UptimeWorld) -> dict[str, Decimal | None]:
    """Seconds of outages that the vendor reports of itself, by complete month."""
    rows = asked(
        warehouse,
        """
        select to_char(month_date, 'YYYY-MM') as month, reported_downtime_seconds as seconds
        from facts.fct_availability_months where is_complete and vendor_id = %s
        """,
        world.vendor.vendor_id,
    )
    return {row["month"]: row["seconds"] for row in rows if row["month"] in world.truth}
