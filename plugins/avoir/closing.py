"""Close a month: post its published penalty lines to the ledger and freeze what it showed.

What a closed month was built from is kept with it (batches of raw rows, contract versions, calendars,
code), so that it can be built again and compared a year later.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from avoir.ledger import Posting, lock, post
from avoir.procedure import load_register, release_applicable
from avoir.restating import restate
from avoir.services import surroundings_of
from avoir.settings import Settings
from avoir.versioning import MONTHLY, version_of_month

CLOSING_BUSINESS_DAY = 5
SATURDAY = 5


def close_month(settings: Settings, *, as_of: datetime, month: str | None, by_hand: bool) -> dict[str, int]:
    """Close every published vendor of a month (``YYYY-MM``; the month before ``as_of`` when None).

    What late data changed of months closed before is posted first, into the month that is open until now.
    Not by hand, nothing happens before the fifth business day. Returns counts of months and entries.

    Raises:
        ValueError: ``month`` is not a month, or has not ended at ``as_of``.
        ProcedureError: the register of the procedure cannot be read.
    """
    today = local_date(settings, as_of)
    first = (
        date.fromisoformat(f"{month}-01")
        if month
        else (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    )
    if first >= today.replace(day=1):
        raise ValueError(f"{first:%Y-%m} has not ended at {as_of.isoformat()}; only a whole month can close.")
    if not by_hand and business_days_of_month(today) < CLOSING_BUSINESS_DAY:
        return {"closed": 0, "entries": 0, "restated": 0, "applicable": 0, "refused_steps": 0}
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection, connection.transaction():
        restated = restate(connection, as_of=as_of)
        counts = close(connection, first, as_of=as_of)
        settled = _settle(connection, settings, as_of=as_of)
    return {**counts, "restated": restated, **settled}


def settle(settings: Settings, *, as_of: datetime, register: Path | None = None) -> dict[str, int]:
    """Record the register's new steps and number what may now be booked, such as what silence agreed to.

    Args:
        settings: of the profile.
        as_of: the instant until which silence has lasted.
        register: another file than the profile's ``procedure.csv``.

    Raises:
        ProcedureError: the register cannot be read.
    """
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection, connection.transaction():
        return _settle(connection, settings, as_of=as_of, register=register)


def _settle(
    connection: psycopg.Connection, settings: Settings, *, as_of: datetime, register: Path | None = None
) -> dict[str, int]:
    """The same on an open connection; does not commit."""
    today = local_date(settings, as_of)
    refused = load_register(connection, register or settings.procedure_file, as_of=as_of, today=today)
    for line in refused:
        print(line)
    applicable = release_applicable(connection, today=today, as_of=as_of)
    return {"applicable": applicable, "refused_steps": len(refused)}


def restate_closed(settings: Settings, *, as_of: datetime) -> dict[str, int]:
    """Post now what late data changed of closed months, instead of at the next closing."""
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection, connection.transaction():
        restated = restate(connection, as_of=as_of)
        applicable = release_applicable(connection, today=local_date(settings, as_of), as_of=as_of)
    return {"restated": restated, "applicable": applicable}


def local_date(settings: Settings, as_of: datetime) -> date:
    """The day that an instant falls on where the closing is done (``AVOIR_TIMEZONE``)."""
    return as_of.astimezone(ZoneInfo(settings.timezone)).date()


def business_days_of_month(today: date) -> int:
    """Weekdays of the month up to and including a date."""
    return sum(1 for day in range(1, today.day + 1) if today.replace(day=day).weekday() < SATURDAY)


def close(connection: psycopg.Connection, month_date: date, *, as_of: datetime) -> dict[str, int]:
    """Post and freeze on an open connection, in one transaction. Closing again posts nothing.

    A month whose latest verdict is held or blocked stays open.
    """
    closed = posted = 0
    with connection.transaction():
        lock(connection)
        months = connection.execute(
            """
            select m.vendor_id, m.currency, l.run_id
            from mart.mart_vendor_month m
            cross join lateral (
                select l.verdict, l.run_id from mart.publication_log l
                where l.vendor_id = m.vendor_id and l.month_date = m.month_date and l.currency = m.currency
                order by l.publication_no desc limit 1
            ) l
            where m.month_date = %s and l.verdict in ('published', 'unchanged') and not exists (
                select 1 from ledger.closed_months c
                where c.vendor_id = m.vendor_id and c.month_date = m.month_date and c.currency = m.currency
            )
            order by 1, 2
            """,
            (month_date,),
        ).fetchall()
        for vendor_id, currency, run_id in months:
            key = (vendor_id, month_date, currency)
            version_id = version_of_month(connection, "mart", key)
            entries = post(connection, _postings(connection, key), as_of=as_of)
            connection.execute(
                """
                insert into ledger.closed_months (
                    vendor_id, month_date, currency, as_of, version_id, entry_count, run_id, built_as_of,
                    raw_batches, contract_version_ids, calendars_sha256, code_sha256
                )
                select %s, %s, %s, %s, %s, %s, %s, b.as_of,
                    b.raw_batches, b.contract_version_ids, b.calendars_sha256, b.code_sha256
                from (select 1) as one
                left join lateral (
                    select * from checks.builds where run_id = %s order by build_no desc limit 1
                ) b on true
                """,
                (*key, as_of, version_id, len(entries), run_id, run_id),
            )
            _freeze(connection, key)
            posted += len(entries)
            closed += 1
    return {"closed": closed, "entries": posted}


def _postings(connection: psycopg.Connection, key: tuple[str, date, str]) -> list[Posting]:
    """The published lines of a month. An earn-back takes back what a line before it gave, and names it."""
    vendor_id, month_date, currency = key
    lines = connection.execute(
        """
        select l.penalty_line_id, l.contract_id, l.contract_version_id, l.clause_id, l.credit_amount,
            case when l.line_kind = 'earn_back' then 'reversal' else 'credit' end,
            case when l.line_kind = 'earn_back' then (
                select e.entry_no from mart.fct_penalty_lines b
                join ledger.entries e on e.penalty_line_id = b.penalty_line_id and e.entry_kind = 'credit'
                where b.contract_version_id = l.contract_version_id and b.clause_id = l.clause_id
                    and b.origin_month_date = l.origin_month_date and b.event_id = l.event_id
                    and b.line_kind <> 'earn_back'
                order by e.entry_no limit 1
            ) end,
            case when l.line_kind = 'earn_back' then 'earned back' end
        from mart.fct_penalty_lines l
        where l.vendor_id = %s and l.month_date = %s and l.currency = %s and l.credit_amount <> 0
        order by l.contract_id, l.clause_id, l.penalty_line_id
        """,
        key,
    ).fetchall()
    return [
        Posting(
            kind, vendor_id, month_date, month_date, contract_id, version_id, clause_id, line_id, amount,
            currency, corrects, reason,
        )
        for line_id, contract_id, version_id, clause_id, amount, kind, corrects, reason in lines
    ]  # fmt: skip


def _freeze(connection: psycopg.Connection, key: tuple[str, date, str]) -> None:
    for table in MONTHLY:
        connection.execute(
            f"""
            insert into ledger.frozen_rows (vendor_id, month_date, currency, table_name, row_id, content)
            select t.vendor_id, t.month_date, t.currency, '{table.name}', t.{table.key}, to_jsonb(t)
            from mart.{table.name} t
            where t.vendor_id = %s and t.month_date = %s and t.currency = %s
            """,  # noqa: S608 - names of this library
            key,
        )
