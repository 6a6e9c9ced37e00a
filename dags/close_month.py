"""Close a month: post its published penalty lines to the ledger and freeze it.

Runs on the fifth business day for the month before, or by hand with the parameter `month`.

**When it fails:** a month that is held or stale cannot close; mend the cause, build, and clear this task.
Closing a closed month again posts nothing.
**Who is hurt:** finance does not see that month's credits until it succeeds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, task
from airflow.timetables.trigger import CronTriggerTimetable

from avoir_airflow import TASK_DEFAULTS, announce_timeout, as_of_of, scheduled, settings

with DAG(
    dag_id="close_month",
    description="Post the published month to the append-only ledger and freeze it",
    schedule=scheduled(CronTriggerTimetable("0 9 5-12 * *", timezone=settings().timezone)),
    start_date=datetime.fromisoformat("2025-01-01T00:00:00+00:00"),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    on_failure_callback=announce_timeout,
    dagrun_timeout=timedelta(hours=1),
    params={
        "month": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d{4}-\d{2}$",
            description="YYYY-MM; the month before if empty",
        )
    },
    tags=["close"],
    doc_md=__doc__,
) as dag:

    @task
    def close(**context: object) -> dict[str, int]:
        """Post and freeze every published vendor of the month; nothing before the fifth business day."""
        from avoir.closing import close_month

        month = context["params"]["month"]  # type: ignore[index]
        return close_month(settings(), as_of=as_of_of(context), month=month, by_hand=month is not None)

    close()
