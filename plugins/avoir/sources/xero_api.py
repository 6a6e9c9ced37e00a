"""Xero's accounting API: invoices and bills with their lines, credit notes, contacts.

What lands is what an export of Xero lands (:mod:`avoir.sources.xero`), in the same tables: the models and the
evidence know one Xero. Flow: a token is asked for at the connection's ``token_url`` (OAuth 2 client
credentials of a custom connection), then all documents that changed since the window's start, page by page in
the order of their ids, which never change. Each page says how many documents there are: a walk that gave
fewer is made again, and one that never gives all fails the load. Voided and deleted documents are given too,
as their last version.

Amounts stay the text that the answer has. Instants come as milliseconds, ``/Date(1541176290160+0000)/``, and
are landed as an export writes them. Not landed: ``missing_key``, ``bad_instant``, ``bad_amount``,
``missing_lines`` (an approved document without any line would count for nothing), ``bad_line``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    System,
    Table,
    Window,
    text_columns,
)
from avoir.sources.oauth import client_credentials_token, token_url_option
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi
from avoir.sources.xero import CONTACTS, INVOICE_LINE_ITEMS, INVOICES, LINE_COLUMNS

PAGE_ROWS = 100
WALKS = 3
_MILLISECONDS = re.compile(r"/Date\((-?\d{1,14})([+-]\d{4})?\)/", re.ASCII)
_AMOUNT = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_APPROVED = ("AUTHORISED", "PAID")

CREDIT_NOTES = Table(
    "credit_notes",
    text_columns(
        "credit_note_id", "credit_note_number", "contact_id", "type", "status", "date", "updated_date_utc",
        "currency_code", "line_amount_types", "sub_total", "total_tax", "total", "remaining_credit",
        "reference",
    ),
    key=("credit_note_id",),
    updated="updated_date_utc",
    subject="credit_note_id",
)  # fmt: skip

#: Columns by the name of the API where it is not the same in other letters.
_NAMED = {"invoice_id": "InvoiceID", "credit_note_id": "CreditNoteID", "line_item_id": "LineItemID",
          "updated_date_utc": "UpdatedDateUTC"}  # fmt: skip
_INSTANTS = {"updated_date_utc"}
_DATES = {"date", "due_date", "planned_payment_date", "expected_payment_date", "fully_paid_on_date"}
_AMOUNTS = ("sub_total", "total", "total_tax")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every document that was updated in the window, with its lines and whom it is with.

    Raises:
        AccessDeniedError: the client is refused, by the token endpoint or by Xero.
        IncompleteAnswerError: a page is malformed, another than asked for, or short of what it announced.
    """
    del landed
    tenant = source.option("tenant")
    api = VendorApi(
        source,
        {
            "If-Modified-Since": f"{window.start:%Y-%m-%dT%H:%M:%S}",
            **({"xero-tenant-id": tenant} if tenant else {}),
        },
        token=client_credentials_token(source, scope="accounting.transactions.read", basic=True),
    )
    found = _Found(window)
    for given in _walked(api, "Invoices", "InvoiceID"):
        found.add_invoice(given)
    for given in _walked(api, "CreditNotes", "CreditNoteID"):
        found.add_credit_note(given)
    yield from found.rejected
    for table in TABLES:
        rows = found.rows[table.name]
        yield Rows(table.name, rows, range(1, len(rows) + 1))


TABLES = (CONTACTS, INVOICES, INVOICE_LINE_ITEMS, CREDIT_NOTES)


@dataclass
class _Found:
    """The rows of a window's documents, and what of them cannot be landed."""

    window: Window
    rows: dict[str, list[tuple[str | None, ...]]] = field(
        default_factory=lambda: {table.name: [] for table in TABLES}
    )
    rejected: list[Rejected] = field(default_factory=list)
    contacts: set[str] = field(default_factory=set)

    def add_invoice(self, given: Mapping[str, Any]) -> None:
        """Take an invoice or bill with its lines, or all of it not."""
        row = self._document(INVOICES, given)
        if row is None:
            return
        lines = given.get("LineItems")
        lines = lines if isinstance(lines, list) else []
        if not lines and row["status"] in _APPROVED:
            reason = "the document is approved and has no lines"
            self.rejected.append(_rejected(INVOICES, "missing_lines", reason, given))
            return
        made = [_line(line, row) for line in lines]
        for one in made:
            if isinstance(one, str):
                self.rejected.append(_rejected(INVOICES, "bad_line", one, given))
                return
        self._land(INVOICES, row)
        for one in made:
            if not isinstance(one, str):
                self._land(INVOICE_LINE_ITEMS, one)

    def add_credit_note(self, given: Mapping[str, Any]) -> None:
        """Take a credit note."""
        row = self._document(CREDIT_NOTES, given)
        if row is not None:
            self._land(CREDIT_NOTES, row)

    def _document(self, table: Table, given: Mapping[str, Any]) -> dict[str, str] | None:
        contact = given.get("Contact")
        contact = contact if isinstance(contact, dict) else {}
        row = {name: _value(given, name) for name in table.column_names}
        row |= {"contact_id": _text(contact.get("ContactID"))}
        problem = _problem(table, row)
        if problem is not None:
            self.rejected.append(_rejected(table, *problem, given))
            return None
        at = _instant(given.get("UpdatedDateUTC"))
        if at is None or at not in self.window:
            return None
        if row["contact_id"] not in self.contacts:
            self.contacts.add(row["contact_id"])
            self._land(
                CONTACTS,
                {
                    "contact_id": row["contact_id"],
                    "name": _text(contact.get("Name")),
                    "_fivetran_deleted": "",
                },
            )
        return row

    def _land(self, table: Table, row: Mapping[str, str]) -> None:
        self.rows[table.name].append(tuple(row[name] for name in table.column_names))


