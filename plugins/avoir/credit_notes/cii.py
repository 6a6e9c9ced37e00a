"""A note as UN/CEFACT CII D16B, profile EN 16931 of Factur-X (CEN/TS 16931-3-3), in the schema's order."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from lxml import etree

from avoir.credit_notes.model import Allowance, Line, Note, Party, Preceding, Vat, VatSubtotal

_UNECE = "urn:un:unece:uncefact:data:standard"
_NAMESPACES = {
    "rsm": f"{_UNECE}:CrossIndustryInvoice:100",
    "ram": f"{_UNECE}:ReusableAggregateBusinessInformationEntity:100",
    "udt": f"{_UNECE}:UnqualifiedDataType:100",
    "qdt": f"{_UNECE}:QualifiedDataType:100",
}
GUIDELINE = "urn:cen.eu:en16931:2017"

Child = etree._Element | None  # noqa: SLF001 - the public name is a function


def cii(note: Note) -> bytes:
    """The note as CII in UTF-8; the same note gives the same bytes."""
    root = _group(
        "rsm:CrossIndustryInvoice",
        _group(
            "rsm:ExchangedDocumentContext",
            _group("ram:GuidelineSpecifiedDocumentContextParameter", _leaf("ram:ID", GUIDELINE)),  # BT-24
        ),
        _group(
            "rsm:ExchangedDocument",
            _leaf("ram:ID", note.number),  # BT-1
            _leaf("ram:TypeCode", note.type_code),  # BT-3
            _day("ram:IssueDateTime", note.issue_date),  # BT-2
            *(_group("ram:IncludedNote", _leaf("ram:Content", text)) for text in note.notes),  # BT-22
        ),
        _group(
            "rsm:SupplyChainTradeTransaction",
            *(_line(line, note.digits) for line in note.lines),
            _group(
                "ram:ApplicableHeaderTradeAgreement",
                _party("ram:SellerTradeParty", note.seller),  # BG-4
                _party("ram:BuyerTradeParty", note.buyer),  # BG-7
                _group("ram:ContractReferencedDocument", _leaf("ram:IssuerAssignedID", note.contract_id))
                if note.contract_id
                else None,  # BT-12
            ),
            _group("ram:ApplicableHeaderTradeDelivery"),
            _settlement(note),
        ),
    )
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _settlement(note: Note) -> etree._Element:
    digits = note.digits
    return _group(
        "ram:ApplicableHeaderTradeSettlement",
        _leaf("ram:InvoiceCurrencyCode", note.currency),  # BT-5
        *(_subtotal(row, digits) for row in note.vat_subtotals),
        _period(note.first, note.last),  # BG-14
        *(_allowance(allowance, digits) for allowance in note.allowances),
        _group("ram:SpecifiedTradePaymentTerms", _leaf("ram:Description", note.payment_terms)),  # BT-20
        _group(
            "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
            _amount("ram:LineTotalAmount", note.lines_amount, digits),  # BT-106
            _amount("ram:AllowanceTotalAmount", note.allowances_amount, digits)
            if note.allowances
            else None,  # BT-107
            _amount("ram:TaxBasisTotalAmount", note.net_amount, digits),  # BT-109
            _amount("ram:TaxTotalAmount", note.vat_amount, digits, currencyID=note.currency),  # BT-110
            _amount("ram:GrandTotalAmount", note.gross_amount, digits),  # BT-112
            _amount("ram:DuePayableAmount", note.gross_amount, digits),  # BT-115
        ),
        *map(_preceding, note.preceding),  # BG-3
    )


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


def _group(name: str, *children: Child) -> etree._Element:
    """An element of other elements, in the schema's order."""
    element = etree.Element(_tag(name), nsmap=_NAMESPACES)
    element.extend(child for child in children if child is not None)
    return element


def _leaf(name: str, text: str, **attributes: str | None) -> etree._Element:
    """An element of text, with what qualifies it."""
    given = {key: value for key, value in attributes.items() if value is not None}
    element = etree.Element(_tag(name), given, nsmap=_NAMESPACES)
    element.text = text
    return element


def _said(name: str, text: str | None, **attributes: str | None) -> Child:
    return _leaf(name, text, **attributes) if text else None


def _amount(name: str, amount: Decimal, digits: int, **attributes: str | None) -> etree._Element:
    return _leaf(name, f"{amount:.{digits}f}", **attributes)


def _day(name: str, day: date, *, kind: str = "udt") -> etree._Element:
    return _group(name, _leaf(f"{kind}:DateTimeString", f"{day:%Y%m%d}", format="102"))


