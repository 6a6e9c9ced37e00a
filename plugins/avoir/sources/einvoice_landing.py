"""How electronic invoices land, whatever brings them: a folder, SFTP, S3 or a mailbox.

Flow: take every ``.xml`` and ``.pdf`` that arrived before the window's end and whose bytes have not been
landed, read it through the table of terms, land one row per document, per line and per document-level
allowance or charge, and the document itself. A file may arrive late or with an old date, so the window's
start is not asked: what has been landed is known by its SHA-256.

A file that cannot be counted is rejected with a stable reason and the load goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import partial
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from avoir.sources.einvoice import (
    ADJUSTMENT_TERMS,
    DOCUMENT_TERMS,
    LINE_TERMS,
    Invoice,
    UnusableInvoiceError,
    canonical_xml,
    issue_date_of,
    parse_invoice,
)
from avoir.sources.einvoice_pdf import MAX_PDF_BYTES, PdfExtractor
from avoir.sources.model import (
    Column,
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    SourceFile,
    Table,
    Window,
    text_columns,
)

INVOICES = Table(
    "invoices",
    (
        *text_columns("document_id", "syntax", *(term.column for term in DOCUMENT_TERMS), "line_count"),
        # The same document under another name or delivered again is not another version of it.
        Column("file_name", hashed=False),
        Column("received_at", hashed=False),
    ),
    key=("document_id",),
    subject="document_id",
)

INVOICE_LINES = Table(
    "invoice_lines",
    text_columns("document_id", "invoice_number", "line_no", *(term.column for term in LINE_TERMS)),
    key=("document_id", "line_no"),
    subject="document_id",
)

INVOICE_ADJUSTMENTS = Table(
    "invoice_adjustments",
    text_columns(
        "document_id", "invoice_number", "line_no", "kind", *(term.column for term in ADJUSTMENT_TERMS)
    ),
    key=("document_id", "line_no"),
    subject="document_id",
)

#: What the terms leave out, a credit note needs: parties' addresses, the VAT breakdown. ``content`` is the
#: document in canonical XML (C14N 1.0 without comments), so the document is kept and not its bytes.
DOCUMENTS = Table("documents", text_columns("document_id", "content"), key=("document_id",))

TABLES = (INVOICES, INVOICE_LINES, INVOICE_ADJUSTMENTS, DOCUMENTS)
SCHEMA = "raw_einvoice"

#: Bytes that are read of a file: of one that is larger, just enough to see that it is.
MAX_FILE_BYTES = MAX_PDF_BYTES + 1

_SUFFIXES = (".xml", ".pdf")


@dataclass(frozen=True)
class Delivery:
    """A file that was delivered. ``name`` is where it was found; ``read`` gives its bytes, at most
    :data:`MAX_FILE_BYTES` of them.
    """

    name: str
    delivered_at: datetime
    read: Callable[[], bytes]

    @property
    def is_pdf(self) -> bool:
        """Whether its name says that it is a PDF."""
        return PurePosixPath(self.name).suffix.lower() == ".pdf"


def is_invoice_file(name: str) -> bool:
    """Whether a file of this name may hold an invoice."""
    return PurePosixPath(name).suffix.lower() in _SUFFIXES


def land(
    deliveries: Iterable[Delivery], window: Window, landed: Landed, *, received_from: str
) -> Iterator[Rows | Rejected]:
    """Every new invoice of the deliveries that arrived before the window's end.

    Args:
        deliveries: files in a stable order.
        window: whose end decides; see the module.
        landed: what is known of earlier loads.
        received_from: ``issue_date`` lets the invoice's own date say when it arrived, as for an archive that
            was copied later; anything else takes :attr:`Delivery.delivered_at`.
    """
    by_issue_date = received_from == "issue_date"
    seen: set[str] = set()
    # Earlier releases kept no documents: their files are read once more, and of their rows only these land.
    is_upgraded = not landed.has_rows(DOCUMENTS.name)
    with PdfExtractor() as extractor:
        for delivery in deliveries:
            if not by_issue_date and delivery.delivered_at >= window.end:
                continue
            content = delivery.read()
            file = SourceFile(delivery.name, hashlib.sha256(content).hexdigest(), len(content))
            if file.sha256 in seen or (not is_upgraded and landed.has_file(file.sha256)):
                continue
            seen.add(file.sha256)
            try:
                xml = extractor.invoice_xml(content) if delivery.is_pdf else content
                invoice = parse_invoice(xml)
            except UnusableInvoiceError as error:
                yield _rejected(file, error)
                continue
            received_at = delivery.delivered_at
            if by_issue_date:
                received_at = datetime.combine(issue_date_of(invoice), time(), UTC)
                if received_at >= window.end:
                    continue
            yield from _rows(invoice, xml, file, received_at)


class Stored(Protocol):
    """A file of a store as it was listed: its name below the source's place, its size in bytes."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def changed_at(self) -> datetime: ...


Listed = TypeVar("Listed", bound=Stored)


def land_stored(
    source: SourceConnection,
    files: Sequence[Listed],
    read: Callable[[Listed], bytes],
    window: Window,
    landed: Landed,
) -> Iterator[Rows | Rejected]:
    """:func:`land` of a store that is listed whole: what changed since the window's start or never landed.

    Raises:
        SourceError: the store holds no invoice file at all.
    """
    if not files:
        raise SourceError(f"source {source.name}: {source.url} holds no .xml or .pdf file at all")
    deliveries = (
        Delivery(one.name, one.changed_at, partial(read, one))
        for one in files
        if one.changed_at >= window.start or not landed.has_delivery(one.name, one.size)
    )
    yield from land(deliveries, window, landed, received_from=source.option("received_from"))


def received_from_option(default: str, meaning: str) -> Option:
    """The option ``received_from``: ``default``, whose meaning is told, or ``issue_date``."""

    def check(value: object) -> str:
        if value not in (default, "issue_date"):
            raise ValueError(f"must be {default} ({meaning}) or issue_date (for an archive), got {value!r}")
        return str(value)

    return Option(default=default, check=check)


def _rejected(file: SourceFile, error: UnusableInvoiceError) -> Rejected:
    payload = json.dumps({"file_name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes})
    return Rejected(INVOICES.name, error.code, f"{file.name}: {error.reason}", payload, file=file)


def _rows(invoice: Invoice, xml: bytes, file: SourceFile, received_at: datetime) -> Iterator[Rows]:
    document_id = hashlib.sha256(xml).hexdigest()
    number = invoice.document["invoice_number"]
    document = (
        document_id,
        invoice.syntax,
        *(invoice.document[term.column] for term in DOCUMENT_TERMS),
        str(len(invoice.lines)),
        file.name,
        received_at.isoformat(),
    )
    yield Rows(INVOICES.name, [document], [1], file)
    yield Rows(DOCUMENTS.name, [(document_id, canonical_xml(xml))], [1], file)
    if invoice.lines:
        numbers = range(1, len(invoice.lines) + 1)
        values = [
            (document_id, number, str(n), *(line[term.column] for term in LINE_TERMS))
            for n, line in zip(numbers, invoice.lines, strict=True)
        ]
        yield Rows(INVOICE_LINES.name, values, numbers, file)
    if invoice.adjustments:
        numbers = range(1, len(invoice.adjustments) + 1)
        values = [
            (document_id, number, str(n), item["kind"], *(item[term.column] for term in ADJUSTMENT_TERMS))
            for n, item in zip(numbers, invoice.adjustments, strict=True)
        ]
        yield Rows(INVOICE_ADJUSTMENTS.name, values, numbers, file)
