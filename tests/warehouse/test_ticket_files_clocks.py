"""From files that a vendor drops to clocks: what they say happened is what the clocks say, twice."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from avoir.sources.model import SourceConnection
from avoir.sources.ticket_files import SYSTEM
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import believe, night, raw_rows_behind

pytestmark = pytest.mark.warehouse

SOURCE = "helios_files"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPENED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before Europe's clocks change
PARIS = ZoneInfo("Europe/Paris")
TICKETS = ("Number", "Opened", "Changed", "Product", "Caller", "Status")
LOG = ("Number", "When", "Who", "Status", "Reply", "Note")
OPTIONS = {
    "instant_format": "%d/%m/%Y %H:%M:%S",
    "timezone": "Europe/Paris",
    "delimiter": ";",
    "encoding": "cp1252",
    "tickets": {
        "files": "tickets*",
        "columns": {"ticket": "Number", "opened": "Opened", "updated": "Changed", "service": "Product",
                    "requester": "Caller", "state": "Status"},
    },
    "events": {
        "files": "log*",
        "columns": {"ticket": "Number", "at": "When", "author": "Who", "state": "Status",
                    "public_comment": "Reply", "private_note": "Note"},
    },
}  # fmt: skip


def written(at: datetime) -> str:
    return at.astimezone(PARIS).strftime("%d/%m/%Y %H:%M:%S")


def put(path: Path, content: bytes, at: datetime) -> None:
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))


def drop_tickets(folder: Path, at: datetime, states: dict[str, str], service: str = "Prödukte") -> None:
    """All tickets as they are now, semicolons between their columns and in the letters of western Europe."""
    rows: list[Sequence[str]] = [TICKETS]
    for number, state in states.items():
        product = "Elsewhere" if number == "elsewhere" else service
        rows.append((number, written(OPENED), written(at), product, "Zoé", state))
    text = "".join(";".join(row) + "\r\n" for row in rows)
    put(folder / f"tickets-{at:%H%M}.csv", text.encode("cp1252"), at)


def drop_log(folder: Path, at: datetime, events: Sequence[tuple[str, datetime, str, str, str, str]]) -> None:
    """The whole log again, as a workbook whose clock is that of Paris."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(LOG)
    for number, when, *said in events:
        sheet.append([number, when.astimezone(PARIS).replace(tzinfo=None), *said])
    buffer = io.BytesIO()
    book.save(buffer)
    put(folder / f"log-{at:%H%M}.xlsx", buffer.getvalue(), at)


def test_what_dropped_files_say_is_what_their_clocks_say(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    believe(bare_warehouse, tmp_path / "contracts", source=SOURCE, service="Prödukte", waits="Waiting")
    folder = tmp_path / "drop"
    folder.mkdir()
    filled = {name: one.check(OPTIONS.get(name, one.default)) for name, one in SYSTEM.options.items()}
    source = SourceConnection(SOURCE, SYSTEM.name, str(folder), OPENED - HOUR, options=filled)
    log = [
        ("answered", OPENED, "Zoé", "New", "", ""),
        # A note among colleagues and the caller's own words are no answer.
        ("answered", OPENED + 5 * MINUTE, "Bo", "New", "", "Hm."),
        ("answered", OPENED + 6 * MINUTE, "Zoé", "New", "Hello?", ""),
        ("waited", OPENED, "Zoé", "New", "", ""),
        ("waited", OPENED + 30 * MINUTE, "Bo", "Waiting", "", ""),
        ("ignored", OPENED, "Zoé", "Waiting", "", ""),
        ("ignored", OPENED + HOUR, "Bo", "Open", "", ""),
        ("elsewhere", OPENED + HOUR, "Bo", "Open", "We look.", ""),
    ]
    first_instant = OPENED + 90 * MINUTE
    states = {"answered": "New", "waited": "Waiting", "ignored": "Open", "elsewhere": "Open"}
    drop_tickets(folder, first_instant - MINUTE, states)
    drop_log(folder, first_instant - MINUTE, log)
    first = night(bare_warehouse, source, first_instant, tmp_path / "target")
    assert first.clocks == {
        "answered": ("running", 5400, 0),
        "waited": ("running", 1800, 3600),
        "ignored": ("running", 1800, 3600),
    }
    log += [
        ("answered", OPENED + 2 * HOUR, "Bo", "New", "We look.", ""),
        ("waited", OPENED + 2 * HOUR, "Bo", "Open", "", ""),
        ("waited", OPENED + 3 * HOUR, "Bo", "Done", "Solved.", ""),
    ]
    drop_tickets(folder, OPENED + 4 * HOUR, {**states, "waited": "Done"})
    drop_log(folder, OPENED + 4 * HOUR, log)
    second = night(bare_warehouse, source, OPENED + 5 * HOUR, tmp_path / "target")
    assert second.clocks == {
        "answered": ("met", 7200, 0),
        "waited": ("met", 5400, 5400),
        "ignored": ("breached", 4 * 3600, 3600),
    }
    # Each delivery repeats what came before: what it repeats lands once.
    assert second.report.landed_by_table["ticket_events"] == 4
    assert raw_rows_behind(bare_warehouse, SOURCE, "waited") == [
        ("ticket", "raw_ticket_files.tickets"),
        ("ticket", "raw_ticket_files.tickets"),
        ("ticket_change", "raw_ticket_files.ticket_events"),
        ("ticket_change", "raw_ticket_files.ticket_events"),
        ("ticket_change", "raw_ticket_files.ticket_events"),
        ("ticket_change", "raw_ticket_files.ticket_events"),
        ("ticket_comment", "raw_ticket_files.ticket_events"),
    ]
