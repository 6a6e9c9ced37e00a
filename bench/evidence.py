"""How long it takes to see what a credit rests on, among ten million raw rows.

Run ``make bench-evidence``, or ``python bench/evidence.py --months 2`` for a short one that is only printed.
It starts an embedded Postgres of its own in a temporary folder and takes it away again: months of tickets,
probes and invoices of twenty contracts land, dbt builds everything, and 200 credits are drawn and asked for,
each once, as the auditor. Ends with 1 when a credit leads nowhere, or a plan reads a whole table that grows.
"""

from __future__ import annotations

# ruff: noqa: S608 - the statements are made of this folder's own names and numbers.
import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import vendors
from measuring_cpu import Database, cluster, machine
from project import Project

from avoir.evidence.auditing import create_audit
from avoir.evidence.explaining import explain
from avoir.evidence.impact import impact
from avoir.sources.register import RAW_TABLES

_END = date(2026, 1, 1)
_CONTRACTS, _SUPPORTS, _PLATFORMS, _PROBE_SECONDS, _TICKETS_A_DAY = 20, 2, 2, 300, 500
_INVOICES = "bench_invoices"
_CREDITS = 200
_GOAL_MS = 100
#: Tables that grow with the company: a plan that walks one from end to end is told.
_GROWING_ROWS = 20_000

_EVIDENCE = "select * from audit.credit_evidence where penalty_line_id = %s"
_PAYLOADS = """
    select e.evidence_kind, r.payload
    from audit.credit_evidence as e
    inner join audit.raw_record as r
        on r.raw_table = e.raw_table and r.batch_id = e.batch_id and r.source_row = e.source_row
            and r.row_hash = e.row_hash and r.natural_key = e.natural_key
            and r.record_at is not distinct from e.record_at
    where e.penalty_line_id = %s
"""


