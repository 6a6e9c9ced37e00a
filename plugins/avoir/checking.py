"""Runs the suites of a border, stores verdicts and samples.

Great Expectations judges two borders: ``raw``, what landed, and ``mart``, the candidates before they may be
seen. Its checks are aggregates over whole tables; rows are fetched only for a check that failed. Importing
it costs seconds, so this module does it inside the functions.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from avoir.services import surroundings_of
from avoir.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

BORDERS = ("raw", "mart")
SAMPLE_ROWS = 20


@dataclass(frozen=True)
class Suite:
    """Checks of one table at one border.

    ``checks`` are Great Expectations expectations, each with ``meta={"why": …}``.
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


def check_border(settings: Settings, border: str, *, run_id: str) -> bool:
    """Judge a border and store the verdicts under the run's id; returns whether every check held.

    A failed check is a verdict, not an exception: what it blocks is decided at publication. A rerun of the
    same run replaces its verdicts.
    """
    here = surroundings_of(settings)
    suites = [s for s in load_suites(settings.checkout / "expectations") if s.border == border]
    url = here.warehouse.url("avoir_transformer", scheme="postgresql+psycopg2")
    verdicts = judge(suites, url)
    with here.warehouse.connect("avoir_transformer") as connection:
        store(connection, border, verdicts, run_id=run_id)
    for verdict in verdicts:
        if not verdict.success:
            print(f"FAILED {border} {verdict.table} {verdict.check} {verdict.column or ''}: {verdict.why}")
    return all(verdict.success for verdict in verdicts)


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

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    datasource = context.data_sources.add_postgres("warehouse", connection_string=url)
    verdicts = []
    for suite in suites:
        schema, name = suite.table.split(".")
        asset = datasource.add_table_asset(suite.table, table_name=name, schema_name=schema)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        built = gx.ExpectationSuite(name=f"{suite.border}:{suite.table}", expectations=list(suite.checks))
        result = batch.validate(built, result_format="BASIC")
        for one in result.results:
            config = one.expectation_config
            if one.exception_info and _exception_text(one.exception_info):
                observed: str | None = _exception_text(one.exception_info)
            else:
                observed = _observed(one.result)
            verdicts.append(
                Verdict(
                    table=suite.table,
                    check=config.description or config.type,
                    column=config.kwargs.get("column"),
                    why=(config.meta or {}).get("why", ""),
                    success=bool(one.success),
                    observed=observed,
                    sample=[] if one.success else _sample(batch, one),
                )
            )
    return verdicts


def store(connection: psycopg.Connection, border: str, verdicts: Sequence[Verdict], *, run_id: str) -> None:
    """Replace a run's verdicts at a border."""
    with connection.transaction():
        connection.execute("delete from checks.verdicts where run_id = %s and border = %s", (run_id, border))
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into checks.verdicts
                    (run_id, border, table_name, check_name, column_name, why, success, observed, sample)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
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
                    )
                    for v in verdicts
                ],
            )


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
