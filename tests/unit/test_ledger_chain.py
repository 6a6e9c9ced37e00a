"""The chain of hashes shows any change, wherever it is made."""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avoir.closing import business_days_of_month
from avoir.ledger import GENESIS, entry_sha256, verify_chain

AMOUNTS = st.decimals("0.01", "99999.99", places=2)


class Ledger:
    """Rows as the database would give them."""

    def __init__(self, amounts: list[Decimal]) -> None:
        self.rows: list[list[Any]] = []
        previous = GENESIS
        for number, amount in enumerate(amounts, start=1):
            content = [
                number, "credit", "helios", date(2026, 6, 1), "HEL", "HEL:1:abcd", "SLA-1", f"line-{number}",
                amount, "EUR", None, None, None,
            ]  # fmt: skip
            hashed = entry_sha256(*content)
            chained = hashlib.sha256(f"{previous}{hashed}".encode()).hexdigest()
            self.rows.append([*content, hashed, previous, chained])
            previous = chained

    def execute(self, _query: str) -> list[list[Any]]:
        return self.rows


def _verified(ledger: Ledger) -> list[str]:
    return verify_chain(ledger)  # type: ignore[arg-type]


@given(st.lists(AMOUNTS, max_size=8))
def test_an_untouched_chain_holds(amounts: list[Decimal]) -> None:
    assert _verified(Ledger(amounts)) == []


@given(st.lists(AMOUNTS, min_size=2, max_size=8), st.data())
def test_a_changed_amount_shows(amounts: list[Decimal], data: st.DataObject) -> None:
    ledger = Ledger(amounts)
    position = data.draw(st.integers(0, len(amounts) - 1))
    ledger.rows[position][8] += Decimal("0.01")
    assert _verified(ledger) == [f"entry {position + 1} does not hash to its content"]


@given(st.lists(AMOUNTS, min_size=3, max_size=8), st.data())
def test_a_removed_entry_shows(amounts: list[Decimal], data: st.DataObject) -> None:
    ledger = Ledger(amounts)
    position = data.draw(st.integers(0, len(amounts) - 2))
    del ledger.rows[position]
    assert f"entry {position + 1} is missing" in _verified(ledger)


@given(st.lists(AMOUNTS, min_size=2, max_size=8), st.data())
def test_a_rewritten_entry_breaks_the_ones_after_it(amounts: list[Decimal], data: st.DataObject) -> None:
    ledger, forged = Ledger(amounts), Ledger([amount + 1 for amount in amounts])
    position = data.draw(st.integers(0, len(amounts) - 2))
    ledger.rows[position] = forged.rows[position]
    assert any("does not follow the entry before it" in problem for problem in _verified(ledger))


def test_the_fifth_business_day_counts_weekdays() -> None:
    # July 2026 begins on a Wednesday.
    assert [business_days_of_month(date(2026, 7, day)) for day in (1, 3, 5, 7, 8)] == [1, 3, 3, 5, 6]
