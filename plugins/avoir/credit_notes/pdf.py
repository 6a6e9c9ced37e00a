"""A note as Factur-X: a PDF/A-3 that a person reads, with the CII document attached.

fpdf2 lays out the page under its own enforcement of PDF/A-3B (embedded fonts, sRGB output intent), factur-x
attaches the document and states the profile. Nothing in the file says when it was made but the date of issue,
so the same note gives the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from avoir.credit_notes.model import OUT_OF_SCOPE, Note, Party, Vat
from avoir.credit_notes.wording import said

if TYPE_CHECKING:
    from fpdf import FPDF

Text = Callable[[str], str]

_FONT = "FiraGO"
_FONT_FILES = {"": "figo", "B": "figbo"}
_NO_GLYPH = "\u25ca"
_GREY = (110, 110, 110)

_PDF_DATE = re.compile(rb"(?<=\(D\\072)\d{14}")  # pypdf writes the colon of (D:20250202...) in octal
_FILE_ID = re.compile(rb"(?<=<)[0-9a-f]{32}(?=>(?: <[0-9a-f]{32}>)? \]\s+>>\s+startxref)")
_XMP_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def facturx(note: Note, cii: bytes) -> bytes:
    """The note as a Factur-X PDF of profile EN 16931, with ``cii`` attached as it is."""
    from facturx import generate_from_binary

    stamp = _stamp(note)
    title = f"{said(note.language, note.type_code)} {note.number}"
    made: bytes = generate_from_binary(
        _page(note, title, stamp),
        cii,
        flavor="factur-x",
        level="en16931",
        check_xsd=False,
        pdf_metadata={"author": note.seller.name, "title": title, "subject": title, "keywords": "Factur-X"},
        lang=note.language,
        afrelationship="alternative",
        xmp_compression=False,
    )
    made = _PDF_DATE.sub(stamp.strftime("%Y%m%d%H%M%S").encode(), made)
    made = _FILE_ID.sub(hashlib.sha256(cii).hexdigest()[:32].encode(), made)
    return _XMP_DATE.sub(stamp.strftime("%Y-%m-%dT%H:%M:%S+00:00").encode(), made)


def _stamp(note: Note) -> datetime:
    return datetime.combine(note.issue_date, time(), UTC)


@cache
def _font(style: str) -> bytes:
    from pymupdf_fonts import fontbuffers  # noqa: PLC0415

    return bytes(fontbuffers[_FONT_FILES[style]]())


@cache
def _glyphs() -> frozenset[int]:
    from io import BytesIO  # noqa: PLC0415

    from fontTools.ttLib import TTFont  # noqa: PLC0415

    return frozenset(TTFont(BytesIO(_font(""))).getBestCmap())


def _shown(text: str) -> str:
    """The text with a square for what the font cannot draw: PDF/A forbids a glyph that is not there."""
    return "".join(one if ord(one) in _glyphs() else _NO_GLYPH for one in text)


def money(amount: Decimal, note: Note) -> str:
    """An amount as people write it: ``1 234,50`` in French, ``1,234.50`` in English."""
    text = f"{amount:,.{note.digits}f}"
    if note.language == "fr":
        return text.replace(",", "\u00a0").replace(".", ",")
    return text


def _rate(vat: Vat, language: str) -> str:
    if vat.rate_pct is None:
        return vat.category
    rate = f"{vat.rate_pct.normalize():f}"
    return f"{vat.category} {rate.replace('.', ',') if language == 'fr' else rate} %"


def _page(note: Note, title: str, stamp: datetime) -> bytes:
    from fpdf import FPDF  # noqa: PLC0415 - costs a second

    pdf = FPDF(format="A4", enforce_compliance="PDF/A-3B")
    pdf.set_creation_date(stamp)
    pdf.set_title(title)
    pdf.set_author(note.seller.name)
    pdf.set_lang(note.language)
    pdf.set_auto_page_break(True, margin=18)
    texts: list[str] = []

    def text(raw: str) -> str:
        texts.append(raw)
        return _shown(raw)

    # The font's files are read until the document is written.
    with tempfile.TemporaryDirectory(prefix="avoir-font-") as folder:
        for style, name in _FONT_FILES.items():
            path = Path(folder, f"{name}.ttf")
            path.write_bytes(_font(style))
            pdf.add_font(_FONT, style, path)
        pdf.set_text_shaping(True)
        pdf.add_page()
        _head(pdf, note, title, text)
        _lines(pdf, note, text)
        _totals(pdf, note, text)
        _foot(pdf, note, text, is_missing=any(_shown(one) != one for one in texts))
        return bytes(pdf.output())


def _head(pdf: FPDF, note: Note, title: str, text: Text) -> None:
    def word(key: str, **values: object) -> str:
        return said(note.language, key, **values)

    pdf.set_font(_FONT, "B", 16)
    pdf.multi_cell(0, 9, text(title), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(_FONT, "", 9)
    facts = [
        (word("issued"), note.issue_date.isoformat()),
        (word("period"), f"{note.first.isoformat()} \u2013 {note.last.isoformat()}"),
    ]
    if note.contract_id:
        facts.append((word("contract"), note.contract_id))
    corrected = ", ".join(
        f"{one.number} {word('of_day', day=one.issue_date.isoformat())}" for one in note.preceding
    )
    facts.append((word("corrects"), corrected))
    for name, value in facts:
        pdf.multi_cell(0, 5, text(f"{name}: {value}"), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(3)
    for key, party in (("seller", note.seller), ("buyer", note.buyer)):
        pdf.set_font(_FONT, "B", 9)
        pdf.multi_cell(0, 5, text(word(key)), new_x="LMARGIN", new_y="NEXT")
        pdf.set_font(_FONT, "", 9)
        for line in _address(party, note.language):
            pdf.multi_cell(0, 4.5, text(line), new_x="LMARGIN", new_y="NEXT")
        pdf.ln(2)


def _address(party: Party, language: str) -> list[str]:
    identifiers = [
        f"{said(language, 'vat_id')} {party.vat_id}" if party.vat_id else "",
        f"{said(language, 'identifier')} {party.legal_id or party.party_id}"
        if party.legal_id or party.party_id
        else "",
    ]
    place = " ".join(one for one in (party.postcode, party.city, party.subdivision, party.country) if one)
    lines = (
        party.name,
        party.street,
        party.street_2,
        party.street_3,
        place,
        ", ".join(filter(None, identifiers)),
    )
    return [line for line in lines if line]


def _table(pdf: FPDF, widths: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their heading; the columns after the first are numbers."""
    alignments = ("LEFT", *("RIGHT" for _ in widths[1:]))
    with pdf.table(
        col_widths=tuple(widths),
        text_align=alignments,
        line_height=4.8,
        borders_layout="HORIZONTAL_LINES",
        padding=(0.8, 1),
    ) as table:
        for row in rows:
            table.row(row)
    pdf.ln(3)


