"""The ``avoir`` command."""

from __future__ import annotations

import csv
import getpass
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NoReturn

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from avoir.credit_notes.commands import credit_note_app, finance_app
from avoir.failures import told_failures
from avoir.lineage.commands import lineage, site
from avoir.real_data import REAL_DATA, missing_sets
from avoir.services import (
    database,
    make_warehouse,
    read_state,
    stop_request,
    surroundings_here,
    surroundings_of,
)
from avoir.settings import Settings, SettingsError
from avoir.sources.commands import load, quarantine_app, sources_app
from avoir.sources.model import SourceError
from avoir.telling import as_json as to_json
from avoir.telling import as_table, cell
from avoir.warehouse import Warehouse

HELP = """What outsourced vendors delivered, what they owe when they missed it, and why, to the cent.

Examples:

  avoir run                     load the demo's vendors, build, gate, publish, close, print the mart

  avoir run --profile real      the same over the real data beside the checkout

  avoir status --json           published months per vendor, verdicts, watermarks

  avoir sql "select * from mart.mart_vendor_month" --json
"""

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
mart_app = typer.Typer(help="The published mart.", no_args_is_help=True)
contracts_app = typer.Typer(help="Contracts as files.", no_args_is_help=True)
demo_app = typer.Typer(help="The demo's small world of vendors.", no_args_is_help=True)
dbt_app = typer.Typer(help="The dbt project.", no_args_is_help=True)
procedure_app = typer.Typer(
    no_args_is_help=True, help="From the notice to the application of what was posted."
)
ledger_app = typer.Typer(help="The append-only ledger.", no_args_is_help=True)
roles_app = typer.Typer(help="Database roles of the vendors.", no_args_is_help=True)
app.add_typer(mart_app, name="mart")
app.add_typer(contracts_app, name="contracts")
app.add_typer(demo_app, name="demo")
app.add_typer(dbt_app, name="dbt")
app.add_typer(ledger_app, name="ledger")
app.add_typer(procedure_app, name="procedure")
app.add_typer(roles_app, name="roles")
app.add_typer(credit_note_app, name="credit-note")
app.add_typer(finance_app, name="finance")
app.add_typer(sources_app, name="sources")
app.add_typer(quarantine_app, name="quarantine")
app.command("load")(load)
app.command()(lineage)
app.command()(site)

