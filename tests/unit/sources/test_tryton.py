"""Tryton's JSON-RPC: what lands of an invoice, and which answer lands nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from avoir.sources import tryton
from avoir.sources.model import (
    NothingLanded,
    Rejected,
    Rows,
    SourceConfigurationError,
    SourceConnection,
    Window,
)
from avoir.sources.tryton_records import decimal_of, instant_asked, instant_of
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, UnavailableError
from tests.vendors.serving import SECRET, Reply, Request, connection_to, serving
from tests.vendors.tryton import TrytonBooks, written

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=31))
INSIDE = START + timedelta(days=1, microseconds=160)
DATED = date(2026, 3, 31)
LINES = [("SUP", Decimal("1200.00")), ("", Decimal("-0.10"))]

Books = tuple[TrytonBooks, SourceConnection]
Read = tuple[dict[str, list[dict[str, str | None]]], list[str]]


@pytest.fixture
def books() -> Iterator[Books]:
    there = TrytonBooks()
    with serving(there) as url:
        yield there, connection_to(url, "tryton")


def read(source: SourceConnection, landed: Any = None) -> Read:
    rows: dict[str, list[dict[str, str | None]]] = {}
    codes = []
    for item in tryton.fetch(source, WINDOW, landed or NothingLanded()):
        if isinstance(item, Rejected):
            codes.append(item.reason_code)
        elif isinstance(item, Rows):
            names = tryton.SYSTEM.table(item.table).column_names
            rows.setdefault(item.table, []).extend(dict(zip(names, one, strict=True)) for one in item.values)
    return rows, codes


def altered(books: TrytonBooks, change: Callable[[dict[str, Any]], Any], method: str = "search_read") -> Any:
    """The books as a server whose answers to a method are changed on their way."""

    def reply_to(request: Request) -> Reply:
        reply = books(request)
        if not request.content["method"].endswith(f".{method}"):
            return reply
        body = json.loads(reply.body)
        return change(body) or Reply.json(body)

    return reply_to


def test_an_invoice_lands_with_its_lines_taxes_and_party(books: Books) -> None:
    there, source = books
    there.bill(INSIDE, DATED, LINES, reference="HEL-1")
    rows, codes = read(source)
    assert codes == []
    (invoice,) = rows["invoices"]
    assert invoice == {
        "invoice_id": "1", "state": "posted", "number": "1", "reference": "HEL-1", "description": "",
        "company": "Orvane Assurances SA", "party_id": "2", "party_code": "2", "party_name": "Helios IT SAS",
        "party_tax_identifier": "FR83404833048", "currency": "EUR", "invoice_date": "2026-03-31",
        "accounting_date": "", "service_date": "2026-03-31", "untaxed_amount": "1199.90",
        "tax_amount": "239.98", "total_amount": "1439.88", "created_at": "2026-03-02T00:00:00.000160Z",
        "version_at": "2026-03-02T00:00:00.000160Z",
    }  # fmt: skip
    told = ("line_id", "product_code", "item", "account_code", "quantity", "amount", "tax_names", "tax_rate")
    assert [[line[name] for name in told] for line in rows["invoice_lines"]] == [
        ["2", "SUP", "SUP", "611", "1.0", "1200.00", "VAT 20 %", "0.20"],
        ["3", "", "", "611", "1.0", "-0.10", "VAT 20 %", "0.20"],
    ]
    assert {line["invoice_version_at"] for line in rows["invoice_lines"]} == {invoice["version_at"]}
    told = ("invoice_id", "tax", "base", "amount", "manual")
    assert [[tax[name] for name in told] for tax in rows["invoice_taxes"]] == [
        ["1", "VAT 20 %", "1200.00", "240.00", "false"],
        ["1", "VAT 20 %", "-0.10", "-0.02", "false"],
    ]
    (party,) = rows["parties"]
    assert party == {
        "party_id": "2",
        "code": "2",
        "name": "Helios IT SAS",
        "identifiers": '[{"type": "eu_vat", "code": "FR83404833048"}]',
    }


def test_the_connection_says_which_code_is_the_item_and_which_date_the_month(books: Books) -> None:
    there, source = books
    there.bill(INSIDE, date(2026, 4, 1), LINES, accounting_date=DATED)
    there.bill(INSIDE, date(2026, 4, 1), LINES)
    other = connection_to(source.url, "tryton", item_field="account", service_date="accounting_date")
    first, second = (read(one)[0] for one in (source, other))
    assert [one["service_date"] for one in first["invoices"]] == ["2026-04-01", "2026-04-01"]
    # Books that do not state one have the date of the invoice.
    assert [one["service_date"] for one in second["invoices"]] == ["2026-03-31", "2026-04-01"]
    assert [one["item"] for one in second["invoice_lines"]] == ["611"] * 4
    for name in ("item_field", "service_date"):
        with pytest.raises(ValueError, match=r"must be .* or .*, got 'both'"):
            tryton.SYSTEM.options[name].check("both")


def test_what_is_no_invoice_yet_is_not_read_and_what_was_cancelled_is(books: Books) -> None:
    there, source = books
    for state in ("draft", "validated", "posted", "paid", "cancelled"):
        there.bill(INSIDE, DATED, LINES, state=state, reference=state)
    # One that was cancelled as a draft may have neither date nor lines.
    there.bill(INSIDE, DATED, [], state="cancelled", reference="empty", number=None, invoice_date=None)
    there.bill(INSIDE, DATED, LINES, type="out", reference="sold")
    rows, codes = read(source)
    assert codes == []
    assert [one["reference"] for one in rows["invoices"]] == ["posted", "paid", "cancelled", "empty"]


def test_only_what_changed_in_the_window_lands_by_its_creation_where_it_never_changed(books: Books) -> None:
    there, source = books
    outside = START - timedelta(microseconds=1)
    for at in (outside, START, WINDOW.end - timedelta(microseconds=1), WINDOW.end):
        there.bill(at, DATED, LINES, reference=f"created {at}")
        there.change(there.bill(outside, DATED, LINES, reference=f"changed {at}"), at)
    rows, codes = read(source)
    assert codes == []
    inside = (START, WINDOW.end - timedelta(microseconds=1))
    assert [one["reference"] for one in rows["invoices"]] == [
        f"{what} {at}" for at in inside for what in ("created", "changed")
    ]


def test_titles_and_subtotals_land_without_an_amount(books: Books) -> None:
    there, source = books
    invoice = there.bill(INSIDE, DATED, LINES)
    subtotal = {"type": "subtotal", "amount": Decimal("1199.90"), "unit_price": None, "taxes": []}
    invoice["lines"].append({**invoice["lines"][0], "id": 99, **subtotal})
    rows, codes = read(source)
    assert codes == []
    assert [(one["type"], one["amount"], one["tax_rate"]) for one in rows["invoice_lines"]][2:] == [
        ("subtotal", "", "")
    ]


@pytest.mark.parametrize(
    ("taxes", "rate"),
    [
        ([("percentage", Decimal("0.20")), ("percentage", Decimal("-0.20"))], "0.00"),
        ([("percentage", Decimal("0.20")), ("fixed", Decimal("0.10"))], ""),
        ([("none", None)], ""),
        ([], ""),
    ],
)
def test_a_line_has_a_rate_where_all_its_taxes_are_percentages(
    books: Books, taxes: list[tuple[str, Decimal | None]], rate: str
) -> None:
    there, source = books
    invoice = there.bill(INSIDE, DATED, LINES[:1])
    invoice["lines"][0]["taxes"] = [
        {"id": place, "name": kind, "type": kind, "rate": given} for place, (kind, given) in enumerate(taxes)
    ]
    (line,) = read(source)[0]["invoice_lines"]
    assert (line["tax_rate"], line["tax_names"]) == (rate, ", ".join(kind for kind, _ in taxes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"party": None}, "missing_key"),
        ({"create_date": None}, "bad_instant"),
        ({"create_date": "2026-03-02"}, "bad_instant"),
        ({"invoice_date": None}, "bad_instant"),
        ({"invoice_date": "2026-03-31"}, "bad_instant"),
        ({"untaxed_amount": 12.5}, "bad_amount"),
        ({"total_amount": None}, "bad_amount"),
        ({"currency": None}, "bad_amount"),
        ({"currency": {"id": 1, "code": "euro"}}, "bad_amount"),
        ({"lines": []}, "missing_lines"),
    ],
)
def test_a_document_that_cannot_be_counted_is_rejected_as_a_whole(
    books: Books, changes: dict[str, Any], code: str
) -> None:
    there, source = books
    there.bill(INSIDE, DATED, LINES, reference="good")
    there.bill(INSIDE, DATED, LINES, reference="spoilt", write_date=INSIDE.replace(tzinfo=None)).update(
        changes
    )
    rows, codes = read(source)
    assert codes == [code]
    assert [one["reference"] for one in rows["invoices"]] == ["good"]
    assert len(rows["invoice_lines"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"type": ""},
        {"amount": None},
        {"amount": {"__class__": "Decimal", "decimal": "NaN"}},
        {"amount": {"__class__": "Decimal", "decimal": "1E+999999"}},
        {"taxes.": None},
    ],
)
def test_a_line_that_cannot_be_counted_rejects_its_document(books: Books, change: dict[str, Any]) -> None:
    there, _ = books
    there.bill(INSIDE, DATED, LINES)
    with serving(altered(there, lambda body: body["result"][0]["lines."][1].update(change))) as url:
        rows, codes = read(connection_to(url, "tryton"))
    assert codes == ["bad_line"]
    assert "invoices" not in rows


def test_a_rejection_names_the_invoice_that_a_later_load_may_make_good(books: Books) -> None:
    there, source = books
    invoice = there.bill(INSIDE, DATED, [])
    (kept,) = [one for one in tryton.fetch(source, WINDOW, NothingLanded()) if isinstance(one, Rejected)]
    assert json.loads(kept.payload)["invoice_id"] == str(invoice["id"])


def test_pages_are_walked_by_id_whatever_changes_meanwhile(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.tryton.PAGE_ROWS", 3)
    there, _ = books
    old = there.bill(START - timedelta(days=9), DATED, LINES, reference="old")
    for number in range(9):
        there.bill(INSIDE, DATED, LINES, reference=f"{number}")
    pages = 0

    def restless(request: Request) -> Reply:
        nonlocal pages
        pages += request.content["method"].endswith("search_read")
        # An invoice of long ago is paid when its place was already passed.
        if pages == 2:
            there.change(old, INSIDE, state="paid")
        return there(request)

    with serving(restless) as url:
        rows, _ = read(connection_to(url, "tryton"))
    assert sorted(one["reference"] for one in rows["invoices"]) == [*map(str, range(9)), "old"]
    # Counted more than came: walked again. Of nine and of ten invoices there are four pages each.
    assert pages == 8


@pytest.mark.parametrize(
    ("method", "change", "problem"),
    [
        ("search_read", lambda body: body["result"].pop(), "1 more invoices were counted than came"),
        ("search_read", lambda body: body.update(result={}), "without a list of invoices"),
        (
            "search_read",
            lambda body: body["result"].reverse() or body["result"][0].update(id=0),
            "what follows 0",
        ),
        ("search_read", lambda body: body["result"][0].update(type="out"), "'out', 'posted'"),
        ("search_read", lambda body: body["result"][0].update(state="draft"), "'in', 'draft'"),
        (
            "search_read",
            lambda body: body["result"][0].update(write_date=instant_asked(START - timedelta(days=1))),
            "changed since 2026-03-01",
        ),
        ("search_read", lambda body: body.update(id=7), "was not answered, but something else"),
        ("search_read", lambda body: body.pop("result") and None, "without a result"),
        ("search_read", lambda _: Reply(b"[]"), "was not answered, but something else"),
        ("search_count", lambda body: body.update(result=None), "did not say how many"),
        ("search_count", lambda body: body.update(result=True), "did not say how many"),
        (
            "search_read",
            lambda body: body.update(error=["KeyError: 'x'", "Traceback: /srv/secret.py"]),
            "search_read failed: KeyError: 'x'",
        ),
    ],
)
def test_an_answer_that_is_not_to_what_was_asked_lands_nothing(
    books: Books, method: str, change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    there, _ = books
    there.bill(INSIDE, DATED, LINES)
    there.bill(INSIDE, DATED, LINES)

    def changed(body: dict[str, Any]) -> Reply | None:
        answer = change(body)
        return answer if isinstance(answer, Reply) else None

    with (
        serving(altered(there, changed, method)) as url,
        pytest.raises(IncompleteAnswerError, match=problem) as caught,
    ):
        read(connection_to(url, "tryton"))
    # Where something was raised is for the server's own log.
    assert "Traceback" not in str(caught.value)


def test_a_user_that_sees_no_invoice_is_not_no_invoices(books: Books) -> None:
    there, source = books
    with pytest.raises(IncompleteAnswerError, match="user avoir sees no supplier invoice at all"):
        read(source)
    there.bill(START - timedelta(days=90), DATED, LINES)
    assert read(source) == ({}, [])
    there.sees_company = False
    with pytest.raises(IncompleteAnswerError, match="check its companies and the rules"):
        read(source)


def test_what_a_user_may_not_read_is_told_without_the_password(books: Books) -> None:
    there, source = books
    there.bill(INSIDE, DATED, LINES)
    there.may_read = False
    with pytest.raises(
        AccessDeniedError, match='user avoir: You are not allowed to access "Invoice"'
    ) as told:
        read(source)
    assert SECRET not in str(told.value)
    other = connection_to(source.url, "tryton", username="nobody")
    with pytest.raises(AccessDeniedError, match=r"refused user nobody \(401\)") as told:
        read(other)
    assert SECRET not in str(told.value)
    with pytest.raises(SourceConfigurationError, match="needs a username"):
        read(connection_to(source.url, "tryton", username=None))


def test_too_many_attempts_are_waited_for(books: Books) -> None:
    there, source = books
    there.bill(INSIDE, DATED, LINES)
    there.first = [Reply(b"", 429)]
    assert len(read(source)[0]["invoices"]) == 1
    there.first = [Reply(b"", 429)] * 6
    with pytest.raises(UnavailableError, match="still answered 429"):
        read(source)


class Landed(NothingLanded):
    """Invoices that earlier loads landed, and those they marked as gone."""

    def __init__(self, invoices: set[str], gone: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.known = {"invoices": frozenset(invoices), "invoice_deletions": frozenset(gone)}

    def keys(self, table: str, column: str) -> frozenset[str]:
        assert column == "invoice_id"
        return self.known[table]


def test_an_invoice_that_is_gone_is_marked_once(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avoir.sources.tryton.PAGE_IDS", 2)
    there, source = books
    # Five of long ago, one of which is a draft again; the ids of their lines are no invoices.
    ids = [there.bill(START - timedelta(days=9), DATED, LINES)["id"] for _ in range(5)]
    there.invoices[4]["state"] = "draft"
    known = {*map(str, ids), "777", "888"}
    rows, _ = read(source, Landed(known, {"888"}))
    assert rows == {"invoice_deletions": [{"invoice_id": "777", "noticed_at": WINDOW.end.isoformat()}]}
    asked = [one.content["params"][0] for one in there.requests if one.content["method"].endswith(".search")]
    assert [domain for domain in asked if domain[0][0] == "id"] == [[["id", "=", 777]]]


def test_values_are_read_to_the_digit_or_not_at_all() -> None:
    assert decimal_of(written(Decimal("0.10"))) == "0.10"
    assert decimal_of(written(Decimal("1E+2"))) == "100"
    assert decimal_of(written(Decimal("0E-8"))) == "0.00000000"
    for other in (0.1, "0.1", None, {"__class__": "Decimal"}, {"__class__": "date", "decimal": "1"}):
        assert decimal_of(other) is None
    at = datetime(2026, 3, 2, 10, 15, 30, 123456, tzinfo=UTC)
    assert instant_of(instant_asked(at)) == at
    for part, value in (("month", 13), ("day", True), ("hour", "1"), ("year", 1), ("second", None)):
        assert instant_of({**instant_asked(at), part: value}) is None
    assert instant_of(written(DATED)) is None
