"""From a Redmine server to clocks: what happened there is what the contract's clocks say, twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vendors.redmine import AGENT, CUSTOMER, RedmineServer
from tests.vendors.serving import connection_to, serving
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked, believe, night, raw_rows_behind

pytestmark = pytest.mark.warehouse

SOURCE = "helios_redmine"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before Europe's clocks change
WORKS, WAITS, CLOSED = 2, 3, 5


def test_what_happened_in_redmine_is_what_its_clocks_say(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    believe(bare_warehouse, tmp_path / "contracts", source=SOURCE, service="Support", waits="Waiting")
    redmine = RedmineServer()
    answered, waited, hidden = redmine.open(OPENED), redmine.open(OPENED), redmine.open(OPENED)
    # Opened waiting, as the first change's old value says.
    ignored = redmine.open(OPENED, status=WAITS)
    elsewhere = redmine.open(OPENED, project="network")
    # A private note and the author's own words are no answer.
    redmine.change(answered, OPENED + 5 * MINUTE, notes="Hm.", private=True)
    redmine.change(answered, OPENED + 6 * MINUTE, author=CUSTOMER, notes="Hello?")
    redmine.change(waited, OPENED + 30 * MINUTE, status_id=WAITS, priority_id=1)
    redmine.change(ignored, OPENED + HOUR, status_id=WORKS, assigned_to_id=AGENT)
    redmine.change(elsewhere, OPENED + HOUR, notes="We look.")
    with serving(redmine) as url:
        source = connection_to(url, "redmine", name=SOURCE)
        first = night(bare_warehouse, source, OPENED + 90 * MINUTE, tmp_path / "target")
        assert first.clocks == {
            str(answered.id): ("running", 5400, 0),
            str(waited.id): ("running", 1800, 3600),
            str(ignored.id): ("running", 1800, 3600),
            str(hidden.id): ("running", 5400, 0),
        }
        redmine.change(answered, OPENED + 2 * HOUR, notes="We look.")
        redmine.change(waited, OPENED + 2 * HOUR, status_id=WORKS)
        # An answer and the end of it, in one journal.
        redmine.change(waited, OPENED + 3 * HOUR, notes="Solved.", status_id=CLOSED)
        del redmine.issues[hidden.id]
        second = night(bare_warehouse, source, OPENED + 5 * HOUR, tmp_path / "target")
    assert second.clocks == {
        str(answered.id): ("met", 7200, 0),
        str(waited.id): ("met", 5400, 5400),
        str(ignored.id): ("breached", 4 * 3600, 3600),
        # A vendor does not get rid of a breach by deleting its ticket.
        str(hidden.id): ("breached", 5 * 3600, 0),
    }
    gone = asked(
        bare_warehouse, "select issue_id from raw_redmine.issue_deletions where _source_name = %s", SOURCE
    )
    assert gone == [{"issue_id": str(hidden.id)}]
    assert raw_rows_behind(bare_warehouse, SOURCE, str(waited.id)) == [
        ("ticket", "raw_redmine.issues"),
        ("ticket", "raw_redmine.issues"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_comment", "raw_redmine.journal_entries"),
    ]
