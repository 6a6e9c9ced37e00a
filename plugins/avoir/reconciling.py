"""Reconciliations of the candidates: two roads to one number, and this month beside what is usual.

Each is a query in ``sql/reconciliations/`` that gives a row for every vendor's month it finds something
against, with the reason in words and numbers; the quarantine is asked in Python, since a rejected record is
kept as the text it came as. They run at the mart's border, after Great Expectations' checks held.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from avoir.findings import Finding
from avoir.sources.model import System, Table
from avoir.sources.register import RAW_TABLES, RELEASE_SYSTEMS, TICKET_SYSTEMS
from avoir.thresholds import Thresholds

QUERIES = Path(__file__).parent / "sql" / "reconciliations"
_STAGED_TICKETS = " union all ".join(
    f"select * from staging.stg_{system.name}__tickets"  # noqa: S608 - names of the register
    for system in TICKET_SYSTEMS
)
_STAGED_RELEASES = " union all ".join(
    f"select source_name, release_key from staging.stg_{system.name}__releases"  # noqa: S608 - as above
    for system in RELEASE_SYSTEMS
)

MONTHS = "candidate.mart_vendor_month"

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reconciliation:
    """A query of ``sql/reconciliations/``: its title, its file, why it is asked, what a row of it does."""

    name: str
    file: str
    why: str
    effect: Literal["holds", "notes", "blocks"] = "holds"
    subject: str = MONTHS


RECONCILIATIONS = (
    Reconciliation(
        "closed months equal the ledger",
        "ledger",
        "books that do not agree with themselves must not be added to",
        effect="blocks",
        subject="ledger.entries",
    ),
    Reconciliation(
        "credits equal the penalty lines",
        "credits",
        "finance books the lines, management reads the month: they must be one number",
    ),
    Reconciliation(
        "every invoice line is used once",
        "invoice_lines_once",
        "a line counted twice raises every percentage taken of it",
        subject="facts.fct_invoice_lines",
    ),
    Reconciliation(
        "lines add up to their document",
        "documents",
        "the base of a percentage is a sum of lines that the vendor stated itself",
        subject="facts.fct_invoice_lines",
    ),
    Reconciliation(
        "no month is billed twice",
        "invoices_once",
        "the same lines under two numbers are one service",
        subject="facts.fct_invoice_lines",
    ),
    Reconciliation(
        "an invoice asks for money",
        "negatives",
        "a negative invoice is a credit note under the wrong type, and lowers the base",
        subject="facts.fct_invoice_lines",
    ),
    Reconciliation(
        "bills are in the contract's currency",
        "currencies",
        "a currency that was mistaken makes a month of its own and takes the base from the other",
        subject="facts.fct_invoice_lines",
    ),
    Reconciliation(
        "every credit rests on raw rows",
        "evidence",
        "a credit that leads back to no record of the vendor's cannot be defended",
        subject="penalties.fct_penalty_lines",
    ),
    Reconciliation(
        "every change has its ticket",
        "orphans",
        "a clock without all its events is another clock",
        subject="intermediate.int_ticket_events",
    ),
    Reconciliation(
        "every record has its contract",
        "unclaimed",
        "what no contract names counts for nobody, in silence",
        subject="intermediate.service_terms",
    ),
    Reconciliation(
        "probes cover the month",
        "coverage",
        "unknown is not up",
        subject="facts.fct_availability_months",
    ),
    Reconciliation(
        "volumes are as usual",
        "volumes",
        "an answer that was cut off looks like a quiet month",
    ),
    Reconciliation(
        "the vendor reports what was measured",
        "reported",
        "a dispute must be seen before it is had",
        effect="notes",
        subject="facts.fct_availability_months",
    ),
)


@dataclass(frozen=True)
class Reconciled:
    """What one reconciliation found: reasons that block all, findings against months or sources."""

    name: str
    subject: str
    why: str
    blocking: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def reconcile(connection: psycopg.Connection, thresholds: Thresholds) -> list[Reconciled]:
    """Ask every reconciliation of the candidates as they stand."""
    limits = asdict(thresholds)
    return [*(_asked(connection, one, limits) for one in RECONCILIATIONS), _quarantined(connection)]


def _asked(connection: psycopg.Connection, one: Reconciliation, limits: Mapping[str, Any]) -> Reconciled:
    text = (QUERIES / f"{one.file}.sql").read_text(encoding="utf-8").replace("%", "%%")
    text = text.replace("{staged_tickets}", _STAGED_TICKETS).replace("{staged_releases}", _STAGED_RELEASES)
    query = re.sub(rf":({'|'.join(limits)})\b", r"%(\1)s", text)
    rows = connection.execute(query.encode(), limits).fetchall()
    if one.effect == "blocks":
        return Reconciled(one.name, one.subject, one.why, blocking=tuple(reason for *_, reason in rows))
    findings = tuple(
        Finding(
            one.name,
            reason,
            vendor_id=vendor_id,
            month_date=month_date,
            currency=currency,
            is_note=one.effect == "notes",
        )
        for vendor_id, month_date, currency, reason in rows
    )
    return Reconciled(one.name, one.subject, one.why, findings=findings)


# The quarantine


@dataclass(frozen=True)
class _Kept:
    """A rejected record, and until when its window reached."""

    source_name: str
    batch_id: int
    reason_code: str
    payload: str
    before: datetime


def _quarantined(connection: psycopg.Connection) -> Reconciled:
    """Sources with rejected records that were never made good, against the months these may belong to.

    Made good is a record whose key landed in a later batch, a file of whose name a later one was read, and
    what a later load of its stretch was given no more (``loads.rejected.settled_by``).
    A record that says not whose it is stays. It may concern any month that began before its window ended.
    """
    waiting: dict[str, list[_Kept]] = {}
    for table_name, records in _rejected(connection).items():
        for record in _not_made_good(connection, table_name, records):
            waiting.setdefault(record.source_name, []).append(record)
    findings = []
    for source_name, records in sorted(waiting.items()):
        for before in sorted({record.before for record in records}):
            codes = Counter(record.reason_code for record in records if record.before == before)
            told = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
            count = sum(codes.values())
            are = "record is" if count == 1 else "records are"
            findings.append(
                Finding(
                    "nothing is in quarantine",
                    f"{count} {are} in quarantine, of {source_name} up to {before:%Y-%m-%d %H:%M}Z: {told}",
                    source_name=source_name,
                    before=before,
                )
            )
    return Reconciled(
        "nothing is in quarantine",
        "loads.rejected",
        "a month without a record that was rejected is another month",
        findings=tuple(findings),
    )


def _rejected(connection: psycopg.Connection) -> dict[str, list[_Kept]]:
    found: dict[str, list[_Kept]] = {}
    for table_name, *record in connection.execute(
        """
        select r.table_name, r.source_name, r.batch_id, r.reason_code, r.payload, b.window_to
        from loads.rejected r join loads.batches b on b.batch_id = r.batch_id
        where r.settled_by is null
        order by r.rejected_id
        """
    ):
        found.setdefault(table_name, []).append(_Kept(*record))
    return found


def _not_made_good(connection: psycopg.Connection, table_name: str, records: list[_Kept]) -> Iterator[_Kept]:
    system, table = RAW_TABLES[table_name]
    for record in records:
        told = _parsed(record.payload)
        if isinstance(told, dict) and "sha256" in told and "file_name" in told:
            good = _file_came_again(connection, record, str(told["file_name"]))
        else:
            good = _key_landed_later(connection, system, table, record, told)
        if not good:
            yield record


def _parsed(payload: str) -> object:
    try:
        return json.loads(payload)
    except ValueError:
        return None


def _file_came_again(connection: psycopg.Connection, record: _Kept, file_name: str) -> bool:
    row = connection.execute(
        """
        select 1 from loads.files f
        where f.source_name = %s and f.file_name = %s and f.batch_id > %s
            and not exists (select 1 from loads.rejected r where r.source_file_id = f.file_id)
        limit 1
        """,
        (record.source_name, file_name, record.batch_id),
    ).fetchone()
    return row is not None


def _key_landed_later(
    connection: psycopg.Connection, system: System, table: Table, record: _Kept, told: object
) -> bool:
    key = _key_of(table, told)
    if key is None:
        return False
    conditions: list[sql.Composable] = [sql.SQL("_source_name = %s"), sql.SQL("_batch_id > %s")]
    conditions += [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in table.key]
    row = connection.execute(
        sql.SQL("select 1 from {} where {} limit 1").format(
            sql.Identifier(system.schema, table.name), sql.SQL(" and ").join(conditions)
        ),
        (record.source_name, record.batch_id, *key),
    ).fetchone()
    return row is not None


def _key_of(table: Table, told: object) -> tuple[object, ...] | None:
    """The key in a rejected payload: of an object by names, of a sample ``[monitor, [at, value]]``."""
    if isinstance(told, dict):
        key = tuple(told.get(name) for name in table.key)
        return key if all(isinstance(value, str) and value for value in key) else None
    if isinstance(told, list) and len(told) == 2 and isinstance(told[1], list) and told[1]:
        try:
            at = _UNIX_EPOCH + timedelta(milliseconds=round(float(told[1][0]) * 1000))
        except (TypeError, ValueError, OverflowError):
            return None
        return told[0], at
    return None
