"""EN 16931 invoices in both of its syntaxes, read through one table of business terms.

Each term (BT-n of EN 16931-1) has its place in UBL 2.1 and in UN/CEFACT CII D16B, as the standard's own
syntax bindings (CEN/TS 16931-3-2 and -3-3) state them; nothing is computed, amounts stay the text they were.

Why not a library: of those on PyPI, ``drafthorse`` reads only CII, refuses what it does not know and fills
absent terms; ``factur-x`` reads the attachment and checks schemas, not terms; ``en16931`` reads UBL only and
through binary floats; ``pycheval`` reads CII only; ``facturex`` and ``tallystick-core`` leave terms out that
a credit is computed from (preceding invoice, line periods); ``euinvoice`` needs Python 3.12; ``eu-einvoice``
reads both well, but is a month old, brings 100 MB of Saxon, and parses with DTDs allowed. Its reading agrees
with this table in every term of every UBL and CII file we have.

Every byte is hostile: no DTD, no entity, no network, bounded size and depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from lxml import etree

MAX_XML_BYTES = 20 * 1024 * 1024

_NAMESPACES = {
    "inv": "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
    "cn": "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}

Syntax = Literal["UBL", "CII"]
_ROOTS: dict[str, Syntax] = {
    f"{{{_NAMESPACES['inv']}}}Invoice": "UBL",
    f"{{{_NAMESPACES['cn']}}}CreditNote": "UBL",
    f"{{{_NAMESPACES['rsm']}}}CrossIndustryInvoice": "CII",
}

_AMOUNT = re.compile(r"[+-]?(\d{1,24}(\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_UBL_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_CII_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)


class UnusableInvoiceError(Exception):
    """The document cannot be counted; ``code`` is stable, the message is for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Term:
    """A business term: the raw column it fills, its number, where it stands in each syntax, and its kind.

    ``many`` terms may repeat in a document; the first is taken. Any other term that repeats with different
    values makes the document ambiguous.
    """

    column: str
    number: str
    ubl: str
    cii: str
    kind: Literal["text", "date", "amount", "currency_amount"] = "text"
    required: bool = False
    many: bool = False


_HEADER = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeAgreement"
_SETTLEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement"
_UBL_SELLER = "cac:AccountingSupplierParty/cac:Party"
_UBL_TOTALS = "cac:LegalMonetaryTotal"
_CII_TOTALS = f"{_SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_CII_PERIOD = f"{_SETTLEMENT}/ram:BillingSpecifiedPeriod"
_UBL_LINES = "cac:InvoiceLine | cac:CreditNoteLine"
_CII_LINES = "rsm:SupplyChainTradeTransaction/ram:IncludedSupplyChainTradeLineItem"
_LINE_AGREEMENT = "ram:SpecifiedLineTradeSettlement"

