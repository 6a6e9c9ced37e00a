"""Write, audit, publish: candidates become the mart per vendor and month, in one transaction.

Readers see a month's last good version until the next one is whole. A month is *held* when something was
found against it, until a person releases what is held; everything is *blocked* when a border did not hold
and nobody can be named for it; a *closed* month never changes. :mod:`avoir.judging` decides which.

The transaction that publishes takes row locks only, so it waits for no reader and no reader for it. What does
lock readers out (a table or a column that a release adds) is done before, in a transaction of its own that
gives up after a quarter of a second and tries again: see :func:`shape_mart`.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, date, datetime

import psycopg
from psycopg import sql

from avoir.contracts.proofs import code_sha256
from avoir.describing import copy_comments
from avoir.guarding import guard_published, make_portal
from avoir.inputs import inputs_sha256
from avoir.judging import (
    Reasons,
    blocks_all,
    judge,
    judge_withdrawn,
    judged_run,
    reasons,
    reasons_to_hold,
)
from avoir.services import surroundings_of
from avoir.settings import CHECKOUT, Settings
from avoir.versioning import MONTHLY, Key, Published, columns_of, version_of_month

DIMENSIONS = ("dim_vendors", "dim_contracts", "dim_services", "dim_dates")


SHAPE_LOCK_MILLISECONDS = 250
"""How long a change of shape may wait for a lock: so long, at most, does it make new readers wait."""

SHAPE_PATIENCE_SECONDS = 30.0
"""How long a change of shape is tried again while readers hold a table."""

_SHAPE_PAUSE_SECONDS = 0.75


class MartHeldError(RuntimeError):
    """A reader kept a published table from getting its new columns; the message says who, and the mend."""


class PublicationBlockedError(RuntimeError):
    """A border did not hold for anybody, so nothing was published; the message says what failed."""


def publish_candidates(settings: Settings, *, as_of: datetime, run_id: str) -> dict[str, int]:
    """Publish every month whose candidate may be seen; returns how many months got which verdict.

    Raises:
        MartHeldError: a reader kept a table from changing its shape; nothing was published.
        PublicationBlockedError: a check of this run failed that nobody can be named for, or a border was not
            judged.
    """
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection:
        built_from = inputs_sha256(connection, settings, as_of)
        connection.commit()
        counts = publish(connection, as_of=as_of, run_id=run_id, built_from=built_from)
    if counts.get("blocked"):
        with here.warehouse.connect("avoir_transformer") as connection:
            failed = blocks_all(connection, run_id)
        raise PublicationBlockedError(f"nothing was published: {'; '.join(failed)}")
    return counts


def publish(
    connection: psycopg.Connection, *, as_of: datetime, run_id: str, built_from: str | None
) -> dict[str, int]:
    """Judge and publish on an open connection without a transaction; commits.

    Waits at most a minute for another publication, and for no reader.

    Args:
        connection: as ``avoir_transformer``.
        as_of: the instant of the build.
        run_id: the run whose checks judge it.
        built_from: hash of what it was built from; None when this build was published before.

    Raises:
        MartHeldError: a reader kept a table from changing its shape; nothing was published.
    """
    counts: dict[str, int] = {}
    with connection.transaction():
        failed = blocks_all(connection, run_id)
    if not failed:
        # A candidate that is blocked may have lost a column, or have one that readers must never see.
        shape_mart(connection)
    with connection.transaction():
        connection.execute("set local lock_timeout = '60s'")
        connection.execute("select pg_advisory_xact_lock(hashtext('avoir.publish'))")
        if failed and not (_has_candidates(connection) and _candidate_months(connection)):
            return {"blocked": 1}
        if not failed:
            if built_from is not None:
                record_build(connection, as_of=as_of, run_id=run_id, built_from=built_from)
            for name in DIMENSIONS:
                _replace(connection, name, f"candidate.{name}")
        found = Reasons() if failed else reasons(connection, run_id)
        judgements = {key: judge(connection, key, failed, found) for key in _candidate_months(connection)}
        for key in _withdrawn_months(connection):
            judgements[key] = judge_withdrawn(connection, key, failed)
        for key, judged in judgements.items():
            if judged.verdict == "published":
                _replace_month(connection, key)
            counts[judged.verdict] = counts.get(judged.verdict, 0) + 1
            connection.execute(
                """
                insert into mart.publication_log
                    (run_id, as_of, vendor_id, month_date, currency, verdict, reason, version_id)
                values (%s, %s, %s, %s, %s, %s, %s, %s)
                """,
                (run_id, as_of, *key, judged.verdict, judged.reason, judged.version_id),
            )
    return counts


def record_build(connection: psycopg.Connection, *, as_of: datetime, run_id: str, built_from: str) -> None:
    """Keep what a build was made from, part by part: enough to make it again from the same rows."""
    connection.execute(
        """
        insert into checks.builds (
            run_id, as_of, inputs_sha256, raw_batches, contract_version_ids, calendars_sha256, code_sha256
        )
        select %(run_id)s, %(as_of)s, %(built_from)s,
            (select range_agg(int8range(batch_id, batch_id, '[]')) from builds.built_batches),
            (
                select array_agg(contract_version_id order by contract_version_id)
                from reference.contract_versions where superseded_at is null
            ),
            %(calendars)s, %(code)s
        """,
        {
            "run_id": run_id,
            "as_of": as_of,
            "built_from": built_from,
            "calendars": calendars_sha256(connection, as_of),
            "code": code_sha256(CHECKOUT / "dbt_project"),
        },
    )


def calendars_sha256(connection: psycopg.Connection, as_of: datetime, *, reference: str = "reference") -> str:
    """Hash of every current contract's calendar days before the day of ``as_of``, in a reference schema."""
    row = connection.execute(
        sql.SQL(
            """
            select encode(sha256(convert_to(coalesce(string_agg(
                c::text, '|' order by c.calendar_id collate "C", c.day_no), ''), 'utf8')), 'hex')
            from {days} c
            where c.day_no < %s and c.calendar_id in (
                select k.calendar_id from {calendars} k
                join {versions} v on v.contract_version_id = k.contract_version_id
                where v.superseded_at is null
            )
            """
        ).format(
            days=sql.Identifier(reference, "calendar_days"),
            calendars=sql.Identifier(reference, "calendars"),
            versions=sql.Identifier(reference, "contract_versions"),
        ),
        ((as_of.astimezone(UTC).date() - date(1970, 1, 1)).days,),
    ).fetchone()
    assert row is not None
    return str(row[0])


