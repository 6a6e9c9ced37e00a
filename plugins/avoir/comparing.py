"""What the ledger holds of a month's penalty lines, beside what the same lines would be today.

The gate asks it to say what becomes of a closed month whose candidate differs, the restatement to post the
difference: both must see the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import psycopg

from avoir.versioning import Key


@dataclass(frozen=True)
class PostedLine:
    """What the ledger holds of one penalty line: the sum of its entries, and the entry that began it."""

    contract_id: str
    contract_version_id: str
    clause_id: str
    amount: Decimal
    first_entry_no: int


@dataclass(frozen=True)
class PresentLine:
    """The same line as it would be computed today."""

    contract_id: str
    contract_version_id: str
    clause_id: str
    amount: Decimal


@dataclass(frozen=True)
class Difference:
    """A line whose amount is not what was posted of it; at least one side is there."""

    line_id: str
    was: PostedLine | None
    is_now: PresentLine | None
    amount: Decimal
    """What is to be posted: what the line is now, less what was posted."""


def posted_lines(connection: psycopg.Connection, key: Key) -> dict[str, PostedLine]:
    """Every line of a month that the ledger has entries of, by its id."""
    rows = connection.execute(
        """
        select penalty_line_id, min(contract_id), min(contract_version_id), min(clause_id), sum(amount),
            min(entry_no)
        from ledger.entries where vendor_id = %s and month_date = %s and currency = %s group by 1
        """,
        key,
    ).fetchall()
    return {line_id: PostedLine(*rest) for line_id, *rest in rows}


def present_lines(connection: psycopg.Connection, key: Key) -> dict[str, PresentLine]:
    """Every candidate line of a month, by its id; one that could not be priced is worth nothing yet."""
    rows = connection.execute(
        """
        select penalty_line_id, contract_id, contract_version_id, clause_id, coalesce(credit_amount, 0)
        from penalties.fct_penalty_lines
        where vendor_id = %s and month_date = %s and currency = %s
        """,
        key,
    ).fetchall()
    return {line_id: PresentLine(*rest) for line_id, *rest in rows}


def changed_lines(posted: dict[str, PostedLine], present: dict[str, PresentLine]) -> list[Difference]:
    """The lines whose amounts differ, in the order of contracts, clauses and ids."""
    found = []
    for line_id in posted.keys() | present.keys():
        was, is_now = posted.get(line_id), present.get(line_id)
        amount = (is_now.amount if is_now else Decimal(0)) - (was.amount if was else Decimal(0))
        if amount != 0:
            found.append(Difference(line_id, was, is_now, amount))
    return sorted(found, key=_place)


def _place(difference: Difference) -> tuple[str, str, str]:
    line = difference.is_now or difference.was
    assert line is not None
    return line.contract_id, line.clause_id, difference.line_id
