"""A real Tryton that holds the demo's invoices: what is read of its books is what the truth says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from avoir.contracts.loading import load_contracts
from avoir.credit_notes.invoices import billed_invoices
from avoir.credit_notes.model import Vat
from avoir.demo.invoices import CORRECTION, CREDIT_NOTE, Invoice, counted, tell_month
from avoir.demo.months import Month
from avoir.demo.truth import invoiced, service_lines
from avoir.demo.vendors import DEFAULT_SEED, VENDORS
from avoir.loading import LoadReport, load_window, next_window
from avoir.modelling import run_dbt
from avoir.settings import CHECKOUT, DEMO_AS_OF
from avoir.sources import tryton as connector
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConnection, Window
from avoir.sources.tryton_records import FIELDS, INVOICES
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError
from tests.system.truth_comparison import differences
from tests.vendors.real_tryton import Books, Tryton, booked, running_tryton
from tests.vendors.serving import SECRET, connection_to, serving
from tests.vendors.tryton import TrytonBooks
from tests.warehouse.conftest import MONTHS, BareWarehouse, published_world
from tests.warehouse.ticket_nights import asked

pytestmark = pytest.mark.warehouse

SOURCE = "books"
HALF_YEAR = [Month(2026, number) for number in range(1, 7)]
SELLERS = ("helios", "borealis")
NOW = datetime.now(UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tryton() -> Iterator[Tryton]:
    with running_tryton() as server:
        yield server


def documents_of(vendor: str, months: list[Month]) -> list[Invoice]:
    return [one for month in months for one in tell_month(VENDORS[vendor], month, DEFAULT_SEED)]


def connected(books: Books, **options: Any) -> SourceConnection:
    return connection_to(books.url, "tryton", name=SOURCE, service_date="accounting_date", **options)


def a_bill(reference: str, **more: Any) -> dict[str, Any]:
    lines = [{"product": "SUP", "quantity": "2.5", "price": "42.50", "description": "Support"}]
    seller = VENDORS["helios"].seller.name
    return {"reference": reference, "seller": seller, "dated": "2026-04-01", "lines": lines, **more}


def read(books: Books, window: Window, **connection: Any) -> list[dict[str, str | None]]:
    """The invoices of a window; nothing may be rejected."""
    found: list[dict[str, str | None]] = []
    for item in connector.fetch(connected(books, **connection), window, NothingLanded()):
        assert not isinstance(item, Rejected), item.reason
        if isinstance(item, Rows) and item.table == INVOICES.name:
            found += [dict(zip(INVOICES.column_names, one, strict=True)) for one in item.values]
    return found


def test_months_in_a_real_tryton_are_invoiced_as_the_truth_says(
    bare_warehouse: BareWarehouse, tmp_path: Path, tryton: Tryton
) -> None:
    """Three nights, in the second of which a correction comes late and a mistake is cancelled."""
    books = tryton.books("half_a_year")
    believe(bare_warehouse, tmp_path / "contracts")
    told = sorted((one for vendor in SELLERS for one in documents_of(vendor, HALF_YEAR)),
                  key=lambda one: one.dropped_at)  # fmt: skip
    assert {CORRECTION, CREDIT_NOTE} <= {one.type_code for one in told}
    nights = (datetime(2026, 4, 10, tzinfo=UTC), datetime(2026, 5, 10, tzinfo=UTC), DEMO_AS_OF)
    mistake = a_bill("HEL-MISTAKE", accounted="2026-03-31")
    others: Mapping[datetime, list[dict[str, Any]]] = {
        nights[0]: [mistake, a_bill("HEL-DRAFT", posted=False)],
        nights[1]: [{"cancels": "HEL-MISTAKE"}],
        nights[2]: [],
    }
    before = LONG_AGO
    for night in nights:
        at = night - timedelta(hours=5)
        arrived = [one for one in told if before <= one.dropped_at < night]
        books.enter(*(entry for one in arrived for entry in booked(one)), *others[night], at=at)
        report = loaded(bare_warehouse, connected(books), night)
        assert report.rows_rejected == 0
        assert report.rows_landed > 0
        if night == nights[0]:
            # While the mistake stands, it is billed.
            built(bare_warehouse, tmp_path)
            march = wanted(told, night)["helios", Month(2026, 3)]
            wrong = Decimal("106.25")
            assert months_of(bare_warehouse)["helios", Month(2026, 3)] == (march[0] + wrong, march[1])
        before = night
    built(bare_warehouse, tmp_path)
    expected = wanted(told, DEMO_AS_OF)
    assert months_of(bare_warehouse) == expected
    assert len(expected) == 12
    standing = asked(
        bare_warehouse,
        "select invoice_number, type_code, standing, sum(net_amount) as net from facts.fct_invoice_lines"
        " where source_name = %s and standing <> 'counted' group by 1, 2, 3 order by net",
        SOURCE,
    )
    corrected = next(one for one in told if one.type_code == CORRECTION)
    first = next(one for one in told if one.number == corrected.preceding)
    credit = next(one for one in told if one.type_code == CREDIT_NOTE)
    # Refunded under a number of Tryton's own; what was refunded counts no more.
    assert [(row["type_code"], row["standing"], row["net"]) for row in standing] == [
        ("381", "credit_note", -first.tax_basis),
        ("381", "credit_note", -credit.tax_basis),
    ]
    states = asked(
        bare_warehouse,
        "select reference, array_agg(state order by version_at) as states from raw_tryton.invoices"
        " where _source_name = %s group by 1 having count(*) > 1 order by 1",
        SOURCE,
    )
    assert [(row["reference"], row["states"]) for row in states] == [
        (first.number, ["posted", "cancelled"]),
        ("HEL-MISTAKE", ["posted", "cancelled"]),
    ]


def test_a_published_night_over_a_real_tryton_equals_the_truth(tmp_path: Path, tryton: Tryton) -> None:
    """The demo's small world, its invoices from the books instead of a folder: every figure of the mart."""
    months = HALF_YEAR[-MONTHS:]
    kept = {vendor: tryton.books(f"books_of_{vendor}") for vendor in SELLERS}

    def deliver(world: Path) -> Mapping[str, str]:
        yaml = YAML()
        document = yaml.load((world / "sources.yml").read_text())
        for entry in document["sources"]:
            if entry["system"] != "einvoice_folder":
                continue
            books = kept[entry["vendor"]]
            told = documents_of(entry["vendor"], months)
            numbers = books.enter(*(booking for one in told for booking in booked(one)))
            for number, one in zip(numbers, told, strict=True):
                books.date_back(number, one.dropped_at)
            entry |= {
                "system": "tryton",
                "url": books.url,
                "username": "avoir",
                "secret_env": "AVOIR_SECRET_BOOKS",
                "options": {"service_date": "accounting_date"},
            }
        with (world / "sources.yml").open("w") as file:
            yaml.dump(document, file)
        return {"AVOIR_SECRET_BOOKS": SECRET}

    with published_world(tmp_path / "home", vendors=SELLERS, change=deliver) as published:
        assert published.verdicts["published"] >= len(SELLERS)
        with published.connect() as auditor:
            assert differences(auditor, published.truth) == []
            landed = auditor.execute(
                "select count(*), (select count(*) from raw_einvoice.invoices) from raw_tryton.invoices"
            ).fetchall()
            (bases,) = auditor.execute(
                "select count(distinct (source_name, document_id)) from audit.credit_invoice_lines()"
            ).fetchone()
            evidence = auditor.execute(
                "select raw_table, count(distinct (source_name, natural_key)) from audit.credit_evidence"
                " where evidence_kind like 'invoice%' group by 1 order by 1"
            ).fetchall()
            billed = billed_invoices(auditor, "helios", [month.first_day for month in months], "EUR")
    told = {vendor: documents_of(vendor, months) for vendor in SELLERS}
    assert landed == [(2 * MONTHS, 0)]
    assert [table for table, _ in evidence] == ["raw_tryton.invoice_lines", "raw_tryton.invoices"]
    # The row of every document that is the base of some credit, or that its cap is a share of.
    assert evidence[1][1] == bases >= MONTHS
    # A credit note takes its rate of VAT from the books.
    assert [(one.preceding.number, one.untold, one.vat) for one in billed] == [
        (one.number, None, ((Vat("S", Decimal(20), None), one.tax_basis),)) for one in told["helios"]
    ]


