"""The events of one dbt build: a run of every model and test, with inputs, outputs and columns.

``openlineage-integration-common`` makes them from the artifacts that dbt leaves. It also makes an event of
the start of each run, afterwards, which says no more than that of its end; those are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avoir.lineage.places import NAMESPACE
from avoir.lineage.steps import warehouse_namespace

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

PRODUCER = "https://github.com/OpenLineage/OpenLineage/tree/main/integration/dbt"


def build_events(
    project: Path,
    target: Path,
    environment: Mapping[str, str],
    *,
    parent: Mapping[str, str] | None = None,
) -> list[RunEvent]:
    """Events of the build whose artifacts lie in a target directory, failed models included.

    Args:
        project: the dbt project.
        target: the directory with ``manifest.json`` and ``run_results.json``.
        environment: how dbt reached the warehouse.
        parent: the run that started the build: ``run_id``, ``job_name``, ``root_run_id``, ``root_job_name``.

    Raises:
        FileNotFoundError: dbt left no artifacts.
        ValueError: they are of a version that the library does not know.
    """
    # Takes a second of a core to import.
    from openlineage.common.provider.dbt.facets import ParentRunMetadata  # noqa: PLC0415
    from openlineage.common.provider.dbt.local import DbtLocalArtifactProcessor  # noqa: PLC0415

    class Processor(DbtLocalArtifactProcessor):  # type: ignore[misc, unused-ignore]
        """Names the warehouse by the given environment, not by that of the process."""

        def extract_namespace(self, profile: Any) -> str:  # noqa: ARG002
            return warehouse_namespace(environment)

    processor = Processor(
        producer=PRODUCER,
        job_namespace=NAMESPACE,
        project_dir=str(project),
        profile_name="avoir",
        target="warehouse",
        target_path=str(target.absolute()),
    )
    processor.should_raise_on_unsupported_command = False
    if parent is not None:
        processor.dbt_run_metadata = ParentRunMetadata(
            run_id=parent["run_id"],
            job_name=parent["job_name"],
            job_namespace=NAMESPACE,
            root_parent_run_id=parent["root_run_id"],
            root_parent_job_name=parent["root_job_name"],
            root_parent_job_namespace=NAMESPACE,
        )
    found = processor.parse()
    return [*found.completes, *found.fails]
