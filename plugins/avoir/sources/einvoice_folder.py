"""A drop folder of electronic invoices: UBL and CII files, and Factur-X PDFs.

Flow: walk the folder (no links are followed), take every ``*.xml`` and ``*.pdf`` that arrived before the
window's end and whose bytes have not been landed, read it through the table of terms, land one row per
document, per line and per document-level allowance or charge, and the document itself. A file may arrive
late or with an old date, so the window's start is not asked: what has been landed is known by its SHA-256.

A file that cannot be counted is rejected with a stable reason and the load goes on; a folder that is not
there or holds no invoice at all stops it, since that is what a lost mount looks like.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

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
    System,
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

_SUFFIXES = (".xml", ".pdf")


@dataclass(frozen=True)
class _Found:
    path: Path
    name: str
    modified_at: datetime


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every new invoice of the folder that arrived before the window's end.

    Raises:
        SourceError: the folder is missing, unreadable or without any invoice file.
    """
    files = _files(source)
    if not files:
        message = f"source {source.name}: {source.path} holds no .xml or .pdf file at all; is it mounted?"
        raise SourceError(message)
    arrives_by_mtime = source.option("received_from") == "mtime"
    seen: set[str] = set()
    # Earlier releases kept no documents: their files are read once more, and of their rows only these land.
    is_upgraded = not landed.has_rows(DOCUMENTS.name)
    with PdfExtractor() as extractor:
        for found in files:
            if arrives_by_mtime and found.modified_at >= window.end:
                continue
            content = _bytes(source, found)
            file = SourceFile(found.name, hashlib.sha256(content).hexdigest(), len(content))
            if file.sha256 in seen or (not is_upgraded and landed.has_file(file.sha256)):
                continue
            seen.add(file.sha256)
            try:
                xml = extractor.invoice_xml(content) if found.path.suffix.lower() == ".pdf" else content
                invoice = parse_invoice(xml)
            except UnusableInvoiceError as error:
                yield _rejected(file, error)
                continue
            received_at = found.modified_at
            if not arrives_by_mtime:
                received_at = datetime.combine(issue_date_of(invoice), time(), UTC)
                if received_at >= window.end:
                    continue
            yield from _rows(invoice, xml, file, received_at)


def _files(source: SourceConnection) -> list[_Found]:
    root = source.path
    if not root.is_dir():
        raise SourceError(f"source {source.name}: the folder {root} does not exist")

    def refuse(error: OSError) -> None:
        raise SourceError(f"source {source.name}: cannot read {error.filename}: {error.strerror}") from error

    files: list[_Found] = []
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() not in _SUFFIXES:
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            label = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
            modified_at = datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1_000_000, UTC)
            files.append(_Found(path, label, modified_at))
    return files


def _bytes(source: SourceConnection, found: _Found) -> bytes:
    """The file's bytes; of one that is too large just enough to see that it is."""
    try:
        with found.path.open("rb") as stream:
            return stream.read(MAX_PDF_BYTES + 1)
    except OSError as error:
        raise SourceError(f"source {source.name}: cannot read {found.path}: {error.strerror}") from error


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


def _received_from(value: object) -> str:
    if value not in ("mtime", "issue_date"):
        raise ValueError(f"must be mtime (the file's own date) or issue_date (for an archive), got {value!r}")
    return str(value)


SYSTEM = System(
    name="einvoice_folder",
    tables=(INVOICES, INVOICE_LINES, INVOICE_ADJUSTMENTS, DOCUMENTS),
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="files",
    options={"received_from": Option(default="mtime", check=_received_from)},
    schema_name="raw_einvoice",
)
