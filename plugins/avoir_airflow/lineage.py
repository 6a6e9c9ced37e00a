"""What OpenLineage asks of our tasks: which tables the plain Python tasks read and write.

Named in ``[openlineage] extractors``, so the provider imports it within a task. The events themselves are
Airflow's; they go where :mod:`avoir.lineage.spool` writes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.providers.openlineage.extractors.base import BaseExtractor, OperatorLineage
from openlineage.client.event_v2 import Dataset

if TYPE_CHECKING:
    from avoir.lineage.steps import Step

_LOAD = "load_"


class StepExtractor(BaseExtractor):
    """Inputs and outputs of the tasks that are functions of ours."""

    @classmethod
    def get_operator_classnames(cls) -> list[str]:
        """The operators of ``@task`` and ``@task.short_circuit``."""
        return ["_PythonDecoratedOperator", "_ShortCircuitDecoratedOperator"]

    def _execute_extraction(self) -> OperatorLineage[Any, Any]:
        step = step_of(self.operator.dag_id, self.operator.task_id)
        return OperatorLineage(
            inputs=[Dataset(namespace=one.namespace, name=one.name) for one in step.inputs],
            outputs=[Dataset(namespace=one.namespace, name=one.name) for one in step.outputs],
        )


def step_of(dag_id: str, task_id: str) -> Step:
    """What a task of the DAG files reads and writes."""
    # Every task's process imports this module, the many that only watch the build too.
    from avoir.lineage.steps import load_step, night_step
    from avoir.settings import Settings
    from avoir.sources.model import parse_sources

    if not dag_id.startswith(_LOAD):
        return night_step(dag_id, task_id, os.environ)
    sources = parse_sources(Settings.from_environment().sources_file, os.environ)
    (source,) = (one for one in sources if one.name == dag_id.removeprefix(_LOAD))
    return load_step(source, os.environ)
