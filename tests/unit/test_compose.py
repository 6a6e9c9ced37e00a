"""The compose file is valid, safe by default, and runs what the native supervisor runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

from avoir.containers import environment_of, keep_login
from avoir.credentials import load_credentials
from avoir.services import AIRFLOW_COMMANDS, AIRFLOW_DAEMONS, Supervisor, surroundings_of
from avoir.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = YAML(typ="safe").load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ONE_SHOT = {name for name in SERVICES if name.startswith("init-")}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<operator>:-|:\?)?(?P<argument>[^}]*)\}")


def depends_on(name: str) -> dict[str, dict[str, Any]]:
    return SERVICES[name].get("depends_on", {})


def all_before(name: str) -> set[str]:
    """Everything that has started, or ended, before a service starts."""
    direct = set(depends_on(name))
    return direct | {further for one in direct for further in all_before(one)}


# --- The specification -------------------------------------------------------------------------------------


def errors_of(document: dict[str, Any]) -> list[str]:
    schema = get_builtin_schema("vendor.compose-spec")
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def test_the_file_follows_the_compose_specification() -> None:
    assert errors_of(COMPOSE) == []


@pytest.mark.parametrize(
    "offence",
    [{"imag": "postgres"}, {"depends_on": {"postgres": {"condition": "service_health"}}}, {"command": 5}],
)
def test_the_specification_catches_an_offence(offence: dict[str, Any]) -> None:
    assert errors_of(COMPOSE | {"services": SERVICES | {"planted": {"image": "x", **offence}}})


def test_names_that_the_file_uses_exist_in_it() -> None:
    used = {
        volume.split(":")[0] for s in SERVICES.values() for volume in s.get("volumes", []) if volume[0] != "."
    }
    assert used == set(COMPOSE["volumes"])
    for name, service in SERVICES.items():
        assert set(depends_on(name)) <= set(SERVICES)
        if "network_mode" in service:
            assert service["network_mode"].removeprefix("service:") in depends_on(name)


# --- The same as natively ----------------------------------------------------------------------------------


def test_every_airflow_service_runs_the_native_command() -> None:
    for name in AIRFLOW_DAEMONS:
        assert tuple(SERVICES[name]["command"]) == AIRFLOW_COMMANDS[name]
    assert tuple(SERVICES["init-airflow"]["command"]) == AIRFLOW_COMMANDS["airflow-migrate"]
    more = {name for name in SERVICES if name.startswith("airflow-")} - set(AIRFLOW_DAEMONS)
    assert more == {"airflow-worker"}


def test_the_vendors_run_the_native_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def spawn(command: list[str], **_: object) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(pid=0)

    monkeypatch.setattr("avoir.services.spawn", spawn)
    supervisor = Supervisor(surroundings_of(settings_in(tmp_path, monkeypatch)), "up", 0)
    supervisor._start("vendors")
    assert started == [[sys.executable, "-m", *SERVICES["vendors"]["command"]]]


def test_what_runs_once_are_commands_of_avoir() -> None:
    for name in ONE_SHOT - {"init-airflow"} | {"vendors"}:
        program, *words = SERVICES[name]["command"]
        assert program == "avoir"
        shown = subprocess.run(
            [sys.executable, "-m", "avoir", *words, "--help"], capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, f"{name}: {shown.stderr}"


def test_everything_is_prepared_before_airflow_starts_as_natively() -> None:
    for name in (*AIRFLOW_DAEMONS, "airflow-worker", "vendors"):
        assert {"postgres", "init-database", "init-demo"} <= all_before(name), name
    for name in (*AIRFLOW_DAEMONS, "airflow-worker"):
        assert {"init-airflow", "init-project"} <= all_before(name), name


def settings_in(home: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name in [name for name in os.environ if name.startswith(("AVOIR_", "AIRFLOW"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AVOIR_HOME", str(home))
    monkeypatch.setenv("AVOIR_DATABASE_URL", "postgresql://avoir_admin:secret@postgres:5432/avoir")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.from_environment()


def test_a_container_has_the_native_environment_but_for_what_the_file_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, monkeypatch)
    native = surroundings_of(settings).environment
    inside = environment_of(settings, {"AIRFLOW__API__HOST": "0.0.0.0", "AVOIR_DBT_HOST": "elsewhere"})
    different = {name for name in inside if inside[name] != native.get(name)}
    assert different == {"AIRFLOW__API__HOST", "AIRFLOW__CELERY__RESULT_BACKEND"}
    assert inside["AIRFLOW__CELERY__RESULT_BACKEND"] == f"db+{native['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']}"
    assert native.keys() <= inside.keys()


def test_the_file_sets_no_airflow_variable_without_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = surroundings_of(settings_in(tmp_path, monkeypatch)).environment
    more = {"AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK", "AIRFLOW__CELERY__BROKER_URL"}
    for name, service in OURS.items():
        set_here = {variable for variable in service["environment"] if variable.startswith("AIRFLOW__")}
        assert set_here - more <= native.keys(), name


def test_the_entry_becomes_the_command_in_that_environment(tmp_path: Path) -> None:
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    environment = {
        "PATH": os.environ["PATH"],
        "AVOIR_HOME": str(tmp_path),
        "AVOIR_PROFILE": "demo",
        "AVOIR_DATABASE_URL": "postgresql://avoir_admin:secret@postgres:5432/avoir",
        "AVOIR_AIRFLOW_PASSWORD": "typed-by-a-person",
        "AIRFLOW__API__HOST": "0.0.0.0",
    }
    entry = [sys.executable, "-m", "avoir.containers"]

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*entry, *command], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )

    shown = run("python", "-c", show)
    seen = json.loads(shown.stdout)
    assert seen["AIRFLOW__API__HOST"] == "0.0.0.0"
    assert seen["AVOIR_DBT_HOST"] == "postgres"
    assert seen["AIRFLOW_HOME"] == str(tmp_path / "demo" / "airflow")
    login = tmp_path / "demo" / "airflow" / "passwords.json"
    assert json.loads(login.read_text()) == {"avoir": "typed-by-a-person"}
    assert login.stat().st_mode & 0o077 == 0
    missing = run("nothing")
    assert (missing.returncode, missing.stderr) == (1, "There is no command nothing in this image.\n")
    nothing = run()
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("Usage:")


def test_a_login_that_nobody_gave_is_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path, monkeypatch)
    keep_login(settings, None)
    before = (settings.profile_home / "airflow" / "passwords.json").read_bytes()
    keep_login(settings, None)
    assert (settings.profile_home / "airflow" / "passwords.json").read_bytes() == before
    assert len(load_credentials(settings.profile_home)["airflow_login"]) >= 32


# --- Safe by default ---------------------------------------------------------------------------------------


def test_no_secret_has_a_default() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY|AUTH")
    found = 0
    for match in VARIABLE.finditer(TEXT):
        if secret.search(match["name"]):
            found += 1
            assert match["operator"] == ":?", match[0]
            assert "openssl rand -hex 24" in match["argument"], f"{match[0]} should say how to make one"
    assert found >= 5
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            given = [match["name"] for match in VARIABLE.finditer(str(value))]
            if secret.search(variable):
                assert any(secret.search(one) for one in given), f"{name}: {variable} has a fixed value"
            fixed = VARIABLE.sub("", str(value))
            assert not re.search(r"://[^/]*:[^@/]+@", fixed), f"{name}: {variable} holds a password"


def test_the_file_does_not_start_without_its_secrets() -> None:
    required = {match["name"] for match in VARIABLE.finditer(TEXT) if match["operator"] == ":?"}
    passwords = {"AVOIR_POSTGRES_PASSWORD", "AVOIR_AIRFLOW_PASSWORD", "AVOIR_REDIS_PASSWORD"}
    assert required == passwords | {"AVOIR_PROFILE"}


def test_every_variable_is_named_in_the_example() -> None:
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    for name in {match["name"] for match in VARIABLE.finditer(TEXT)} | {"COMPOSE_PROFILES"}:
        assert re.search(rf"^#?{name}=", example, re.MULTILINE), f"add {name} to .env.example"


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_services_run_without_privileges() -> None:
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert not service.get("privileged")
        assert service.get("user") != "root"


# --- Health and order --------------------------------------------------------------------------------------


def test_what_stays_up_has_a_healthcheck_and_what_runs_once_is_not_restarted() -> None:
    assert len(ONE_SHOT) == 4
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) is (name not in ONE_SHOT), name
        assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped"), name


def test_a_service_waits_for_health_or_for_the_end_of_what_runs_once() -> None:
    seen = 0
    for name, service in SERVICES.items():
        for other, how in depends_on(name).items():
            seen += 1
            ended = how["condition"] == "service_completed_successfully"
            assert ended is (other in ONE_SHOT), f"{name} waits for {other}"
            if SERVICES[other].get("profiles", []) not in ([], service.get("profiles", [])):
                assert how["required"] is False, f"{name} needs {other}, which is not always there"
    assert seen > 10


def test_postgres_is_asked_over_tcp_and_keeps_its_data() -> None:
    postgres = SERVICES["postgres"]
    assert re.fullmatch(r"postgres:18(\.\d+)?-bookworm", postgres["image"])
    assert "--host=127.0.0.1" in postgres["healthcheck"]["test"]
    assert postgres["volumes"] == ["database:/var/lib/postgresql"]
    assert "--locale=C.UTF-8" in postgres["environment"]["POSTGRES_INITDB_ARGS"]


# --- The image ---------------------------------------------------------------------------------------------

DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} (.+)$", joined, re.MULTILINE)


def test_all_our_services_are_one_image() -> None:
    assert {service["image"] for service in OURS.values()} == {"${AVOIR_IMAGE:-avoir:local}"}
    assert set(SERVICES) - set(OURS) == {"postgres", "redis"}


def test_the_image_is_built_from_the_lock_on_slim_debian_and_not_run_by_root() -> None:
    assert set(instructions("FROM")) == {"python:3.11-slim-bookworm AS build", "python:3.11-slim-bookworm"}
    syncs = [run for run in instructions("RUN") if "uv sync" in run]
    assert syncs
    assert all("--frozen" in run and "--no-dev" in run for run in syncs)
    assert instructions("USER") == ["avoir"]
    assert DOCKERFILE.index("\nUSER avoir") < DOCKERFILE.index("\nENTRYPOINT")
    assert not re.search(r"github|curl|wget|\bgit\b", DOCKERFILE, re.IGNORECASE)
    (entry,) = instructions("ENTRYPOINT")
    assert json.loads(entry) == ["python", "-m", "avoir.containers"]


def test_what_the_image_copies_is_there_and_may_reach_the_builder() -> None:
    allowed = {
        line[1:]
        for line in (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for copy in instructions("COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
    }
    assert copied == allowed
    assert all((CHECKOUT / source).exists() for source in copied)
    assert {"dags", "plugins", "dbt_project", "expectations", "contracts"} <= copied


def test_state_lives_in_the_volume_that_the_images_user_owns() -> None:
    home = OURS["airflow-scheduler"]["environment"]["AVOIR_HOME"]
    assert f"state:{home}" in OURS["airflow-scheduler"]["volumes"]
    assert any(f"install -d -o avoir -g avoir -m 0700 {home}" in run for run in instructions("RUN"))
    assert all(service["environment"]["AVOIR_HOME"] == home for service in OURS.values())
