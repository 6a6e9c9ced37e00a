"""Making the world: records, probes, invoices, connections and truth, written once into one folder.

    <world_dir>/
      world.json                      what this world is; written last, so a half-made one has none
      sources.yml                     its connections, for the loader
      secrets.env                     passwords and tokens of its servers, made at random, mode 0600
      truth.json                      what the warehouse must find
      <vendor>/servicenow/<table>.json
      <vendor>/prometheus/<job>.csv   milliseconds since 1970, value
      <vendor>/invoices/*.pdf, *.xml  each file's time is when it was dropped

Everything but the secrets depends on the seed alone.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from avoir.demo import facturx_documents, invoices, releases, tickets, truth, ubl_documents, uptime
from avoir.demo.calendars import OpenHours
from avoir.demo.history import Tables
from avoir.demo.invoices import Invoice
from avoir.demo.months import Month
from avoir.demo.vendors import (
    AS_OF,
    DEFAULT_SEED,
    FIRST_MONTH,
    LAST_MONTH,
    SERVICENOW_USER,
    VENDORS,
    WORLD_VERSION,
    Vendor,
)

URL_VARIABLE = "AVOIR_DEMO_URL"
WORLD_VARIABLE = "AVOIR_DEMO_WORLD"
_AS_OF = round(AS_OF.timestamp())
_RELEASE_LEAD = timedelta(days=50)
"""Releases of a month are created up to this long before it."""
_LEAD_IN = timedelta(hours=12)


@dataclass(frozen=True)
class WorldPaths:
    """Where things are in a world."""

    root: Path

    @property
    def marker(self) -> Path:
        return self.root / "world.json"

    @property
    def sources_file(self) -> Path:
        return self.root / "sources.yml"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.env"

    @property
    def truth_file(self) -> Path:
        return self.root / "truth.json"

    def table_file(self, vendor_id: str, table: str) -> Path:
        return self.root / vendor_id / "servicenow" / f"{table}.json"

    def samples_file(self, vendor_id: str, monitor: str) -> Path:
        return self.root / vendor_id / "prometheus" / f"{monitor}.csv"

    def invoices_dir(self, vendor_id: str) -> Path:
        return self.root / vendor_id / "invoices"

    def environment(self, url: str) -> dict[str, str]:
        """Every variable that ``sources.yml`` refers to, given the address of the running server."""
        places = {URL_VARIABLE: url, WORLD_VARIABLE: str(self.root.absolute())}
        return places | read_secrets(self.secrets_file)


def secret_name(source_name: str) -> str:
    """The environment variable that holds a source's password or token."""
    return f"AVOIR_SECRET_{source_name.upper()}"


