"""From a Zendesk instance to clocks: what happened there is what the contract's clocks say, twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vendors.serving import connection_to, serving
from tests.vendors.zendesk import ACCOUNT, AGENT, COLLEAGUE, CUSTOMER, SYSTEM, ZendeskInstance
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked, believe, night, raw_rows_behind

pytestmark = pytest.mark.warehouse

SOURCE = "helios_zendesk"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before Europe's clocks change


def test_what_happened_in_zendesk_is_what_its_clocks_say(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    believe(bare_warehouse, tmp_path / "contracts", source=SOURCE, service="Support", waits="pending")
    zendesk = ZendeskInstance(now=OPENED + 10 * HOUR)
    # One is made by an agent, whose words are no answer: they are what is asked.
    answered, waited, ignored = (
        zendesk.open(OPENED),
        zendesk.open(OPENED),
        zendesk.open(OPENED, status="pending"),
    )
    hidden = zendesk.open(OPENED, submitter=AGENT)
    unseen, elsewhere = zendesk.open(OPENED), zendesk.open(OPENED, brand=42)
    # A note among agents, a trigger, Zendesk itself, the customer and a colleague are no answer.
    zendesk.say(answered, OPENED + 5 * MINUTE, AGENT, public=False)
    zendesk.say(answered, OPENED + 6 * MINUTE, AGENT, channel="rule")
    zendesk.say(answered, OPENED + 7 * MINUTE, SYSTEM)
    zendesk.say(answered, OPENED + 8 * MINUTE, CUSTOMER)
    zendesk.say(answered, OPENED + 9 * MINUTE, COLLEAGUE, channel="email")
    zendesk.change(waited, OPENED + 30 * MINUTE, status="pending", priority="low")
    zendesk.change(ignored, OPENED + HOUR, status="open", group_id=32)
    zendesk.say(elsewhere, OPENED + HOUR, AGENT)
    # Opened and deleted between two nights: the export still has it.
    zendesk.delete(unseen, OPENED + 10 * MINUTE)
    with serving(zendesk) as url:
        source = connection_to(url, "zendesk", name=SOURCE, username=ACCOUNT)
        first = night(bare_warehouse, source, OPENED + 90 * MINUTE, tmp_path / "target")
        assert first.clocks == {
            str(answered.id): ("running", 5400, 0),
            str(waited.id): ("running", 1800, 3600),
            str(ignored.id): ("running", 1800, 3600),
            str(hidden.id): ("running", 5400, 0),
            str(unseen.id): ("running", 5400, 0),
        }
        zendesk.say(answered, OPENED + 2 * HOUR, AGENT)
        # The answer to one that waits, in the audit that ends its waiting.
        zendesk.change(waited, OPENED + 2 * HOUR, status="open")
        zendesk.say(waited, OPENED + 3 * HOUR, AGENT, status="solved")
        zendesk.delete(hidden, OPENED + 3 * HOUR)
        second = night(bare_warehouse, source, OPENED + 5 * HOUR, tmp_path / "target")
    assert second.clocks == {
        str(answered.id): ("met", 7200, 0),
        str(waited.id): ("met", 5400, 5400),
        str(ignored.id): ("breached", 4 * 3600, 3600),
        # A vendor does not get rid of a breach by deleting its ticket, seen or not.
        str(hidden.id): ("breached", 5 * 3600, 0),
        str(unseen.id): ("breached", 5 * 3600, 0),
    }
    gone = asked(
        bare_warehouse,
        "select ticket_id from raw_zendesk.ticket_deletions where _source_name = %s order by 1",
        SOURCE,
    )
    assert [row["ticket_id"] for row in gone] == sorted([str(hidden.id), str(unseen.id)])
    assert raw_rows_behind(bare_warehouse, SOURCE, str(waited.id)) == [
        ("ticket", "raw_zendesk.tickets"),
        ("ticket", "raw_zendesk.tickets"),
        ("ticket_change", "raw_zendesk.ticket_events"),
        ("ticket_change", "raw_zendesk.ticket_events"),
        ("ticket_change", "raw_zendesk.ticket_events"),
        ("ticket_change", "raw_zendesk.ticket_events"),
        ("ticket_comment", "raw_zendesk.ticket_events"),
    ]
