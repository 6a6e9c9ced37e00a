"""Xero's accounting API: what lands of a document, and which answer lands nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from avoir.sources import xero_api
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConnection, SourceError, Window
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, UnavailableError
from tests.vendors.serving import SECRET, Reply, Request, connection_to, serving
from tests.vendors.xero import CLIENT, CONTACT, XeroOrganisation, written

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=31))
INSIDE = START + timedelta(days=1, milliseconds=160)
DATED = date(2026, 3, 31)
LINES = [("SUP", Decimal("1200.00")), ("PLT", Decimal("0.10"))]


@pytest.fixture
def books() -> Iterator[tuple[XeroOrganisation, SourceConnection]]:
    organisation = XeroOrganisation()
    with serving(organisation) as url:
        yield organisation, connected(url)


def connected(url: str, **options: Any) -> SourceConnection:
    return connection_to(url, "xero_api", username=CLIENT, token_url=f"{url}/connect/token", **options)


def read(source: SourceConnection) -> tuple[dict[str, list[dict[str, str | None]]], list[str]]:
    rows: dict[str, list[dict[str, str | None]]] = {}
    codes = []
    for item in xero_api.fetch(source, WINDOW, NothingLanded()):
        if isinstance(item, Rejected):
            codes.append(item.reason_code)
        elif isinstance(item, Rows):
            names = xero_api.SYSTEM.table(item.table).column_names
            rows[item.table] = [dict(zip(names, one, strict=True)) for one in item.values]
    return rows, codes


def test_a_bill_lands_as_an_export_writes_it(books: tuple[XeroOrganisation, SourceConnection]) -> None:
    organisation, source = books
    organisation.bill(INSIDE, DATED, LINES, number="HEL-1")
    rows, codes = read(source)
    assert codes == []
    (bill,) = rows["invoices"]
    told = ("type", "status", "date", "updated_date_utc", "contact_id", "invoice_number", "currency_rate")
    assert [bill[name] for name in told] == [
        "ACCPAY", "AUTHORISED", "2026-03-31", "2026-03-02 00:00:00.160 UTC", CONTACT, "HEL-1", "1.0000000000",
    ]  # fmt: skip
    # To the digit, as the answer has them: no amount was ever a float.
    assert [bill[name] for name in ("sub_total", "total_tax", "total")] == ["1200.10", "240.02", "1440.12"]
    assert [(one["account_code"], one["line_amount"]) for one in rows["invoice_line_items"]] == [
        ("SUP", "1200.00"),
        ("PLT", "0.10"),
    ]
    assert {one["invoice_updated_date_utc"] for one in rows["invoice_line_items"]} == {
        bill["updated_date_utc"]
    }
    assert rows["contacts"] == [{"contact_id": CONTACT, "name": "Helios IT", "_fivetran_deleted": ""}]
    assert organisation.scopes == ["accounting.transactions.read"]


def test_voided_deleted_and_sales_documents_land_for_staging_to_leave_out(
    books: tuple[XeroOrganisation, SourceConnection],
) -> None:
    organisation, source = books
    voided = organisation.bill(INSIDE, DATED, LINES)
    organisation.change(voided, INSIDE + timedelta(days=1), Status="VOIDED", LineItems=[])
    organisation.bill(INSIDE, DATED, LINES, Status="DELETED")
    organisation.bill(INSIDE, DATED, LINES, Type="ACCREC")
    organisation.credit(INSIDE, DATED, Decimal("100.00"))
    rows, codes = read(source)
    assert codes == []
    assert [(one["type"], one["status"]) for one in rows["invoices"]] == [
        ("ACCPAY", "VOIDED"),
        ("ACCPAY", "DELETED"),
        ("ACCREC", "AUTHORISED"),
    ]
    (note,) = rows["credit_notes"]
    assert (note["type"], note["sub_total"], note["remaining_credit"]) == ("ACCPAYCREDIT", "100.00", "100.00")


def test_only_what_changed_in_the_window_is_asked_for_and_landed(
    books: tuple[XeroOrganisation, SourceConnection],
) -> None:
    organisation, source = books
    for at in (START - timedelta(hours=1), START, WINDOW.end - timedelta(milliseconds=1), WINDOW.end):
        organisation.bill(at, DATED, LINES, number=at.isoformat())
    rows, _ = read(source)
    assert [one["invoice_number"] for one in rows["invoices"]] == [
        START.isoformat(),
        (WINDOW.end - timedelta(milliseconds=1)).isoformat(),
    ]
    assert {one.headers["If-Modified-Since"] for one in organisation.requests} == {"2026-03-01T00:00:00"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"InvoiceID": ""}, "missing_key"),
        ({"Contact": {}}, "missing_key"),
        ({"Contact": None}, "missing_key"),
        ({"UpdatedDateUTC": "2026-03-02T00:00:00"}, "bad_instant"),
        ({"Date": None}, "bad_instant"),
        ({"SubTotal": "12,50"}, "bad_amount"),
        ({"Total": None}, "bad_amount"),
        ({"CurrencyCode": "euro"}, "bad_amount"),
        ({"LineItems": []}, "missing_lines"),
        ({"LineItems": None}, "missing_lines"),
        ({"LineItems": ["Support"]}, "bad_line"),
        ({"LineItems": [{"LineItemID": "l", "LineAmount": "NaN"}]}, "bad_line"),
    ],
)
def test_a_document_that_cannot_be_counted_is_rejected_as_a_whole(
    books: tuple[XeroOrganisation, SourceConnection], changes: dict[str, Any], code: str
) -> None:
    organisation, _ = books
    organisation.bill(INSIDE, DATED, LINES, number="good")
    spoilt = organisation.bill(INSIDE, DATED, LINES, number="spoilt")
    answer = organisation.__call__

    def spoiling(request: Request) -> Reply:
        reply = answer(request)
        if request.path.endswith("/Invoices"):
            body = json.loads(reply.body)
            for one in body["Invoices"]:
                if one["InvoiceID"] == spoilt["InvoiceID"]:
                    one.update(changes)
            return Reply.json(body)
        return reply

    with serving(spoiling) as url:
        rows, codes = read(connected(url))
    assert codes == [code]
    assert [one["invoice_number"] for one in rows["invoices"]] == ["good"]
    assert len(rows["invoice_line_items"]) == 2


def test_every_page_is_read_whatever_is_updated_meanwhile(
    books: tuple[XeroOrganisation, SourceConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.xero_api.PAGE_ROWS", 3)
    organisation, _ = books
    for number in range(10):
        organisation.bill(INSIDE, DATED, LINES, number=f"{number}")
    old = organisation.bill(START - timedelta(days=9), DATED, LINES, number="old")
    old["InvoiceID"] = "00000000-0000-0000-0000-000000000000"
    answer = organisation.__call__

    def restless(request: Request) -> Reply:
        # A document of long ago comes in before all others once the first page was read.
        if request.parameters.get("page") == "2":
            organisation.change(old, INSIDE)
        return answer(request)

    with serving(restless) as url:
        rows, _ = read(connected(url))
    assert len(rows["invoices"]) == 11


def test_an_answer_that_is_short_of_what_it_announces_lands_nothing(
    books: tuple[XeroOrganisation, SourceConnection],
) -> None:
    organisation, _ = books
    organisation.bill(INSIDE, DATED, LINES)
    answer = organisation.__call__

    def altered(change: Any) -> Any:
        def reply_to(request: Request) -> Reply:
            reply = answer(request)
            if "Invoices" not in request.path:
                return reply
            body = json.loads(reply.body)
            change(body)
            return Reply.json(body)

        return reply_to

    for change, problem in (
        (lambda body: body["pagination"].update(itemCount=2), "announced 2 documents and gave 1"),
        (lambda body: body.pop("pagination"), "did not say how many there are"),
        (lambda body: body["pagination"].update(page=7), "gave page 7 when asked for 1"),
        (lambda body: body["pagination"].update(pageSize=10), "gave page 1 when asked for 1"),
        (lambda body: body.update(Invoices={}), "came without their list"),
    ):
        with serving(altered(change)) as url, pytest.raises(IncompleteAnswerError, match=problem):
            read(connected(url))


def test_a_limit_is_waited_for_and_a_refusal_told_without_the_secret(
    books: tuple[XeroOrganisation, SourceConnection],
) -> None:
    organisation, source = books
    organisation.bill(INSIDE, DATED, LINES)
    organisation.first = [Reply(b"", 429, {"Retry-After": "0", "X-Rate-Limit-Problem": "minute"})]
    assert len(read(source)[0]["invoices"]) == 1
    organisation.first = [Reply(b"", 429)] * 6
    with pytest.raises(UnavailableError, match="still answered 429"):
        read(source)
    other = connection_to(source.url, "xero_api", username="another", token_url=f"{source.url}/connect/token")
    with pytest.raises(AccessDeniedError, match=r"refused client another \(400\)") as caught:
        read(other)
    assert SECRET not in str(caught.value)


def test_an_organisation_is_named_where_a_client_sees_several(
    books: tuple[XeroOrganisation, SourceConnection],
) -> None:
    organisation, source = books
    tenant = "e0da6937-de07-4a14-adee-37abfac298ce"
    read(connected(source.url, tenant=tenant))
    assert {one.headers["xero-tenant-id"] for one in organisation.requests} == {tenant}
    with pytest.raises(ValueError, match="must be the id of an organisation"):
        xero_api.SYSTEM.options["tenant"].check("acme\r\nX: y")


def test_an_instant_of_another_form_is_none() -> None:
    assert written(INSIDE) == "/Date(1772409600160+0000)/"
    assert issubclass(IncompleteAnswerError, SourceError)
