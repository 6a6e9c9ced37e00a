"""Events are written whole, hold no secret, wait as files, and need neither network nor database."""

from __future__ import annotations

import json
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Dataset, Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    environment_variables_run,
    error_message_run,
    schema_dataset,
    source_code_job,
    sql_job,
)

from avoir.lineage.ingesting import row_of
from avoir.lineage.places import spool_of, transport_config
from avoir.lineage.reducing import masked, reduced, secrets_of
from avoir.lineage.spool import SpoolConfig, write_events

PASSWORD = 'a"pass\\word'
RUN = str(uuid.UUID(int=7))


def event(**facets: Any) -> RunEvent:
    """An event as an integration might make it, with something hostile in every facet."""
    return RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2026-07-08T04:00:00+00:00",
        producer="https://example.org/producer",
        run=Run(
            runId=RUN,
            facets={
                "errorMessage": error_message_run.ErrorMessageRunFacet(f"no {PASSWORD}", "python", "a trace"),
                "environmentVariables": environment_variables_run.EnvironmentVariablesRunFacet(
                    [environment_variables_run.EnvironmentVariable("AVOIR_DBT_PASSWORD", PASSWORD)]
                ),
                **facets,
            },
        ),
        job=Job(
            namespace="avoir",
            name="build_mart.publish",
            facets={
                "sql": sql_job.SQLJobFacet("select 1 where iban = 'FR76 3000'"),
                "sourceCode": source_code_job.SourceCodeJobFacet("python", "token = 'x'"),
            },
        ),
        inputs=[
            Dataset(namespace=f"postgres://avoir:{PASSWORD.replace(chr(34), '')}@db:5432", name="avoir.raw.t")
        ],
        outputs=[
            Dataset(
                namespace="postgres://db:5432",
                name="avoir.mart.t",
                facets={
                    "schema": schema_dataset.SchemaDatasetFacet(
                        [schema_dataset.SchemaDatasetFacetFields("a", "text")]
                    ),
                    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
                        {
                            "a": column_lineage_dataset.Fields(
                                [
                                    column_lineage_dataset.InputField(
                                        "postgres://db:5432", "avoir.raw.t", f"a {PASSWORD}"
                                    )
                                ]
                            )
                        }
                    ),
                },
            )
        ],
    )


def spooled(home: Path) -> list[str]:
    return [line for path in sorted(spool_of(home).iterdir()) for line in path.read_text().splitlines()]


def test_the_client_finds_the_transport_by_its_name_and_nothing_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    OpenLineageClient(config={"transport": transport_config(tmp_path)}).emit(event())
    (line,) = spooled(tmp_path)
    assert json.loads(line)["job"]["name"] == "build_mart.publish"
    assert {path.suffix for path in spool_of(tmp_path).iterdir()} == {".jsonl"}


def test_no_secret_reaches_a_file(tmp_path: Path) -> None:
    airflow = {
        "airflow": {"dagRun": {"run_id": "r", "conf": {"token": "t"}}, "task": {"task_id": "x", "env": "y"}}
    }
    environment = {"AVOIR_DBT_PASSWORD": PASSWORD, "AVOIR_HOME": "avoir.raw.t", "SHORT_SECRET": "a"}
    write_events(spool_of(tmp_path), [event(**airflow)], environment=environment)
    (line,) = spooled(tmp_path)
    kept = json.loads(line)
    assert kept["run"]["facets"] == {"airflow": {"dagRun": {"run_id": "r"}, "task": {"task_id": "x"}}}
    assert kept["job"]["facets"] == {}
    assert kept["inputs"] == [{"facets": {}, "name": "avoir.raw.t", "namespace": "postgres://***@db:5432"}]
    assert set(kept["outputs"][0]["facets"]) == {"schema", "columnLineage"}
    assert kept["outputs"][0]["facets"]["columnLineage"]["fields"]["a"]["inputFields"][0]["field"] == "a ***"
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], "pass", "FR76", "token"):
        assert secret not in line


def test_secrets_are_known_by_the_names_of_their_variables() -> None:
    environment = {
        "AVOIR_SECRET_ACME": "s-of-acme",
        "AIRFLOW__CORE__FERNET_KEY": "k-of-fernet",
        "AIRFLOW__API_AUTH__JWT_SECRET": "j-of-airflow",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://u:p@h/d",
        "AVOIR_DATABASE_URL": "postgresql://a:b@h/d",
        "AVOIR_PROFILE": "demo-profile",
    }
    assert set(secrets_of(environment)) == set(environment.values()) - {"demo-profile"}
    assert masked("http://u:pw@h and s-of-acme", ["s-of-acme"]) == "http://***@h and ***"


def test_many_writers_leave_whole_events_only(tmp_path: Path) -> None:
    long = [event() for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(write_events, spool_of(tmp_path), long, environment={})
    assert len(spooled(tmp_path)) == 320
    assert all(json.loads(line)["run"]["runId"] == RUN for line in spooled(tmp_path))


def test_a_spool_that_cannot_be_written_says_so_to_whom_emits(tmp_path: Path) -> None:
    (tmp_path / "lineage").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="lineage"):
        write_events(spool_of(tmp_path), [event()], environment={})
    with pytest.raises(ValueError, match="needs a directory"):
        SpoolConfig.from_dict({})


def test_the_event_given_stays_as_it_was() -> None:
    given = {
        "eventType": "START",
        "run": {"runId": RUN, "facets": {"sql": {}}},
        "job": {"namespace": "n", "name": "j"},
    }
    before = json.dumps(given)
    assert reduced(given)["run"] == {"runId": RUN, "facets": {}}
    assert json.dumps(given) == before


def line(**changes: Any) -> str:
    parts: dict[str, Any] = {
        "eventTime": "2026-07-08T04:00:00+00:00",
        "eventType": "COMPLETE",
        "producer": "p",
        "run": {"runId": RUN, "facets": {"airflow": {"dagRun": {"run_id": "scheduled"}}}},
        "job": {"namespace": "avoir", "name": "j"},
        "inputs": [{"namespace": "n", "name": "avoir.raw.t"}],
        "outputs": [],
    }
    return json.dumps(parts | changes)


def test_an_event_is_a_row() -> None:
    row = row_of(line())
    assert row[2:9] == ("COMPLETE", uuid.UUID(RUN), None, None, "scheduled", "avoir", "j")
    assert row[10:12] == (["avoir.raw.t"], [])
    assert len(row[0]) == 64


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no json", ValueError),
        ("[]", TypeError),
        (line(run={"runId": "not a uuid"}), ValueError),
        (line(eventTime="yesterday"), ValueError),
        (line(eventTime="2026-07-08T04:00:00"), ValueError),
        (line(producer="\x00"), ValueError),
        (line(job={}), KeyError),
    ],
)
def test_what_is_no_event_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        row_of(text)
