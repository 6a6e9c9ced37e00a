"""The project's own SQL: its macros rendered, its models compiled and run by dbt, never a copy of either."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import jinja2
from measuring_cpu import Database

from avoir.modelling import run_dbt

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = CHECKOUT / "dbt_project"


@cache
def _macros(as_of: datetime) -> jinja2.environment.TemplateModule:
    files = sorted(PROJECT.glob("macros/time*.sql")) + sorted(PROJECT.glob("macros/calendar*.sql"))
    text = "\n".join(file.read_text() for file in files)
    # Filled with SQL for a database that is measured in, never a page: nothing is to be escaped.
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])  # noqa: S701
    known = {"var": {"as_of": as_of.isoformat()}.__getitem__, "modules": {"datetime": dt}}
    return environment.from_string(text, globals=known).module


def macro(name: str, *arguments: str, as_of: datetime) -> str:
    """The SQL of a macro of the project that knows nothing but its arguments and the run's instant."""
    return str(getattr(_macros(as_of), name)(*arguments)).strip()


@dataclass(frozen=True)
class Project:
    """dbt over one database."""

    database: Database

    def run(self, *, as_of: datetime, select: str) -> None:
        """Build models.

        Raises:
            avoir.modelling.ModellingError: dbt failed; the message carries the end of its log.
        """
        self._dbt("run", as_of=as_of, select=select)

    def compiled(self, models: Iterable[str], *, as_of: datetime) -> dict[str, str]:
        """The statements of models as a run would execute them now, by name."""
        wanted = list(models)
        self._dbt("compile", as_of=as_of, select=" ".join(wanted))
        found = {path.stem: path for path in (self._target / "compiled" / "avoir" / "models").rglob("*.sql")}
        return {name: found[name].read_text() for name in wanted}

    def between(self, first: str, last: str) -> list[str]:
        """The models that lie on the ways from one model to another, both among them, in order of building.

        The project must have been run or compiled before: it is read from its manifest.
        """
        nodes = json.loads((self._target / "manifest.json").read_text())["nodes"]
        needs = {
            node["name"]: {one.rsplit(".", 1)[1] for one in node["depends_on"]["nodes"]}
            for node in nodes.values()
            if node["resource_type"] == "model"
        }

        @cache
        def comes_after_first(name: str) -> bool:
            return name == first or any(comes_after_first(one) for one in needs.get(name, ()))

        ordered: list[str] = []

        def take(name: str) -> None:
            for one in sorted(needs.get(name, ())):
                take(one)
            if name not in ordered and name in needs and comes_after_first(name):
                ordered.append(name)

        take(last)
        return ordered

    def dearest(self, count: int) -> str:
        """The models that the last run spent most on, with their seconds of wall time."""
        ran = json.loads((self._target / "run_results.json").read_text())["results"]
        ran.sort(key=lambda one: -one["execution_time"])
        told = [f"{one['execution_time']:7.2f} s  {one['unique_id'].rsplit('.', 1)[1]}" for one in ran]
        return "\n".join(told[:count])

    def is_view(self, model: str) -> bool:
        """Whether a model costs nothing until it is read."""
        nodes = json.loads((self._target / "manifest.json").read_text())["nodes"]
        return nodes[f"model.avoir.{model}"]["config"]["materialized"] in {"view", "ephemeral"}

    @property
    def _target(self) -> Path:
        return self.database.cluster.home / f"target_{self.database.warehouse.database}"

    def _dbt(self, verb: str, *, as_of: datetime, select: str) -> None:
        warehouse = self.database.warehouse
        environment = {
            **os.environ,
            "AVOIR_DBT_HOST": warehouse.host,
            "AVOIR_DBT_PORT": str(warehouse.port),
            "AVOIR_DBT_DATABASE": warehouse.database,
            "AVOIR_DBT_USER": "avoir_transformer",
            "AVOIR_DBT_PASSWORD": warehouse.passwords["avoir_transformer"],
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_LOG_PATH": str(self.database.cluster.home / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        }
        variables = json.dumps({"as_of": as_of.isoformat()})
        arguments = [
            verb,
            "--select",
            *select.split(),
            "--vars",
            variables,
            "--target-path",
            str(self._target),
        ]
        run_dbt(arguments, project=PROJECT, environment=environment)
