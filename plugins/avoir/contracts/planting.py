"""Worked tests as rows: each test becomes a contract and a small vendor of its own in a scratch warehouse.

A test is planted where vendors' systems land, so the very models of the night read it: tickets, releases
and planned work as a ServiceNow instance gives them, samples as a Prometheus, invoices as EN 16931
documents. Every test has its own contract, source and instant (``judged_as_of``); only calendars are
shared, by content.

What a test does not say is as docs/contract-format.md promises: it sees the months that it names, each
version clipped to them, and a service about which it says nothing was up throughout and was measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from avoir.contracts.calendars import EPOCH, calendar_days
from avoir.contracts.instants import instant_of, instant_us, microseconds
from avoir.contracts.model import (
    AvailabilityIndicator,
    AvailabilityMethod,
    EventOfTest,
    InvoiceKind,
    ReleaseOfTest,
    TicketField,
    TicketOfTest,
    WorkedTest,
    json_ready,
)
from avoir.contracts.resolving import ResolvedVersion
from avoir.contracts.rows import Names, Row, Tables, excluded, header_row, part_rows

_SHARED = "shared"
_LONG_AGO = date(1970, 1, 1)
# No id of a contract file can be this: the service of a document that no service of the contract claims.
_OWNER = "(contract)"
_CALENDAR_MARGIN = timedelta(days=40)
# Where a test states downtime and not probes, the state is known throughout: samples need not be dense.
_SPARSE_INTERVAL_SECONDS = 86_400
_DAY_US = 86_400_000_000
# What happens on a date happens as the date begins. Of one day, in microseconds: the approval of an earlier
# date comes before the request of the next, and its own approval after it.
_APPROVED, _REQUESTED, _APPROVED_AT_ONCE, _TURN = 1, 2, 3, 10

_RAW_COLUMNS = {
    "raw_servicenow.incident": (
        "sys_id", "number", "opened_at", "state", "hold_reason", "priority", "assignment_group",
        "business_service", "caller_id",
    ),
    "raw_servicenow.sys_audit": (
        "sys_id", "tablename", "documentkey", "fieldname", "oldvalue", "newvalue", "record_checkpoint",
        "sys_created_on",
    ),
    "raw_servicenow.sys_journal_field": (
        "sys_id", "name", "element_id", "element", "sys_created_on", "sys_created_by",
    ),
    "raw_servicenow.rm_release": (
        "sys_id", "number", "business_service", "end_date", "approval", "work_end", "sys_created_on",
    ),
    "raw_servicenow.cmdb_ci_outage": (
        "sys_id", "business_service", "type", "begin_at", "end_at", "sys_created_on",
    ),
    "raw_prometheus.samples": ("monitor", "sampled_at", "value"),
    "raw_einvoice.invoices": (
        "document_id", "type_code", "invoice_number", "issue_date", "currency", "seller_name",
        "preceding_invoice", "period_start", "tax_basis_total", "line_count", "received_at",
    ),
    "raw_einvoice.invoice_lines": ("document_id", "line_no", "item_id", "net_amount", "period_start"),
}  # fmt: skip
_WITHOUT_HASH = ("raw_prometheus.samples",)
RAW_COLUMNS = {
    table: (
        *("_source_name", "_batch_id", "_source_row"),
        *(() if table in _WITHOUT_HASH else ("_row_hash",)),
        *columns,
    )
    for table, columns in _RAW_COLUMNS.items()
}
"""Columns of the raw tables that a test is planted in, in the order of its rows."""

_COMMENTS = {
    TicketField.PUBLIC_COMMENT_VENDOR: ("comments", "agent"),
    TicketField.PUBLIC_COMMENT_CUSTOMER: ("comments", "caller"),
    TicketField.PRIVATE_NOTE: ("work_notes", "agent"),
    TicketField.AUTO_REPLY: ("comments", "system"),
}


@dataclass(frozen=True)
class PlantedCase:
    """A test, the versions it judges by, and the name of its contract in the scratch warehouse."""

    number: int
    versions: Sequence[ResolvedVersion]
    test: WorkedTest

    @property
    def contract_id(self) -> str:
        """The name of the scratch copy."""
        return f"t{self.number}"

    @property
    def timezone(self) -> str:
        """The contract's zone."""
        return self.versions[0].contract.timezone


@dataclass
class Planted:
    """Rows by table of ``reference`` and the raw schemas, and the latest instant of any case."""

    reference: Tables = field(default_factory=dict)
    raw: Tables = field(default_factory=dict)
    as_of_us: int = 0

    def add(self, tables: Tables, rows: dict[str, list[Row]]) -> None:
        """Append rows to some tables."""
        for table, more in rows.items():
            tables.setdefault(table, []).extend(more)