def test_the_fake_answers_as_the_real_one(tryton: Tryton) -> None:
    books, fake = tryton.books("beside_the_fake"), TrytonBooks()
    lines = [("SUP", Decimal("106.25")), ("", Decimal("-20.00"))]
    rebate = {"product": "", "quantity": "-1", "price": "20.00", "description": "Rebate"}
    bills = [a_bill("F-1", accounted="2026-03-31"), a_bill("F-2", posted=False), a_bill("F-3")]
    for bill in bills:
        bill["lines"].append(rebate)
    books.enter(*bills, {"cancels": "F-3"})
    first = fake.bill(NOW, date(2026, 4, 1), lines, reference="F-1", accounting_date=date(2026, 3, 31))
    fake.bill(NOW, date(2026, 4, 1), lines, reference="F-2", state="draft")
    third = fake.bill(NOW, date(2026, 4, 1), lines, reference="F-3", state="cancelled")
    for one in (first, third):
        fake.change(one, NOW)
    since = {"__class__": "datetime", "year": 2026, "month": 1, "day": 1, "hour": 0, "minute": 0}
    since |= {"second": 0, "microsecond": 0}
    untouched = [["write_date", "=", None], ["create_date", ">=", since]]
    domains: list[list[Any]] = [
        [["type", "=", "in"]],
        [["type", "=", "out"]],
        [["type", "=", "in"], ["state", "in", ["posted", "cancelled"]]],
        [["type", "=", "in"], ["write_date", ">=", since]],
        untouched,
        [["type", "=", "in"], ["OR", ["write_date", ">=", since], untouched], ["id", ">", 0]],
    ]
    with serving(fake) as url:
        beside = Books("fake", url, Path())
        for domain in domains:
            answers = [one.call("search_count", domain) for one in (books, beside)]
            assert answers[0] == answers[1], domain
            rows = [
                one.call("search_read", domain, 0, 10, [["id", "ASC"]], list(FIELDS))["result"]
                for one in (books, beside)
            ]
            assert [one["reference"] for one in rows[0]] == [one["reference"] for one in rows[1]]
            assert [shape(one) for one in rows[0]] == [shape(one) for one in rows[1]]
        ids = [one.call("search", domains[0], 0, 2, [["id", "ASC"]])["result"] for one in (books, beside)]
        assert [len(one) for one in ids] == [2, 2]
        fake.may_read = False
        assert books.call("search_count", [], user="rightless") == beside.call("search_count", [])


