"""Contracts into the reference tables: bi-temporal, in one transaction, and without effect when nothing
changed.

A version of a contract is a row of ``reference.contract_versions`` whose id is derived from its content.
``valid_from`` and ``valid_to`` say when its terms hold; ``recorded_at`` and ``superseded_at`` say from when
until when the
warehouse believed them. Only rows whose ``superseded_at`` is null are current. What belongs to a superseded
version
is kept.

A file with problems is refused and its contract keeps what was last loaded; all other files load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg import sql

from avoir.contracts.calendars import CalendarError, calendar_days
from avoir.contracts.model import (
    AvailabilityIndicator,
    Clause,
    ClockIndicator,
    FixedFee,
    FixedPerEvent,
    MilestoneIndicator,
    PercentOfInvoicePerEvent,
    Proportional,
    Unit,
)
from avoir.contracts.problems import Problem, in_reading_order
from avoir.contracts.reading import ContractFile, judge_together, read_contracts
from avoir.contracts.resolving import ResolvedVersion
from avoir.contracts.rules import Finding, KeyHolder

Row = tuple[object, ...]

_DDL = Path(__file__).with_name("reference.sql")
_SECONDS_PER_UNIT = {Unit.SECONDS: 1, Unit.MINUTES: 60, Unit.HOURS: 3600}
_PARTS_OF_A_VERSION = ("clock_rules", "clauses", "service_keys", "services", "calendars")
_LOCK = 0x61766F6972  # "avoir": one load of contracts at a time


@dataclass(frozen=True, slots=True)
class ContractsReport:
    """What a load did: contracts of good files, what changed, and what was refused and why."""

    loaded: tuple[str, ...]
    added_versions: tuple[str, ...]
    superseded_versions: tuple[str, ...]
    refused_files: tuple[str, ...]
    problems: tuple[Problem, ...]
    calendars_written: int

    @property
    def changed(self) -> bool:
        """Whether any row of the reference tables is not what it was."""
        return bool(self.added_versions or self.superseded_versions or self.calendars_written)


def create_reference(connection: psycopg.Connection) -> None:
    """Create the schema ``reference`` and its tables where they are missing."""
    with connection.transaction():
        found = connection.execute("select to_regnamespace('reference') is not null").fetchone()
        if found == (False,):
            connection.execute("create schema reference")
        connection.execute(_DDL.read_bytes())


def load_contracts(
    connection: psycopg.Connection,
    contracts_dir: Path,
    *,
    as_of: datetime,
    days_from: date,
    days_to: date,
) -> ContractsReport:
    """Load the good contract files of a root in one transaction, and refuse the others with their problems.

    Args:
        connection: a connection of a role that may write the schema ``reference``.
        contracts_dir: the contracts root.
        as_of: the zoned instant from which the warehouse believes what the files say.
        days_from: first UTC day of the calendars; one whose version holds earlier starts with that year.
        days_to: the UTC day after their last; one whose version starts later has that year all the same.

    Raises:
        ValueError: ``as_of`` is naive, the range of days is empty, or the folder does not exist.
        psycopg.Error: the database refused; nothing was written.
    """
    if as_of.tzinfo is None:
        msg = f"as_of needs a zone, got {as_of}"
        raise ValueError(msg)
    if days_from >= days_to:
        msg = f"the range of days must end after it starts, got {days_from} to {days_to}"
        raise ValueError(msg)
    if not contracts_dir.is_dir():
        msg = f"there is no folder {contracts_dir}; create it with a contract file per contract"
        raise ValueError(msg)
    files = read_contracts(contracts_dir)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        files = _judge_against_warehouse(connection, files, contracts_dir, as_of)
        days = _calendar_rows(files, days_from, days_to)
        files = [f.refused_for(days.findings[f.shown]) if f.shown in days.findings else f for f in files]
        added, superseded = _store_versions(connection, files, contracts_dir, as_of)
        written = _store_calendar_days(connection, days.rows, _current_calendars(connection))
    return ContractsReport(
        loaded=tuple(sorted(f.contract_id for f in files if f.is_good and f.contract_id)),
        added_versions=tuple(added),
        superseded_versions=tuple(superseded),
        refused_files=tuple(f.shown for f in files if not f.is_good),
        problems=tuple(in_reading_order(problem for f in files for problem in f.problems)),
        calendars_written=written,
    )


# --- Against what is already there ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Current:
    contract_version_id: str
    contract_id: str
    file_path: str
    recorded_at: datetime


def _current_versions(connection: psycopg.Connection) -> list[_Current]:
    rows = connection.execute(
        """
        select contract_version_id, contract_id, file_path, recorded_at
        from reference.contract_versions
        where superseded_at is null
        order by contract_version_id
        """
    ).fetchall()
    return [_Current(*row) for row in rows]


def _kept_contracts(current: Sequence[_Current], files: Sequence[ContractFile], root: Path) -> set[str]:
    """Return the contracts whose file is refused now, which therefore keep what was last loaded."""
    refused = [file for file in files if not file.is_good]
    ids = {file.contract_id for file in refused}
    paths = {_relative(file, root) for file in refused}
    good = {file.contract_id for file in files if file.is_good}
    return {
        c.contract_id
        for c in current
        if (c.contract_id in ids or c.file_path in paths) and c.contract_id not in good
    }


def _judge_against_warehouse(
    connection: psycopg.Connection, files: list[ContractFile], root: Path, as_of: datetime
) -> list[ContractFile]:
    """Refuse files that would rewrite the past, or that claim a key which a refused file's contract still
    holds.
    """
    current = _current_versions(connection)
    files = [file.refused_for(_judge_order(file, current, as_of)) for file in files]
    while True:
        kept = _kept_contracts(current, files, root)
        held = _held_keys(connection, kept)
        good = [file for file in files if file.is_good]
        judged = {file.shown: file for file in judge_together(good, held)}
        files = [judged.get(file.shown, file) for file in files]
        if all(judged[file.shown].is_good for file in good):
            return files


def _judge_order(file: ContractFile, current: Sequence[_Current], as_of: datetime) -> list[Finding]:
    if not file.is_good:
        return []
    ids = {version.contract_version_id for version in file.versions}
    mine = [c for c in current if c.contract_id == file.contract_id]
    later = [c.recorded_at for c in mine if c.recorded_at > as_of]
    if {c.contract_version_id for c in mine} == ids or not later:
        return []
    recorded, now = max(later).isoformat(), as_of.isoformat()
    message = f"the contract was already recorded at {recorded}, later than this load's {now}"
    return [Finding(("contract",), message, "load changed contracts with a later as_of")]


def _held_keys(
    connection: psycopg.Connection, contracts: set[str]
) -> dict[tuple[str, str, str], list[KeyHolder]]:
    held: dict[tuple[str, str, str], list[KeyHolder]] = {}
    rows = connection.execute(
        """
        select source_name, key_kind, key_value, contract_id, service_id, valid_from::text, valid_to::text,
        file_path from reference.service_keys
        join reference.contract_versions using (contract_version_id)
        where superseded_at is null and contract_id = any(%s)
        order by contract_version_id, service_id, source_name, key_kind, key_value
        """,
        (sorted(contracts),),
    )
    for source, kind, value, contract_id, service_id, valid_from, valid_to, file_path in rows:
        place = f"{file_path}, as last loaded"
        holder = KeyHolder(contract_id, service_id, (valid_from, valid_to), place)
        held.setdefault((source, kind, value), []).append(holder)
    return held


# --- Versions ---------------------------------------------------------------------------------------------


def _store_versions(
    connection: psycopg.Connection, files: Sequence[ContractFile], root: Path, as_of: datetime
) -> tuple[list[str], list[str]]:
    current = _current_versions(connection)
    kept = _kept_contracts(current, files, root)
    wanted = {v.contract_version_id: (f, v) for f in files if f.is_good for v in f.versions}
    ended = [c for c in current if c.contract_version_id not in wanted and c.contract_id not in kept]
    added = sorted(set(wanted) - {c.contract_version_id for c in current})
    for one in ended:
        _end(connection, one, as_of)
    for version_id in added:
        file, version = wanted[version_id]
        _begin(connection, version, _relative(file, root), as_of)
    for version_id, (file, version) in sorted(wanted.items()):
        connection.execute(
            "update reference.contract_versions set file_path = %s "
            "where contract_version_id = %s and superseded_at is null and file_path <> %s",
            (_relative(file, root), version_id, _relative(file, root)),
        )
        vendor = version.contract.vendor
        connection.execute(
            """
            insert into reference.vendors as known (vendor_id, vendor_name) values (%s, %s)
            on conflict (vendor_id) do update set vendor_name = excluded.vendor_name
            where known.vendor_name <> excluded.vendor_name
            """,
            (vendor.id, vendor.name),
        )
    connection.execute(
        "delete from reference.vendors v where not exists "
        "(select 1 from reference.contract_versions c where c.vendor_id = v.vendor_id)"
    )
    return added, [c.contract_version_id for c in ended]


def _end(connection: psycopg.Connection, version: _Current, as_of: datetime) -> None:
    """End the belief in a version; one that was recorded at this very instant was never believed and goes."""
    if version.recorded_at < as_of:
        connection.execute(
            "update reference.contract_versions set superseded_at = %s "
            "where contract_version_id = %s and superseded_at is null",
            (as_of, version.contract_version_id),
        )
        return
    connection.execute(
        "delete from reference.contract_versions where contract_version_id = %s and superseded_at is null",
        (version.contract_version_id,),
    )
    remains = connection.execute(
        "select 1 from reference.contract_versions where contract_version_id = %s",
        (version.contract_version_id,),
    ).fetchone()
    if remains is None:
        connection.execute(
            "delete from reference.calendar_days where calendar_id in "
            "(select calendar_id from reference.calendars where contract_version_id = %s)",
            (version.contract_version_id,),
        )
        for table in _PARTS_OF_A_VERSION:
            connection.execute(
                sql.SQL("delete from {} where contract_version_id = %s").format(
                    sql.Identifier("reference", table)
                ),
                (version.contract_version_id,),
            )


def _begin(connection: psycopg.Connection, version: ResolvedVersion, file_path: str, as_of: datetime) -> None:
    """Begin to believe in a version, or go on where the belief ended at this very instant."""
    version_id = version.contract_version_id
    known = connection.execute(
        "select max(superseded_at) from reference.contract_versions where contract_version_id = %s",
        (version_id,),
    ).fetchone()
    if known is not None and known[0] == as_of:
        connection.execute(
            "update reference.contract_versions set superseded_at = null, file_path = %s "
            "where contract_version_id = %s and superseded_at = %s",
            (file_path, version_id, as_of),
        )
        return
    contract = version.contract
    header: Row = (
        version_id,
        contract.contract,
        contract.name,
        contract.vendor.id,
        version.version_no,
        version.valid_from,
        version.valid_to,
        contract.timezone,
        contract.currency,
        contract.minor_units,
        version.document_sha256,
        file_path,
        as_of,
        None,
    )
    _insert(connection, "contract_versions", [header])
    if known is not None and known[0] is not None:
        return  # Its parts are still there from the first time: the id stands for the same content.
    _insert(connection, "services", [_service_row(version, service_id) for service_id in version.services])
    _insert(
        connection,
        "service_keys",
        [
            (version_id, service_id, claim.key.source, str(claim.key.kind), claim.key.value)
            for service_id, keys in version.keys.items()
            for claim in keys
        ],
    )
    calendars = version.calendars.items()
    _insert(
        connection,
        "calendars",
        [(_calendar_id(version, key), version_id, c.timezone) for key, c in calendars],
    )
    _insert(connection, "clauses", [_clause_row(version, clause) for clause in version.clauses.values()])
    _insert(
        connection,
        "clock_rules",
        [row for c in version.clauses.values() for row in _clock_rows(version_id, c)],
    )


def _insert(connection: psycopg.Connection, table: str, rows: Iterable[Row]) -> None:
    copying = sql.SQL("copy {} from stdin").format(sql.Identifier("reference", table))
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        for row in rows:
            copy.write_row(row)


def _relative(file: ContractFile, root: Path) -> str:
    return file.path.relative_to(root).as_posix()


def _calendar_id(version: ResolvedVersion, calendar: str) -> str:
    return f"{version.contract_version_id}/{calendar}"


def _service_row(version: ResolvedVersion, service_id: str) -> Row:
    service = version.services[service_id]
    amount = service.fee.amount if isinstance(service.fee, FixedFee) else None
    return (version.contract_version_id, service.id, service.name, service.fee.kind, amount)


def _clause_row(version: ResolvedVersion, clause: Clause) -> Row:
    indicator, objective, penalty = clause.indicator, clause.objective, clause.penalty
    calendar = indicator.calendar if isinstance(indicator, (ClockIndicator, MilestoneIndicator)) else None
    value, unit = objective.value, str(objective.unit)
    if objective.unit in _SECONDS_PER_UNIT:
        value, unit = value * _SECONDS_PER_UNIT[objective.unit], "seconds"
    measured: Row = (None, None, None, None, None, None)
    if isinstance(indicator, AvailabilityIndicator):
        notice = int(indicator.maintenance.notice_hours * 3600) if indicator.maintenance else None
        method, unknown = str(indicator.method), str(indicator.unknown)
        measured = (method, unknown, indicator.probe_interval_seconds, notice, None, None)
    elif isinstance(indicator, MilestoneIndicator):
        measured = (None, None, None, None, indicator.replan_notice_days, str(indicator.days))
    rate: Decimal | None = None
    amount: Decimal | None = None
    proportional_on: str | None = None
    base: str | None = None
    if isinstance(penalty, PercentOfInvoicePerEvent):
        rate, base = penalty.rate_pct, penalty.base
    elif isinstance(penalty, Proportional):
        proportional_on, base = str(penalty.on), str(penalty.base)
    elif isinstance(penalty, FixedPerEvent):
        amount = penalty.amount
    cap = penalty.month_cap
    return (
        version.contract_version_id,
        clause.id,
        clause.service,
        clause.title or clause.id,
        clause.text,
        indicator.kind,
        _calendar_id(version, calendar) if calendar else None,
        str(objective.operator),
        value,
        unit,
        *measured,
        penalty.formula,
        rate,
        amount,
        proportional_on,
        base,
        cap.pct_of_month_invoice if cap else None,
        cap.amount if cap else None,
    )


def _clock_rows(version_id: str, clause: Clause) -> list[Row]:
    if not isinstance(clause.indicator, ClockIndicator):
        return []
    indicator = clause.indicator
    roles = (("start", indicator.start), ("stop", indicator.stop), ("pause", indicator.pause))
    return [
        (version_id, clause.id, role, str(c.field), c.value) for role, conditions in roles for c in conditions
    ]


# --- Calendars --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CalendarRows:
    rows: dict[str, list[Row]]
    findings: dict[str, list[Finding]]


def _calendar_rows(files: Sequence[ContractFile], days_from: date, days_to: date) -> _CalendarRows:
    laid_out = _CalendarRows({}, {})
    for file in files:
        rows: dict[str, list[Row]] = {}
        for version in file.versions if file.is_good else ():
            for name, calendar in version.calendars.items():
                calendar_id = _calendar_id(version, name)
                year = version.valid_from.year
                first, end = min(days_from, date(year, 1, 1)), max(days_to, date(year + 1, 1, 1))
                try:
                    days = calendar_days(calendar, first, end)
                except CalendarError as error:
                    finding = Finding(
                        version.paths["calendars", name], str(error), "join openings that lie close together"
                    )
                    laid_out.findings.setdefault(file.shown, []).append(finding)
                else:
                    rows[calendar_id] = [(calendar_id, *day.row()) for day in days]
        if file.shown not in laid_out.findings:
            laid_out.rows.update(rows)
    return laid_out


def _current_calendars(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute(
        """
        select calendar_id from reference.calendars
        join reference.contract_versions using (contract_version_id)
        where superseded_at is null
        """
    ).fetchall()
    return {str(calendar_id) for (calendar_id,) in rows}


def _store_calendar_days(
    connection: psycopg.Connection, rows: dict[str, list[Row]], current: set[str]
) -> int:
    """Write the days of the calendars whose rows are not exactly these already; return how many."""
    written = 0
    for calendar_id in sorted(rows.keys() & current):
        stored = connection.execute(
            "select * from reference.calendar_days where calendar_id = %s order by day_no", (calendar_id,)
        ).fetchall()
        if stored == rows[calendar_id]:
            continue
        connection.execute("delete from reference.calendar_days where calendar_id = %s", (calendar_id,))
        _insert(connection, "calendar_days", rows[calendar_id])
        written += 1
    return written