@dataclass(frozen=True, slots=True)
class Window:
    """The months that a test sees, in the contract's zone, and the instant it is judged at."""

    first: date
    end: date
    from_us: int
    to_us: int
    as_of_us: int


def midnight_us(day: date, timezone: str) -> int:
    """Return the first instant of a local date, in microseconds since 1970-01-01 UTC."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)))


def _noon_us(day: date, timezone: str) -> int:
    return microseconds(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(timezone)))


def next_month(month: date) -> date:
    """Return the first day of the month after that of a date."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def window_of(test: WorkedTest, timezone: str) -> Window:
    """Return the months from the first to the last that a test names, and its instant.

    Raises:
        ValueError: the test names no month at all.
    """
    zone = ZoneInfo(timezone)

    def local(us: int) -> date:
        return instant_of(us).astimezone(zone).date()

    days = [local(instant_us(event.at, timezone)) for ticket in test.tickets for event in ticket.events]
    for stretch in (*test.downtime, *test.probes, *test.maintenance):
        # The end is not held by a stretch: one that ends with a month does not name the next.
        days += [local(instant_us(stretch.from_, timezone)), local(instant_us(stretch.to, timezone) - 1)]
    for one in test.exclusions:
        if one.from_ is not None and one.to is not None:
            days += [local(instant_us(one.from_, timezone)), local(instant_us(one.to, timezone) - 1)]
    for release in test.releases:
        days += [release.due, *([release.delivered] if release.delivered else [])]
        for replan in release.replans:
            days += [day for day in (replan.requested, replan.approved, replan.due) if day is not None]
    months = [invoice.month for invoice in test.invoices]
    months += [row.month for row in test.expect if row.month is not None]
    days += [date.fromisoformat(f"{month}-01") for month in months]
    if not days:
        msg = f"the test {test.name!r} names no month"
        raise ValueError(msg)
    first, end = min(days).replace(day=1), next_month(max(days))
    to_us = midnight_us(end, timezone)
    as_of_us = instant_us(test.as_of, timezone) if test.as_of else to_us
    return Window(first, end, midnight_us(first, timezone), to_us, as_of_us)


def plant(cases: Iterable[PlantedCase]) -> Planted:
    """Return the rows of all cases, each under names of its own."""
    planted = Planted()
    calendars: dict[str, tuple[str, ResolvedVersion, str, date, date]] = {}
    for case in cases:
        window = window_of(case.test, case.timezone)
        planted.as_of_us = max(planted.as_of_us, window.as_of_us)
        versions = list(_clipped(case, window))
        for version in versions:
            names = _names(case, version, window, calendars)
            planted.add(planted.reference, _reference_rows(case, version, names, window))
        planted.add(planted.reference, _belief_rows(case))
        planted.add(planted.raw, _raw_rows(case, versions, window))
    planted.add(planted.reference, _calendar_rows(calendars))
    return planted


def _clipped(case: PlantedCase, window: Window) -> Iterator[ResolvedVersion]:
    for version in case.versions:
        valid_from, valid_to = max(version.valid_from, window.first), min(version.valid_to, window.end)
        if valid_from < valid_to:
            yield replace(version, valid_from=valid_from, valid_to=valid_to)


def _names(
    case: PlantedCase,
    version: ResolvedVersion,
    window: Window,
    calendars: dict[str, tuple[str, ResolvedVersion, str, date, date]],
) -> Names:
    ids: dict[str, str] = {}
    for name, calendar in version.calendars.items():
        content = json_ready(calendar) | {"id": "", "timezone": calendar.timezone}
        key = json.dumps(content, sort_keys=True)
        known = calendars.get(key)
        calendar_id = known[0] if known else f"{_SHARED}/{len(calendars)}"
        first, end = window.first - _CALENDAR_MARGIN, window.end + _CALENDAR_MARGIN
        as_of = instant_of(window.as_of_us).date() + _CALENDAR_MARGIN
        end = max(end, as_of)
        if known:
            first, end = min(first, known[3]), max(end, known[4])
        calendars[key] = (calendar_id, version, name, first, end)
        ids[name] = calendar_id
    return Names(f"{case.contract_id}:{version.version_no}", case.contract_id, ids)


def _calendar_rows(calendars: dict[str, tuple[str, ResolvedVersion, str, date, date]]) -> Tables:
    rows: Tables = {"calendars": [], "calendar_days": []}
    for calendar_id, version, name, first, end in calendars.values():
        calendar = version.calendars[name]
        rows["calendars"].append((calendar_id, _SHARED, calendar.timezone))
        days = calendar_days(calendar, first, end)
        rows["calendar_days"] += [(calendar_id, *day.row()) for day in days]
    return rows


