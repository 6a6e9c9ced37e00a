"""What is on a note: lines, allowances, VAT and references, from entries and invoices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from made_notes import EXEMPT, JUNE, MAY, OUTSIDE, REDUCED, REVERSED, STANDARD, billed, entry

from avoir.credit_notes.composing import Wanted, compose
from avoir.credit_notes.entries import Entry, due_groups
from avoir.credit_notes.invoices import Billed
from avoir.credit_notes.model import CreditNoteError, NoDocumentError, Note, OwedBackError, Preceding

WANTED = Wanted("CN-2026-000001", date(2026, 7, 8), "helios", JUNE, "EUR")
PRICE_REDUCTION = ("credit_note", "price_reduction")


def composed(
    entries: list[Entry], invoices: list[Billed], settlement: tuple[str, str] = PRICE_REDUCTION
) -> Note:
    return compose(WANTED, settlement, entries, invoices, {})


def test_a_line_stands_for_a_clause_service_and_month() -> None:
    entries = [
        entry(1, "10.00"),
        entry(2, "5.00"),
        entry(3, "7.00", clause_id="SLA-2", clause_title="Availability", service_id="platform"),
        entry(4, "1.00", month_date=MAY),
        entry(5, "2.00", service_id="releases", service_name=None),
    ]
    note = composed(entries, [billed("M-1", MAY), billed("J-1")])
    told = [(line.first, line.name, line.net_amount) for line in note.lines]
    assert told == [
        (MAY, "First response", Decimal("1.00")),
        (JUNE, "First response", Decimal("2.00")),
        (JUNE, "First response", Decimal("15.00")),
        (JUNE, "Availability", Decimal("7.00")),
    ]
    assert note.lines[2].description == (
        "Contrat HEL-2024-01, clause SLA-1, User support, 2026-06 : INC0001, INC0002"
    )
    assert [line.number for line in note.lines] == [1, 2, 3, 4]
    assert (note.first, note.last) == (MAY, date(2026, 6, 30))
    assert [one.number for one in note.preceding] == ["M-1", "J-1"]


def test_an_amount_is_split_over_the_rates_that_its_own_month_was_invoiced_at() -> None:
    invoices = [
        billed("M-1", MAY, (REVERSED, Decimal(500))),
        billed("J-1", JUNE, (STANDARD, Decimal(300)), (REDUCED, Decimal(100))),
        billed("J-2", JUNE, (STANDARD, Decimal(200))),
    ]
    note = composed([entry(1, "100.00"), entry(2, "40.00", month_date=MAY)], invoices)
    told = [(line.vat.category, line.vat.rate_pct, line.net_amount) for line in note.lines]
    assert told == [
        ("AE", 0, Decimal("40.00")),
        ("S", Decimal("5.5"), Decimal("16.66")),
        ("S", 20, Decimal("83.34")),
    ]
    assert [(row.basis, row.tax) for row in note.vat_subtotals] == [
        (Decimal("40.00"), Decimal("0.00")),
        (Decimal("16.66"), Decimal("0.92")),
        (Decimal("83.34"), Decimal("16.67")),
    ]


def test_an_invoice_of_another_contract_counts_only_where_none_of_its_own_is() -> None:
    other = billed("OTHER", JUNE, (REDUCED, Decimal(9000)), contract_ids=frozenset({"X"}))
    assert composed([entry(1, "1.00")], [billed("OWN"), other]).lines[0].vat == STANDARD
    assert composed([entry(1, "1.00")], [other]).lines[0].vat == REDUCED


def test_what_a_clause_takes_back_on_the_whole_is_an_allowance() -> None:
    entries = [
        entry(1, "50.00"),
        entry(2, "-20.00", entry_kind="adjustment", corrects_entry_no=1),
        entry(7, "-12.00", month_date=MAY, entry_kind="reversal", corrects_entry_no=5, reason="won\tback"),
        entry(8, "2.00", month_date=MAY, entry_kind="adjustment", corrects_entry_no=6),
        entry(9, "-1.00", month_date=MAY, clause_id="SLA-2"),
    ]
    note = composed(entries, [billed("M-1", MAY), billed("J-1")])
    assert [line.net_amount for line in note.lines] == [Decimal("30.00")]
    assert [one.amount for one in note.allowances] == [Decimal("10.00"), Decimal("1.00")]
    assert note.allowances[0].reason == (
        "Correction du contrat HEL-2024-01, clause SLA-1, User support, 2026-05 : "
        "l'écriture 7 reprend l'écriture 5 (won back); l'écriture 8 corrige l'écriture 6"
    )
    assert "l'écriture 9 reprend ce qui était crédité" in note.allowances[1].reason
    assert note.net_amount == Decimal("19.00")


def test_entries_that_cancel_out_leave_no_line() -> None:
    note = composed([entry(1, "5.00"), entry(2, "-5.00"), entry(3, "1.00", clause_id="B")], [billed("J-1")])
    assert [line.net_amount for line in note.lines] == [Decimal("1.00")]
    assert note.allowances == ()


def test_a_public_penalty_is_outside_the_scope_of_vat() -> None:
    note = composed([entry(1, "5.00")], [billed("J-1")], ("credit_note", "out_of_scope"))
    (row,) = note.vat_subtotals
    assert (row.vat.category, row.vat.rate_pct, row.vat.reason_code) == ("O", None, "VATEX-EU-O")
    assert (note.seller.vat_id, note.buyer.vat_id) == (None, None)
    assert note.gross_amount == Decimal("5.00")


def test_a_self_billed_note_says_so_and_keeps_the_roles() -> None:
    note = composed([entry(1, "5.00")], [billed("J-1")], ("self_billed_credit_note", "price_reduction"))
    assert note.type_code == "261"
    assert any("Autofacturation" in text for text in note.notes)
    assert (note.seller.name, note.buyer.name) == ("Helios IT SAS", "Orvane Assurances SA")


def test_the_words_are_english_unless_the_seller_is_french() -> None:
    german = {"name": "Nord GmbH", "country": "DE", "vat_id": "DE1"}
    note = composed([entry(1, "5.00")], [billed("J-1", seller=german)])
    assert note.language == "en"
    assert note.notes == ("Service credits posted for 2026-06: ledger entries 1.",)
    assert note.seller.party_id == "helios", "BT-29 falls back on what the buyer calls the seller"


@pytest.mark.parametrize("document", ["deduction", "voucher"])
def test_a_deduction_or_voucher_is_no_document(document: str) -> None:
    with pytest.raises(NoDocumentError, match=f"settles 5.00 by {document}"):
        composed([entry(1, "5.00")], [billed("J-1")], (document, "price_reduction"))


@pytest.mark.parametrize(
    ("entries", "invoices", "error", "told"),
    [
        (
            [entry(1, "-5.00")],
            [billed("J")],
            OwedBackError,
            "adds up to -5.00 EUR, so 5.00 EUR are owed back",
        ),
        ([entry(1, "5.00"), entry(2, "-5.00")], [billed("J")], OwedBackError, "adds up to 0.00 EUR"),
        (
            # One cent net is left, and less than no VAT: nothing is owed by the vendor.
            [entry(1, "10.01", month_date=MAY), entry(2, "-10.00")],
            [billed("M", MAY, (EXEMPT, Decimal(1))), billed("J")],
            OwedBackError,
            "adds up to -1.99 EUR",
        ),
        ([entry(1, "5.00")], [], CreditNoteError, "no invoice for 2026-06 has landed"),
        ([entry(1, "5.00")], [billed("J", vat=())], CreditNoteError, "add up to nothing that was taxed"),
        (
            [entry(1, "5.00")],
            [billed("J", vat=(), untold="it has no VAT breakdown (profile MINIMUM)")],
            CreditNoteError,
            "no rate of VAT for helios in 2026-06: invoice J of helios_invoices: it has no VAT breakdown",
        ),
        (
            [entry(1, "5.00")],
            [billed("J", JUNE, (OUTSIDE, Decimal(1)), (STANDARD, Decimal(1)))],
            CreditNoteError,
            "BR-O-11",
        ),
        (
            [entry(1, "5.001")],
            [billed("J")],
            CreditNoteError,
            "entry 1 of 5.001 has more than the 2 decimals",
        ),
        ([entry(1, "5.5", minor_units=0)], [billed("J")], CreditNoteError, "more than the 0 decimals"),
        (
            [entry(1, "5.00")],
            [billed("J", preceding=Preceding("J", date(2026, 7, 9)))],
            CreditNoteError,
            "would precede its month or an invoice that it corrects .J of 2026-07-09",
        ),
        (
            [entry(1, "5.00")],
            [billed("J"), billed("K", seller={"name": "Other", "country": "FR", "vat_id": "FR1"})],
            CreditNoteError,
            "several sellers .FR1, FR83404833048",
        ),
        (
            [entry(1, "5.00")],
            [billed("J", buyer={})],
            CreditNoteError,
            "do not say the buyer's name and country",
        ),
    ],
)
def test_what_cannot_be_composed_says_why(
    entries: list[Entry], invoices: list[Billed], error: type[CreditNoteError], told: str
) -> None:
    with pytest.raises(error, match=told):
        composed(entries, invoices)


amounts = st.decimals(Decimal("-5000.00"), Decimal("9000.00"), places=2).filter(bool)
bases = st.decimals(Decimal("0.01"), Decimal("90000.00"), places=2)
rates = st.sampled_from([STANDARD, REDUCED, REVERSED, EXEMPT, replace(STANDARD, rate_pct=Decimal("8.1"))])
drawn_entries = st.lists(
    st.tuples(amounts, st.sampled_from([MAY, JUNE]), st.sampled_from("AB"), st.sampled_from("xy")),
    min_size=1,
    max_size=12,
)
drawn_vats = st.lists(st.tuples(rates, bases), min_size=1, max_size=5, unique_by=lambda one: one[0].key)


@given(drawn_entries, drawn_vats, drawn_vats)
def test_a_note_equals_its_entries_to_the_cent(
    drawn: list[tuple[Decimal, date, str, str]], may: list[tuple], june: list[tuple]
) -> None:
    entries = [
        entry(no, amount, month_date=month, clause_id=clause, service_id=service)
        for no, (amount, month, clause, service) in enumerate(drawn, start=1)
    ]
    net = sum(one.amount for one in entries)
    invoices = [billed("M", MAY, *may), billed("J", JUNE, *june)]
    try:
        note = composed(entries, invoices)
    except OwedBackError:
        # Net of nothing, or a VAT that turns it: what is taken back may bear a higher rate.
        event("owed back")
        assert net <= 0 or len({vat.key for vat, _ in (*may, *june)}) > 1
        return
    assert net > 0
    assert note.net_amount == net
    assert all(line.net_amount > 0 for line in note.lines)
    assert all(one.amount > 0 for one in note.allowances)
    bases: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for vat, amount in (
        *((line.vat, line.net_amount) for line in note.lines),
        *((one.vat, -one.amount) for one in note.allowances),
    ):
        bases[vat.key] += amount
    assert {row.vat.key: row.basis for row in note.vat_subtotals} == bases
    assert all(
        row.tax == (row.basis * row.vat.rate_pct / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
        for row in note.vat_subtotals
    )
    assert note.gross_amount == net + sum(row.tax for row in note.vat_subtotals) > 0
    # Each clause, service and month is worth on the note what its entries add up to.
    by_subject: dict[tuple[date, str, str], Decimal] = defaultdict(Decimal)
    for one in entries:
        by_subject[one.month_date, one.clause_id, str(one.service_id)] += one.amount
    positive = sorted(amount for amount in by_subject.values() if amount > 0)
    assert sum(positive) == note.lines_amount


def test_a_month_takes_along_what_earlier_months_could_not_issue() -> None:
    entries = [
        entry(1, "-5.00", posted_month_date=date(2026, 3, 1)),
        entry(2, "9.00", posted_month_date=date(2026, 4, 1)),
        entry(3, "-2.00", posted_month_date=MAY),
        entry(4, "2.00", posted_month_date=MAY),
        entry(5, "20.00"),
        entry(6, "1.00", settlement_document="deduction"),
        entry(7, "1.00", settlement_document="voucher", posted_month_date=MAY),
    ]
    groups = due_groups(entries, JUNE)
    assert {key: [one.entry_no for one in taken] for key, taken in groups.items()} == {
        ("credit_note", "price_reduction"): [1, 3, 4, 5],
        ("deduction", "price_reduction"): [6],
    }


def test_an_entry_whose_settlement_nobody_knows_is_refused() -> None:
    with pytest.raises(CreditNoteError, match="ledger entry 3 of contract HEL-2024-01"):
        due_groups([entry(3, "1.00", settlement_document=None)], JUNE)
