"""``avoir sources``, ``avoir load`` and ``avoir quarantine``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row
from rich.box import HEAVY_HEAD
from rich.console import Console

from avoir.failures import told_failures
from avoir.loading import LoadReport, load_window, next_window
from avoir.quarantine import kept_aside, kept_records, retry
from avoir.running import find_source
from avoir.services import Surroundings, database, surroundings_here
from avoir.settings import Settings
from avoir.sources.drift import drifts, seen_fields
from avoir.sources.model import SourceConnection, Window, parse_sources
from avoir.sources.reaching import reach
from avoir.sources.register import system_of
from avoir.telling import as_json as to_json
from avoir.telling import as_table, printable

NO_RECORD, STILL_KEPT = 3, 4

sources_app = typer.Typer(
    help="""The vendors' systems that are read: state, watermark, last counts.

Examples:

  avoir sources

  avoir sources check acme_jira

  avoir sources fields acme_jira
""",
    invoke_without_command=True,
    rich_markup_mode=None,
)
quarantine_app = typer.Typer(
    help="""Records that could not be landed, by reason.

Examples:

  avoir quarantine

  avoir quarantine show acme_invoices --reason totals_differ

  avoir quarantine retry acme_invoices
""",
    invoke_without_command=True,
    rich_markup_mode=None,
)

Profile = Annotated[str | None, typer.Option(help="demo, real or your own; AVOIR_PROFILE, else demo.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

errors = Console(stderr=True, highlight=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@sources_app.callback()
def list_sources(context: typer.Context, profile: Profile = None, as_json: Json = False) -> None:
    """List the sources: state, watermark, counts of the last load, records in quarantine.

    Drift counts the fields of the vendor's records that came, went or changed their kind within the thirty
    days before the last load; `avoir sources fields NAME` tells which.
    """
    if context.invoked_subcommand is not None:
        return
    here = surroundings_here(profile)
    sources = parse_sources(here.settings.sources_file, here.environment)
    failed = {one["dag_id"]: one["reason"] for one in told_failures(here.settings)}
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        loaded = _last_loads(connection)
    rows = [_listed(source, loaded.get(source.name), failed) for source in sources]
    _show(rows, as_json=as_json)


def _last_loads(connection: psycopg.Connection) -> dict[str, dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        """
        select
            w.source_name, w.watermark, b.landed_at, b.rows_read, b.rows_landed, b.rows_duplicate,
            b.rows_rejected,
            (
                select count(*) from loads.rejected r
                where r.source_name = w.source_name and r.settled_by is null
            ) as in_quarantine,
            (
                select count(*)
                from loads.fields f
                join loads.batches c on c.batch_id in (f.came_in, f.went_in, f.changed_in)
                where f.source_name = w.source_name and c.landed_at > b.landed_at - interval '30 days'
            ) as drift
        from loads.watermarks w
        join loads.batches b on b.batch_id = (
            select max(last.batch_id) from loads.batches last where last.source_name = w.source_name
        )
        """
    )
    return {row["source_name"]: row for row in cursor}


def _listed(
    source: SourceConnection, load: Mapping[str, Any] | None, failed: Mapping[str, str]
) -> dict[str, Any]:
    load = load or {}
    state = "never loaded"
    if load:
        state = f"{load['in_quarantine']} in quarantine" if load["in_quarantine"] else "landed"
    return {
        "source": source.name,
        "system": source.system,
        "vendor": source.vendor,
        "state": state,
        "watermark": load.get("watermark"),
        "last_load_at": load.get("landed_at"),
        "read": load.get("rows_read"),
        "landed": load.get("rows_landed"),
        "duplicate": load.get("rows_duplicate"),
        "rejected": load.get("rows_rejected"),
        "drift": load.get("drift"),
        "last_failure": failed.get(f"load_{source.name}"),
    }


@sources_app.command("check")
def check(name: str, profile: Profile = None) -> None:
    """Try one source: its secret, its address, one record. Nothing is landed.

    Exit code 1: it cannot be read. 3: it was read and gave no record that can be landed.

    Example: avoir sources check acme_jira
    """
    here = surroundings_here(profile)
    source = _source(here, name)
    as_of = _as_of(here.settings)
    console.print(f"{source.name}: {source.system} at {source.url}", markup=False, soft_wrap=True)
    if source.secret_place is not None and source.secret:
        console.print(f"  secret       {source.secret_place} has it", markup=False)
    reached = reach(source, as_of)
    console.print("  reached      it answers, and the credentials are accepted", markup=False)
    if reached.refused:
        console.print(f"  quarantine   {reached.refused}", markup=False, soft_wrap=True)
    if reached.record is None:
        errors.print(
            f"avoir: {source.name} gave no record that can be landed in {reached.window}; "
            "if it should hold some, check what the account may read and history_from.",
            style="red",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(NO_RECORD)
    console.print(f"  one record   {reached.record}", markup=False, soft_wrap=True)
    console.print(f"ready: `avoir load {source.name}` reads all of it.", markup=False)


@sources_app.command("fields")
def fields(
    name: str,
    every: Annotated[bool, typer.Option("--all", help="Every field that was seen, not only drift.")] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show which fields of a source's records came, went or changed their kind, and with which load.

    Avoir reads fields by their names, so a new one is left where it is; a record that lacks one, or has it in
    another kind, is kept in quarantine.

    Example: avoir sources fields acme_jira --all
    """
    here = surroundings_here(profile)
    source = _source(here, name)
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        rows = seen_fields(connection, source.name) if every else drifts(connection, source.name)
    if rows or as_json:
        _show(rows, as_json=as_json)
    else:
        console.print(f"no field of {name} came, went or changed its kind", markup=False)