Profile = Annotated[str | None, typer.Option(help="demo, real or your own; AVOIR_PROFILE, else demo.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

SOURCES_FAILED = 3
UNKNOWN_RECORD = 2

errors = Console(stderr=True, highlight=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


def main() -> None:
    """Entry point; errors of ours are one line, everything else is a bug and shows its trace."""
    try:
        app()
    except (SettingsError, SourceError, RuntimeError, ValueError, FileNotFoundError) as error:
        errors.print(f"avoir: {error}", style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from error


@contextmanager
def _clocked() -> Iterator[Any]:
    began = time.monotonic()

    def tell(text: str) -> None:
        errors.print(f"[{time.monotonic() - began:6.1f} s] {text}", markup=False)

    yield tell


@app.command()
def run(profile: Profile = None) -> None:
    """Run the whole pipeline once on the real scheduler and print the mart.

    Services that are not up are started for the run and stopped after it. Killed at any point and started
    again, it ends with the same mart. Exit code 3: the mart was published, but a source did not land.

    Example: avoir run --profile real
    """
    from avoir.conducting import Conductor, prepare, services_up  # noqa: PLC0415
    from avoir.postgres import locked  # noqa: PLC0415
    from avoir.reporting import write_report  # noqa: PLC0415

    settings = Settings.from_environment(profile=profile)
    _require_data(settings)
    here = surroundings_of(settings, starting=True)
    with locked(here.run_directory / "run.lock", wait=False) as mine, _clocked() as tell:
        if not mine:
            raise RuntimeError("another `avoir run` of this profile is under way.")
        prepare(here, tell)
        with services_up(here, tell) as fresh:
            run_id = f"run__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"  # noqa: TID251 - names a run, decides nothing
            failed = Conductor(here, tell, run_id=run_id).run(fresh=fresh)
            with here.warehouse.connect("auditor") as connection:
                months = published_months(connection)
                report = write_report(settings.profile_home / "report.html", months, as_of=settings.as_of)
        _print_months(months)
        console.print()
        state = "up" if not fresh else "stopped; `make up` starts and keeps them"
        console.print(
            f"Airflow   {here.airflow_url}  user avoir, password in {settings.profile_home}/credentials.json"
        )
        console.print(
            f"BI        {_dsn(here.warehouse)}  (password in the same file)",
            soft_wrap=True,
        )
        console.print(f"Report    {report}", soft_wrap=True)
        console.print(f"Services  {state}")
        if failed:
            errors.print(f"avoir: not every source landed: {', '.join(failed)}", style="red", markup=False)
            raise typer.Exit(SOURCES_FAILED)


def _dsn(warehouse: Warehouse) -> str:
    return f"postgresql://bi_reader@{warehouse.host}:{warehouse.port}/{warehouse.database}"


def _require_data(settings: Settings) -> None:
    if settings.profile == "real" and (missing := missing_sets(settings.shared_data)):
        lines = [f"  {one.path}: {', '.join(one.needs)}\n    from {one.origin}" for one in missing]
        raise RuntimeError(
            f"{len(missing)} of {len(REAL_DATA)} sets of the real data are not at {settings.shared_data}. "
            "Put them there or set AVOIR_SHARED_DATA:\n" + "\n".join(lines)
        )
    if not settings.contracts_dir.is_dir():
        raise RuntimeError(f"no contracts at {settings.contracts_dir}; set AVOIR_CONTRACTS.")


@app.command()
def up(profile: Profile = None) -> None:
    """Start Postgres, Airflow and, for the demo, the vendors' systems; they stay up.

    Example: avoir up --profile demo
    """
    from avoir.conducting import prepare, services_up  # noqa: PLC0415

    settings = Settings.from_environment(profile=profile)
    _require_data(settings)
    here = surroundings_of(settings, starting=True)
    with _clocked() as tell:
        prepare(here, tell)
        with services_up(here, tell, keep=True):
            pass
    console.print(
        f"Airflow  {here.airflow_url}  user avoir, password in {settings.profile_home}/credentials.json"
    )
    console.print(
        f"BI       {_dsn(here.warehouse)}",
        soft_wrap=True,
    )


@app.command()
def down(profile: Profile = None) -> None:
    """Stop everything that `avoir up` or an interrupted run left up.

    Example: avoir down
    """
    here = surroundings_here(profile)
    stopped = stop_request(here)
    console.print("stopped" if stopped else "nothing was up")


@app.command()
def destroy(
    profile: Profile = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove everything a profile keeps: database, Airflow's metadata, logs, the demo's world.

    Example: avoir destroy --profile real --yes
    """
    import shutil  # noqa: PLC0415

    settings = Settings.from_environment(profile=profile)
    if not yes:
        typer.confirm(f"Remove {settings.profile_home} and its database?", abort=True)
    here = surroundings_of(settings)
    stop_request(here)
    if here.postgres is not None:
        here.postgres.destroy()
    shutil.rmtree(settings.profile_home, ignore_errors=True)


@app.command()
def bootstrap(profile: Profile = None) -> None:
    """Make databases, roles (one per vendor), schemas and privileges on the warehouse's server. Idempotent.

    Example: AVOIR_DATABASE_URL=postgresql://admin@db:5432/avoir avoir bootstrap
    """
    here = surroundings_here(profile)
    with database(here):
        make_warehouse(here)
    console.print(f"{here.warehouse.database} at {here.warehouse.host}:{here.warehouse.port} is ready")


@app.command()
def status(profile: Profile = None, as_json: Json = False) -> None:
    """Published months per vendor, verdicts of the gate, watermarks of the sources.

    Example: avoir status --json
    """
    here = surroundings_here(profile)
    settings = here.settings
    state = read_state(here)
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        months = published_months(connection)
        watermarks = _rows(
            connection, "select source_name, system, vendor_id, watermark from loads.watermarks order by 1"
        )
        rejected = _rows(
            connection,
            """
            select source_name, reason_code, count(*) as records
            from loads.rejected where settled_by is null group by 1, 2 order by 1, 2
            """,
        )
        verdicts = _rows(
            connection,
            """
            select run_id, border, table_name, check_name, column_name, success, observed
            from checks.verdicts
            where run_id = (select run_id from checks.verdicts order by verdict_no desc limit 1)
            order by verdict_no
            """,
        )
        ledger = _rows(
            connection, "select count(*) as entries, max(entry_no) as last_entry_no from ledger.entries"
        )
    answer = {
        "profile": settings.profile,
        "as_of": settings.as_of,
        "services": state["phase"] if state else "down",
        "published": {
            vendor: [one["month"] for one in months if one["vendor"] == vendor and one["is_published"]]
            for vendor in sorted({one["vendor"] for one in months})
        },
        "months": months,
        "verdicts": verdicts,
        "watermarks": watermarks,
        "rejected": rejected,
        "ledger": ledger[0],
        "failures": told_failures(settings)[-20:],
    }
    if as_json:
        print(to_json(answer))
        return
    console.print(f"profile {settings.profile}, as of {settings.as_of}, services {answer['services']}")
    _print_months(months)
    _print_rows(watermarks)
    if rejected:
        _print_rows(rejected)


@app.command()
def sql(
    query: str,
    role: Annotated[
        str,
        typer.Option(
            help="bi_reader, finance_reader, auditor, avoir_transformer, avoir_loader or vendor_<id>."
        ),
    ] = "auditor",
    as_json: Json = False,
    profile: Profile = None,
) -> None:
    """Ask the warehouse, read-only, as one of its roles.

    Example: avoir sql "select * from mart.mart_vendor_month" --role bi_reader
    """
    here = surroundings_here(profile)
    with database(here) as warehouse:
        if role not in warehouse.passwords:
            known = "bi_reader, finance_reader, auditor, avoir_transformer, avoir_loader or a vendor's"
            raise RuntimeError(f"there is no role {role!r}; use {known}.")
        with warehouse.connect(role) as connection:
            connection.read_only = True
            try:
                rows = _rows(connection, query)
            except psycopg.Error as error:
                raise RuntimeError(str(error).strip()) from error
            finally:
                connection.rollback()
    if as_json:
        print(to_json(rows))
    elif sys.stdout.isatty():
        _print_rows(rows)
    elif rows:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@mart_app.command("hash")
def mart_hash(profile: Profile = None) -> None:
    """Content hash of all published tables.

    Example: avoir mart hash
    """
    from avoir.publishing import mart_sha256  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        print(mart_sha256(connection))


@ledger_app.command("verify")
def ledger_verify(
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Build closed months again from raw and compare.")
    ] = False,
    vendor: Annotated[str | None, typer.Option(help="Recompute only this vendor's months.")] = None,
    month: Annotated[str | None, typer.Option(help="Recompute only this month, as 2026-06.")] = None,
    profile: Profile = None,
) -> None:
    """Recompute the chain of hashes; exit 1 and say where it breaks.

    With --recompute also build every closed month again, from the raw rows, contract versions and instant
    it was closed on, and compare every row that it showed.

    Examples: avoir ledger verify; avoir ledger verify --recompute --month 2026-06
    """
    from avoir.ledger import verify_chain  # noqa: PLC0415
    from avoir.recomputing import recompute as build_again  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here) as warehouse:
        with warehouse.connect("auditor") as connection:
            problems = verify_chain(connection)
        said = "the chain holds"
        if recompute:
            with _clocked() as tell:
                built = build_again(
                    warehouse.url("avoir_transformer"),
                    here.environment,
                    project=here.settings.checkout / "dbt_project",
                    vendor=vendor,
                    month=_first_day(month) if month else None,
                    tell=tell,
                )
            problems += built.problems
            said += f"; {built.same} closed months recomputed, all the same"
    for problem in problems:
        console.print(problem, markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print(said)


def _first_day(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise ValueError(f"a month is written 2026-06, got {month!r}.") from error


@app.command("close")
def close(month: Annotated[str, typer.Argument(help="Such as 2026-06.")], profile: Profile = None) -> None:
    """Close a month by hand: post its published credits to the ledger and freeze what it shows.

    What late data changed of months closed before is posted first. Closing again posts nothing.

    Example: avoir close 2026-06
    """
    from avoir.closing import close_month  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here):
        counts = close_month(here.settings, as_of=_as_of(here.settings), month=month, by_hand=True)
    console.print(
        f"{counts['closed']} months closed with {counts['entries']} entries; {counts['restated']} "
        f"entries restate months closed before; {counts['applicable']} may be booked",
        soft_wrap=True,
    )


@app.command("restate")
def restate(profile: Profile = None) -> None:
    """Post now what late data changed of closed months; else the next closing does. Again, it posts nothing.

    Example: avoir restate
    """
    from avoir.closing import restate_closed  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here):
        counts = restate_closed(here.settings, as_of=_as_of(here.settings))
    console.print(f"{counts['restated']} entries posted; {counts['applicable']} may be booked")


@app.command("release")
def release(
    vendor: str,
    month: Annotated[str, typer.Argument(help="Such as 2026-06.")],
    because: Annotated[str, typer.Option(help="Why it may be seen all the same; kept for auditors.")],
    currency: Annotated[str, typer.Option(help="Of the month's contracts.")] = "EUR",
    by: Annotated[str | None, typer.Option(help="Who decides; the user of the system by default.")] = None,
    profile: Profile = None,
) -> None:
    """Let a held month be seen, as it is held now; recorded with who and why. A changed one is held again.

    Example: avoir release helios 2026-06 --because "the probe was moved, the vendor agrees"
    """
    from avoir.publishing import release_held  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here):
        held = release_held(
            here.settings,
            (vendor, _first_day(month), currency),
            because=because,
            released_by=by or getpass.getuser(),
            as_of=_as_of(here.settings),
        )
    console.print(
        f"{vendor} {month} {currency} is published; it was held for: {'; '.join(held)}", markup=False
    )


def _as_of(settings: Settings) -> datetime:
    return settings.as_of or datetime.now(UTC)  # noqa: TID251 - the command's own clock


@procedure_app.command("list")
def procedure_list(
    vendor: Annotated[str | None, typer.Option(help="Only this vendor.")] = None,
    month: Annotated[str | None, typer.Option(help="Only what is booked in this month.")] = None,
    as_json: Json = False,
    profile: Profile = None,
) -> None:
    """Show where the procedure of every posted entry stands, and whether finance may book it.

    Example: avoir procedure list --vendor helios --month 2026-06
    """
    from avoir.closing import local_date  # noqa: PLC0415
    from avoir.procedure import entries  # noqa: PLC0415

    here = surroundings_here(profile)
    today = local_date(here.settings, _as_of(here.settings))
    with database(here) as warehouse, warehouse.connect("avoir_transformer") as connection:
        found = [
            {
                "entry_no": one.entry_no,
                "kind": one.entry_kind,
                "vendor": one.vendor_id,
                "contract": one.contract_id,
                "clause": one.clause_id,
                "month": f"{one.month_date:%Y-%m}",
                "booked_in": f"{one.posted_month_date:%Y-%m}",
                "amount": str(one.amount),
                "currency": one.currency,
                "corrects": one.corrects_entry_no,
                "state": str(one.state),
                "since": one.since.isoformat() if one.since else None,
                "finance_no": one.application_no,
            }
            for one in entries(connection, today=today)
            if vendor in {None, one.vendor_id} and month in {None, f"{one.posted_month_date:%Y-%m}"}
        ]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print_rows(found)


@procedure_app.command("load")
def procedure_load(
    path: Annotated[
        Path | None, typer.Argument(help="procedure.csv beside the contracts by default.")
    ] = None,
    profile: Profile = None,
) -> None:
    """Record the steps of a register file; exit 1 and name file and line of each that was refused.

    Header: vendor_id,contract_id,month,entry_no,state,decided_on,decided_by,document,reason

    Example: avoir procedure load decisions-2026-07.csv
    """
    from avoir.closing import settle  # noqa: PLC0415

    here = surroundings_here(profile)
    file = path or here.settings.procedure_file
    if not file.exists():
        raise FileNotFoundError(f"there is no register at {file}.")
    with database(here):
        settled = settle(here.settings, as_of=_as_of(here.settings), register=file)
    console.print(f"{settled['applicable']} entries may be booked now")
    if settled["refused_steps"]:
        raise typer.Exit(1)


def _step_command(state: str, says: str) -> None:
    example = (
        f"avoir procedure {state} helios 2026-06 --contract HEL-1 --on 2026-07-10 --by Martin --document L17"
    )

    @procedure_app.command(state, help=f"{says}\n\nExample: {example}")
    def step(
        vendor: str,
        month: Annotated[str, typer.Argument(help="The month it is booked in.")],
        contract: Annotated[str, typer.Option(help="Id of the contract.")],
        on: Annotated[str, typer.Option(help="The day, as 2026-07-10.")],
        by: Annotated[str, typer.Option(help="Who decided.")],
        document: Annotated[str, typer.Option(help="The letter, minutes or mail that says so.")],
        entry: Annotated[int | None, typer.Option(help="Only this ledger entry.")] = None,
        because: Annotated[str | None, typer.Option(help="In a few words.")] = None,
        profile: Profile = None,
    ) -> None:
        from avoir.closing import local_date  # noqa: PLC0415
        from avoir.procedure import State, Step, record, release_applicable  # noqa: PLC0415

        here = surroundings_here(profile)
        as_of = _as_of(here.settings)
        today = local_date(here.settings, as_of)
        one = Step(
            vendor,
            contract,
            _first_day(month),
            State(state),
            date.fromisoformat(on),
            by,
            document,
            entry,
            because,
        )
        with database(here) as warehouse, warehouse.connect("avoir_transformer") as connection:
            is_new = record(connection, one, as_of=as_of, today=today)
            applicable = release_applicable(connection, today=today, as_of=as_of)
        console.print(
            f"{'recorded' if is_new else 'was recorded before'}; {applicable} entries may be booked now"
        )


for _state, _says in (
    ("notified", "Record that the vendor was told what it owes; its days for observations begin."),
    ("contested", "Record that the vendor contests."),
    ("agreed", "Record that the vendor agrees; finance may book it."),
    ("waived", "Record that it is waived; finance never sees it."),
    ("applied", "Record that it was applied."),
):
    _step_command(_state, _says)


@roles_app.command("sync")
def roles_sync(
    vendor: Annotated[str | None, typer.Option(help="This vendor alone.")] = None,
    show_password: Annotated[
        bool, typer.Option("--show-password", help="Print the passwords, not only where they are kept.")
    ] = False,
    as_json: Json = False,
    profile: Profile = None,
) -> None:
    """Make the role of every vendor that a contract names; it may not sign in until that is granted.

    A vendor that no contract names any more may not sign in from then on. Exit 1: no such vendor.

    Examples:
      avoir roles sync

      avoir roles sync --vendor helios --show-password
    """
    from avoir.roles import sync_roles  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here) as warehouse:
        roles = sync_roles(warehouse, here.settings, only=vendor)
    rows: list[dict[str, Any]] = [
        {
            "vendor": one.vendor_id,
            "role": one.role_name,
            "signs in": "yes" if one.may_log_in else "no",
            "note": "made" if one.is_new else "" if one.has_contract else "no contract names it any more",
            **({"password": warehouse.passwords[one.role_name]} if show_password else {}),
        }
        for one in roles
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    _print_rows(rows)
    console.print(
        f"Passwords are kept in {here.settings.profile_home}/credentials.json under the role's name",
        soft_wrap=True,
    )


@roles_app.command("grant-login")
def roles_grant_login(vendor: str, profile: Profile = None) -> None:
    """Let the role of a vendor sign in. Exit 1: the vendor has no role.

    Example: avoir roles grant-login helios
    """
    from avoir.roles import allow_login  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here) as warehouse:
        role = allow_login(warehouse, vendor, allowed=True)
    console.print(
        f"{role.role_name} may sign in to {warehouse.database} at {warehouse.host}:{warehouse.port}; "
        f"its password is kept in {here.settings.profile_home}/credentials.json",
        soft_wrap=True,
    )


@roles_app.command("revoke-login")
def roles_revoke_login(vendor: str, profile: Profile = None) -> None:
    """Let the role of a vendor sign in no longer, and end its sessions. Exit 1: the vendor has no role.

    Example: avoir roles revoke-login helios
    """
    from avoir.roles import allow_login  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here) as warehouse:
        role = allow_login(warehouse, vendor, allowed=False)
    console.print(f"{role.role_name} may not sign in")


@app.command()
def explain(
    credit: Annotated[str, typer.Argument(help="A penalty_line_id, or the number of a ledger entry.")],
    form: Annotated[str, typer.Option("--format", help="table, json or html.")] = "table",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of printing.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows of each kind that are shown.")] = 200,
    profile: Profile = None,
) -> None:
    """Show everything behind one credit: ledger, clause, every step, the fact, invoices, and the raw rows.

    A line of a closed month is shown as it was frozen, with what the last build would say now. Exit code 2:
    there is no such line or entry. The JSON is described by docs/evidence.schema.json.

    Examples:
      avoir explain 4

      avoir explain 9b2f6c0d5f0c4a4f8f6f3f0f7f9a1b2c --format html --out credit.html
    """
    from avoir.evidence.asking import UnknownRecordError  # noqa: PLC0415
    from avoir.evidence.explaining import explain as explained_by  # noqa: PLC0415
    from avoir.evidence.telling import page_of, print_explained, write_text  # noqa: PLC0415

    _choose_format(form, ("table", "json", "html"))
    here = surroundings_here(profile)
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        try:
            explained = explained_by(connection, credit, limit=limit)
        except UnknownRecordError as error:
            _exit_unknown(error)
    if form == "table":
        with _output(out) as printer:
            print_explained(printer, explained)
        return
    text = page_of(explained) if form == "html" else json.dumps(explained, indent=2) + "\n"
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        errors.print(f"{out} is written", markup=False, soft_wrap=True)


@app.command()
def impact(
    raw_table: Annotated[str, typer.Argument(help="A raw table, as servicenow.incident.")],
    record: Annotated[
        list[str], typer.Argument(help="BATCH_ID and SOURCE_ROW, or the record's own key or number.")
    ],
    source: Annotated[str | None, typer.Option(help="Only records of this source.")] = None,
    form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    limit: Annotated[int, typer.Option(min=1, help="Most rows of each kind that are shown.")] = 200,
    profile: Profile = None,
) -> None:
    """Show what a raw record reaches: facts, penalty lines, months, ledger entries and credit notes.

    By key, all landed versions of the record are meant, of every source that has one. A key of several parts
    is joined by |. Exit code 2: there is no such table or row.

    Examples:
      avoir impact servicenow.incident INC0029006 --source helios_servicenow

      avoir impact raw_servicenow.sys_audit 4 117 --format json

      avoir impact prometheus.samples "helios-platform|2026-06-05T00:45:17Z"
    """
    from avoir.evidence.asking import UnknownRecordError  # noqa: PLC0415
    from avoir.evidence.impact import impact as reached_by  # noqa: PLC0415
    from avoir.evidence.telling import print_impact  # noqa: PLC0415

    _choose_format(form, ("table", "json"))
    here = surroundings_here(profile)
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        try:
            reached = reached_by(connection, raw_table, record, source=source, limit=limit)
        except UnknownRecordError as error:
            _exit_unknown(error)
    if form == "json":
        print(json.dumps(reached, indent=2))
    else:
        print_impact(console, reached)


def _choose_format(form: str, known: tuple[str, ...]) -> None:
    if form not in known:
        raise RuntimeError(f"there is no format {form!r}; use {', '.join(known[:-1])} or {known[-1]}.")


def _exit_unknown(error: Exception) -> NoReturn:
    errors.print(f"avoir: {error}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(UNKNOWN_RECORD) from error


@contextmanager
def _output(out: Path | None) -> Iterator[Console]:
    """The terminal, or a file of plain text."""
    if out is None:
        yield console
        return
    with out.open("w", encoding="utf-8") as file:
        yield Console(file=file, highlight=False, width=140)
    errors.print(f"{out} is written", markup=False, soft_wrap=True)


@contracts_app.command("check")
def contracts_check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or directories; the profile's by default.")
    ] = None,
    as_json: Json = False,
    profile: Profile = None,
) -> None:
    """Print every problem of contract files with its line and its mend.

    Exit 1 when one is an error: such a file is not loaded. A warning alone keeps no file from loading.

    Example: avoir contracts check contracts/demo/helios
    """
    from avoir.contracts.check import files_at, summary  # noqa: PLC0415
    from avoir.contracts.problems import in_reading_order  # noqa: PLC0415

    settings = Settings.from_environment(profile=profile)
    files = files_at(paths or [settings.contracts_dir])
    problems = in_reading_order(problem for file in files for problem in file.problems)
    if as_json:
        print(json.dumps([asdict(problem) for problem in problems], indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            print(problem)
        print(summary(files))
    if any(problem.is_error for problem in problems):
        raise typer.Exit(1)


@contracts_app.command("test")
def contracts_test(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or directories; the profile's by default.")
    ] = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Show every expected value.")] = False,
    as_json: Json = False,
    profile: Profile = None,
) -> None:
    """Run the worked tests of contract files through the models of the night, in one build.

    They run in scratch schemas of the profile's warehouse, which is started for it when it is not up; nothing
    published changes. Exit 1 when a value differs or a file has a mistake.

    Examples:
      avoir contracts test

      avoir contracts test contracts/templates --all
    """
    from avoir.contracts.check import files_at  # noqa: PLC0415
    from avoir.contracts.proving import prove  # noqa: PLC0415
    from avoir.contracts.scratch import scratch_warehouse  # noqa: PLC0415

    here = surroundings_here(profile)
    files = files_at(paths or [here.settings.contracts_dir])
    refused = [file for file in files if not file.is_good]
    for file in refused:
        for problem in file.problems:
            print(problem, file=sys.stderr)
    with _clocked() as tell:
        count = sum(len(file.versions[0].contract.tests) for file in files if file.is_good and file.versions)
        tell(f"{count} tests of {len(files)} files")
        proofs = []
        if count:
            with database(here) as warehouse:
                url = warehouse.url("avoir_transformer")
                project = here.settings.checkout / "dbt_project"
                tell("planting and building")
                with scratch_warehouse(url, here.environment, project=project, own_raw=True) as scratch:
                    proofs = prove(scratch, files)
        tell(f"{sum(proof.holds for proof in proofs)} of {len(proofs)} tests hold")
    rows = [
        {
            "file": proof.shown,
            "test": proof.test,
            "of": one.selection,
            "step": one.name,
            "expected": one.expected,
            "got": one.got,
            "verdict": _verdict(proof, one),
        }
        for proof in proofs
        for one in proof.comparisons
        if as_json or all_rows or not one.agrees
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        _print_rows(rows)
    if refused or not all(proof.holds for proof in proofs):
        raise typer.Exit(1)


@contracts_app.command("new")
def contracts_new(
    target: Annotated[Path | None, typer.Argument(help="The file to write; printed when left out.")] = None,
    template: Annotated[str | None, typer.Option(help="Which template; left out, they are listed.")] = None,
) -> None:
    """Start a contract file from a template, with its worked tests.

    Examples:
      avoir contracts new

      avoir contracts new --template ccag-tic contracts/mine/acme/ACM-2026-01.yml
    """
    folder = Settings.from_environment().checkout / "contracts" / "templates"
    known = {path.stem: path for path in sorted(folder.glob("*.yml"))}
    if template is None:
        for name, path in known.items():
            lines = path.read_text().splitlines()
            title = next(
                (line.removeprefix("name: ").split("#")[0] for line in lines if line.startswith("name: ")), ""
            )
            console.print(f"{name:20} {title}", markup=False, soft_wrap=True)
        return
    if template not in known:
        raise RuntimeError(f"there is no template {template!r}; use one of {', '.join(known)}.")
    text = known[template].read_text()
    if target is None:
        print(text, end="")
        return
    if target.exists():
        raise RuntimeError(f"{target} exists already; nothing was written.")
    target.parent.mkdir(parents=True, exist_ok=True)
    schema = os.path.relpath(folder.parent / "contract.schema.json", target.absolute().parent)
    target.write_text(text.replace("$schema=../contract.schema.json", f"$schema={schema}"))
    console.print(f"{target} is written. Change what is marked, then:", markup=False, soft_wrap=True)
    console.print(
        f"  avoir contracts check {target}\n  avoir contracts test {target}", markup=False, soft_wrap=True
    )


@app.command()
def whatif(
    contract: Annotated[Path, typer.Option(help="The changed file, with the id of a published contract.")],
    from_month: Annotated[str, typer.Option("--from", help="First month, YYYY-MM.")],
    to_month: Annotated[str, typer.Option("--to", help="Last month, YYYY-MM.")],
    as_json: Json = False,
    profile: Profile = None,
) -> None:
    """Replay published history under a changed contract and print what would differ, per clause and month.

    The models read what really landed, in scratch schemas: nothing published changes.

    Example: avoir whatif --contract HEL-draft.yml --from 2025-01 --to 2025-12
    """
    from avoir.contracts.check import files_at  # noqa: PLC0415
    from avoir.contracts.whatif import replay  # noqa: PLC0415

    first, last = (_month(text) for text in (from_month, to_month))
    if first > last:
        raise RuntimeError(f"--from {from_month} lies after --to {to_month}.")
    here = surroundings_here(profile)
    (file,) = files_at([contract])
    if not file.is_good:
        for problem in file.problems:
            print(problem)
        raise typer.Exit(1)
    with _clocked() as tell, database(here) as warehouse:
        with warehouse.connect("avoir_transformer") as connection:
            found = connection.execute(
                "select as_of from checks.builds order by build_no desc limit 1"
            ).fetchone()
        if found is None:
            raise RuntimeError("nothing is published yet; `avoir run` first.")
        tell(f"replaying {from_month} to {to_month} under {contract}, as of {found[0]:%Y-%m-%d %H:%M}Z")
        months = replay(
            warehouse.url("avoir_transformer"),
            here.environment,
            file,
            project=here.settings.checkout / "dbt_project",
            as_of=found[0],
            first=first,
            last=last,
        )
    rows: list[dict[str, Any]] = [
        {
            "month": f"{one.month:%Y-%m}",
            "clause": one.clause_id,
            "published": one.published_amount,
            "what if": one.whatif_amount,
            "difference": one.difference_amount,
            "currency": one.currency,
        }
        for one in months
    ]
    if as_json:
        print(to_json(rows))
        return
    names = ("published", "what if", "difference")
    totals = {name: sum((row[name] for row in rows if row[name] is not None), Decimal(0)) for name in names}
    currency = months[0].currency if months else ""
    _print_rows([*rows, {"month": "total", "clause": "", **totals, "currency": currency}])


def _verdict(proof: Any, one: Any) -> str:
    if one.agrees:
        return "ok"
    return "differs first" if one is proof.first_difference else "differs"


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise RuntimeError(f"{text!r} is not a month; write it as 2025-01.") from error


@demo_app.command("build")
def demo_build(profile: Profile = None) -> None:
    """Make the demo's world: histories, invoices, truth.

    Example: avoir demo build
    """
    from avoir.demo.world import build_world  # noqa: PLC0415

    settings = Settings.from_environment(profile=profile)
    build_world(settings.profile_home / "world")
    console.print(str(settings.profile_home / "world"), soft_wrap=True)


@demo_app.command("serve")
def demo_serve(profile: Profile = None) -> None:
    """Serve the demo's vendor systems over HTTP on loopback, in the foreground.

    Example: avoir demo serve
    """
    from avoir.demo.server import serve  # noqa: PLC0415

    here = surroundings_of(Settings.from_environment(profile=profile))
    serve(here.settings.profile_home / "world", here.ports["vendors"])


@dbt_app.command("parse")
def dbt_parse(profile: Profile = None) -> None:
    """Make the manifest that the DAG is drawn from.

    Example: avoir dbt parse
    """
    from avoir.modelling import parse_project  # noqa: PLC0415

    here = surroundings_here(profile)
    manifest = parse_project(here.settings.checkout / "dbt_project", here.environment, manifest=here.manifest)
    console.print(str(manifest), soft_wrap=True)


@dbt_app.command("forget")
def dbt_forget(profile: Profile = None) -> None:
    """Make the next build compute every ticket and month anew, not only what was touched.

    Needed after raw rows were changed by hand; other models, library or calendars are noticed by themselves.

    Example: avoir dbt forget && avoir run
    """
    from avoir.increments import drop_increments  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here), here.warehouse.connect("avoir_transformer") as connection:
        dropped = drop_increments(connection, here.settings.checkout / "dbt_project")
    console.print(f"{len(dropped)} tables will be made anew by the next build")


def published_months(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Every month the gate ever judged, with its latest verdict and, if published, its numbers."""
    found = connection.execute("select to_regclass('mart.mart_vendor_month') is not null").fetchone()
    if found != (True,):
        return []
    return _rows(
        connection,
        """
        with latest as (
            select distinct on (vendor_id, month_date, currency)
                vendor_id, month_date, currency, verdict, reason
            from mart.publication_log order by vendor_id, month_date, currency, publication_no desc
        )
        select l.vendor_id as vendor, to_char(l.month_date, 'YYYY-MM') as month, l.currency,
            case when l.verdict = 'unchanged' then 'published' else l.verdict end as verdict, l.reason,
            m.vendor_id is not null as is_published,
            m.availability_pct, m.coverage_pct, m.sla_met_count, m.sla_judged_count, m.sla_met_pct,
            m.invoiced_amount, m.credit_amount, m.penalty_line_count,
            c.vendor_id is not null as is_closed
        from latest l
        left join mart.mart_vendor_month m using (vendor_id, month_date, currency)
        left join ledger.closed_months c using (vendor_id, month_date, currency)
        order by 1, 2, 3
        """,
    )


def _rows(connection: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        # As a prepared statement: one statement only, so that no `commit;` can end the transaction first.
        cursor.execute(query, prepare=True)
        if cursor.description is None:
            return []
        names = []
        for position, column in enumerate(cursor.description, start=1):
            names.append(column.name if column.name not in names else f"{column.name}_{position}")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _print_months(months: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("vendor", "month"):
        table.add_column(name)
    for name in ("availability %", "SLA met", "invoiced", "credits", ""):
        table.add_column(name, justify="right")
    table.add_column("gate")
    for one in months:
        judged = one["sla_judged_count"]
        table.add_row(
            one["vendor"],
            one["month"],
            "" if one["availability_pct"] is None else f"{one['availability_pct']:.4f}",
            "" if judged is None else f"{one['sla_met_count']}/{judged}",
            "" if one["invoiced_amount"] is None else f"{one['invoiced_amount']:,.2f}",
            "" if one["credit_amount"] is None else f"{one['credit_amount']:,.2f}",
            one["currency"],
            cell(_gate(one)),
        )
    console.print(table)


def _gate(one: dict[str, Any]) -> str:
    if one["is_closed"]:
        return "closed"
    return str(one["verdict"]) if one["verdict"] == "published" else f"{one['verdict']}: {one['reason']}"


def _print_rows(rows: list[dict[str, Any]]) -> None:
    if rows:
        console.print(as_table(rows))
