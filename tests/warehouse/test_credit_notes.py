"""Credit notes issued from a ledger on a real Postgres: what is on them, and that they never change."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from facturx import get_level, get_xml_from_pdf, xml_check_xsd
from lxml import etree
from typer.testing import CliRunner

from avoir.cli import app
from avoir.credit_notes.exporting import COLUMNS, export
from avoir.credit_notes.invoices import read_parties
from avoir.credit_notes.issuing import Answer, document_of, issue, issued_notes
from avoir.credit_notes.model import CreditNoteError, NoDocumentError, OwedBackError
from avoir.credit_notes.validating import problems_of
from avoir.running import load_source
from avoir.sources.einvoice import parse_invoice
from avoir.sources.einvoice_parties import parties_and_vat
from tests.warehouse.conftest import PublishedWarehouse

JUNE, MAY, APRIL = date(2026, 6, 1), date(2026, 5, 1), date(2026, 4, 1)
ISSUED_ON = date(2026, 7, 8)
NOW = datetime(2026, 7, 8, 4, tzinfo=UTC)


@dataclass
class Ledger:
    """Writes into the ledger what a close and a procedure would."""

    connection: psycopg.Connection
    lines: dict[tuple[str, date], list[dict[str, object]]] = field(default_factory=dict)

    def close(self, vendor_id: str, month: date, *, changes: dict[str, object] | None = None) -> list[int]:
        """Post, freeze and apply every line of a published month; ``changes`` overlay the frozen lines."""
        rows = self.connection.execute(
            "select to_jsonb(l) from mart.fct_penalty_lines l where vendor_id = %s and month_date = %s"
            " and credit_amount <> 0 order by clause_id, penalty_line_id",
            (vendor_id, month),
        ).fetchall()
        assert rows, f"nothing was breached by {vendor_id} in {month}"
        return [self._credit({**row, **(changes or {})}) for (row,) in rows]

    def _credit(self, line: dict[str, object]) -> int:
        self._freeze(line, str(line["penalty_line_id"]))
        entry_no = self.post(line, Decimal(str(line["credit_amount"])))
        self.apply(entry_no)
        return entry_no

    def _freeze(self, line: dict[str, object], row_id: str) -> None:
        self.connection.execute(
            "insert into ledger.frozen_rows values (%s, %s, %s, 'fct_penalty_lines', %s, %s)",
            (line["vendor_id"], line["month_date"], line["currency"], row_id, json.dumps(line, default=str)),
        )

    def post(
        self,
        line: dict[str, object],
        amount: Decimal,
        *,
        kind: str = "credit",
        posted: date | None = None,
        corrects: int | None = None,
        reason: str | None = None,
    ) -> int:
        """One more entry, not yet applicable."""
        (entry_no,) = self.connection.execute(
            """
            insert into ledger.entries (
                entry_no, entry_kind, vendor_id, month_date, contract_id, contract_version_id, clause_id,
                penalty_line_id, amount, currency, posted_as_of, content_sha256, previous_sha256,
                entry_sha256, posted_month_date, corrects_entry_no, reason
            )
            select n, %(kind)s, %(vendor_id)s, %(month_date)s, %(contract_id)s, %(contract_version_id)s,
                %(clause_id)s, %(penalty_line_id)s, %(amount)s, %(currency)s, %(now)s, '', '',
                cast(n as text), %(posted)s, %(corrects)s, %(reason)s
            from (select coalesce(max(entry_no), 0) + 1 as n from ledger.entries) as next
            returning entry_no
            """,
            {**line, "amount": amount, "kind": kind, "now": NOW, "corrects": corrects, "reason": reason,
             "posted": posted or line["month_date"]},
        ).fetchone()  # fmt: skip
        return int(entry_no)

    def apply(self, entry_no: int) -> None:
        """Let finance book an entry."""
        self.connection.execute(
            "insert into ledger.applications select coalesce(max(application_no), 0) + 1, %s, %s"
            " from ledger.applications",
            (entry_no, NOW),
        )

    def line_of(self, entry_no: int) -> dict[str, object]:
        """The frozen line of a credit."""
        (line,) = self.connection.execute(
            "select r.content || jsonb_build_object('month_date', e.month_date) from ledger.entries e"
            " join ledger.frozen_rows r on r.row_id = e.penalty_line_id where e.entry_no = %s",
            (entry_no,),
        ).fetchone()
        return dict(line)

    def adjust(self, entry_no: int, amount: Decimal, posted: date, *, reason: str = "late data") -> int:
        """An applicable adjustment of a credit, with the candidate line frozen as a close does."""
        line = self.line_of(entry_no)
        adjusted = self.post(line, amount, kind="adjustment", posted=posted, corrects=entry_no, reason=reason)
        self._freeze(line, f"{line['penalty_line_id']}@{adjusted}")
        self.apply(adjusted)
        return adjusted


EMPTYING = """
alter table {0} disable trigger user;
delete from {0};
alter table {0} enable trigger user;
"""


@pytest.fixture
def ledger(published: PublishedWarehouse) -> Iterator[Ledger]:
    """A ledger without entries; what a test wrote is removed by the administrator, past the triggers."""
    with published.connect("admin") as connection:
        for table in (
            "finance.credit_note_entries", "finance.credit_notes", "ledger.applications", "ledger.entries",
            "ledger.frozen_rows",
        ):  # fmt: skip
            connection.execute(EMPTYING.format(table))
        connection.commit()
        connection.autocommit = True
        yield Ledger(connection)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is not about documents."""
    unruled(monkeypatch)


