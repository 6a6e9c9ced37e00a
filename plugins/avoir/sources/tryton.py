"""Tryton: supplier invoices and their credit notes, with lines, taxes and parties, by its JSON-RPC.

Flow: ``search_count`` says whether the account sees any supplier invoice at all and how many of the states
that count changed since the window's start; ``search_read`` then gives them, page by page, in the order of
their ids: each page asks for the ids above the last one seen. Ids never move, and nothing leaves a stretch
that has no upper end; what lies after the window's end is left for the next. An invoice that was never
changed has no ``write_date``: its creation stands for it. One call gives a page with its lines, taxes and
parties as one transaction saw them. What came is held to the count before and after; a walk that gave less
is made again.

Every call carries the user and the password, which Tryton documents beside its sessions: no session has to
be kept, ended, or found to be over. Its answers are numbered as what was asked. Errors come with 200 in
``error``: an account that may not read a model or field is one, while a record that a rule hides is not told.

Invoices that were landed and cannot be found any more are marked in ``invoice_deletions``.

Reference: https://docs.tryton.org/latest/server/topics/rpc.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count
from typing import Any

from avoir.sources import tryton_records as records
from avoir.sources.deletions import marked_as_gone
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConfigurationError,
    SourceConnection,
    System,
    Window,
)
from avoir.sources.record_making import id_of
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, VendorApi

#: Invoices of a page, each with all its lines.
PAGE_ROWS = 100
#: Ids of a page when only they are asked for.
PAGE_IDS = 1000
WALKS = 3
MODEL = "model.account.invoice"
#: A draft or validated invoice is no invoice yet; one that was cancelled tells that it is none any more.
STATES = (*records.POSTED, "cancelled")
_SUPPLIERS = ["type", "=", "in"]
_BY_ID = [["id", "ASC"]]

Domain = list[Any]


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every supplier invoice that was changed in the window, posted, paid or cancelled, with all of it.

    Raises:
        AccessDeniedError: the user is refused, or may not read what is asked for.
        IncompleteAnswerError: the user sees no supplier invoice at all, an answer is malformed or not to
            what was asked, or a walk stays short of what was counted.
    """
    reading = _Reading(source)
    if not reading.counted([_SUPPLIERS]):
        raise IncompleteAnswerError(
            f"{reading.label}: user {source.username} sees no supplier invoice at all, which is not "
            "'no invoices'; check its companies and the rules of account.invoice"
        )
    yield from _landing(source, window, reading.changed_since(window))
    yield from marked_as_gone(
        landed,
        window,
        table=records.INVOICES.name,
        key="invoice_id",
        marks=records.INVOICE_DELETIONS.name,
        visible=reading.visible,
        is_found=reading.is_found,
        label=reading.label,
        check="the user's companies and the rules of account.invoice",
    )


def _landing(
    source: SourceConnection, window: Window, found: Mapping[int, Mapping[str, Any]]
) -> Iterator[Rows | Rejected]:
    told = records.Told(source.option("item_field"), source.option("service_date"))
    rows: dict[str, dict[tuple[str | None, ...], None]] = {table.name: {} for table in records.TABLES}
    for record in found.values():
        at = records.version_of(record)
        if at is not None and at not in window:
            continue
        for row in records.document_rows(record, told):
            if isinstance(row, Rejected):
                yield row
            else:
                # A party of several invoices is one row.
                rows[row[0]].setdefault(row[1])
    for table, values in rows.items():
        if values:
            yield Rows(table, list(values), range(1, len(values) + 1))


