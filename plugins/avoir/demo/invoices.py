"""Monthly invoices, credit notes and corrections: what each says, and that its sums agree.

This module decides the amounts; ``facturx_documents`` and ``ubl_documents`` write them down. All amounts are
in the invoice's currency with two decimals, rounded half-up where EN 16931 rounds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from avoir.demo.months import Month
from avoir.demo.vendors import Party, Vat, Vendor

INVOICE, CORRECTION, CREDIT_NOTE = "380", "384", "381"

_CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """Rounded half-up to two decimals."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Line:
    """An invoice line (BG-25). ``service`` is the contract's service; it is not printed."""

    service: str
    item_id: str
    name: str
    unit: str
    quantity: Decimal
    price: Decimal

    @property
    def net(self) -> Decimal:
        """BT-131."""
        return cents(self.quantity * self.price)


@dataclass(frozen=True)
class Adjustment:
    """An allowance (BG-20) or charge (BG-21) on the whole document, taxed as its lines."""

    is_charge: bool
    amount: Decimal
    reason: str


@dataclass(frozen=True)
class Invoice:
    """A document of EN 16931; ``dropped_at``, when it arrived in the folder, is not part of the standard."""

    vendor_id: str
    number: str
    type_code: str
    issued: date
    currency: str
    contract: str
    order: str
    month: Month
    seller: Party
    vat: Vat
    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...]
    preceding: str | None
    dropped_at: datetime

    @property
    def period(self) -> tuple[date, date]:
        """BT-73 and BT-74: first and last day, both included."""
        return self.month.first_day, self.month.plus(1).first_day - timedelta(days=1)

    @property
    def due(self) -> date:
        return self.issued + timedelta(days=30)

    @cached_property
    def lines_total(self) -> Decimal:
        """BT-106."""
        return sum((line.net for line in self.lines), Decimal("0.00"))

    @cached_property
    def allowances_total(self) -> Decimal:
        """BT-107."""
        return sum((item.amount for item in self.adjustments if not item.is_charge), Decimal("0.00"))

    @cached_property
    def charges_total(self) -> Decimal:
        """BT-108."""
        return sum((item.amount for item in self.adjustments if item.is_charge), Decimal("0.00"))

    @property
    def tax_basis(self) -> Decimal:
        """BT-109 = BT-106 - BT-107 + BT-108, and the only VAT group's BT-116."""
        return self.lines_total - self.allowances_total + self.charges_total

    @property
    def tax_total(self) -> Decimal:
        """BT-110, the only VAT group's BT-117."""
        return cents(self.tax_basis * self.vat.rate_pct / 100)

    @property
    def grand_total(self) -> Decimal:
        """BT-112; nothing is prepaid or rounded, so BT-115 too."""
        return self.tax_basis + self.tax_total


def _dropped(month: Month) -> datetime:
    """Invoices arrive on the 2nd of the next month at 09:00 UTC."""
    return datetime.combine(month.plus(1).first_day + timedelta(days=1), time(9), UTC)


def _month_invoice(vendor: Vendor, month: Month, seed: int) -> Invoice:
    rng = random.Random(f"{seed}/{vendor.vendor_id}/invoices/{month}")
    lines = []
    for service, priced in vendor.lines.items():
        swing = Decimal(rng.randint(-1000, 1000)) / 1000 * priced.spread
        quantity = cents(priced.quantity * (1 + swing))
        quantity = quantity if priced.spread else priced.quantity
        lines.append(Line(service, priced.item_id, priced.name, priced.unit, quantity, priced.price))
    total = sum((line.net for line in lines), Decimal(0))
    adjustments = []
    turn = month.month + len(vendor.vendor_id)
    if turn % 4 == 0:
        adjustments.append(Adjustment(False, cents(total * Decimal("0.02")), "Volume rebate"))
    if turn % 5 == 0:
        adjustments.append(Adjustment(True, cents(Decimal(rng.randint(9_000, 48_000)) / 100), "Travel"))
    return Invoice(
        vendor_id=vendor.vendor_id,
        number=f"{vendor.invoice_prefix}{month.year}{month.month:02d}01",
        type_code=INVOICE,
        issued=month.plus(1).first_day,
        currency=vendor.currency,
        contract=vendor.contract_id,
        order=f"PO-{vendor.vendor_id[:3].upper()}-{month.year}",
        month=month,
        seller=vendor.seller,
        vat=vendor.vat,
        lines=tuple(lines),
        adjustments=tuple(adjustments),
        preceding=None,
        dropped_at=_dropped(month),
    )


def _correction(original: Invoice, dropped_on: date) -> Invoice:
    """The whole invoice again, with the platform billed at four fifths and no rebate or charge."""
    lines = tuple(
        replace(line, price=cents(line.price * Decimal("0.8"))) if line.service == "platform" else line
        for line in original.lines
    )
    return replace(
        original,
        number=f"{original.number}-R",
        type_code=CORRECTION,
        issued=dropped_on,
        lines=lines,
        adjustments=(),
        preceding=original.number,
        dropped_at=datetime.combine(dropped_on, time(14, 30), UTC),
    )


def _credit_note(original: Invoice) -> Invoice:
    """A goodwill credit of some hours of support; positive amounts, as type 381 has them."""
    support = next(line for line in original.lines if line.service == "support")
    issued = original.issued + timedelta(days=15)
    return replace(
        original,
        number=f"{original.number}-A",
        type_code=CREDIT_NOTE,
        issued=issued,
        lines=(replace(support, quantity=Decimal("12.50")),),
        adjustments=(),
        preceding=original.number,
        dropped_at=datetime.combine(issued, time(9), UTC),
    )


def tell_month(vendor: Vendor, month: Month, seed: int) -> list[Invoice]:
    """Every document about one month, in the order in which they were dropped."""
    original = _month_invoice(vendor, month, seed)
    documents = [original]
    if month in vendor.credited_months:
        documents.append(_credit_note(original))
    if month in vendor.corrected_months:
        documents.append(_correction(original, vendor.corrected_months[month]))
    return documents


def counted(documents: list[Invoice]) -> list[Invoice]:
    """The documents that make up a month's invoice: no credit notes, and no invoice that another replaced."""
    billed = [document for document in documents if document.type_code in (INVOICE, CORRECTION)]
    replaced = {document.preceding for document in billed if document.type_code == CORRECTION}
    return [document for document in billed if document.number not in replaced]