def unruled(patched: pytest.MonkeyPatch) -> None:
    """Documents are written as XML, and neither drawn nor held to the rules: that takes seconds."""
    patched.setattr("avoir.credit_notes.issuing.facturx", lambda note, cii: b"%PDF-1.7 " + cii)
    patched.setattr("avoir.credit_notes.issuing.problems_of", lambda documents: [[] for _ in documents])


def issue_for(published: PublishedWarehouse, month: date = JUNE, **more: object) -> Answer:
    options = {"issued_on": ISSUED_ON, **more}
    with published.connect("avoir_transformer") as connection:
        return issue(connection, "helios", month, **options)


def documents_of(published: PublishedWarehouse, number: str) -> dict[str, bytes]:
    with published.connect("finance_reader") as connection:
        return {syntax: document_of(connection, number, syntax) for syntax in ("ubl", "cii", "facturx")}


def posted_amount(published: PublishedWarehouse, entry_nos: list[int]) -> Decimal:
    with published.connect() as connection:
        (amount,) = connection.execute(
            "select sum(amount) from ledger.entries where entry_no = any(%s)", (entry_nos,)
        ).fetchone()
    return amount


@pytest.mark.parametrize(
    ("document", "type_code"), [("credit_note", "381"), ("self_billed_credit_note", "261")]
)
def test_a_month_is_issued_in_three_syntaxes_that_say_the_same_and_are_valid(
    published: PublishedWarehouse, ledger: Ledger, document: str, type_code: str
) -> None:
    entry_nos = ledger.close("helios", JUNE, changes={"settlement_document": document})
    answer = issue_for(published)
    (note,) = answer.notes
    assert answer.fresh == (note.number,) == ("CN-2026-000001",)
    assert note.type_code == type_code
    assert note.entry_nos == entry_nos
    assert note.net_amount == posted_amount(published, entry_nos)
    assert note.vat_amount == (note.net_amount * 20 / 100).quantize(Decimal("0.01"))
    documents = documents_of(published, note.number)
    assert problems_of(list(documents.values())) == [[], [], []]
    attached = get_xml_from_pdf(documents["facturx"], check_xsd=True, check_schematron=False)[1]
    assert attached == documents["cii"]
    assert xml_check_xsd(attached, flavor="factur-x", level="en16931")
    assert get_level(etree.fromstring(attached)) == "en16931"
    read = [parse_invoice(documents[syntax]) for syntax in ("ubl", "cii")]
    for invoice in read:
        assert Decimal(invoice.document["tax_basis_total"]) == note.net_amount
        assert Decimal(invoice.document["grand_total"]) == note.gross_amount
        assert invoice.document["type_code"] == type_code
        assert invoice.document["seller_name"] == "Helios IT SAS"
        assert invoice.document["buyer_name"] == "Orvane Assurances SA"
        assert invoice.document["contract_reference"] == "HEL-2024-01"
    with published.connect() as connection:
        billed = connection.execute(
            "select distinct invoice_number from facts.fct_invoice_lines"
            " where is_counted and vendor_id = 'helios' and month_date = '2026-06-01'"
        ).fetchall()
    assert [(invoice.document["preceding_invoice"],) for invoice in read] == billed * 2
    assert {line["item_name"] for line in read[0].lines} <= {
        "First response", "Platform availability", "Releases on the validated plan",
    }  # fmt: skip
    said = documents["ubl"].decode()
    assert ("Autofacturation" in said) == (type_code == "261")
    again = issue_for(published)
    assert again.notes == (note,)
    assert again.fresh == ()