def read_secrets(path: Path) -> dict[str, str]:
    """Name and value of every line of ``secrets.env``; empty when there is none."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def build_world(
    world_dir: Path,
    *,
    seed: int = DEFAULT_SEED,
    vendors: Sequence[str] | None = None,
    months: int | None = None,
) -> WorldPaths:
    """Make the world in ``world_dir``, unless the very same is already there.

    Args:
        world_dir: replaced as a whole when it holds another world or half of one; its secrets are kept.
        vendors: ids of ``VENDORS``; all of them by default.
        months: how many of the 18 months before ``AS_OF``, counted from the last; all of them by default.

    Raises:
        ValueError: an unknown vendor, or a number of months that is not between 1 and 18.
    """
    chosen = tuple(VENDORS if vendors is None else vendors)
    unknown = [vendor_id for vendor_id in chosen if vendor_id not in VENDORS]
    if unknown or not chosen:
        msg = f"vendors must be some of {', '.join(VENDORS)}, got {unknown or 'none'}"
        raise ValueError(msg)
    every = Month.span(FIRST_MONTH, LAST_MONTH)
    if months is not None and not 1 <= months <= len(every):
        msg = f"months must be between 1 and {len(every)}, got {months}"
        raise ValueError(msg)
    told = every if months is None else every[-months:]
    paths = WorldPaths(world_dir.absolute())
    identity = {
        "version": WORLD_VERSION,
        "seed": seed,
        "as_of": AS_OF.isoformat(),
        "vendors": list(chosen),
        "months": [str(month) for month in told],
    }
    if paths.marker.exists() and json.loads(paths.marker.read_text(encoding="utf-8")) == identity:
        return paths
    _replace_atomically(paths, identity, chosen, told, seed)
    return paths


def _replace_atomically(
    paths: WorldPaths, identity: Mapping[str, object], chosen: Sequence[str], told: Sequence[Month], seed: int
) -> None:
    making = WorldPaths(paths.root.with_name(f".{paths.root.name}.making"))
    shutil.rmtree(making.root, ignore_errors=True)
    making.root.mkdir(parents=True)
    _write_secrets(making, chosen, read_secrets(paths.secrets_file))
    sections: dict[str, list[truth.JsonRow]] = {}
    for vendor_id in chosen:
        for section, rows in _make_vendor(making, VENDORS[vendor_id], told, seed).items():
            sections.setdefault(section, []).extend(rows)
    _write_json(making.truth_file, {**identity, "definitions": dict(truth.DEFINITIONS), **sections}, indent=1)
    making.sources_file.write_text(sources_yml(chosen, told), encoding="utf-8")
    _write_json(making.marker, identity, indent=1)
    former = paths.root.with_name(f".{paths.root.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    if paths.root.exists():
        paths.root.rename(former)
    making.root.rename(paths.root)
    shutil.rmtree(former, ignore_errors=True)


def _write_json(path: Path, content: object, indent: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def _write_secrets(paths: WorldPaths, chosen: Sequence[str], kept: Mapping[str, str]) -> None:
    sources = [f"{vendor_id}_{system}" for vendor_id in chosen for system in ("servicenow", "prometheus")]
    names = [secret_name(source) for source in sources]
    lines = [f"{name}={kept.get(name) or secrets.token_urlsafe(24)}\n" for name in names]
    descriptor = os.open(paths.secrets_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(lines)


def _make_vendor(
    paths: WorldPaths, vendor: Vendor, told: Sequence[Month], seed: int
) -> dict[str, list[truth.JsonRow]]:
    """Write one vendor's systems and return what is true about it."""
    tables = Tables()
    for month in (*told, told[-1].plus(1)):
        _tell_records(tables, vendor, month, seed)
    starts_with_contract = told[0] == FIRST_MONTH
    if starts_with_contract:
        _tell_lead_in(tables, vendor, seed)
    start = told[0].bounds(vendor.zone)[0]
    samples = _tell_uptime(tables, vendor, told, start, seed)
    documents = {month: invoices.tell_month(vendor, month, seed) for month in told}

    for table, rows in tables.as_dict().items():
        _write_json(paths.table_file(vendor.vendor_id, table), rows)
    samples_file = paths.samples_file(vendor.vendor_id, vendor.monitor)
    samples_file.parent.mkdir(parents=True)
    samples_file.write_text("".join(f"{at},{value}\n" for at, value in samples), encoding="ascii")
    for document in (document for month in told for document in documents[month]):
        _drop_invoice(paths, vendor, document)
    return truth.truth_of(vendor, told, tables, samples, documents, _AS_OF)


def _tell_records(tables: Tables, vendor: Vendor, month: Month, seed: int) -> None:
    version = vendor.version_on(month.first_day) or vendor.versions[0]
    hours = OpenHours(version.calendar(version.support.calendar_id), vendor.zone)
    target = version.support.target_seconds
    drafts = tickets.tell_month(vendor, month, hours, target, seed)
    if month > LAST_MONTH:
        drafts += tickets.still_running(vendor, hours, target, seed, _AS_OF)
    tickets.add_tickets(tables, vendor, month, drafts, seed, _AS_OF)
    plans = releases.tell_month(vendor, month, version.releases.replan_notice_days, seed)
    if month == LAST_MONTH:
        plans.append(releases.not_delivered(vendor, month, version.releases.replan_notice_days, seed))
    releases.add_releases(tables, vendor, month, plans, seed, _AS_OF)


