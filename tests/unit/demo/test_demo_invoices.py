"""Invoices read back with the field's own tools, and their sums as EN 16931 wants them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from lxml import etree

from avoir.demo import facturx_documents, ubl_documents
from avoir.demo.invoices import Invoice, cents, counted, tell_month
from avoir.demo.months import Month
from avoir.demo.vendors import (
    BOREALIS,
    DEFAULT_SEED,
    FIRST_MONTH,
    HELIOS,
    HUDSON,
    KAVERI,
    LAST_MONTH,
    VENDORS,
    Vendor,
)
from avoir.demo.world import WorldPaths

MONTHS = Month.span(FIRST_MONTH, LAST_MONTH)
CENT = Decimal("0.01")
NAMES = {"cac": ubl_documents.CAC, "cbc": ubl_documents.CBC}
CII = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
}


def documents_of(vendor: Vendor) -> list[Invoice]:
    return [document for month in MONTHS for document in tell_month(vendor, month, DEFAULT_SEED)]


def ubl_amounts(root: etree._Element, path: str) -> list[Decimal]:
    return [Decimal(str(element.text)) for element in root.findall(path, NAMES)]


def cii_amounts(root: etree._Element, path: str) -> list[Decimal]:
    return [Decimal(str(element.text)) for element in root.findall(path, CII)]


def check_sums(
    lines: list[Decimal],
    nets: list[Decimal],
    allowances: list[Decimal],
    charges: list[Decimal],
    totals: dict[str, Decimal],
    groups: list[tuple[Decimal, Decimal, Decimal]],
) -> None:
    """BR-CO-10 to BR-CO-17 and the line's own product."""
    assert lines == nets
    assert totals["lines"] == sum(nets)
    assert totals["allowances"] == sum(allowances)
    assert totals["charges"] == sum(charges)
    assert totals["basis"] == totals["lines"] - totals["allowances"] + totals["charges"]
    assert sum(basis for basis, _, _ in groups) == totals["basis"]
    assert sum(tax for _, tax, _ in groups) == totals["tax"]
    for basis, tax, rate in groups:
        assert tax == (basis * rate / 100).quantize(CENT, ROUND_HALF_UP)
    assert totals["grand"] == totals["basis"] + totals["tax"] == totals["due"]


@pytest.mark.parametrize("vendor", [BOREALIS, HUDSON], ids=["borealis", "hudson"])
def test_ubl_documents_add_up(vendor: Vendor) -> None:
    with_adjustments = 0
    for document in documents_of(vendor):
        root = etree.fromstring(ubl_documents.ubl(document))
        kind = etree.QName(root).localname
        assert kind == ("CreditNote" if document.type_code == "381" else "Invoice")
        assert root.findtext(f"cbc:{kind}TypeCode", namespaces=NAMES) == document.type_code
        quantity = "CreditedQuantity" if kind == "CreditNote" else "InvoicedQuantity"
        quantities = ubl_amounts(root, f"cac:{kind}Line/cbc:{quantity}")
        prices = ubl_amounts(root, f"cac:{kind}Line/cac:Price/cbc:PriceAmount")
        adjustments = root.findall("cac:AllowanceCharge", NAMES)
        split: dict[str, list[Decimal]] = {"true": [], "false": []}
        for adjustment in adjustments:
            indicator = str(adjustment.findtext("cbc:ChargeIndicator", namespaces=NAMES))
            split[indicator] += ubl_amounts(adjustment, "cbc:Amount")
        with_adjustments += bool(adjustments)
        totals = {
            name: ubl_amounts(root, f"cac:LegalMonetaryTotal/cbc:{element}")[0]
            for name, element in {
                "lines": "LineExtensionAmount",
                "allowances": "AllowanceTotalAmount",
                "charges": "ChargeTotalAmount",
                "basis": "TaxExclusiveAmount",
                "grand": "TaxInclusiveAmount",
                "due": "PayableAmount",
            }.items()
        }
        totals["tax"] = ubl_amounts(root, "cac:TaxTotal/cbc:TaxAmount")[0]
        groups = [
            (
                ubl_amounts(group, "cbc:TaxableAmount")[0],
                ubl_amounts(group, "cbc:TaxAmount")[0],
                ubl_amounts(group, "cac:TaxCategory/cbc:Percent")[0],
            )
            for group in root.findall("cac:TaxTotal/cac:TaxSubtotal", NAMES)
        ]
        check_sums(
            ubl_amounts(root, f"cac:{kind}Line/cbc:LineExtensionAmount"),
            [cents(one * other) for one, other in zip(quantities, prices, strict=True)],
            split["false"],
            split["true"],
            totals,
            groups,
        )
        currencies = set(root.xpath("//@currencyID"))
        assert currencies == {vendor.currency}
    assert with_adjustments


def test_ubl_correction_names_the_original_and_both_periods() -> None:
    original, correction = tell_month(BOREALIS, Month(2025, 9), DEFAULT_SEED)
    root = etree.fromstring(ubl_documents.ubl(correction))
    preceding = root.findtext("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID", namespaces=NAMES)
    assert preceding == original.number
    assert root.findtext("cbc:InvoiceTypeCode", namespaces=NAMES) == "384"
    assert root.findtext("cac:ContractDocumentReference/cbc:ID", namespaces=NAMES) == "BOR-2023-07"
    for path in ("cac:InvoicePeriod", "cac:InvoiceLine/cac:InvoicePeriod"):
        periods = root.findall(path, NAMES)
        assert periods
        for period in periods:
            texts = [element.text for element in period]
            assert texts == ["2025-09-01", "2025-09-30"]


