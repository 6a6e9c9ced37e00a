"""What invoices and files say of parties and VAT."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from made_notes import BUYER, JUNE, REDUCED, SELLER, STANDARD, billed, made_note

from avoir.credit_notes.cii import cii
from avoir.credit_notes.invoices import parties_of, rate_of, read_parties, vat_shares
from avoir.credit_notes.model import CreditNoteError, Party
from avoir.credit_notes.ubl import ubl
from avoir.sources.einvoice import UnusableInvoiceError, canonical_xml
from avoir.sources.einvoice_parties import parties_and_vat


@pytest.mark.parametrize("write", [ubl, cii])
def test_both_syntaxes_say_the_same_of_parties_and_vat(write: object) -> None:
    full = Party(
        "Orvane & Fils", "FR", party_id="4006381333931", party_scheme="0088", legal_id="303265045",
        legal_scheme="0002", vat_id="FR40303265045", endpoint="ap@orvane.fr", endpoint_scheme="EM",
        street="1 rue", street_2="Bât. B", street_3="4e", city="Lyon", postcode="69002", subdivision="ARA",
    )  # fmt: skip
    taxed = parties_and_vat(write(made_note(buyer=full)))
    assert taxed.buyer == {name: getattr(full, name) for name in Party.columns()}
    assert taxed.seller == {name: getattr(SELLER, name) for name in Party.columns()}
    assert [(row.category, row.rate_pct, row.basis) for row in taxed.vat] == [
        ("S", Decimal("5.5"), Decimal("50.00")),
        ("S", Decimal(20), Decimal("90.05")),
    ]


def test_a_document_is_kept_as_the_same_content_whatever_its_bytes() -> None:
    document = ubl(made_note())
    other = document.decode().replace("UTF-8", "UTF-16").replace("?>\n", "?><!-- x -->\n", 1).encode("utf-16")
    assert canonical_xml(other) == canonical_xml(document)
    with pytest.raises(UnusableInvoiceError):
        canonical_xml(b"<!DOCTYPE a><a/>")


def test_a_document_of_two_sellers_is_refused() -> None:
    document = ubl(made_note()).replace(b"AccountingCustomerParty", b"AccountingSupplierParty")
    with pytest.raises(UnusableInvoiceError, match="2 parties as seller"):
        parties_and_vat(document)


@pytest.mark.parametrize(
    ("net", "tax", "lines", "rate"),
    [
        ("100.00", "20.00", 1, "20"),
        ("33.33", "1.83", 1, "5.5"),
        ("33.33", "6.67", 1, "20"),
        ("0.10", "0.02", 1, "20"),
        ("-50.00", "-10.00", 1, "20"),
        ("100.00", "0.00", 1, "0"),
        ("200.00", "16.26", 1, "8.13"),
        ("0.00", "1.00", 1, None),
        ("100000.00", "12345.67", 1, None),
        ("100.00", "-20.00", 1, None),
    ],
)
def test_a_rate_is_the_plainest_that_gives_the_tax(net: str, tax: str, lines: int, rate: str | None) -> None:
    assert rate_of(Decimal(net), Decimal(tax), lines) == (None if rate is None else Decimal(rate))


def test_shares_add_up_over_invoices_and_leave_out_what_was_rebated_away() -> None:
    invoices = [
        billed("A", JUNE, (STANDARD, Decimal(10)), (REDUCED, Decimal(5))),
        billed("B", JUNE, (STANDARD, Decimal(7)), (REDUCED, Decimal(-6))),
    ]
    assert vat_shares("helios", JUNE, invoices) == [(STANDARD, Decimal(17))]
    with pytest.raises(CreditNoteError, match="no invoice of that month has landed"):
        vat_shares("helios", JUNE, [])


def test_the_latest_invoice_says_who_the_parties_are_and_a_file_completes_it(tmp_path: Path) -> None:
    path = tmp_path / "parties.yml"
    path.write_text(
        "seller: {name: Never, legal_id: '404833048', legal_scheme: '0002'}\nbuyer: {city: Never}\n"
    )
    moved = billed("B", seller={**billed("A").seller, "street": "9 new street"})
    seller, buyer = parties_of("helios", [billed("A"), moved], read_parties(path))
    assert (seller.name, seller.street, seller.legal_id) == (SELLER.name, "9 new street", "404833048")
    assert buyer == BUYER


def test_an_identifier_and_its_scheme_come_from_one_place() -> None:
    stated = {"seller": {"party_id": "1", "party_scheme": "0088", "legal_scheme": "0002"}}
    seller, _ = parties_of("helios", [billed("A")], stated)
    assert (seller.party_id, seller.party_scheme, seller.legal_scheme) == ("HELIOS", None, None)


def test_an_endpoint_without_its_scheme_is_left_out() -> None:
    seller, _ = parties_of(
        "helios", [billed("A", seller={"name": "A", "country": "DE", "endpoint": "x"})], {}
    )
    assert (seller.endpoint, seller.party_id) == (None, "helios")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seller: {nam: x}", "seller has no 'nam'; it knows name, country"),
        ("vendor: {name: x}", "must hold seller and buyer, and nothing else"),
        ("- a", "must hold seller and buyer"),
        ("seller: {postcode: 75011}", "quote numbers"),
        ("seller: [", "cannot be read"),
        ("seller: !!python/object:os.system {}", "."),
    ],
)
def test_a_file_of_parties_with_a_mistake_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "parties.yml"
    path.write_text(text)
    with pytest.raises(CreditNoteError, match=told) as caught:
        read_parties(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CreditNoteError, match="cannot be read"):
        read_parties(tmp_path / "none.yml")
