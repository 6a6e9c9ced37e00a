"""A line of sources.yml that cannot work is refused with its place and the mend; secrets stay hidden."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avoir import loading
from avoir.raw_tables import raw_ddl
from avoir.sources.model import SourceConfigurationError, SourceConnection, parse_sources
from avoir.sources.register import SYSTEMS, system_of

GOOD = {
    "name": "helios_servicenow",
    "system": "servicenow",
    "url": "https://helios.example/",
    "username": "avoir",
    "secret_env": "HELIOS_SECRET",
    "history_from": "2025-01-01T00:00:00Z",
}


def parsed(tmp_path: Path, *entries: dict[str, object], **environment: str) -> tuple[SourceConnection, ...]:
    lines = ["sources:"]
    for entry in entries:
        lines += [
            f"{'  - ' if n == 0 else '    '}{key}: {value}" for n, (key, value) in enumerate(entry.items())
        ]
    path = tmp_path / "sources.yml"
    path.write_text("\n".join(lines) + "\n")
    return parse_sources(path, environment)


def test_a_good_entry_is_read(tmp_path: Path) -> None:
    (source,) = parsed(tmp_path, GOOD, HELIOS_SECRET="hunter2")
    assert source.url == "https://helios.example"
    assert source.history_from == datetime(2025, 1, 1, tzinfo=UTC)
    assert source.option("tables")[0] == "incident"
    assert source.secret == "hunter2"
    assert system_of(source).schema == "raw_servicenow"


def test_no_representation_shows_the_secret(tmp_path: Path) -> None:
    (source,) = parsed(tmp_path, GOOD, HELIOS_SECRET="hunter2")
    assert "hunter2" not in repr(source)
    assert "hunter2" not in str(source)


def test_a_missing_secret_is_told_when_it_is_needed(tmp_path: Path) -> None:
    (source,) = parsed(tmp_path, GOOD)
    with pytest.raises(
        SourceConfigurationError, match="helios_servicenow needs its secret in the variable HELIOS_SECRET"
    ):
        _ = source.secret


def test_a_secret_may_lie_in_a_file_beside_the_sources(tmp_path: Path) -> None:
    entry = {key: value for key, value in GOOD.items() if key != "secret_env"} | {"secret_file": "token"}
    (source,) = parsed(tmp_path, entry)
    with pytest.raises(SourceConfigurationError, match=r"from the file .*/token: No such file"):
        _ = source.secret
    (tmp_path / "token").write_text("hunter2\n")
    assert source.secret == "hunter2"
    (tmp_path / "token").write_bytes(b"\xff\xfehunter2")
    with pytest.raises(SourceConfigurationError, match="not text in UTF-8") as caught:
        _ = source.secret
    assert caught.value.__cause__ is None


def test_a_secret_may_be_a_connection_of_airflow_s(tmp_path: Path) -> None:
    entry = {key: value for key, value in GOOD.items() if key != "secret_env"}
    settings = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody:hunter3@127.0.0.1:1/none",
        "AIRFLOW_CONN_HELIOS": '{"conn_type": "http", "password": "hunter2"}',
        "AIRFLOW_CONN_BARE": '{"conn_type": "http"}',
    }
    helios, bare, gone = parsed(
        tmp_path,
        *({**entry, "name": name, "secret_connection": name} for name in ("helios", "bare", "gone")),
        **settings,
    )
    assert helios.secret == "hunter2"
    with pytest.raises(SourceConfigurationError, match="in Airflow's connection bare, which is not set"):
        _ = bare.secret
    # It would be in Airflow's database, if anywhere, and that does not answer.
    with pytest.raises(
        SourceConfigurationError, match="in Airflow's connection gone, which is not set"
    ) as told:
        _ = gone.secret
    assert "hunter3" not in str(told.value)


def test_an_airflow_that_cannot_be_asked_is_told_without_what_it_was_given(tmp_path: Path) -> None:
    entry = {key: value for key, value in GOOD.items() if key != "secret_env"}
    (source,) = parsed(
        tmp_path,
        {**entry, "secret_connection": "helios"},
        AIRFLOW_HOME=str(tmp_path / "airflow"),
        AIRFLOW__SECRETS__BACKEND="no.such.Backend",
        AIRFLOW_CONN_HELIOS='{"password": "hunter2"}',
    )
    with pytest.raises(
        SourceConfigurationError, match="cannot be read from Airflow's connection helios: "
    ) as told:
        _ = source.secret
    assert "hunter2" not in str(told.value)


def test_variables_are_expanded_and_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    entry = {"name": "drop", "system": "einvoice_folder", "history_from": "2025-01-01T00:00:00Z"}
    absolute, relative, uri = parsed(
        tmp_path,
        {**entry, "name": "a", "url": "${BASE}/invoices"},
        {**entry, "name": "b", "url": "invoices"},
        {**entry, "name": "c", "url": "file:///srv/in%20voices"},
        BASE="/data",
    )
    assert absolute.path == Path("/data/invoices")
    assert relative.path == tmp_path / "invoices"
    assert uri.path == Path("/srv/in voices")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Helios"}, "name must be lower case"),
        ({"secret_file": "token"}, "secret_env and secret_file are both given; a source has one secret"),
        ({"secret_connection": 7}, "secret_connection must be text, got 7"),
        ({"system": "remedy"}, "system 'remedy' is not in the register: asana, "),
        ({"url": "ftp://helios.example"}, "must be an http or https address"),
        ({"url": "https://me:pw@helios.example"}, "must not carry a password"),
        ({"url": "https://${NOWHERE}"}, "the variable NOWHERE in .* is not set"),
        ({"history_from": "2025-01-01"}, "must carry time and zone"),
        ({"history_from": "2025-01-01T00:00:00"}, "must carry time and zone"),
        ({"history_from": "yesterday"}, "must be an instant"),
        ({"vendor": "'He lios'"}, "vendor must be lower case"),
        ({"color": "blue"}, "unknown key 'color'"),
        ({"url": "''"}, "url is missing"),
        ({"options": "{tables: [incident, users]}"}, "option tables: must be a list of some of"),
        ({"options": "{tabels: [incident]}"}, "has no option 'tabels'; it knows tables"),
        ({"options": "[1]"}, "options must be a mapping"),
    ],
)
def test_a_bad_entry_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SourceConfigurationError, match=message) as caught:
        parsed(tmp_path, {**GOOD, **change})
    assert str(caught.value).startswith(f"{tmp_path / 'sources.yml'}, source 1 (")


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SourceConfigurationError, match=r"source 2 \(helios_servicenow\): another source above"
    ):
        parsed(tmp_path, GOOD, GOOD)


@pytest.mark.parametrize(
    "text", ["", "sources: 3", "sources: []\nother: 1", "sources: [", "sources: [{name: a, name: b}]"]
)
def test_a_file_that_is_no_list_of_sources_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(text)
    with pytest.raises(SourceConfigurationError, match=r"sources\.yml"):
        parse_sources(path, {})


def test_the_incident_log_must_state_its_zone(tmp_path: Path) -> None:
    entry = {
        "name": "log",
        "system": "incident_log",
        "url": "log.csv",
        "history_from": "2016-01-01T00:00:00Z",
    }
    with pytest.raises(SourceConfigurationError, match="needs the option timezone"):
        parsed(tmp_path, entry)
    with pytest.raises(SourceConfigurationError, match="must be an IANA zone"):
        parsed(tmp_path, {**entry, "options": "{timezone: Mars/Olympus}"})


def test_every_system_of_the_register_has_its_tables_in_the_ddl() -> None:
    ddl = raw_ddl()
    assert len(SYSTEMS) >= 6
    for system in SYSTEMS:
        for table in system.tables:
            assert f'create table if not exists "{system.schema}"."{table.name}"' in ddl


def test_nothing_heavy_is_imported_before_a_vendor_is_asked_and_dlt_reports_to_nobody() -> None:
    """A DAG file imports the register; dlt costs two seconds and must be told early to stay silent."""
    script = """
import os, sys
import avoir.loading, avoir.sources.register
from avoir.sources.model import SourceConnection
from avoir.sources.vendor_http import VendorApi
from datetime import UTC, datetime
heavy = sorted({'dlt', 'numpy', 'pypdf', 'facturx', 'airflow', 'great_expectations'} & set(sys.modules))
assert not heavy, heavy
VendorApi(SourceConnection('one', 'servicenow', 'http://127.0.0.1:1', datetime(2026, 1, 1, tzinfo=UTC)))
assert 'dlt' in sys.modules
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.configuration import resolve_configuration
assert resolve_configuration(RuntimeConfiguration()).dlthub_telemetry is False
"""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("RUNTIME__")}
    environment["PYTHONPATH"] = str(Path(loading.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