def _has_candidates(connection: psycopg.Connection) -> bool:
    row = connection.execute("select to_regclass('candidate.mart_vendor_month') is not null").fetchone()
    return row == (True,)


def _candidate_months(connection: psycopg.Connection) -> list[Key]:
    return connection.execute(
        "select vendor_id, month_date, currency from candidate.mart_vendor_month order by 1, 2, 3"
    ).fetchall()


def _withdrawn_months(connection: psycopg.Connection) -> list[Key]:
    """Closed months without a candidate."""
    return connection.execute(
        """
        select c.vendor_id, c.month_date, c.currency from ledger.closed_months c
        where not exists (
            select 1 from candidate.mart_vendor_month m
            where m.vendor_id = c.vendor_id and m.month_date = c.month_date and m.currency = c.currency
        )
        order by 1, 2, 3
        """
    ).fetchall()


def release(
    connection: psycopg.Connection,
    key: Key,
    *,
    because: str,
    released_by: str,
    as_of: datetime,
) -> list[str]:
    """Let a held month through as it is held now; returns what it was held for. Does not commit.

    A candidate that changes afterwards is another version and is held again.

    Raises:
        ValueError: the month is not held, or no reason is given.
    """
    vendor_id, month_date, currency = key
    month = f"{vendor_id} {month_date:%Y-%m} {currency}"
    if not because.strip():
        raise ValueError(f"{month}: say why it may be seen.")
    row = connection.execute(
        """
        select verdict from mart.publication_log where vendor_id = %s and month_date = %s and currency = %s
        order by publication_no desc limit 1
        """,
        key,
    ).fetchone()
    if row is None:
        raise ValueError(f"{month}: no such month was ever judged; `avoir status` lists those there are.")
    version_id = version_of_month(connection, "candidate", key)
    held = reasons_to_hold(connection, key)
    if row[0] != "held" or version_id is None or not held:
        raise ValueError(f"{month} is {row[0]}, not held: there is nothing to release.")
    connection.execute(
        """
        insert into checks.releases (
            vendor_id, month_date, currency, version_id, held_for, because, released_by, released_as_of
        ) values (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (*key, version_id, "; ".join(held), because.strip(), released_by, as_of),
    )
    return held


def release_held(
    settings: Settings, key: Key, *, because: str, released_by: str, as_of: datetime
) -> list[str]:
    """Release a held month (:func:`release`) and publish it at once, by the checks of the last run.

    Raises:
        ValueError: the month is not held, or no reason is given.
        PublicationBlockedError: the last run that was judged did not hold.
    """
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection:
        row = connection.execute(
            "select run_id, as_of from checks.builds order by build_no desc limit 1"
        ).fetchone()
        if row is None:
            raise ValueError("nothing was ever built; run `avoir run` first.")
        run_id, built_as_of = row
        judged = judged_run(connection)
        if judged != run_id:
            # The candidates are those of a later run than the last one that published.
            failed = blocks_all(connection, str(judged))
            raise PublicationBlockedError(f"nothing was published: {'; '.join(failed)}")
        held = release(connection, key, because=because, released_by=released_by, as_of=as_of)
        connection.commit()
        counts = publish(connection, as_of=built_as_of, run_id=run_id, built_from=None)
        if counts.get("blocked"):
            failed = blocks_all(connection, run_id)
            raise PublicationBlockedError(f"nothing was published: {'; '.join(failed)}")
    return held


def shape_mart(connection: psycopg.Connection, *, patience_seconds: float = SHAPE_PATIENCE_SECONDS) -> None:
    """Give every published table the shape of its candidate, guard it, and make the vendors' views; commits.

    Nothing is locked unless something has to change. A column can be added only while nobody reads the
    table, and whoever comes later queues behind the change; so it waits for a quarter of a second, lets the
    queue through, and tries again.

    Raises:
        MartHeldError: it could not be done in ``patience_seconds``.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            with connection.transaction():
                connection.execute("set local lock_timeout = '60s'")
                connection.execute("select pg_advisory_xact_lock(hashtext('avoir.publish'))")
                connection.execute(
                    "select set_config('lock_timeout', %s, true)", (f"{SHAPE_LOCK_MILLISECONDS}ms",)
                )
                if _has_candidates(connection):
                    changed = False
                    for table in (*MONTHLY, *(Published(n, f"candidate.{n}", "") for n in DIMENSIONS)):
                        changed |= _ensure_table(connection, table)
                    make_portal(connection, anew=changed)
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() >= deadline:
                raise MartHeldError(_told_holders(connection, patience_seconds)) from error
            time.sleep(_SHAPE_PAUSE_SECONDS)
        else:
            return


def _told_holders(connection: psycopg.Connection, patience_seconds: float) -> str:
    with connection.transaction():
        rows = connection.execute(
            """
            select distinct a.usename::text, a.pid, l.relation::regclass::text
            from pg_locks l join pg_stat_activity a on a.pid = l.pid
            join pg_class c on c.oid = l.relation
            where l.database = (select oid from pg_database where datname = current_database())
                and c.relnamespace in ('mart'::regnamespace, 'vendor_portal'::regnamespace) and l.granted
                and l.pid <> pg_backend_pid()
            order by 1, 2, 3
            """
        ).fetchall()
    holders = ", ".join(f"{role} (process {pid}) reads {relation}" for role, pid, relation in rows)
    return (
        f"the mart could not get its new columns in {patience_seconds:.0f} s, and nothing was published: "
        f"{holders or 'a session that has ended since held it'}. "
        "Wait for those sessions or end them (pg_terminate_backend), then publish again."
    )


def _ensure_table(connection: psycopg.Connection, table: Published) -> bool:
    """Make the published table once, in the shape of its candidate, guarded; returns whether it changed.

    It is never dropped afterwards. A column that a later release adds is added; one that it drops stays and
    is null from then on.
    """
    name = f"mart.{table.name}"
    target = sql.Identifier("mart", table.name)
    found = connection.execute("select to_regclass(%s) is not null", (name,)).fetchone()
    is_new = found != (True,)
    if is_new:
        # Columns only: a candidate's not-null constraints would outlive the columns of a later release.
        connection.execute(
            sql.SQL("create table {} as table {} with no data").format(target, sql.SQL(table.candidate))
        )
    schema, candidate = table.candidate.split(".")
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
        (schema, candidate, table.name),
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
    guard_published(connection, name)
    copy_comments(connection, table.candidate, name)
    return is_new or bool(missing)


def _replace(connection: psycopg.Connection, name: str, candidate: str) -> None:
    target, columns = sql.Identifier("mart", name), columns_of(connection, candidate)
    connection.execute(sql.SQL("delete from {}").format(target))
    connection.execute(
        sql.SQL("insert into {} ({}) select {} from {}").format(target, columns, columns, sql.SQL(candidate))
    )


def _replace_month(connection: psycopg.Connection, key: Key) -> None:
    where = sql.SQL("where vendor_id = %s and month_date = %s and currency = %s")
    for table in MONTHLY:
        target, columns = sql.Identifier("mart", table.name), columns_of(connection, table.candidate)
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