DOCUMENT_TERMS: tuple[Term, ...] = (
    Term(
        "profile",
        "BT-24",
        "cbc:CustomizationID",
        "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID",
    ),
    Term(
        "type_code",
        "BT-3",
        "cbc:InvoiceTypeCode | cbc:CreditNoteTypeCode",
        "rsm:ExchangedDocument/ram:TypeCode",
        required=True,
    ),
    Term("invoice_number", "BT-1", "cbc:ID", "rsm:ExchangedDocument/ram:ID", required=True),
    Term(
        "issue_date",
        "BT-2",
        "cbc:IssueDate",
        "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString",
        kind="date",
        required=True,
    ),
    Term(
        "currency",
        "BT-5",
        "cbc:DocumentCurrencyCode",
        f"{_SETTLEMENT}/ram:InvoiceCurrencyCode",
        required=True,
    ),
    Term(
        "seller_id",
        "BT-29",
        f"{_UBL_SELLER}/cac:PartyIdentification/cbc:ID[not(@schemeID='SEPA')]",
        f"{_HEADER}/ram:SellerTradeParty/ram:ID | {_HEADER}/ram:SellerTradeParty/ram:GlobalID",
        many=True,
    ),
    Term(
        "seller_vat_id",
        "BT-31",
        f"{_UBL_SELLER}/cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID",
        f"{_HEADER}/ram:SellerTradeParty/ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']",
    ),
    Term(
        "seller_name",
        "BT-27",
        f"{_UBL_SELLER}/cac:PartyLegalEntity/cbc:RegistrationName",
        f"{_HEADER}/ram:SellerTradeParty/ram:Name",
        required=True,
    ),
    Term(
        "buyer_name",
        "BT-44",
        "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        f"{_HEADER}/ram:BuyerTradeParty/ram:Name",
    ),
    Term(
        "contract_reference",
        "BT-12",
        "cac:ContractDocumentReference/cbc:ID",
        f"{_HEADER}/ram:ContractReferencedDocument/ram:IssuerAssignedID",
    ),
    Term(
        "order_reference",
        "BT-13",
        "cac:OrderReference/cbc:ID",
        f"{_HEADER}/ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID",
    ),
    Term(
        "period_start",
        "BT-73",
        "cac:InvoicePeriod/cbc:StartDate",
        f"{_CII_PERIOD}/ram:StartDateTime/udt:DateTimeString",
        kind="date",
    ),
    Term(
        "period_end",
        "BT-74",
        "cac:InvoicePeriod/cbc:EndDate",
        f"{_CII_PERIOD}/ram:EndDateTime/udt:DateTimeString",
        kind="date",
    ),
    Term(
        "preceding_invoice",
        "BT-25",
        "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID",
        f"{_SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID",
        many=True,
    ),
    Term(
        "lines_total",
        "BT-106",
        f"{_UBL_TOTALS}/cbc:LineExtensionAmount",
        f"{_CII_TOTALS}/ram:LineTotalAmount",
        "amount",
    ),
    Term(
        "allowances_total",
        "BT-107",
        f"{_UBL_TOTALS}/cbc:AllowanceTotalAmount",
        f"{_CII_TOTALS}/ram:AllowanceTotalAmount",
        "amount",
    ),
    Term(
        "charges_total",
        "BT-108",
        f"{_UBL_TOTALS}/cbc:ChargeTotalAmount",
        f"{_CII_TOTALS}/ram:ChargeTotalAmount",
        "amount",
    ),
    Term(
        "tax_basis_total",
        "BT-109",
        f"{_UBL_TOTALS}/cbc:TaxExclusiveAmount",
        f"{_CII_TOTALS}/ram:TaxBasisTotalAmount",
        "amount",
        required=True,
    ),
    # Two may stand there (BT-110 and BT-111); the one in the document's currency is BT-110.
    Term(
        "tax_total",
        "BT-110",
        "cac:TaxTotal/cbc:TaxAmount",
        f"{_CII_TOTALS}/ram:TaxTotalAmount",
        "currency_amount",
    ),
    Term(
        "grand_total",
        "BT-112",
        f"{_UBL_TOTALS}/cbc:TaxInclusiveAmount",
        f"{_CII_TOTALS}/ram:GrandTotalAmount",
        "currency_amount",
        required=True,
    ),
    Term(
        "prepaid",
        "BT-113",
        f"{_UBL_TOTALS}/cbc:PrepaidAmount",
        f"{_CII_TOTALS}/ram:TotalPrepaidAmount",
        "amount",
    ),
    Term(
        "rounding",
        "BT-114",
        f"{_UBL_TOTALS}/cbc:PayableRoundingAmount",
        f"{_CII_TOTALS}/ram:RoundingAmount",
        "amount",
    ),
    Term(
        "due",
        "BT-115",
        f"{_UBL_TOTALS}/cbc:PayableAmount",
        f"{_CII_TOTALS}/ram:DuePayableAmount",
        "amount",
        required=True,
    ),
)

