"""Restate closed months: what late data change is posted in the open month, naming the entry it corrects.

A closed month keeps its numbers. The night goes on computing it from all that is known, through every cap and
exemption of its own time; the difference between that candidate and what the ledger holds of the month is
what is owed or taken back now. Once posted, the same late data make no difference any more.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import psycopg

from avoir.comparing import (
    Difference,
    PostedLine,
    PresentLine,
    changed_lines,
    posted_lines,
    present_lines,
)
from avoir.judging import is_withdrawn, reasons_to_hold
from avoir.ledger import Posting, lock, post
from avoir.versioning import MONTHLY, Key, version_of_month


def posting_of(key: Key, posted_month_date: date, one: Difference) -> Posting:
    """The entry that brings what was posted of a line to what it is now.

    A line that is owed no more is a reversal, every other difference an adjustment. A line that was never
    posted corrects no entry.
    """
    vendor_id, month_date, currency = key
    line = one.is_now or one.was
    assert line is not None
    gone = one.is_now is None or one.is_now.amount == 0
    return Posting(
        kind="reversal" if gone else "adjustment",
        vendor_id=vendor_id,
        month_date=month_date,
        posted_month_date=posted_month_date,
        contract_id=line.contract_id,
        contract_version_id=line.contract_version_id,
        clause_id=line.clause_id,
        penalty_line_id=one.line_id,
        amount=one.amount,
        currency=currency,
        corrects_entry_no=one.was.first_entry_no if one.was else None,
        reason=_reason(one.was, one.is_now),
    )


def _reason(was: PostedLine | None, is_now: PresentLine | None) -> str:
    if was is None or was.amount == 0:
        return "late data: owed now, not when the month closed"
    if is_now is None or is_now.amount == 0:
        return "late data: owed no more"
    return f"late data: {_plain(was.amount)} became {_plain(is_now.amount)}"


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


def restate(connection: psycopg.Connection, *, as_of: datetime) -> int:
    """Post the differences of every closed month whose candidate may be believed; returns how many entries.

    A month whose latest verdict is not "closed" (a border did not hold), or whose candidate would be held (a
    source that stopped, a line that cannot be priced), is left as it is until its candidate may be seen. One
    that an amendment took out of its contract is taken back whole; one whose contract is gone is not.
    """
    posted = 0
    with connection.transaction():
        lock(connection)
        for vendor_id, month_date, currency, version_id in connection.execute(
            """
            select c.vendor_id, c.month_date, c.currency, c.version_id
            from ledger.closed_months c
            cross join lateral (
                select l.verdict from mart.publication_log l
                where l.vendor_id = c.vendor_id and l.month_date = c.month_date and l.currency = c.currency
                order by l.publication_no desc limit 1
            ) l
            where l.verdict = 'closed'
            order by c.month_date, c.vendor_id, c.currency
            """
        ).fetchall():
            key = (vendor_id, month_date, currency)
            candidate = version_of_month(connection, "candidate", key)
            was_restated = connection.execute(
                "select 1 from ledger.entries where vendor_id = %s and month_date = %s and currency = %s"
                " and posted_month_date > month_date limit 1",
                key,
            ).fetchone()
            if candidate == version_id and was_restated is None:
                continue
            if candidate is None and not is_withdrawn(connection, key):
                continue
            if reasons_to_hold(connection, key):
                continue
            changes = changed_lines(posted_lines(connection, key), present_lines(connection, key))
            booked_in = open_month(connection, vendor_id, currency)
            postings = [posting_of(key, booked_in, one) for one in changes]
            for one, entry_no in zip(changes, post(connection, postings, as_of=as_of), strict=True):
                _freeze(connection, one, entry_no)
                posted += 1
    return posted


def open_month(connection: psycopg.Connection, vendor_id: str, currency: str) -> date:
    """The month in which a vendor's late differences are booked: the one after the last that was closed."""
    row = connection.execute(
        """
        select cast(max(month_date) + interval '1 month' as date) from ledger.closed_months
        where vendor_id = %s and currency = %s
        """,
        (vendor_id, currency),
    ).fetchone()
    assert row is not None
    month: date = row[0]
    return month


def _freeze(connection: psycopg.Connection, one: Difference, entry_no: int) -> None:
    """Keep the line an entry was computed from; of one that is gone there is nothing but the frozen one."""
    lines = next(table for table in MONTHLY if table.name == "fct_penalty_lines")
    connection.execute(
        f"""
        insert into ledger.frozen_rows (vendor_id, month_date, currency, table_name, row_id, content)
        select vendor_id, month_date, currency, '{lines.name}', %s || '@' || %s, to_jsonb(l)
        from {lines.candidate} l where penalty_line_id = %s
        """,  # noqa: S608 - names of this library
        (one.line_id, str(entry_no), one.present_line_id),
    )
