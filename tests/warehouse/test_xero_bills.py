"""The demo's invoices as bills in Xero: what is read by its API is invoiced as the demo's truth says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from avoir.contracts.loading import load_contracts
from avoir.demo.invoices import CORRECTION, CREDIT_NOTE, Invoice, counted, tell_month
from avoir.demo.months import Month
from avoir.demo.truth import invoiced, service_lines
from avoir.demo.vendors import DEFAULT_SEED, VENDORS
from avoir.loading import load_window, next_window
from avoir.modelling import run_dbt
from avoir.settings import CHECKOUT, DEMO_AS_OF
from tests.vendors.serving import connection_to, serving
from tests.vendors.xero import CLIENT, XeroOrganisation
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked

pytestmark = pytest.mark.warehouse

MONTHS = [Month(2026, number) for number in range(1, 7)]


def booked(organisation: XeroOrganisation, document: Invoice) -> None:
    """Book a document as an accountant would: on the last day of its month, its adjustments as lines."""
    at, dated = document.dropped_at, document.period[1]
    if document.type_code == CREDIT_NOTE:
        organisation.credit(at, dated, document.tax_basis)
        return
    if document.preceding is not None:
        replaced = next(one for one in organisation.invoices if one["InvoiceNumber"] == document.preceding)
        organisation.change(replaced, at, Status="VOIDED")
    lines = [(line.item_id, line.net) for line in document.lines]
    lines += [("", one.amount if one.is_charge else -one.amount) for one in document.adjustments]
    organisation.bill(at, dated, lines, number=document.number)


@pytest.mark.parametrize(("vendor", "among_them"), [("helios", CREDIT_NOTE), ("borealis", CORRECTION)])
def test_what_xero_holds_is_invoiced_as_the_truth_says(
    bare_warehouse: BareWarehouse, tmp_path: Path, vendor: str, among_them: str
) -> None:
    source_name = f"{vendor}_books"
    believe(bare_warehouse, tmp_path / "contracts", vendor, source_name)
    documents = {month: tell_month(VENDORS[vendor], month, DEFAULT_SEED) for month in MONTHS}
    told = sorted((one for month in MONTHS for one in documents[month]), key=lambda one: one.dropped_at)
    organisation = XeroOrganisation()
    with serving(organisation) as url:
        source = connection_to(
            url, "xero_api", name=source_name, username=CLIENT, token_url=f"{url}/connect/token"
        )
        organisation.bill(told[0].dropped_at, date(2026, 3, 31), [("SUP", Decimal("1.00"))], Status="DRAFT")
        for document in told:
            booked(organisation, document)
            # What is written into the books later is none of this night's.
            as_of = document.dropped_at + timedelta(seconds=1)
            with bare_warehouse.warehouse.connect("avoir_loader") as connection:
                window = next_window(connection, source, min(as_of, DEMO_AS_OF))
                if window is not None:
                    load_window(connection, source, window)
                    assert load_window(connection, source, window).rows_landed == 0
    run_dbt(
        [
            "run", "--select", "+fct_invoice_lines", "--vars", json.dumps({"as_of": DEMO_AS_OF.isoformat()}),
            "--target-path", str(tmp_path / "target"),
        ],
        project=bare_warehouse.project,
        environment=bare_warehouse.environment,
    )  # fmt: skip
    found = asked(
        bare_warehouse,
        """
        select
            month_date, sum(net_amount) as net,
            sum(net_amount) filter (where service_id = 'platform') as hosting
        from facts.fct_invoice_lines where source_name = %s and is_counted and vendor_id = %s
        group by month_date order by month_date
        """,
        source_name,
        vendor,
    )
    arrived = {
        month: counted([one for one in documents[month] if one.dropped_at < DEMO_AS_OF]) for month in MONTHS
    }
    wanted = [
        (month.first_day, invoiced(arrived[month]), service_lines(arrived[month], "platform"))
        for month in MONTHS
        if arrived[month]
    ]
    assert [tuple(row.values()) for row in found] == wanted
    assert len(wanted) >= 5
    # Among the documents are some that do not count: a month's credit, and an invoice that another replaced.
    assert among_them in {one.type_code for one in told}
    voided = asked(
        bare_warehouse,
        "select 1 from raw_xero.invoices where _source_name = %s and status = 'VOIDED'",
        source_name,
    )
    assert len(voided) == (among_them == CORRECTION)


def believe(warehouse: BareWarehouse, folder: Path, vendor: str, source_name: str) -> None:
    """A vendor's contract without its worked tests, its invoice lines told by Xero's accounts."""
    (contract,) = (CHECKOUT / "contracts" / "demo" / vendor).glob("*.yml")
    text, *_ = contract.read_text().split("\ntests:")
    path = folder / vendor / contract.name
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(f"source: {vendor}_invoices", f"source: {source_name}") + "\n")
    with warehouse.warehouse.connect("avoir_transformer") as connection:
        report = load_contracts(
            connection,
            folder,
            as_of=datetime(2025, 1, 1, tzinfo=UTC),
            days_from=date(2025, 1, 1),
            days_to=date(2027, 6, 1),
        )
    assert report.refused_files == (), report.problems