def _reference_rows(case: PlantedCase, version: ResolvedVersion, names: Names, window: Window) -> Tables:
    as_of = instant_of(window.as_of_us)
    probed = {stretch.service for stretch in case.test.probes}
    clauses = {
        clause_id: clause
        if not isinstance(clause.indicator, AvailabilityIndicator) or clause.service in probed
        else clause.model_copy(
            update={
                "indicator": clause.indicator.model_copy(
                    update={"probe_interval_seconds": _SPARSE_INTERVAL_SECONDS}
                )
            }
        )
        for clause_id, clause in version.clauses.items()
    }
    rows = part_rows(replace(version, clauses=clauses), names)
    del rows["calendars"]
    header = header_row(version, names, file_path="", recorded_at=EPOCH)
    rows["contract_versions"] = [(*header, as_of)]
    kinds = ("ticket", "release", "maintenance", "invoice_line")
    rows["service_keys"] = [
        (names.contract_version_id, service_id, case.contract_id, kind, service_id)
        for service_id in version.services
        for kind in kinds
    ]
    rows["service_keys"] += [
        (names.contract_version_id, service_id, case.contract_id, "monitor", monitor)
        for service_id in version.services
        for monitor, _ in _monitors(version, service_id)
    ]
    rows["services"].append((names.contract_version_id, _OWNER, "The contract itself", "invoice_lines", None))
    owner = (names.contract_version_id, _OWNER, case.contract_id, "invoice_line", _OWNER)
    rows["service_keys"].append(owner)
    return rows


def _belief_rows(case: PlantedCase) -> Tables:
    contract, test = case.versions[0].contract, case.test
    values = {
        (index, month): value
        for stated in (contract.index_values, test.index_values)
        for index, by_month in stated.items()
        for month, value in by_month.items()
    }
    stated_here = [(f"test-{number}", one) for number, one in enumerate(test.exclusions)]
    return {
        "index_values": [
            (case.contract_id, index, date.fromisoformat(f"{month}-01"), value, EPOCH, None)
            for (index, month), value in values.items()
        ],
        "exclusion_decisions": [
            *(
                (case.contract_id, name, *excluded(one, contract.timezone), _LONG_AGO, EPOCH, None)
                for name, one in stated_here
            ),
            *(
                (case.contract_id, one.id, *excluded(one, contract.timezone), one.accepted_on, EPOCH, None)
                for one in contract.exclusion_decisions
            ),
        ],
    }


# --- Raw rows ---------------------------------------------------------------------------------------------


