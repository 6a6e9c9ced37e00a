"""How long the penalty pipeline takes on a million breaches, beside the bound of writing as many rows.

Run ``make bench-penalties``, or ``python bench/penalties.py --lines 100000`` for a short one. It starts an
embedded Postgres of its own, lays out contracts with every kind of bound (repeat, groups, caps of every
window and scope, indexation, earn-back), puts breached ticket clocks where the facts lie, and builds the
pipeline.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from psycopg import sql

from avoir.contracts.planting import PlantedCase, plant
from avoir.contracts.reading import read_contract
from avoir.contracts.scratch import Scratch, scratch_warehouse
from avoir.credentials import load_credentials
from avoir.postgres import embedded, free_port
from avoir.warehouse import Warehouse, bootstrap

CHECKOUT = Path(__file__).resolve().parents[1]
CONTRACT = Path(__file__).with_name("every_bound.yml")
MONTHS = 24
CLAUSES = 4
PIPELINE = "int_month_bases+,+fct_penalty_lines int_penalty_events+,+fct_penalty_lines"


_BREACHES = """
    insert into {p}facts.fct_ticket_clocks (
        clock_id, ticket_id, ticket_number, source_name, contract_version_id, contract_id, vendor_id,
        service_id, clause_id, calendar_id, aggregation, month_date, started_at, started_us, target_seconds,
        business_us, business_seconds, elapsed_seconds, paused_seconds, outcome, cycle_no, counted_from_us,
        phase_count, is_paused, is_settled
    )
    select
        md5(c || '|' || m || '|' || k || '|' || i), 't' || c || ':' || m || ':' || i, 'INC' || m || i,
        't' || c, 't' || c || ':1', 't' || c, 'bench', 'support', 'SLA-' || k, 'shared/0', 'each',
        month_date, started_at,
        (extract(epoch from started_at) * 1000000)::bigint, 1800, 1800000000 + i * 60000000::bigint,
        1800 + i * 60, 1800 + i * 60, 0, 'breached', 1,
        (extract(epoch from started_at) * 1000000)::bigint, 1, false, true
    from generate_series(0, %(contracts)s - 1) as c,
        generate_series(0, %(months)s - 1) as m,
        generate_series(1, %(clauses)s) as k,
        generate_series(1, %(each)s) as i,
        cast(date '2024-01-01' + make_interval(months => m) as date) as month_date,
        cast(date '2024-01-01' + make_interval(months => m, secs => i) as timestamptz) as started_at
"""
_INVOICES = """
    insert into {p}facts.fct_invoice_lines (
        invoice_line_id, source_name, document_id, invoice_number, type_code, line_key, line_kind, vendor_id,
        contract_id, service_id, issue_date, month_date, currency, net_amount, standing, is_counted
    )
    select
        md5(contract_id || month_no), 's', 'd' || month_no, 'n', '380', '1', 'line', 'bench', contract_id,
        'support', month_date, month_date, 'EUR', 20000, 'counted', true
    from {p}intermediate.contract_months
"""
_BOUND = "create table {p}penalties.bound as select * from {p}penalties.fct_penalty_lines"


def put_facts(scratch: Scratch, contracts: int, lines: int) -> None:
    """Write breached clocks, as many per contract, clause and month, and an invoice a month."""
    each = lines // (contracts * MONTHS * CLAUSES)
    counts = {"contracts": contracts, "months": MONTHS, "clauses": CLAUSES, "each": each}
    scratch.connection.execute(_BREACHES.replace("{p}", scratch.prefix).encode(), counts)
    scratch.connection.execute(_INVOICES.replace("{p}", scratch.prefix).encode())
    for table in ("fct_ticket_clocks", "fct_invoice_lines"):
        analyze = sql.SQL("analyze {}").format(sql.Identifier(f"{scratch.prefix}facts", table))
        scratch.connection.execute(analyze)
    scratch.connection.commit()


def main() -> None:
    """Measure once and write bench/penalties.json and bench/penalties.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--contracts", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        credentials = load_credentials(Path(home))
        server = embedded(Path(home), free_port(0), credentials["avoir_admin"])
        try:
            with server.running(Path(home) / "postgres.log"):
                warehouse = Warehouse(admin_url=server.url("avoir"), passwords=credentials)
                bootstrap(warehouse)
                result = measure(warehouse, Path(home), options.contracts, options.lines)
        finally:
            server.destroy()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "penalties.json").write_text(json.dumps(result, indent=2) + "\n")
    (options.out / "penalties.md").write_text(told(result))
    print(told(result))


def measure(warehouse: Warehouse, home: Path, contracts: int, lines: int) -> dict[str, object]:
    """Build the pipeline once over so many breaches; returns what it took, in seconds of wall time."""
    environment = {
        **os.environ,
        "AVOIR_DBT_HOST": warehouse.host,
        "AVOIR_DBT_PORT": str(warehouse.port),
        "AVOIR_DBT_DATABASE": warehouse.database,
        "AVOIR_DBT_USER": "avoir_transformer",
        "AVOIR_DBT_PASSWORD": warehouse.passwords["avoir_transformer"],
        "DBT_PROFILES_DIR": str(CHECKOUT / "dbt_project"),
        "DBT_LOG_PATH": str(home / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
    }
    file = read_contract(CONTRACT, CONTRACT.parent)
    if not file.is_good:
        sys.exit("\n".join(map(str, file.problems)))
    test = file.versions[0].contract.tests[0]
    url = warehouse.url("avoir_transformer")
    project = CHECKOUT / "dbt_project"
    with scratch_warehouse(url, environment, project=project, own_raw=True) as scratch:
        planted = plant(PlantedCase(number, file.versions, test) for number in range(contracts))
        scratch.load_reference(planted.reference)
        as_of = date(2026, 1, 1).isoformat() + "T00:00:00+00:00"
        scratch.build(as_of=as_of)
        put_facts(scratch, contracts, lines)
        began = time.monotonic()
        scratch.build(as_of=as_of, select=PIPELINE)
        pipeline_s = time.monotonic() - began
        (counted,) = scratch.rows(
            "select count(*) as n, count(credit_amount) as priced, sum(credit_amount) as credit "
            "from {p}penalties.fct_penalty_lines"
        )
        began = time.monotonic()
        scratch.connection.execute(_BOUND.replace("{p}", scratch.prefix).encode())
        bound_s = time.monotonic() - began
        (version,) = scratch.rows("select version() as v")
    return {
        "lines": counted["n"],
        "priced": counted["priced"],
        "credit": str(counted["credit"]),
        "contracts": contracts,
        "months": MONTHS,
        "pipeline_s": round(pipeline_s, 1),
        "bound_s": round(bound_s, 2),
        "ratio_to_bound": round(pipeline_s / bound_s, 1),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "postgres": str(version["v"]).split(" on ")[0],
    }


def told(result: dict[str, object]) -> str:
    """The result for people."""
    return f"""# The penalty pipeline on {result["lines"]:,} lines

`make bench-penalties`, {result["machine"]}, {result["postgres"]}; wall time,
with dbt's start (about 5 s).

| what | seconds |
|---|---|
| the pipeline, from bases and formula to settlement | {result["pipeline_s"]} |
| the bound: copying the finished lines into another table | {result["bound_s"]} |
| ratio | {result["ratio_to_bound"]} |

{result["contracts"]} contracts over {result["months"]} months, {result["priced"]:,} lines priced.
"""


if __name__ == "__main__":
    main()
