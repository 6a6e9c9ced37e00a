"""Runs the suites of a border, stores verdicts, samples and whom a failure concerns.

Great Expectations judges two borders: ``raw``, what landed, and ``mart``, the candidates before they may be
seen; at the second one :mod:`avoir.reconciling` asks what no check of one table can see. Checks are
aggregates over whole tables; rows are fetched only for a check that failed: some of them as a sample, and,
counted, the sources or months that they belong to, which are held while all others are published.
Importing it costs seconds, so this module does it inside the functions.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from avoir.findings import Finding, store_findings
from avoir.reconciling import Reconciled, reconcile
from avoir.services import surroundings_of
from avoir.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BORDERS = ("raw", "mart")
SAMPLE_ROWS = 20

CONCERNED = {"raw": ("_source_name", "_batch_id"), "mart": ("vendor_id", "month_date")}
"""The columns by which a failing row names whom it concerns, by border."""

_WHOM = {
    # A row of a source that never loaded anything has no batch, and then no instant: nobody is known for it.
    "raw": sql.SQL(
        """
        select f._source_name, case when bool_and(b.batch_id is not null) then max(b.window_to) end, count(*)
        from ({failing}) f
        left join loads.batches b on b.batch_id = f._batch_id and b.source_name = f._source_name
        group by 1 order by 1
        """
    ),
    "mart": sql.SQL(
        "select f.vendor_id, f.month_date, count(*) from ({failing}) f group by 1, 2 order by 1, 2"
    ),
}


@dataclass(frozen=True)
class Suite:
    """Checks of one table at one border.

    ``checks`` are Great Expectations expectations, each with ``meta={"why": …}``. A query of unexpected rows
    must give the columns that say whom a row concerns (:data:`CONCERNED`). ``meta={"blocks": True}`` marks a
    check whose failure blocks all: the build of everybody would stumble over such a row.
    """

    border: str
    table: str
    checks: Sequence[Any]

    def __post_init__(self) -> None:
        if self.border not in BORDERS:
            raise ValueError(f"a border is one of {', '.join(BORDERS)}, got {self.border!r}")
        for check in self.checks:
            if not (check.meta or {}).get("why"):
                raise ValueError(f"{self.table}: {type(check).__name__} must say why, meta={{'why': …}}")


@dataclass(frozen=True)
class Verdict:
    """What one check said of one table."""

    table: str
    check: str
    column: str | None
    why: str
    success: bool
    observed: str | None
    sample: list[Any]
    failing: sql.Composed | None = None
    """A select of the rows that failed; None where nobody can be named for them."""
    findings: tuple[Finding, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether it failed and nobody can be named for it."""
        return not self.success and not self.findings


def check_border(settings: Settings, border: str, *, run_id: str) -> bool:
    """Judge a border and store what was found under the run's id; returns whether the night may go on.

    A failed check is a verdict, not an exception: whom it holds is decided at publication. It may not go on
    where a failure concerns everybody. A rerun of the same run replaces its verdicts.
    """
    here = surroundings_of(settings)
    suites = [s for s in load_suites(settings.checkout / "expectations") if s.border == border]
    url = here.warehouse.url("avoir_transformer", scheme="postgresql+psycopg2")
    verdicts = judge(suites, url)
    with here.warehouse.connect("avoir_transformer") as connection:
        verdicts = [attributed(connection, border, verdict) for verdict in verdicts]
        # A candidate that has lost a column cannot be asked anything else.
        if border == "mart" and not any(verdict.blocks for verdict in verdicts):
            verdicts += [_verdict_of(one) for one in reconcile(connection, settings.gate)]
        store(connection, border, verdicts, run_id=run_id)
    for verdict in verdicts:
        if not verdict.success:
            print(f"FAILED {border} {verdict.table} {verdict.check} {verdict.column or ''}: {verdict.why}")
    return not any(verdict.blocks for verdict in verdicts)


def attributed(connection: psycopg.Connection, border: str, verdict: Verdict) -> Verdict:
    """The verdict with a finding for every source or month that its failing rows belong to.

    With none, where one row belongs to nobody known: it then blocks all.
    """
    if verdict.success or verdict.failing is None:
        return verdict
    try:
        with connection.transaction():
            rows = connection.execute(_WHOM[border].format(failing=verdict.failing)).fetchall()
    except psycopg.Error as error:
        return replace(verdict, observed=f"{verdict.observed}; whom it concerns cannot be asked: {error}")
    if any(None in row for row in rows):
        return verdict
    failed = f"{verdict.check}{f' of {verdict.column}' if verdict.column else ''} ({verdict.why})"
    found = []
    for row in rows:
        if border == "raw":
            source, before, count = row
            reason = f"{count} records of {source} in {verdict.table} fail: {failed}"
            found.append(Finding(verdict.check, reason, source_name=source, before=before))
        else:
            vendor_id, month_date, count = row
            reason = f"{count} rows of the month in {verdict.table} fail: {failed}"
            found.append(Finding(verdict.check, reason, vendor_id=vendor_id, month_date=month_date))
    return replace(verdict, findings=tuple(found))


