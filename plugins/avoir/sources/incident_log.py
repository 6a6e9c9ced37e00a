"""A ServiceNow incident event log exported as CSV: one row per update of an incident.

The format is that of the UCI data set "Incident management process enriched event log". Its dates are
``day/month/year hour:minute`` without a zone, and half of them would also parse month first: only that one
format is accepted, and the zone is an option of the connection. ``?`` means unknown and is landed as given.

What is not landed, with its reason code:

==========================  =====================================================================
``missing_key``             no incident number, or a count of modifications that is no number
``bad_instant``             a date in another format, or an instant that the zone's clock skipped
``missing_instant``         the update has no date
``unknown_state``           state ``-100``, the export's mark for "no such state": the row says
                            that something changed but not to what; the rows around it say enough
``conflicting_version``     another row of the same incident and modification count says something
                            else; the one with the later update wins, of equals the greater text
==========================  =====================================================================

Rows that repeat in full are landed once and counted as duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from avoir.sources.csv_file import CsvFile, Record
from avoir.sources.declared_instants import InstantFormat, zone_of
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    System,
    Table,
    Window,
    text_columns,
)

EXPORT_COLUMNS = (
    "number", "incident_state", "active", "reassignment_count", "reopen_count", "sys_mod_count",
    "made_sla", "caller_id", "opened_by", "opened_at", "sys_created_by", "sys_created_at",
    "sys_updated_by", "sys_updated_at", "contact_type", "location", "category", "subcategory",
    "u_symptom", "cmdb_ci", "impact", "urgency", "priority", "assignment_group", "assigned_to",
    "knowledge", "u_priority_confirmation", "notify", "problem_id", "rfc", "vendor", "caused_by",
    "closed_code", "resolved_by", "resolved_at", "closed_at",
)  # fmt: skip

INCIDENT_EVENTS = Table(
    "incident_events",
    # The export's columns, and the zone its instants are to be read in.
    text_columns(*EXPORT_COLUMNS, "source_timezone"),
    key=("number", "sys_mod_count"),
    updated="sys_updated_at",
    subject="number",
)

UNKNOWN = "?"
INSTANT_FORMAT = "%d/%m/%Y %H:%M"
_REQUIRED_INSTANTS = ("opened_at", "sys_updated_at")
_OPTIONAL_INSTANTS = ("sys_created_at", "resolved_at", "closed_at")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every event of the file that was written inside the window."""
    del landed
    table = INCIDENT_EVENTS
    zone: ZoneInfo = source.option("timezone")
    export = CsvFile.read(source, source.path, EXPORT_COLUMNS)
    kept: dict[tuple[str, str], tuple[datetime, Record]] = {}
    landing: list[Record] = []
    for record in export.records(table.name):
        if isinstance(record, Rejected):
            yield record
            continue
        problem = _problem(record, zone)
        if problem is not None:
            yield export.rejected(table.name, record, *problem)
            continue
        updated_at = parse_instant(record.cells["sys_updated_at"], zone)
        if updated_at not in window:
            continue
        key = (record.cells["number"], record.cells["sys_mod_count"])
        known = kept.get(key)
        if known is None or known[1].cells == record.cells:
            kept.setdefault(key, (updated_at, record))
            landing.append(record)
            continue
        winner, loser = _ranked(known, (updated_at, record))
        kept[key] = winner
        landing = [other for other in landing if other.cells != loser[1].cells]
        if winner[1] is record:
            landing.append(record)
        reason = f"row {winner[1].number} tells modification {key[1]} of {key[0]} otherwise and is newer"
        yield export.rejected(table.name, loser[1], "conflicting_version", reason)
    landing.sort(key=lambda record: record.number)
    yield Rows(
        table.name,
        [(*record.values(EXPORT_COLUMNS), zone.key) for record in landing],
        [record.number for record in landing],
        export.file,
    )


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """An instant written day first in a zone, in UTC; an hour that occurs twice is its first occurrence.

    Raises:
        ValueError: another format, or an hour the zone's clock skipped.
    """
    return InstantFormat(INSTANT_FORMAT, zone).read(text)


def _problem(record: Record, zone: ZoneInfo) -> tuple[str, str] | None:
    cells = record.cells
    if cells["number"] in ("", UNKNOWN):
        return "missing_key", "the incident has no number"
    if not cells["sys_mod_count"].isdecimal():
        return "missing_key", f"sys_mod_count is not a number: {cells['sys_mod_count']!r}"
    for name in _REQUIRED_INSTANTS:
        if cells[name] in ("", UNKNOWN):
            return "missing_instant", f"{name} is unknown"
    for name in (*_REQUIRED_INSTANTS, *_OPTIONAL_INSTANTS):
        if cells[name] in ("", UNKNOWN):
            continue
        try:
            parse_instant(cells[name], zone)
        except ValueError:
            return "bad_instant", f"{name} is not day/month/year hour:minute in {zone.key}: {cells[name]!r}"
    if cells["incident_state"] in ("", UNKNOWN, "-100"):
        return "unknown_state", f"incident_state is {cells['incident_state']!r}, which says nothing"
    return None


def _ranked(
    one: tuple[datetime, Record], other: tuple[datetime, Record]
) -> tuple[tuple[datetime, Record], tuple[datetime, Record]]:
    """The winner and the loser of two versions of one event, by content and not by place in the file."""
    first, second = sorted((one, other), key=lambda item: (item[0], item[1].payload()), reverse=True)
    return first, second


SYSTEM = System(
    name="incident_log",
    tables=(INCIDENT_EVENTS,),
    fetch=fetch,
    # An export is replaced as a whole: rows of any age may be in it for the first time.
    overlap=timedelta(days=36500),
    reads="files",
    options={"timezone": Option(required=True, check=zone_of)},
)
