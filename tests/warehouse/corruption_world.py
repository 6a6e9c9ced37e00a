"""A world of many small vendors that all tell the same months, and one of them each tells one thing wrong.

The records are those of one demo vendor, thinned. Every vendor has contract, sources and servers of its own;
the family says what it is judged by: ``tickets``, ``probes``, ``invoices`` (with tickets), ``log`` (an
exported event log). Until ``corrupt`` is set all of them tell the truth.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psycopg

from avoir.demo.server import Prometheus, RefusedError, Reply, ServiceNow, _Handler
from avoir.demo.vendors import SERVICENOW_USER, VENDORS
from avoir.demo.world import WorldPaths, build_world
from avoir.sources.incident_log import EXPORT_COLUMNS

TELLER = VENDORS["borealis"]
PASSWORD = "of the test"
FIRST_NIGHT = datetime(2026, 6, 8, 4, tzinfo=UTC)
SECOND_NIGHT = datetime(2026, 7, 8, 4, tzinfo=UTC)
HISTORY_FROM = "2025-12-10T00:00:00Z"
HALF_AN_HOUR = 1800
FAMILIES = ("tickets", "probes", "invoices", "log")

Tables = dict[str, list[dict[str, str]]]
Samples = list[tuple[int, str]]


@dataclass(frozen=True)
class Kind:
    """One kind of corruption: what is wrong and where, the verdict on June that it must lead to, and why.

    ``reason`` and ``load`` are regular expressions: of the verdict's reason, and of what the load said
    (``landed``, the reason codes of its quarantine, or the refusal).
    """

    name: str
    where: str
    family: str
    verdict: str
    reason: str
    load: str = "landed"
    wire: Callable[[Reply], Reply] | None = None
    table: str = "incident"
    rows: Callable[[Tables], None] | None = None
    samples: Callable[[Samples], Samples] | None = None
    files: Callable[[Path, Path], None] | None = None
    log: Callable[[str], str | bytes] | None = None
    raw: str | None = None
    built: str | None = None
    vendor: str = field(default="", compare=False)


@dataclass(frozen=True)
class Truth:
    """What every vendor would tell."""

    tables: Tables
    samples: Samples
    invoices: Path
    log: str


def tell_truth(folder: Path) -> Truth:
    """The truth of five months of one demo vendor: its invoices, one probe an hour, every third ticket and
    those that were answered late, one of June among them.
    """
    paths = build_world(folder, vendors=(TELLER.vendor_id,), months=5)
    tables: Tables = {
        name: json.loads(paths.table_file(TELLER.vendor_id, name).read_text())
        for name in (
            "incident", "sys_audit", "sys_journal_field", "rm_release", "cmdb_ci_outage", "rm_defect",
        )
    }  # fmt: skip
    first = FIRST_NIGHT.strftime("%Y-%m-%d %H:%M:%S")
    for name in ("incident", "rm_release"):
        # The server shows what a record is at the end: one that changed between the nights would be missing
        # in the first one, though its changes are there.
        kept = [
            row for row in tables[name]
            if not row["sys_created_on"] < first <= row["sys_updated_on"]
            and row["business_service"] == ("user-support" if name == "incident" else "applications")
        ]  # fmt: skip
        tables[name] = kept
    late = next(row for row in tables["incident"] if row["opened_at"] > "2026-06-10")
    tables["sys_journal_field"] = [
        note for note in tables["sys_journal_field"]
        if note["element_id"] != late["sys_id"] or note["sys_created_by"] == late["caller_id"]
    ]  # fmt: skip
    slow = _slow(tables) | {late["sys_id"]}
    tables["incident"] = [
        row for n, row in enumerate(tables["incident"]) if n % 3 == 0 or row["sys_id"] in slow
    ]
    keys = {row["sys_id"] for name in ("incident", "rm_release") for row in tables[name]}
    tables["sys_audit"] = [row for row in tables["sys_audit"] if row["documentkey"] in keys]
    tables["sys_journal_field"] = [row for row in tables["sys_journal_field"] if row["element_id"] in keys]
    tables["rm_defect"] = []
    lines = paths.samples_file(TELLER.vendor_id, TELLER.monitor).read_text().splitlines()
    samples = [(int(at), value) for at, value in (line.split(",") for line in lines[::12])]
    return Truth(tables, samples, paths.invoices_dir(TELLER.vendor_id), _log_of(tables))


def _slow(tables: Tables) -> set[str]:
    """Keys of tickets that nobody answered within half an hour: what credits come from."""
    opened = {row["sys_id"]: row for row in tables["incident"]}
    answered: dict[str, str] = {}
    for note in tables["sys_journal_field"]:
        row = opened.get(note["element_id"])
        if row is None or note["element"] != "comments":
            continue
        if note["sys_created_by"] not in ("system", row["caller_id"]):
            answered.setdefault(note["element_id"], note["sys_created_on"])
    return {
        key
        for key, at in answered.items()
        if (datetime.fromisoformat(at) - datetime.fromisoformat(opened[key]["opened_at"])).total_seconds()
        > HALF_AN_HOUR
    }


def _log_of(tables: Tables) -> str:
    """The tickets as an exported event log: opened, worked on after a while, closed."""
    out = io.StringIO()
    writer = csv.DictWriter(out, EXPORT_COLUMNS, restval="?", lineterminator="\n")
    writer.writeheader()
    for row in tables["incident"]:
        opened = datetime.fromisoformat(row["opened_at"])
        updated = datetime.fromisoformat(row["sys_updated_on"])
        for number, (state, at) in enumerate((("New", opened), ("Active", updated), ("Closed", updated))):
            writer.writerow(
                {
                    "number": row["number"], "incident_state": state, "sys_mod_count": str(number),
                    "opened_at": f"{opened:%d/%m/%Y %H:%M}", "sys_updated_at": f"{at:%d/%m/%Y %H:%M}",
                    "assignment_group": "Group 1", "priority": "3 - Moderate",
                }
            )  # fmt: skip
    return out.getvalue()


class _Tickets(ServiceNow):
    def __init__(self, tables: Tables) -> None:
        super().__init__(WorldPaths(Path("/nowhere")), TELLER, PASSWORD)
        self._tables = tables


class _Probes(Prometheus):
    def __init__(self, samples: Samples) -> None:
        super().__init__(WorldPaths(Path("/nowhere")), TELLER, PASSWORD)
        self._times = [at for at, _ in samples]
        self._values = [value for _, value in samples]


class CorruptWorld:
    """The vendors' servers and folders; a context manager."""

    def __init__(self, folder: Path, kinds: Sequence[Kind]) -> None:
        self.folder = folder
        self.truth = tell_truth(folder / "truth")
        self.kinds = {kind.vendor: kind for kind in kinds}
        self.is_corrupt = False
        self._clean = (_Tickets(self.truth.tables), _Probes(self.truth.samples))
        self._corrupt: dict[str, tuple[_Tickets, _Probes]] = {}
        for kind in kinds:
            if kind.family == "invoices":
                (folder / kind.vendor).mkdir()
                for path in self.truth.invoices.iterdir():
                    os.link(path, folder / kind.vendor / path.name)
            if kind.family == "log":
                (folder / f"{kind.vendor}.csv").write_text(self.truth.log, encoding="utf-8")
        world = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def route(self, path: str, parameters: dict[str, str], authorization: str) -> Reply:
                return world.answer(path, parameters, authorization)

        self._server = Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def corrupt(self) -> None:
        """From now on each vendor tells its one thing wrong."""
        self.is_corrupt = True
        for kind in self.kinds.values():
            tickets, probes = self._clean
            if kind.rows is not None:
                tables = copy.deepcopy(self.truth.tables)
                kind.rows(tables)
                tickets = _Tickets(tables)
            if kind.samples is not None:
                probes = _Probes(kind.samples(list(self.truth.samples)))
            self._corrupt[kind.vendor] = (tickets, probes)
            if kind.files is not None:
                folder = self.folder / kind.vendor
                kind.files(folder, next(path for path in folder.iterdir() if is_of_june(path)))
            if kind.log is not None:
                told = kind.log(self.truth.log)
                path = self.folder / f"{kind.vendor}.csv"
                path.write_bytes(told if isinstance(told, bytes) else told.encode())

    def answer(self, path: str, parameters: dict[str, str], authorization: str) -> Reply:
        """What a vendor's system says, and on the way to us what becomes of it."""
        vendor, system, rest = path.removeprefix("/").split("/", 2)
        tickets, probes = self._corrupt[vendor] if self.is_corrupt else self._clean
        try:
            if system == "servicenow":
                reply = tickets.answer(rest, parameters, authorization, f"{self.url}{path}")
            else:
                reply = probes.answer(rest, parameters, authorization)
        except RefusedError as refused:
            reply = refused.reply
        kind = self.kinds[vendor]
        told_here = system == "prometheus" or rest.endswith(f"/{kind.table}")
        if self.is_corrupt and kind.wire is not None and told_here:
            reply = kind.wire(reply)
        return reply

    def sources_yml(self) -> str:
        """The connections of all vendors."""
        return "sources:\n" + "".join(self._source_of(kind) for kind in self.kinds.values())

    def _source_of(self, kind: Kind) -> str:
        vendor = kind.vendor

        def entry(system: str, kind_of: str, url: str, more: str = "") -> str:
            return (
                f"  - {{name: {vendor}_{system}, system: {kind_of}, vendor: {vendor}, url: '{url}',"
                f" history_from: {HISTORY_FROM}{more}}}\n"
            )

        secret = ", secret_env: AVOIR_SECRET_OF_ALL"
        tickets = entry(
            "tickets",
            "servicenow",
            f"{self.url}/{vendor}/servicenow",
            f"{secret}, username: {SERVICENOW_USER}",
        )
        if kind.family == "tickets":
            return tickets
        if kind.family == "probes":
            options = f", options: {{query: 'probe_success{{job=\"{TELLER.monitor}\"}}', monitor_label: job}}"
            return entry("probes", "prometheus", f"{self.url}/{vendor}/prometheus", secret + options)
        if kind.family == "invoices":
            return tickets + entry("invoices", "einvoice_folder", str(self.folder / vendor))
        return entry("log", "incident_log", str(self.folder / f"{vendor}.csv"), ", options: {timezone: UTC}")

    def contract_of(self, kind: Kind) -> str:
        """A small contract over what the family is judged by."""
        return _CONTRACT_HEAD.format(v=kind.vendor, V=kind.vendor.upper()) + _CONTRACTS[kind.family].format(
            v=kind.vendor, monitor=TELLER.monitor
        )


