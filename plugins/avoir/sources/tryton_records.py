"""Tryton's supplier invoices as raw rows: the invoice, its lines and taxes, the party it is of.

An amount comes as ``{"__class__": "Decimal", "decimal": "12.50"}``, a date or instant as an object of its
parts, an instant without a zone, which is UTC. Amounts are landed with all digits that came, never as floats.

A document lands with its lines and taxes or not at all:

==================  ==========================================================================
``missing_key``     the invoice has no party
``bad_instant``     a date or instant that is none, or a posted invoice without its date
``bad_amount``      a total that is no decimal, or no currency
``missing_lines``   a posted invoice without any line would count for nothing
``bad_line``        a line or tax that is none, or whose amount is no decimal
==================  ==========================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from avoir.sources.model import Column, Rejected, Table, text_columns
from avoir.sources.record_making import YEARS, id_of, inner, rejected, text_of

INVOICES = Table(
    "invoices",
    text_columns(
        "invoice_id", "state", "number", "reference", "description", "company", "party_id", "party_code",
        "party_name", "party_tax_identifier", "currency", "invoice_date", "accounting_date", "service_date",
        "untaxed_amount", "tax_amount", "total_amount", "created_at", "version_at",
    ),
    key=("invoice_id",),
    updated="version_at",
    subject="invoice_id",
)  # fmt: skip

INVOICE_LINES = Table(
    "invoice_lines",
    text_columns(
        "line_id", "invoice_id", "invoice_version_at", "type", "description", "product_code", "account_code",
        "item", "quantity", "unit", "unit_price", "amount", "tax_names", "tax_rate",
    ),
    key=("line_id", "invoice_version_at"),
    subject="invoice_id",
)  # fmt: skip

INVOICE_TAXES = Table(
    "invoice_taxes",
    text_columns(
        "tax_line_id", "invoice_id", "invoice_version_at", "description", "tax", "base", "amount", "manual"
    ),
    key=("tax_line_id", "invoice_version_at"),
    subject="invoice_id",
)

PARTIES = Table(
    "parties",
    # Its identifiers as JSON: a list of type and code, in the order of their ids.
    text_columns("party_id", "code", "name", "identifiers"),
    key=("party_id",),
)

INVOICE_DELETIONS = Table(
    "invoice_deletions",
    (Column("invoice_id"), Column("noticed_at", hashed=False)),
    key=("invoice_id",),
    subject="invoice_id",
)

TABLES = (INVOICES, INVOICE_LINES, INVOICE_TAXES, PARTIES, INVOICE_DELETIONS)

#: What is asked for: ``lines.product.code`` comes as ``{"lines.": [{"product.": {"code": …}}]}``.
FIELDS = (
    "type", "state", "number", "reference", "description", "invoice_date", "accounting_date",
    "untaxed_amount", "tax_amount", "total_amount", "create_date", "write_date",
    "currency.code", "company.party.name", "party_tax_identifier.code",
    "party.code", "party.name", "party.identifiers.type", "party.identifiers.code",
    "lines.type", "lines.description", "lines.product.code", "lines.account.code", "lines.quantity",
    "lines.unit.symbol", "lines.unit_price", "lines.amount",
    "lines.taxes.name", "lines.taxes.type", "lines.taxes.rate",
    "taxes.description", "taxes.tax.name", "taxes.base", "taxes.amount", "taxes.manual",
)  # fmt: skip

POSTED = ("posted", "paid")
_DECIMAL = re.compile(r"-?\d{1,40}(\.\d{1,40})?(E[+-]?\d{1,2})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

Landing = tuple[str, tuple[str | None, ...]]


class _UnusableError(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Told:
    """What a connection says of its books: which field names an item, which date a month."""

    item_field: str
    service_date: str


def document_rows(record: Mapping[str, Any], told: Told) -> Iterator[Landing | Rejected]:
    """The rows of an invoice under their tables' names, or its rejection."""
    try:
        rows = _rows(record, told)
    except _UnusableError as problem:
        keyed = {**record, "invoice_id": id_of(record.get("id"))}
        yield rejected(INVOICES, problem.code, problem.reason, keyed)
        return
    yield from rows


