"""Write, audit, publish: candidates become the mart per vendor and month, in one transaction.

Readers see a month's last good version until the next one is whole. A month is *held* when its candidate
must not be seen yet (a source that has not landed the whole month, a penalty without its base); everything
is *blocked* when a border did not hold; a *closed* month never changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg import sql

from avoir.inputs import inputs_sha256
from avoir.services import surroundings_of
from avoir.settings import Settings

DIMENSIONS = ("dim_vendors", "dim_contracts", "dim_services", "dim_dates")


@dataclass(frozen=True)
class Published:
    """A published table: where its candidate is, and the columns that say which month a row belongs to."""

    name: str
    candidate: str
    key: str


MONTHLY = (
    Published("mart_vendor_month", "candidate.mart_vendor_month", "vendor_id"),
    Published("fct_penalty_lines", "penalties.fct_penalty_lines", "penalty_line_id"),
)


class PublicationBlockedError(RuntimeError):
    """A border did not hold, so nothing was published; the message names the checks that failed."""


def publish_candidates(settings: Settings, *, as_of: datetime, run_id: str) -> dict[str, int]:
    """Publish every month whose candidate may be seen; returns how many months got which verdict.

    Raises:
        PublicationBlockedError: a check of this run failed at either border, or a border was not judged.
    """
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection:
        built_from = inputs_sha256(connection, settings, as_of)
        connection.commit()
        counts = publish(connection, as_of=as_of, run_id=run_id, built_from=built_from)
    if counts.get("blocked"):
        with here.warehouse.connect("avoir_transformer") as connection:
            failed = _failed_checks(connection, run_id)
        raise PublicationBlockedError(f"nothing was published: {'; '.join(failed)}")
    return counts


def publish(
    connection: psycopg.Connection, *, as_of: datetime, run_id: str, built_from: str
) -> dict[str, int]:
    """Judge and publish on an open connection; commits. Waits at most a minute for a lock."""
    counts: dict[str, int] = {}
    with connection.transaction():
        connection.execute("set local lock_timeout = '60s'")
        connection.execute("select pg_advisory_xact_lock(hashtext('avoir.publish'))")
        failed = _failed_checks(connection, run_id)
        if failed and not _has_candidates(connection):
            return {"blocked": 1}
        for table in (*MONTHLY, *(Published(name, f"candidate.{name}", "") for name in DIMENSIONS)):
            _ensure_table(connection, table)
        if not failed:
            connection.execute(
                "insert into checks.builds (run_id, as_of, inputs_sha256) values (%s, %s, %s)",
                (run_id, as_of, built_from),
            )
            for name in DIMENSIONS:
                _replace(connection, name, f"candidate.{name}")
        for vendor_id, month_date, currency in _candidate_months(connection):
            verdict, reason, version_id = _judge(connection, failed, vendor_id, month_date, currency)
            if verdict == "published":
                _replace_month(connection, vendor_id, month_date, currency)
            counts[verdict] = counts.get(verdict, 0) + 1
            connection.execute(
                """
                insert into mart.publication_log
                    (run_id, as_of, vendor_id, month_date, currency, verdict, reason, version_id)
                values (%s, %s, %s, %s, %s, %s, %s, %s)
                """,
                (run_id, as_of, vendor_id, month_date, currency, verdict, reason, version_id),
            )
    return counts


def _failed_checks(connection: psycopg.Connection, run_id: str) -> list[str]:
    rows = connection.execute(
        "select border, table_name, check_name, success from checks.verdicts where run_id = %s", (run_id,)
    ).fetchall()
    failed = [f"{border} {table}: {check}" for border, table, check, success in rows if not success]
    judged = {border for border, *_ in rows}
    unjudged = [f"the {border} border was not judged" for border in ("raw", "mart") if border not in judged]
    return failed or unjudged


def _has_candidates(connection: psycopg.Connection) -> bool:
    row = connection.execute("select to_regclass('candidate.mart_vendor_month') is not null").fetchone()
    return row == (True,)


def _candidate_months(connection: psycopg.Connection) -> list[tuple[str, date, str]]:
    return connection.execute(
        "select vendor_id, month_date, currency from candidate.mart_vendor_month order by 1, 2, 3"
    ).fetchall()


def _judge(
    connection: psycopg.Connection,
    failed: list[str],
    vendor_id: str,
    month_date: date,
    currency: str,
) -> tuple[str, str, str | None]:
    key = (vendor_id, month_date, currency)
    version_id = version_of_month(connection, "candidate", key)
    if failed:
        return "blocked", "; ".join(failed), None
    closed = connection.execute(
        """
        select version_id from ledger.closed_months
        where vendor_id = %s and month_date = %s and currency = %s
        """,
        key,
    ).fetchone()
    if closed is not None:
        same = closed[0] == version_id
        return (
            "closed",
            "closed" if same else "closed; the candidate differs and awaits restatement",
            closed[0],
        )
    held = _reasons_to_hold(connection, key)
    if held:
        return "held", "; ".join(held), None
    published = version_of_month(connection, "mart", key)
    if published == version_id:
        return "unchanged", "the published version stands", version_id
    return "published", "both borders held", version_id


def _reasons_to_hold(connection: psycopg.Connection, key: tuple[str, date, str]) -> list[str]:
    _, month_date, _ = key
    candidate = connection.execute(
        """
        select string_to_array(contract_version_ids, ','), unpriced_penalty_count
        from candidate.mart_vendor_month
        where vendor_id = %s and month_date = %s and currency = %s
        """,
        key,
    ).fetchone()
    # By the contracts in it, not by currency: a month of bills in a foreign one waits for the same sources.
    versions, unpriced = candidate or ([], 0)
    stale = connection.execute(
        """
        select w.source_name, w.watermark
        from loads.watermarks w
        join (
            select distinct k.source_name, m.month_end_us
            from intermediate.service_terms k
            join intermediate.contract_months m on k.contract_version_id = m.contract_version_id
            where k.contract_version_id = any(%s) and m.month_date = %s
        ) needed on needed.source_name = w.source_name
        where w.watermark < to_timestamp(needed.month_end_us / 1000000)
        order by 1
        """,
        (versions, month_date),
    ).fetchall()
    missing = connection.execute(
        """
        select distinct k.source_name
        from intermediate.service_terms k
        join intermediate.contract_months m on k.contract_version_id = m.contract_version_id
        where k.contract_version_id = any(%s) and m.month_date = %s
            and not exists (select 1 from loads.watermarks w where w.source_name = k.source_name)
        order by 1
        """,
        (versions, month_date),
    ).fetchall()
    early = connection.execute(
        """
        select b.source_name, min(b.window_from)
        from loads.batches b
        join (
            select k.source_name, min(m.period_from_us) as period_from_us
            from intermediate.service_terms k
            join intermediate.contract_months m on k.contract_version_id = m.contract_version_id
            where k.contract_version_id = any(%s) and m.month_date = %s
            group by k.source_name
        ) needed on needed.source_name = b.source_name
        group by b.source_name, needed.period_from_us
        having min(b.window_from) > to_timestamp(needed.period_from_us / 1000000)
        order by 1
        """,
        (versions, month_date),
    ).fetchall()
    reasons = [f"{name} has landed only up to {watermark:%Y-%m-%d %H:%M}Z" for name, watermark in stale]
    reasons += [f"{name} has never landed" for (name,) in missing]
    reasons += [f"{name} has no history before {first:%Y-%m-%d %H:%M}Z" for name, first in early]
    if unpriced:
        reasons.append(f"{unpriced} penalty lines have no invoice or index to be computed from")
    return reasons


def version_of_month(connection: psycopg.Connection, schema: str, key: tuple[str, date, str]) -> str | None:
    """Hash of what a month shows in ``mart`` or as a ``candidate``; None when it shows nothing.

    The candidate's columns are compared on both sides, so a column that a release added counts as a change.
    """
    digest = hashlib.sha256()
    seen = False
    for table in MONTHLY:
        relation = f"mart.{table.name}" if schema == "mart" else table.candidate
        statement = sql.SQL(
            """
            select row({columns})::text as shown from {relation}
            where vendor_id = %s and month_date = %s and currency = %s
            order by row({columns})::text collate "C"
            """
        ).format(
            columns=_columns(connection, table.candidate),
            relation=sql.SQL(relation),
        )
        for (text,) in connection.execute(statement, key):
            seen = True
            digest.update(text.encode() + b"\n")
        digest.update(b"--\n")
    return digest.hexdigest() if seen else None


def _ensure_table(connection: psycopg.Connection, table: Published) -> None:
    """Make the published table once, in the shape of its candidate; it is never dropped afterwards.

    A column that a later release adds is added; one that it drops stays and is null from then on.
    """
    target = sql.Identifier("mart", table.name)
    connection.execute(
        # Columns only: a candidate's not-null constraints would outlive the columns of a later release.
        sql.SQL("create table if not exists {} as table {} with no data").format(
            target, sql.SQL(table.candidate)
        )
    )
    schema, name = table.candidate.split(".")
    missing = connection.execute(
        """
        select c.column_name, format_type(a.atttypid, a.atttypmod)
        from information_schema.columns c
        join pg_attribute a
            on a.attrelid = format('%%I.%%I', c.table_schema, c.table_name)::regclass
            and a.attname = c.column_name
        where c.table_schema = %s and c.table_name = %s and c.column_name not in (
            select column_name from information_schema.columns where table_schema = 'mart' and table_name = %s
        )
        order by c.ordinal_position
        """,
        (schema, name, table.name),
    ).fetchall()
    for column, kind in missing:
        connection.execute(
            sql.SQL("alter table {} add column {} {}").format(target, sql.Identifier(column), sql.SQL(kind))
        )
    if table.key:
        connection.execute(
            sql.SQL("create index if not exists {} on {} ({})").format(
                sql.Identifier(f"{table.name}_key"), target, sql.Identifier(table.key)
            )
        )


def _columns(connection: psycopg.Connection, candidate: str) -> sql.Composed:
    schema, name = candidate.split(".")
    rows = connection.execute(
        """
        select column_name from information_schema.columns where table_schema = %s and table_name = %s
        order by ordinal_position
        """,
        (schema, name),
    ).fetchall()
    return sql.SQL(", ").join(sql.Identifier(column) for (column,) in rows)


def _replace(connection: psycopg.Connection, name: str, candidate: str) -> None:
    target, columns = sql.Identifier("mart", name), _columns(connection, candidate)
    connection.execute(sql.SQL("delete from {}").format(target))
    connection.execute(
        sql.SQL("insert into {} ({}) select {} from {}").format(target, columns, columns, sql.SQL(candidate))
    )


def _replace_month(connection: psycopg.Connection, vendor_id: str, month_date: date, currency: str) -> None:
    key = (vendor_id, month_date, currency)
    where = sql.SQL("where vendor_id = %s and month_date = %s and currency = %s")
    for table in MONTHLY:
        target, columns = sql.Identifier("mart", table.name), _columns(connection, table.candidate)
        connection.execute(sql.SQL("delete from {} {}").format(target, where), key)
        connection.execute(
            sql.SQL("insert into {} ({}) select {} from {} {}").format(
                target,
                columns,
                columns,
                sql.SQL(table.candidate),
                where,
            ),
            key,
        )


def mart_sha256(connection: psycopg.Connection) -> str:
    """Content hash of all published tables; it depends on rows only, not on when they were published."""
    digest = hashlib.sha256()
    tables = connection.execute(
        """
        select table_name from information_schema.tables
        where table_schema = 'mart' and table_name <> 'publication_log' order by 1
        """
    ).fetchall()
    for (name,) in tables:
        digest.update(name.encode() + b"\n")
        statement = sql.SQL('select t::text from {} t order by t::text collate "C"').format(
            sql.Identifier("mart", name)
        )
        for (text,) in connection.execute(statement):
            digest.update(text.encode() + b"\n")
    return digest.hexdigest()