def _lines(pdf: FPDF, note: Note, text: Text) -> None:
    def word(key: str) -> str:
        return text(said(note.language, key))

    rows = [(word("description"), word("vat"), f"{word('net')} {note.currency}")]
    for line in note.lines:
        name = text(f"{line.number}. {line.name}\n{line.description}".replace("\n", " \u2013 ", 1))
        rows.append((name, _rate(line.vat, note.language), money(line.net_amount, note)))
    rows += [
        (text(one.reason), _rate(one.vat, note.language), money(-one.amount, note)) for one in note.allowances
    ]
    _table(pdf, (120, 25, 35), rows)


def _totals(pdf: FPDF, note: Note, text: Text) -> None:
    def word(key: str) -> str:
        return text(said(note.language, key))

    rows = [(word("vat"), word("basis"), word("vat"))]
    for row in note.vat_subtotals:
        kind = _rate(row.vat, note.language)
        if row.vat.category != "S" and row.vat.reason:
            kind = text(f"{kind} {row.vat.reason}")
        tax = "\u2013" if row.vat.category == OUT_OF_SCOPE else money(row.tax, note)
        rows.append((kind, money(row.basis, note), tax))
    _table(pdf, (110, 35, 35), rows)
    sums = [("credits", note.lines_amount)]
    if note.allowances:
        sums.append(("taken_back", -note.allowances_amount))
    sums += [
        ("total_net", note.net_amount),
        ("total_vat", note.vat_amount),
        ("total_gross", note.gross_amount),
    ]
    pdf.set_font(_FONT, "B", 10)
    for key, amount in sums:
        pdf.cell(
            0,
            6,
            f"{word(key)}: {money(amount, note)} {note.currency}",
            align="R",
            new_x="LMARGIN",
            new_y="NEXT",
        )
    pdf.ln(3)


def _foot(pdf: FPDF, note: Note, text: Text, *, is_missing: bool) -> None:
    pdf.set_font(_FONT, "", 8)
    pdf.set_text_color(*_GREY)
    remarks = [*note.notes, note.payment_terms, said(note.language, "attached")]
    if is_missing:
        remarks.append(said(note.language, "missing"))
    for remark in remarks:
        pdf.multi_cell(0, 4, text(remark), new_x="LMARGIN", new_y="NEXT")
