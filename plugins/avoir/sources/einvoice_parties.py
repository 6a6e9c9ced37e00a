"""Who an EN 16931 invoice is from and to, and its VAT breakdown: what a credit note takes over from it.

The terms have their places in UBL 2.1 and CII D16B as in :mod:`avoir.sources.einvoice`, relative to the party
(BG-4 seller, BG-7 buyer) or to a row of the breakdown (BG-23).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from avoir.sources.einvoice import (
    _HEADER,
    _SETTLEMENT,
    Term,
    UnusableInvoiceError,
    Values,
    _elements,
    _parsed,
    _values,
    syntax_of,
)

_ADDRESS_UBL = "cac:PostalAddress"
_ADDRESS_CII = "ram:PostalTradeAddress"
_PARTY_ID_UBL = "cac:PartyIdentification/cbc:ID[not(@schemeID='SEPA')]"
_STREET_2_UBL = f"{_ADDRESS_UBL}/cbc:AdditionalStreetName"
_STREET_3_UBL = f"{_ADDRESS_UBL}/cac:AddressLine/cbc:Line"
_LEGAL_UBL = "cac:PartyLegalEntity/cbc:CompanyID"
_LEGAL_CII = "ram:SpecifiedLegalOrganization/ram:ID"
_ENDPOINT_CII = "ram:URIUniversalCommunication/ram:URIID"

PARTY_TERMS: tuple[Term, ...] = (
    Term("name", "BT-27, BT-44", "cac:PartyLegalEntity/cbc:RegistrationName", "ram:Name"),
    # Several may stand there (BT-29 repeats), with and without the scheme that gave them: the first is taken.
    Term("party_id", "BT-29, BT-46", f"({_PARTY_ID_UBL})[1]", "(ram:ID | ram:GlobalID)[1]"),
    Term(
        "party_scheme",
        "BT-29-1, BT-46-1",
        f"({_PARTY_ID_UBL})[1]/@schemeID",
        "(ram:ID | ram:GlobalID)[1]/@schemeID",
    ),
    Term("legal_id", "BT-30, BT-47", _LEGAL_UBL, _LEGAL_CII),
    Term("legal_scheme", "BT-30-1, BT-47-1", f"{_LEGAL_UBL}/@schemeID", f"{_LEGAL_CII}/@schemeID"),
    Term(
        "vat_id",
        "BT-31, BT-48",
        "cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID",
        "ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']",
    ),
    Term("endpoint", "BT-34, BT-49", "cbc:EndpointID", _ENDPOINT_CII),
    Term("endpoint_scheme", "BT-34-1, BT-49-1", "cbc:EndpointID/@schemeID", f"{_ENDPOINT_CII}/@schemeID"),
    Term("street", "BT-35, BT-50", f"{_ADDRESS_UBL}/cbc:StreetName", f"{_ADDRESS_CII}/ram:LineOne"),
    Term("street_2", "BT-36, BT-51", _STREET_2_UBL, f"{_ADDRESS_CII}/ram:LineTwo"),
    Term(
        "street_3",
        "BT-162, BT-163",
        f"{_ADDRESS_UBL}/cac:AddressLine/cbc:Line",
        f"{_ADDRESS_CII}/ram:LineThree",
    ),
    Term("city", "BT-37, BT-52", f"{_ADDRESS_UBL}/cbc:CityName", f"{_ADDRESS_CII}/ram:CityName"),
    Term("postcode", "BT-38, BT-53", f"{_ADDRESS_UBL}/cbc:PostalZone", f"{_ADDRESS_CII}/ram:PostcodeCode"),
    Term(
        "subdivision",
        "BT-39, BT-54",
        f"{_ADDRESS_UBL}/cbc:CountrySubentity",
        f"{_ADDRESS_CII}/ram:CountrySubDivisionName",
    ),
    Term(
        "country",
        "BT-40, BT-55",
        f"{_ADDRESS_UBL}/cac:Country/cbc:IdentificationCode",
        f"{_ADDRESS_CII}/ram:CountryID",
    ),
)

VAT_TERMS: tuple[Term, ...] = (
    Term("basis", "BT-116", "cbc:TaxableAmount", "ram:BasisAmount", "amount"),
    Term("category", "BT-118", "cac:TaxCategory/cbc:ID", "ram:CategoryCode"),
    Term("rate_pct", "BT-119", "cac:TaxCategory/cbc:Percent", "ram:RateApplicablePercent", "amount"),
    Term("reason", "BT-120", "cac:TaxCategory/cbc:TaxExemptionReason", "ram:ExemptionReason", many=True),
    Term("reason_code", "BT-121", "cac:TaxCategory/cbc:TaxExemptionReasonCode", "ram:ExemptionReasonCode"),
)

_CURRENCY = Term("currency", "BT-5", "cbc:DocumentCurrencyCode", f"{_SETTLEMENT}/ram:InvoiceCurrencyCode")


@dataclass(frozen=True)
class VatRow:
    """A row of a VAT breakdown (BG-23): its category, its rate in percent and the net amount it taxes.

    ``basis`` is ``None`` in a document that states none, which only profiles below BASIC may.
    """

    category: str
    rate_pct: Decimal | None
    basis: Decimal | None
    reason: str | None
    reason_code: str | None


@dataclass(frozen=True)
class Taxed:
    """The parties of an invoice, as the columns of :data:`PARTY_TERMS`, and its VAT breakdown."""

    seller: Values
    buyer: Values
    vat: tuple[VatRow, ...]


def parties_and_vat(xml: bytes) -> Taxed:
    """Read the parties and the VAT breakdown of a UBL or CII document.

    Raises:
        UnusableInvoiceError: it is no such document, or a term in it is malformed or ambiguous.
    """
    root = _parsed(xml)
    syntax = syntax_of(root)
    currency_path = (
        "cbc:DocumentCurrencyCode" if syntax == "UBL" else f"{_SETTLEMENT}/ram:InvoiceCurrencyCode"
    )
    currency = _values(root, (Term("currency", "BT-5", currency_path, currency_path),), syntax, "")[
        "currency"
    ]
    ubl = syntax == "UBL"
    sellers = "cac:AccountingSupplierParty/cac:Party" if ubl else f"{_HEADER}/ram:SellerTradeParty"
    buyers = "cac:AccountingCustomerParty/cac:Party" if ubl else f"{_HEADER}/ram:BuyerTradeParty"
    rows = "cac:TaxTotal/cac:TaxSubtotal" if ubl else f"{_SETTLEMENT}/ram:ApplicableTradeTax"
    parties: list[Values] = []
    for path, who in ((sellers, "seller"), (buyers, "buyer")):
        found = _elements(root, path)
        if len(found) != 1:
            raise UnusableInvoiceError("ambiguous_term", f"the document names {len(found)} parties as {who}")
        parties.append(_values(found[0], PARTY_TERMS, syntax, currency or ""))
    seller, buyer = parties
    vat = tuple(_vat_row(_values(row, VAT_TERMS, syntax, currency or "")) for row in _elements(root, rows))
    return Taxed(seller, buyer, vat)


def _vat_row(values: Values) -> VatRow:
    def amount(column: str) -> Decimal | None:
        text = values[column]
        return None if text is None else Decimal(text)

    return VatRow(
        values["category"] or "", amount("rate_pct"), amount("basis"), values["reason"], values["reason_code"]
    )
