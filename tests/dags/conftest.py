"""An Airflow of its own for reading the DAG files: no server, a metadata file in a temporary home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from avoir.demo.world import build_world
from avoir.modelling import parse_project
from avoir.services import surroundings_of
from avoir.settings import Settings


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that the services give Airflow, over a small demo world."""
    before = dict(os.environ)
    os.environ["AVOIR_HOME"] = str(tmp_path_factory.mktemp("dags"))
    os.environ["AVOIR_PROFILE"] = "demo"
    settings = Settings.from_environment()
    here = surroundings_of(settings)
    build_world(settings.profile_home / "world", vendors=["helios"], months=1)
    parse_project(settings.checkout / "dbt_project", here.environment, manifest=here.manifest)
    environment = here.environment | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{settings.home}/airflow.db",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }
    os.environ.update(environment)
    yield environment
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def dags(airflow_environment: dict[str, str]) -> dict[str, Any]:
    """Every DAG of ``dags/``, read as Airflow reads them."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=airflow_environment["AIRFLOW__CORE__DAGS_FOLDER"])
    assert not bag.import_errors, bag.import_errors
    return dict(bag.dags)