def is_of_june(path: Path) -> bool:
    """Whether a UBL document bills June."""
    return b"StartDate>2026-06-01" in path.read_bytes()


def plant(connection: psycopg.Connection, statement: str, vendor: str) -> int:
    """Run a statement with the vendor in it, and say how many rows it touched."""
    return connection.execute(statement.replace("{v}", vendor).encode()).rowcount


def json_reply(reply: Reply, change: Callable[[Any], Any]) -> Reply:
    """The reply with its JSON changed."""
    return Reply(reply.status, json.dumps(change(json.loads(reply.body))).encode(), reply.headers)


_CONTRACT_HEAD = """contract: {V}-1
name: Services of {v}
vendor: {{id: {v}, name: Vendor {v}}}
currency: EUR
timezone: Europe/Paris
versions:
  - version: 1
    effective_from: 2026-02-01
    effective_to: null
    document_sha256: 2f0b770005cda3d4290897a01318270fff84d7d82447990613e3c4ce32cb73bd
"""
_SUPPORT = """    calendars:
      - {{id: continuous, always: true}}
    services:
      - id: support
        name: Support
        fee: FEE
        keys:
          - {{source: {v}_SOURCE, kind: ticket, value: KEY}}
"""
_RELEASES = """      - id: releases
        name: Releases
        fee: {{kind: fixed, amount: "900.00"}}
        keys:
          - {{source: {v}_tickets, kind: release, value: applications}}
"""
_CLAUSES = """    clauses:
      - id: SLA-1
        title: First response
        text: Requests are answered within thirty minutes, day and night.
        service: support
        indicator:
          kind: clock
          calendar: continuous
          start: [{{field: created}}]
          stop: [STOP]
          pause: [{{field: hold_reason, value: "1"}}]
        objective: {{operator: "<=", value: 30, unit: minutes}}
        penalty: PENALTY
"""
_RELEASE_CLAUSE = """      - id: SLA-3
        title: Releases on the validated plan
        text: Releases follow the validated plan; each late one gives a credit of 400.00 EUR.
        service: releases
        indicator: {{kind: milestone, days: calendar, calendar: continuous, replan_notice_days: 10}}
        objective: {{operator: "<=", value: 0, unit: days}}
        penalty: {{formula: fixed_per_event, amount: "400.00"}}
"""
_FIXED_FEE = '{{kind: fixed, amount: "18000.00"}}'
_PER_EVENT = '{{formula: fixed_per_event, amount: "25.00"}}'


