"""Shares of an amount add up to it, to the cent."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avoir.credit_notes.splitting import split

amounts = st.decimals(Decimal("-99999999.99"), Decimal("99999999.99"), places=2)
weights = st.lists(st.decimals(Decimal(0), Decimal("9999999.99"), places=2), min_size=1, max_size=6).filter(
    any
)


@pytest.mark.parametrize(
    ("amount", "given_weights", "digits", "expected"),
    [
        ("100.00", ["1", "1", "1"], 2, ["33.34", "33.33", "33.33"]),
        ("100.00", ["1", "1", "2"], 2, ["25.00", "25.00", "50.00"]),
        ("0.05", ["1", "2", "1"], 2, ["0.01", "0.03", "0.01"]),
        ("-0.05", ["1", "2", "1"], 2, ["-0.01", "-0.03", "-0.01"]),
        ("10", ["1", "2"], 0, ["3", "7"]),
        ("7.77", ["0", "3"], 2, ["0.00", "7.77"]),
        ("0.00", ["1", "2"], 2, ["0.00", "0.00"]),
    ],
)
def test_a_rest_goes_to_the_largest_weight(
    amount: str, given_weights: list[str], digits: int, expected: list[str]
) -> None:
    assert split(Decimal(amount), list(map(Decimal, given_weights)), digits) == list(map(Decimal, expected))


@given(amounts, weights)
def test_shares_are_exact_of_one_sign_and_proportional(amount: Decimal, weights: list[Decimal]) -> None:
    shares = split(amount, weights, 2)
    assert sum(shares) == amount
    assert all(share * amount >= 0 for share in shares)
    assert all(share == share.quantize(Decimal("0.01")) for share in shares)
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if not weight)
    whole = sum(map(Fraction, weights), Fraction(0))
    for share, weight in zip(shares, weights, strict=True):
        ideal = Fraction(amount) * Fraction(weight) / whole
        assert abs(Fraction(share) - ideal) < Fraction(len(weights), 100)


@pytest.mark.parametrize("bad", [[], ["0"], ["-1", "2"]])
def test_weights_that_say_nothing_are_refused(bad: list[str]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(Decimal(1), list(map(Decimal, bad)), 2)


def test_an_amount_finer_than_the_currency_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 decimals"):
        split(Decimal("0.001"), [Decimal(1)], 2)