def version_of(record: Mapping[str, Any]) -> datetime | None:
    """When an invoice was last changed: a record that never was has no ``write_date``."""
    return instant_of(record.get("write_date") or record.get("create_date"))


def instant_of(value: object) -> datetime | None:
    """An instant as Tryton writes it, or None."""
    try:
        year, month, day, hour, minute, second, microsecond = _parts(value, "datetime", _INSTANT_PARTS)
        at = datetime(year, month, day, hour, minute, second, microsecond, UTC)
    except (OverflowError, ValueError):
        return None
    return at if at.year in YEARS else None


_DATE_PARTS = ("year", "month", "day")
_INSTANT_PARTS = (*_DATE_PARTS, "hour", "minute", "second", "microsecond")


def _parts(value: object, kind: str, names: tuple[str, ...]) -> tuple[Any, ...]:
    """The parts of a date or instant; ``ValueError`` where they are not whole numbers of one."""
    told = value if isinstance(value, Mapping) and value.get("__class__") == kind else {}
    parts = tuple(told.get(name) for name in names)
    if not all(type(part) is int for part in parts):
        raise ValueError(f"not a {kind}: {value!r}"[:200])
    return parts


def instant_asked(at: datetime) -> dict[str, Any]:
    """An instant as Tryton reads it."""
    at = at.astimezone(UTC)
    return {"__class__": "datetime", **{part: getattr(at, part) for part in _INSTANT_PARTS}}


def decimal_of(value: object) -> str | None:
    """The digits of a decimal, without an exponent, or None."""
    if not isinstance(value, Mapping) or value.get("__class__") != "Decimal":
        return None
    text = value.get("decimal")
    return f"{Decimal(text):f}" if isinstance(text, str) and _DECIMAL.fullmatch(text) else None


def _date_of(value: object) -> str:
    """A date as ISO 8601, '' for nothing."""
    if value is None:
        return ""
    try:
        return date(*_parts(value, "date", _DATE_PARTS)).isoformat()
    except (OverflowError, ValueError) as error:
        raise _UnusableError("bad_instant", str(error)) from error


def _rows(record: Mapping[str, Any], told: Told) -> list[Landing]:
    version, created = version_of(record), instant_of(record.get("create_date"))
    if version is None or created is None:
        raise _UnusableError("bad_instant", "create_date or write_date is not an instant")
    invoice_id, version_at = id_of(record.get("id")), _written(version)
    party = inner(record, "party.")
    party_id = id_of(inner(record, "party.", "id"))
    if not invoice_id or not party_id or not isinstance(party, Mapping):
        raise _UnusableError("missing_key", "the invoice has no number or names no party")
    row = {
        **{name: text_of(record.get(name)) for name in ("state", "number", "reference", "description")},
        **{name: _date_of(record.get(name)) for name in ("invoice_date", "accounting_date")},
        **{name: _amount(record, name, "bad_amount") for name in ("untaxed_amount", "tax_amount")},
        "total_amount": _amount(record, "total_amount", "bad_amount"),
        "invoice_id": invoice_id,
        "company": text_of(inner(record, "company.", "party.", "name")),
        "party_id": party_id,
        "party_code": text_of(party.get("code")),
        "party_name": text_of(party.get("name")),
        "party_tax_identifier": text_of(inner(record, "party_tax_identifier.", "code")),
        "currency": text_of(inner(record, "currency.", "code")),
        "created_at": _written(created),
        "version_at": version_at,
    }
    is_by_books = told.service_date == "accounting_date"
    row["service_date"] = (is_by_books and row["accounting_date"]) or row["invoice_date"]
    if not _CURRENCY.fullmatch(row["currency"]):
        raise _UnusableError("bad_amount", f"the currency is none: {row['currency']!r}")
    lines = [_line(one, invoice_id, version_at, told) for one in _several(record, "lines.")]
    taxes = [_tax(one, invoice_id, version_at) for one in _several(record, "taxes.")]
    if row["state"] in POSTED:
        if not row["invoice_date"]:
            raise _UnusableError("bad_instant", "the invoice is posted and has no date")
        if not any(line["type"] == "line" for line in lines):
            raise _UnusableError("missing_lines", "the invoice is posted and has no lines")
    return [
        (PARTIES.name, _values(PARTIES, _party(party))),
        (INVOICES.name, _values(INVOICES, row)),
        *((INVOICE_LINES.name, _values(INVOICE_LINES, line)) for line in lines),
        *((INVOICE_TAXES.name, _values(INVOICE_TAXES, tax)) for tax in taxes),
    ]


