"""A Xero organisation: bills, sales invoices and credit notes, with its dates, its pages and its tokens."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from tests.vendors.serving import SECRET, Reply, Request

CLIENT = "xero-client"
TOKEN = "eyJhbGciOi.xero"
CONTACT = "a3675fc4-f8dd-4f03-ba5b-f1870566bcd7"


@dataclass
class XeroOrganisation:
    invoices: list[dict[str, Any]] = field(default_factory=list)
    credit_notes: list[dict[str, Any]] = field(default_factory=list)
    #: Answers that are given first, whatever is asked.
    first: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    next_id: int = 0

    # --- what happens in the organisation ---

    def bill(
        self, at: datetime, dated: date, lines: list[tuple[str, Decimal]], *, number: str = "", **more: Any
    ) -> dict[str, Any]:
        """A bill of lines, each with its account and net amount, at a tax of 20 %."""
        self.next_id += 1
        items = [
            {
                "LineItemID": str(UUID(int=self.next_id * 1000 + place)),
                "Description": f"Line {place}",
                "Quantity": Decimal("1.0000"),
                "UnitAmount": net,
                "LineAmount": net,
                "TaxAmount": net / 5,
                "TaxType": "INPUT",
                "AccountCode": account,
                "Tracking": [],
            }
            for place, (account, net) in enumerate(lines, start=1)
        ]
        net = sum((amount for _, amount in lines), Decimal("0.00"))
        invoice = {
            "Type": "ACCPAY",
            "InvoiceID": str(UUID(int=self.next_id)),
            "InvoiceNumber": number or f"BILL-{self.next_id}",
            "Reference": "",
            "Contact": {"ContactID": CONTACT, "Name": "Helios IT"},
            "DateString": f"{dated}T00:00:00",
            "Date": written(datetime.combine(dated, time(), UTC)),
            "Status": "AUTHORISED",
            "LineAmountTypes": "Exclusive",
            "LineItems": items,
            "SubTotal": net,
            "TotalTax": net / 5,
            "Total": net + net / 5,
            "AmountDue": net + net / 5,
            "AmountPaid": Decimal("0.00"),
            "AmountCredited": Decimal("0.00"),
            "CurrencyRate": Decimal("1.0000000000"),
            "CurrencyCode": "EUR",
            "HasErrors": False,
            "HasAttachments": False,
            "IsDiscounted": False,
            "UpdatedDateUTC": written(at),
            **more,
        }
        self.invoices.append(invoice)
        return invoice

    def change(self, document: dict[str, Any], at: datetime, **fields: Any) -> None:
        document.update(fields, UpdatedDateUTC=written(at))

    def credit(self, at: datetime, dated: date, net: Decimal) -> dict[str, Any]:
        self.next_id += 1
        note = {
            "Type": "ACCPAYCREDIT",
            "CreditNoteID": str(UUID(int=self.next_id)),
            "CreditNoteNumber": f"CN-{self.next_id}",
            "Contact": {"ContactID": CONTACT, "Name": "Helios IT"},
            "Date": written(datetime.combine(dated, time(), UTC)),
            "Status": "AUTHORISED",
            "LineAmountTypes": "Exclusive",
            "SubTotal": net,
            "TotalTax": net / 5,
            "Total": net + net / 5,
            "RemainingCredit": net,
            "CurrencyCode": "EUR",
            "UpdatedDateUTC": written(at),
        }
        self.credit_notes.append(note)
        return note

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        if request.path == "/connect/token":
            return self._token(request)
        self.requests.append(request)
        if self.first:
            return self.first.pop(0)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Reply.json({"Title": "Unauthorized", "Status": 401}, 401)
        lists = {
            "/api.xro/2.0/Invoices": ("Invoices", "InvoiceID", self.invoices),
            "/api.xro/2.0/CreditNotes": ("CreditNotes", "CreditNoteID", self.credit_notes),
        }
        name, key, documents = lists[request.path]
        assert request.parameters["order"] == f"{key} ASC"
        since = datetime.fromisoformat(request.headers["If-Modified-Since"]).replace(tzinfo=UTC)
        found = [one for one in documents if milliseconds(one) >= since.timestamp() * 1000]
        found.sort(key=lambda one: one[key])
        page, rows = int(request.parameters["page"]), int(request.parameters["pageSize"])
        paging = {
            "page": page,
            "pageSize": rows,
            "pageCount": -(-len(found) // rows),
            "itemCount": len(found),
        }
        shown = found[(page - 1) * rows : page * rows]
        return Reply(spelt({"Status": "OK", "pagination": paging, name: shown}).encode())

    def _token(self, request: Request) -> Reply:
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        form = dict(parse_qsl(request.body.decode()))
        self.scopes.append(form["scope"])
        if request.headers.get("Authorization") != f"Basic {expected}":
            return Reply.json({"error": "invalid_client"}, 400)
        return Reply.json({"access_token": TOKEN, "expires_in": 1800, "token_type": "Bearer"})


def written(at: datetime) -> str:
    return f"/Date({round(at.timestamp() * 1000)}+0000)/"


def milliseconds(document: dict[str, Any]) -> int:
    return int(document["UpdatedDateUTC"].removeprefix("/Date(").removesuffix("+0000)/"))


def spelt(value: Any) -> str:
    """JSON in which an amount is written as it is, with all its digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {spelt(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(spelt, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
