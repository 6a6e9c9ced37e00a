"""An amount over the rates that an invoice bore, to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext


def split(amount: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """Split an amount in proportion to weights: shares rounded toward zero, the rest on the largest weight.

    The shares add up to the amount exactly and have its sign; of equal weights the first takes the rest.

    Args:
        amount: with ``digits`` decimals at most, of either sign.
        weights: not negative, at least one positive.
        digits: decimals of each share.

    Raises:
        ValueError: no weight is positive, one is negative, or the amount has more decimals.
    """
    if any(weight < 0 for weight in weights) or not any(weights):
        raise ValueError(f"weights must not be negative and not all zero, got {list(map(str, weights))}")
    unit = Decimal(1).scaleb(-digits)
    with localcontext() as context:
        context.prec = 80
        if amount % unit:
            raise ValueError(f"{amount} has more than {digits} decimals")
        whole = sum(weights, Decimal(0))
        shares = [(amount * weight / whole).quantize(unit, ROUND_DOWN) for weight in weights]
        largest = max(range(len(weights)), key=lambda place: (weights[place], -place))
        shares[largest] += amount - sum(shares, Decimal(0))
    return shares
