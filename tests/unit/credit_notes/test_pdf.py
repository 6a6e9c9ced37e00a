"""The PDF a person reads: archivable, the same every time, and carrying the document."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest
from facturx import get_xml_from_pdf
from made_notes import SELLER, STANDARD, made_note, taxed
from pypdf import PdfReader

from avoir.credit_notes.cii import cii
from avoir.credit_notes.model import Allowance
from avoir.credit_notes.pdf import _NO_GLYPH, _glyphs, facturx

NOTE = made_note()


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return facturx(NOTE, cii(NOTE))


def test_the_same_note_gives_the_same_bytes_at_any_time(pdf: bytes) -> None:
    time.sleep(1.1)  # what makes the file stamps whole seconds
    assert facturx(NOTE, cii(NOTE)) == pdf
    assert b"20260708" in pdf


def test_the_attachment_is_the_document_itself(pdf: bytes) -> None:
    name, attached = get_xml_from_pdf(pdf, check_xsd=True, check_schematron=False)
    assert (name, attached) == ("factur-x.xml", cii(NOTE))


def test_it_is_what_pdf_a_3b_and_factur_x_ask_for(pdf: bytes) -> None:
    reader = PdfReader(io.BytesIO(pdf))
    root = reader.root_object
    xmp = root["/Metadata"].get_object().get_data().decode()
    for said in (
        "<pdfaid:part>3</pdfaid:part>", "<pdfaid:conformance>B</pdfaid:conformance>",
        "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>",
        "<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>",
    ):  # fmt: skip
        assert said in xmp
    assert not reader.is_encrypted
    first, second = reader.trailer["/ID"]
    assert first == second
    (intent,) = root["/OutputIntents"]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    assert intent.get_object()["/DestOutputProfile"].get_object()["/N"] == 3
    (attached,) = root["/AF"].get_object()
    assert attached.get_object()["/AFRelationship"] == "/Alternative"
    fonts = 0
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            (inner,) = font.get_object()["/DescendantFonts"]
            descriptor = inner.get_object()["/FontDescriptor"].get_object()
            assert "/FontFile2" in descriptor
            assert "/ToUnicode" in font.get_object()
            fonts += 1
    assert fonts


def test_a_person_reads_what_the_document_says(pdf: bytes) -> None:
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    for said in (
        "Avoir CN-2026-000001", "Vendeur", "Helios IT SAS", "Orvane Assurances SA", "INV-1 du 2026-05-31",
        "S 5,5 %", "100,10", "Takes back entry 3", "Total HT: 140,05 EUR", "Total TTC: 160,81 EUR",
    ):  # fmt: skip
        assert said in text.replace("\xa0", " "), said
    english = replace(NOTE, language="en", seller=replace(SELLER, country="DE"))
    text = PdfReader(io.BytesIO(facturx(english, cii(english)))).pages[0].extract_text()
    for said in ("Credit note CN-2026-000001", "Seller", "Total with VAT: 160.81 EUR"):
        assert said in text


def test_any_script_and_length_fits_and_what_has_no_glyph_is_told() -> None:
    reasons = ("شركة חברה Ωμέγα", "漢字 only", "x" * 1000, "word " * 200)
    lines = tuple(
        replace(NOTE.lines[0], number=number, name="n" * 200, description="d" * 1000)
        for number in range(1, 40)
    )
    allowances = tuple(
        Allowance(one.net_amount, text, STANDARD) for one, text in zip(lines, reasons, strict=False)
    )
    note = taxed(replace(NOTE, lines=lines, allowances=allowances), STANDARD)
    reader = PdfReader(io.BytesIO(facturx(note, cii(note))))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert len(reader.pages) > 5
    assert f"{_NO_GLYPH}{_NO_GLYPH} only" in text
    assert "remplace un caractère sans glyphe" in text
    assert "Ωμέγα" in text
    assert ord(_NO_GLYPH) in _glyphs()