def _line(given: object, document: Mapping[str, str]) -> dict[str, str] | str:
    """The row of a line, or why the document cannot be counted with it."""
    record = given if isinstance(given, dict) else {}
    row = {name: _value(record, name) for name in LINE_COLUMNS}
    row |= {
        "invoice_id": document["invoice_id"],
        "invoice_updated_date_utc": document["updated_date_utc"],
        "_fivetran_synced": "",
    }
    if not row["line_item_id"]:
        return "a line has no id"
    for name in ("line_amount", "tax_amount"):
        if not _AMOUNT.fullmatch(row[name]) and (row[name] or name == "line_amount"):
            return f"{name} of line {row['line_item_id']} is not a decimal: {row[name]!r}"
    return row


def _problem(table: Table, row: Mapping[str, str]) -> tuple[str, str] | None:
    if not row[table.key[0]] or not row["contact_id"]:
        return "missing_key", "the document has no id or names no contact"
    if not row["updated_date_utc"] or not row["date"]:
        return "bad_instant", "Date or UpdatedDateUTC is not /Date(milliseconds)/"
    for name in _AMOUNTS:
        if not _AMOUNT.fullmatch(row[name]):
            return "bad_amount", f"{name} is not a decimal: {row[name]!r}"
    if not re.fullmatch(r"[A-Z]{3}", row["currency_code"]):
        return "bad_amount", f"currency_code is not a currency: {row['currency_code']!r}"
    return None


def _value(given: Mapping[str, Any], column: str) -> str:
    name = _NAMED.get(column) or "".join(part.title() for part in column.split("_"))
    value = given.get(name)
    if column in _INSTANTS or column in _DATES:
        at = _instant(value)
        if at is None:
            return ""
        return (
            f"{at:%Y-%m-%d}"
            if column in _DATES
            else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC"
        )
    return _text(value)


def _instant(value: object) -> datetime | None:
    """An instant as Xero's JSON gives it: milliseconds since 1970 in UTC, whatever zone stands behind."""
    found = _MILLISECONDS.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found[1]))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return str(value)


def _rejected(table: Table, code: str, reason: str, given: Mapping[str, Any]) -> Rejected:
    # With its key, by which a later load that lands the document makes it good.
    (key,) = table.key
    keyed = {**given, key: _value(given, key)}
    return Rejected(table.name, code, reason, json.dumps(keyed, sort_keys=True, ensure_ascii=False))


def _walked(api: VendorApi, name: str, key: str) -> list[dict[str, Any]]:
    """Every document that changed since the window's start; walked again while fewer than announced."""
    found: dict[str, dict[str, Any]] = {}
    announced = 0
    for _ in range(WALKS):
        found, announced = _walk(api, name, key)
        if len(found) >= announced:
            return list(found.values())
    raise IncompleteAnswerError(
        f"source {api.source.name}: {name} announced {announced} documents and gave {len(found)}, "
        f"in each of {WALKS} walks; nothing was landed"
    )


def _walk(api: VendorApi, name: str, key: str) -> tuple[dict[str, dict[str, Any]], int]:
    found: dict[str, dict[str, Any]] = {}
    page = 1
    while True:
        asked = {"page": str(page), "pageSize": str(PAGE_ROWS), "order": f"{key} ASC"}
        documents, announced = _page(api, name, asked)
        for number, one in enumerate(documents, start=1):
            found[_text(one.get(key)) or f"{page}/{number}"] = one
        if not documents or page * PAGE_ROWS >= announced:
            return found, announced
        page += 1


def _page(api: VendorApi, name: str, asked: Mapping[str, str]) -> tuple[Sequence[dict[str, Any]], int]:
    body = api.get(f"api.xro/2.0/{name}", asked).body
    label = f"source {api.source.name}: {name}"
    documents = body.get(name) if isinstance(body, dict) else None
    if not isinstance(documents, list) or not all(isinstance(one, dict) for one in documents):
        raise IncompleteAnswerError(f"{label} came without their list")
    paging = body.get("pagination")
    if not isinstance(paging, dict) or not isinstance(paging.get("itemCount"), int):
        raise IncompleteAnswerError(
            f"{label} did not say how many there are, so a short answer could not be told from a full one"
        )
    if (paging.get("page"), paging.get("pageSize")) != (int(asked["page"]), PAGE_ROWS):
        raise IncompleteAnswerError(f"{label} gave page {paging.get('page')} when asked for {asked['page']}")
    return documents, paging["itemCount"]


def _tenant(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f-]{0,36}", value):
        raise ValueError(f"must be the id of an organisation as /connections gives it, got {value!r}")
    return value


SYSTEM = System(
    name="xero_api",
    tables=TABLES,
    fetch=fetch,
    # Instants are told to the second and documents seen when they are committed.
    overlap=timedelta(hours=2),
    reads="http",
    options={"token_url": token_url_option(), "tenant": Option(default="", check=_tenant)},
    schema_name="raw_xero",
)