def shape(value: Any) -> Any:
    """A value without what it says: the kinds of JSON and of Tryton, and where nothing is."""
    if isinstance(value, dict):
        if "__class__" in value:
            return {name: type(one).__name__ for name, one in value.items()} | {"is": value["__class__"]}
        # A chart may leave its accounts without a code.
        return {name: shape(one) for name, one in sorted(value.items()) if name != "account."}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__


def test_what_was_never_changed_is_dated_by_its_creation(tryton: Tryton) -> None:
    books = tryton.books("never_changed")
    start = datetime.now(UTC)
    (never,) = books.enter(a_bill("F-1"))
    # Entered by a program that posts at once, it would never be written a second time.
    books.sql("update account_invoice set write_date = null where id = ?", never)
    window = Window(start - timedelta(seconds=2), datetime.now(UTC) + timedelta(seconds=2))
    (found,) = read(books, window)
    assert (found["reference"], found["version_at"]) == ("F-1", found["created_at"])
    assert read(books, Window(window.end, window.end + timedelta(days=1))) == []
    books.enter({"cancels": "F-1"})
    (found,) = read(books, Window(window.start, datetime.now(UTC) + timedelta(seconds=2)))
    assert found["state"] == "cancelled"
    assert found["version_at"] > found["created_at"]


