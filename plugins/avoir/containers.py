"""Entry of the image: a command in the environment that the native supervisor gives its children.

``python -m avoir.containers airflow scheduler`` is to a container what :mod:`avoir.services` is to a child
process, so both run the same commands with the same settings. What the compose file sets for Airflow itself
(addresses of other containers, executor, broker) wins over the native value.

Passwords of databases and roles are made at the first start and kept in the state volume, as they are
natively. Only what a person types is given from outside: the administrator of Postgres within
``AVOIR_DATABASE_URL``, and the login of Airflow's UI as ``AVOIR_AIRFLOW_PASSWORD``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from avoir.credentials import load_credentials, write_private
from avoir.services import LOGIN, surroundings_of
from avoir.settings import Settings

LOGIN_PASSWORD = "AVOIR_AIRFLOW_PASSWORD"  # noqa: S105 - the name of a variable


def environment_of(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a container's command.

    Args:
        settings: the profile's settings.
        given: the container's own environment, of which Airflow's settings and ``NO_PROXY`` win.
    """
    native = surroundings_of(settings).environment
    # Results of Celery's tasks belong where Airflow's own records are; the password is known only here.
    native["AIRFLOW__CELERY__RESULT_BACKEND"] = f"db+{native['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']}"
    won = {name: value for name, value in given.items() if name.startswith("AIRFLOW__") or name == "NO_PROXY"}
    return native | won


def keep_login(settings: Settings, password: str | None) -> None:
    """Keep the login of Airflow's UI where the API server and ``avoir`` itself look for it."""
    credentials = load_credentials(settings.profile_home)
    if password and credentials["airflow_login"] != password:
        credentials["airflow_login"] = password
        write_private(settings.profile_home / "credentials.json", json.dumps(credentials, indent=2) + "\n")
    logins = json.dumps({LOGIN: credentials["airflow_login"]}) + "\n"
    path = settings.profile_home / "airflow" / "passwords.json"
    if not path.exists() or path.read_text() != logins:
        write_private(path, logins)


def main(command: list[str]) -> None:
    """Become the command.

    Raises:
        SystemExit: no command was given, or there is none of that name.
    """
    if not command:
        sys.exit("Usage: python -m avoir.containers COMMAND [ARGUMENT]...")
    settings = Settings.from_environment()
    keep_login(settings, os.environ.get(LOGIN_PASSWORD))
    environment = environment_of(settings, os.environ)
    Path(environment["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - this process becomes the command
    except FileNotFoundError:
        sys.exit(f"There is no command {command[0]} in this image.")


if __name__ == "__main__":
    main(sys.argv[1:])