LINE_TERMS: tuple[Term, ...] = (
    Term("line_id", "BT-126", "cbc:ID", "ram:AssociatedDocumentLineDocument/ram:LineID", required=True),
    Term(
        "item_id",
        "BT-155",
        "cac:Item/cac:SellersItemIdentification/cbc:ID",
        "ram:SpecifiedTradeProduct/ram:SellerAssignedID",
    ),
    Term("item_name", "BT-153", "cac:Item/cbc:Name", "ram:SpecifiedTradeProduct/ram:Name"),
    Term(
        "quantity",
        "BT-129",
        "cbc:InvoicedQuantity | cbc:CreditedQuantity",
        "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity",
        "amount",
    ),
    Term(
        "unit",
        "BT-130",
        "cbc:InvoicedQuantity/@unitCode | cbc:CreditedQuantity/@unitCode",
        "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity/@unitCode",
    ),
    Term(
        "net_amount",
        "BT-131",
        "cbc:LineExtensionAmount",
        f"{_LINE_AGREEMENT}/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount",
        "amount",
        required=True,
    ),
    Term(
        "period_start",
        "BT-134",
        "cac:InvoicePeriod/cbc:StartDate",
        f"{_LINE_AGREEMENT}/ram:BillingSpecifiedPeriod/ram:StartDateTime/udt:DateTimeString",
        "date",
    ),
    Term(
        "period_end",
        "BT-135",
        "cac:InvoicePeriod/cbc:EndDate",
        f"{_LINE_AGREEMENT}/ram:BillingSpecifiedPeriod/ram:EndDateTime/udt:DateTimeString",
        "date",
    ),
    Term(
        "vat_category",
        "BT-151",
        "cac:Item/cac:ClassifiedTaxCategory/cbc:ID",
        f"{_LINE_AGREEMENT}/ram:ApplicableTradeTax/ram:CategoryCode",
    ),
    Term(
        "vat_rate",
        "BT-152",
        "cac:Item/cac:ClassifiedTaxCategory/cbc:Percent",
        f"{_LINE_AGREEMENT}/ram:ApplicableTradeTax/ram:RateApplicablePercent",
        "amount",
    ),
    Term(
        "accounting_ref",
        "BT-133",
        "cbc:AccountingCost",
        f"{_LINE_AGREEMENT}/ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID",
    ),
)

ADJUSTMENT_TERMS: tuple[Term, ...] = (
    Term(
        "amount",
        "BT-92, BT-99",
        "cbc:Amount",
        "ram:ActualAmount | ram:AppliedAmount",
        "amount",
        required=True,
    ),
    Term("reason", "BT-97, BT-104", "cbc:AllowanceChargeReason", "ram:Reason | ram:Description"),
    Term(
        "vat_category",
        "BT-95, BT-102",
        "cac:TaxCategory/cbc:ID",
        "ram:CategoryTradeTax/ram:CategoryCode | ram:AppliedTradeTax/ram:CategoryCode",
    ),
    Term(
        "vat_rate",
        "BT-96, BT-103",
        "cac:TaxCategory/cbc:Percent",
        "ram:CategoryTradeTax/ram:RateApplicablePercent | ram:AppliedTradeTax/ram:RateApplicablePercent",
        "amount",
    ),
)

#: Document-level allowances and charges; a logistics charge is one more charge of the EXTENDED profile.
_UBL_ADJUSTMENTS = "cac:AllowanceCharge"
_CII_ADJUSTMENTS = (
    f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge | {_SETTLEMENT}/ram:SpecifiedLogisticsServiceCharge"
)

Values = dict[str, str | None]


@dataclass(frozen=True)
class Invoice:
    """A document's terms by raw column; absent terms are ``None``."""

    syntax: Syntax
    document: Values
    lines: tuple[Values, ...]
    adjustments: tuple[Values, ...]


