"""Build the candidates, judge them at two borders, publish what may be seen.

Runs once a night: as soon as every source has landed, or at the fixed hour with what has.

**When it fails:** read the failed task's log, mend the cause, clear the task. A border that does not hold
is not a crash: it is a verdict. Whom it concerns is held and the others are published; where nobody can be
named, the last good mart stays and the run fails at `publish` to be seen (docs/gate.md).
`describe` fails nothing: it is skipped, `avoir status` says why, and `avoir site` makes good.
When a release adds a column and somebody reads all the time, `publish` says who; end that session and clear.
**Who is hurt:** readers keep the last published version of every month.
**Clear or run anew:** clear when the code or the contracts were mended; run anew when sources landed since.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, AssetAll, task
from airflow.sdk.exceptions import AirflowFailException
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

from avoir_airflow import (
    TASK_DEFAULTS,
    announce_timeout,
    as_of_of,
    dbt_task_group,
    dispensable,
    scheduled,
    settings,
    sources,
)

LANDED = AssetAll(*(Asset(name=source.name, uri=f"avoir://sources/{source.name}") for source in sources()))

with DAG(
    dag_id="build_mart",
    description="dbt build between two borders, then publication per vendor and month",
    schedule=scheduled(
        AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(settings().build_at, timezone=settings().timezone), assets=LANDED
        ),
        otherwise=LANDED,
    ),
    start_date=datetime.fromisoformat("2025-01-01T00:00:00+00:00"),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    on_failure_callback=announce_timeout,
    dagrun_timeout=timedelta(hours=4),
    tags=["mart"],
    doc_md=__doc__,
) as dag:

    @task.short_circuit
    def is_due(**context: object) -> bool:
        """At the fixed hour, skip the night that was built already, when everything had landed."""
        from avoir.running import has_landed_since_the_last_build

        by_the_clock = str(context["run_id"]).startswith("scheduled__")
        return not by_the_clock or has_landed_since_the_last_build(settings())

    @task
    def load_contracts(**context: object) -> str:
        """Validate the contract files and load the good ones; returns the run's instant for the models."""
        from avoir.running import load_contract_files

        return load_contract_files(settings(), as_of=as_of_of(context))

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def check_raw(**context: object) -> bool:
        """Judge what landed at the first border; what blocks all is not built, and `publish` says so."""
        from avoir.checking import check_border

        return check_border(settings(), "raw", run_id=str(context["run_id"]))

    @task
    def check_mart(**context: object) -> bool:
        """Judge the candidates at the second border: shape, arithmetic, reconciliation."""
        from avoir.checking import check_border

        return check_border(settings(), "mart", run_id=str(context["run_id"]))

    @task(outlets=[Asset(name="mart", uri="avoir://mart")], trigger_rule="none_failed")
    def publish(**context: object) -> dict[str, int]:
        """Publish in one transaction what both borders let through; fails when they blocked it.

        Then let finance see what may be booked from this day on, as after a vendor's days of silence.
        """
        from avoir.closing import settle
        from avoir.publishing import PublicationBlockedError, publish_candidates

        try:
            counts = publish_candidates(settings(), as_of=as_of_of(context), run_id=str(context["run_id"]))
        except PublicationBlockedError as verdict:
            # The same candidates would be judged the same: not worth a retry.
            raise AirflowFailException(str(verdict)) from verdict
        return counts | settle(settings(), as_of=as_of_of(context))

    @task
    def describe(**context: object) -> None:
        """Keep the night's lineage and make its pages; what is published stands, whatever happens here."""
        from avoir.lineage.ingesting import ingest_events
        from avoir.lineage.site import write_site

        with dispensable(context):
            ingest_events(settings())
            write_site(settings(), run_id=str(context["run_id"]))

    loaded, judged = load_contracts(), check_raw()
    is_due() >> [loaded, judged]
    [loaded, judged] >> dbt_task_group(as_of=loaded) >> check_mart() >> publish() >> describe()
