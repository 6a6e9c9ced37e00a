"""Servers from Debian's packages: installed once, whoever asks first, or the test is skipped loudly."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

from avoir.postgres import locked

_LOCK = Path(tempfile.gettempdir()) / f"avoir_tests_apt_{os.getuid()}.lock"
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")


def needs(server: Path, packages: Sequence[str], *, answers: str = "") -> None:
    """Make sure that a server's program is there; several processes of a test run may ask at once.

    Args:
        server: what the packages bring last.
        packages: what to install.
        answers: to what their installation would ask, as ``debconf-set-selections`` reads them.
    """
    # Under the lock even to look: another process may be in the middle of unpacking it.
    with locked(_LOCK, wait=True):
        if not server.exists():
            _install(server, packages, answers)


def _install(server: Path, packages: Sequence[str], answers: str) -> None:
    what = f"{server.name} is NOT tested: apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        _skip(f"{what}, or be root on Debian")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if answers:
        subprocess.run(["debconf-set-selections"], input=answers, text=True, check=True, timeout=60)
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [*_APT, *words], env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        if done.returncode != 0:
            _skip(f"{what}; it failed here: {(done.stdout + done.stderr)[-1000:]}")
    assert server.exists(), f"{packages} brought no {server}"


def _skip(reason: str) -> None:
    warnings.warn(reason, stacklevel=4)
    pytest.skip(reason)