def failing_rows(border: str, table: str, kind: str, arguments: Mapping[str, Any]) -> sql.Composed | None:
    """A select of the rows that fail a check, with the columns that say whom a row concerns.

    None for a check of the whole table, such as how many rows it has, and of a kind that is not known here.
    """
    relation = sql.Identifier(*table.split("."))
    if kind == "unexpected_rows_expectation":
        query = str(arguments["unexpected_rows_query"]).replace("{batch}", table)
        return sql.Composed([sql.SQL(query)])  # a query of our own suites
    if "column" not in arguments:
        return None
    column = sql.Identifier(arguments["column"])
    if kind == "expect_column_values_to_not_be_null":
        failing = sql.SQL("{} is null").format(column)
    elif kind == "expect_column_values_to_match_regex":
        failing = sql.SQL("{} !~ {}").format(column, sql.Literal(arguments["regex"]))
    elif kind == "expect_column_values_to_be_between":
        failing = sql.SQL("not {} between {} and {}").format(
            column, sql.Literal(arguments["min_value"]), sql.Literal(arguments["max_value"])
        )
    elif kind == "expect_column_values_to_be_in_set":
        failing = sql.SQL("{} <> all({})").format(column, sql.Literal(list(arguments["value_set"])))
    else:
        return None
    names = sql.SQL(", ").join(map(sql.Identifier, CONCERNED[border]))
    return sql.SQL("select {} from {} where {}").format(names, relation, failing)


def _verdict_of(reconciled: Reconciled) -> Verdict:
    holding = [finding for finding in reconciled.findings if not finding.is_note]
    told = [*reconciled.blocking, *(finding.reason for finding in reconciled.findings)]
    return Verdict(
        table=reconciled.subject,
        check=reconciled.name,
        column=None,
        why="; ".join(reconciled.blocking) or reconciled.why,
        success=not holding and not reconciled.blocking,
        observed=f"{len(holding)} held, {len(reconciled.findings) - len(holding)} noted",
        sample=told[:SAMPLE_ROWS],
        findings=() if reconciled.blocking else tuple(reconciled.findings),
    )


def load_suites(directory: Path) -> list[Suite]:
    """Every ``SUITE`` of the modules in a directory, by file name.

    Raises:
        TypeError: a module has no ``SUITE``.
        ValueError: the directory holds no module.
    """
    suites = []
    for path in sorted(directory.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"avoir_expectations_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        suite = getattr(module, "SUITE", None)
        if not isinstance(suite, Suite):
            raise TypeError(f"{path}: a suite module defines SUITE = Suite(...)")
        suites.append(suite)
    if not suites:
        raise ValueError(
            f"{directory} holds no suite: a border that checks nothing would let everything through"
        )
    return suites


def judge(suites: Sequence[Suite], url: str) -> list[Verdict]:
    """Run suites against a warehouse; samples only for what failed."""
    import great_expectations as gx
    from great_expectations.datasource.fluent.interfaces import TestConnectionError

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    datasource = context.data_sources.add_postgres("warehouse", connection_string=url)
    verdicts = []
    for suite in suites:
        schema, name = suite.table.split(".")
        try:
            asset = datasource.add_table_asset(suite.table, table_name=name, schema_name=schema)
        except TestConnectionError as error:
            why = "nothing can be said of a table that is not there"
            verdicts.append(Verdict(suite.table, "it can be read", None, why, False, str(error), []))
            continue
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        built = gx.ExpectationSuite(name=f"{suite.border}:{suite.table}", expectations=list(suite.checks))
        result = batch.validate(built, result_format="BASIC")
        for one in result.results:
            config = one.expectation_config
            failure = _exception_text(one.exception_info) if one.exception_info else None
            meta = config.meta or {}
            named = not one.success and failure is None and not meta.get("blocks")
            verdicts.append(
                Verdict(
                    table=suite.table,
                    check=config.description or config.type,
                    column=config.kwargs.get("column"),
                    why=meta.get("why", ""),
                    success=bool(one.success),
                    observed=failure or _observed(one.result),
                    sample=[] if one.success else _sample(batch, one),
                    failing=failing_rows(suite.border, suite.table, config.type, config.kwargs)
                    if named
                    else None,
                )
            )
    return verdicts


def store(connection: psycopg.Connection, border: str, verdicts: Sequence[Verdict], *, run_id: str) -> None:
    """Replace a run's verdicts and findings at a border."""
    with connection.transaction():
        connection.execute("delete from checks.verdicts where run_id = %s and border = %s", (run_id, border))
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into checks.verdicts
                    (run_id, border, table_name, check_name, column_name, why, success, observed, sample,
                    is_attributed)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    (
                        run_id,
                        border,
                        v.table,
                        v.check,
                        v.column,
                        v.why,
                        v.success,
                        v.observed,
                        json.dumps(v.sample, default=str),
                        not v.success and not v.blocks,
                    )
                    for v in verdicts
                ],
            )
        store_findings(connection, border, [f for v in verdicts for f in v.findings], run_id=run_id)


def _observed(result: dict[str, Any]) -> str | None:
    if "observed_value" in result:
        return str(result["observed_value"])
    if "unexpected_count" in result:
        return f"{result['unexpected_count']} of {result.get('element_count')} rows"
    return None


def _sample(batch: Any, one: Any) -> list[Any]:
    """Some rows that failed a check; a row query is asked for them only now."""
    rows = one.result.get("partial_unexpected_list")
    if rows is None and one.expectation_config.type == "unexpected_rows_expectation":
        again = batch.validate(one.expectation_config.to_domain_obj(), result_format="COMPLETE")
        rows = (again.result.get("details") or {}).get("unexpected_rows")
    return list(rows or [])[:SAMPLE_ROWS]


def _exception_text(info: Any) -> str | None:
    entries = info.values() if isinstance(info, dict) and "raised_exception" not in info else [info]
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return None
