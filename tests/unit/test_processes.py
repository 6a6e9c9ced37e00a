"""A task does not outlive the process that watches over it."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel is asked by prctl")

# As Airflow starts a task: a fork with a process group of its own, in the session of what watches over it.
SUPERVISOR = """
import os, sys, time
from avoir.processes import end_with_supervisor
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    {before}
    end_with_supervisor()
    print(os.getpid(), flush=True)
    time.sleep(60)
{then}
time.sleep(60)
"""


def started(before: str = "", then: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR.format(before=before, then=then)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_task_ends_when_its_supervisor_is_killed() -> None:
    supervisor = started()
    assert supervisor.stdout is not None
    task = psutil.Process(int(supervisor.stdout.readline()))
    assert task.is_running()
    supervisor.kill()
    supervisor.wait(10)
    task.wait(10)
    assert not task.is_running()


def test_a_task_whose_supervisor_is_gone_already_does_not_begin() -> None:
    supervisor = started(before="time.sleep(0.5)", then="os._exit(0)")
    output, _ = supervisor.communicate(timeout=20)
    assert output == ""
