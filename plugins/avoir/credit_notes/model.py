"""A credit note as EN 16931-1 sees it; every amount is positive and sums are computed here, nowhere else.

The numbers in the comments are the standard's business terms (BT) and groups (BG).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

CREDIT_NOTE, SELF_BILLED = "381", "261"
OUT_OF_SCOPE = "O"

#: Type of document (BT-3) by the settlement a contract states; others settle without a document.
TYPE_CODES = {"credit_note": CREDIT_NOTE, "self_billed_credit_note": SELF_BILLED}

#: EN 16931 writes amounts with two decimals at most (BR-DEC rules).
MOST_DIGITS = 2


class CreditNoteError(RuntimeError):
    """No note can be issued or read; the message says why and what to do."""


class NoDocumentError(CreditNoteError):
    """The contract settles these amounts by deduction or voucher, for which there is no document."""


class OwedBackError(CreditNoteError):
    """What is open adds up to nothing or less: the entries wait for a note that outweighs them."""


@dataclass(frozen=True)
class Party:
    """The seller (BG-4) or the buyer (BG-7)."""

    name: str  # BT-27, BT-44
    country: str  # BT-40, BT-55: ISO 3166-1 alpha-2
    party_id: str | None = None  # BT-29, BT-46
    party_scheme: str | None = None
    legal_id: str | None = None  # BT-30, BT-47
    legal_scheme: str | None = None
    vat_id: str | None = None  # BT-31, BT-48
    endpoint: str | None = None  # BT-34, BT-49
    endpoint_scheme: str | None = None
    street: str | None = None  # BT-35, BT-50
    street_2: str | None = None  # BT-36, BT-51
    street_3: str | None = None  # BT-162, BT-163
    city: str | None = None  # BT-37, BT-52
    postcode: str | None = None  # BT-38, BT-53
    subdivision: str | None = None  # BT-39, BT-54

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Names of what a party may say."""
        return tuple(one.name for one in fields(cls))


@dataclass(frozen=True)
class Vat:
    """A VAT category (BT-118, BT-151) with its rate in percent; category O has no rate."""

    category: str
    rate_pct: Decimal | None
    reason: str | None = None  # BT-120
    reason_code: str | None = None  # BT-121

    def __post_init__(self) -> None:
        if (self.category == OUT_OF_SCOPE) != (self.rate_pct is None):
            raise ValueError(f"VAT category {self.category} with rate {self.rate_pct}: O alone has no rate")

    @property
    def key(self) -> tuple[str, Decimal]:
        """What a row of the breakdown (BG-23) stands for."""
        return self.category, self.rate_pct or Decimal(0)


@dataclass(frozen=True)
class Preceding:
    """An invoice that the note corrects (BG-3)."""

    number: str  # BT-25
    issue_date: date  # BT-26


@dataclass(frozen=True)
class Line:
    """What one clause credits for one service and month at one rate (BG-25)."""

    number: int  # BT-126
    name: str  # BT-153
    description: str  # BT-154
    net_amount: Decimal  # BT-131
    first: date  # BT-134
    last: date  # BT-135
    vat: Vat  # BG-30

    def __post_init__(self) -> None:
        if self.net_amount <= 0:
            raise ValueError(f"line {self.number} is not positive: {self.net_amount}")


@dataclass(frozen=True)
class Allowance:
    """What is taken back from the credits of the note as a whole (BG-20)."""

    amount: Decimal  # BT-92
    reason: str  # BT-97
    vat: Vat  # BT-95, BT-96

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError(f"an allowance is not positive: {self.amount}")


@dataclass(frozen=True)
class VatSubtotal:
    """A row of the VAT breakdown (BG-23)."""

    vat: Vat
    basis: Decimal  # BT-116
    tax: Decimal  # BT-117


@dataclass(frozen=True)
class Note:
    """A credit note. ``digits`` are those of its currency, two at most."""

    number: str  # BT-1
    issue_date: date  # BT-2
    type_code: str  # BT-3
    currency: str  # BT-5
    digits: int
    language: str
    seller: Party
    buyer: Party
    contract_id: str | None  # BT-12
    first: date  # BT-73
    last: date  # BT-74
    notes: tuple[str, ...]  # BT-22
    payment_terms: str  # BT-20
    preceding: tuple[Preceding, ...]
    lines: tuple[Line, ...]
    allowances: tuple[Allowance, ...]

    @property
    def lines_amount(self) -> Decimal:
        """BT-106."""
        return total(line.net_amount for line in self.lines)

    @property
    def allowances_amount(self) -> Decimal:
        """BT-107."""
        return total(one.amount for one in self.allowances)

    @property
    def net_amount(self) -> Decimal:
        """BT-109."""
        return self.lines_amount - self.allowances_amount

    @property
    def vat_amount(self) -> Decimal:
        """BT-110."""
        return total(row.tax for row in self.vat_subtotals)

    @property
    def gross_amount(self) -> Decimal:
        """BT-112, BT-115."""
        return self.net_amount + self.vat_amount

    @property
    def vat_subtotals(self) -> tuple[VatSubtotal, ...]:
        """BG-23: a row for each category and rate, taxed once on its sum, rounded half-up (BR-CO-17)."""
        bases: dict[tuple[str, Decimal], Decimal] = {}
        vats: dict[tuple[str, Decimal], Vat] = {}
        for vat, amount in (
            *((line.vat, line.net_amount) for line in self.lines),
            *((one.vat, -one.amount) for one in self.allowances),
        ):
            vats.setdefault(vat.key, vat)
            bases[vat.key] = bases.get(vat.key, Decimal(0)) + amount
        return tuple(
            VatSubtotal(vats[key], basis, rounded(basis * key[1] / 100, self.digits))
            for key, basis in sorted(bases.items())
        )


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Sum of amounts; zero of none."""
    return sum(amounts, Decimal(0))


def rounded(amount: Decimal, digits: int) -> Decimal:
    """Half-up to so many decimals."""
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
