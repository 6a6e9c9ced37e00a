"""``avoir credit-note`` and ``avoir finance``."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from avoir.services import database, surroundings_here

NO_DOCUMENT, OWED_BACK = 4, 5

credit_note_app = typer.Typer(
    help="""Credit notes as e-invoices (EN 16931) of what finance may book.

Examples:

  avoir credit-note issue helios 2026-06 --issued-on 2026-07-08

  avoir credit-note write CN-2026-000001 --out outbox
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
finance_app = typer.Typer(help="What finance books.", no_args_is_help=True, rich_markup_mode=None)

Profile = Annotated[str | None, typer.Option(help="demo, real or your own; AVOIR_PROFILE, else demo.")]

errors = Console(stderr=True, highlight=False)


class Format(StrEnum):
    """Which documents of a note to write."""

    UBL = "ubl"
    CII = "cii"
    FACTURX = "facturx"
    ALL = "all"


class Export(StrEnum):
    """How entries are written."""

    CSV = "csv"
    JSONL = "jsonl"


@credit_note_app.command("issue")
def issue_note(
    vendor: str,
    month: Annotated[str, typer.Argument(help="Month of the postings, YYYY-MM.")],
    issued_on: Annotated[str, typer.Option("--issued-on", help="Date of issue, YYYY-MM-DD.")],
    currency: Annotated[str | None, typer.Option(help="Needed only where several are posted.")] = None,
    parties: Annotated[
        Path | None, typer.Option(help="YAML with what invoices leave out of seller and buyer.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    profile: Profile = None,
) -> None:
    """Issue the credit note of a vendor's month, or print the one that was issued.

    One for each settlement document and VAT treatment; every document is validated first. Exit 1: something
    is missing, nothing was issued. Exit 4: the contract settles by deduction or voucher, so there is no
    document. Exit 5: the open entries add up to nothing or less; they wait for the next note.

    Examples:
      avoir credit-note issue helios 2026-06 --issued-on 2026-07-08

      avoir credit-note issue acme 2026-06 --issued-on 2026-07-08 --currency EUR --parties acme-parties.yml
    """
    from avoir.credit_notes.invoices import read_parties  # noqa: PLC0415
    from avoir.credit_notes.issuing import issue  # noqa: PLC0415
    from avoir.credit_notes.model import NoDocumentError  # noqa: PLC0415

    first, day = (
        _date(f"{month}-01", month, "a month; write it as 2026-06"),
        _date(issued_on, issued_on, "a date"),
    )
    stated = read_parties(parties) if parties else {}
    with (
        database(surroundings_here(profile)) as warehouse,
        warehouse.connect("avoir_transformer") as connection,
    ):
        answer = issue(connection, vendor, first, issued_on=day, currency=currency, stated=stated)
    for reason in answer.untold:
        errors.print(f"avoir: {reason}", style="yellow", markup=False, soft_wrap=True)
    _print_notes([note.as_row() for note in answer.notes], as_json=as_json)
    if answer.notes:
        told = f"issued {', '.join(answer.fresh)}" if answer.fresh else "issued before; nothing new"
        errors.print(told, markup=False)
    elif any(not isinstance(reason, NoDocumentError) for reason in answer.untold):
        raise typer.Exit(OWED_BACK)
    else:
        raise typer.Exit(NO_DOCUMENT)


@credit_note_app.command("list")
def list_notes(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    profile: Profile = None,
) -> None:
    """List what was issued.

    Example: avoir credit-note list --json
    """
    from avoir.credit_notes.issuing import issued_notes  # noqa: PLC0415

    with (
        database(surroundings_here(profile)) as warehouse,
        warehouse.connect("finance_reader") as connection,
    ):
        notes = issued_notes(connection)
    _print_notes([note.as_row() for note in notes], as_json=as_json)


@credit_note_app.command("write")
def write_note(
    number: str,
    out: Annotated[Path, typer.Option(help="Folder to write to; made when missing.")],
    form: Annotated[Format, typer.Option("--format", help="Which documents.")] = Format.ALL,
    profile: Profile = None,
) -> None:
    """Write the documents of a note as they were issued: NUMBER.ubl.xml, NUMBER.cii.xml, NUMBER.pdf.

    A file that holds the same is left; one that differs is not overwritten.

    Example: avoir credit-note write CN-2026-000001 --out outbox --format facturx
    """
    from avoir.credit_notes.issuing import SYNTAXES, document_of  # noqa: PLC0415

    chosen = list(SYNTAXES) if form is Format.ALL else [form.value]
    with (
        database(surroundings_here(profile)) as warehouse,
        warehouse.connect("finance_reader") as connection,
    ):
        documents = {syntax: document_of(connection, number, syntax) for syntax in chosen}
    out.mkdir(parents=True, exist_ok=True)
    for syntax, content in documents.items():
        path = out / f"{number}{SYNTAXES[syntax]}"
        if path.exists() and path.read_bytes() != content:
            raise RuntimeError(f"{path} exists and holds something else; nothing was overwritten.")
        path.write_bytes(content)
        print(path)


@credit_note_app.command("validate")
def validate_file(file: Path) -> None:
    """Hold an e-invoice (UBL, CII or Factur-X PDF) to schema and rules of EN 16931. Exit 1: it breaks one.

    Example: avoir credit-note validate outbox/CN-2026-000001.pdf
    """
    from avoir.credit_notes.validating import problems_of  # noqa: PLC0415
    from avoir.sources.einvoice_pdf import MAX_PDF_BYTES  # noqa: PLC0415

    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_PDF_BYTES + 1)
    except OSError as error:
        raise RuntimeError(f"{file}: cannot be read: {error.strerror}") from error
    (problems,) = problems_of([content])
    for problem in problems:
        print(f"{file}: {problem}")
    if problems:
        raise typer.Exit(1)
    print(f"{file}: valid")


@finance_app.command("export")
def export_entries(
    after: Annotated[int, typer.Option(help="Last entry_no that was taken over; 0 for all.", min=0)] = 0,
    form: Annotated[Export, typer.Option("--format", help="csv (RFC 4180) or jsonl.")] = Export.CSV,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output when left out.")] = None,
    profile: Profile = None,
) -> None:
    """Export what may be booked, in order, for an ERP; the last entry_no goes to standard error.

    Give that number as --after the next time and each entry arrives exactly once.

    Examples:
      avoir finance export --out credits.csv

      avoir finance export --after 120 --format jsonl
    """
    from avoir.credit_notes.exporting import export  # noqa: PLC0415

    with (
        database(surroundings_here(profile)) as warehouse,
        warehouse.connect("finance_reader") as connection,
        out.open("w", encoding="utf-8", newline="") if out else nullcontext(sys.stdout) as stream,
    ):
        if out is None and hasattr(stream, "reconfigure"):
            stream.reconfigure(newline="")
        last = export(connection, stream, after=after, as_csv=form is Export.CSV)
    print(f"last entry_no: {last}", file=sys.stderr)


def _date(text: str, shown: str, kind: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RuntimeError(f"{shown!r} is not {kind}.") from error


def _print_notes(rows: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, default=str, indent=2))
        return
    shown = (
        "number",
        "vendor_id",
        "posted_month_date",
        "type_code",
        "issue_date",
    )
    amounts = ("net_amount", "vat_amount", "gross_amount")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in (*shown, *amounts, "currency", "entries"):
        table.add_column(name, justify="right" if name.endswith("amount") else "left")
    for row in rows:
        entries = row["entry_nos"]
        count = len(entries) if isinstance(entries, list) else 0
        cells = [str(row[name]) for name in (*shown, *amounts, "currency")]
        table.add_row(*cells, str(count))
    if rows:
        Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(table)
