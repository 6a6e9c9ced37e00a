"""Load every source of the sources file into the raw schemas: one DAG per source, one window per run.

**When it fails:** clear the failed task; a window may be loaded any number of times and lands nothing twice.
**Who is hurt:** that vendor's months are stale until it succeeds, and a stale month is not published nor
closed; everyone else's night goes on.
**Where to look:** `loads.batches` (counts per window), `loads.rejected` (records kept aside).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, task
from airflow.timetables.interval import CronDataIntervalTimetable

from avoir_airflow import (
    LOAD_AT,
    TASK_DEFAULTS,
    announce_timeout,
    as_of_of,
    scheduled,
    settings,
    sources,
)

START = datetime.fromisoformat("2025-01-01T00:00:00+00:00")

for source in sources():
    with DAG(
        dag_id=f"load_{source.name}",
        description=f"Load {source.name} ({source.system}) into raw_{source.system}",
        schedule=scheduled(CronDataIntervalTimetable(LOAD_AT, timezone=settings().timezone)),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=TASK_DEFAULTS,
        on_failure_callback=announce_timeout,
        dagrun_timeout=timedelta(hours=4),
        tags=["load", source.system],
        doc_md=__doc__,
    ) as dag:

        @task(outlets=[Asset(name=source.name, uri=f"avoir://sources/{source.name}")])
        def load(source_name: str, **context: object) -> dict[str, int]:
            """Land the window from the watermark, less the system's overlap, to the run's end."""
            from avoir.running import load_source

            return load_source(
                settings(), source_name, as_of=as_of_of(context), dag_run_id=str(context["run_id"])
            )

        load(source.name)

    globals()[dag.dag_id] = dag
