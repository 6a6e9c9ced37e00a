"""From a real Request Tracker to clocks: what its database knows is what the contract's clocks say, twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vendors.request_tracker import RequestTracker, running_request_tracker
from tests.vendors.serving import connection_to
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import believe, night, raw_rows_behind

pytestmark = pytest.mark.warehouse

SOURCE = "helios_rt"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before Europe's clocks change


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def date_back(rt: RequestTracker, ticket: str, *instants: datetime) -> None:
    """Give the transactions of a ticket that clocks look at these instants, in their order."""
    types = ("Create", "Status", "Set", "Correspond", "Comment")
    ids = [
        key
        for (key,) in rt.sql(
            f"select id from Transactions where ObjectType = 'RT::Ticket' and ObjectId = ?"
            f" and Type in {types} order by id",
            ticket,
        )
    ]
    assert len(ids) == len(instants), (ids, instants)
    for key, at in zip(ids, instants, strict=True):
        rt.sql("update Transactions set Created = ? where id = ?", written(at), key)
    rt.sql(
        "update Tickets set Created = ?, LastUpdated = ? where id = ?",
        written(instants[0]), written(instants[-1]), ticket,
    )  # fmt: skip


def test_what_happened_in_rt_is_what_its_clocks_say(bare_warehouse: BareWarehouse, tmp_path: Path) -> None:
    believe(bare_warehouse, tmp_path / "contracts", source=SOURCE, service="Support", waits="stalled")
    with running_request_tracker("Asia/Kathmandu") as rt:
        answered, waited, noted, elsewhere = (
            rt.open(queue) for queue in ("Support", "Support", "Support", "Network")
        )
        ((ann,),) = rt.sql("select id from Users where Name = 'ann'")
        # The requestor's own words and a comment among colleagues are no answer.
        for ticket in (answered, noted):
            rt.say(ticket, "comment")
            rt.say(ticket, "correspond")
            rt.sql(
                "update Transactions set Creator = ? where id = (select max(id) from Transactions"
                " where Type = 'Correspond' and ObjectId = ?)",
                ann, ticket,
            )  # fmt: skip
        rt.change(waited, Status="stalled")
        rt.say(elsewhere, "correspond")
        first_instants = {
            answered: (OPENED, OPENED + 5 * MINUTE, OPENED + 6 * MINUTE, OPENED + 6 * MINUTE),
            noted: (OPENED, OPENED + 5 * MINUTE, OPENED + 6 * MINUTE, OPENED + 6 * MINUTE),
            waited: (OPENED, OPENED + 30 * MINUTE),
            elsewhere: (OPENED, OPENED + HOUR, OPENED + HOUR),
        }
        for ticket, instants in first_instants.items():
            date_back(rt, ticket, *instants)
        source = connection_to(rt.url, "request_tracker", name=SOURCE)
        first = night(bare_warehouse, source, OPENED + 90 * MINUTE, tmp_path / "target")
        assert first.clocks == {
            answered: ("running", 5400, 0),
            noted: ("running", 5400, 0),
            waited: ("running", 1800, 3600),
        }
        rt.say(answered, "correspond")
        date_back(rt, answered, *first_instants[answered], OPENED + 2 * HOUR)
        rt.change(waited, Status="open", Queue="Support")
        rt.say(waited, "correspond")
        date_back(rt, waited, *first_instants[waited], OPENED + 2 * HOUR, OPENED + 3 * HOUR)
        second = night(bare_warehouse, source, OPENED + 5 * HOUR, tmp_path / "target")
    assert second.clocks == {
        answered: ("met", 7200, 0),
        noted: ("breached", 5 * 3600, 0),
        waited: ("met", 5400, 5400),
    }
    assert raw_rows_behind(bare_warehouse, SOURCE, waited) == [
        ("ticket", "raw_request_tracker.tickets"),
        ("ticket", "raw_request_tracker.tickets"),
        ("ticket_change", "raw_request_tracker.transactions"),
        ("ticket_change", "raw_request_tracker.transactions"),
        ("ticket_comment", "raw_request_tracker.transactions"),
    ]
