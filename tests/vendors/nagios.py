"""Nagios: archives of its event log written as it writes them, and the real daemon, Debian's package."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.vendors.debian import needs

SERVER = Path("/usr/sbin/nagios4")
PACKAGES = ("nagios4-core",)
HOST, SERVICE = "web-1", "HTTP"
MONITOR = f"{HOST};{SERVICE}"

_CONFIG = """
cfg_file={folder}/objects.cfg
log_file={folder}/nagios.log
log_archive_path={folder}/archives
object_cache_file={folder}/objects.cache
precached_object_file={folder}/objects.precache
status_file={folder}/status.dat
state_retention_file={folder}/retention.dat
temp_file={folder}/nagios.tmp
temp_path={folder}
lock_file={folder}/nagios.lock
command_file={folder}/nagios.cmd
check_result_path={folder}/spool
query_socket={folder}/nagios.qh
nagios_user={user}
nagios_group={group}
check_external_commands=0
log_rotation_method=d
log_initial_states=1
log_current_states=1
use_syslog=0
retain_state_information=1
log_service_retries=1
log_host_retries=1
interval_length=1
service_check_timeout=5
enable_notifications=0
execute_host_checks=0
illegal_macro_output_chars=`~$&|'"<>
"""

_OBJECTS = """
define command {{
    command_name look
    command_line {script}
}}
define timeperiod {{
    timeperiod_name always
    alias Always
    monday 00:00-24:00
    tuesday 00:00-24:00
    wednesday 00:00-24:00
    thursday 00:00-24:00
    friday 00:00-24:00
    saturday 00:00-24:00
    sunday 00:00-24:00
}}
define contact {{
    contact_name nobody
    host_notifications_enabled 0
    service_notifications_enabled 0
    host_notification_period always
    service_notification_period always
    host_notification_options n
    service_notification_options n
    host_notification_commands look
    service_notification_commands look
}}
define host {{
    host_name {host}
    address 127.0.0.1
    max_check_attempts 3
    check_period always
    contacts nobody
    active_checks_enabled 0
    initial_state o
}}
define service {{
    host_name {host}
    service_description {service}
    check_command look
    check_period always
    contacts nobody
    check_interval 1
    retry_interval 1
    max_check_attempts 3
    notifications_enabled 0
}}
"""

#: Says what the truth says, and writes down when it was asked.
_SCRIPT = """#!/bin/sh
code=$(cat {folder}/truth)
printf '%s %s\\n' "$(date +%s)" "$code" >> {folder}/checks
case $code in 0) echo fine;; *) echo broken;; esac
exit $code
"""


@dataclass(frozen=True)
class Nagios:
    """A folder in which the daemon runs from time to time."""

    folder: Path

    def say(self, code: int) -> None:
        """What the check finds from now on: 0 fine, 1 warning, 2 critical, 3 unknown."""
        partial = self.folder / "truth.partial"
        partial.write_text(f"{code}\n")
        partial.replace(self.folder / "truth")

    def checks(self) -> list[tuple[int, int]]:
        """Seconds since 1970 and exit code of every check that was made."""
        lines = (self.folder / "checks").read_text().splitlines()
        return [(int(at), int(code)) for at, code in (line.split() for line in lines)]

    @contextmanager
    def running(self, *, dies: bool = False) -> Iterator[None]:
        """Run the daemon; it is told to stop, or it dies without a word."""
        process = subprocess.Popen(
            [SERVER, self.folder / "nagios.cfg"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            if dies:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.terminate()
            process.wait(timeout=30)

    def rotate(self) -> None:
        """Do with a log what the daemon does at midnight, after it has stopped."""
        log = self.folder / "nagios.log"
        written = datetime.fromtimestamp(log.stat().st_mtime, UTC)
        log.rename(self.folder / "archives" / f"nagios-{written:%m-%d-%Y-%H}-{time.monotonic_ns()}.log")

    @property
    def archives(self) -> Path:
        return self.folder / "archives"


def nagios_in(folder: Path) -> Nagios:
    """A configured Nagios with one host and one service, which is checked every second."""
    needs(SERVER, PACKAGES)
    for name in ("archives", "spool"):
        (folder / name).mkdir()
    user = pwd.getpwuid(os.geteuid()).pw_name
    group = grp.getgrgid(os.getegid()).gr_name
    (folder / "nagios.cfg").write_text(_CONFIG.format(folder=folder, user=user, group=group))
    script = folder / "look"
    script.write_text(_SCRIPT.format(folder=folder))
    script.chmod(0o755)
    (folder / "objects.cfg").write_text(_OBJECTS.format(script=script, host=HOST, service=SERVICE))
    nagios = Nagios(folder)
    nagios.say(0)
    found = subprocess.run([SERVER, "-v", folder / "nagios.cfg"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.fail(f"Nagios refuses its configuration: {found.stdout[-3000:]}")
    return nagios


def has_nagios() -> bool:
    """Whether the daemon's program is there."""
    return shutil.which(str(SERVER)) is not None


# --- Archives as it writes them ---

State = tuple[int, int, bool]


def write_archives(folder: Path, states: Iterable[State], *, until: int, monitor: str = MONITOR) -> None:
    """Daily archives of states ``(start, end, is_up)`` in seconds since 1970; between two it was stopped.

    Rotated at midnight UTC, up to ``until``; what is after the last midnight is the log in use.
    """
    lines: list[tuple[int, str]] = []
    known = [(start, min(end, until), is_up) for start, end, is_up in states if start < until]
    lines.append((known[0][0], "Nagios 4.4.6 starting... (PID=7)"))
    lines.append((known[0][0], _told("INITIAL SERVICE STATE", monitor, known[0][2])))
    for (_, end, _), (start, _, is_up) in pairwise(known):
        if end < start:
            lines.append((end, "Successfully shutdown... (PID=7)"))
            lines.append((start, "Nagios 4.4.6 starting... (PID=8)"))
            lines.append((start, _told("INITIAL SERVICE STATE", monitor, is_up)))
        else:
            lines.append((start, _told("SERVICE ALERT", monitor, is_up)))
    lines.append((known[-1][1], f"SERVICE NOTIFICATION: nobody;{monitor};CRITICAL;look;broken"))
    first = known[0][0] // 86_400 + 1
    for day in range(first, until // 86_400 + 1):
        midnight = day * 86_400
        lines.append((midnight, "LOG ROTATION: DAILY"))
        lines.append((midnight, "LOG VERSION: 2.0"))
        # A state that ends at midnight is told to have been, and then the alert comes.
        held = next((one for one in known if one[0] < midnight <= one[1]), None)
        if held is not None:
            lines.append((midnight, _told("CURRENT SERVICE STATE", monitor, held[2])))
    order = {"LOG": 0, "CUR": 1}
    lines.sort(key=lambda line: (line[0], order.get(line[1][:3], 2)))
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    by_file: dict[str, list[str]] = {}
    for at, text in lines:
        following = (at // 86_400 + 1) * 86_400
        name = "nagios.log"
        if following <= until:
            name = f"nagios-{datetime.fromtimestamp(following, UTC):%m-%d-%Y-%H}.log"
        by_file.setdefault(name, []).append(f"[{at}] {text}\n")
    for name, told in by_file.items():
        (folder / name).write_text("".join(told))


def _told(kind: str, monitor: str, is_up: bool) -> str:
    state = "OK;HARD;1;fine" if is_up else "CRITICAL;HARD;3;broken; really"
    return f"{kind}: {monitor};{state}"
