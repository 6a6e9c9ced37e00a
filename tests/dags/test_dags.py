"""House rules of the DAG files; each message states the mend."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from avoir.settings import CHECKOUT
from avoir.sources.model import parse_sources
from avoir_airflow import end_with_its_supervisor

FILES = sorted((CHECKOUT / "dags").glob("*.py"))
TAGS = {"load", "mart", "close", "servicenow", "prometheus", "einvoice_folder"}


def test_every_file_yields_a_dag(dags: dict[str, Any]) -> None:
    assert {path.name for path in FILES} == {"build_mart.py", "close_month.py", "load_sources.py"}
    assert {Path(dag.fileloc).name for dag in dags.values()} == {path.name for path in FILES}


def test_every_source_has_its_own_dag(dags: dict[str, Any], airflow_environment: dict[str, str]) -> None:
    world = Path(airflow_environment["AVOIR_DEMO_WORLD"])
    names = {source.name for source in parse_sources(world / "sources.yml", airflow_environment)}
    assert names == {"helios_servicenow", "helios_prometheus", "helios_invoices"}
    assert {f"load_{name}" for name in names} == {dag_id for dag_id in dags if dag_id.startswith("load_")}


def test_every_dag_explains_itself_and_says_who_is_hurt(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.description, f"{dag.dag_id}: give it a description"
        for heading in ("**When it fails:**", "**Who is hurt:**"):
            assert heading in (dag.doc_md or ""), f"{dag.dag_id}: its file's docstring must state {heading}"
        assert set(dag.tags) <= TAGS, f"{dag.dag_id}: use the closed vocabulary of tags, {sorted(TAGS)}"


def test_every_task_has_an_owner_retries_with_backoff_and_a_limit(dags: dict[str, Any]) -> None:
    seen = 0
    for dag in dags.values():
        assert dag.dagrun_timeout, f"{dag.dag_id}: set dagrun_timeout"
        assert dag.on_failure_callback, f"{dag.dag_id}: set on_failure_callback=announce_timeout"
        assert dag.max_active_runs == 1, f"{dag.dag_id}: two runs at once would load the same window"
        assert not dag.catchup, f"{dag.dag_id}: a window reaches back to the watermark by itself"
        for task in dag.tasks:
            seen += 1
            name = f"{dag.dag_id}.{task.task_id}"
            assert task.owner == "avoir", f"{name}: use TASK_DEFAULTS"
            assert task.on_failure_callback, f"{name}: use TASK_DEFAULTS, which tell of a failure"
            if task.task_id == "dbt.dbt_producer_watcher_done":
                continue  # an empty join of Cosmos, which never fails
            assert task.retries >= 1, f"{name}: a nightly task retries"
            assert task.retry_exponential_backoff, f"{name}: retries back off"
            assert task.execution_timeout, f"{name}: set execution_timeout"
            assert task._pre_execute_hook is end_with_its_supervisor, f"{name}: use TASK_DEFAULTS"
    assert seen > 30


def test_a_load_window_is_never_empty(dags: dict[str, Any]) -> None:
    from airflow.timetables.base import TimeRestriction

    for dag_id, dag in dags.items():
        if not dag_id.startswith("load_"):
            continue
        timetable = _core_timetable(dag)
        info = timetable.next_dagrun_info(
            last_automated_data_interval=None,
            restriction=TimeRestriction(datetime(2026, 3, 28, tzinfo=UTC), None, catchup=True),
        )
        assert info is not None
        length = info.data_interval.end - info.data_interval.start
        assert length >= timedelta(hours=23), (
            f"{dag_id}: use CronDataIntervalTimetable; a cron string is empty"
        )


def test_the_mart_waits_for_every_source_or_the_fixed_hour(dags: dict[str, Any]) -> None:
    timetable = dags["build_mart"].timetable
    assets = {asset.name for _, asset in timetable.asset_condition.iter_assets()}
    assert assets == {"helios_servicenow", "helios_prometheus", "helios_invoices"}
    assert "CronTriggerTimetable" in repr(type(timetable.timetable))


def test_the_build_is_seen_per_table(dags: dict[str, Any]) -> None:
    tasks = {task.task_id for task in dags["build_mart"].tasks}
    models = {path.stem: path for path in (CHECKOUT / "dbt_project" / "models").rglob("*.sql")}
    views = {
        name
        for name, path in models.items()
        if path.parent.name == "staging" or "materialized='view'" in path.read_text()
    }
    assert len(models) > len(views) > 20
    watched = {task for task in tasks if task.startswith("dbt.") and task.endswith("_run")}
    assert watched == {f"dbt.{model}_run" for model in models.keys() - views}
    assert {"check_raw", "check_mart", "publish"} <= tasks
    publish = dags["build_mart"].get_task("publish")
    assert "check_mart" in publish.upstream_task_ids


def test_nothing_waits_for_the_pages_and_lineage_of_a_build(dags: dict[str, Any]) -> None:
    describe = dags["build_mart"].get_task("describe")
    assert describe.upstream_task_ids == {"publish"}
    assert describe.downstream_task_ids == set()


def test_what_is_dispensable_is_told_and_skipped_when_it_fails(
    airflow_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout

    import avoir_airflow

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(avoir_airflow, "tell_failure", lambda _settings, failure: told.append(failure))
    context = {
        "task_instance": SimpleNamespace(task_id="describe"),
        "dag_run": SimpleNamespace(dag_id="build_mart", run_id="r"),
    }
    for error in (RuntimeError("dbt is gone"), AirflowTaskTimeout("too long")):
        with pytest.raises(AirflowSkipException), avoir_airflow.dispensable(context):
            raise error
    assert [one["reason"] for one in told] == ["RuntimeError: dbt is gone", "AirflowTaskTimeout: too long"]
    assert {(one["dag_id"], one["task_id"]) for one in told} == {("build_mart", "describe")}


def test_every_task_that_moves_data_says_which_tables(
    dags: dict[str, Any], airflow_environment: dict[str, str]
) -> None:
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.extractors import ExtractorManager

    assert not conf.is_disabled()
    manager = ExtractorManager()
    said = {}
    for dag in dags.values():
        for task in dag.tasks:
            extractor = manager.get_extractor_class(task)
            if extractor is not None and extractor.__name__ == "StepExtractor":
                found = extractor(task).extract()
                said[f"{dag.dag_id}.{task.task_id}"] = {one.name.split(".", 1)[-1] for one in found.outputs}
    assert said["load_helios_prometheus.load"] == {"raw_prometheus.samples"}
    assert "mart.mart_vendor_month" in said["build_mart.publish"]
    assert "ledger.entries" in said["close_month.close"]
    # Those that read and write files, or decide only.
    silent = {name for name, outputs in said.items() if not outputs}
    assert silent == {"build_mart.is_due", "build_mart.load_contracts", "build_mart.describe"}


def test_the_tasks_that_only_watch_the_build_emit_nothing(
    dags: dict[str, Any], airflow_environment: dict[str, str]
) -> None:
    from airflow.providers.openlineage.utils.emission_policy import resolve_task_emission_policy

    emitting = {
        task.task_id
        for task in dags["build_mart"].tasks
        if resolve_task_emission_policy(operator=task, dag_id="build_mart", task_id=task.task_id).emit
    }
    assert "dbt.dbt_producer_watcher" in emitting
    assert "publish" in emitting
    assert not [name for name in emitting if name.endswith("_run")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_dag_file_is_schedule_and_wiring_only(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {
        name.split(".")[0]
        for node in tree.body
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    allowed = {"__future__", "datetime", "airflow", "avoir_airflow"}
    assert imported <= allowed, f"{path.name}: import {sorted(imported - allowed)} inside the task"
    assert "select " not in path.read_text().lower(), f"{path.name}: SQL belongs to the models"


def _core_timetable(dag: Any) -> Any:
    """The scheduler's own timetable, made from the DAG as it is stored."""
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization

    restored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert isinstance(restored, SerializedDAG)
    return restored.timetable


