"""House rules of the SQL that no linter knows, each with planted offences that it must catch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = CHECKOUT / "dbt_project"

# A model takes its instant from `as_of`; a clock would make a rerun give other rows.
CLOCK = re.compile(
    r"""
    \b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|getdate|sysdate|age)"?\s*\(
    | \b(?:current_date|current_time|current_timestamp|localtime|localtimestamp)\b
    | '\s*(?:now|today|tomorrow|yesterday)\s*'
    | \bmodules\s*\.\s*datetime\b | \brun_started_at\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Binary fractions cannot hold a cent.
FLOATS = re.compile(
    r"\b(?:float(?:4|8)?|real|double\s+precision|money)\b",
    re.IGNORECASE,
)
# What has no like on another engine, or hides a loop; equality joins and integers carry over.
UNPORTABLE = re.compile(
    r"""
    \bdistinct\s+on\b | \blateral\b | \bjsonb?\w*\b
    | \b(?:int4|int8|num|ts|tstz|date)(?:multi)?range\b | \binterval\s*'[^']*'\s*\*|\*\s*interval\b
    | (?<!~)~\*?\s*'
    """,
    re.IGNORECASE | re.VERBOSE,
)


def sql_without_comments(text: str) -> str:
    """The SQL and Jinja of a file, without its comments: a rule's reason may name what it forbids."""
    text = re.sub(r"\{#.*?#\}", " ", text, flags=re.DOTALL)
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    return re.sub(r"--[^\n]*", " ", text)


def offences(rule: re.Pattern[str], paths: list[Path]) -> list[str]:
    """Where a rule is broken, as `file: what`."""
    return [
        f"{path.name}: {match.group().strip()}"
        for path in paths
        for match in rule.finditer(sql_without_comments(path.read_text()))
    ]


def files(*patterns: str) -> list[Path]:
    """SQL files of the project; an empty answer would make every rule hold."""
    found = sorted(path for pattern in patterns for path in PROJECT.glob(pattern))
    assert found, f"no file matches {patterns}"
    return found


def test_no_model_macro_or_data_test_asks_a_clock():
    assert offences(CLOCK, files("models/**/*.sql", "macros/**/*.sql", "tests/**/*.sql")) == [], (
        "take the instant from var('as_of'); a rerun of the same inputs must give the same rows"
    )


def test_no_model_or_macro_computes_in_floats():
    assert offences(FLOATS, files("models/**/*.sql", "macros/**/*.sql")) == [], (
        "use numeric, or bigint microseconds"
    )
    assert (
        offences(
            re.compile(r"data_type:\s*(?:float|real|double|money)", re.IGNORECASE), files("models/**/*.yml")
        )
        == []
    )


def test_facts_and_penalties_are_portable_sql():
    assert offences(UNPORTABLE, files("models/facts/*.sql", "models/penalties/*.sql")) == [], (
        "keep to equality joins, integers and standard SQL: the same models run on other engines"
    )


@pytest.mark.parametrize(
    "offence",
    [
        "select now()",
        "select NOW ( )",
        "select now\n()",
        "where opened_at < current_date",
        "where opened_at < CURRENT_DATE - 1",
        "select current_timestamp",
        "select Current_Timestamp(3)",
        "select localtimestamp",
        "select localtime",
        "select current_time",
        "select clock_timestamp()",
        "select statement_timestamp()",
        "select transaction_timestamp ()",
        "select timeofday()",
        "select pg_catalog.now()",
        'select pg_catalog."now"()',
        "select cast('now' as timestamptz)",
        "select 'today'::date",
        "select date ' Yesterday '",
        "select age(opened_at)",
        "{{ modules.datetime.datetime.utcnow() }}",
        "{{ run_started_at }}",
        "select opened_at -- when\n, now() as seen_at",
        "select /* a */ now() /* b */",
    ],
)
def test_a_planted_clock_is_caught(offence: str, tmp_path: Path):
    (tmp_path / "model.sql").write_text(offence)
    assert offences(CLOCK, [tmp_path / "model.sql"])


@pytest.mark.parametrize(
    "honest",
    [
        "select known_at, snow_count, unknown_us",
        "-- now() would make a rerun differ\nselect 1",
        "{#- never current_date -#} select 1",
        "select coverage_pct, percentage",
        "select 'known'",
        "select current_clauses.clause_id from current_clauses",
    ],
)
def test_honest_sql_is_not_called_a_clock(honest: str, tmp_path: Path):
    (tmp_path / "model.sql").write_text(honest)
    assert offences(CLOCK, [tmp_path / "model.sql"]) == []


@pytest.mark.parametrize(
    "offence",
    [
        "cast(x as float)",
        "x::float8",
        "cast(x as REAL)",
        "cast(x as double precision)",
        "cast(x as double\n precision)",
        "x::money",
    ],
)
def test_a_planted_float_is_caught(offence: str, tmp_path: Path):
    (tmp_path / "model.sql").write_text(offence)
    assert offences(FLOATS, [tmp_path / "model.sql"])