def _period(first: date, last: date) -> etree._Element:
    return _group(
        "ram:BillingSpecifiedPeriod", _day("ram:StartDateTime", first), _day("ram:EndDateTime", last)
    )


def _preceding(preceding: Preceding) -> etree._Element:
    return _group(
        "ram:InvoiceReferencedDocument",
        _leaf("ram:IssuerAssignedID", preceding.number),  # BT-25
        _day("ram:FormattedIssueDateTime", preceding.issue_date, kind="qdt"),  # BT-26
    )


def _party(name: str, party: Party) -> etree._Element:
    return _group(
        name,
        # An identifier that a scheme gave is a GlobalID, one without is an ID.
        _said(
            "ram:GlobalID" if party.party_scheme else "ram:ID", party.party_id, schemeID=party.party_scheme
        ),
        _leaf("ram:Name", party.name),
        _group("ram:SpecifiedLegalOrganization", _leaf("ram:ID", party.legal_id, schemeID=party.legal_scheme))
        if party.legal_id
        else None,
        _group(
            "ram:PostalTradeAddress",
            _said("ram:PostcodeCode", party.postcode),
            _said("ram:LineOne", party.street),
            _said("ram:LineTwo", party.street_2),
            _said("ram:LineThree", party.street_3),
            _said("ram:CityName", party.city),
            _leaf("ram:CountryID", party.country),
            _said("ram:CountrySubDivisionName", party.subdivision),
        ),
        _group(
            "ram:URIUniversalCommunication",
            _leaf("ram:URIID", party.endpoint, schemeID=party.endpoint_scheme),
        )
        if party.endpoint
        else None,
        _group("ram:SpecifiedTaxRegistration", _leaf("ram:ID", party.vat_id, schemeID="VA"))
        if party.vat_id
        else None,
    )


def _category(vat: Vat) -> list[Child]:
    rate = None if vat.rate_pct is None else _leaf("ram:RateApplicablePercent", f"{vat.rate_pct:f}")
    return [_leaf("ram:TypeCode", "VAT"), _leaf("ram:CategoryCode", vat.category), rate]


def _subtotal(row: VatSubtotal, digits: int) -> etree._Element:
    vat = row.vat
    is_exempt = vat.category != "S"
    return _group(
        "ram:ApplicableTradeTax",
        _amount("ram:CalculatedAmount", row.tax, digits),  # BT-117
        _leaf("ram:TypeCode", "VAT"),
        _said("ram:ExemptionReason", vat.reason) if is_exempt else None,  # BT-120
        _amount("ram:BasisAmount", row.basis, digits),  # BT-116
        _leaf("ram:CategoryCode", vat.category),  # BT-118
        _said("ram:ExemptionReasonCode", vat.reason_code) if is_exempt else None,  # BT-121
        None if vat.rate_pct is None else _leaf("ram:RateApplicablePercent", f"{vat.rate_pct:f}"),  # BT-119
    )


def _allowance(allowance: Allowance, digits: int) -> etree._Element:
    return _group(
        "ram:SpecifiedTradeAllowanceCharge",
        _group("ram:ChargeIndicator", _leaf("udt:Indicator", "false")),
        _amount("ram:ActualAmount", allowance.amount, digits),  # BT-92
        _leaf("ram:Reason", allowance.reason),  # BT-97
        _group("ram:CategoryTradeTax", *_category(allowance.vat)),  # BT-95, BT-96
    )


def _line(line: Line, digits: int) -> etree._Element:
    return _group(
        "ram:IncludedSupplyChainTradeLineItem",
        _group("ram:AssociatedDocumentLineDocument", _leaf("ram:LineID", str(line.number))),  # BT-126
        _group(
            "ram:SpecifiedTradeProduct",
            _leaf("ram:Name", line.name),  # BT-153
            _leaf("ram:Description", line.description),  # BT-154
        ),
        _group(
            "ram:SpecifiedLineTradeAgreement",
            _group(
                "ram:NetPriceProductTradePrice", _amount("ram:ChargeAmount", line.net_amount, digits)
            ),  # BT-146
        ),
        _group("ram:SpecifiedLineTradeDelivery", _leaf("ram:BilledQuantity", "1", unitCode="C62")),  # BT-129
        _group(
            "ram:SpecifiedLineTradeSettlement",
            _group("ram:ApplicableTradeTax", *_category(line.vat)),  # BT-151, BT-152
            _period(line.first, line.last),  # BG-26
            _group(
                "ram:SpecifiedTradeSettlementLineMonetarySummation",
                _amount("ram:LineTotalAmount", line.net_amount, digits),  # BT-131
            ),
        ),
    )
