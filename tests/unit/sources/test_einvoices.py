"""Invoices in both syntaxes, whole and hostile. The fixtures are written for these tests; nobody's data."""

from __future__ import annotations

import io
import signal
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoice_documents import CII, UBL, cii, pdf_with, ubl

from avoir.sources.einvoice import MAX_XML_BYTES, UnusableInvoiceError, parse_invoice
from avoir.sources.einvoice_pdf import PdfExtractor
from avoir.sources.model import SourceError


@pytest.mark.parametrize("xml", [ubl(), cii()], ids=["ubl", "cii"])
def test_both_syntaxes_give_the_same_terms(xml: bytes) -> None:
    invoice = parse_invoice(xml)
    assert invoice.document == {
        "profile": "urn:cen.eu:en16931:2017",
        "type_code": "380",
        "invoice_number": "R-2026-07",
        "issue_date": "2026-08-03",
        "currency": "EUR",
        "seller_id": "55210055400013",
        "seller_vat_id": "FR32552100554",
        "seller_name": "Hélios & fils",
        "buyer_name": "Client SA",
        "contract_reference": "HEL-2024-01",
        "order_reference": "PO-7",
        "period_start": "2026-07-01",
        "period_end": "2026-07-31",
        "preceding_invoice": "R-2026-06",
        "lines_total": "1000.10",
        "allowances_total": "50.05",
        "charges_total": "10.00",
        "tax_basis_total": "960.05",
        "tax_total": "192.01",
        "grand_total": "1152.06",
        "prepaid": "100.00",
        "rounding": "-0.06",
        "due": "1052.00",
    }
    assert [line["net_amount"] for line in invoice.lines] == ["700.10", "300.00"]
    assert invoice.lines[0] == {
        "line_id": "1",
        "item_id": "SUP",
        "item_name": "Support",
        "quantity": "1.000",
        "unit": "MON",
        "net_amount": "700.10",
        "period_start": "2026-07-01",
        "period_end": "2026-07-31",
        "vat_category": "S",
        "vat_rate": "20.00",
        "accounting_ref": "6110",
    }
    assert sorted(str(item["kind"]) for item in invoice.adjustments) == ["allowance", "charge"]
    allowance = next(item for item in invoice.adjustments if item["kind"] == "allowance")
    assert (allowance["amount"], allowance["reason"], allowance["vat_rate"]) == ("50.05", "Rebate", "20.00")


def test_the_tax_total_is_the_one_in_the_documents_currency() -> None:
    second = '<cac:TaxTotal><cbc:TaxAmount currencyID="SEK">2100.00</cbc:TaxAmount></cac:TaxTotal>'
    xml = UBL.replace("<cac:TaxTotal>", second + "<cac:TaxTotal>", 1).encode()
    assert parse_invoice(xml).document["tax_total"] == "192.01"


def test_a_credit_note_of_positive_amounts_stays_positive_and_says_381() -> None:
    xml = (
        UBL.replace("Invoice-2", "CreditNote-2")
        .replace("<Invoice ", "<CreditNote ")
        .replace("</Invoice>", "</CreditNote>")
        .replace("InvoiceTypeCode>380<", "CreditNoteTypeCode>381<")
        .replace("</cbc:InvoiceTypeCode>", "</cbc:CreditNoteTypeCode>")
        .replace("cac:InvoiceLine>", "cac:CreditNoteLine>")
        .replace("cbc:InvoicedQuantity", "cbc:CreditedQuantity")
    )
    invoice = parse_invoice(xml.encode())
    assert (invoice.document["type_code"], invoice.document["tax_basis_total"]) == ("381", "960.05")
    assert [line["quantity"] for line in invoice.lines] == ["1.000", "2"]


def test_a_profile_without_lines_is_not_contradicted_by_their_absence() -> None:
    start, end = (
        CII.index("<ram:IncludedSupplyChainTradeLineItem>"),
        CII.index("<ram:ApplicableHeaderTradeAgreement>"),
    )
    invoice = parse_invoice((CII[:start] + CII[end:]).encode())
    assert invoice.lines == ()
    assert invoice.document["lines_total"] == "1000.10"