@pytest.mark.parametrize(
    "offence",
    [
        "select distinct on (a) a",
        "select DISTINCT\n    ON (a) a",
        "cross join lateral generate_series(1, 2)",
        "payload::jsonb",
        "jsonb_array_elements(x)",
        "json_agg(x)",
        "tstzrange(a, b)",
        "int8range(a, b)",
        "datemultirange(a)",
        "interval '1 day' * n",
        "n * interval '1 day'",
        "where name ~ '^a'",
        "where name ~* 'a'",
    ],
)
def test_planted_unportable_sql_is_caught(offence: str, tmp_path: Path):
    (tmp_path / "model.sql").write_text(offence)
    assert offences(UNPORTABLE, [tmp_path / "model.sql"])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The project's manifest, parsed without a database."""
    target = tmp_path_factory.mktemp("dbt")
    command = [tool("dbt"), "--quiet", "parse", "--project-dir", str(PROJECT), "--target-path", str(target)]
    subprocess.run(
        command,
        check=True,
        env=os.environ | {"DBT_PROFILES_DIR": str(PROJECT), "DBT_LOG_PATH": str(target / "logs")},
    )
    parsed: dict[str, Any] = json.loads((target / "manifest.json").read_text())
    return parsed


def tool(name: str) -> str:
    """Path of a command of this environment."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def bouncer(manifest: dict[str, Any], directory: Path) -> str:
    """What dbt-bouncer finds wrong with a manifest by the project's configuration; empty when nothing."""
    (directory / "target").mkdir()
    (directory / "target" / "manifest.json").write_text(json.dumps(manifest))
    settings = (CHECKOUT / "dbt-bouncer.yml").read_text()
    assert "dbt_artifacts_dir: dbt_project/target\n" in settings
    settings = settings.replace("dbt_artifacts_dir: dbt_project/target\n", "dbt_artifacts_dir: target\n")
    (directory / "dbt-bouncer.yml").write_text(settings)
    report = directory / "report.json"
    command = [tool("dbt-bouncer"), "run", "--config-file", "dbt-bouncer.yml", "--output-file", str(report)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    found = [one for one in json.loads(report.read_text()) if one["outcome"] != "success"]
    assert (done.returncode == 0) == (not found), done.stdout
    return "\n".join(f"{one['check_run_id']}: {one['failure_message']}" for one in found)


def rename_column(manifest: dict[str, Any], model: str, old: str, new: str) -> None:
    """Let a model call a column otherwise."""
    columns = manifest["nodes"][f"model.avoir.{model}"]["columns"]
    columns[new] = columns.pop(old) | {"name": new}


def test_the_project_passes_its_bouncer(manifest: dict[str, Any], tmp_path: Path):
    assert bouncer(manifest, tmp_path) == ""


def without_grain(manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.avoir.fct_milestones"]["description"] = "Releases and their delays."


def without_contract(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.avoir.fct_milestones"]
    node["contract"]["enforced"] = node["config"]["contract"]["enforced"] = False


def without_key(manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.avoir.fct_milestones"]["constraints"] = []


def without_contract_of_an_incremental_model(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.avoir.fct_ticket_clocks"]
    node["contract"]["enforced"] = node["config"]["contract"]["enforced"] = False


def without_key_of_an_incremental_model(manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.avoir.fct_ticket_clocks"]["constraints"] = []


def without_unit_test(manifest: dict[str, Any]) -> None:
    manifest["unit_tests"] = {
        name: test for name, test in manifest["unit_tests"].items() if test["model"] != "dim_vendors"
    }


def with_an_undescribed_column(manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.avoir.fct_milestones"]["columns"]["due_date"]["description"] = ""


def with_money_in_floats(manifest: dict[str, Any]) -> None:
    columns = manifest["nodes"]["model.avoir.fct_penalty_lines"]["columns"]
    columns["credit_amount"]["data_type"] = "double precision"


def with_a_step_back(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.avoir.fct_milestones"]
    node["depends_on"]["nodes"].append("model.avoir.mart_vendor_month")


def with_a_fact_that_reads_what_was_built(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.avoir.fct_milestones"]
    node["depends_on"]["nodes"].append("model.avoir.built_batches")


@pytest.mark.parametrize(
    "plant",
    [
        without_grain,
        without_contract,
        without_contract_of_an_incremental_model,
        without_key,
        without_key_of_an_incremental_model,
        without_unit_test,
        with_an_undescribed_column,
        with_money_in_floats,
        with_a_step_back,
        with_a_fact_that_reads_what_was_built,
        lambda manifest: rename_column(manifest, "fct_milestones", "due_date", "due_on"),
        lambda manifest: rename_column(manifest, "fct_penalty_lines", "credit_amount", "credit"),
        lambda manifest: rename_column(
            manifest, "fct_availability_months", "downtime_us", "downtime_seconds"
        ),
        lambda manifest: rename_column(manifest, "fct_invoice_lines", "is_counted", "counted"),
    ],
)
def test_the_bouncer_catches_what_is_planted(
    plant: Callable[[dict[str, Any]], None], manifest: dict[str, Any], tmp_path: Path
):
    spoilt = json.loads(json.dumps(manifest))
    plant(spoilt)
    assert bouncer(spoilt, tmp_path) != ""
