"""Issue credit notes: number, write, validate and keep them, all or nothing, one issuer at a time.

Numbers are ``CN-<year of issue>-<six digits>``, without a gap in each year. What is issued never changes: the
documents themselves are kept, and an entry is on one note only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

import psycopg
from psycopg.rows import class_row

from avoir.credit_notes.cii import cii
from avoir.credit_notes.composing import Wanted, compose
from avoir.credit_notes.entries import Entry, currencies_posted, due_groups, open_entries
from avoir.credit_notes.invoices import Billed, billed_invoices
from avoir.credit_notes.model import CreditNoteError, NoDocumentError, OwedBackError
from avoir.credit_notes.pdf import facturx
from avoir.credit_notes.ubl import ubl
from avoir.credit_notes.validating import problems_of
from avoir.credit_notes.wording import month_of
from avoir.sources.einvoice import Values

#: File name endings of the syntaxes, which are also the columns that hold their bytes.
SYNTAXES = {"ubl": ".ubl.xml", "cii": ".cii.xml", "facturx": ".pdf"}


@dataclass(frozen=True)
class Issued:
    """A note in the table ``finance.credit_notes``, without its documents."""

    number: str
    vendor_id: str
    posted_month_date: date
    currency: str
    type_code: str
    settlement_document: str
    vat_treatment: str
    issue_date: date
    net_amount: Decimal
    vat_amount: Decimal
    gross_amount: Decimal
    entry_nos: list[int]
    ubl_sha256: str
    cii_sha256: str
    facturx_sha256: str

    def as_row(self) -> dict[str, object]:
        """For a table or JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """What asking for a month's notes gave.

    ``notes`` are all of the month, by number; ``fresh`` those among them that were issued now; ``untold`` why
    other entries of the month are on none.
    """

    notes: tuple[Issued, ...]
    fresh: tuple[str, ...]
    untold: tuple[NoDocumentError | OwedBackError, ...]


_COLUMNS = (
    "number, vendor_id, posted_month_date, currency, type_code, settlement_document, vat_treatment, "
    "issue_date, net_amount, vat_amount, gross_amount, entry_nos, ubl_sha256, cii_sha256, facturx_sha256"
)