def test_a_minimum_profile_may_leave_the_prepayment_out() -> None:
    start, end = (
        CII.index("<ram:IncludedSupplyChainTradeLineItem>"),
        CII.index("<ram:ApplicableHeaderTradeAgreement>"),
    )
    xml = CII[:start] + CII[end:]
    for name, amount in (
        ("LineTotalAmount", "1000.10"),
        ("AllowanceTotalAmount", "50.05"),
        ("ChargeTotalAmount", "10.00"),
        ("TotalPrepaidAmount", "100.00"),
        ("RoundingAmount", "-0.06"),
    ):
        xml = xml.replace(f"<ram:{name}>{amount}</ram:{name}>", "")
    invoice = parse_invoice(xml.encode())
    assert (invoice.document["due"], invoice.document["prepaid"]) == ("1052.00", None)


@pytest.mark.parametrize(
    ("old", "new", "code", "reason"),
    [
        (">1152.06<", ">1152.07<", "totals_disagree", r"BT-109 \+ BT-110 is 1152.06, BT-112 says 1152.07"),
        (">700.10<", ">700.11<", "totals_disagree", "lines add up to 1000.11, BT-106 says 1000.10"),
        (">50.05<", ">50.06<", "totals_disagree", "BT-106 - BT-107"),
        (">1052.00<", ">1152.00<", "totals_disagree", "BT-115 says 1152.00"),
        (">R-2026-07<", "> <", "missing_term", "BT-1 "),
        (">960.05<", ">1e3<", "bad_term", "BT-109 .* is not a decimal: '1e3'"),
        (">960.05<", ">٩٦٠<", "bad_term", "is not a decimal"),
        (">EUR<", ">Euro<", "bad_term", "BT-5 is not a currency code"),
    ],
)
@pytest.mark.parametrize("text", [UBL, CII], ids=["ubl", "cii"])
def test_what_cannot_be_counted_says_which_term_and_why(
    text: str, old: str, new: str, code: str, reason: str
) -> None:
    assert old in text
    both = new == ">50.06<"
    with pytest.raises(UnusableInvoiceError, match=reason) as caught:
        parse_invoice((text.replace(old, new) if both else text.replace(old, new, 1)).encode())
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "old", "new", "reason"),
    [
        (UBL, "2026-08-03", "03/08/2026", "BT-2 .* is not a date"),
        (UBL, "2026-08-03", "2026-02-30", "BT-2 .* is not a date"),
        (CII, "20260803", "2026-08-03", "BT-2 .* is not a date"),
        (CII, 'format="102">20260803', 'format="610">202608', "date format 610"),
    ],
)
def test_a_date_in_another_form_is_not_guessed_at(text: str, old: str, new: str, reason: str) -> None:
    with pytest.raises(UnusableInvoiceError, match=reason):
        parse_invoice(text.replace(old, new, 1).encode())


def test_an_amount_in_another_currency_is_not_added() -> None:
    xml = UBL.replace(
        '<cbc:LineExtensionAmount currencyID="EUR">700.10', '<cbc:LineExtensionAmount currencyID="USD">700.10'
    )
    with pytest.raises(UnusableInvoiceError, match="is in USD, the document in EUR"):
        parse_invoice(xml.encode())


def test_a_total_given_twice_with_two_values_is_ambiguous() -> None:
    xml = CII.replace(
        "<ram:GrandTotalAmount>", "<ram:GrandTotalAmount>1.00</ram:GrandTotalAmount><ram:GrandTotalAmount>", 1
    )
    with pytest.raises(UnusableInvoiceError, match=r"BT-112 .* is given as '1.00' and '1152.06'"):
        parse_invoice(xml.encode())


def test_a_comment_inside_an_amount_does_not_cut_it() -> None:
    assert (
        parse_invoice(UBL.replace(">960.05<", ">960<!-- . -->.05<", 1).encode()).document["tax_basis_total"]
        == "960.05"
    )


