"""A cluster outside its home goes when the home is gone, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from avoir import postgres


def cluster(state: Path, key: str, home: Path) -> Path:
    """A cluster's directory as the library leaves it, with its home's link."""
    made = state / key
    (made / "data").mkdir(parents=True)
    home.mkdir()
    (home / "postgres").symlink_to(made)
    (made / "home").write_text(f"{home / 'postgres'}\n")
    return made


def test_only_what_nobody_owns_and_nobody_runs_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setattr(postgres, "SYSTEM_STATE", state)
    kept = cluster(state, "kept", tmp_path / "home")
    gone = cluster(state, "gone", tmp_path / "gone")
    running = cluster(state, "running", tmp_path / "running")
    unknown = state / "unknown"
    (unknown / "data").mkdir(parents=True)
    for home in ("gone", "running"):
        (tmp_path / home / "postgres").unlink()
    waits = [sys.executable, "-c", "print(flush=True); input()", str(running / "data")]
    server = subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    try:
        (running / "data" / "postmaster.pid").write_text(f"{server.pid}\n")
        (gone / "data" / "postmaster.pid").write_text(f"{server.pid}\n")  # its number was given to another
        made = postgres._placed_outside(tmp_path / "new")
        assert sorted(one.name for one in state.iterdir()) == sorted(
            ["kept", "running", "unknown", made.name]
        )
        assert kept.exists()
        assert (made / "home").read_text() == f"{tmp_path / 'new' / 'postgres'}\n"
    finally:
        server.communicate(b"\n")
    postgres._remove_abandoned(state)
    assert not running.exists()