class _Sheet:
    """Rows of one case in the raw tables, numbered as they come."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.rows: Tables = {}

    def write(self, table: str, *values: object) -> None:
        rows = self.rows.setdefault(table, [])
        row_hash = () if table in _WITHOUT_HASH else (str(len(rows)),)
        rows.append((self.source, 1, len(rows) + 1, *row_hash, *values))


def _text(us: int) -> str:
    """Return an instant as ServiceNow gives it, in UTC."""
    return instant_of(us).strftime("%Y-%m-%d %H:%M:%S.%f")


def _raw_rows(case: PlantedCase, versions: Sequence[ResolvedVersion], window: Window) -> Tables:
    sheet = _Sheet(case.contract_id)
    for ticket in case.test.tickets:
        _write_ticket(sheet, ticket, case.timezone, window.as_of_us)
    for release in case.test.releases:
        _write_release(sheet, release, case.timezone, window)
    for number, planned in enumerate(case.test.maintenance):
        announced = instant_us(planned.announced, case.timezone)
        if announced < window.as_of_us:
            begin, end = (instant_us(text, case.timezone) for text in (planned.from_, planned.to))
            times = (_text(begin), _text(end), _text(announced))
            sheet.write("raw_servicenow.cmdb_ci_outage", str(number), planned.service, "planned", *times)
    # Of two samples of one instant the one that the test names last lands last.
    for monitor, at_us, is_up in sorted(_samples(case, versions, window), key=lambda one: one[:2]):
        if at_us < window.as_of_us:
            sampled_at = instant_of(at_us)
            sheet.write("raw_prometheus.samples", monitor, sampled_at, 1 if is_up else 0)
    _write_invoices(sheet, case, versions)
    return sheet.rows


def _write_ticket(sheet: _Sheet, ticket: TicketOfTest, timezone: str, as_of_us: int) -> None:
    written = [(instant_us(event.at, timezone), event) for event in ticket.events]
    created_us = written[0][0]
    if created_us >= as_of_us:
        return
    # In time; events of one instant in the order of the test.
    seen = [written[0], *sorted((one for one in written[1:] if one[0] < as_of_us), key=lambda one: one[0])]
    values: dict[TicketField, str] = {}
    for number, (at_us, event) in enumerate(seen[1:], start=1):
        _write_event(sheet, ticket.ticket, number, at_us, event, values, is_initial=at_us == created_us)
    held = (TicketField.STATE, TicketField.HOLD_REASON, TicketField.PRIORITY, TicketField.ASSIGNMENT_GROUP)
    sheet.write(
        "raw_servicenow.incident",
        ticket.ticket,
        ticket.ticket,
        _text(created_us),
        *(values.get(name, "") for name in held),
        ticket.service,
        "caller",
    )


def _write_event(
    sheet: _Sheet,
    ticket: str,
    number: int,
    at_us: int,
    event: EventOfTest,
    values: dict[TicketField, str],
    *,
    is_initial: bool,
) -> None:
    key = f"{ticket}:{number:06d}"
    if event.field in _COMMENTS:
        element, author = _COMMENTS[event.field]
        sheet.write(
            "raw_servicenow.sys_journal_field", key, "incident", ticket, element, _text(at_us), author
        )
        return
    value = event.value or ""
    if not (is_initial and event.field not in values):
        sheet.write(
            "raw_servicenow.sys_audit",
            key,
            "incident",
            ticket,
            str(event.field),
            values.get(event.field, ""),
            value,
            str(number),
            _text(at_us),
        )
    values[event.field] = value


def _write_release(sheet: _Sheet, release: ReleaseOfTest, timezone: str, window: Window) -> None:
    key, as_of_us = release.release, window.as_of_us
    asked = sorted(release.replans, key=lambda one: one.requested)
    replans = [one for one in asked if midnight_us(one.requested, timezone) + _REQUESTED < as_of_us]
    # The first plan is as old as the release, which was there before anything that the test names.
    planned = min(window.first, *(one.requested for one in release.replans), release.due) - timedelta(days=1)
    created_us = midnight_us(planned, timezone)
    audits: list[tuple[int, str, str, str]] = []
    if release.approved:
        audits.append((created_us + 1, "approval", "requested", "approved"))
    due = release.due
    for number, one in enumerate(replans):
        at_us = midnight_us(one.requested, timezone) + _REQUESTED + number * _TURN
        old_due, new_due = (_text(_noon_us(day, timezone)) for day in (due, one.due))
        audits.append((at_us, "end_date", old_due, new_due))
        following = replans[number + 1].requested if number + 1 < len(replans) else None
        # An approval that comes after another date was asked for approves nothing (DECISIONS 24), and an
        # instance could not tell whose it is.
        if one.approved is not None and (following is None or one.approved <= following):
            at_once_us = _APPROVED_AT_ONCE + number * _TURN
            later_us = at_once_us if one.approved == one.requested else _APPROVED
            approved_us = midnight_us(one.approved, timezone) + later_us
            audits.append((approved_us, "approval", "requested", "approved"))
        due = one.due
    for number, (at_us, name, old, new) in enumerate(audits):
        if at_us < as_of_us:
            row = (f"{key}:{number:06d}", "rm_release", key, name, old, new, str(number), _text(at_us))
            sheet.write("raw_servicenow.sys_audit", *row)
    delivered = midnight_us(release.delivered, timezone) if release.delivered else None
    sheet.write(
        "raw_servicenow.rm_release",
        key,
        key,
        release.service,
        _text(_noon_us(due, timezone)),
        "approved" if release.approved else "requested",
        _text(delivered) if delivered is not None and delivered < as_of_us else "",
        _text(created_us),
    )


def _monitors(version: ResolvedVersion, service_id: str) -> Iterator[tuple[str, str]]:
    """Yield, for each monitor of a service, its name in the scratch warehouse and the value of its key."""
    for key in version.monitors(service_id):
        yield f"{service_id}/{key.source}/{key.value}", key.value


def _samples(
    case: PlantedCase, versions: Sequence[ResolvedVersion], window: Window
) -> Iterator[tuple[str, int, bool]]:
    """Yield monitor, instant and state of every probe: those of the test, else enough to know every state."""
    test = case.test
    monitors: dict[str, dict[str, str]] = {}
    for version in versions:
        for service_id in version.services:
            monitors.setdefault(service_id, {}).update(_monitors(version, service_id))

    def named(service: str, value: str | None) -> list[str]:
        """The monitors of a service whose key has a value; all of them where none is named."""
        return [name for name, key in monitors.get(service, {}).items() if value is None or key == value]

    for probes in test.probes:
        begin, end = (instant_us(text, case.timezone) for text in (probes.from_, probes.to))
        names = named(probes.service, probes.monitor)
        for at_us in range(begin, end, probes.every_seconds * 1_000_000):
            for name in names:
                yield name, at_us, probes.state == "up"
    probed = {probes.service for probes in test.probes}
    downtime: dict[str, list[tuple[int, int]]] = {}
    for stretch in test.downtime:
        ends = (instant_us(stretch.from_, case.timezone), instant_us(stretch.to, case.timezone))
        for name in named(stretch.service, stretch.monitor):
            downtime.setdefault(name, []).append(ends)
    instants: dict[str, set[int]] = {}
    for version in versions:
        for clause in version.clauses.values():
            if not isinstance(clause.indicator, AvailabilityIndicator) or clause.service in probed:
                continue
            at = set(_watched(case, version, clause.service, clause.indicator, window))
            for name, _ in _monitors(version, clause.service):
                ends_of_outages = {us for pair in downtime.get(name, ()) for us in pair}
                instants.setdefault(name, set()).update(at | ends_of_outages)
    for name, at in instants.items():
        # Up before the months that the test sees: an outage that begins with them is no longer than it says.
        yield name, window.from_us - _DAY_US, True
        for at_us in at:
            if window.from_us <= at_us < window.to_us:
                is_down = any(begin <= at_us < end for begin, end in downtime.get(name, ()))
                yield name, at_us, not is_down


def _watched(
    case: PlantedCase,
    version: ResolvedVersion,
    service: str,
    indicator: AvailabilityIndicator,
    window: Window,
) -> Iterator[int]:
    """Yield the instants of samples from which a clause knows the state of a service at every instant."""
    begins = set(range(window.from_us, window.to_us, _DAY_US))
    if indicator.method is AvailabilityMethod.MEAN_OF_SLICES and indicator.slice_seconds:
        for begin, end in _parts(version, case.timezone):
            begins.update(range(begin, end, indicator.slice_seconds * 1_000_000))
        # Where a slice begins in time left out, what remains of it was watched too.
        begins.update(_ends_of_time_left_out(case, service))
    # Where fewer samples say nothing, there are enough of them.
    for at_us in begins:
        yield from range(at_us, at_us + (indicator.minimum_volume or 1))


def _ends_of_time_left_out(case: PlantedCase, service: str) -> Iterator[int]:
    excluded_here = (*case.test.exclusions, *case.versions[0].contract.exclusion_decisions)
    ends = [(one.service, one.to) for one in case.test.maintenance]
    ends += [(one.service, one.to) for one in excluded_here if one.service is not None and one.to is not None]
    for of_service, end in ends:
        if of_service == service:
            yield instant_us(end, case.timezone)


def _parts(version: ResolvedVersion, timezone: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of months in which a version is in force, in microseconds."""
    day = version.valid_from
    while day < version.valid_to:
        end = min(next_month(day), version.valid_to)
        yield midnight_us(day, timezone), midnight_us(end, timezone)
        day = end