class _Reading:
    """One reading of the books: its calls, numbered."""

    def __init__(self, source: SourceConnection) -> None:
        self.label = f"source {source.name}"
        if source.username is None:
            raise SourceConfigurationError(f"{self.label} needs a username: the login of Tryton's user")
        self.api = VendorApi(source)
        self._numbers = count(1)

    def changed_since(self, window: Window) -> dict[int, Mapping[str, Any]]:
        """Invoices by id, in the version they had when their page was read."""
        start = records.instant_asked(window.start)
        never_changed = [["write_date", "=", None], ["create_date", ">=", start]]
        domain = [
            _SUPPLIERS,
            ["state", "in", list(STATES)],
            ["OR", ["write_date", ">=", start], never_changed],
        ]
        missing = 0
        for _ in range(WALKS):
            before = self.counted(domain)
            found = self._walked(domain, window)
            missing = max(before, self.counted(domain)) - len(found)
            if missing <= 0:
                return found
        raise IncompleteAnswerError(
            f"{self.label}: {missing} more invoices were counted than came, in each of {WALKS} walks; "
            "nothing was landed"
        )

    def _walked(self, domain: Domain, window: Window) -> dict[int, Mapping[str, Any]]:
        found: dict[int, Mapping[str, Any]] = {}
        last = 0
        while True:
            page = self._called(
                "search_read", [*domain, ["id", ">", last]], 0, PAGE_ROWS, _BY_ID, list(records.FIELDS)
            )
            if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
                raise IncompleteAnswerError(f"{self.label}: search_read answered without a list of invoices")
            for one in page:
                number = self._id_after(last, one.get("id"))
                self._must_be_asked_for(number, one, window)
                found[number] = one
            if len(page) < PAGE_ROWS:
                return found
            last = max(found)

    def _must_be_asked_for(self, number: int, invoice: Mapping[str, Any], window: Window) -> None:
        at = records.version_of(invoice)
        is_old = at is not None and at < window.start
        if is_old or invoice.get("type") != "in" or invoice.get("state") not in STATES:
            raise IncompleteAnswerError(
                f"{self.label}: invoice {number} of {at} ({invoice.get('type')!r}, {invoice.get('state')!r}) "
                f"was given, asked for supplier invoices changed since {window.start}"
            )

    def _id_after(self, last: int, value: object) -> int:
        number = int(id_of(value) or 0)
        if number <= last:
            raise IncompleteAnswerError(
                f"{self.label}: invoice {value!r} was given, asked for what follows {last}"
            )
        return number

    def counted(self, domain: Domain) -> int:
        """How many invoices a domain has."""
        number = self._called("search_count", domain)
        if type(number) is not int or number < 0:
            raise IncompleteAnswerError(f"{self.label}: search_count did not say how many there are")
        return number

    def visible(self) -> set[str]:
        """Ids of all supplier invoices that the user sees, whatever their state."""
        found: set[int] = set()
        last = 0
        while page := self._ids([_SUPPLIERS, ["id", ">", last]], PAGE_IDS):
            found |= {self._id_after(last, one) for one in page}
            last = max(found)
        return {str(number) for number in found}

    def is_found(self, invoice_id: str) -> bool:
        """Whether an invoice is still there."""
        return self._ids([["id", "=", int(invoice_id)]], 1) == [int(invoice_id)]

    def _ids(self, domain: Domain, limit: int) -> list[Any]:
        ids = self._called("search", domain, 0, limit, _BY_ID)
        if not isinstance(ids, list):
            raise IncompleteAnswerError(f"{self.label}: search answered without a list of ids")
        return ids

    def _called(self, method: str, *parameters: Any) -> Any:
        """What a method of the invoices answers; the last parameter of each is a context.

        Raises:
            AccessDeniedError: the user may not, or Tryton wants more than a password.
            IncompleteAnswerError: any other error, or no answer to this.
        """
        number = next(self._numbers)
        # These three names and no other: an answer to more of them comes without its number.
        asked = {"id": number, "method": f"{MODEL}.{method}", "params": [*parameters, {}]}
        body = self.api.post("", content=asked).body
        if not isinstance(body, dict) or body.get("id") != number:
            raise IncompleteAnswerError(f"{self.label}: {method} was not answered, but something else")
        if "error" in body:
            raise self._refusal(method, body["error"])
        if "result" not in body:
            raise IncompleteAnswerError(f"{self.label}: {method} was answered without a result")
        return body["result"]

    def _refusal(self, method: str, error: object) -> IncompleteAnswerError | AccessDeniedError:
        # A kind with what it says, or what was raised with where; the place is for Tryton's own log.
        kind, said, *_ = [*error, None, None] if isinstance(error, list) else [error, None]
        if kind in ("UserError", "LoginException"):
            told = said[0] if isinstance(said, list) and said else said
            return AccessDeniedError(
                f"{self.label}: {method} is not allowed to user {self.api.source.username}: {str(told)[:200]}"
            )
        return IncompleteAnswerError(f"{self.label}: {method} failed: {str(kind)[:200]}")


def _choice(first: str, second: str, what: str) -> Option:
    def check(value: object) -> str:
        if value not in (first, second):
            raise ValueError(f"must be {first} or {second}, {what}, got {value!r}")
        return str(value)

    return Option(default=first, check=check)


SYSTEM = System(
    name="tryton",
    tables=records.TABLES,
    fetch=fetch,
    # An invoice is dated when its transaction begins and seen when that is committed.
    overlap=timedelta(hours=2),
    reads="http",
    options={
        "item_field": _choice("product", "account", "whose code names the item of a line"),
        "service_date": _choice("invoice_date", "accounting_date", "in whose month the lines count"),
    },
)
