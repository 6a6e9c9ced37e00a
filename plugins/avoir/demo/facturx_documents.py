"""Invoices as Factur-X: CII by drafthorse, put into a PDF by factur-x, every date taken from the invoice."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from avoir.demo.invoices import CREDIT_NOTE, Invoice
from avoir.demo.vendors import BUYER

PROFILE = "urn:cen.eu:en16931:2017"


def cii(invoice: Invoice) -> bytes:
    """The invoice as CII, checked against the EN 16931 profile's XSD by drafthorse."""
    from drafthorse.models.accounting import ApplicableTradeTax, CategoryTradeTax, TradeAllowanceCharge
    from drafthorse.models.document import Document
    from drafthorse.models.party import TaxRegistration
    from drafthorse.models.payment import PaymentTerms
    from drafthorse.models.tradelines import LineItem

    first, last = invoice.period
    document = Document()
    document.context.guideline_parameter.id = PROFILE
    document.header.id = invoice.number
    document.header.type_code = invoice.type_code
    document.header.issue_date_time = invoice.issued
    agreement = document.trade.agreement
    for element, party in ((agreement.seller, invoice.seller), (agreement.buyer, BUYER)):
        element.id = party.party_id
        element.name = party.name
        element.address.postcode = party.postcode
        element.address.line_one = party.street
        element.address.city_name = party.city
        element.address.country_id = party.country
        element.tax_registrations.add(TaxRegistration(id=("VA", party.vat_id)))
    agreement.buyer_order.issuer_assigned_id = invoice.order
    agreement.contract.issuer_assigned_id = invoice.contract
    for number, line in enumerate(invoice.lines, start=1):
        item = LineItem()
        item.document.line_id = str(number)
        item.product.seller_assigned_id = line.item_id
        item.product.name = line.name
        item.agreement.net.amount = line.price
        item.delivery.billed_quantity = (line.quantity, line.unit)
        item.settlement.trade_tax.type_code = "VAT"
        item.settlement.trade_tax.category_code = invoice.vat.category
        item.settlement.trade_tax.rate_applicable_percent = invoice.vat.rate_pct
        item.settlement.period.start = first
        item.settlement.period.end = last
        item.settlement.monetary_summation.total_amount = line.net
        document.trade.items.add(item)
    document.trade.delivery.event.occurrence = last
    settlement = document.trade.settlement
    settlement.currency_code = invoice.currency
    tax = ApplicableTradeTax()
    tax.calculated_amount = invoice.tax_total
    tax.type_code = "VAT"
    if invoice.vat.exemption_reason:
        tax.exemption_reason = invoice.vat.exemption_reason
        tax.exemption_reason_code = invoice.vat.exemption_code
    tax.basis_amount = invoice.tax_basis
    tax.category_code = invoice.vat.category
    tax.rate_applicable_percent = invoice.vat.rate_pct
    settlement.trade_tax.add(tax)
    settlement.period.start = first
    settlement.period.end = last
    for adjustment in invoice.adjustments:
        element = TradeAllowanceCharge()
        element.indicator = adjustment.is_charge
        element.actual_amount = adjustment.amount
        element.reason = adjustment.reason
        category = CategoryTradeTax()
        category.type_code = "VAT"
        category.category_code = invoice.vat.category
        category.rate_applicable_percent = invoice.vat.rate_pct
        element.trade_tax.add(category)
        settlement.allowance_charge.add(element)
    if invoice.type_code != CREDIT_NOTE:
        terms = PaymentTerms()
        terms.description = "30 days"
        terms.due = invoice.due
        settlement.terms.add(terms)
    totals = settlement.monetary_summation
    totals.line_total = invoice.lines_total
    totals.charge_total = invoice.charges_total
    totals.allowance_total = invoice.allowances_total
    totals.tax_basis_total = invoice.tax_basis
    totals.tax_total = (invoice.tax_total, invoice.currency)
    totals.grand_total = invoice.grand_total
    totals.due_amount = invoice.grand_total
    if invoice.preceding is not None:
        settlement.invoice_referenced_document.issuer_assigned_id = invoice.preceding
    return bytes(document.serialize(schema="FACTUR-X_EN16931"))


@cache
def _page(seller: str) -> bytes:
    """A one-page PDF to carry the invoices of one seller: it shows a name, the rest is the attachment."""
    content = f"BT /F1 18 Tf 60 770 Td ({seller}) Tj ET".encode("latin-1")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    file = bytearray(b"%PDF-1.6\n")
    entries = bytearray(b"0000000000 65535 f \n")
    for number, body in enumerate(objects, start=1):
        entries += b"%010d 00000 n \n" % len(file)
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(file)
    file += b"xref\n0 %d\n%strailer\n" % (len(objects) + 1, entries)
    file += b"<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(file)


_PDF_DATE = re.compile(rb"(?<=\(D\\072)\d{14}")  # pypdf writes the colon of (D:20250202...) in octal
_XMP_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def pdf(invoice: Invoice) -> bytes:
    """The invoice as a Factur-X PDF of profile EN16931.

    factur-x stamps the moment it ran. Those stamps are replaced by one of the same length, so no offset in
    the file moves and the same invoice gives the same bytes.
    """
    from facturx import generate_from_binary

    title = f"{invoice.seller.name} {invoice.number}"
    made = generate_from_binary(
        _page(invoice.seller.name),
        cii(invoice),
        flavor="factur-x",
        level="en16931",
        check_xsd=False,
        pdf_metadata={"author": invoice.seller.name, "title": title, "subject": title, "keywords": "Invoice"},
        xmp_compression=False,
    )
    stamp: datetime = invoice.dropped_at
    made = _PDF_DATE.sub(stamp.strftime("%Y%m%d%H%M%S").encode(), made)
    return _XMP_DATE.sub(stamp.strftime("%Y-%m-%dT%H:%M:%S+00:00").encode(), made)
