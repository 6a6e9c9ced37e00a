"""The steps of a night, as functions: load one source, load the contracts, build the candidates.

Airflow's tasks call these; so does the command line, so that what is tested is what runs at night.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from avoir.checking import check_border
from avoir.contracts.loading import create_reference, load_contracts
from avoir.contracts.proofs import differing_tests
from avoir.contracts.reading import ContractFile
from avoir.contracts.rules import Finding
from avoir.increments import drop_what_changed, one_build
from avoir.lineage.builds import build_events
from avoir.lineage.places import spool_of
from avoir.lineage.spool import write_events
from avoir.loading import load_window, next_window
from avoir.modelling import build_project
from avoir.publishing import publish_candidates
from avoir.services import surroundings_of
from avoir.settings import Settings
from avoir.sources.model import SourceConnection, parse_sources
from avoir.telling import printable

# Calendars reach this far past the instant of a run, for what is due later.
CALENDAR_AHEAD = timedelta(days=400)


class RunError(RuntimeError):
    """A step of the run could not be done; the message says what to change."""


def find_source(
    settings: Settings, name: str, environment: Mapping[str, str] | None = None
) -> SourceConnection:
    """The source of that name in the profile's sources file.

    Raises:
        RunError: no such source; the message lists those there are.
    """
    sources = parse_sources(settings.sources_file, os.environ if environment is None else environment)
    for source in sources:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in sources)
    raise RunError(f"{settings.sources_file} has no source {name!r}; it has {known}.")


def load_source(
    settings: Settings, name: str, *, as_of: datetime, dag_run_id: str | None = None
) -> dict[str, int]:
    """Land the next window of one source, up to ``as_of``; returns counts of rows.

    A window already landed is read again over the system's overlap and lands nothing twice.
    """
    here = surroundings_of(settings)
    source = find_source(settings, name, here.environment)
    with here.warehouse.connect("avoir_loader") as connection:
        window = next_window(connection, source, as_of)
        if window is None:
            return {"read": 0, "landed": 0, "duplicate": 0, "rejected": 0}
        report = load_window(connection, source, window, dag_run_id=dag_run_id)
    for change in report.drift:
        print(f"{name} drifts: {printable(str(change))}")
    return {
        "read": report.rows_read,
        "landed": report.rows_landed,
        "duplicate": report.rows_duplicate,
        "rejected": report.rows_rejected,
    }


def load_contract_files(settings: Settings, *, as_of: datetime) -> str:
    """Validate, prove and load the contract files; bad ones are refused, the others load. Returns ``as_of``.

    A contract whose worked tests do not hold keeps what was last loaded, like one that cannot be read.

    Raises:
        RunError: not one contract could be loaded.
    """
    here = surroundings_of(settings)

    def prove(files: Sequence[ContractFile]) -> Mapping[str, Sequence[Finding]]:
        return differing_tests(
            here.warehouse.url("avoir_transformer"),
            here.environment,
            files,
            project=settings.checkout / "dbt_project",
            as_of=as_of,
        )

    with here.warehouse.connect("avoir_transformer") as connection:
        create_reference(connection)
        connection.commit()
        report = load_contracts(
            connection,
            settings.contracts_dir,
            as_of=as_of,
            days_from=date(as_of.year - 2, 1, 1),
            days_to=(as_of + CALENDAR_AHEAD).date(),
            prove=prove,
        )
        connection.commit()
        for table in drop_what_changed(
            connection, settings.checkout / "dbt_project", restated_calendars=report.calendars_restated
        ):
            print(f"{table} is built anew: models, library or a calendar changed")
    for problem in report.problems:
        print(problem)
    if any(problem.is_error for problem in report.problems) and not report.loaded:
        raise RunError(f"no contract under {settings.contracts_dir} could be loaded.")
    return as_of.isoformat()


def has_landed_since_the_last_build(settings: Settings) -> bool:
    """Whether a window landed after the last published build, or nothing was ever built."""
    here = surroundings_of(settings)
    with here.warehouse.connect("avoir_transformer") as connection:
        row = connection.execute(
            """
            select coalesce(max(landed_at) > (select max(recorded_at) from checks.builds), true)
            from loads.batches
            """
        ).fetchone()
    return row is None or bool(row[0])


def build(settings: Settings, *, as_of: datetime, echo: bool = False) -> None:
    """``dbt build`` of the candidates outside Airflow, after any other that is under way."""
    here = surroundings_of(settings)
    with one_build(here.warehouse, print):
        build_project(
            settings.checkout / "dbt_project",
            here.environment,
            as_of=as_of,
            target=settings.profile_home / "dbt_target" / "build",
            echo=echo,
        )
    _keep_events(settings, here.environment)


def _keep_events(settings: Settings, environment: Mapping[str, str]) -> None:
    """Keep the events of the models; a build does not fail for its lineage."""
    target = settings.profile_home / "dbt_target" / "build"
    try:
        events = build_events(settings.checkout / "dbt_project", target, environment)
        write_events(spool_of(settings.profile_home), events, environment=environment)
    except Exception as error:  # noqa: BLE001 - whatever it is, the build stands
        print(f"the lineage of this build is not kept: {type(error).__name__}: {error}")


def night(settings: Settings, *, as_of: datetime, run_id: str) -> dict[str, int]:
    """One whole night without Airflow, step by step in the DAGs' order; returns verdicts by count.

    Raises:
        PublicationBlockedError: a border did not hold.
    """
    here = surroundings_of(settings)
    for source in parse_sources(settings.sources_file, here.environment):
        load_source(settings, source.name, as_of=as_of, dag_run_id=run_id)
    load_contract_files(settings, as_of=as_of)
    return rebuild(settings, as_of=as_of, run_id=run_id)


def rebuild(settings: Settings, *, as_of: datetime, run_id: str) -> dict[str, int]:
    """Judge, build, judge and publish what has landed, without Airflow.

    Raises:
        PublicationBlockedError: a border did not hold.
    """
    if check_border(settings, "raw", run_id=run_id):
        build(settings, as_of=as_of)
        check_border(settings, "mart", run_id=run_id)
    return publish_candidates(settings, as_of=as_of, run_id=run_id)
