"""A note with two rates, two invoices and something taken back, and entries and invoices to make notes of."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from avoir.credit_notes.entries import Entry
from avoir.credit_notes.invoices import Billed
from avoir.credit_notes.model import Allowance, Line, Note, Party, Preceding, Vat

STANDARD, REDUCED = Vat("S", Decimal(20)), Vat("S", Decimal("5.5"))
OUTSIDE = Vat("O", None, "Outside the scope of VAT", "VATEX-EU-O")
REVERSED = Vat("AE", Decimal(0), "Reverse charge", "VATEX-EU-AE")
EXEMPT = Vat("E", Decimal(0), "Exempt")
ZERO = Vat("Z", Decimal(0))

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
SELLER = Party(
    "Helios IT SAS", "FR", party_id="HELIOS", vat_id="FR83404833048", street="8 rue des Ateliers",
    city="Paris", postcode="75011",
)  # fmt: skip
BUYER = Party(
    "Orvane Assurances SA", "FR", party_id="ORVANE", vat_id="FR40303265045", street="14 quai Perrache",
    city="Lyon", postcode="69002",
)  # fmt: skip


def made_note(**changes: Any) -> Note:
    """A valid note, with some of its fields changed."""
    note = Note(
        number="CN-2026-000001",
        issue_date=date(2026, 7, 8),
        type_code="381",
        currency="EUR",
        digits=2,
        language="fr",
        seller=SELLER,
        buyer=BUYER,
        contract_id="HEL-2024-01",
        first=MAY,
        last=date(2026, 6, 30),
        notes=("Avoirs de juin", "Autofacturation"),
        payment_terms="Rien n'est à payer.",
        preceding=(Preceding("INV-1", date(2026, 5, 31)), Preceding("INV-2", date(2026, 6, 30))),
        lines=(
            Line(1, "Availability", "What", Decimal("100.10"), JUNE, date(2026, 6, 30), STANDARD),
            Line(2, "First response", "What", Decimal("50.00"), JUNE, date(2026, 6, 30), REDUCED),
        ),
        allowances=(Allowance(Decimal("10.05"), "Takes back entry 3", STANDARD),),
    )
    return replace(note, **changes)


def taxed(note: Note, vat: Vat) -> Note:
    """The note with all it holds in one VAT category."""
    lines = tuple(replace(line, vat=vat) for line in note.lines)
    allowances = tuple(replace(one, vat=vat) for one in note.allowances)
    note = replace(note, lines=lines, allowances=allowances)
    if vat.category == "O":
        note = replace(note, seller=replace(SELLER, vat_id=None), buyer=replace(BUYER, vat_id=None))
    return note


def entry(entry_no: int, amount: str | Decimal, **changes: Any) -> Entry:
    """An applicable entry of June."""
    made = Entry(
        entry_no=entry_no,
        entry_kind="credit",
        contract_id="HEL-2024-01",
        contract_name="IT services by Helios",
        clause_id="SLA-1",
        clause_title="First response",
        service_id="support",
        service_name="User support",
        subject_name=f"INC{entry_no:04}",
        month_date=JUNE,
        posted_month_date=JUNE,
        amount=Decimal(amount),
        corrects_entry_no=None,
        reason=None,
        settlement_document="credit_note",
        vat_treatment="price_reduction",
        minor_units=2,
    )
    return replace(made, **changes)


def billed(number: str, month: date = JUNE, *vat: tuple[Vat, Decimal], **changes: Any) -> Billed:
    """An invoice of a month, of Helios to Orvane."""
    made = Billed(
        source_name="helios_invoices",
        month_date=month,
        contract_ids=frozenset({"HEL-2024-01"}),
        preceding=Preceding(number, month.replace(day=28)),
        seller={name: getattr(SELLER, name) for name in Party.columns()},
        buyer={name: getattr(BUYER, name) for name in Party.columns()},
        vat=vat or ((STANDARD, Decimal(1000)),),
    )
    return replace(made, **changes)
