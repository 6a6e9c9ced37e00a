"""Ports, locks and credentials of a profile."""

from __future__ import annotations

import dataclasses
import json
import socket
import stat
from pathlib import Path

import pytest

from avoir.credentials import load_credentials, write_private
from avoir.postgres import free_port, locked
from avoir.services import AIRFLOW_COMMANDS, read_state, start_failure, surroundings_of
from avoir.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AVOIR_HOME", str(tmp_path))
    monkeypatch.setenv("AVOIR_PROFILE", "demo")
    monkeypatch.setenv("AVOIR_DATABASE_URL", "")
    return Settings.from_environment()


def test_credentials_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    first = load_credentials(tmp_path)
    assert load_credentials(tmp_path) == first
    assert len(set(first.values())) == len(first)
    assert all(len(secret) >= 32 for secret in first.values())
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "a" / "secret", "one")
    write_private(tmp_path / "a" / "secret", "two")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["secret"]
    assert (tmp_path / "a" / "secret").read_text() == "two"


def test_ports_are_kept_from_one_start_to_the_next(settings: Settings) -> None:
    assert surroundings_of(settings).ports == surroundings_of(settings, starting=True).ports


def test_a_port_that_somebody_took_is_exchanged_but_not_while_services_run(settings: Settings) -> None:
    kept = surroundings_of(settings).ports["airflow"]
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", kept))
        stranger.listen()
        with locked(settings.profile_home / "run" / "supervisor.lock"):
            assert surroundings_of(settings, starting=True).ports["airflow"] == kept
        assert surroundings_of(settings).ports["airflow"] == kept
        assert surroundings_of(settings, starting=True).ports["airflow"] != kept


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", free_port(0)))
        one.listen()


def test_nothing_running_has_no_state_and_a_failed_start_says_why(settings: Settings) -> None:
    here = surroundings_of(settings)
    assert read_state(here) is None
    assert start_failure(here) is None
    state = {"pid": 1, "phase": "failed", "error": "the disk is full"}
    write_private(here.run_directory / "state.json", json.dumps(state))
    assert read_state(here) is None
    assert start_failure(here) == "the disk is full"


def test_a_command_that_holds_the_database_for_a_moment_is_not_taken_for_services(settings: Settings) -> None:
    here = surroundings_of(settings)
    with locked(here.run_directory / "supervisor.lock"):
        assert read_state(here) == {"pid": 0, "phase": "busy"}


def test_no_service_calls_home(settings: Settings) -> None:
    environment = surroundings_of(settings).environment
    assert environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert environment["AIRFLOW__COSMOS__ENABLE_TELEMETRY"] == "False"
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "False"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"
    assert environment["RUNTIME__DLTHUB_TELEMETRY"] == "false"


def test_lineage_is_told_to_the_spool_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://elsewhere.example:5000")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    environment = surroundings_of(settings).environment
    assert [name for name in environment if name.startswith("OPENLINEAGE")] == []
    assert json.loads(environment["AIRFLOW__OPENLINEAGE__TRANSPORT"]) == {
        "type": "avoir.lineage.spool.SpoolTransport",
        "directory": str(settings.profile_home / "lineage" / "spool"),
    }


def test_secrets_stay_out_of_representations(settings: Settings) -> None:
    here = surroundings_of(settings)
    shown = repr(here)
    for name, secret in load_credentials(settings.profile_home).items():
        assert secret not in shown, name


def test_every_part_of_airflow_is_started() -> None:
    parts = {command[1] for command in AIRFLOW_COMMANDS.values()}
    assert parts == {"db", "api-server", "scheduler", "dag-processor", "triggerer"}


def test_a_secret_in_the_env_file_reaches_the_sources(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("AVOIR_SECRET_ACME=from-the-file\nAVOIR_SECRET_BETA=from-the-file\n")
    monkeypatch.setenv("AVOIR_SECRET_BETA", "from-the-environment")
    environment = surroundings_of(dataclasses.replace(settings, checkout=tmp_path)).environment
    assert environment["AVOIR_SECRET_ACME"] == "from-the-file"
    assert environment["AVOIR_SECRET_BETA"] == "from-the-environment"


def test_an_encrypted_database_is_asked_for_in_every_driver_s_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://admin:word@db.example:6432/avoir?sslmode=require"
    environment = surroundings_of(dataclasses.replace(settings, database_url=url)).environment
    assert environment["AVOIR_DBT_SSLMODE"] == "require"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("?sslmode=require")
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"].endswith("/avoir_airflow?ssl=require")