def test_the_build_makes_views_too_though_nobody_watches_them(dags: dict[str, Any]) -> None:
    build = dags["build_mart"].get_task("dbt.dbt_producer_watcher")
    assert not build.exclude
    assert not build.select
    assert not [flag for flag in build.dbt_cmd_flags if flag in ("--exclude", "--select", "--selector")]


def test_who_watches_a_build_that_does_not_run_gives_its_slot_back(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException

    from avoir_airflow.watching import MOST_IDLE_POKES, ModelWatch

    watch = dags["build_mart"].get_task("dbt.fct_ticket_clocks_run")
    assert isinstance(watch, ModelWatch)
    state = "queued"
    monkeypatch.setattr(ModelWatch, "_get_node_status", lambda *_: None)
    monkeypatch.setattr(ModelWatch, "_get_producer_task_status", lambda *_: state)
    monkeypatch.setattr(watch, "idle_pokes", 0)
    context = {"ti": SimpleNamespace(try_number=1)}
    assert [watch.poke(context) for _ in range(MOST_IDLE_POKES)] == [False] * MOST_IDLE_POKES
    state = "running"
    assert watch.poke(context) is False
    state = "queued"
    assert [watch.poke(context) for _ in range(MOST_IDLE_POKES)] == [False] * MOST_IDLE_POKES
    with pytest.raises(AirflowException, match="the build is queued: waiting for its next attempt"):
        watch.poke(context)
