"""A document is held to schema and rules: what was made is valid, and each mutation is caught by its rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_notes import BUYER, EXEMPT, OUTSIDE, REVERSED, ZERO, made_note, taxed

from avoir.credit_notes.cii import cii
from avoir.credit_notes.pdf import facturx
from avoir.credit_notes.schematron import Problem, broken_rules
from avoir.credit_notes.ubl import ubl
from avoir.credit_notes.validating import problems_of
from avoir.demo.facturx_documents import cii as demo_cii
from avoir.demo.invoices import tell_month
from avoir.demo.months import Month
from avoir.demo.ubl_documents import ubl as demo_ubl
from avoir.demo.vendors import VENDORS

NOTE = made_note()
OUT = taxed(NOTE, OUTSIDE)


def reading(problems: list[Problem]) -> str:
    return "\n".join(map(str, problems))


def test_what_is_written_is_valid_in_every_category_and_type() -> None:
    notes = [
        NOTE,
        replace(NOTE, type_code="261", language="en"),
        replace(NOTE, contract_id=None, allowances=()),
        replace(
            NOTE,
            buyer=replace(
                BUYER, endpoint="ap@orvane.fr", endpoint_scheme="EM", legal_id="303265045",
                legal_scheme="0002", party_scheme="0088", party_id="4006381333931", street_2="Bât. B",
                street_3="4e", subdivision="ARA",
            ),
        ),
        *(taxed(NOTE, vat) for vat in (OUTSIDE, REVERSED, EXEMPT, ZERO)),
    ]  # fmt: skip
    documents = [write(note) for note in notes for write in (ubl, cii)]
    assert [reading(problems) for problems in problems_of(documents)] == [""] * len(documents)


# What is done to a valid document, and the rule that must say so: for UBL, for CII.
MUTATIONS: dict[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    "no number": (
        ("<cbc:ID>CN-2026-000001</cbc:ID>", "", "BR-02"),
        ("<ram:ID>CN-2026-000001</ram:ID>", "<ram:ID/>", "BR-02"),
    ),
    "no date of issue": (
        ("<cbc:IssueDate>2026-07-08</cbc:IssueDate>", "", "BR-03"),
        ('<udt:DateTimeString format="102">20260708</udt:DateTimeString>', "", "BR-03"),
    ),
    "an unknown type": (
        (">381</cbc:CreditNoteTypeCode>", ">380</cbc:CreditNoteTypeCode>", "BR-CL-01"),
        (">381</ram:TypeCode>", ">999</ram:TypeCode>", "FX-SCH-A-000555"),
    ),
    "an unknown currency": (
        ("<cbc:DocumentCurrencyCode>EUR", "<cbc:DocumentCurrencyCode>EUX", "BR-CL-04"),
        ("<ram:InvoiceCurrencyCode>EUR", "<ram:InvoiceCurrencyCode>EUX", "FX-SCH-A-000595"),
    ),
    "an invoice without its number": (
        ("<cbc:ID>INV-1</cbc:ID>", "", "BR-55"),
        ("<ram:IssuerAssignedID>INV-1</ram:IssuerAssignedID>", "", "BR-55"),
    ),
    "no invoice at all": (
        ("BillingReference", "*remove*", "AVOIR-01"),
        ("InvoiceReferencedDocument", "*remove*", "AVOIR-01"),
    ),
    "no seller": (
        ("<cbc:RegistrationName>Helios IT SAS</cbc:RegistrationName>", "", "BR-06"),
        ("<ram:Name>Helios IT SAS</ram:Name>", "", "BR-06"),
    ),
    "no country of the buyer": (
        ("<cbc:IdentificationCode>FR</cbc:IdentificationCode>", "*last*", "BR-11"),
        ("<ram:CountryID>FR</ram:CountryID>", "*last*", "BR-11"),
    ),
    "a VAT identifier without a country": (
        ("FR83404833048", "83404833048", "BR-CO-09"),
        ("FR83404833048", "83404833048", "BR-CO-09"),
    ),
    "a line that says more": (
        (">100.10</cbc:LineExtensionAmount>", ">100.11</cbc:LineExtensionAmount>", "BR-CO-10"),
        (">100.10</ram:LineTotalAmount>", ">100.11</ram:LineTotalAmount>", "BR-CO-10"),
    ),
    "a negative line": (
        (">100.10</cbc:LineExtensionAmount>", ">-100.10</cbc:LineExtensionAmount>", "AVOIR-02"),
        (">100.10</ram:LineTotalAmount>", ">-100.10</ram:LineTotalAmount>", "AVOIR-02"),
    ),
    "a negative price": (
        (">100.10</cbc:PriceAmount>", ">-100.10</cbc:PriceAmount>", "BR-27"),
        (">100.10</ram:ChargeAmount>", ">-100.10</ram:ChargeAmount>", "BR-27"),
    ),
    "another sum of allowances": (
        (">10.05</cbc:AllowanceTotalAmount>", ">10.06</cbc:AllowanceTotalAmount>", "BR-CO-11"),
        (">10.05</ram:AllowanceTotalAmount>", ">10.06</ram:AllowanceTotalAmount>", "BR-CO-11"),
    ),
    "another net total": (
        (">140.05</cbc:TaxExclusiveAmount>", ">140.06</cbc:TaxExclusiveAmount>", "BR-CO-13"),
        (">140.05</ram:TaxBasisTotalAmount>", ">140.06</ram:TaxBasisTotalAmount>", "BR-CO-13"),
    ),
    "another VAT total": (
        ('<cbc:TaxAmount currencyID="EUR">20.76<', '<cbc:TaxAmount currencyID="EUR">20.77<', "BR-CO-14"),
        (">20.76</ram:TaxTotalAmount>", ">20.77</ram:TaxTotalAmount>", "BR-CO-14"),
    ),
    "another gross total": (
        (">160.81</cbc:TaxInclusiveAmount>", ">160.82</cbc:TaxInclusiveAmount>", "BR-CO-15"),
        (">160.81</ram:GrandTotalAmount>", ">160.82</ram:GrandTotalAmount>", "BR-CO-15"),
    ),
    "another amount due": (
        (">160.81</cbc:PayableAmount>", ">160.82</cbc:PayableAmount>", "BR-CO-16"),
        (">160.81</ram:DuePayableAmount>", ">160.82</ram:DuePayableAmount>", "BR-CO-16"),
    ),
    "three decimals": (
        (">140.05</cbc:TaxExclusiveAmount>", ">140.050</cbc:TaxExclusiveAmount>", "BR-DEC-12"),
        (">140.05</ram:TaxBasisTotalAmount>", ">140.050</ram:TaxBasisTotalAmount>", "BR-DEC-12"),
    ),
    "another tax of a rate": (
        (">18.01</cbc:TaxAmount>", ">28.01</cbc:TaxAmount>", "BR-S-09"),
        (">18.01</ram:CalculatedAmount>", ">28.01</ram:CalculatedAmount>", "BR-S-09"),
    ),
    "another basis of a rate": (
        (">90.05</cbc:TaxableAmount>", ">96.05</cbc:TaxableAmount>", "BR-S-08"),
        (">90.05</ram:BasisAmount>", ">96.05</ram:BasisAmount>", "BR-S-08"),
    ),
    "an allowance without a reason": (
        ("<cbc:AllowanceChargeReason>Takes back entry 3</cbc:AllowanceChargeReason>", "", "BR-33"),
        ("<ram:Reason>Takes back entry 3</ram:Reason>", "", "BR-33"),
    ),
    "an unknown element": (
        ("<cbc:ID>1</cbc:ID>", "<cbc:ID>1</cbc:ID><cbc:Nothing/>", "XSD"),
        ("<ram:LineID>1</ram:LineID>", "<ram:LineID>1</ram:LineID><ram:Nothing/>", "XSD"),
    ),
}

#: The same for what is outside the scope of VAT.
OUT_MUTATIONS: dict[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    "a rate on a line": (
        (
            "<cac:ClassifiedTaxCategory>\n        <cbc:ID>O</cbc:ID>",
            "<cac:ClassifiedTaxCategory><cbc:ID>O</cbc:ID><cbc:Percent>0</cbc:Percent>",
            "BR-O-05",
        ),
        (
            "<ram:CategoryCode>O</ram:CategoryCode>",
            "<ram:CategoryCode>O</ram:CategoryCode><ram:RateApplicablePercent>0</ram:RateApplicablePercent>",
            "BR-O-05",
        ),
    ),
    "no reason": (
        ("TaxExemptionReason", "*remove*", "BR-O-10"),
        ("ExemptionReason", "*remove*", "BR-O-10"),
    ),
    "a VAT identifier": (
        (
            "<cac:PartyLegalEntity>",
            "<cac:PartyTaxScheme><cbc:CompanyID>FR83404833048</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID>"
            "</cac:TaxScheme></cac:PartyTaxScheme><cac:PartyLegalEntity>",
            "BR-O-02",
        ),
        (
            "</ram:PostalTradeAddress>",
            "</ram:PostalTradeAddress><ram:SpecifiedTaxRegistration>"
            '<ram:ID schemeID="VA">FR83404833048</ram:ID></ram:SpecifiedTaxRegistration>',
            "BR-O-02",
        ),
    ),
}


def mutated(document: bytes, old: str, new: str) -> bytes:
    from lxml import etree

    if new == "*remove*":
        root = etree.fromstring(document)
        found = [one for one in root.iter("{*}*") if etree.QName(one).localname.startswith(old)]
        for element in found:
            element.getparent().remove(element)
        assert found, f"{old} is not there"
        return etree.tostring(root)
    text = document.decode()
    assert old in text, f"{old} is not there"
    if new == "*last*":
        place = text.rindex(old)
        return (text[:place] + text[place + len(old) :]).encode()
    return text.replace(old, new, 1).encode()


def test_each_mutation_is_caught_by_the_rule_that_forbids_it() -> None:
    cases = []
    for note, table in ((NOTE, MUTATIONS), (OUT, OUT_MUTATIONS)):
        for name, both in table.items():
            for write, (old, new, rule) in zip((ubl, cii), both, strict=True):
                cases.append((f"{name} in {write.__name__}", rule, mutated(write(note), old, new)))
    missed = [
        f"{name}: {rule} is not among\n{reading(problems)}"
        for (name, rule, _), problems in zip(cases, problems_of([one for *_, one in cases]), strict=True)
        if rule not in {problem.rule for problem in problems}
    ]
    assert missed == []


def test_invoices_of_others_are_judged_too() -> None:
    documents = []
    for vendor in VENDORS.values() if isinstance(VENDORS, dict) else VENDORS:
        invoice = tell_month(vendor, Month(2026, 5), 1)[0]
        documents += [demo_ubl(invoice), demo_cii(invoice)]
    found = problems_of(documents)
    assert [reading(problems) for problems in found if any(one.rule == "XSD" for one in problems)] == []
    assert len(found) == len(documents)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "not_well_formed"),
        (b"no xml", "not_well_formed"),
        (b"<a/>", "unsupported_syntax"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "dtd_refused"),
        (b"<a>\x01</a>", "not_well_formed"),
        (b"%PDF-1.7 and nothing more", "pdf_unreadable"),
    ],
)
def test_what_is_no_document_is_told_and_not_run(document: bytes, code: str) -> None:
    (problems,) = problems_of([document])
    assert [problem.rule for problem in problems] == [code]


def test_the_invoice_in_a_pdf_is_what_is_judged() -> None:
    wrong = cii(NOTE).replace(b">160.81</ram:GrandTotalAmount>", b">160.82</ram:GrandTotalAmount>")
    (problems,) = problems_of([facturx(NOTE, wrong)])
    assert "BR-CO-15" in {problem.rule for problem in problems}


def test_a_process_that_dies_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("avoir.credit_notes.schematron", fromlist=["RULES"]).RULES, "UBL", "missing"
    )
    monkeypatch.setattr("avoir.credit_notes.schematron.sys.executable", "/bin/false")
    with pytest.raises(RuntimeError, match="could not be run"):
        broken_rules([("UBL", "<a/>")])
