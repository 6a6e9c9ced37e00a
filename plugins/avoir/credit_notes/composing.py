"""Make a note of entries and invoices: lines, allowances, VAT, references. Nothing is read or written."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from avoir.credit_notes.entries import Entry
from avoir.credit_notes.invoices import Billed, invoices_of, parties_of, vat_shares
from avoir.credit_notes.model import (
    MOST_DIGITS,
    OUT_OF_SCOPE,
    TYPE_CODES,
    Allowance,
    CreditNoteError,
    Line,
    NoDocumentError,
    Note,
    OwedBackError,
    Vat,
    total,
)
from avoir.credit_notes.splitting import split
from avoir.credit_notes.wording import LONGEST_NAME, fit, language_of, month_of, said
from avoir.sources.einvoice import Values

MOST_SUBJECTS = 10

#: What a line or an allowance is of: month, contract, clause and service.
Subject = tuple[date, str, str, str]


@dataclass(frozen=True)
class Wanted:
    """Which note: its number and date, and the vendor, month and currency it is for."""

    number: str
    issue_date: date
    vendor_id: str
    month: date
    currency: str


def compose(
    wanted: Wanted,
    settlement: tuple[str, str],
    entries: Sequence[Entry],
    billed: Sequence[Billed],
    stated: Mapping[str, Values],
) -> Note:
    """The note of entries that share a settlement.

    Args:
        wanted: what to call it and what for.
        settlement: settlement document and VAT treatment of all entries.
        entries: at least one, by number.
        billed: the vendor's invoices of all months that the amounts belong to.
        stated: what is known of the parties beside the invoices; may be empty.

    Raises:
        NoDocumentError: the contract settles by deduction or voucher.
        OwedBackError: the entries add up to nothing or less.
        CreditNoteError: an invoice, a rate or a party is missing, or an amount has too many decimals.
    """
    document, vat_treatment = settlement
    where = f"{wanted.vendor_id} {month_of(wanted.month)} {wanted.currency}"
    type_code = TYPE_CODES.get(document)
    net = total(entry.amount for entry in entries)
    if type_code is None:
        raise NoDocumentError(
            f"{where}: the contract settles {net} by {document}, for which no document is issued; "
            "`avoir finance export` has its entries."
        )
    _owed(where, net, wanted.currency)
    digits = min(
        MOST_DIGITS, *(MOST_DIGITS if one.minor_units is None else one.minor_units for one in entries)
    )
    for entry in entries:
        if entry.amount != round(entry.amount, digits):
            raise CreditNoteError(
                f"{where}: entry {entry.entry_no} of {entry.amount} has more than the {digits} decimals that "
                "EN 16931 writes in this currency; settle it by deduction."
            )
    months = sorted({entry.month_date for entry in entries})
    named = _named(where, entries, billed)
    preceding = tuple(dict.fromkeys(one.preceding for one in named))
    if wanted.issue_date < max(*(one.preceding.issue_date for one in named), wanted.month):
        raise CreditNoteError(
            f"{where}: issued on {wanted.issue_date} the note would precede its month or an invoice that it "
            f"corrects ({', '.join(f'{one.number} of {one.issue_date}' for one in preceding)})."
        )
    groups = _groups(entries)
    taxed = vat_treatment != "out_of_scope"
    shares: dict[tuple[date, str], list[tuple[Vat, Decimal]]] = {}
    if taxed:
        for month, contract_id, *_ in groups:
            invoices = invoices_of(billed, month, contract_id)
            shares[month, contract_id] = vat_shares(wanted.vendor_id, month, invoices)
    seller, buyer = parties_of(wanted.vendor_id, named, stated)
    language = language_of(seller.country)
    if not taxed:
        outside = Vat(OUT_OF_SCOPE, None, said(language, "out_of_scope"), "VATEX-EU-O")
        shares = {(month, contract_id): [(outside, Decimal(1))] for month, contract_id, *_ in groups}
    lines, allowances = _rows(groups, shares, digits, language)
    if OUT_OF_SCOPE in {line.vat.category for line in lines}:
        # BR-O-02 to BR-O-04: outside the scope of VAT nobody is named by a VAT identifier.
        seller, buyer = replace(seller, vat_id=None), replace(buyer, vat_id=None)
    contracts = sorted({entry.contract_id for entry in entries})
    numbers = ", ".join(str(entry.entry_no) for entry in entries)
    notes = [said(language, "note", month=month_of(wanted.month), entries=numbers)]
    if type_code == TYPE_CODES["self_billed_credit_note"]:
        notes.append(said(language, "self_billed"))
    note = Note(
        number=wanted.number,
        issue_date=wanted.issue_date,
        type_code=type_code,
        currency=wanted.currency,
        digits=digits,
        language=language,
        seller=seller,
        buyer=buyer,
        contract_id=contracts[0] if len(contracts) == 1 else None,
        first=months[0],
        last=_last_day(months[-1]),
        notes=tuple(notes),
        payment_terms=said(language, "terms"),
        preceding=preceding,
        lines=lines,
        allowances=allowances,
    )
    _owed(where, note.gross_amount, wanted.currency)
    if note.net_amount != net:
        raise CreditNoteError(
            f"{where}: the note says {note.net_amount}, its entries {net}; nothing is issued."
        )
    return note


def _owed(where: str, amount: Decimal, currency: str) -> None:
    if amount <= 0:
        raise OwedBackError(
            f"{where}: what is open adds up to {amount} {currency}, so {-amount} {currency} are owed back to "
            "the vendor and no note is issued; the entries go to the next note that outweighs them."
        )


def _named(where: str, entries: Sequence[Entry], billed: Sequence[Billed]) -> list[Billed]:
    """The invoices of the months that the amounts belong to, by date; none twice."""
    named: list[Billed] = []
    for month, contract_id in sorted({(entry.month_date, entry.contract_id) for entry in entries}):
        found = invoices_of(billed, month, contract_id)
        if not found:
            raise CreditNoteError(
                f"{where}: no invoice for {month_of(month)} has landed that the note could name (BT-25); "
                "load it, or settle by deduction in the contract."
            )
        named += [one for one in found if one not in named]
    return sorted(named, key=lambda one: (one.preceding.issue_date, one.preceding.number))


def _groups(entries: Sequence[Entry]) -> dict[Subject, list[Entry]]:
    groups: dict[Subject, list[Entry]] = {}
    for entry in entries:
        key = (entry.month_date, entry.contract_id, entry.clause_id, entry.service_id or "")
        groups.setdefault(key, []).append(entry)
    return dict(sorted(groups.items()))


def _rows(
    groups: Mapping[Subject, Sequence[Entry]],
    shares: Mapping[tuple[date, str], Sequence[tuple[Vat, Decimal]]],
    digits: int,
    language: str,
) -> tuple[tuple[Line, ...], tuple[Allowance, ...]]:
    lines: list[Line] = []
    allowances: list[Allowance] = []
    for (month, contract_id, *_), entries in groups.items():
        vats = shares[month, contract_id]
        amount = total(entry.amount for entry in entries)
        parts = split(amount, [basis for _, basis in vats], digits)
        for (vat, _), part in zip(vats, parts, strict=True):
            if part > 0:
                title = entries[0].clause_title or entries[0].clause_id
                lines.append(
                    Line(
                        number=len(lines) + 1,
                        name=fit(title, LONGEST_NAME) or fit(entries[0].clause_id),
                        description=_description(entries, language),
                        net_amount=part,
                        first=month,
                        last=_last_day(month),
                        vat=vat,
                    )
                )
            elif part < 0:
                allowances.append(Allowance(-part, _reason(entries, language), vat))
    return tuple(lines), tuple(allowances)


def _described(entry: Entry, language: str, key: str, **values: str) -> str:
    return said(
        language,
        key,
        contract=entry.contract_id,
        clause=entry.clause_id,
        service=entry.service_name or entry.service_id or "-",
        month=month_of(entry.month_date),
        **values,
    )


def _description(entries: Sequence[Entry], language: str) -> str:
    text = _described(entries[0], language, "line")
    subjects = list(dict.fromkeys(fit(one.subject_name, 80) for one in entries if one.subject_name))
    if subjects:
        text += said(language, "subjects", subjects=", ".join(subjects[:MOST_SUBJECTS]))
        if len(subjects) > MOST_SUBJECTS:
            text += said(language, "more", count=len(subjects) - MOST_SUBJECTS)
    return fit(text)


def _reason(entries: Sequence[Entry], language: str) -> str:
    """What an allowance corrects: the entries it takes back, and why where they say so."""
    parts = []
    for entry in entries:
        if entry.corrects_entry_no is None:
            part = said(language, "lowered_alone", entry=entry.entry_no)
        else:
            key = "reversal" if entry.entry_kind == "reversal" else "lowered"
            part = said(language, key, entry=entry.entry_no, corrected=entry.corrects_entry_no)
        parts.append(f"{part} ({fit(entry.reason, 200)})" if entry.reason else part)
    return fit(_described(entries[0], language, "allowance", entries="; ".join(parts)))


def _last_day(month: date) -> date:
    return month.replace(day=monthrange(month.year, month.month)[1])
