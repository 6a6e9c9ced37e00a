"""From an Asana workspace to clocks: what happened there is what the contract's clocks say, twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vendors.asana import CUSTOMER, NETWORK, SUPPORT, AsanaWorkspace
from tests.vendors.serving import connection_to, serving
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked, believe, night, raw_rows_behind

pytestmark = pytest.mark.warehouse

SOURCE = "helios_asana"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before Europe's clocks change


def test_what_happened_in_asana_is_what_its_clocks_say(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    believe(bare_warehouse, tmp_path / "contracts", source=SOURCE, service="Support", waits="Waiting")
    asana = AsanaWorkspace()
    answered, waited, hidden = asana.open(OPENED), asana.open(OPENED), asana.open(OPENED)
    # Opened waiting, as the first story of a move says.
    ignored = asana.open(OPENED, section="Waiting")
    elsewhere = asana.open(OPENED, project=NETWORK)
    # A rule's words and those of who asked are no answer.
    asana.say(answered, OPENED + 5 * MINUTE, None)
    asana.say(answered, OPENED + 6 * MINUTE, CUSTOMER)
    asana.move(waited, OPENED + 30 * MINUTE, "Waiting")
    asana.move(ignored, OPENED + HOUR, "Doing")
    asana.say(elsewhere, OPENED + HOUR)
    with serving(asana) as url:
        source = connection_to(
            url, "asana", name=SOURCE, username=None, projects=[SUPPORT, NETWORK], state_field="section"
        )
        first = night(bare_warehouse, source, OPENED + 90 * MINUTE, tmp_path / "target")
        assert first.clocks == {
            answered.gid: ("running", 5400, 0),
            waited.gid: ("running", 1800, 3600),
            ignored.gid: ("running", 1800, 3600),
            hidden.gid: ("running", 5400, 0),
        }
        asana.say(answered, OPENED + 2 * HOUR)
        asana.move(waited, OPENED + 2 * HOUR, "Doing")
        asana.say(waited, OPENED + 3 * HOUR)
        asana.complete(waited, OPENED + 3 * HOUR)
        asana.tasks.remove(hidden)
        second = night(bare_warehouse, source, OPENED + 5 * HOUR, tmp_path / "target")
    assert second.clocks == {
        answered.gid: ("met", 7200, 0),
        waited.gid: ("met", 5400, 5400),
        ignored.gid: ("breached", 4 * 3600, 3600),
        # A vendor does not get rid of a breach by deleting its task.
        hidden.gid: ("breached", 5 * 3600, 0),
    }
    gone = asked(
        bare_warehouse, "select task_id from raw_asana.task_deletions where _source_name = %s", SOURCE
    )
    assert gone == [{"task_id": hidden.gid}]
    assert raw_rows_behind(bare_warehouse, SOURCE, waited.gid) == [
        ("ticket", "raw_asana.tasks"),
        ("ticket", "raw_asana.tasks"),
        ("ticket_change", "raw_asana.stories"),
        ("ticket_change", "raw_asana.stories"),
        ("ticket_comment", "raw_asana.stories"),
    ]