def main() -> None:
    """Measure once and write bench/evidence.json and bench/evidence.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=21)
    parser.add_argument("--out", type=Path, help="folder for the results (default: bench/ for a whole run)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    with cluster() as running, running.database("evidence") as database:
        result = {"machine": machine(running), **measure(database, running.home, options.months, say)}
    page = told(result)
    print(page)
    out = options.out or (Path(__file__).parent if options.months >= 21 else None)
    if out is not None:
        (out / "evidence.json").write_text(json.dumps(result, indent=2) + "\n")
        (out / "evidence.md").write_text(page)
    if result["without_evidence"] or result["walked"]:
        sys.exit(1)


def measure(database: Database, home: Path, months: int, say: Any) -> dict[str, Any]:
    """Land, build and ask; times are of wall, in milliseconds, planning and fetching included."""
    year, zero_based = divmod(_END.year * 12 + _END.month - 1 - months, 12)
    first_day = date(year, zero_based + 1, 1)
    as_of = datetime(_END.year, _END.month, _END.day, tzinfo=UTC)
    _land(database, home, first_day, as_of)
    database.run("vacuum analyze")
    raw_rows = sum(database.number(f"select count(*) from {table}") for table in RAW_TABLES)
    say(f"{raw_rows:,} raw rows landed")
    project = Project(database)
    began = time.monotonic()
    project.run(as_of=as_of, select="+fct_penalty_lines")
    say(f"built in {time.monotonic() - began:.0f} s")
    # As publishing leaves it.
    database.run("create table mart.fct_penalty_lines as table penalties.fct_penalty_lines")
    database.run("create index fct_penalty_lines_key on mart.fct_penalty_lines (penalty_line_id)")
    database.run("create table mart.mart_vendor_month (vendor_id text, month_date date, currency text)")
    database.run("grant select on all tables in schema mart to auditor")
    database.run("vacuum analyze mart.fct_penalty_lines")
    with psycopg.connect(database.warehouse.admin_url) as admin:
        create_audit(admin)
    lines = database.number("select count(*) from mart.fct_penalty_lines where credit_amount is not null")
    say(f"{lines:,} credits")
    drawn = _drawn(database)
    with psycopg.connect(database.warehouse.url("auditor"), autocommit=True) as connection:
        connection.execute("set jit = off")
        walked = _walked(connection, drawn)
        evidence, rows, without = _asked(connection, drawn, _EVIDENCE)
        payloads, _, _ = _asked(connection, drawn, _PAYLOADS)
        say("asking for explanations")
        explained = {
            kind: [_timed(partial(explain, connection, line_id)) for line_id in line_ids]
            for kind, line_ids in drawn.items()
        }
        reached = [
            _timed(partial(impact, connection, "servicenow.incident", [key]))
            for (key,) in database.rows(
                "select substr(ticket_id, length(source_name) + 2) from facts.fct_ticket_clocks "
                "where outcome = 'breached' order by clock_id limit 20"
            )
        ]
    return {
        "raw_rows": raw_rows,
        "credits": lines,
        "asked": sum(map(len, drawn.values())),
        "without_evidence": without,
        "walked": walked,
        "rows_per_credit": {kind: round(sum(found) / len(found), 1) for kind, found in rows.items()},
        "evidence_ms": {kind: _percentiles(taken) for kind, taken in _with_all(evidence).items()},
        "payloads_ms": {kind: _percentiles(taken) for kind, taken in _with_all(payloads).items()},
        "explain_ms": {kind: _percentiles(taken) for kind, taken in _with_all(explained).items()},
        "impact_ms": _percentiles(reached),
        "index_mb": round(
            database.number(
                "select coalesce(sum(pg_relation_size(indexrelid)), 0)::bigint from pg_index "
                "join pg_class on pg_class.oid = indexrelid where relname like 'samples%' and relkind = 'i'"
            )
            / 1e6,
            2,
        ),
        "samples_mb": round(
            database.number(
                "select sum(pg_relation_size(inhrelid))::bigint from pg_inherits "
                "where inhparent = 'raw_prometheus.samples'::regclass"
            )
            / 1e6
        ),
    }


def _land(database: Database, home: Path, first_day: date, as_of: datetime) -> None:
    vendors.load_vendors(
        database, home / "contracts", contracts=_CONTRACTS, supports=_SUPPORTS, platforms=_PLATFORMS,
        probe_seconds=_PROBE_SECONDS, first_day=first_day, as_of=as_of,
    )  # fmt: skip
    vendors.draw_tickets(
        database,
        contracts=_CONTRACTS,
        supports=_SUPPORTS,
        a_day=_TICKETS_A_DAY,
        first_day=first_day,
        end=_END,
    )
    vendors.make_partitions(database, first_day, _END)
    vendors.land_batches(database, first_day, _END)
    vendors.land_tickets(database, contracts=_CONTRACTS, platforms=_PLATFORMS, first_day=first_day, end=_END)
    monitors = [f"platform-{n}-{m}" for n in range(_CONTRACTS) for m in range(_PLATFORMS)]
    vendors.land_probes(
        database, monitors, first_day=first_day, end=_END, probe_seconds=_PROBE_SECONDS, is_ordered=True
    )
    database.run(
        "select setval(pg_get_serial_sequence('loads.batches', 'batch_id'), max(batch_id)) from loads.batches"
    )
    database.draw("invoices", source=_INVOICES, first_day=first_day.isoformat(), end=_END.isoformat())


def _drawn(database: Database) -> dict[str, list[str]]:
    """Credits of each kind, drawn by their ids: half of them clocks."""
    drawn = {}
    for kind, count in (
        ("clock", _CREDITS // 2),
        ("availability", _CREDITS // 4),
        ("milestone", _CREDITS // 4),
    ):
        rows = database.rows(
            f"select penalty_line_id from mart.fct_penalty_lines where indicator = '{kind}' "
            f"and credit_amount is not null order by md5(penalty_line_id || 'drawn') limit {count}"
        )
        drawn[kind] = [line_id for (line_id,) in rows]
    return drawn


def _asked(
    connection: psycopg.Connection, drawn: dict[str, list[str]], question: str
) -> tuple[dict[str, list[float]], dict[str, list[int]], int]:
    taken: dict[str, list[float]] = {kind: [] for kind in drawn}
    rows: dict[str, list[int]] = {kind: [] for kind in drawn}
    for kind, line_ids in drawn.items():
        for line_id in line_ids:
            began = time.perf_counter()
            # Planned anew each time, as for someone who asks once.
            found = connection.execute(question.encode(), (line_id,), prepare=False).fetchall()
            taken[kind].append((time.perf_counter() - began) * 1000)
            rows[kind].append(len(found))
    return taken, rows, sum(not count for found in rows.values() for count in found)


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _with_all(taken: dict[str, list[float]]) -> dict[str, list[float]]:
    return {**taken, "all": [one for some in taken.values() for one in some]}


def _percentiles(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "p50": round(ordered[len(ordered) // 2], 1),
        "p95": round(ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)], 1),
        "max": round(ordered[-1], 1),
    }


def _walked(connection: psycopg.Connection, drawn: dict[str, list[str]]) -> list[str]:
    """Tables that grow and that a plan reads from end to end, by the plans of a credit of each kind."""
    found = set()
    for kind, line_ids in drawn.items():
        ((plan,),) = connection.execute(
            f"explain (analyze, format json) {_EVIDENCE}".encode(), (line_ids[0],)
        ).fetchall()
        for node in _nodes(plan[0]["Plan"]):
            read = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
            if node["Node Type"] == "Seq Scan" and read > _GROWING_ROWS:
                found.add(f"{kind}: {node['Relation Name']}, {read:,.0f} rows")
    return sorted(found)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def told(result: dict[str, Any]) -> str:
    """The result for people."""
    kinds = ("clock", "availability", "milestone", "all")

    def table(name: str) -> str:
        taken = ((kind, result[name][kind]) for kind in kinds)
        return "\n".join(f"| {kind} | {one['p50']} | {one['p95']} | {one['max']} |" for kind, one in taken)

    kept = all(result["evidence_ms"][kind]["p95"] < _GOAL_MS for kind in kinds)
    walked = ", ".join(result["walked"]) or "none"
    return f"""# What a credit rests on, among {result["raw_rows"]:,} raw rows

`make bench-evidence`, {result["machine"]}. {_CONTRACTS} contracts, {result["credits"]:,} credits, of which
{result["asked"]} are asked for once each, as the auditor, in milliseconds of wall time with planning and
fetching. Goal: p95 under {_GOAL_MS} ms for the first table, {"kept" if kept else "missed"}.

`select * from audit.credit_evidence where penalty_line_id = ...`:

| credit | p50 | p95 | max |
|---|---:|---:|---:|
{table("evidence_ms")}

The same joined to `audit.raw_record`, for the whole raw rows:

| credit | p50 | p95 | max |
|---|---:|---:|---:|
{table("payloads_ms")}

All that `avoir explain` shows (without the command's start):

| credit | p50 | p95 | max |
|---|---:|---:|---:|
{table("explain_ms")}

What a ticket reaches (`avoir impact`): p50 {result["impact_ms"]["p50"]}, p95 {result["impact_ms"]["p95"]}.

Raw rows per credit: {", ".join(f"{kind} {count}" for kind, count in result["rows_per_credit"].items())}.
Tables over {_GROWING_ROWS:,} rows that a plan reads from end to end: {walked}. Indexes of the samples:
{result["index_mb"]} MB beside {result["samples_mb"]:,} MB of samples.
"""


if __name__ == "__main__":
    main()