def test_a_penalty_outside_the_scope_of_vat_has_no_rate_and_names_no_vat_id(
    published: PublishedWarehouse, ledger: Ledger
) -> None:
    ledger.close("helios", JUNE, changes={"vat_treatment": "out_of_scope"})
    (note,) = issue_for(published).notes
    assert note.vat_amount == 0
    documents = documents_of(published, note.number)
    for syntax in ("ubl", "cii"):
        text = documents[syntax].decode()
        assert "FR83404833048" not in text
        assert "VATEX-EU-O" in text
        assert "Percent" not in text


def test_what_is_taken_back_is_an_allowance_that_names_what_it_corrects(
    published: PublishedWarehouse, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = ledger.close("helios", MAY)
    ledger.close("helios", JUNE)
    with monkeypatch.context() as patched:
        unruled(patched)
        issue_for(published, MAY)
    adjustment = ledger.adjust(first, Decimal("-0.07"), JUNE, reason="probe <late> & corrected")
    answer = issue_for(published)
    (note,) = answer.notes
    assert adjustment in note.entry_nos
    assert note.net_amount == posted_amount(published, note.entry_nos)
    documents = documents_of(published, note.number)
    invoice = parse_invoice(documents["ubl"])
    (allowance,) = invoice.adjustments
    assert allowance["amount"] == "0.07"
    assert "2026-05" in allowance["reason"]
    assert (
        f"l'écriture {adjustment} corrige l'écriture {first} (probe <late> & corrected)"
        in allowance["reason"]
    )
    assert all(Decimal(line["net_amount"]) > 0 for line in invoice.lines)
    named = etree.fromstring(documents["ubl"]).xpath(
        "//*[local-name() = 'InvoiceDocumentReference']/*[1]/text()"
    )
    assert len(named) == 2, "the invoices of both months are named"
    with pytest.raises(psycopg.errors.UniqueViolation), published.connect("avoir_transformer") as connection:
        connection.execute(
            "insert into finance.credit_note_entries values (%s, %s)", (adjustment, "CN-2026-000001")
        )


@pytest.mark.usefixtures("quick")
def test_entries_that_become_applicable_later_go_to_a_further_note(
    published: PublishedWarehouse, ledger: Ledger
) -> None:
    first, *_ = ledger.close("helios", JUNE)
    late = ledger.post(
        ledger.line_of(first), Decimal("12.34"), kind="adjustment", corrects=first, reason="agreed later"
    )
    (before,) = issue_for(published).notes
    assert late not in before.entry_nos
    restated = {**ledger.line_of(first), "subject_name": "what the restatement names"}
    ledger._freeze(restated, f"{restated['penalty_line_id']}@{late}")
    ledger.apply(late)
    answer = issue_for(published)
    assert [note.number for note in answer.notes] == ["CN-2026-000001", "CN-2026-000002"]
    assert answer.fresh == ("CN-2026-000002",)
    assert answer.notes[1].entry_nos == [late]
    assert answer.notes[1].net_amount == Decimal("12.34")
    assert b"what the restatement names" in documents_of(published, "CN-2026-000002")["ubl"]


@pytest.mark.usefixtures("quick")
def test_what_is_owed_back_waits_for_the_note_that_outweighs_it(
    published: PublishedWarehouse, ledger: Ledger
) -> None:
    first, *_ = ledger.close("helios", APRIL)
    issue_for(published, APRIL)
    taken = ledger.adjust(first, Decimal("-5.00"), MAY)
    answer = issue_for(published, MAY)
    assert (answer.notes, answer.fresh) == ((), ())
    (reason,) = answer.untold
    assert isinstance(reason, OwedBackError)
    assert "5.00 EUR are owed back" in str(reason)
    entry_nos = ledger.close("helios", JUNE)
    (note,) = issue_for(published).notes
    assert note.entry_nos == sorted([taken, *entry_nos])
    assert note.net_amount == posted_amount(published, note.entry_nos)


@pytest.mark.parametrize("document", ["deduction", "voucher"])
@pytest.mark.usefixtures("quick")
def test_a_deduction_or_voucher_has_no_document(
    published: PublishedWarehouse, ledger: Ledger, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.close("helios", JUNE, changes={"settlement_document": document})
    answer = issue_for(published)
    assert answer.notes == ()
    (reason,) = answer.untold
    assert isinstance(reason, NoDocumentError)
    assert document in str(reason)
    monkeypatch.setenv("AVOIR_HOME", str(published.settings.home))
    arguments = [
        "credit-note",
        "issue",
        "helios",
        "2026-06",
        "--issued-on",
        "2026-07-08",
        "--profile",
        "demo",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 4


@pytest.mark.usefixtures("quick")
def test_different_settlements_never_share_a_note(published: PublishedWarehouse, ledger: Ledger) -> None:
    ledger.close("helios", MAY, changes={"settlement_document": "credit_note"})
    first, *_ = ledger.close("helios", JUNE, changes={"settlement_document": "self_billed_credit_note"})
    line = {**ledger.line_of(first), "penalty_line_id": "other", "settlement_document": "credit_note"}
    ledger._credit(line)
    ledger._credit({**line, "penalty_line_id": "public", "vat_treatment": "out_of_scope"})
    answer = issue_for(published)
    assert [(note.type_code, note.vat_treatment) for note in answer.notes] == [
        ("381", "out_of_scope"),
        ("381", "price_reduction"),
        ("261", "price_reduction"),
    ]
    assert len({no for note in answer.notes for no in note.entry_nos}) == sum(
        len(note.entry_nos) for note in answer.notes
    )


@pytest.mark.usefixtures("quick")
def test_two_issuers_at_once_leave_no_gap_and_issue_nothing_twice(
    published: PublishedWarehouse, ledger: Ledger
) -> None:
    for month in (APRIL, MAY, JUNE):
        ledger.close("helios", month)
    answers: list[Answer] = []
    failed: list[BaseException] = []

    def work(months: list[date]) -> None:
        try:
            answers.extend(issue_for(published, month) for month in months)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(months,)) for months in ([APRIL, MAY, JUNE], [JUNE, MAY, APRIL])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    fresh = sorted(number for answer in answers for number in answer.fresh)
    assert fresh == ["CN-2026-000001", "CN-2026-000002", "CN-2026-000003"]
    with published.connect("auditor") as connection:
        notes = issued_notes(connection)
        count = connection.execute(
            "select count(*), count(distinct entry_no) from finance.credit_note_entries"
        )
        assert len(set(count.fetchone())) == 1
    assert [note.number for note in notes] == fresh


@pytest.mark.usefixtures("quick")
def test_nobody_changes_what_was_issued_nor_leaves_a_gap(
    published: PublishedWarehouse, ledger: Ledger
) -> None:
    ledger.close("helios", JUNE)
    issue_for(published)
    for role in ("admin", "avoir_transformer"):
        for table in ("finance.credit_notes", "finance.credit_note_entries"):
            for statement in (
                f"update {table} set number = 'x'",
                f"delete from {table}",
                f"truncate {table} cascade",
            ):
                with (
                    published.connect(role) as connection,
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                ):
                    connection.execute(statement)
    copied = """
        insert into finance.credit_notes
        select 'CN-2026-' || lpad(cast({0} as text), 6, '0'), 2026, {0}, vendor_id, posted_month_date,
            currency, type_code, settlement_document, vat_treatment, {1}, net_amount, vat_amount,
            gross_amount, entry_nos, ubl_sha256, cii_sha256, facturx_sha256, ubl, cii, facturx
        from finance.credit_notes where serial_no = 1
    """
    for serial_no, issued_on, told in ((3, "issue_date", "a gap"), (2, "date '2026-07-07'", "precede")):
        with (
            published.connect("avoir_transformer") as connection,
            pytest.raises(psycopg.errors.CheckViolation, match=told),
        ):
            connection.execute(copied.format(serial_no, issued_on))
    with published.connect("finance_reader") as connection, pytest.raises(psycopg.Error):
        connection.execute("insert into finance.credit_note_entries values (1, 'x')")


@pytest.mark.parametrize(
    ("break_it", "options", "told"),
    [
        (None, {"issued_on": date(2026, 5, 31)}, "would precede its month or an invoice"),
        (None, {"currency": "USD"}, "nothing is posted in USD, only in EUR"),
        (None, {"month": date(2026, 3, 1)}, "nothing that finance may book is posted"),
        (
            "update facts.fct_invoice_lines set is_counted = false where vendor_id = 'helios'",
            {},
            r"no invoice for 2026-06 has landed .* \(BT-25\)",
        ),
        (
            "update raw_einvoice.documents set content = replace(content, 'BasisAmount', 'Nothing')",
            {},
            "no rate of VAT for helios in 2026-06: invoice .* has no VAT breakdown",
        ),
        (
            "delete from raw_einvoice.documents",
            {},
            "no rate of VAT for helios in 2026-06: .*run `avoir load helios_invoices` once",
        ),
        (
            "update raw_einvoice.documents set content = replace(content, 'FR83404833048', 'ZZ83404833048')",
            {},
            "the ubl document is not valid:\n  BR-CO-09",
        ),
    ],
)
def test_what_cannot_be_issued_says_why_and_leaves_nothing(
    published: PublishedWarehouse, ledger: Ledger, break_it: str | None, options: dict[str, object], told: str
) -> None:
    ledger.close("helios", JUNE)
    with published.connect("admin") as connection:
        connection.execute("create table public.lines as select * from facts.fct_invoice_lines")
        connection.execute("create table public.documents as select * from raw_einvoice.documents")
        if break_it:
            assert connection.execute(break_it).rowcount > 0
    try:
        with pytest.raises(CreditNoteError, match=told):
            issue_for(published, **options)
    finally:
        with published.connect("admin") as connection:
            for kept, table in (
                ("lines", "facts.fct_invoice_lines"),
                ("documents", "raw_einvoice.documents"),
            ):
                connection.execute(f"delete from {table}")
                connection.execute(f"insert into {table} select * from public.{kept}")
                connection.execute(f"drop table public.{kept}")
    with published.connect("auditor") as connection:
        assert issued_notes(connection) == []


@pytest.mark.usefixtures("quick")
def test_a_note_is_not_issued_before_the_last_one(published: PublishedWarehouse, ledger: Ledger) -> None:
    ledger.close("helios", MAY)
    ledger.close("helios", JUNE)
    issue_for(published)
    with pytest.raises(CreditNoteError, match="a note was issued on 2026-07-08 already"):
        issue_for(published, MAY, issued_on=date(2026, 7, 7))
    (note,) = issue_for(published, MAY, issued_on=date(2027, 1, 4)).notes
    assert note.number == "CN-2027-000001"


def test_hostile_texts_come_out_harmless_or_not_at_all(published: PublishedWarehouse, ledger: Ledger) -> None:
    first, *_ = ledger.close("helios", JUNE)
    line = ledger.line_of(first)
    subject = "\u202e</cbc:Note>\x01\x1b[31m & \ufffe شركة " + "x" * 3000
    ledger._credit({**line, "penalty_line_id": "hostile", "clause_id": "SLA-9", "subject_name": subject})
    (note,) = issue_for(published).notes
    documents = documents_of(published, note.number)
    described = [
        element.text
        for element in etree.fromstring(documents["ubl"]).iter("{*}Description")
        if "SLA-9" in (element.text or "")
    ]
    (text,) = described
    assert "</cbc:Note>[31m & شركة xxx" in text
    assert len(text) <= 1000
    assert not {"\u202e", "\x01", "\x1b", "\ufffe"} & set(text)


PARTIES = """
seller: {name: Bills Ltd, country: GB, vat_id: GB318274405, city: Thornbury}
buyer: {name: Orvane Assurances SA, country: FR, vat_id: FR40303265045}
"""


def land_bill(connection: psycopg.Connection, lines: list[tuple[str, str, str]]) -> None:
    """A bill of an accounting export for Helios in June: net amount, tax and tax type of each line."""
    net, tax = (sum(Decimal(line[place]) for line in lines) for place in (0, 1))
    connection.execute(
        """
        insert into raw_xero.invoices (
            _source_name, _batch_id, _source_row, _row_hash, invoice_id, contact_id, date, updated_date_utc,
            currency_code, invoice_number, line_amount_types, status, type, sub_total, total, total_tax
        )
        values ('books', 1, 1, 'a', 'bill', 'c', '2026-06-30', '2026-06-30 10:00:00 UTC', 'EUR', 'BILL-6',
            'Exclusive', 'AUTHORISED', 'ACCPAY', %s, %s, %s)
        """,
        (str(net), str(net + tax), str(tax)),
    )
    for row, (amount, line_tax, tax_type) in enumerate(lines, start=1):
        connection.execute(
            """
            insert into raw_xero.invoice_line_items (
                _source_name, _batch_id, _source_row, _row_hash, invoice_id, line_item_id, line_amount,
                tax_amount, tax_type, invoice_updated_date_utc
            )
            values ('books', 1, %s, %s, 'bill', %s, %s, %s, %s, '2026-06-30 10:00:00 UTC')
            """,
            (row, f"h{row}", f"line{row}", amount, line_tax, tax_type),
        )
    connection.execute(
        """
        insert into facts.fct_invoice_lines (
            invoice_line_id, source_name, document_id, invoice_number, type_code, line_key, line_kind,
            vendor_id, contract_id, issue_date, month_date, currency, net_amount, standing, is_counted
        )
        values ('bill', 'books', 'bill', 'BILL-6', 'ACCPAY', 'line1', 'line', 'helios', 'HEL-2024-01',
            '2026-06-30', '2026-06-01', 'EUR', 1, 'counted', true)
        """
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [
                ("80.00", "16.00", "INPUT2"),
                ("15.00", "0.00", "ZERORATEDINPUT"),
                ("5.00", "0.00", "EXEMPTINPUT"),
            ],
            None,
        ),
        ([("80.00", "16.00", "INPUT2"), ("20.00", "0.00", "NONE")], "net 20.00 with tax 0.00 of type 'NONE'"),
    ],
)
def test_bills_of_an_accounting_export_tell_rates_and_a_file_the_parties(
    published: PublishedWarehouse,
    ledger: Ledger,
    tmp_path: Path,
    lines: list[tuple[str, str, str]],
    told: str | None,
) -> None:
    ledger.close("helios", JUNE)
    (tmp_path / "parties.yml").write_text(PARTIES)
    stated = read_parties(tmp_path / "parties.yml")
    with published.connect("admin") as connection:
        connection.execute("update facts.fct_invoice_lines set is_counted = false where vendor_id = 'helios'")
        land_bill(connection, lines)
    try:
        if told:
            with pytest.raises(CreditNoteError, match=told):
                issue_for(published, stated=stated)
            return
        with pytest.raises(
            CreditNoteError, match=r"do not say the seller's name and country.*--parties FILE"
        ):
            issue_for(published)
        (note,) = issue_for(published, stated=stated).notes
        document = documents_of(published, note.number)["ubl"]
        taxed = parties_and_vat(document)
        assert [(row.category, row.rate_pct) for row in taxed.vat] == [("E", 0), ("S", 20), ("Z", 0)]
        assert sum(row.basis for row in taxed.vat) == note.net_amount
        assert taxed.vat[1].basis >= note.net_amount * 80 / 100
        assert taxed.seller["name"] == "Bills Ltd"
        assert b"BILL-6" in document
    finally:
        with published.connect("admin") as connection:
            connection.execute("delete from facts.fct_invoice_lines where source_name = 'books'")
            connection.execute(
                "update facts.fct_invoice_lines set is_counted = true"
                " where vendor_id = 'helios' and standing = 'counted'"
            )
            for table in ("invoices", "invoice_line_items"):
                connection.execute(f"delete from raw_xero.{table}")