def _filled(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


_CONTRACTS = {
    "tickets": _filled(
        _SUPPORT + _RELEASES + _CLAUSES + _RELEASE_CLAUSE,
        FEE=_FIXED_FEE, SOURCE="tickets", KEY="user-support",
        STOP="{{field: public_comment_vendor}}", PENALTY=_PER_EVENT,
    ),
    "invoices": _filled(
        _SUPPORT + "          - {{source: {v}_invoices, kind: invoice_line, value: OPS-24}}\n"
        + "".join(
            f"      - id: {service}\n        name: {service}\n        fee: {{{{kind: invoice_lines}}}}\n"
            f"        keys:\n          - {{{{source: {{v}}_invoices, kind: invoice_line, value: {item}}}}}\n"
            for service, item in (("platform", "HOST"), ("deployments", "DEPLOY"))
        ) + _CLAUSES,
        FEE="{{kind: invoice_lines}}", SOURCE="tickets", KEY="user-support",
        STOP="{{field: public_comment_vendor}}",
        PENALTY="{{formula: percent_of_invoice_per_event, rate_pct: 5, base: month_invoice}}",
    ),
    "log": _filled(
        _SUPPORT + _CLAUSES,
        FEE=_FIXED_FEE, SOURCE="log", KEY="Group 1", STOP="{{field: state, value: Active}}",
        PENALTY=_PER_EVENT,
    ),
    "probes": """    services:
      - id: platform
        name: Platform
        fee: {{kind: fixed, amount: "18000.00"}}
        keys:
          - {{source: {v}_probes, kind: monitor, value: {monitor}}}
    clauses:
      - id: SLA-2
        title: Availability
        text: Monthly availability of at least 99.5 %.
        service: platform
        indicator: {{kind: availability, method: minutes, unknown: exclude, probe_interval_seconds: 3600}}
        objective: {{operator: ">=", value: 99.5, unit: pct}}
        penalty: {{formula: proportional, on: whole_downtime, base: fixed_fee}}
""",
}  # fmt: skip
