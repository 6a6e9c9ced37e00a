"""Servers of other people that a test starts: waited for until they answer, gone when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from avoir.postgres import spawn

READY_SECONDS = 60


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    environment: dict[str, str] | None = None,
) -> Iterator[None]:
    """A server and what it forks for the length of the block, told to end when this process does."""
    given = {**os.environ, **(environment or {})}
    process = spawn([str(word) for word in command], log=log, environment=given)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
            if time.monotonic() > deadline:
                pytest.fail(f"{command[0]} does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        # It leads a session of its own: this is what is left of it, and nobody else.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def answering(address: str) -> Callable[[], bool]:
    """Whether an address answers a GET with a success."""

    def is_ready() -> bool:
        try:
            return requests.get(address, timeout=1).ok
        except requests.RequestException:
            return False

    return is_ready
