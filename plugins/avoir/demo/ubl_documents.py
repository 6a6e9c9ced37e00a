"""Invoices as UBL 2.1, element by element in the order of the schema.

No UBL writer on PyPI is both established and complete, and an invoice is sixty elements: lxml is enough. The
comments give the business terms of EN 16931; types 380 and 384 are an Invoice, 381 is a CreditNote.
"""

from __future__ import annotations

from decimal import Decimal

from lxml import etree

from avoir.demo.invoices import CREDIT_NOTE, Adjustment, Invoice, Line
from avoir.demo.vendors import BUYER, Party, Vat

_OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
CAC = f"{_OASIS}:CommonAggregateComponents-2"
CBC = f"{_OASIS}:CommonBasicComponents-2"
CUSTOMIZATION = "urn:cen.eu:en16931:2017"


def _cac(name: str, *children: etree._Element) -> etree._Element:
    """An aggregate: other elements, in the schema's order."""
    element = etree.Element(f"{{{CAC}}}{name}", nsmap={"cac": CAC, "cbc": CBC})
    element.extend(children)
    return element


def _cbc(name: str, text: str, **attributes: str) -> etree._Element:
    """A basic component: a text, with the currency or the unit as its attribute."""
    element = etree.Element(f"{{{CBC}}}{name}", attributes, nsmap={"cac": CAC, "cbc": CBC})
    element.text = text
    return element


def _amount(name: str, amount: Decimal, currency: str) -> etree._Element:
    return _cbc(name, f"{amount:.2f}", currencyID=currency)


def _tax_scheme() -> etree._Element:
    return _cac("TaxScheme", _cbc("ID", "VAT"))


def _category(name: str, vat: Vat, *, with_reason: bool = False) -> etree._Element:
    category = _cac(name, _cbc("ID", vat.category), _cbc("Percent", f"{vat.rate_pct:.2f}"))
    if with_reason and vat.exemption_reason:
        category.append(_cbc("TaxExemptionReasonCode", vat.exemption_code))
        category.append(_cbc("TaxExemptionReason", vat.exemption_reason))
    category.append(_tax_scheme())
    return category


def _party(party: Party) -> etree._Element:
    return _cac(
        "Party",
        _cac("PartyIdentification", _cbc("ID", party.party_id)),  # BT-29, BT-46
        _cac(
            "PostalAddress",
            _cbc("StreetName", party.street),
            _cbc("CityName", party.city),
            _cbc("PostalZone", party.postcode),
            _cac("Country", _cbc("IdentificationCode", party.country)),
        ),
        _cac("PartyTaxScheme", _cbc("CompanyID", party.vat_id), _tax_scheme()),  # BT-31, BT-48
        _cac("PartyLegalEntity", _cbc("RegistrationName", party.name)),  # BT-27, BT-44
    )


def _period(invoice: Invoice) -> etree._Element:
    first, last = invoice.period
    return _cac("InvoicePeriod", _cbc("StartDate", first.isoformat()), _cbc("EndDate", last.isoformat()))


def _adjustment(adjustment: Adjustment, invoice: Invoice) -> etree._Element:
    return _cac(
        "AllowanceCharge",
        _cbc("ChargeIndicator", "true" if adjustment.is_charge else "false"),
        _cbc("AllowanceChargeReason", adjustment.reason),
        _amount("Amount", adjustment.amount, invoice.currency),  # BT-92, BT-99
        _category("TaxCategory", invoice.vat),
    )


def _line(number: int, line: Line, invoice: Invoice) -> etree._Element:
    is_credit_note = invoice.type_code == CREDIT_NOTE
    quantity = "CreditedQuantity" if is_credit_note else "InvoicedQuantity"
    return _cac(
        "CreditNoteLine" if is_credit_note else "InvoiceLine",
        _cbc("ID", str(number)),  # BT-126
        _cbc(quantity, str(line.quantity), unitCode=line.unit),  # BT-129, BT-130
        _amount("LineExtensionAmount", line.net, invoice.currency),  # BT-131
        _period(invoice),  # BT-134, BT-135
        _cac(
            "Item",
            _cbc("Name", line.name),  # BT-153
            _cac("SellersItemIdentification", _cbc("ID", line.item_id)),  # BT-155
            _category("ClassifiedTaxCategory", invoice.vat),  # BT-151, BT-152
        ),
        _cac("Price", _amount("PriceAmount", line.price, invoice.currency)),  # BT-146
    )


def ubl(invoice: Invoice) -> bytes:
    """The invoice as a UBL 2.1 document in UTF-8."""
    is_credit_note = invoice.type_code == CREDIT_NOTE
    root_name = "CreditNote" if is_credit_note else "Invoice"
    namespace = f"{_OASIS}:{root_name}-2"
    currency = invoice.currency
    root = etree.fromstring(
        f'<{root_name} xmlns="{namespace}" xmlns:cac="{CAC}" xmlns:cbc="{CBC}"/>'.encode()
    )
    root.append(_cbc("CustomizationID", CUSTOMIZATION))  # BT-24
    root.append(_cbc("ID", invoice.number))  # BT-1
    root.append(_cbc("IssueDate", invoice.issued.isoformat()))  # BT-2
    if not is_credit_note:
        root.append(_cbc("DueDate", invoice.due.isoformat()))  # BT-9
    root.append(_cbc(f"{root_name}TypeCode", invoice.type_code))  # BT-3
    root.append(_cbc("DocumentCurrencyCode", currency))  # BT-5
    root.append(_period(invoice))  # BT-73, BT-74
    root.append(_cac("OrderReference", _cbc("ID", invoice.order)))  # BT-13
    if invoice.preceding is not None:
        reference = _cac("InvoiceDocumentReference", _cbc("ID", invoice.preceding))  # BT-25
        root.append(_cac("BillingReference", reference))
    root.append(_cac("ContractDocumentReference", _cbc("ID", invoice.contract)))  # BT-12
    root.append(_cac("AccountingSupplierParty", _party(invoice.seller)))
    root.append(_cac("AccountingCustomerParty", _party(BUYER)))
    root.append(_cac("PaymentTerms", _cbc("Note", "30 days")))  # BT-20
    root.extend(_adjustment(adjustment, invoice) for adjustment in invoice.adjustments)
    root.append(
        _cac(
            "TaxTotal",
            _amount("TaxAmount", invoice.tax_total, currency),  # BT-110
            _cac(
                "TaxSubtotal",
                _amount("TaxableAmount", invoice.tax_basis, currency),  # BT-116
                _amount("TaxAmount", invoice.tax_total, currency),  # BT-117
                _category("TaxCategory", invoice.vat, with_reason=True),
            ),
        )
    )
    root.append(
        _cac(
            "LegalMonetaryTotal",
            _amount("LineExtensionAmount", invoice.lines_total, currency),  # BT-106
            _amount("TaxExclusiveAmount", invoice.tax_basis, currency),  # BT-109
            _amount("TaxInclusiveAmount", invoice.grand_total, currency),  # BT-112
            _amount("AllowanceTotalAmount", invoice.allowances_total, currency),  # BT-107
            _amount("ChargeTotalAmount", invoice.charges_total, currency),  # BT-108
            _amount("PayableAmount", invoice.grand_total, currency),  # BT-115
        )
    )
    root.extend(_line(number, line, invoice) for number, line in enumerate(invoice.lines, start=1))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