def test_invoices_that_an_earlier_release_landed_are_kept_by_the_next_load(
    published: PublishedWarehouse, ledger: Ledger
) -> None:
    counted = (
        "select (select count(*) from raw_einvoice.documents), (select count(*) from raw_einvoice.invoices),"
        " (select count(*) from raw_einvoice.invoice_lines)"
    )
    with published.connect("admin") as connection:
        before = connection.execute(counted).fetchone()
        assert before[0] == before[1] > 0
        connection.execute("delete from raw_einvoice.documents where _source_name = 'helios_invoices'")
    as_of = published.as_of + timedelta(hours=1)
    load_source(published.settings, "helios_invoices", as_of=as_of)
    again = load_source(published.settings, "helios_invoices", as_of=as_of + timedelta(hours=1))
    with published.connect("admin") as connection:
        assert connection.execute(counted).fetchone() == before
    assert again["read"] == 0


def test_the_command_issues_lists_writes_and_validates(
    published: PublishedWarehouse, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AVOIR_HOME", str(published.settings.home))
    monkeypatch.setenv("AVOIR_PROFILE", "demo")
    first, *_ = ledger.close("helios", JUNE)
    run = CliRunner().invoke

    def answered(*arguments: str) -> str:
        result = run(app, ["credit-note", *arguments])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    (issued,) = json.loads(answered("issue", "helios", "2026-06", "--issued-on", "2026-07-08", "--json"))
    assert json.loads(answered("list", "--json")) == [issued]
    assert "CN-2026-000001" in answered("list")
    answered("write", "CN-2026-000001", "--out", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "CN-2026-000001.cii.xml", "CN-2026-000001.pdf", "CN-2026-000001.ubl.xml",
    ]  # fmt: skip
    answered("write", "CN-2026-000001", "--out", str(tmp_path), "--format", "ubl")
    path = tmp_path / "CN-2026-000001.ubl.xml"
    assert "valid" in answered("validate", str(tmp_path / "CN-2026-000001.pdf"))
    path.write_text(path.read_text().replace(">20.00<", ">19.00<"))
    refused = run(app, ["credit-note", "validate", str(path)])
    assert refused.exit_code == 1
    assert "BR-CO-17" in refused.stdout or "BR-S-09" in refused.stdout
    kept = run(app, ["credit-note", "write", "CN-2026-000001", "--out", str(tmp_path)])
    assert "nothing was overwritten" in str(kept.exception)
    ledger.adjust(first, Decimal(-100000), MAY)
    owed = run(app, ["credit-note", "issue", "helios", "2026-05", "--issued-on", "2026-07-08"])
    assert owed.exit_code == 5


def test_the_export_is_csv_in_order_and_safe_to_open(
    published: PublishedWarehouse, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, *others = ledger.close("helios", JUNE)
    ledger.adjust(first, Decimal("-1.50"), JUNE, reason="=cmd|'/c calc'!A1, \"quoted\"\nand more")
    monkeypatch.setenv("AVOIR_HOME", str(published.settings.home))
    monkeypatch.setenv("AVOIR_PROFILE", "demo")
    out = tmp_path / "credits.csv"
    result = CliRunner().invoke(app, ["finance", "export", "--out", str(out)])
    assert result.exit_code == 0, result.exception
    count = len(others) + 2
    assert f"last entry_no: {count}" in result.stderr
    content = out.read_bytes().decode()
    assert content.startswith(",".join(COLUMNS) + "\r\n")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["entry_no"] for row in rows] == [str(n) for n in range(1, count + 1)]
    assert rows[-1]["amount"] == "-1.50"
    assert rows[-1]["reason"] == "'=cmd|'/c calc'!A1, \"quoted\"\nand more"
    told = CliRunner().invoke(app, ["finance", "export", "--after", str(count - 1), "--format", "jsonl"])
    assert json.loads(told.stdout)["entry_no"] == count
    with published.connect("finance_reader") as connection:
        stream = io.StringIO()
        assert export(connection, stream, after=count - 1, as_csv=False) == count
        (line,) = stream.getvalue().splitlines()
        assert json.loads(line)["reason"].startswith("=cmd")
        assert json.loads(line)["amount"] == "-1.50"
        empty = io.StringIO()
        assert export(connection, empty, after=count, as_csv=True) == count
        assert empty.getvalue() == ",".join(COLUMNS) + "\r\n"
        shown = [
            column.name for column in connection.execute("select * from finance.credit_entries").description
        ]
    assert tuple(shown) == COLUMNS