def parse_invoice(xml: bytes) -> Invoice:
    """Read one UBL or CII document.

    Raises:
        UnusableInvoiceError: not XML, not one of the two syntaxes, a term is missing, malformed or ambiguous,
            or the document's own amounts contradict each other.
    """
    root = _parsed(xml)
    syntax = syntax_of(root)
    ubl = syntax == "UBL"
    currency_term = next(term for term in DOCUMENT_TERMS if term.column == "currency")
    currency = _value(root, currency_term, syntax, None)
    if currency is None or not re.fullmatch(r"[A-Z]{3}", currency):
        raise UnusableInvoiceError("bad_term", f"BT-5 is not a currency code: {currency!r}")
    document = _values(root, DOCUMENT_TERMS, syntax, currency)
    lines = tuple(
        _values(line, LINE_TERMS, syntax, currency)
        for line in _elements(root, _UBL_LINES if ubl else _CII_LINES)
    )
    adjustments = tuple(
        _adjustment(element, syntax, currency)
        for element in _elements(root, _UBL_ADJUSTMENTS if ubl else _CII_ADJUSTMENTS)
    )
    invoice = Invoice(syntax, document, lines, adjustments)
    for problem in _contradictions(invoice):
        raise UnusableInvoiceError("totals_disagree", problem)
    return invoice


def syntax_of(root: etree._Element) -> Syntax:
    """Which of the two syntaxes a document's root element begins.

    Raises:
        UnusableInvoiceError: neither.
    """
    syntax = _ROOTS.get(root.tag if isinstance(root.tag, str) else "")
    if syntax is None:
        name = etree.QName(root)
        reason = f"root element {name.localname} of {name.namespace} is neither UBL 2.1 nor CII D16B"
        raise UnusableInvoiceError("unsupported_syntax", reason)
    return syntax


def canonical_xml(xml: bytes) -> str:
    """The document in canonical XML (C14N 1.0, without comments): the same content is the same text.

    Raises:
        UnusableInvoiceError: not well-formed, too large, or with a document type.
    """
    return etree.tostring(_parsed(xml), method="c14n", with_comments=False).decode()


def _parsed(xml: bytes) -> etree._Element:
    if len(xml) > MAX_XML_BYTES:
        raise UnusableInvoiceError("too_large", f"{len(xml)} bytes of XML, at most {MAX_XML_BYTES} are read")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnusableInvoiceError("not_well_formed", f"not well-formed XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnusableInvoiceError(
            "dtd_refused", "the XML declares a document type, which invoices never need"
        )
    return root


def _adjustment(element: etree._Element, syntax: Syntax, currency: str) -> Values:
    if syntax == "UBL":
        flags = _texts(element, "cbc:ChargeIndicator")
        code = _texts(element, "cbc:AllowanceChargeReasonCode")
    else:
        logistics = element.tag == f"{{{_NAMESPACES['ram']}}}SpecifiedLogisticsServiceCharge"
        flags = ["true"] if logistics else _texts(element, "ram:ChargeIndicator/udt:Indicator")
        code = _texts(element, "ram:ReasonCode")
    if flags not in (["true"], ["1"], ["false"], ["0"]):
        raise UnusableInvoiceError("bad_term", f"an allowance or charge says neither which it is: {flags!r}")
    values = _values(element, ADJUSTMENT_TERMS, syntax, currency)
    if values["reason"] is None and code:
        values["reason"] = code[0]
    return {"kind": "charge" if flags[0] in ("true", "1") else "allowance", **values}


def _values(element: etree._Element, terms: Sequence[Term], syntax: Syntax, currency: str) -> Values:
    return {term.column: _value(element, term, syntax, currency) for term in terms}


def _value(element: etree._Element, term: Term, syntax: Syntax, currency: str | None) -> str | None:
    found = _found(element, term.ubl if syntax == "UBL" else term.cii)
    if term.kind == "currency_amount":
        own = [item for item in found if _currency_of(item) in (None, currency)]
        found = own
    texts = [text for text in (_text(item) for item in found) if text]
    if not texts:
        if term.required:
            raise UnusableInvoiceError("missing_term", f"{term.number} ({term.column}) is missing")
        return None
    if len(set(texts)) > 1 and not term.many:
        raise UnusableInvoiceError(
            "ambiguous_term", f"{term.number} ({term.column}) is given as {texts[0]!r} and {texts[1]!r}"
        )
    if term.kind == "date":
        return _date(term, texts[0], found[0])
    if term.kind in ("amount", "currency_amount"):
        if not _AMOUNT.fullmatch(texts[0]):
            raise UnusableInvoiceError(
                "bad_term", f"{term.number} ({term.column}) is not a decimal: {texts[0]!r}"
            )
        foreign = _currency_of(found[0])
        if currency is not None and foreign not in (None, currency):
            reason = f"{term.number} ({term.column}) is in {foreign}, the document in {currency}"
            raise UnusableInvoiceError("mixed_currencies", reason)
    return texts[0]


