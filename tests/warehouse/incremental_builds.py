"""Builds of a scratch warehouse one after the other in this process, and what they made of it.

dbt as a process of its own spends more time on starting than on building; here its manifest is read once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from psycopg import sql

from avoir.contracts.rows import COLUMNS, Tables
from avoir.contracts.scratch import Scratch
from avoir.sources.model import month_start
from avoir.sources.register import RAW_TABLES

FACTS = (
    "facts.fct_ticket_clocks",
    "facts.fct_ticket_clock_teams",
    "facts.fct_outages",
    "facts.fct_availability_months",
    "facts.fct_milestones",
)
"""What a night publishes from."""
STANDING = ("intermediate.int_tickets", "intermediate.int_ticket_events")
"""What facts are made from and builds add to."""
INTERVALS = "intermediate.int_probe_intervals"
"""The same of probes: as fine as the shortest interval that any contract ever asked for."""

WHOLE = (
    *(f"+{name.split('.')[1]}" for name in FACTS),
    "built_batches",
    "built_hashes",
    "built_instants",
)
"""What one build selects: the facts with their parents, and that they stand."""
_VIEWS = "config.materialized:view"


@dataclass(frozen=True)
class Builder:
    """A scratch warehouse and dbt with what it read of the project."""

    scratch: Scratch
    manifest: Manifest = field(repr=False)

    def build(
        self,
        as_of: datetime,
        *,
        select: Sequence[str] = WHOLE,
        full_refresh: bool = False,
    ) -> None:
        """Run models for an instant, but for views, which no build changes."""
        arguments = ["--select", *select, "--exclude", _VIEWS]
        arguments += ["--vars", json.dumps({"as_of": as_of.isoformat()})]
        if full_refresh:
            arguments.append("--full-refresh")
        self._run(arguments)

    def make_views(self) -> None:
        """Make the views of the raw tables."""
        self._run(["--select", _VIEWS])

    def _run(self, arguments: Sequence[str]) -> None:
        self.scratch.connection.commit()
        result = dbtRunner(manifest=self.manifest).invoke(["run", *_quietly(self.scratch), *arguments])
        assert isinstance(result.result, RunExecutionResult), result.exception
        failed = [one for one in result.result.results if str(one.status) != "success"]
        told = "\n".join(f"{one.node.name}: {one.message}" for one in failed)
        assert result.success, told
        assert len(result.result.results) > 5

    def load_reference(self, tables: Tables) -> None:
        """Replace what is known of contracts."""
        names = [sql.Identifier(f"{self.scratch.prefix}reference", table) for table in COLUMNS]
        self.scratch.connection.execute(sql.SQL("truncate {} cascade").format(sql.SQL(", ").join(names)))
        self.scratch.load_reference({table: list(rows) for table, rows in tables.items()})

    def rows_of(self, table: str) -> Counter[str]:
        """The rows of a table as text, with how often each is there."""
        rows = self.scratch.rows(f"select t::text as line from {{p}}{table} as t")
        return Counter(str(row["line"]) for row in rows)

    def forget(self) -> None:
        """Leave the warehouse as if nothing had ever landed or been built."""
        connection = self.scratch.connection
        connection.commit()
        built = self.scratch.rows(
            """
            select schemaname::text as schema, tablename::text as table from pg_tables
            where schemaname in ('{p}intermediate', '{p}facts', '{p}builds')
            """
        )
        for one in built:
            connection.execute(
                sql.SQL("drop table {}").format(sql.Identifier(str(one["schema"]), str(one["table"])))
            )
        raw = [(system.schema, table.name) for system, table in RAW_TABLES.values()]
        for schema, table in (*raw, ("loads", "batches")):
            connection.execute(
                sql.SQL("truncate {}").format(sql.Identifier(self.scratch.prefix + schema, table))
            )
        connection.commit()


def part_samples_by_month(scratch: Scratch) -> None:
    """Make the scratch table of samples one of partitions, as the real one is."""
    schema = sql.Identifier(f"{scratch.prefix}raw_prometheus")
    scratch.connection.execute(sql.SQL("alter table {}.samples rename to whole").format(schema))
    scratch.connection.execute(
        sql.SQL("create table {0}.samples (like {0}.whole) partition by range (sampled_at)").format(schema)
    )
    scratch.connection.execute(sql.SQL("drop table {}.whole").format(schema))
    for first, end in pairwise(month_start(2025, month) for month in range(1, 8)):
        scratch.connection.execute(
            sql.SQL("create table {0}.{1} partition of {0}.samples for values from ({2}) to ({3})").format(
                schema, sql.Identifier(f"samples_{first:%Y_%m}"), sql.Literal(first), sql.Literal(end)
            )
        )


def content_hash(rows: Counter[str]) -> str:
    """A hash of rows, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(rows.elements())).encode()).hexdigest()


def _quietly(scratch: Scratch) -> list[str]:
    target = ["--project-dir", str(scratch.project), "--target-path", str(scratch.target)]
    return ["--quiet", "--log-level-file", "none", "--no-write-json", "--no-use-colors", *target]


@contextlib.contextmanager
def builder(scratch: Scratch) -> Iterator[Builder]:
    """Read the project for a scratch warehouse; its environment is this process's for the block."""
    scratch.connection.commit()
    with _environment(scratch.environment):
        arguments = ["parse", *_quietly(scratch)]
        result = dbtRunner().invoke(arguments)
        assert isinstance(result.result, Manifest), result.exception
        yield Builder(scratch, result.result)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
