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

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from avoir.contracts.calendars import CalendarError, days_that_reach
from avoir.contracts.model import ClockIndicator
from avoir.contracts.problems import Problem, in_reading_order
from avoir.contracts.reading import ContractFile, judge_together, read_contracts
from avoir.contracts.resolving import ResolvedVersion
from avoir.contracts.rows import (
    COLUMNS,
    PARTS_OF_A_VERSION,
    Names,
    Row,
    decision_rows,
    header_row,
    index_rows,
    insert,
    key_rows,
    part_rows,
    targets_in_seconds,
)
from avoir.contracts.rules import Finding, KeyHolder

_DDL = Path(__file__).with_name("reference.sql")
_KEYS_OF_BELIEFS = {
    "index_values": ("contract_id", "index_id", "month_date"),
    "exclusion_decisions": ("contract_id", "decision_id"),
}
_LOCK = 0x61766F6972  # "avoir": one load of contracts at a time


Prover = Callable[[Sequence[ContractFile]], Mapping[str, Sequence[Finding]]]


@dataclass(frozen=True, slots=True)
class ContractsReport:
    """What a load did: contracts of good files, what changed, and what was refused and why."""

    loaded: tuple[str, ...]
    added_versions: tuple[str, ...]
    superseded_versions: tuple[str, ...]
    refused_files: tuple[str, ...]
    problems: tuple[Problem, ...]
    calendars_written: int
    calendars_restated: tuple[str, ...]
    beliefs_changed: int

    @property
    def changed(self) -> bool:
        """Whether any row of the reference tables is not what it was."""
        changes = (self.added_versions, self.superseded_versions, self.calendars_written)
        return any(changes) or bool(self.beliefs_changed)


def create_reference(connection: psycopg.Connection, *, prefix: str = "") -> None:
    """Create the schema ``reference`` and its tables where they are missing; ``prefix``: scratch."""
    schema = f"{prefix}reference"
    with connection.transaction():
        found = connection.execute("select to_regnamespace(%s) is not null", (schema,)).fetchone()
        if found == (False,):
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        connection.execute(_DDL.read_bytes().replace(b"reference.", schema.encode() + b"."))


def load_contracts(
    connection: psycopg.Connection,
    contracts_dir: Path,
    *,
    as_of: datetime,
    days_from: date,
    days_to: date,
    prove: Prover | None = None,
) -> ContractsReport:
    """Load the good contract files of a root in one transaction, and refuse the others with their problems.

    Args:
        connection: a connection of a role that may write the schema ``reference``.
        contracts_dir: the contracts root.
        as_of: the zoned instant from which the warehouse believes what the files say.
        days_from: first UTC day of the calendars; one whose version holds earlier starts with that year.
        days_to: the UTC day after their last; one whose version starts later has that year all the same, and
            one on which the longest target of a clock started at ``as_of`` reaches further has as much more.
        prove: runs the worked tests of good files and returns, by file, what differs; such a file is refused.

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
    if prove is not None:
        differing = prove([file for file in files if file.is_good])
        files = [file.refused_for(differing.get(file.shown, ())) for file in files]
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        files = _judge_against_warehouse(connection, files, contracts_dir, as_of)
        days = _calendar_rows(files, days_from, days_to, as_of)
        files = [f.refused_for(days.findings[f.shown]) if f.shown in days.findings else f for f in files]
        added, superseded = _store_versions(connection, files, contracts_dir, as_of)
        kept = _kept_contracts(_current_versions(connection), files, contracts_dir)
        restated = _store_beliefs(connection, files, kept, as_of)
        written, restated_calendars = _store_calendar_days(
            connection, days.rows, _current_calendars(connection)
        )
    return ContractsReport(
        loaded=tuple(sorted(f.contract_id for f in files if f.is_good and f.contract_id)),
        added_versions=tuple(added),
        superseded_versions=tuple(superseded),
        refused_files=tuple(f.shown for f in files if not f.is_good),
        problems=tuple(in_reading_order(problem for f in files for problem in f.problems)),
        calendars_written=written,
        calendars_restated=tuple(restated_calendars),
        beliefs_changed=restated,
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
        select source_name, key_kind, key_value, contract_id, vendor_id, service_id, valid_from::text,
        valid_to::text, file_path from reference.service_keys
        join reference.contract_versions using (contract_version_id)
        where superseded_at is null and contract_id = any(%s)
        order by contract_version_id, service_id, source_name, key_kind, key_value
        """,
        (sorted(contracts),),
    )
    for source, kind, value, contract_id, vendor_id, service_id, valid_from, valid_to, file_path in rows:
        place = f"{file_path}, as last loaded"
        holder = KeyHolder(contract_id, vendor_id, service_id, (valid_from, valid_to), place)
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
        for table in PARTS_OF_A_VERSION:
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
    names = Names.of(version)
    header = header_row(version, names, file_path=file_path, recorded_at=as_of)
    insert(connection, "contract_versions", [header])
    if known is not None and known[0] is not None:
        return  # Its parts are still there from the first time: the id stands for the same content.
    parts = part_rows(version, names)
    insert(connection, "services", parts.pop("services"))
    insert(connection, "service_keys", key_rows(version, names))
    for table, rows in parts.items():
        insert(connection, table, rows)


