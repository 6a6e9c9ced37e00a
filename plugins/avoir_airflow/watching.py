"""The dbt build as tasks that survive its failures: Cosmos' watcher mode, with retries that build again.

Cosmos skips its producer's second attempt and lets every watching task run ``dbt run`` for its own model: one
process per model, without the flags that only ``dbt build`` knows, and each blind to what its neighbours left
half done. A build of ours is one piece (what it computes anew is named once, what it began is said once), so
it is the build that is tried again, and the tasks beside it only watch. Imported by the task group alone: its
base classes are Cosmos'.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException
from cosmos.operators._watcher.base import BaseConsumerSensor  # noqa: TID253
from cosmos.operators._watcher.state import ProducerTaskState, is_dbt_node_status_success  # noqa: TID253
from cosmos.operators.watcher import DbtConsumerWatcherSensor, DbtProducerWatcherOperator  # noqa: TID253

# A watching task gives its slot back while the build waits for its next attempt, and comes back as often and
# as soon as this: for longer, in all, than its attempts are apart. While the build runs it costs none.
WATCH_RETRIES = 12
WATCH_MAX_RETRY_DELAY = timedelta(seconds=30)
# How often, a second apart, a first attempt looks at a build that is not running yet. Watching tasks that
# waited on for a build's second attempt would hold every slot, and the build would never get one.
MOST_IDLE_POKES = 10


class DbtBuild(DbtProducerWatcherOperator):  # type: ignore[misc]
    """One ``dbt build``; a further attempt builds everything again, as ``avoir run`` would."""

    def execute(self, context: Any, **kwargs: Any) -> Any:
        """Build, whichever attempt this is, after any other build that is under way.

        Raises:
            AirflowException: dbt failed; the message names the models and their errors.
        """
        from avoir.increments import one_build
        from avoir.services import surroundings_of
        from avoir_airflow import settings

        self._upstream_failure_skipped_ids.clear()
        self.openlineage_parent = _run_of(context["ti"])
        with one_build(surroundings_of(settings()).warehouse, self.log.info):
            return super(DbtProducerWatcherOperator, self).execute(context=context, **kwargs)

    def calculate_openlineage_events_completes(
        self, env: Any, project_dir: Path, dbt_command_line: list[str] | None = None
    ) -> bool:
        """Keep the events of every model as runs within this task; Cosmos would make one of all of them.

        Whatever goes wrong here is only logged: a build does not fail for its lineage.
        """
        del dbt_command_line
        from avoir.lineage.builds import build_events
        from avoir.lineage.places import spool_of
        from avoir.lineage.spool import write_events
        from avoir_airflow import settings

        environment = {**os.environ, **{name: str(value) for name, value in env.items()}}
        try:
            events = build_events(
                Path(project_dir), Path(project_dir) / "target", environment, parent=self.openlineage_parent
            )
            write_events(spool_of(settings().profile_home), events, environment=environment)
            self.openlineage_events_completes = events
        except Exception:
            self.log.exception("The lineage of this build is not kept")
        return True

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """All tables of the build by name; what is said of each is said in the events of the models."""
        from airflow.providers.openlineage.extractors.base import OperatorLineage
        from openlineage.client.event_v2 import Dataset

        del task_instance
        tables: dict[str, set[tuple[str, str]]] = {"inputs": set(), "outputs": set()}
        for event in self.openlineage_events_completes:
            for side, names in tables.items():
                names |= {(one.namespace, one.name) for one in getattr(event, side) or []}
        inputs, outputs = (
            [Dataset(namespace=namespace, name=name) for namespace, name in sorted(names)]
            for names in tables.values()
        )
        return OperatorLineage(inputs=inputs, outputs=outputs)


def _run_of(instance: Any) -> dict[str, str] | None:
    """The run that a task's attempt is to OpenLineage; None where the provider cannot say."""
    from airflow.providers.openlineage.plugins import macros

    try:
        return {
            "run_id": macros.lineage_run_id(instance),
            "job_name": macros.lineage_job_name(instance),
            "root_run_id": macros.lineage_root_run_id(instance),
            "root_job_name": macros.lineage_root_job_name(instance),
        }
    except Exception:
        instance.log.exception("The build's lineage will name no parent")
        return None


class ModelWatch(DbtConsumerWatcherSensor):  # type: ignore[misc]
    """Succeeds when the build has made its model, fails when the build has failed for good."""

    idle_pokes = 0

    def poke(self, context: Any) -> bool:
        """Whether the model stands; one that failed is waited for as long as the build may be tried again.

        Raises:
            AirflowException: the build is between two attempts; the slot is needed for it.
            AirflowFailException: the build ended without the model.
        """
        instance = context["ti"]
        if is_dbt_node_status_success(self._get_node_status(instance, context)):
            self._cache_compiled_sql(instance, context)
            return True
        state = self._get_producer_task_status(context)
        if state in (ProducerTaskState.FAILED, ProducerTaskState.UPSTREAM_FAILED, ProducerTaskState.SKIPPED):
            raise AirflowFailException(f"the build ended without it; read the log of {self.producer_task_id}")
        if state == ProducerTaskState.SUCCESS:
            # Asked again: the build may have ended between the two questions.
            return self._stands_after_all(instance, context)
        if state == "running":
            self.idle_pokes = 0
            return False
        self.idle_pokes += 1
        if instance.try_number == 1 and state != "up_for_retry" and self.idle_pokes <= MOST_IDLE_POKES:
            return False
        raise AirflowException(f"the build is {state or 'not there'}: waiting for its next attempt")

    def _stands_after_all(self, instance: Any, context: Any) -> bool:
        status = self._get_node_status(instance, context)
        if status is not None and not is_dbt_node_status_success(status):
            raise AirflowFailException(f"dbt says {status} of it; read the log of {self.producer_task_id}")
        self._cache_compiled_sql(instance, context)
        return True


def watch_over(group: Any) -> None:
    """Give the tasks that Cosmos made for a dbt project their own retries.

    Args:
        group: a Cosmos ``DbtTaskGroup`` in watcher mode, as it was drawn.
    """
    for task in group.children.values():
        if isinstance(task, DbtProducerWatcherOperator):
            task.__class__ = DbtBuild
            # What is not drawn is built all the same.
            task.exclude = None
        elif isinstance(task, BaseConsumerSensor):
            task.__class__ = ModelWatch
            task.retries = WATCH_RETRIES
            task.max_retry_delay = WATCH_MAX_RETRY_DELAY
