"""Two days at a Redmine's service desk, and what clocks must say of them: the same for any Redmine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from avoir.sources.model import SourceConnection
from tests.vendors.redmine import AGENT, COLLEAGUE, CUSTOMER
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked, believe, night, raw_rows_behind

SOURCE = "helios_redmine"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before Europe's clocks change
WORKS, WAITS, CLOSED = 2, 3, 5
LOW = 1
TEAMS = "fct_ticket_clock_teams"

#: Beside the first answer: done within eight hours, an issue that is opened again going on.
SOLUTION = """\
      - id: SOLUTION
        title: Solution
        text: Within eight hours
        service: support
        indicator:
          kind: clock
          calendar: always
          start: [{field: created}]
          stop: [{field: state, value: Closed}]
          pause: [{field: state, value: Waiting}]
          reopen: {on: [{field: state, value: In Progress}], policy: resume}
        objective: {operator: "<=", value: 8, unit: hours}
        penalty: {formula: fixed_per_event, amount: "10.00"}
"""


class Issue(Protocol):
    """An issue by its number."""

    @property
    def id(self) -> int: ...


class Desk(Protocol):
    """A Redmine in which things happen when they are said to."""

    def open(self, at: datetime, *, project: str = ..., author: int = ..., status: int = ...) -> Any: ...

    def change(
        self,
        issue: Any,
        at: datetime,
        *,
        author: int = ...,
        notes: str = ...,
        private: bool = ...,
        **fields: Any,
    ) -> Any: ...

    def delete(self, issue: Any) -> None: ...


def two_nights(warehouse: BareWarehouse, folder: Path, desk: Desk, source: SourceConnection) -> None:
    """Let it all happen, load and build after either day, and hold what was built to what happened."""
    believe(
        warehouse, folder / "contracts", source=SOURCE, service="Support", waits="Waiting", clauses=SOLUTION
    )
    answered, waited, hidden, again, late = (desk.open(OPENED) for _ in range(5))
    # Opened waiting, as the first change's old value says.
    ignored = desk.open(OPENED, status=WAITS)
    elsewhere = desk.open(OPENED, project="network")
    # A private note and the author's own words are no answer.
    desk.change(answered, OPENED + 5 * MINUTE, notes="Hm.", private=True)
    desk.change(answered, OPENED + 6 * MINUTE, author=CUSTOMER, notes="Hello?")
    desk.change(again, OPENED + 10 * MINUTE, status_id=WORKS, assigned_to_id=AGENT)
    # What is said in private is so; what is changed with it is not.
    desk.change(waited, OPENED + 30 * MINUTE, status_id=WAITS, priority_id=LOW, notes="Hm.", private=True)
    desk.change(again, OPENED + 30 * MINUTE, notes="Solved.", status_id=CLOSED)
    desk.change(ignored, OPENED + HOUR, status_id=WORKS, assigned_to_id=AGENT)
    desk.change(elsewhere, OPENED + HOUR, notes="We look.")
    first = night(warehouse, source, OPENED + 90 * MINUTE, folder / "target", TEAMS)
    assert first.report.rows_rejected == 0
    assert first.clocks == {
        str(answered.id): ("running", 5400, 0),
        str(waited.id): ("running", 1800, 3600),
        str(ignored.id): ("running", 1800, 3600),
        str(hidden.id): ("running", 5400, 0),
        str(again.id): ("met", 1800, 0),
        str(late.id): ("running", 5400, 0),
    }
    assert closed(warehouse) == {str(again.id): OPENED + 30 * MINUTE}

    # Saved before the first night looked, seen after it.
    desk.change(late, OPENED + 80 * MINUTE, notes="We look.")
    desk.change(answered, OPENED + 2 * HOUR, notes="We look.")
    desk.change(waited, OPENED + 2 * HOUR, status_id=WORKS)
    desk.change(again, OPENED + 2 * HOUR, author=CUSTOMER, notes="Not at all.", status_id=WORKS)
    # An answer and the end of it, in one journal.
    desk.change(waited, OPENED + 3 * HOUR, notes="Solved.", status_id=CLOSED)
    desk.change(again, OPENED + 3 * HOUR, assigned_to_id=COLLEAGUE)
    desk.change(waited, OPENED + 4 * HOUR, author=CUSTOMER, notes="Thank you.")
    desk.delete(hidden)
    second = night(warehouse, source, OPENED + 5 * HOUR, folder / "target", TEAMS)
    assert second.report.rows_rejected == 0
    assert second.clocks == {
        str(answered.id): ("met", 7200, 0),
        str(waited.id): ("met", 5400, 5400),
        str(ignored.id): ("breached", 4 * 3600, 3600),
        # A vendor does not get rid of a breach by deleting its ticket.
        str(hidden.id): ("breached", 5 * 3600, 0),
        str(again.id): ("met", 1800, 0),
        str(late.id): ("met", 4800, 0),
    }
    assert solution(warehouse, waited) == ("met", 5400, {})
    assert solution(warehouse, again) == ("running", 12_600, {str(AGENT): 4800, str(COLLEAGUE): 7200})
    # Whoever says thank you closes nothing, and what was opened again is not closed.
    assert closed(warehouse) == {str(waited.id): OPENED + 3 * HOUR}
    gone = asked(
        warehouse, "select issue_id from raw_redmine.issue_deletions where _source_name = %s", SOURCE
    )
    assert gone == [{"issue_id": str(hidden.id)}]
    assert raw_rows_behind(warehouse, SOURCE, str(waited.id)) == [
        ("ticket", "raw_redmine.issues"),
        ("ticket", "raw_redmine.issues"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_change", "raw_redmine.journal_entries"),
        ("ticket_comment", "raw_redmine.journal_entries"),
        ("ticket_comment", "raw_redmine.journal_entries"),
        ("ticket_comment", "raw_redmine.journal_entries"),
    ]


def solution(warehouse: BareWarehouse, issue: Issue) -> tuple[str, int, dict[str, int]]:
    """Outcome and seconds of an issue's solution, and the seconds of each who had it."""
    (clock,) = asked(
        warehouse,
        "select clock_id, outcome, business_seconds from facts.fct_ticket_clocks"
        " where source_name = %s and ticket_number = %s and clause_id = 'SOLUTION'",
        SOURCE,
        str(issue.id),
    )
    teams = asked(
        warehouse,
        f"select team_name, business_seconds from facts.{TEAMS} where clock_id = %s",
        clock["clock_id"],
    )
    held = {row["team_name"]: int(row["business_seconds"]) for row in teams}
    return clock["outcome"], clock["business_seconds"], held


def closed(warehouse: BareWarehouse) -> dict[str, datetime]:
    """When issues were closed that are."""
    rows = asked(
        warehouse,
        "select ticket_number, to_timestamp(resolved_us / 1000000) as at from intermediate.int_tickets"
        " where source_name = %s and resolved_us is not null",
        SOURCE,
    )
    return {row["ticket_number"]: row["at"] for row in rows}
