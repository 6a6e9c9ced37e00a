"""The append-only ledger: entries without a gap, each hashing its content and the entry before it.

A change anywhere shows at every later entry. The database itself refuses updates and deletes
(``sql/ledger.sql``); what is wrong is put right by another entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import psycopg

GENESIS = "0" * 64


@dataclass(frozen=True)
class Posting:
    """What is to be posted; its number and hashes come from the ledger.

    ``amount`` is positive where the vendor owes it, negative where it is taken back. ``month_date`` is the
    month it belongs to, ``posted_month_date`` the one it is booked in.
    """

    kind: str
    vendor_id: str
    month_date: date
    posted_month_date: date
    contract_id: str
    contract_version_id: str
    clause_id: str
    penalty_line_id: str
    amount: Decimal
    currency: str
    corrects_entry_no: int | None = None
    reason: str | None = None


def lock(connection: psycopg.Connection) -> None:
    """Let no other transaction post until this one ends."""
    connection.execute("select pg_advisory_xact_lock(hashtext('avoir.ledger'))")


def post(connection: psycopg.Connection, postings: Sequence[Posting], *, as_of: datetime) -> list[int]:
    """Append entries in the order given, inside the caller's transaction; returns their numbers."""
    lock(connection)
    last = connection.execute(
        "select entry_no, entry_sha256 from ledger.entries order by entry_no desc limit 1"
    ).fetchone()
    entry_no, previous = last or (0, GENESIS)
    numbers = []
    for one in postings:
        entry_no += 1
        content = entry_sha256(
            entry_no, one.kind, one.vendor_id, one.month_date, one.contract_id, one.contract_version_id,
            one.clause_id, one.penalty_line_id, one.amount, one.currency, one.posted_month_date,
            one.corrects_entry_no, one.reason,
        )  # fmt: skip
        chained = hashlib.sha256(f"{previous}{content}".encode()).hexdigest()
        connection.execute(
            """
            insert into ledger.entries (
                entry_no, entry_kind, vendor_id, month_date, contract_id, contract_version_id, clause_id,
                penalty_line_id, amount, currency, posted_as_of, content_sha256, previous_sha256,
                entry_sha256, posted_month_date, corrects_entry_no, reason
            ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                entry_no, one.kind, one.vendor_id, one.month_date, one.contract_id, one.contract_version_id,
                one.clause_id, one.penalty_line_id, one.amount, one.currency, as_of, content, previous,
                chained, one.posted_month_date, one.corrects_entry_no, one.reason,
            ),
        )  # fmt: skip
        previous = chained
        numbers.append(entry_no)
    return numbers


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
    posted_month_date: date | None = None,
    corrects_entry_no: int | None = None,
    reason: str | None = None,
) -> str:
    """Hash of what an entry says, in one canonical JSON form.

    An entry that corrects nothing and is booked in its own month says no more than the first ten.
    """
    content: list[object] = [
        entry_no, kind, vendor_id, month_date.isoformat(), contract_id, contract_version_id, clause_id,
        penalty_line_id, str(amount), currency,
    ]  # fmt: skip
    booked = posted_month_date or month_date
    if booked != month_date or corrects_entry_no is not None or reason is not None:
        content += [booked.isoformat(), corrects_entry_no, reason]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def verify_chain(connection: psycopg.Connection) -> list[str]:
    """Recompute every hash of the ledger; returns what does not hold, nothing when it all does."""
    problems = []
    previous, expected = GENESIS, 0
    for row in connection.execute(
        """
        select entry_no, entry_kind, vendor_id, month_date, contract_id, contract_version_id, clause_id,
            penalty_line_id, amount, currency, posted_month_date, corrects_entry_no, reason,
            content_sha256, previous_sha256, entry_sha256
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