def _write_invoices(sheet: _Sheet, case: PlantedCase, versions: Sequence[ResolvedVersion]) -> None:
    for number, invoice in enumerate(case.test.invoices):
        month = date.fromisoformat(f"{invoice.month}-01")
        document = f"{case.contract_id}-{number}"
        in_month = [
            version
            for version in versions
            if version.valid_from < next_month(month) and version.valid_to > month
        ]
        lines = [(line.service, line.amount) for line in invoice.lines]
        if in_month and all(service is None for service, _ in lines):
            # A document belongs to the contract by one of its lines at least.
            lines.append((_OWNER, Decimal(0)))
        for line_no, (service, amount) in enumerate(lines, start=1):
            days = [max(month, one.valid_from) for one in in_month if service in (*one.services, _OWNER)]
            day = min(days, default=month).isoformat()
            sheet.write("raw_einvoice.invoice_lines", document, str(line_no), service, str(amount), day)
        kind = "380" if invoice.kind is InvoiceKind.INVOICE else "381"
        total = sum(amount for _, amount in lines)
        sheet.write(
            "raw_einvoice.invoices",
            document,
            kind,
            document,
            month.isoformat(),
            case.versions[0].contract.currency,
            case.contract_id,
            "",
            month.isoformat(),
            str(total),
            str(len(lines)),
            month.isoformat(),
        )
