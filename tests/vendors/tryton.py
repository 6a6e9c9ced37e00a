"""A Tryton with supplier invoices: its JSON-RPC, its domains, its way to write values and to nest them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

USER = "avoir"
VAT_RATE = Decimal("0.20")
_DATE = ("year", "month", "day")
_INSTANT = (*_DATE, "hour", "minute", "second", "microsecond")


@dataclass
class TrytonBooks:
    invoices: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    #: Answers that are given first, whatever is asked.
    first: list[Reply] = field(default_factory=list)
    #: What a user may not read, and what its rules hide: every invoice.
    may_read: bool = True
    sees_company: bool = True
    next_id: int = 0

    # --- what happens in the books ---

    def bill(
        self,
        at: datetime,
        dated: date,
        lines: list[tuple[str, Decimal]],
        *,
        state: str = "posted",
        **more: Any,
    ) -> dict[str, Any]:
        """A supplier invoice of lines, each with its product and net amount, at a tax of 20 %."""
        tax = {"id": 1, "name": "VAT 20 %", "type": "percentage", "rate": VAT_RATE}
        net = sum((amount for _, amount in lines), Decimal("0.00"))
        vat = vat_of(net)
        invoice = {
            "id": self._number(),
            "type": "in",
            "state": state,
            "number": None if state == "draft" else f"{self.next_id}",
            "reference": f"F-{self.next_id}",
            "description": None,
            "invoice_date": dated,
            "accounting_date": None,
            "currency": {"id": 1, "code": "EUR"},
            "company": {"id": 1, "party": {"id": 1, "name": "Orvane Assurances SA"}},
            "party": {
                "id": 2,
                "code": "2",
                "name": "Helios IT SAS",
                "identifiers": [{"id": 1, "type": "eu_vat", "code": "FR83404833048"}],
            },
            "party_tax_identifier": {"id": 1, "code": "FR83404833048"},
            "lines": [
                {
                    "id": self._number(),
                    "type": "line",
                    "description": f"Line {place}",
                    "product": {"id": 7, "code": product} if product else None,
                    "account": {"id": 3, "code": "611"},
                    "quantity": 1.0,
                    "unit": {"id": 9, "symbol": "h"} if product else None,
                    "unit_price": amount,
                    "amount": amount,
                    "taxes": [tax],
                }
                for place, (product, amount) in enumerate(lines, start=1)
            ],
            # Lines below zero are taxed apart.
            "taxes": [
                {
                    "id": self._number(),
                    "description": "VAT 20 %",
                    "tax": tax,
                    "base": base,
                    "amount": vat_of(base),
                    "manual": 0,
                }
                for below in (False, True)
                if (base := sum(amount for _, amount in lines if (amount < 0) is below))
            ],
            "untaxed_amount": net,
            "tax_amount": vat,
            "total_amount": net + vat,
            "create_date": at.replace(tzinfo=None),
            "write_date": None,
            **more,
        }
        self.invoices.append(invoice)
        return invoice

    def change(self, invoice: dict[str, Any], at: datetime, **fields: Any) -> None:
        invoice.update(fields, write_date=at.replace(tzinfo=None))

    def _number(self) -> int:
        self.next_id += 1
        return self.next_id

    # --- the API ---

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.first:
            return self.first.pop(0)
        expected = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return Reply(b"", 401, {"WWW-Authenticate": 'Basic realm="Tryton"'})
        if request.path != "/":
            return Reply(b"Not Found", 404)
        content = request.content
        assert set(content) == {"id", "method", "params"}, "an answer to more has no number"
        # A context stands last.
        *parameters, context = content["params"]
        assert isinstance(context, dict)
        method = content["method"].removeprefix("model.account.invoice.")
        if not self.may_read:
            told = ["UserError", ['You are not allowed to access "Invoice".', "", None]]
            return _reply({"id": content["id"], "error": told})
        if not hasattr(self, f"_{method}"):
            return Reply(b"Forbidden", 403)
        return _reply({"id": content["id"], "result": getattr(self, f"_{method}")(*parameters)})

    def _search_count(self, domain: list[Any]) -> int:
        return len(self._found(domain))

    def _search(self, domain: list[Any], offset: int, limit: int, order: Any) -> list[int]:
        return [one["id"] for one in self._page(domain, offset, limit, order)]

    def _search_read(
        self, domain: list[Any], offset: int, limit: int, order: Any, fields: list[str]
    ) -> list[dict[str, Any]]:
        return [nested(one, fields) for one in self._page(domain, offset, limit, order)]

    def _page(self, domain: list[Any], offset: int, limit: int, order: Any) -> list[dict[str, Any]]:
        assert order == [["id", "ASC"]]
        return sorted(self._found(domain), key=lambda one: one["id"])[offset : offset + limit]

    def _found(self, domain: list[Any]) -> list[dict[str, Any]]:
        return [one for one in self.invoices if self.sees_company and holds(domain, one)]


def vat_of(net: Decimal) -> Decimal:
    return (net * VAT_RATE).quantize(Decimal("0.01"))


def holds(domain: list[Any], record: dict[str, Any]) -> bool:
    """Whether a domain holds for a record: a condition, a list of which all must hold, or one after OR."""
    if not domain:
        return True
    if isinstance(domain[0], str) and domain[0] not in ("OR", "AND"):
        name, operator, wanted = domain
        value, wanted = record[name], read(wanted)
        if operator == "=":
            return bool(value == wanted)
        if operator == "in":
            return value in wanted
        # What is null is neither above nor below.
        return value is not None and bool({">": value > wanted, ">=": value >= wanted}[operator])
    both = any if domain[0] == "OR" else all
    return both(holds(one, record) for one in domain if isinstance(one, list))


def nested(record: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """A record with some fields and its number; what was asked for behind a dot is under a name with one."""
    behind: dict[str, list[str]] = {}
    for name, dot, rest in (one.partition(".") for one in fields):
        if dot:
            behind.setdefault(name, []).append(rest)
    shown = {name: record[name] for name in fields if "." not in name}
    for name, asked in behind.items():
        found = record[name]
        if isinstance(found, list):
            shown[f"{name}."] = [nested(one, asked) for one in found]
        else:
            shown[f"{name}."] = None if found is None else nested(found, asked)
    return shown | {"id": record["id"]}


def read(value: Any) -> Any:
    """A value as the API takes it."""
    if isinstance(value, dict) and value["__class__"] == "datetime":
        return datetime(*(value[part] for part in _INSTANT))
    return value


def written(value: Any) -> Any:
    """A value as the API gives it, for what JSON has no kind of its own."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        return {"__class__": "datetime", **{part: getattr(value, part) for part in _INSTANT}}
    return {"__class__": "date", **{part: getattr(value, part) for part in _DATE}}


def _reply(content: dict[str, Any]) -> Reply:
    return Reply(json.dumps(content, default=written).encode())