def test_only_what_was_billed_and_not_replaced_counts() -> None:
    original, correction = tell_month(BOREALIS, Month(2025, 9), DEFAULT_SEED)
    assert counted([original, correction]) == [correction]
    invoice, note = tell_month(HELIOS, Month(2025, 5), DEFAULT_SEED)
    assert note.type_code == "381"
    assert note.grand_total > 0
    assert counted([invoice, note]) == [invoice]


def test_a_correction_comes_weeks_after_the_original() -> None:
    for month in BOREALIS.corrected_months:
        original, correction = tell_month(BOREALIS, month, DEFAULT_SEED)
        assert 14 <= (correction.dropped_at - original.dropped_at).days < 60


def test_every_vendor_has_one_invoice_a_month_with_three_lines() -> None:
    numbers = []
    for vendor in VENDORS.values():
        documents = documents_of(vendor)
        invoices = [document for document in documents if document.type_code == "380"]
        assert [document.month for document in invoices] == list(MONTHS)
        assert all(
            [line.service for line in document.lines] == ["support", "platform", "releases"]
            for document in invoices
        )
        numbers += [document.number for document in documents]
    assert len(numbers) == len(set(numbers)) > 108
    kinds = {document.type_code for vendor in VENDORS.values() for document in documents_of(vendor)}
    assert kinds == {"380", "381", "384"}


@pytest.mark.parametrize("index", [0, 1, 2], ids=["invoice", "with allowance or charge", "credit note"])
def test_facturx_reads_back_and_adds_up(index: int) -> None:
    from facturx import get_facturx_level, get_xml_from_pdf, xml_check_xsd

    documents = documents_of(HELIOS)
    chosen = (
        documents[0],
        next(document for document in documents if document.adjustments),
        next(document for document in documents if document.type_code == "381"),
    )
    document = chosen[index]
    name, xml = get_xml_from_pdf(facturx_documents.pdf(document), check_xsd=False)
    assert name == "factur-x.xml"
    assert xml_check_xsd(xml, flavor="factur-x", level="en16931")
    root = etree.fromstring(xml)
    assert get_facturx_level(root) == "en16931"
    settlement = ".//ram:ApplicableHeaderTradeSettlement"
    summation = f"{settlement}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
    totals = {
        key: cii_amounts(root, f"{summation}/ram:{element}")[0]
        for key, element in {
            "lines": "LineTotalAmount",
            "allowances": "AllowanceTotalAmount",
            "charges": "ChargeTotalAmount",
            "basis": "TaxBasisTotalAmount",
            "tax": "TaxTotalAmount",
            "grand": "GrandTotalAmount",
            "due": "DuePayableAmount",
        }.items()
    }
    adjustments = cii_amounts(root, f"{settlement}/ram:SpecifiedTradeAllowanceCharge/ram:ActualAmount")
    assert sorted(adjustments) == sorted(item.amount for item in document.adjustments)
    assert bool(adjustments) is (index == 1)
    quantities = cii_amounts(root, ".//ram:BilledQuantity")
    prices = cii_amounts(root, ".//ram:NetPriceProductTradePrice/ram:ChargeAmount")
    tax = f"{settlement}/ram:ApplicableTradeTax/ram:"
    check_sums(
        cii_amounts(root, ".//ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"),
        [cents(one * other) for one, other in zip(quantities, prices, strict=True)],
        [item.amount for item in document.adjustments if not item.is_charge],
        [item.amount for item in document.adjustments if item.is_charge],
        totals,
        [
            (
                cii_amounts(root, f"{tax}BasisAmount")[0],
                cii_amounts(root, f"{tax}CalculatedAmount")[0],
                cii_amounts(root, f"{tax}RateApplicablePercent")[0],
            )
        ],
    )
    assert root.findtext("rsm:ExchangedDocument/ram:ID", namespaces=CII) == document.number
    assert totals["basis"] == document.tax_basis


def test_facturx_bytes_do_not_depend_on_when_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    document = documents_of(KAVERI)[0]
    now = facturx_documents.pdf(document)
    monkeypatch.setattr("facturx.facturx._get_pdf_timestamp", lambda date=None: "D:19990101000000+00'00'")
    monkeypatch.setattr("facturx.facturx._get_metadata_timestamp", lambda: "1999-01-01T00:00:00+00:00")
    assert facturx_documents.pdf(document) == now
    assert now.count(b"20250202090000") == 3
    assert b"2025-02-02T09:00:00+00:00" in now


def test_files_bear_the_time_at_which_they_were_dropped(
    whole_history: WorldPaths, truth_of: Callable[[WorldPaths], dict[str, Any]]
) -> None:
    files = {file.name: file for file in whole_history.invoices_dir("borealis").iterdir()}
    assert len(files) == 18 + 2
    dropped = {name: datetime.fromtimestamp(file.stat().st_mtime, UTC) for name, file in files.items()}
    assert dropped["B20250901.xml"] == datetime(2025, 10, 2, 9, tzinfo=UTC)
    assert dropped["B20250901-R.xml"] == datetime(2025, 10, 24, 14, 30, tzinfo=UTC)
    billed = {
        row["month"]: row["invoiced_amount"]
        for row in truth_of(whole_history)["vendor_months"]
        if row["vendor"] == "borealis"
    }
    root = etree.fromstring(files["B20250901-R.xml"].read_bytes())
    basis = root.findtext("cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount", namespaces=NAMES)
    assert billed["2025-09"] == basis
