"""From a status page to months: its maintenance leaves them, its outages stand beside what was measured."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from avoir.demo.months import Month, from_servicenow
from avoir.demo.truth import union
from avoir.demo.vendors import AS_OF
from tests.vendors.serving import connection_to, serving
from tests.vendors.statuspage import PAGE_ID, StatusPage
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked
from tests.warehouse.uptime_nights import (
    HALFWAY,
    UptimeWorld,
    believe,
    measured,
    night,
    reported,
    uptime_world,
)

pytestmark = pytest.mark.warehouse

SOURCE = "helios_page"


def at(row: dict[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(from_servicenow(row[name]), UTC)


def tell(page: StatusPage, components: dict[str, str], row: dict[str, Any]) -> None:
    """What the demo's register holds, as a status page says it: an outage is told once it is over."""
    component, told = components[row["cmdb_ci"]], at(row, "sys_created_on")
    if row["type"] == "planned":
        page.maintenance(told, [component], at(row, "begin"), at(row, "end"))
        return
    record = page.incident(told, [component], shown_at=at(row, "begin"), **{component: "major_outage"})
    page.update(record, told, "resolved", shown_at=at(row, "end"))


def reported_truth(world: UptimeWorld) -> dict[str, Decimal]:
    spans = [
        (from_servicenow(row["begin"]), from_servicenow(row["end"]))
        for row in world.register
        if row["type"] == "outage" and row["cmdb_ci"] == world.vendor.monitor
    ]
    found = {}
    for name in world.truth:
        start, end = Month(*map(int, name.split("-"))).bounds(world.vendor.zone)
        within = union((max(begin, start), min(finish, end)) for begin, finish in spans)
        found[name] = Decimal(sum(finish - begin for begin, finish in within))
    return found


@pytest.mark.parametrize("managed", [False, True], ids=["published", "managed"])
def test_a_status_page_says_what_the_register_would(
    bare_warehouse: BareWarehouse, tmp_path: Path, managed: bool
) -> None:
    source_name = f"{SOURCE}_{'managed' if managed else 'published'}"
    page = StatusPage()
    with uptime_world(tmp_path) as world, serving(page) as url:
        names = sorted({row["cmdb_ci"] for row in world.register})
        components = {name: page.component(name, datetime(2025, 1, 1, tzinfo=UTC)) for name in names}
        key = f"{{source: helios_servicenow, kind: maintenance, value: {world.vendor.monitor}}}"
        own = f"{{source: {source_name}, kind: maintenance, value: {components[world.vendor.monitor]}}}"
        believe(bare_warehouse, world, tmp_path, {key: own})
        options = {"page_id": PAGE_ID} if managed else {}
        source = connection_to(url, "statuspage", name=source_name, username=None, **options)
        probes = world.sources[world.vendor.prometheus_source]
        rest = sorted(world.register, key=lambda row: row["sys_created_on"])
        for as_of in (HALFWAY, AS_OF):
            while rest and at(rest[0], "sys_created_on") < as_of:
                tell(page, components, rest.pop(0))
            loaded = [source] if managed else [source, probes]
            night(bare_warehouse, loaded, as_of, tmp_path / "target")
        assert measured(bare_warehouse, world) == world.truth
        expected = reported_truth(world)
        assert reported(bare_warehouse, world) == expected
    assert all(seconds > 0 for seconds in expected.values())
    assert any(month[4] > 0 for month in world.truth.values())


def test_what_is_no_longer_listed_is_not_over(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    # It was out and said so; then the page forgot it. The outage goes on.
    page = StatusPage()
    with serving(page) as url:
        component = page.component("API", datetime(2025, 1, 1, tzinfo=UTC))
        began = datetime(2026, 6, 10, tzinfo=UTC)
        lost = page.incident(began, [component], **{component: "partial_outage"})
        source = connection_to(url, "statuspage", name="helios_forgets", username=None)
        night(bare_warehouse, [source], datetime(2026, 6, 11, tzinfo=UTC), tmp_path / "target")
        page.incidents.remove(lost)
        page.incident(datetime(2026, 6, 12, tzinfo=UTC), [component])
        night(bare_warehouse, [source], datetime(2026, 6, 13, tzinfo=UTC), tmp_path / "target")
    open_ones = asked(
        bare_warehouse,
        "select begin_us, end_us from intermediate.int_reported_outages"
        " where source_name = 'helios_forgets' and version_rank = 1",
    )
    assert open_ones == [{"begin_us": round(began.timestamp() * 1_000_000), "end_us": None}]
