"""A note as a UBL 2.1 CreditNote, element by element in the order of the schema (CEN/TS 16931-3-2)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from lxml import etree

from avoir.credit_notes.model import Allowance, Line, Note, Party, Preceding, Vat, VatSubtotal

_OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
_CREDIT_NOTE = f"{_OASIS}:CreditNote-2"
_CAC = f"{_OASIS}:CommonAggregateComponents-2"
_CBC = f"{_OASIS}:CommonBasicComponents-2"
CUSTOMIZATION = "urn:cen.eu:en16931:2017"

Child = etree._Element | None  # noqa: SLF001 - the public name is a function


def ubl(note: Note) -> bytes:
    """The note as UBL 2.1 in UTF-8; the same note gives the same bytes."""
    money = _Money(note.currency, note.digits)
    contract = _cac("ContractDocumentReference", _cbc("ID", note.contract_id)) if note.contract_id else None
    taken_back = money.amount("AllowanceTotalAmount", note.allowances_amount) if note.allowances else None
    root = etree.fromstring(f'<CreditNote xmlns="{_CREDIT_NOTE}" xmlns:cac="{_CAC}" xmlns:cbc="{_CBC}"/>')
    children: list[Child] = [
        _cbc("CustomizationID", CUSTOMIZATION),  # BT-24
        _cbc("ID", note.number),  # BT-1
        _cbc("IssueDate", note.issue_date.isoformat()),  # BT-2
        _cbc("CreditNoteTypeCode", note.type_code),  # BT-3
        *(_cbc("Note", text) for text in note.notes),  # BT-22
        _cbc("DocumentCurrencyCode", note.currency),  # BT-5
        _period(note.first, note.last),  # BG-14
        *map(_billing_reference, note.preceding),  # BG-3
        contract,  # BT-12
        _cac("AccountingSupplierParty", _party(note.seller)),  # BG-4
        _cac("AccountingCustomerParty", _party(note.buyer)),  # BG-7
        _cac("PaymentTerms", _cbc("Note", note.payment_terms)),  # BT-20
        *(_allowance(allowance, money) for allowance in note.allowances),
        _cac(
            "TaxTotal",
            money.amount("TaxAmount", note.vat_amount),  # BT-110
            *(_subtotal(row, money) for row in note.vat_subtotals),
        ),
        _cac(
            "LegalMonetaryTotal",
            money.amount("LineExtensionAmount", note.lines_amount),  # BT-106
            money.amount("TaxExclusiveAmount", note.net_amount),  # BT-109
            money.amount("TaxInclusiveAmount", note.gross_amount),  # BT-112
            taken_back,  # BT-107
            money.amount("PayableAmount", note.gross_amount),  # BT-115
        ),
        *(_line(line, money) for line in note.lines),
    ]
    root.extend(child for child in children if child is not None)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


class _Money:
    """Writes amounts of one currency."""

    def __init__(self, currency: str, digits: int) -> None:
        self.currency = currency
        self.digits = digits

    def amount(self, name: str, amount: Decimal) -> etree._Element:
        return _cbc(name, f"{amount:.{self.digits}f}", currencyID=self.currency)


def _cac(name: str, *children: Child) -> etree._Element:
    """An aggregate: other elements, in the schema's order."""
    element = etree.Element(f"{{{_CAC}}}{name}", nsmap={"cac": _CAC, "cbc": _CBC})
    element.extend(child for child in children if child is not None)
    return element


def _cbc(name: str, text: str, **attributes: str | None) -> etree._Element:
    """A basic component: a text, with what qualifies it."""
    given = {key: value for key, value in attributes.items() if value is not None}
    element = etree.Element(f"{{{_CBC}}}{name}", given, nsmap={"cac": _CAC, "cbc": _CBC})
    element.text = text
    return element


def _said(name: str, text: str | None, **attributes: str | None) -> Child:
    return _cbc(name, text, **attributes) if text else None


def _period(first: date, last: date) -> etree._Element:
    return _cac("InvoicePeriod", _cbc("StartDate", first.isoformat()), _cbc("EndDate", last.isoformat()))


def _billing_reference(preceding: Preceding) -> etree._Element:
    return _cac(
        "BillingReference",
        _cac(
            "InvoiceDocumentReference",
            _cbc("ID", preceding.number),  # BT-25
            _cbc("IssueDate", preceding.issue_date.isoformat()),  # BT-26
        ),
    )


def _party(party: Party) -> etree._Element:
    return _cac(
        "Party",
        _said("EndpointID", party.endpoint, schemeID=party.endpoint_scheme),
        _cac("PartyIdentification", _cbc("ID", party.party_id, schemeID=party.party_scheme))
        if party.party_id
        else None,
        _cac(
            "PostalAddress",
            _said("StreetName", party.street),
            _said("AdditionalStreetName", party.street_2),
            _said("CityName", party.city),
            _said("PostalZone", party.postcode),
            _said("CountrySubentity", party.subdivision),
            _cac("AddressLine", _cbc("Line", party.street_3)) if party.street_3 else None,
            _cac("Country", _cbc("IdentificationCode", party.country)),
        ),
        _cac("PartyTaxScheme", _cbc("CompanyID", party.vat_id), _tax_scheme()) if party.vat_id else None,
        _cac(
            "PartyLegalEntity",
            _cbc("RegistrationName", party.name),
            _said("CompanyID", party.legal_id, schemeID=party.legal_scheme),
        ),
    )


def _tax_scheme() -> etree._Element:
    return _cac("TaxScheme", _cbc("ID", "VAT"))


def _category(name: str, vat: Vat, *, with_reason: bool = False) -> etree._Element:
    return _cac(
        name,
        _cbc("ID", vat.category),
        None if vat.rate_pct is None else _cbc("Percent", f"{vat.rate_pct:f}"),
        _said("TaxExemptionReasonCode", vat.reason_code) if with_reason else None,
        _said("TaxExemptionReason", vat.reason) if with_reason else None,
        _tax_scheme(),
    )


def _allowance(allowance: Allowance, money: _Money) -> etree._Element:
    return _cac(
        "AllowanceCharge",
        _cbc("ChargeIndicator", "false"),
        _cbc("AllowanceChargeReason", allowance.reason),  # BT-97
        money.amount("Amount", allowance.amount),  # BT-92
        _category("TaxCategory", allowance.vat),  # BT-95, BT-96
    )


def _subtotal(row: VatSubtotal, money: _Money) -> etree._Element:
    return _cac(
        "TaxSubtotal",
        money.amount("TaxableAmount", row.basis),  # BT-116
        money.amount("TaxAmount", row.tax),  # BT-117
        _category("TaxCategory", row.vat, with_reason=row.vat.category != "S"),
    )


def _line(line: Line, money: _Money) -> etree._Element:
    return _cac(
        "CreditNoteLine",
        _cbc("ID", str(line.number)),  # BT-126
        _cbc("CreditedQuantity", "1", unitCode="C62"),  # BT-129, BT-130
        money.amount("LineExtensionAmount", line.net_amount),  # BT-131
        _period(line.first, line.last),  # BG-26
        _cac(
            "Item",
            _cbc("Description", line.description),  # BT-154
            _cbc("Name", line.name),  # BT-153
            _category("ClassifiedTaxCategory", line.vat),  # BT-151, BT-152
        ),
        _cac("Price", money.amount("PriceAmount", line.net_amount)),  # BT-146
    )