def _line(record: Mapping[str, Any], invoice_id: str, version_at: str, told: Told) -> dict[str, str]:
    row = {
        "line_id": id_of(record.get("id")),
        "invoice_id": invoice_id,
        "invoice_version_at": version_at,
        "type": text_of(record.get("type")),
        "description": text_of(record.get("description")),
        "product_code": text_of(inner(record, "product.", "code")),
        "account_code": text_of(inner(record, "account.", "code")),
        "quantity": text_of(record.get("quantity")),
        "unit": text_of(inner(record, "unit.", "symbol")),
        "unit_price": decimal_of(record.get("unit_price")) or "",
        "tax_names": ", ".join(text_of(one.get("name")) for one in _several(record, "taxes.")),
        "tax_rate": _rate(_several(record, "taxes.")),
    }
    if not row["line_id"] or not row["type"]:
        raise _UnusableError("bad_line", "a line has no number or no type")
    # Titles and comments have no amount; what a subtotal adds up is in the lines above it.
    row["amount"] = _amount(record, "amount", "bad_line") if row["type"] == "line" else ""
    row["item"] = row[f"{told.item_field}_code"]
    return row


def _rate(taxes: list[Mapping[str, Any]]) -> str:
    """The sum of the line's rates, 0.20 for 20 %; '' where one of its taxes is no percentage."""
    rates = [decimal_of(one.get("rate")) if one.get("type") == "percentage" else None for one in taxes]
    total = Decimal(0)
    for rate in rates:
        if rate is None:
            return ""
        total += Decimal(rate)
    return f"{total:f}" if rates else ""


def _tax(record: Mapping[str, Any], invoice_id: str, version_at: str) -> dict[str, str]:
    row = {
        "tax_line_id": id_of(record.get("id")),
        "invoice_id": invoice_id,
        "invoice_version_at": version_at,
        "description": text_of(record.get("description")),
        "tax": text_of(inner(record, "tax.", "name")),
        "base": _amount(record, "base", "bad_line"),
        "amount": _amount(record, "amount", "bad_line"),
        "manual": "true" if record.get("manual") else "false",
    }
    if not row["tax_line_id"]:
        raise _UnusableError("bad_line", "a tax has no number")
    return row


def _party(record: Mapping[str, Any]) -> dict[str, str]:
    identifiers = sorted(_several(record, "identifiers."), key=lambda one: id_of(one.get("id")).zfill(18))
    told = [{"type": text_of(one.get("type")), "code": text_of(one.get("code"))} for one in identifiers]
    return {
        "party_id": id_of(record.get("id")),
        "code": text_of(record.get("code")),
        "name": text_of(record.get("name")),
        "identifiers": json.dumps(told, ensure_ascii=False),
    }


def _several(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = record.get(name)
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _UnusableError("bad_line", f"{name.rstrip('.')} is not a list of records")
    return found


def _amount(record: Mapping[str, Any], name: str, code: str) -> str:
    amount = decimal_of(record.get(name))
    if amount is None:
        raise _UnusableError(code, f"{name} is not a decimal: {record.get(name)!r}"[:200])
    return amount


def _written(at: datetime) -> str:
    """UTC with all six digits of the second, so that the texts have the order of the instants."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _values(table: Table, row: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(row[name] for name in table.column_names)
