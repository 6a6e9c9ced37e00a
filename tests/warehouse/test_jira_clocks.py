"""From a Jira instance to clocks: what happened there is what the contract's clocks say, twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vendors.jira import ACCOUNT, AGENT, APP, CUSTOMER, JiraInstance
from tests.vendors.serving import connection_to, serving
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked, believe, night, raw_rows_behind

pytestmark = pytest.mark.warehouse

SOURCE = "helios_jira"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 8, 6, 30, tzinfo=UTC)  # the clocks of New York change half an hour later
WAITS = {"name": "Waiting for customer"}
WORKS = {"name": "In Progress"}


def test_what_happened_in_jira_is_what_its_clocks_say(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    jira = JiraInstance()
    answered, waited, ignored, hidden, elsewhere = (
        jira.open(OPENED, project=project) for project in ("SUP", "SUP", "SUP", "SUP", "OPS")
    )
    # An internal comment, an app and the customer are no answer; the agent is, after exactly two hours.
    jira.comment(answered, OPENED + 5 * MINUTE, AGENT, public=False)
    jira.comment(answered, OPENED + 6 * MINUTE, APP)
    jira.comment(answered, OPENED + 7 * MINUTE, CUSTOMER)
    # In one history with another field.
    jira.change(waited, OPENED + 30 * MINUTE, status=WAITS, priority={"name": "Low", "id": "4"})
    # Created waiting, as the first change says: its old value is what held from the beginning.
    ignored.fields["status"] = WAITS
    jira.change(ignored, OPENED + HOUR, status=WORKS)
    jira.comment(hidden, OPENED + HOUR, AGENT, visibility={"type": "role", "value": "Administrators"})
    jira.comment(elsewhere, OPENED + HOUR, AGENT)
    believe(
        bare_warehouse, tmp_path / "contracts", source=SOURCE, service="SUP", waits="Waiting for customer"
    )
    with serving(jira) as url:
        source = connection_to(
            url, "jira", name=SOURCE, username=ACCOUNT, projects=["SUP", "OPS"], service_desk=True
        )
        first = night(bare_warehouse, source, OPENED + 90 * MINUTE, tmp_path / "target")
        assert first.clocks == {
            answered.key: ("running", 5400, 0),
            waited.key: ("running", 1800, 3600),
            ignored.key: ("running", 1800, 3600),
            hidden.key: ("running", 5400, 0),
        }
        jira.comment(answered, OPENED + 2 * HOUR, AGENT)
        jira.change(waited, OPENED + 2 * HOUR, status=WORKS)
        jira.comment(waited, OPENED + 3 * HOUR, AGENT)
        del jira.issues[hidden.id]
        second = night(bare_warehouse, source, OPENED + 5 * HOUR, tmp_path / "target")
    assert second.clocks == {
        answered.key: ("met", 7200, 0),
        waited.key: ("met", 5400, 5400),
        ignored.key: ("breached", 4 * 3600, 3600),
        # A vendor does not get rid of a breach by deleting its ticket.
        hidden.key: ("breached", 5 * 3600, 0),
    }
    gone = asked(
        bare_warehouse, "select issue_id from raw_jira.issue_deletions where _source_name = %s", SOURCE
    )
    assert gone == [{"issue_id": hidden.id}]
    assert raw_rows_behind(bare_warehouse, SOURCE, waited.id) == [
        ("ticket", "raw_jira.issues"),
        ("ticket", "raw_jira.issues"),
        ("ticket_change", "raw_jira.changes"),
        ("ticket_change", "raw_jira.changes"),
        ("ticket_change", "raw_jira.changes"),
        ("ticket_comment", "raw_jira.comments"),
    ]