def test_a_group_of_lines_is_not_counted_beside_its_parts() -> None:
    line = CII[
        CII.index("<ram:IncludedSupplyChainTradeLineItem>") : CII.index(
            "<ram:ApplicableHeaderTradeAgreement>"
        )
    ]
    with pytest.raises(UnusableInvoiceError, match=r"lines add up to 2000\.20"):
        parse_invoice(CII.replace(line, line + line).encode())


HOSTILE = {
    "external entity": (
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        + UBL.split("?>", 1)[1].replace("R-2026-07", "&x;").encode(),
        "dtd_refused",
    ),
    "billion laughs": (
        b"<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'>"
        + b"".join(
            f"<!ENTITY {chr(98 + n)} '{'&' + chr(97 + n) + ';'}{('&' + chr(97 + n) + ';') * 9}'>".encode()
            for n in range(12)
        )
        + b"]><r>&m;</r>",
        None,
    ),
    "external dtd": (b'<!DOCTYPE r SYSTEM "http://198.51.100.7/x.dtd"><r/>', "dtd_refused"),
    "not xml": (b"\x00\x01\x02", "not_well_formed"),
    "empty": (b"", "not_well_formed"),
    "truncated": (ubl()[:2000], "not_well_formed"),
    "wrong encoding": (ubl().replace(b'encoding="UTF-8"', b'encoding="UTF-16"'), "not_well_formed"),
    "other root": (b"<html/>", "unsupported_syntax"),
    "zugferd 1": (
        b'<r:CrossIndustryDocument xmlns:r="urn:ferd:CrossIndustryDocument:invoice:1p0"/>',
        "unsupported_syntax",
    ),
    "order": (b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>', "unsupported_syntax"),
    "too deep": (b"<a>" * 100_000 + b"</a>" * 100_000, "not_well_formed"),
    "too large": (b" " * (MAX_XML_BYTES + 1), "too_large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_with_a_reason(name: str) -> None:
    xml, code = HOSTILE[name]
    with pytest.raises(UnusableInvoiceError) as caught:
        parse_invoice(xml)
    assert "root:" not in caught.value.reason
    if code is not None:
        assert caught.value.code == code


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 4000))
def test_no_damage_to_a_document_raises_anything_else(noise: bytes, position: int) -> None:
    xml = ubl()
    damaged = xml[:position] + noise + xml[position + len(noise) :]
    try:
        invoice = parse_invoice(damaged)
    except UnusableInvoiceError:
        return
    assert sum(Decimal(line["net_amount"] or "0") for line in invoice.lines) == Decimal("1000.10")


@pytest.fixture(scope="module")
def extractor() -> Iterator[PdfExtractor]:
    with PdfExtractor(seconds_per_document=5) as one:
        yield one


@pytest.mark.parametrize("name", ["factur-x.xml", "Factur-X.XML", "xrechnung.xml", "ZUGFeRD-invoice.xml"])
def test_the_attachment_of_a_pdf_is_found(extractor: PdfExtractor, name: str) -> None:
    assert extractor.invoice_xml(pdf_with({name: cii(), "terms.txt": b"in small print"})) == cii()


def test_one_invoice_attached_twice_is_one_and_two_are_too_many(extractor: PdfExtractor) -> None:
    assert extractor.invoice_xml(pdf_with({"factur-x.xml": cii(), "xrechnung.xml": cii()})) == cii()
    with pytest.raises(UnusableInvoiceError, match="several different") as caught:
        extractor.invoice_xml(pdf_with({"factur-x.xml": cii(), "xrechnung.xml": ubl()}))
    assert caught.value.code == "pdf_several_invoices"


def test_a_pdf_that_is_a_picture_of_an_invoice_is_refused(extractor: PdfExtractor) -> None:
    with pytest.raises(UnusableInvoiceError) as caught:
        extractor.invoice_xml(pdf_with({"scan.xml": cii()}))
    assert caught.value.code == "pdf_without_invoice"


@pytest.mark.parametrize(
    "content",
    [b"", b"%PDF-1.7", b"%PDF-1.7\n" + b"\x00" * 5000, b"PK\x03\x04", b"%PDF-1.4 1 0 obj << /Length"],
)
def test_what_is_no_pdf_is_refused(extractor: PdfExtractor, content: bytes) -> None:
    with pytest.raises(UnusableInvoiceError) as caught:
        extractor.invoice_xml(content)
    assert caught.value.code in {"pdf_unreadable", "pdf_without_invoice"}


def test_an_encrypted_pdf_is_refused(extractor: PdfExtractor) -> None:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(pdf_with({"factur-x.xml": cii()}))))
    writer.encrypt("secret", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    with pytest.raises(UnusableInvoiceError) as caught:
        extractor.invoice_xml(buffer.getvalue())
    assert caught.value.code == "pdf_encrypted"


def test_a_stream_that_inflates_without_end_is_refused_and_the_next_pdf_is_read(
    extractor: PdfExtractor,
) -> None:
    bomb = zlib.compress(b"\x00" * 400_000_000, 9)
    whole = pdf_with({"factur-x.xml": b"PLACEHOLDER"}, raw={"factur-x.xml": bomb})
    assert len(whole) < 1_000_000
    with pytest.raises(UnusableInvoiceError) as caught:
        extractor.invoice_xml(whole)
    assert caught.value.code in {"pdf_too_large_inside", "pdf_unreadable", "too_large"}
    assert extractor.invoice_xml(pdf_with({"factur-x.xml": cii()})) == cii()


def test_a_reader_that_hangs_costs_one_document_only() -> None:
    with PdfExtractor(seconds_per_document=0.0) as hasty:
        with pytest.raises(UnusableInvoiceError) as caught:
            hasty.invoice_xml(pdf_with({"factur-x.xml": cii()}))
        assert caught.value.code == "pdf_too_slow"
        hasty._seconds = 30
        assert hasty.invoice_xml(pdf_with({"factur-x.xml": cii()})) == cii()


def _end_worker(extractor: PdfExtractor, by: signal.Signals) -> None:
    worker = extractor._worker
    assert worker is not None
    worker.send_signal(by)
    worker.wait(10)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_ends_the_reader_of_pdfs_says_nothing_of_the_pdf(by: signal.Signals) -> None:
    pdf = pdf_with({"factur-x.xml": cii()})
    with PdfExtractor() as extractor:
        extractor.invoice_xml(pdf)
        if by is signal.SIGINT and signal.getsignal(by) is signal.SIG_IGN:
            pytest.skip("what ignores an interrupt hands that on")
        _end_worker(extractor, by)
        with pytest.raises(SourceError, match=f"ended by {by.name}; load the window again"):
            extractor.invoice_xml(pdf)
        assert extractor.invoice_xml(pdf) == cii()


def test_a_reader_that_was_killed_is_asked_once_more() -> None:
    pdf = pdf_with({"factur-x.xml": cii()})
    with PdfExtractor() as extractor:
        extractor.invoice_xml(pdf)
        _end_worker(extractor, signal.SIGKILL)
        assert extractor.invoice_xml(pdf) == cii()


@pytest.mark.parametrize(("ending", "starts"), [("kill -KILL $$", 2), ("exit 1", 1)])
def test_a_pdf_that_ends_its_reader_again_waits_in_quarantine(
    monkeypatch: pytest.MonkeyPatch, ending: str, starts: int
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def dying(_: object, **pipes: Any) -> subprocess.Popen[bytes]:
        started.append(popen(["/bin/bash", "-c", ending], **pipes))
        return started[-1]

    popen = subprocess.Popen
    monkeypatch.setattr("avoir.sources.einvoice_pdf.subprocess.Popen", dying)
    with PdfExtractor() as extractor, pytest.raises(UnusableInvoiceError) as caught:
        extractor.invoice_xml(pdf_with({"factur-x.xml": cii()}))
    assert caught.value.code == "pdf_unreadable"
    assert len(started) == starts


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=40), st.integers(0, 3000))
def test_a_damaged_pdf_never_raises_anything_else(
    extractor: PdfExtractor, noise: bytes, position: int
) -> None:
    whole = pdf_with({"factur-x.xml": cii()})
    damaged = whole[:position] + noise + whole[position + len(noise) :]
    with suppress(UnusableInvoiceError):
        assert extractor.invoice_xml(damaged)
