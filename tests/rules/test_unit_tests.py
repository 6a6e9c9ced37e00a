"""Every contract rule as its cases: runs the dbt unit tests on an empty warehouse, and sees that they ran."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from avoir.credentials import load_credentials
from avoir.modelling import ModellingError, run_dbt, write_docs
from avoir.postgres import embedded, free_port
from avoir.warehouse import Warehouse, bootstrap

pytestmark = pytest.mark.warehouse

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
JUDGED_FOLDERS = ("intermediate", "facts", "penalties", "mart")
LONGEST_NAME = 63


@dataclass(frozen=True)
class EmptyWarehouse:
    """A bootstrapped warehouse in which every model exists and is empty."""

    environment: dict[str, str]
    target: Path
    url: str

    def dbt(self, *arguments: str) -> list[dict[str, Any]]:
        """Run dbt; a failure of its nodes fails the test with dbt's own words."""
        try:
            run_dbt(
                [*arguments, "--target-path", str(self.target)], project=PROJECT, environment=self.environment
            )
        except ModellingError as error:
            pytest.fail(str(error), pytrace=False)
        results: list[dict[str, Any]] = json.loads((self.target / "run_results.json").read_text())["results"]
        return results


@pytest.fixture(scope="module")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmptyWarehouse]:
    """A server of its own, bootstrapped, with every model built empty once."""
    home = tmp_path_factory.mktemp("rules")
    credentials = load_credentials(home)
    server = embedded(home, free_port(0), credentials["avoir_admin"])
    try:
        with server.running(home / "postgres.log"):
            warehouse = Warehouse(admin_url=server.url("avoir"), passwords=credentials)
            bootstrap(warehouse)
            environment = {
                **os.environ,
                "AVOIR_DBT_HOST": warehouse.host,
                "AVOIR_DBT_PORT": str(warehouse.port),
                "AVOIR_DBT_DATABASE": warehouse.database,
                "AVOIR_DBT_USER": "avoir_transformer",
                "AVOIR_DBT_PASSWORD": warehouse.passwords["avoir_transformer"],
                "DBT_PROFILES_DIR": str(PROJECT),
                "DBT_LOG_PATH": str(home / "logs"),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
            }
            empty = EmptyWarehouse(environment, home / "target", warehouse.url("avoir_transformer"))
            empty.dbt("run", "--empty")
            yield empty
    finally:
        server.destroy()


def declared() -> dict[str, list[str]]:
    """Names of the unit tests by the model they test, as the yml files declare them."""
    found: dict[str, list[str]] = {}
    for path in sorted(PROJECT.glob("models/**/*.yml")):
        for test in (yaml.safe_load(path.read_text()) or {}).get("unit_tests", []):
            found.setdefault(test["model"], []).append(test["name"])
    return found


def test_every_rule_holds_in_its_cases(empty_warehouse: EmptyWarehouse):
    results = empty_warehouse.dbt("test", "--select", "test_type:unit")
    ran = sorted(result["unique_id"].rsplit(".", 1)[-1] for result in results)
    expected = sorted(name for names in declared().values() for name in names)
    assert expected, "no unit test is declared, so nothing was tested"
    assert ran == expected, "dbt did not run exactly the unit tests that the yml files declare"
    assert {result["status"] for result in results} == {"pass"}


def test_every_judging_model_has_a_unit_test():
    models = [
        path.stem for folder in JUDGED_FOLDERS for path in sorted(PROJECT.glob(f"models/{folder}/*.sql"))
    ]
    tested = declared()
    assert len(models) > len(JUDGED_FOLDERS)
    assert [model for model in models if model not in tested] == [], "write cases for these models"


def test_names_of_unit_tests_fit_a_relation_and_are_told_apart():
    names = [name for names in declared().values() for name in names]
    too_long = [name for name in names if len(name) > LONGEST_NAME]
    assert too_long == [], f"Postgres cuts a name after {LONGEST_NAME} characters"
    assert sorted(set(names)) == sorted(names)


def test_a_wrong_expectation_fails(empty_warehouse: EmptyWarehouse, tmp_path: Path):
    """A runner that calls everything passed would be worse than none."""
    project = tmp_path / "project"
    for path in PROJECT.rglob("*"):
        if path.suffix in {".sql", ".yml", ".md"} and "target" not in path.parts:
            copy = project / path.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    cases = project / "models" / "mart" / "dim_vendors_unit_tests.yml"
    text = cases.read_text()
    assert "contract_count: 2" in text
    cases.write_text(text.replace("contract_count: 2", "contract_count: 3"))
    with pytest.raises(ModellingError, match="contract_count"):
        run_dbt(
            ["test", "--select", "dim_vendors,test_type:unit", "--target-path", str(tmp_path / "target")],
            project=project,
            environment=empty_warehouse.environment,
        )


def test_an_empty_warehouse_passes_its_data_tests_and_a_second_build(empty_warehouse: EmptyWarehouse):
    """The first night has nothing to sum; the second replaces tables whose keys have names already."""
    for _ in range(2):
        results = empty_warehouse.dbt("build", "--exclude-resource-type", "unit_test")
        assert {result["status"] for result in results} == {"success", "pass"}
    with psycopg.connect(empty_warehouse.url) as connection:
        keyed = connection.execute(
            """
            select conrelid::regclass::text from pg_constraint
            where contype = 'p' and connamespace in ('facts'::regnamespace, 'candidate'::regnamespace)
            order by 1
            """
        ).fetchall()
    expected = [*PROJECT.glob("models/facts/*.sql"), *PROJECT.glob("models/mart/*.sql")]
    assert sorted(name.split(".")[-1] for (name,) in keyed) == sorted(path.stem for path in expected)


def test_the_documentation_is_one_page_that_calls_nobody(empty_warehouse: EmptyWarehouse, tmp_path: Path):
    page = write_docs(
        PROJECT,
        empty_warehouse.environment,
        target=tmp_path / "target",
        page=tmp_path / "site" / "dbt" / "index.html",
    )
    text = page.read_text()
    assert "One row per vendor, complete local month and currency" in text
    assert '"send_anonymous_usage_stats": false' in text
    assert 'src="http' not in text
    assert '<head><meta http-equiv="Content-Security-Policy" content="default-src \'unsafe-inline\'' in text
