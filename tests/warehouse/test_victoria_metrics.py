"""From a real server of samples to months: what was scraped, gaps and all, is what the truth says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from avoir.demo.vendors import AS_OF
from avoir.sources.vendor_http import IncompleteAnswerError
from tests.vendors.serving import connection_to
from tests.vendors.victoria_metrics import running_victoria_metrics
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked
from tests.warehouse.uptime_nights import (
    HALFWAY,
    believe,
    measured,
    night,
    register_of,
    uptime_world,
)

pytestmark = pytest.mark.warehouse


def test_months_of_a_real_server_are_the_truth(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    with uptime_world(tmp_path) as world, running_victoria_metrics(tmp_path) as server:
        monitor = world.vendor.monitor
        labels = {"__name__": "probe_success", "job": monitor, "instance": "web-1"}
        source = connection_to(
            server.url,
            "prometheus",
            name=world.vendor.prometheus_source,
            username=None,
            query=f'probe_success{{job="{monitor}"}}',
            monitor_label="job",
        )
        believe(bare_warehouse, world, tmp_path)
        rest = list(world.samples)
        for as_of in (HALFWAY, AS_OF):
            seen = [sample for sample in rest if sample[0] < as_of.timestamp() * 1000]
            rest = rest[len(seen) :]
            server.seed(labels, seen)
            reports = night(bare_warehouse, [source, register_of(world)], as_of, tmp_path / "target")
            assert reports[0].rows_rejected == 0
        assert measured(bare_warehouse, world) == world.truth
        landed = asked(
            bare_warehouse,
            "select cast(extract(epoch from sampled_at) * 1000 as bigint) as at, value"
            " from raw_prometheus.samples where _source_name = %s and sampled_at >= %s order by 1",
            source.name,
            source.history_from,
        )
        # The samples as the server itself exports them: not one carried forward, none thinned out.
        exported = server.exported(f'probe_success{{job="{monitor}"}}')
        first = source.history_from.timestamp() * 1000
        assert [(row["at"], row["value"]) for row in landed] == [one for one in exported if one[0] >= first]
    assert len(landed) > 20_000
    assert any(month[3] > 0 for month in world.truth.values()), "no gap was seen, so none was kept"


def test_a_server_without_such_samples_is_not_a_server_without_outage(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    with running_victoria_metrics(tmp_path) as server:
        server.seed({"__name__": "probe_success", "job": "other"}, [(1_780_000_000_000, 1)])
        source = connection_to(server.url, "prometheus", name="nobody", username=None, query="probe_failure")
        with pytest.raises(IncompleteAnswerError, match="no sample in"):
            night(bare_warehouse, [source], datetime.fromisoformat("2026-07-08T00:00:00Z"), tmp_path)