def test_pages_of_a_real_tryton_are_whole_while_it_is_written_to(
    tryton: Tryton, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = tryton.books("busy")
    bills = [a_bill(f"F-{number}") for number in range(7)]
    books.enter(*bills, at=LONG_AGO + timedelta(days=1))
    books.sql("update account_invoice set write_date = '2025-06-01 00:00:00.000000' where id = 1")
    monkeypatch.setattr(connector, "PAGE_ROWS", 2)
    walked, pages = connector._Reading._walked, 0

    def restless(reading: Any, domain: list[Any], window: Window) -> Any:
        nonlocal pages
        found = walked(reading, domain, window)
        if not pages:
            # Behind the walk an invoice of long ago is cancelled, and before its end one more came.
            books.enter({"cancels": "F-0"}, a_bill("F-7"))
        pages += 1
        return found

    monkeypatch.setattr(connector._Reading, "_walked", restless)
    found = read(books, Window(LONG_AGO, datetime.now(UTC) + timedelta(hours=1)))
    assert pages == 2
    assert [(one["reference"], one["state"]) for one in found] == [
        ("F-0", "cancelled"),
        *((f"F-{number}", "posted") for number in range(1, 8)),
    ]


def test_a_user_without_rights_or_company_is_no_company_without_invoices(tryton: Tryton) -> None:
    books = tryton.books("rights")
    window = Window(LONG_AGO, datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(IncompleteAnswerError, match="sees no supplier invoice at all"):
        read(books, window)
    books.enter(a_bill("F-1"))
    assert len(read(books, window)) == 1
    for user, error, problem in (
        ("rightless", AccessDeniedError, "not allowed to user rightless: You are not allowed to access"),
        ("homeless", IncompleteAnswerError, "user homeless sees no supplier invoice at all"),
        ("nobody", AccessDeniedError, r"refused user nobody \(401\)"),
    ):
        with pytest.raises(error, match=problem) as told:
            read(books, window, username=user)
        assert SECRET not in str(told.value)


# --- the nights ---


def believe(warehouse: BareWarehouse, folder: Path) -> None:
    """Both vendors' contracts without their worked tests, their invoice lines told by the books."""
    for vendor in SELLERS:
        (contract,) = (CHECKOUT / "contracts" / "demo" / vendor).glob("*.yml")
        text, *_ = contract.read_text().split("\ntests:")
        path = folder / vendor / contract.name
        path.parent.mkdir(parents=True)
        path.write_text(text.replace(f"source: {vendor}_invoices", f"source: {SOURCE}") + "\n")
    with warehouse.warehouse.connect("avoir_transformer") as connection:
        report = load_contracts(
            connection,
            folder,
            as_of=datetime(2025, 1, 1, tzinfo=UTC),
            days_from=date(2025, 1, 1),
            days_to=date(2027, 6, 1),
        )
    assert report.refused_files == (), report.problems


def loaded(warehouse: BareWarehouse, source: SourceConnection, night: datetime) -> LoadReport:
    """Load what a night asks for; asked for again it has nothing new."""
    with warehouse.warehouse.connect("avoir_loader") as connection:
        window = next_window(connection, source, night)
        assert window is not None
        report = load_window(connection, source, window)
        assert load_window(connection, source, window).rows_landed == 0
    return report


def built(warehouse: BareWarehouse, folder: Path) -> None:
    run_dbt(
        [
            "run", "--select", "+fct_invoice_lines", "--vars", json.dumps({"as_of": DEMO_AS_OF.isoformat()}),
            "--target-path", str(folder / "target"),
        ],
        project=warehouse.project,
        environment=warehouse.environment,
    )  # fmt: skip


Billed = Mapping[tuple[str, Month], tuple[Decimal, Decimal]]


def months_of(warehouse: BareWarehouse) -> Billed:
    """What each vendor billed for each month: all of it, and for its platform."""
    rows = asked(
        warehouse,
        """
        select
            vendor_id, month_date, sum(net_amount) as net,
            sum(net_amount) filter (where service_id = 'platform') as hosting
        from facts.fct_invoice_lines where source_name = %s and is_counted
        group by vendor_id, month_date
        """,
        SOURCE,
    )
    return {
        (row["vendor_id"], Month(row["month_date"].year, row["month_date"].month)): (
            row["net"],
            row["hosting"],
        )
        for row in rows
    }


def wanted(told: list[Invoice], night: datetime) -> Billed:
    billed: dict[tuple[str, Month], tuple[Decimal, Decimal]] = {}
    for vendor in SELLERS:
        for month in HALF_YEAR:
            arrived = [
                one for one in told
                if (one.vendor_id, one.month) == (vendor, month) and one.dropped_at < night
            ]  # fmt: skip
            if arrived:
                billed[vendor, month] = (
                    invoiced(counted(arrived)),
                    service_lines(counted(arrived), "platform"),
                )
    return billed