def load(
    name: str,
    since: Annotated[
        datetime | None, typer.Option("--from", help="Start of the stretch, UTC; else the watermark.")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Its end, UTC; else now.")] = None,
    profile: Profile = None,
) -> None:
    """Load the next window of one source, or a stretch of its history again, without Airflow.

    A stretch is loaded month by month, each whole or not at all; what has landed before is counted as
    duplicate, so an interrupted load is simply started again.

    Example: avoir load helios_servicenow --from 2026-01-01 --to 2026-04-01
    """
    here = surroundings_here(profile)
    source = _source(here, name)
    as_of = _utc(until) or _as_of(here.settings)
    with database(here) as warehouse, warehouse.connect("avoir_loader") as connection:
        begin = _utc(since)
        if begin is None:
            window = next_window(connection, source, as_of)
            windows = [] if window is None else [window]
        elif begin >= as_of:
            raise RuntimeError(f"--from {begin:%Y-%m-%d %H:%M} is not before --to {as_of:%Y-%m-%d %H:%M}.")
        else:
            whole = Window(begin, as_of)
            windows = [whole] if system_of(source).reads_all else list(whole.months())
        if not windows:
            console.print(f"{name} has landed up to {as_of}: nothing to load", markup=False)
        with _telling(len(windows)) as tell:
            for window in windows:
                report = load_window(connection, source, window)
                tell(report)
                if report.watermark < window.start:
                    gap = f"the watermark of {name} stays at {report.watermark}"
                    errors.print(f"{gap}: load from there to close the gap", markup=False)


@quarantine_app.callback()
def list_kept(context: typer.Context, profile: Profile = None, as_json: Json = False) -> None:
    """Count the records in quarantine by source, table and reason."""
    if context.invoked_subcommand is not None:
        return
    with database(surroundings_here(profile)) as warehouse, warehouse.connect("auditor") as connection:
        rows = [asdict(one) for one in kept_aside(connection)]
    if rows or as_json:
        _show(rows, as_json=as_json)
    else:
        console.print("nothing is in quarantine")


@quarantine_app.command("show")
def show_kept(
    name: Annotated[str, typer.Argument(help="The source.")],
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many records.")] = 20,
    with_settled: Annotated[bool, typer.Option("--settled", help="Also those settled since.")] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show records of a source as the vendor gave them, with file, row and reason.

    Example: avoir quarantine show acme_invoices --reason totals_differ --limit 5
    """
    with database(surroundings_here(profile)) as warehouse, warehouse.connect("auditor") as connection:
        records = kept_records(connection, name, reason_code=reason, with_settled=with_settled, limit=limit)
    if as_json:
        _show([asdict(one) for one in records], as_json=True)
        return
    for one in records:
        where = f"{one.file_name or one.table_name}" + (f", row {one.source_row}" if one.source_row else "")
        settled = f", settled by batch {one.settled_by}" if one.settled_by else ""
        console.print(
            f"{one.rejected_id}  {where}: {one.reason_code}, {one.reason} (batch {one.batch_id}{settled})",
            markup=False,
            soft_wrap=True,
        )
        console.print(f"    {printable(one.payload)}", markup=False, soft_wrap=True, style="dim")
    if not records:
        console.print(f"nothing of {name} is in quarantine", markup=False)


@quarantine_app.command("retry")
def retry_kept(
    name: Annotated[str | None, typer.Argument(help="The source; without it, each that waits.")] = None,
    profile: Profile = None,
) -> None:
    """Ask the vendor's system again for the stretches that records in quarantine came from.

    A record that was mended lands; one that is given as it was stays. Exit code 4: some still wait.

    Example: avoir quarantine retry acme_invoices
    """
    here = surroundings_here(profile)
    with database(here) as warehouse, warehouse.connect("avoir_loader") as connection:
        waiting = sorted({one.source_name for one in kept_aside(connection)})
        connection.commit()
        names = waiting if name is None else [name]
        for one in names:
            with _telling(None) as tell:
                for report in retry(connection, _source(here, one)):
                    tell(report)
        still = [one for one in kept_aside(connection) if one.source_name in names]
    for kept in still:
        console.print(
            f"{kept.source_name} {kept.table_name}: {kept.records} still wait, {kept.reason_code}",
            markup=False,
        )
    if still:
        raise typer.Exit(STILL_KEPT)
    console.print("nothing of them is in quarantine any more" if names else "nothing was in quarantine")


def _as_of(settings: Settings) -> datetime:
    return settings.as_of or datetime.now(UTC)  # noqa: TID251 - a person asks now


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=instant.tzinfo or UTC)


def _source(here: Surroundings, name: str) -> SourceConnection:
    return find_source(here.settings, name, here.environment)


@contextmanager
def _telling(total: int | None) -> Iterator[Any]:
    began, done = time.monotonic(), 0

    def tell(report: LoadReport) -> None:
        nonlocal done
        done += 1
        part = f" {done}/{total}" if total and total > 1 else ""
        settled = f", {report.rows_settled} settled" if report.rows_settled else ""
        stretch = f"{report.window.start:%Y-%m-%d %H:%M} to {report.window.end:%Y-%m-%d %H:%M}"
        console.print(
            f"[{time.monotonic() - began:6.1f} s]{part} {report.source_name} {stretch}: "
            f"{report.rows_read} read, {report.rows_landed} landed, {report.rows_duplicate} duplicate, "
            f"{report.rows_rejected} rejected{settled}",
            markup=False,
            soft_wrap=True,
        )
        for change in report.drift:
            console.print(f"    drift: {printable(str(change))}", markup=False, soft_wrap=True)

    yield tell


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(to_json(rows))
    else:
        console.print(as_table(rows, HEAVY_HEAD))