def _date(term: Term, text: str, item: etree._Element | str) -> str:
    """An ISO date: CII writes YYYYMMDD as format 102, UBL an xs:date, whose zone has no meaning here."""
    written = _UBL_DATE
    if not isinstance(item, str) and item.tag == f"{{{_NAMESPACES['udt']}}}DateTimeString":
        written = _CII_DATE
        code = item.get("format", "102")
        if code != "102":
            raise UnusableInvoiceError("bad_term", f"{term.number} has date format {code}, not 102")
    match = written.fullmatch(text)
    try:
        return date.fromisoformat("-".join(match.group(1, 2, 3)) if match else "").isoformat()
    except ValueError:
        reason = f"{term.number} ({term.column}) is not a date: {text!r}"
        raise UnusableInvoiceError("bad_term", reason) from None


def _found(element: etree._Element, path: str) -> list[etree._Element | str]:
    # The paths of the terms select elements and attributes: never a number, a truth value or a namespace.
    found: list[etree._Element | str] = element.xpath(path, namespaces=_NAMESPACES)  # type: ignore[assignment]
    return found


def _elements(element: etree._Element, path: str) -> list[etree._Element]:
    return [item for item in _found(element, path) if not isinstance(item, str)]


def _texts(element: etree._Element, path: str) -> list[str]:
    return [_text(item) for item in _found(element, path)]


def _text(item: etree._Element | str) -> str:
    return (item if isinstance(item, str) else "".join(map(str, item.itertext()))).strip()


def _currency_of(item: etree._Element | str) -> str | None:
    return None if isinstance(item, str) else item.get("currencyID")


def _contradictions(invoice: Invoice) -> Iterator[str]:
    """Sums of the document that do not hold, in the order BR-CO-10 to BR-CO-16 of EN 16931.

    Exact to the last digit the document writes; what a profile leaves out (lines of MINIMUM and BASIC WL,
    BT-106 and the prepayment BT-113 of MINIMUM) cannot contradict.
    """
    document = invoice.document

    def amount(column: str) -> Decimal:
        return Decimal(document[column] or "0")

    def total(items: Sequence[Values], column: str) -> Decimal:
        return sum((Decimal(item[column] or "0") for item in items), Decimal(0))

    if document["lines_total"] is not None:
        if invoice.lines and total(invoice.lines, "net_amount") != amount("lines_total"):
            yield f"lines add up to {total(invoice.lines, 'net_amount')}, BT-106 says {amount('lines_total')}"
        for kind, column in (("allowance", "allowances_total"), ("charge", "charges_total")):
            items = [item for item in invoice.adjustments if item["kind"] == kind]
            if (items or document[column]) and total(items, "amount") != amount(column):
                yield f"{kind}s add up to {total(items, 'amount')}, {column} says {amount(column)}"
        basis = amount("lines_total") - amount("allowances_total") + amount("charges_total")
        if basis != amount("tax_basis_total"):
            yield f"BT-106 - BT-107 + BT-108 is {basis}, BT-109 says {amount('tax_basis_total')}"
    if amount("tax_basis_total") + amount("tax_total") != amount("grand_total"):
        gross = amount("tax_basis_total") + amount("tax_total")
        yield f"BT-109 + BT-110 is {gross}, BT-112 says {amount('grand_total')}"
    due = amount("grand_total") - amount("prepaid") + amount("rounding")
    is_minimum = document["lines_total"] is None and document["prepaid"] is None
    if not is_minimum and due != amount("due"):
        yield f"BT-112 - BT-113 + BT-114 is {due}, BT-115 says {amount('due')}"


def issue_date_of(invoice: Invoice) -> date:
    """BT-2 as a date."""
    return date.fromisoformat(invoice.document["issue_date"] or "")