# --- What belongs to a file, not to a version -------------------------------------------------------------


def _store_beliefs(
    connection: psycopg.Connection, files: Sequence[ContractFile], kept: set[str], as_of: datetime
) -> int:
    """Store index values and exclusion decisions that changed; return how many rows began or ended."""
    contracts = [file.versions[0].contract for file in files if file.is_good and file.versions]
    changed = 0
    for table, rows_of in (("index_values", index_rows), ("exclusion_decisions", decision_rows)):
        *content, _, _ = COLUMNS[table]
        keys = _KEYS_OF_BELIEFS[table]
        names = {
            "table": sql.Identifier("reference", table),
            "columns": _listed(content),
            "keys": _listed(keys),
        }
        stored = connection.execute(
            sql.SQL("select {columns} from {table} where superseded_at is null").format(**names)
        ).fetchall()
        wanted = {row for contract in contracts for row in rows_of(contract)}
        believed = {row for row in stored if row[0] not in kept}
        ended, added = sorted(believed - wanted, key=repr), sorted(wanted - believed, key=repr)
        for row in ended:
            where = sql.SQL("where superseded_at is null and ({keys}) = ({values})").format(
                values=sql.SQL(", ").join(sql.Placeholder() * len(keys)), **names
            )
            key = row[: len(keys)]
            # A belief of this very instant was never held and goes, as with versions.
            connection.execute(
                sql.SQL("delete from {table} {where} and recorded_at = %s").format(where=where, **names),
                (*key, as_of),
            )
            connection.execute(
                sql.SQL("update {table} set superseded_at = %s {where}").format(where=where, **names),
                (as_of, *key),
            )
        insert(connection, table, [(*row, as_of, None) for row in added])
        changed += len(ended) + len(added)
    return changed


def _listed(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _relative(file: ContractFile, root: Path) -> str:
    return file.path.relative_to(root).as_posix()


# --- Calendars --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CalendarRows:
    rows: dict[str, list[Row]]
    findings: dict[str, list[Finding]]


def _calendar_rows(
    files: Sequence[ContractFile], days_from: date, days_to: date, as_of: datetime
) -> _CalendarRows:
    laid_out = _CalendarRows({}, {})
    for file in files:
        rows: dict[str, list[Row]] = {}
        for version in file.versions if file.is_good else ():
            calendar_ids = Names.of(version).calendar_ids
            for name, calendar in version.calendars.items():
                calendar_id = calendar_ids[name]
                year = version.valid_from.year
                first, end = min(days_from, date(year, 1, 1)), max(days_to, date(year + 1, 1, 1))
                longest = _longest_target_us(version, name)
                try:
                    days = days_that_reach(calendar, first, end, after=as_of, open_us=longest)
                except CalendarError as error:
                    finding = Finding(
                        version.paths["calendars", name],
                        str(error),
                        "let it open more often, or lower the longest target on it",
                    )
                    laid_out.findings.setdefault(file.shown, []).append(finding)
                else:
                    rows[calendar_id] = [(calendar_id, *day.row()) for day in days]
        if file.shown not in laid_out.findings:
            laid_out.rows.update(rows)
    return laid_out


def _longest_target_us(version: ResolvedVersion, calendar: str) -> int:
    """Return the longest target of any clock on a calendar, in microseconds."""
    targets = [0]
    for clause in version.clauses.values():
        if isinstance(clause.indicator, ClockIndicator) and clause.indicator.calendar == calendar:
            targets += [math.ceil(seconds * 1_000_000) for seconds in targets_in_seconds(clause)]
    return max(targets)


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
) -> tuple[int, list[str]]:
    """Write the days of the calendars whose rows are not exactly these already.

    Returns how many were written, and which of them open otherwise than before on a day that they had: more
    days alone restate nothing.
    """
    written = 0
    restated = []
    for calendar_id in sorted(rows.keys() & current):
        stored = connection.execute(
            "select * from reference.calendar_days where calendar_id = %s order by day_no", (calendar_id,)
        ).fetchall()
        if stored == rows[calendar_id]:
            continue
        before = {day_no: opening for _, day_no, _, is_business_day, _, *opening in stored}
        after = {day_no: opening for _, day_no, _, is_business_day, _, *opening in rows[calendar_id]}
        if any(before[day_no] != after[day_no] for day_no in before.keys() & after.keys()):
            restated.append(calendar_id)
        connection.execute("delete from reference.calendar_days where calendar_id = %s", (calendar_id,))
        insert(connection, "calendar_days", rows[calendar_id])
        written += 1
    return written, restated
