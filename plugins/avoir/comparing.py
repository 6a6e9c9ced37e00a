"""What the ledger holds of a month's penalty lines, beside what the same lines would be today.

The gate asks it to say what becomes of a closed month whose candidate differs, the restatement to post the
difference: both must see the same one.

An amendment makes another version of a contract, and with it other ids of its lines. A line is therefore the
one that was posted under its id, else one of the same contract, clause, kind, month of origin and subject: a
ticket, a release, a service. So an amendment that changes no amount posts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest

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
    about: str = ""
    """Kind, month of origin and subject of the line, as it was frozen."""


@dataclass(frozen=True)
class PresentLine:
    """The same line as it would be computed today."""

    contract_id: str
    contract_version_id: str
    clause_id: str
    amount: Decimal
    about: str = ""


@dataclass(frozen=True)
class Difference:
    """A line whose amount is not what was posted of it; at least one side is there."""

    line_id: str
    """The id under which it was posted; of a line that never was, its own."""
    present_line_id: str | None
    was: PostedLine | None
    is_now: PresentLine | None
    amount: Decimal
    """What is to be posted: what the line is now, less what was posted."""


def posted_lines(connection: psycopg.Connection, key: Key) -> dict[str, PostedLine]:
    """Every line of a month that the ledger has entries of, by its id."""
    rows = connection.execute(
        """
        select e.penalty_line_id, min(e.contract_id), min(e.contract_version_id), min(e.clause_id),
            sum(e.amount), min(e.entry_no), coalesce(min(f.about), '')
        from ledger.entries e
        left join (
            select split_part(row_id, '@', 1) as penalty_line_id, min(concat_ws('|',
                content ->> 'line_kind', content ->> 'origin_month_date', content ->> 'subject_name'
            )) as about
            from ledger.frozen_rows
            where vendor_id = %(vendor)s and month_date = %(month)s and currency = %(currency)s
                and table_name = 'fct_penalty_lines'
            group by 1
        ) f on f.penalty_line_id = e.penalty_line_id
        where e.vendor_id = %(vendor)s and e.month_date = %(month)s and e.currency = %(currency)s
        group by 1
        """,
        dict(zip(("vendor", "month", "currency"), key, strict=True)),
    ).fetchall()
    return {line_id: PostedLine(*rest) for line_id, *rest in rows}


def present_lines(connection: psycopg.Connection, key: Key) -> dict[str, PresentLine]:
    """Every candidate line of a month, by its id; one that could not be priced is worth nothing yet."""
    rows = connection.execute(
        """
        select penalty_line_id, contract_id, contract_version_id, clause_id, coalesce(credit_amount, 0),
            concat_ws('|', line_kind, origin_month_date, subject_name)
        from penalties.fct_penalty_lines
        where vendor_id = %s and month_date = %s and currency = %s
        """,
        key,
    ).fetchall()
    return {line_id: PresentLine(*rest) for line_id, *rest in rows}


def changed_lines(posted: dict[str, PostedLine], present: dict[str, PresentLine]) -> list[Difference]:
    """The lines whose amounts differ, in the order of contracts, clauses and ids."""
    found = []
    for posted_id, present_id in _pairs(posted, present):
        was = None if posted_id is None else posted[posted_id]
        is_now = None if present_id is None else present[present_id]
        amount = (is_now.amount if is_now else Decimal(0)) - (was.amount if was else Decimal(0))
        if amount != 0:
            found.append(Difference(posted_id or present_id or "", present_id, was, is_now, amount))
    return sorted(found, key=_place)


def _pairs(
    posted: dict[str, PostedLine], present: dict[str, PresentLine]
) -> Iterator[tuple[str | None, str | None]]:
    """Every line once: by its id, then by what it is about, then alone. Of several the same amounts meet."""
    both = posted.keys() & present.keys()
    yield from ((line_id, line_id) for line_id in both)
    left = _by_subject({line_id: line for line_id, line in posted.items() if line_id not in both})
    others = _by_subject({line_id: line for line_id, line in present.items() if line_id not in both})
    for subject in left.keys() | others.keys():
        mine, theirs = left.get(subject, []), others.get(subject, [])
        equal = Counter(posted[one].amount for one in mine) & Counter(present[one].amount for one in theirs)
        yield from zip_longest(
            _first(mine, posted, Counter(equal)), _first(theirs, present, Counter(equal)), fillvalue=None
        )


def _by_subject(lines: Mapping[str, PostedLine | PresentLine]) -> dict[tuple[str, str, str], list[str]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for line_id, line in sorted(lines.items()):
        found.setdefault((line.contract_id, line.clause_id, line.about), []).append(line_id)
    return found


def _first(
    line_ids: list[str], lines: Mapping[str, PostedLine | PresentLine], equal: Counter[Decimal]
) -> list[str]:
    """Those whose amounts the other side has too, by amount, then the others, by amount."""
    shared: list[str] = []
    alone: list[str] = []
    for line_id in sorted(line_ids, key=lambda one: (lines[one].amount, one)):
        amount = lines[line_id].amount
        (shared if equal[amount] > 0 else alone).append(line_id)
        equal[amount] -= 1
    return shared + alone


def _place(difference: Difference) -> tuple[str, str, str]:
    line = difference.is_now or difference.was
    assert line is not None
    return line.contract_id, line.clause_id, difference.line_id
