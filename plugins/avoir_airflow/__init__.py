"""What the DAG files share: defaults, schedules, the run's instant and the dbt task group.

This package knows Airflow so that ``avoir`` does not have to. Nothing heavy is imported at parse time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from avoir.failures import tell_failure
from avoir.processes import end_with_supervisor
from avoir.settings import Settings
from avoir.sources.model import SourceConnection, parse_sources

LOAD_AT = "0 2 * * *"


@cache
def settings() -> Settings:
    """Settings of the profile this Airflow belongs to."""
    return Settings.from_environment()


@cache
def sources() -> tuple[SourceConnection, ...]:
    """Every source of the profile's sources file, in its order."""
    return tuple(parse_sources(settings().sources_file, os.environ))


def scheduled(schedule: Any, *, otherwise: Any = None) -> Any:
    """The nightly schedule, or ``otherwise`` where a person triggers the runs (``AVOIR_SCHEDULE=off``)."""
    return otherwise if os.environ.get("AVOIR_SCHEDULE", "on") == "off" else schedule


def as_of_of(context: Mapping[str, Any]) -> datetime:
    """The instant a run believes in: ``AVOIR_AS_OF``, else the end of its interval, else when it was due."""
    believed = settings().as_of
    if believed is not None:
        return believed
    run = context["dag_run"]
    instant: datetime = run.data_interval_end or run.run_after
    return instant


def announce_task_failure(context: Mapping[str, Any]) -> None:
    """Tell of a task that failed for good; called in the task's own process, before anything can stop."""
    task = context["task_instance"]
    _announce(context, task_id=task.task_id, reason=str(context.get("exception") or "failed"))


def announce_timeout(context: Mapping[str, Any]) -> None:
    """Tell of a run that took too long; every other failure was told by its task."""
    reason = str(context.get("reason"))
    if reason == "timed_out":
        _announce(context, task_id=None, reason=reason)


def _announce(context: Mapping[str, Any], *, task_id: str | None, reason: str) -> None:
    """Write it where ``avoir status`` and ``avoir run`` read it."""
    run = context["dag_run"]
    tell_failure(
        settings(), {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": task_id, "reason": reason}
    )


@contextmanager
def dispensable(context: Mapping[str, Any]) -> Iterator[None]:
    """Let a task that nothing depends on fail: it is told as a failure, and skipped, so its run succeeds."""
    from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout

    try:
        yield
    except (Exception, AirflowTaskTimeout) as error:
        reason = f"{type(error).__name__}: {error}"
        _announce(context, task_id=context["task_instance"].task_id, reason=reason)
        raise AirflowSkipException(reason) from error


def end_with_its_supervisor(context: Mapping[str, Any]) -> None:
    """Before a task's own work: see to it that the task does not outlive the process that reports for it."""
    del context
    end_with_supervisor()


TASK_DEFAULTS: dict[str, Any] = {
    "owner": "avoir",
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": announce_task_failure,
    "pre_execute": end_with_its_supervisor,
}


def dbt_task_group(*, as_of: Any) -> Any:
    """One ``dbt build``, seen per table: Cosmos in watcher mode, drawn from the manifest made beforehand.

    A view is made in a moment and costs a task as much as a table: the build makes them, nobody watches.
    """
    from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
    from cosmos.constants import ExecutionMode, LoadMode, TestBehavior

    from avoir_airflow.watching import watch_over

    project = settings().checkout / "dbt_project"
    manifest = settings().profile_home / "manifest.json"
    if not manifest.exists():
        raise FileNotFoundError(f"{manifest} is missing; `avoir dbt parse` makes it.")
    group = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(
            dbt_project_path=project, manifest_path=manifest, install_dbt_deps=False
        ),
        profile_config=ProfileConfig(
            profile_name="avoir", target_name="warehouse", profiles_yml_filepath=project / "profiles.yml"
        ),
        execution_config=ExecutionConfig(execution_mode=ExecutionMode.WATCHER),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.NONE,
            emit_datasets=False,
            exclude=["config.materialized:view"],
        ),
        operator_args={
            "vars": {"as_of": as_of},
            "install_deps": False,
            "deferrable": False,
            "poke_interval": 1,
            "dbt_cmd_global_flags": ["--no-partial-parse"],
            "dbt_cmd_flags": ["--exclude-resource-type", "unit_test"],
        },
    )
    watch_over(group)
    return group
