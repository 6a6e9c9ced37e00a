"""The ways to bring a source's rows into Postgres that ``loading.py`` compares, each in its own process."""

from __future__ import annotations

import importlib
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql

from avoir.demo.invoices import tell_month
from avoir.demo.months import Month
from avoir.demo.ubl_documents import ubl
from avoir.demo.vendors import VENDORS
from avoir.loading import load_window
from avoir.sources.model import Landed, Rejected, Rows, SourceConnection, Window
from avoir.sources.register import system_of

LOGGED: Mapping[str, Any] = {
    "columns": {"monitor": "monitor", "checked_at": "checked_at", "state": "state", "response_ms": "ms"},
    "up": ("OK",),
    "down": ("CRIT",),
    "monitor": "",
}
_WRITTEN = sql.Identifier("bench", "written")


@dataclass(frozen=True)
class Load:
    """One window of one source."""

    system: str
    url: str
    start: datetime
    end: datetime
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> SourceConnection:
        """The connection as ``sources.yml`` would give it."""
        system = system_of(SourceConnection("bench", self.system, self.url, self.start))
        options = {name: option.default for name, option in system.options.items()} | dict(self.options)
        return SourceConnection("bench", self.system, self.url, self.start, options=options)


def _first_load() -> Landed:
    """What a connector is told at a first load: nothing is there."""
    nothing = SimpleNamespace(
        has_file=lambda _: False,
        has_delivery=lambda *_: False,
        has_rows=lambda _: False,
        keys=lambda *_: frozenset(),
    )
    return cast("Landed", nothing)


def timed(work: Callable[..., int | tuple[int, float]], *given: Any) -> tuple[int, float, float, float]:
    """Rows, wall seconds, CPU-seconds of this process and its most memory in MB.

    Work that prepares something says itself how long what counts took.
    """
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    importlib.import_module(
        "dlt.sources.helpers.requests"
    ).Client()  # whose imports take seconds, once a night
    began, cpu = time.monotonic(), time.process_time()
    answer = work(*given)
    seconds = time.monotonic() - began
    rows, seconds = answer if isinstance(answer, tuple) else (answer, seconds)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return rows, seconds, time.process_time() - cpu, peak_mb


def ours(url: str, load: Load) -> int:
    """A load as every night does it: HTTP, checks, copy, what is new, watermark."""
    with psycopg.connect(url) as connection:
        return load_window(connection, load.source, Window(load.start, load.end)).rows_landed


def fetched(load: Load) -> Iterator[Rows]:
    """What the connector yields, without landing it."""
    source = load.source
    for item in system_of(source).fetch(source, Window(load.start, load.end), _first_load()):
        if not isinstance(item, Rejected):
            yield from [item] if isinstance(item, Rows) else (series.rows() for series in item)


def dlt_defaults(url: str, load: Load) -> int:
    """The same answers through dlt as its tutorial has it: a resource of dicts, no setting changed."""
    import dlt

    system = system_of(load.source)

    def pages() -> Iterator[list[dict[str, Any]]]:
        for rows in fetched(load):
            names = system.table(rows.table).column_names
            yield [dict(zip(names, values, strict=True)) for values in rows.values]

    with tempfile.TemporaryDirectory(prefix="avoir_bench_dlt_") as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(url),
            dataset_name="bench_dlt",
        )
        pipeline.run(dlt.resource(pages, name="rows"))
    return _count(url, sql.Identifier("bench_dlt", "rows"))


def adbc(url: str, load: Load) -> tuple[int, float]:
    """The rows that landed, as Arrow, through ADBC's bulk ingest into a bare table."""
    names, rows = _landed(url, load)
    columns = zip(*rows, strict=True)
    table = pa.table({name: list(map(_plain, column)) for name, column in zip(names, columns, strict=True)})
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        began = time.monotonic()
        cursor.adbc_ingest("written_by_adbc", table, mode="create", db_schema_name="bench")
        connection.commit()
        return len(rows), time.monotonic() - began


def copy(url: str, load: Load) -> tuple[int, float]:
    """The rows that landed, as text, through COPY into a bare table of text."""
    names, rows = _landed(url, load)
    text = "".join("\t".join(_copied(value) for value in row) + "\n" for row in rows).encode()
    with psycopg.connect(url) as connection:
        columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
        connection.execute(sql.SQL("create table {} ({})").format(_WRITTEN, columns))
        began = time.monotonic()
        with connection.cursor().copy(sql.SQL("copy {} from stdin").format(_WRITTEN)) as into:
            for at in range(0, len(text), 1 << 20):
                into.write(text[at : at + (1 << 20)])
        connection.commit()
        return len(rows), time.monotonic() - began


def _landed(url: str, load: Load) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The business columns of the table that most rows landed in, and its rows."""
    system = system_of(load.source)
    counted = {t.name: _count(url, sql.Identifier(system.schema, t.name)) for t in system.tables}
    table = system.table(max(counted, key=lambda name: counted[name]))
    names = list(table.column_names)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            sql.SQL("select {} from {}").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(system.schema, table.name)
            )
        ).fetchall()
    return names, rows


def _count(url: str, table: sql.Identifier) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    assert row is not None
    return int(row[0])


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _copied(value: Any) -> str:
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def write_log(folder: Path, count: int, start: datetime) -> datetime:
    """A CSV log of so many checks of a hundred monitors, one a minute; returns its end."""
    folder.mkdir(parents=True)
    minutes = count // 100
    with (folder / "log.csv").open("w") as stream:
        stream.write("monitor,checked_at,state,ms\n")
        for minute in range(minutes):
            at = f"{start + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"
            state = "OK" if minute % 97 else "CRIT"
            stream.writelines(f"monitor-{n:04},{at},{state},{minute % 300}\n" for n in range(100))
    return start + timedelta(minutes=minutes)


def write_invoices(folder: Path, count: int) -> None:
    """So many of the demo's invoices in UBL, each with a number and amounts of its own."""
    folder.mkdir(parents=True)
    vendors = list(VENDORS.values())
    for number in range(count):
        vendor = vendors[number % len(vendors)]
        invoice = tell_month(vendor, Month(2026, 1 + number % 6), seed=number)[0]
        file = folder / f"{number:06}.xml"
        file.write_bytes(ubl(replace(invoice, number=f"{number:06}")))
        dropped = invoice.dropped_at.timestamp()
        os.utime(file, (dropped, dropped))
