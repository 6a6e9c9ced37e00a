"""What a load costs per row, beside what a user would pick instead and beside the bare copy of its rows.

    make bench-loading                                    bench/loading.json and bench/loading.md
    python bench/loading.py --probes 100000 --out DIR     one size of the monitoring, in another folder

Each way runs in a process of its own against one embedded Postgres: whole connectors with their HTTP, dlt
with its defaults from the same answers as dicts, ADBC and COPY of the rows that landed. Seconds are wall
time, the median of three runs of what is quick; memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import loading_ways as ways
from loading_vendors import MONITORS, PROBE_SECONDS, START, TICKET_SECONDS, serve
from measuring_cpu import Cluster, cluster, machine

from avoir.postgres import free_port

HERE = Path(__file__).parent
SPAWN = multiprocessing.get_context("spawn")

PROBES = (100_000, 1_000_000, 5_000_000)
LOGGED = (100_000, 1_000_000)
ROUNDS, QUICK_S = 3, 2.0
"""How often what takes no longer than so many seconds is measured: the median of them counts."""

TICKETS = 200_000
INVOICES = 2_000


@dataclass(frozen=True)
class Measured:
    """One way of loading the rows of one source.

    Attributes:
        source: the system that was read.
        way: ``avoir``, ``dlt``, ``ADBC`` or ``COPY``.
        rows: how many rows it brought into the database.
        seconds: wall time.
        cpu_s: CPU-seconds of the process and of the server.
        peak_mb: the most memory that the process held.
    """

    source: str
    way: str
    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float

    @property
    def rows_per_s(self) -> int:
        """Rows per second of wall time."""
        return round(self.rows / max(self.seconds, 0.001))


def measured(
    running: Cluster, source: str, way: str, work: Callable[..., int | tuple[int, float]], *given: Any
) -> Measured:
    """Do a piece of work in a new process; returns what it took."""
    before = running.cpu_s()
    with ProcessPoolExecutor(max_workers=1, mp_context=SPAWN) as pool:
        rows, seconds, cpu_s, peak_mb = pool.submit(ways.timed, work, *given).result()
    one = Measured(source, way, rows, round(seconds, 3), round(cpu_s + running.cpu_s() - before, 3), peak_mb)
    rate = f"{one.rows:>9,} rows {one.rows_per_s:>9,}/s {one.cpu_s:>8.2f} CPU-s"
    print(f"  {source:<18} {way:<6} {rate} {peak_mb:>6.0f} MB", flush=True)
    return one


@contextmanager
def vendors() -> Iterator[str]:
    """The vendors' address, answered by a process of its own."""
    port = free_port(0)
    process = SPAWN.Process(target=serve, args=(port,), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/api/v1/query?query=x[1000ms]&time=1.000").close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()


def all_ways(running: Cluster, load: ways.Load, source: str) -> Iterator[Measured]:
    """Avoir, dlt, ADBC and COPY over one source, in databases of its own; what is quick several times."""
    is_first = True
    for number in range(ROUNDS):
        with running.database(f"loading_{number}") as database:
            url = database.warehouse.admin_url
            ours = measured(running, source, "avoir", ways.ours, url, load)
            yield ours
            if is_first:
                yield measured(running, source, "dlt", ways.dlt_defaults, url, load)
            for way, work in (("ADBC", ways.adbc), ("COPY", ways.copy)):
                yield measured(running, source, way, work, url, load)
        if ours.seconds > QUICK_S:
            return
        is_first = False


def loads(
    address: str, probes: tuple[int, ...], logged: tuple[int, ...], tickets: int, invoices: int, home: Path
) -> Iterator[Any]:
    """What is loaded: a name and the load, smallest monitoring first."""
    for count in probes:
        end = START + timedelta(seconds=count // MONITORS * PROBE_SECONDS)
        yield f"probes {count:,}", ways.Load("prometheus", f"{address}/mon", START, end)
    for count in logged:
        log = home / f"log_{count}"
        end = ways.write_log(log, count, START)
        yield f"logged {count:,}", ways.Load("probe_log", log.as_uri(), START, end, ways.LOGGED)
    end = START + timedelta(seconds=tickets * TICKET_SECONDS)
    tables = {"tables": ["sys_audit"]}
    yield f"tickets {tickets:,}", ways.Load("servicenow", f"{address}/now", START, end, tables)
    bills = home / "bills"
    ways.write_invoices(bills, invoices)
    end = START + timedelta(days=366)
    yield f"invoices {invoices:,}", ways.Load("einvoice_folder", bills.as_uri(), START, end)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probes", type=int, action="append", help="rows of the monitoring; may be repeated")
    parser.add_argument("--logged", type=int, action="append", help="rows of a CSV log; may be repeated")
    parser.add_argument("--tickets", type=int, default=TICKETS, help="entries of the tickets' history")
    parser.add_argument("--invoices", type=int, default=INVOICES)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    results: list[Measured] = []
    with cluster() as running, vendors() as address:
        probes, logged = tuple(options.probes or PROBES), tuple(options.logged or LOGGED)
        for name, load in loads(
            address, probes, logged, options.tickets, options.invoices, running.home / "files"
        ):
            results += all_ways(running, load, name)
        told_machine = machine(running)
    options.out.mkdir(parents=True, exist_ok=True)
    written = [asdict(one) | {"rows_per_s": one.rows_per_s} for one in results]
    (options.out / "loading.json").write_text(json.dumps(written, indent=2) + "\n")
    (options.out / "loading.md").write_text(told(results, told_machine))


def typical(results: list[Measured], source: str, way: str) -> Measured:
    """The measurement with the median rate."""
    rated = sorted(
        (one for one in results if (one.source, one.way) == (source, way)), key=lambda one: one.rows_per_s
    )
    return rated[len(rated) // 2]


def told(results: list[Measured], told_machine: str) -> str:
    """The results for people."""
    head = (
        "| source | rows | Avoir rows/s | times dlt's defaults | of ADBC | of COPY | Avoir MB | dlt MB |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    lines = []
    for source in dict.fromkeys(one.source for one in results):
        by = {way: typical(results, source, way) for way in ("avoir", "dlt", "ADBC", "COPY")}
        ours = by["avoir"]
        lines.append(
            f"| {source} | {ours.rows:,} | {ours.rows_per_s:,}"
            f" | {ours.rows_per_s / by['dlt'].rows_per_s:.1f}"
            f" | {100 * ours.rows_per_s / by['ADBC'].rows_per_s:.0f} %"
            f" | {100 * ours.rows_per_s / by['COPY'].rows_per_s:.0f} %"
            f" | {ours.peak_mb:.0f} | {by['dlt'].peak_mb:.0f} |"
        )
    return (
        f"# What a load costs\n\n`make bench-loading`, {told_machine}; wall time, the median of three where\n"
        "a load takes less than two seconds.\n\n"
        "Avoir and dlt read the same answers over HTTP (dlt the rows of logs and invoices, already parsed)\n"
        "and leave them in Postgres; ADBC and COPY only write the rows that landed, already in memory.\n\n"
        f"{head}" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
