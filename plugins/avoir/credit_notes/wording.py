"""What a note says in words, in English or French, and texts from outside made fit for a document."""

from __future__ import annotations

import unicodedata
from datetime import date

LONGEST_NAME = 200
LONGEST_TEXT = 1000

#: Characters that turn the direction of text, so that what is read is not what is written.
_TURNING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C, 0x200E, 0x200F)))

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "note": "Service credits posted for {month}: ledger entries {entries}.",
        "self_billed": "Self-billing: issued by the buyer in the name and on behalf of the seller.",
        "terms": "Credit in favour of the buyer; nothing is to be paid to the seller for this document.",
        "out_of_scope": "Contractual penalty, outside the scope of VAT",
        "line": "Contract {contract}, clause {clause}, {service}, {month}",
        "subjects": ": {subjects}",
        "more": " and {count} more",
        "allowance": "Correction of contract {contract}, clause {clause}, {service}, {month}: {entries}",
        "reversal": "entry {entry} takes back entry {corrected}",
        "lowered": "entry {entry} corrects entry {corrected}",
        "lowered_alone": "entry {entry} takes back what was credited",
        "381": "Credit note",
        "261": "Self-billed credit note",
        "number": "Number",
        "issued": "Issued on",
        "seller": "Seller",
        "buyer": "Buyer",
        "vat_id": "VAT",
        "identifier": "Identifier",
        "contract": "Contract",
        "period": "Period",
        "corrects": "Corrects",
        "of_day": "of {day}",
        "description": "Description",
        "vat": "VAT",
        "net": "Net",
        "credits": "Credits",
        "taken_back": "Taken back",
        "total_net": "Total without VAT",
        "total_vat": "VAT",
        "total_gross": "Total with VAT",
        "basis": "Basis",
        "page": "Page",
        "missing": "\u25ca stands for a character without a glyph here; the attached XML has it.",
        "attached": "The attached factur-x.xml (EN 16931) is the same document for machines.",
    },
    "fr": {
        "note": "Avoirs de niveaux de service comptabilisés pour {month} : écritures {entries}.",
        "self_billed": "Autofacturation : établi par l'acheteur au nom et pour le compte du vendeur.",
        "terms": "Avoir au profit de l'acheteur ; rien n'est à payer au vendeur au titre de ce document.",
        "out_of_scope": "Pénalité contractuelle, hors du champ d'application de la TVA",
        "line": "Contrat {contract}, clause {clause}, {service}, {month}",
        "subjects": " : {subjects}",
        "more": " et {count} de plus",
        "allowance": "Correction du contrat {contract}, clause {clause}, {service}, {month} : {entries}",
        "reversal": "l'écriture {entry} reprend l'écriture {corrected}",
        "lowered": "l'écriture {entry} corrige l'écriture {corrected}",
        "lowered_alone": "l'écriture {entry} reprend ce qui était crédité",
        "381": "Avoir",
        "261": "Avoir en autofacturation",
        "number": "Numéro",
        "issued": "Date d'émission",
        "seller": "Vendeur",
        "buyer": "Acheteur",
        "vat_id": "TVA",
        "identifier": "Identifiant",
        "contract": "Contrat",
        "period": "Période",
        "corrects": "Rectifie",
        "of_day": "du {day}",
        "description": "Désignation",
        "vat": "TVA",
        "net": "HT",
        "credits": "Crédits",
        "taken_back": "Reprises",
        "total_net": "Total HT",
        "total_vat": "TVA",
        "total_gross": "Total TTC",
        "basis": "Base",
        "page": "Page",
        "missing": "\u25ca remplace un caractère sans glyphe ici ; le XML joint le contient.",
        "attached": "Le fichier joint factur-x.xml (EN 16931) est le même document pour les machines.",
    },
}


def language_of(country: str) -> str:
    """``fr`` for a seller in France, else ``en``."""
    return "fr" if country == "FR" else "en"


def said(language: str, key: str, **values: object) -> str:
    """A text of :data:`TEXTS` with its values."""
    return TEXTS[language][key].format(**values)


def month_of(month: date) -> str:
    """A month as ``2026-06``."""
    return f"{month:%Y-%m}"


def fit(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text from outside on one line: no controls, none that turn its direction, cut with an ellipsis.

    XML cannot hold most controls, and a reader must see what is written.
    """
    kept = "".join(" " if character.isspace() else character for character in text if _is_shown(character))
    single = " ".join(kept.split())
    return single if len(single) <= longest else f"{single[: longest - 1].rstrip()}\u2026"


def _is_shown(character: str) -> bool:
    if character.isspace():
        return True
    if character in _TURNING or ord(character) & 0xFFFE == 0xFFFE:
        return False
    return unicodedata.category(character) not in ("Cc", "Cs")