def issue(
    connection: psycopg.Connection,
    vendor_id: str,
    month: date,
    *,
    issued_on: date,
    currency: str | None = None,
    stated: Mapping[str, Values] | None = None,
) -> Answer:
    """Issue what a vendor owes by the postings of a month and is on no note yet; again, nothing new.

    One note for each settlement document and VAT treatment that the contracts state. Entries that became
    applicable after a note was issued go to a further one.

    Args:
        connection: of ``avoir_transformer``, with no open transaction.
        vendor_id: whose credits.
        month: first day of the month in which the entries were posted.
        issued_on: date of issue (BT-2), not before the last note's.
        currency: needed only where several are posted.
        stated: what is known of the parties beside the invoices, by ``seller`` and ``buyer``.

    Raises:
        CreditNoteError: nothing applicable is posted, several currencies are, something a note must say is
            missing, or a document is not valid; nothing was issued.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('avoir.credit_notes'))")
        currency = _currency(connection, vendor_id, month, currency)
        groups = due_groups(open_entries(connection, vendor_id, month, currency), month)
        months = sorted({entry.month_date for entries in groups.values() for entry in entries})
        billed = billed_invoices(connection, vendor_id, months, currency) if months else []
        fresh: list[str] = []
        untold: list[NoDocumentError | OwedBackError] = []
        for settlement, entries in groups.items():
            number, serial_no = _next_number(connection, issued_on)
            wanted = Wanted(number, issued_on, vendor_id, month, currency)
            try:
                _keep(connection, wanted, serial_no, settlement, entries, billed, stated or {})
            except (NoDocumentError, OwedBackError) as reason:
                untold.append(reason)
            else:
                fresh.append(number)
        notes = _of_month(connection, vendor_id, month, currency)
    return Answer(tuple(notes), tuple(fresh), tuple(untold))


def _currency(connection: psycopg.Connection, vendor_id: str, month: date, currency: str | None) -> str:
    posted = currencies_posted(connection, vendor_id, month)
    where = f"{vendor_id} {month_of(month)}"
    if not posted:
        raise CreditNoteError(
            f"{where}: nothing that finance may book is posted; close the month, or wait for the end of its "
            "procedure."
        )
    if currency is None:
        if len(posted) > 1:
            raise CreditNoteError(f"{where}: posted in {', '.join(posted)}; choose one with --currency.")
        return posted[0]
    if currency not in posted:
        raise CreditNoteError(f"{where}: nothing is posted in {currency}, only in {', '.join(posted)}.")
    return currency


def _next_number(connection: psycopg.Connection, issued_on: date) -> tuple[str, int]:
    last_date, last_serial_no = connection.execute(
        "select max(issue_date), max(serial_no) filter (where issue_year = %s) from finance.credit_notes",
        (issued_on.year,),
    ).fetchone() or (None, None)
    if last_date is not None and issued_on < last_date:
        raise CreditNoteError(
            f"a note was issued on {last_date} already; numbers follow dates, so issue on that day or later."
        )
    serial_no = (last_serial_no or 0) + 1
    return f"CN-{issued_on.year}-{serial_no:06}", serial_no


def _keep(
    connection: psycopg.Connection,
    wanted: Wanted,
    serial_no: int,
    settlement: tuple[str, str],
    entries: Sequence[Entry],
    billed: Sequence[Billed],
    stated: Mapping[str, Values],
) -> None:
    note = compose(wanted, settlement, entries, billed, stated)
    attached = cii(note)
    documents = {"ubl": ubl(note), "cii": attached, "facturx": facturx(note, attached)}
    for name, problems in zip(documents, problems_of(list(documents.values())), strict=True):
        if problems:
            shown = "\n  ".join(map(str, problems))
            raise CreditNoteError(
                f"{wanted.vendor_id} {month_of(wanted.month)}: nothing is issued, the {name} document is not "
                f"valid:\n  {shown}\nWhat the parties miss can be stated with --parties FILE."
            )
    hashes = [hashlib.sha256(content).hexdigest() for content in documents.values()]
    entry_nos = [entry.entry_no for entry in entries]
    connection.execute(
        """
        insert into finance.credit_notes (
            number, issue_year, serial_no, vendor_id, posted_month_date, currency, type_code,
            settlement_document, vat_treatment, issue_date, net_amount, vat_amount, gross_amount, entry_nos,
            ubl_sha256, cii_sha256, facturx_sha256, ubl, cii, facturx
        )
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            note.number, note.issue_date.year, serial_no, wanted.vendor_id, wanted.month, note.currency,
            note.type_code, *settlement, note.issue_date, note.net_amount, note.vat_amount, note.gross_amount,
            entry_nos, *hashes, *documents.values(),
        ),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into finance.credit_note_entries (entry_no, number) values (%s, %s)",
            [(entry_no, note.number) for entry_no in entry_nos],
        )


def _of_month(connection: psycopg.Connection, vendor_id: str, month: date, currency: str) -> list[Issued]:
    with connection.cursor(row_factory=class_row(Issued)) as cursor:
        cursor.execute(
            f"""
            select {_COLUMNS} from finance.credit_notes
            where vendor_id = %s and posted_month_date = %s and currency = %s
            order by issue_year, serial_no
            """,  # noqa: S608 - names of columns of ours
            (vendor_id, month, currency),
        )
        return cursor.fetchall()


def issued_notes(connection: psycopg.Connection) -> list[Issued]:
    """Every note, by number."""
    with connection.cursor(row_factory=class_row(Issued)) as cursor:
        cursor.execute(f"select {_COLUMNS} from finance.credit_notes order by issue_year, serial_no")  # noqa: S608
        return cursor.fetchall()


def document_of(connection: psycopg.Connection, number: str, syntax: str) -> bytes:
    """The bytes of a note as they were issued.

    Raises:
        CreditNoteError: there is no such note, or the bytes no longer hash to what was issued.
    """
    if syntax not in SYNTAXES:
        raise ValueError(f"no syntax {syntax!r}; there are {', '.join(SYNTAXES)}")
    found = connection.execute(
        f"select {syntax}, {syntax}_sha256 from finance.credit_notes where number = %s",  # noqa: S608 - a name of ours
        (number,),
    ).fetchone()
    if found is None:
        raise CreditNoteError(f"there is no credit note {number!r}; `avoir credit-note list` names them.")
    content, sha256 = bytes(found[0]), found[1]
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CreditNoteError(f"credit note {number}: its {syntax} document is not the one that was issued.")
    return content
