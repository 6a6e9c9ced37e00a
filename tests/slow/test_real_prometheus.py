"""A real Prometheus: months that were put into its store, and a site that its blackbox exporter looks at."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from avoir.demo.vendors import AS_OF
from avoir.loading import load_window
from avoir.sources.model import Window
from tests.vendors.real_prometheus import backfill, probing, running_prometheus
from tests.vendors.serving import connection_to
from tests.vendors.web_site import WebSite, lasting
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked
from tests.warehouse.uptime_nights import HALFWAY, believe, measured, night, register_of, uptime_world

pytestmark = pytest.mark.warehouse


def test_months_of_a_real_prometheus_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    with uptime_world(tmp_path) as world:
        monitor = world.vendor.monitor
        backfill(tmp_path, f'job="{monitor}"', world.samples)
        with running_prometheus(tmp_path) as url:
            source = connection_to(
                url,
                "prometheus",
                name=world.vendor.prometheus_source,
                username=None,
                query="probe_success",
                monitor_label="job",
            )
            believe(bare_warehouse, world, tmp_path)
            for as_of in (HALFWAY, AS_OF):
                reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
                assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        landed = asked(
            bare_warehouse,
            "select cast(extract(epoch from sampled_at) * 1000 as bigint) as at, cast(value as int) as value"
            " from raw_prometheus.samples where _source_name = %s order by 1",
            source.name,
        )
        first, last = (round(instant.timestamp() * 1000) for instant in (source.history_from, AS_OF))
        expected = [sample for sample in world.samples if first <= sample[0] < last]
        assert [(row["at"], row["value"]) for row in landed] == expected
        assert len(expected) > 20_000


def test_what_the_blackbox_exporter_saw_is_what_the_site_did(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    """Up, answering 503, up, gone, up: and for some seconds nobody looked."""
    site = WebSite()
    told: list[tuple[datetime, datetime, float]] = []
    with site.there(), probing(tmp_path, site.url) as url:
        time.sleep(3)
        for status, value in ((200, 1.0), (503, 0.0), (200, 1.0)):
            site.status = status
            told.append((*lasting(6), value))
        site.go()
        told.append((*lasting(6), 0.0))
    # Prometheus itself was away from here on; then it looks again.
    away_from = datetime.now(UTC)
    time.sleep(6)
    away_to = datetime.now(UTC)
    site.status = 200
    with site.there(), probing(tmp_path, site.url) as url:
        time.sleep(3)
        told.append((*lasting(6), 1.0))
        now = datetime.now(UTC)
        source = connection_to(
            url, "prometheus", name="blackbox", username=None, query="probe_success", monitor_label="instance"
        )
        with bare_warehouse.warehouse.connect("avoir_loader") as connection:
            report = load_window(connection, source, Window(told[0][0] - timedelta(minutes=5), now))
    assert report.rows_rejected == 0
    samples = asked(
        bare_warehouse,
        "select sampled_at, value from raw_prometheus.samples where _source_name = 'blackbox' order by 1",
    )
    for start, end, value in told:
        seen = [row["value"] for row in samples if start < row["sampled_at"] < end]
        assert len(seen) >= 3, "a second apart, less what its edges and a busy machine take"
        assert set(seen) == {value}
    assert [row for row in samples if away_from < row["sampled_at"] < away_to] == []
