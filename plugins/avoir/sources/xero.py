"""Xero accounting data as a connector exports it: contacts, invoices and their lines, three CSV files.

Everything is landed as given, also sales invoices (``ACCREC``) and documents that were voided or deleted:
a later export may void what an earlier one had, and staging can only drop what raw knows. What must not
count is decided in staging: ``type = 'ACCPAY'`` and ``status not in ('VOIDED', 'DELETED', 'DRAFT')``.

Not landed: ``missing_key``, ``bad_instant``, ``bad_amount``, ``unknown_invoice`` (a line without its
invoice), ``conflicting_version`` (two rows with one id and one update instant).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from avoir.sources.csv_file import CsvFile, Record
from avoir.sources.model import Landed, Rejected, Rows, SourceConnection, System, Table, Window, text_columns

INVOICES = Table(
    "invoices",
    text_columns(
        "invoice_id", "contact_id", "date", "updated_date_utc", "planned_payment_date", "due_date",
        "expected_payment_date", "fully_paid_on_date", "_fivetran_synced", "amount_credited", "amount_due",
        "amount_paid", "sub_total", "total", "total_tax", "currency_code", "currency_rate", "has_attachments",
        "has_errors", "invoice_number", "is_discounted", "line_amount_types", "reference", "sent_to_contact",
        "status", "type", "url",
    ),
    key=("invoice_id",),
    updated="updated_date_utc",
    subject="invoice_id",
)  # fmt: skip

LINE_COLUMNS = (
    "_fivetran_synced", "account_code", "description", "discount_entered_as_percent", "discount_rate",
    "invoice_id", "item_code", "line_amount", "line_item_id", "quantity", "tax_amount", "tax_type",
    "unit_amount", "validation_errors",
)  # fmt: skip

INVOICE_LINE_ITEMS = Table(
    "invoice_line_items",
    # The export's columns, and the version of the invoice the line belongs to: a line that a later version
    # no longer has is told from one that did not change, although raw never forgets either.
    text_columns(*LINE_COLUMNS, "invoice_updated_date_utc"),
    key=("line_item_id", "invoice_updated_date_utc"),
    subject="invoice_id",
)

CONTACTS = Table("contacts", text_columns("contact_id", "name", "_fivetran_deleted"), key=("contact_id",))

_AMOUNT = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_INVOICE_AMOUNTS = ("sub_total", "total", "total_tax")
_LINE_AMOUNTS = ("line_amount",)


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """All contacts, and every invoice that was updated in the window with its lines."""
    del landed
    contacts = CsvFile.read(source, source.path / "contacts.csv", CONTACTS.column_names)
    invoices = CsvFile.read(source, source.path / "invoices.csv", INVOICES.column_names)
    lines = CsvFile.read(source, source.path / "invoice_line_items.csv", LINE_COLUMNS)
    yield from _contacts(contacts)
    known: set[str] = set()
    usable: dict[str, str] = {}
    kept: dict[tuple[str, str], Record] = {}
    landing: list[Record] = []
    for record in invoices.records(INVOICES.name):
        if isinstance(record, Rejected):
            yield record
            continue
        known.add(record.cells["invoice_id"])
        problem = _invoice_problem(record)
        if problem is not None:
            yield invoices.rejected(INVOICES.name, record, *problem)
            continue
        updated_at = parse_instant(record.cells["updated_date_utc"])
        if updated_at not in window:
            continue
        first = kept.setdefault((record.cells["invoice_id"], record.cells["updated_date_utc"]), record)
        if first.cells != record.cells:
            reason = f"row {first.number} gives the same invoice and update otherwise"
            yield invoices.rejected(INVOICES.name, record, "conflicting_version", reason)
            continue
        usable[record.cells["invoice_id"]] = max(
            usable.get(record.cells["invoice_id"], ""), record.cells["updated_date_utc"]
        )
        landing.append(record)
    yield _rows(INVOICES, [record.values(INVOICES.column_names) for record in landing], landing, invoices)
    yield from _lines(lines, known, usable)


def _lines(lines: CsvFile, known: set[str], usable: dict[str, str]) -> Iterator[Rows | Rejected]:
    table = INVOICE_LINE_ITEMS
    kept: dict[str, Record] = {}
    landing: list[Record] = []
    for record in lines.records(table.name):
        if isinstance(record, Rejected):
            yield record
            continue
        cells = record.cells
        if not cells["line_item_id"] or not cells["invoice_id"]:
            yield lines.rejected(table.name, record, "missing_key", "the line has no id or names no invoice")
        elif cells["invoice_id"] not in known:
            yield lines.rejected(table.name, record, "unknown_invoice", f"no invoice {cells['invoice_id']}")
        elif bad := _bad_amount(record, _LINE_AMOUNTS):
            yield lines.rejected(table.name, record, "bad_amount", bad)
        elif cells["invoice_id"] in usable:
            first = kept.setdefault(cells["line_item_id"], record)
            if first.cells != cells:
                reason = f"row {first.number} gives the same line otherwise"
                yield lines.rejected(table.name, record, "conflicting_version", reason)
            else:
                landing.append(record)
    values = [(*record.values(LINE_COLUMNS), usable[record.cells["invoice_id"]]) for record in landing]
    yield _rows(table, values, landing, lines)


def _contacts(contacts: CsvFile) -> Iterator[Rows | Rejected]:
    landing: list[Record] = []
    for record in contacts.records(CONTACTS.name):
        if isinstance(record, Rejected):
            yield record
        elif not record.cells["contact_id"]:
            yield contacts.rejected(CONTACTS.name, record, "missing_key", "contact_id is empty")
        else:
            landing.append(record)
    yield _rows(CONTACTS, [record.values(CONTACTS.column_names) for record in landing], landing, contacts)


def _rows(
    table: Table, values: Sequence[tuple[str | None, ...]], records: Sequence[Record], export: CsvFile
) -> Rows:
    return Rows(table.name, values, [record.number for record in records], export.file)


def _invoice_problem(record: Record) -> tuple[str, str] | None:
    cells = record.cells
    if not cells["invoice_id"] or not cells["contact_id"]:
        return "missing_key", "the invoice has no id or names no contact"
    try:
        parse_instant(cells["updated_date_utc"])
        date.fromisoformat(cells["date"])
    except ValueError:
        written = f"{cells['date']!r}, {cells['updated_date_utc']!r}"
        return "bad_instant", f"date or updated_date_utc is not as Xero writes it: {written}"
    if bad := _bad_amount(record, _INVOICE_AMOUNTS):
        return "bad_amount", bad
    if not re.fullmatch(r"[A-Z]{3}", cells["currency_code"]):
        return "bad_amount", f"currency_code is not a currency: {cells['currency_code']!r}"
    return None


def _bad_amount(record: Record, columns: Sequence[str]) -> str | None:
    for column in columns:
        if not _AMOUNT.fullmatch(record.cells[column]):
            return f"{column} is not a decimal: {record.cells[column]!r}"
    return None


def parse_instant(text: str) -> datetime:
    """An instant as the connector writes it: ``2020-04-26 14:45:34.083 UTC``, with or without the fraction.

    Raises:
        ValueError: another format.
    """
    pattern = "%Y-%m-%d %H:%M:%S.%f UTC" if "." in text else "%Y-%m-%d %H:%M:%S UTC"
    return datetime.strptime(text, pattern).replace(tzinfo=UTC)


SYSTEM = System(
    name="xero",
    tables=(INVOICES, INVOICE_LINE_ITEMS, CONTACTS),
    fetch=fetch,
    # Each export is a whole snapshot: an invoice of any age may be in it for the first time.
    overlap=timedelta(days=36500),
    reads="files",
)
