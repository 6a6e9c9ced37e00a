"""Close a month: post its published penalty lines to the append-only ledger and freeze it.

Entries are numbered without a gap and chained: each one hashes its content and the hash of the entry
before it, so a change anywhere shows at every later entry. The database refuses updates and deletes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg

from avoir.publishing import version_of_month
from avoir.services import surroundings_of
from avoir.settings import Settings

GENESIS = "0" * 64
CLOSING_BUSINESS_DAY = 5
SATURDAY = 5


def close_month(settings: Settings, *, as_of: datetime, month: str | None, by_hand: bool) -> dict[str, int]:
    """Close every published vendor of a month (``YYYY-MM``; the month before ``as_of`` when None).

    Not by hand, nothing happens before the fifth business day. Returns counts of months and entries.

    Raises:
        ValueError: ``month`` is not a month, or has not ended at ``as_of``.
    """
    today = as_of.astimezone(ZoneInfo(settings.timezone)).date()
    first = (
        date.fromisoformat(f"{month}-01")
        if month
        else (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    )
    if first >= today.replace(day=1):
        raise ValueError(f"{first:%Y-%m} has not ended at {as_of.isoformat()}; only a whole month can close.")
    if not by_hand and business_days_of_month(today) < CLOSING_BUSINESS_DAY:
        return {"closed": 0, "entries": 0}
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection:
        return close(connection, first, as_of=as_of)


def business_days_of_month(today: date) -> int:
    """Weekdays of the month up to and including a date."""
    return sum(1 for day in range(1, today.day + 1) if today.replace(day=day).weekday() < SATURDAY)


def close(connection: psycopg.Connection, month_date: date, *, as_of: datetime) -> dict[str, int]:
    """Post and freeze on an open connection, in one transaction. Closing again posts nothing.

    A month whose latest verdict is held or blocked stays open.
    """
    closed = posted = 0
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('avoir.ledger'))")
        last = connection.execute(
            "select entry_no, entry_sha256 from ledger.entries order by entry_no desc limit 1"
        ).fetchone()
        entry_no, previous = last or (0, GENESIS)
        months = connection.execute(
            """
            select m.vendor_id, m.currency from mart.mart_vendor_month m
            where m.month_date = %s and not exists (
                select 1 from ledger.closed_months c
                where c.vendor_id = m.vendor_id and c.month_date = m.month_date and c.currency = m.currency
            ) and (
                select l.verdict from mart.publication_log l
                where l.vendor_id = m.vendor_id and l.month_date = m.month_date and l.currency = m.currency
                order by l.publication_no desc limit 1
            ) in ('published', 'unchanged')
            order by 1, 2
            """,
            (month_date,),
        ).fetchall()
        for vendor_id, currency in months:
            lines = connection.execute(
                """
                select penalty_line_id, contract_id, contract_version_id, clause_id, credit_amount
                from mart.fct_penalty_lines
                where vendor_id = %s and month_date = %s and currency = %s and credit_amount <> 0
                order by contract_id, clause_id, penalty_line_id
                """,
                (vendor_id, month_date, currency),
            ).fetchall()
            for penalty_line_id, contract_id, contract_version_id, clause_id, amount in lines:
                entry_no += 1
                content = entry_sha256(
                    entry_no, "credit", vendor_id, month_date, contract_id,
                    contract_version_id, clause_id, penalty_line_id, amount, currency,
                )  # fmt: skip
                chained = hashlib.sha256(f"{previous}{content}".encode()).hexdigest()
                connection.execute(
                    """
                    insert into ledger.entries values
                    (%s, 'credit', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                    """,
                    (
                        entry_no, vendor_id, month_date, contract_id, contract_version_id, clause_id,
                        penalty_line_id, amount, currency, as_of, content, previous, chained,
                    ),
                )  # fmt: skip
                previous = chained
                posted += 1
            version_id = version_of_month(connection, "mart", (vendor_id, month_date, currency))
            connection.execute(
                "insert into ledger.closed_months values (%s, %s, %s, %s, %s, %s)",
                (vendor_id, month_date, currency, as_of, version_id, len(lines)),
            )
            closed += 1
    return {"closed": closed, "entries": posted}


def entry_sha256(
    entry_no: int,
    kind: str,
    vendor_id: str,
    month_date: date,
    contract_id: str,
    contract_version_id: str,
    clause_id: str,
    penalty_line_id: str,
    amount: Decimal,
    currency: str,
) -> str:
    """Hash of what an entry says, in one canonical JSON form."""
    content = [
        entry_no, kind, vendor_id, month_date.isoformat(), contract_id, contract_version_id, clause_id,
        penalty_line_id, str(amount), currency,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def verify_chain(connection: psycopg.Connection) -> list[str]:
    """Recompute every hash of the ledger; returns what does not hold, nothing when it all does."""
    problems = []
    previous, expected = GENESIS, 0
    for row in connection.execute(
        """
        select entry_no, entry_kind, vendor_id, month_date, contract_id, contract_version_id, clause_id,
            penalty_line_id, amount, currency, content_sha256, previous_sha256, entry_sha256
        from ledger.entries order by entry_no
        """
    ):
        *content, content_hash, previous_hash, entry_hash = row
        expected += 1
        if content[0] != expected:
            problems.append(f"entry {expected} is missing")
            expected = content[0]
        if entry_sha256(*content) != content_hash:
            problems.append(f"entry {content[0]} does not hash to its content")
        if previous_hash != previous:
            problems.append(f"entry {content[0]} does not follow the entry before it")
        if hashlib.sha256(f"{previous_hash}{content_hash}".encode()).hexdigest() != entry_hash:
            problems.append(f"entry {content[0]} breaks the chain")
        previous = entry_hash
    return problems
