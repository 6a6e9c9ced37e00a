"""A night over UptimeRobot and a status page: the mart is true to the cent, and each credit leads back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avoir.demo.months import from_servicenow
from avoir.demo.vendors import AS_OF, VENDORS
from avoir.demo.world import WorldPaths
from avoir.evidence.impact import impact
from tests.system.truth_comparison import differences
from tests.vendors.serving import SECRET, Answer, Reply, Request, serving
from tests.vendors.statuspage import StatusPage
from tests.vendors.uptimerobot import UptimeRobot, tell
from tests.warehouse.conftest import PublishedWarehouse, published_world
from tests.warehouse.uptime_nights import stretches_of

pytestmark = pytest.mark.warehouse

VENDOR = VENDORS["borealis"]
PAGE = "borealis_page"


def seeded(paths: WorldPaths) -> tuple[UptimeRobot, StatusPage, str]:
    """What the world's Prometheus and register hold, told by the two; and the platform's component."""
    robot, page = UptimeRobot(now=AS_OF), StatusPage()
    lines = paths.samples_file(VENDOR.vendor_id, VENDOR.monitor).read_text().splitlines()
    samples = [(int(at), int(value)) for at, value in (line.split(",") for line in lines)]
    states = stretches_of(samples, int(AS_OF.timestamp() * 1000))
    tell(
        robot,
        robot.monitor(VENDOR.monitor),
        [(one.start_ms // 1000, one.end_ms // 1000, one.is_up) for one in states],
    )
    rows = json.loads(paths.table_file(VENDOR.vendor_id, "cmdb_ci_outage").read_text())
    components = {
        name: page.component(name, datetime(2025, 1, 1, tzinfo=UTC))
        for name in sorted({row["cmdb_ci"] for row in rows})
    }
    for row in rows:
        begin, end, told = (
            datetime.fromtimestamp(from_servicenow(row[name]), UTC)
            for name in ("begin", "end", "sys_created_on")
        )
        component = components[row["cmdb_ci"]]
        if row["type"] == "planned":
            page.maintenance(told, [component], begin, end)
        else:
            record = page.incident(told, [component], shown_at=begin, **{component: "major_outage"})
            page.update(record, told, "resolved", shown_at=end)
    return robot, page, components[VENDOR.monitor]


@contextmanager
def told_otherwise(home: Path) -> Iterator[PublishedWarehouse]:
    """The vendor's night with its monitor and its announcements from other systems."""
    answers: dict[str, UptimeRobot | StatusPage] = {}

    def answering(name: str) -> Answer:
        # Who answers is known once the world is made.
        def answer(request: Request) -> Reply:
            return answers[name](request)

        return answer

    with serving(answering("robot")) as robot_url, serving(answering("page")) as page_url:

        def change(world: Path) -> dict[str, str]:
            paths = WorldPaths(world)
            answers["robot"], answers["page"], component = seeded(paths)
            text = paths.sources_file.read_text()
            entry = re.compile(rf"  - name: {VENDOR.prometheus_source}\n(?:    .*\n)+")
            assert entry.search(text)
            common = f"vendor: {VENDOR.vendor_id}, history_from: 2026-03-30T00:00:00Z"
            robots = f'name: {VENDOR.prometheus_source}, system: uptimerobot, url: "{robot_url}"'
            pages = f'name: {PAGE}, system: statuspage, url: "{page_url}"'
            told = f"  - {{{robots}, secret_env: ROBOT_KEY, {common}}}\n  - {{{pages}, {common}}}\n"
            paths.sources_file.write_text(entry.sub(told, text))
            (contract,) = (home / "contracts" / VENDOR.vendor_id).iterdir()
            key = f"{{source: {VENDOR.servicenow_source}, kind: maintenance, value: {VENDOR.monitor}}}"
            own = f"{{source: {PAGE}, kind: maintenance, value: {component}}}"
            assert key in contract.read_text()
            contract.write_text(contract.read_text().replace(key, own))
            return {"ROBOT_KEY": SECRET}

        with published_world(home, vendors=(VENDOR.vendor_id,), change=change) as published:
            yield published


def test_a_night_over_other_monitors_is_the_same_to_the_cent(tmp_path: Path) -> None:
    with told_otherwise(tmp_path) as published, published.connect() as connection:
        assert published.verdicts.get("published"), published.verdicts
        truth = published.settings.profile_home / "world" / "truth.json"
        assert differences(connection, truth) == []
        behind = dict(
            connection.execute(
                """
                select evidence.raw_table || ' ' || evidence.evidence_kind, count(*)
                from mart.fct_penalty_lines as lines
                inner join audit.credit_evidence as evidence using (penalty_line_id)
                where lines.indicator = 'availability' and lines.credit_amount > 0
                group by 1
                """
            ).fetchall()
        )
        assert behind["raw_monitoring.states sample"] > 5
        assert behind["raw_statuspage.incidents planned_work"] >= 1
        assert behind["raw_statuspage.component_changes reported_outage"] >= 2
        # And forward: an outage's state reaches the credit that it is part of.
        for raw_table in ("raw_monitoring.states", "raw_statuspage.incidents"):
            batch, row = connection.execute(
                """
                select evidence.batch_id, evidence.source_row
                from mart.fct_penalty_lines as lines
                inner join audit.credit_evidence as evidence using (penalty_line_id)
                where lines.indicator = 'availability' and evidence.raw_table = %s
                order by 1, 2 limit 1
                """,
                (raw_table,),
            ).fetchone() or (0, 0)
            reached = impact(connection, raw_table, [str(batch), str(row)])
            assert any(line["evidence_kind"] for line in reached["lines"]), raw_table