def _tell_lead_in(tables: Tables, vendor: Vendor, seed: int) -> None:
    """Tickets of the last two days before the contract: they must not be judged."""
    month = FIRST_MONTH.plus(-1)
    version = vendor.versions[0]
    hours = OpenHours(version.calendar(version.support.calendar_id), vendor.zone)
    drafts = tickets.tell_month(vendor, month, hours, version.support.target_seconds, seed)
    end = month.bounds(vendor.zone)[1]
    drafts = [draft for draft in drafts if draft.created >= end - 2 * 86_400]
    tickets.add_tickets(tables, vendor, month, drafts, seed, _AS_OF)


def _tell_uptime(
    tables: Tables, vendor: Vendor, told: Sequence[Month], start: int, seed: int
) -> list[tuple[int, int]]:
    """Probes of the told months up to ``AS_OF``, and of some hours before where the contract starts there."""
    weathers = []
    for month in (told[0].plus(-1), *told, told[-1].plus(1)):
        if month < FIRST_MONTH:
            continue
        weather = uptime.tell_weather(vendor, month, seed)
        weathers.append(weather)
        tables.cmdb_ci_outage.extend(uptime.outage_rows(vendor, month, weather, seed, _AS_OF))
    lead_in = round(_LEAD_IN.total_seconds()) if told[0] == FIRST_MONTH else 0
    return uptime.probe(vendor, weathers, start - lead_in, _AS_OF, seed)


def _drop_invoice(paths: WorldPaths, vendor: Vendor, document: Invoice) -> None:
    if document.dropped_at > AS_OF:
        return
    folder = paths.invoices_dir(vendor.vendor_id)
    folder.mkdir(parents=True, exist_ok=True)
    if vendor.invoice_format == "factur-x":
        file, content = folder / f"{document.number}.pdf", facturx_documents.pdf(document)
    else:
        file, content = folder / f"{document.number}.xml", ubl_documents.ubl(document)
    file.write_bytes(content)
    dropped = document.dropped_at.timestamp()
    os.utime(file, (dropped, dropped))


def sources_yml(chosen: Sequence[str], told: Sequence[Month]) -> str:
    """The connections file: three sources for each vendor, addresses and secrets by variable."""
    first = datetime.combine(told[0].first_day, datetime.min.time(), UTC)
    return "".join(_sources_lines(chosen, first))


def _sources_lines(chosen: Sequence[str], first: datetime) -> Iterator[str]:
    yield (
        "# Written with the demo world. Addresses come from the environment, secrets from secrets.env.\n"
        "sources:\n"
    )
    for vendor_id in chosen:
        vendor = VENDORS[vendor_id]
        yield (
            f"  - name: {vendor.servicenow_source}\n"
            f"    system: servicenow\n"
            f"    vendor: {vendor_id}\n"
            f"    url: ${{{URL_VARIABLE}}}/{vendor_id}/servicenow\n"
            f"    username: {SERVICENOW_USER}\n"
            f"    secret_env: {secret_name(vendor.servicenow_source)}\n"
            f"    history_from: {_instant(first - _RELEASE_LEAD)}\n"
            f"    options: {{tables: [{', '.join(field.name for field in fields(Tables))}]}}\n"
            f"  - name: {vendor.prometheus_source}\n"
            f"    system: prometheus\n"
            f"    vendor: {vendor_id}\n"
            f"    url: ${{{URL_VARIABLE}}}/{vendor_id}/prometheus\n"
            f"    secret_env: {secret_name(vendor.prometheus_source)}\n"
            f"    history_from: {_instant(first - timedelta(days=2))}\n"
            f"    options:\n"
            f'      query: probe_success{{job="{vendor.monitor}"}}\n'
            f"      monitor_label: job\n"
            f"  - name: {vendor.invoices_source}\n"
            f"    system: einvoice_folder\n"
            f"    vendor: {vendor_id}\n"
            f"    url: ${{{WORLD_VARIABLE}}}/{vendor_id}/invoices\n"
            f"    history_from: {_instant(first - timedelta(days=2))}\n"
        )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
