"""Passwords and keys that one profile makes for itself at its first start.

They live in ``<profile home>/credentials.json``, mode 0600, and nowhere else: no default password
exists that would work on two machines.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

PASSWORDS = (
    "avoir_admin",
    "avoir_loader",
    "avoir_transformer",
    "bi_reader",
    "finance_reader",
    "auditor",
    "avoir_airflow",
    "airflow_login",
    "airflow_jwt_secret",
    "airflow_api_secret_key",
)


def load_credentials(profile_home: Path) -> dict[str, str]:
    """Return every secret of a profile by name, making the missing ones first.

    Written beside and renamed over, so that a crash leaves either the old file or the new one.
    """
    path = profile_home / "credentials.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    made = {name: secrets.token_urlsafe(24) for name in PASSWORDS if name not in known}
    if "airflow_fernet_key" not in known:
        made["airflow_fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if made:
        known |= made
        write_private(path, json.dumps(known, indent=2) + "\n")
    return known


def add_passwords(profile_home: Path, names: Iterable[str]) -> dict[str, str]:
    """Make a password for each role that has none yet, and return every secret of the profile."""
    known = load_credentials(profile_home)
    made = {name: secrets.token_urlsafe(24) for name in names if name not in known}
    if made:
        known |= made
        write_private(profile_home / "credentials.json", json.dumps(known, indent=2) + "\n")
    return known


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
