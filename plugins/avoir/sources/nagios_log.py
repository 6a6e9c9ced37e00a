"""Nagios: the archives of its event log, ``nagios-MM-DD-YYYY-HH.log``, and the log in use, ``nagios.log``.

A log tells of changes, so each state lasts until the next line that gives another: states, not checks. The
folder is read whole, in the order of time, since a state may have begun many archives ago. What ends a state
beside another one:

- ``UNKNOWN`` of a service and ``UNREACHABLE`` of a host: the monitor could not tell; nor could it where the
  output is ``(null)``, as of a check that was never made;
- the monitor was stopped, or starts without having said that it stopped: then nobody looked since its last
  line, until a line says what a state is again (``log_initial_states=1`` makes it say so at once);
- an archive is missing: a rotation comes later after the one before than the log says it does;
- the end of the newest log, which is where knowledge ends.

A service is ``host;service``, a host is ``host``. ``CRITICAL`` and ``DOWN`` are down, ``OK``, ``UP`` and
``WARNING`` are up. By default only hard states count, as in Nagios' own availability report; with
``states: all`` an outage begins at the first failed check, if ``log_service_retries=1`` lets Nagios tell of
it. Downtimes that operators of the monitor schedule are no announcements of the vendor's: they are not
looked at.

Not landed: ``malformed`` (no ``[seconds since 1970]`` in front, or a state without its parts),
``unknown_state``, ``out_of_order`` (a line earlier than the one before it by more than a second).

Format: https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/configmain.html#log_rotation_method
and ``base/logging.c``, ``base/checks.c``, ``common/shared.c`` of Nagios Core 4.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from avoir.sources.log_files import log_files, pattern_option
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    SourceFile,
    System,
    Window,
)
from avoir.sources.monitoring import SCHEMA, STATES, State, StateName, within

_LINE = re.compile(r"\[(\d{1,11})\] (.*)", re.ASCII | re.DOTALL)
_TOLD = re.compile(
    r"(?:(?:CURRENT|INITIAL) (?P<state>SERVICE|HOST) STATE|(?P<alert>SERVICE|HOST) ALERT): (?P<rest>.*)",
    re.DOTALL,
)
_STARTED = re.compile(r"Nagios \S+ starting\.\.\. ")
_STOPPED = re.compile(
    r"(?:Successfully shutdown|Caught SIG(?:TERM|HUP)|Bailing out|Caught '?SIG(?:TERM|HUP))"
)
_ROTATED = re.compile(r"LOG ROTATION: (HOURLY|DAILY|WEEKLY|MONTHLY)")

#: What each state of a check says; None where the monitor could not tell.
_SAYS: dict[str, dict[str, StateName | None]] = {
    "SERVICE": {"OK": "up", "WARNING": "up", "CRITICAL": "down", "UNKNOWN": None},
    "HOST": {"UP": "up", "DOWN": "down", "UNREACHABLE": None},
}
#: The output of a check that was never made: what it is then said to be is a guess of the configuration's.
_NEVER_CHECKED = "(null)"
#: How long after a rotation the next one comes at the latest: clocks change, and a month has 31 days.
_ROTATION = {
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(hours=25),
    "WEEKLY": timedelta(days=7, hours=1),
    "MONTHLY": timedelta(days=31, hours=1),
}
#: A rotation is made when Nagios comes to it.
_ROTATION_DELAY = timedelta(minutes=5)
_LAST_SECOND = 4_102_444_800  # 2100-01-01
MAX_LOG_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True)
class _Log:
    """A log file: its lines without their ends, and the instant of the first one that has one."""

    name: str
    file: SourceFile
    lines: list[str]
    first: int


@dataclass
class _Held:
    """What a check is since a line of a log."""

    start: int
    state: StateName
    said: str
    file: SourceFile
    number: int


@dataclass
class _Reader:
    """Reads logs in order; states come out as they end, with the line that began them."""

    end: int
    hard_only: bool
    held: dict[str, _Held] = field(default_factory=dict)
    last: int | None = None
    rotated: int | None = None
    reaches_end: bool = False

    def read(self, log: _Log) -> Iterator[tuple[State, SourceFile, int] | Rejected]:
        """The states that end in a log."""
        for number, line in enumerate(log.lines, start=1):
            if not line.strip():
                continue
            matched = _LINE.fullmatch(line)
            if matched is None or int(matched[1]) > _LAST_SECOND:
                yield _rejected(log, number, line, "malformed", "no [seconds since 1970] in front")
                continue
            at, said = int(matched[1]), matched[2]
            if at >= self.end:
                self.reaches_end = True
                continue
            if self.last is not None and at < self.last - 1:
                reason = f"it is earlier than the line before it, of {self.last}"
                yield _rejected(log, number, line, "out_of_order", reason)
                continue
            at = max(at, self.last or at)
            yield from self._line(log, number, line, at, said)
            self.last = at

    def finish(self) -> Iterator[tuple[State, SourceFile, int]]:
        """What lasts at the end of the newest log."""
        if self.last is not None:
            yield from self._end_all(self.end if self.reaches_end else self.last)

    def _line(
        self, log: _Log, number: int, line: str, at: int, said: str
    ) -> Iterator[tuple[State, SourceFile, int] | Rejected]:
        if _STOPPED.match(said):
            yield from self._end_all(at)
        elif _STARTED.match(said):
            # It did not say that it stopped: until its last line it ran.
            yield from self._end_all(at if self.last is None else self.last)
        elif rotation := _ROTATED.match(said):
            longest = _ROTATION[rotation[1]] + _ROTATION_DELAY
            if self.rotated is not None and at - self.rotated > longest.total_seconds():
                yield from self._end_all(at if self.last is None else self.last)
            self.rotated = at
        elif told := _TOLD.fullmatch(said):
            yield from self._told(log, number, line, at, told)

    def _told(
        self, log: _Log, number: int, line: str, at: int, told: re.Match[str]
    ) -> Iterator[tuple[State, SourceFile, int] | Rejected]:
        kind = told["state"] or told["alert"]
        parts = told["rest"].split(";", 5 if kind == "SERVICE" else 4)
        names, rest = (parts[:2], parts[2:]) if kind == "SERVICE" else (parts[:1], parts[1:])
        if len(rest) < 3 or not all(names) or rest[1] not in ("HARD", "SOFT"):
            yield _rejected(
                log, number, line, "malformed", "a state without its host, service, state or type"
            )
            return
        if rest[0] not in _SAYS[kind]:
            reason = f"the state is none of {', '.join(_SAYS[kind])}: {rest[0]!r}"
            yield _rejected(log, number, line, "unknown_state", reason)
            return
        if self.hard_only and rest[1] == "SOFT":
            return
        monitor, state = ";".join(names), _SAYS[kind][rest[0]]
        if rest[3:] == [_NEVER_CHECKED]:
            state = None
        held = self.held.get(monitor)
        if held is not None and held.state == state:
            return
        if held is not None:
            yield from self._end(monitor, at)
        if state is not None:
            self.held[monitor] = _Held(at, state, f"{rest[0]};{rest[1]}", log.file, number)

    def _end_all(self, at: int) -> Iterator[tuple[State, SourceFile, int]]:
        for monitor in sorted(self.held):
            yield from self._end(monitor, at)

    def _end(self, monitor: str, at: int) -> Iterator[tuple[State, SourceFile, int]]:
        held = self.held.pop(monitor)
        if held.start < at:
            start, end = (datetime.fromtimestamp(second, UTC) for second in (held.start, at))
            yield State(monitor, start, end, held.state, held.said), held.file, held.number


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every state that the logs tell of, as far as it lies in the window.

    Raises:
        SourceError: the folder holds no log, or an archive ends in the middle of a line.
    """
    del landed
    logs = sorted(
        (_log(source, name, path) for name, path in log_files(source, source.option("files"))),
        key=lambda log: (log.first, log.name),
    )
    reader = _Reader(end=_seconds_up(window.end), hard_only=source.option("states") == "hard")
    states: dict[str, list[tuple[State, int]]] = {}
    files: dict[str, SourceFile] = {}

    def keep(told: tuple[State, SourceFile, int]) -> None:
        state, file, number = told
        files[file.sha256] = file
        states.setdefault(file.sha256, []).extend((one, number) for one in within([state], window))

    for log in logs:
        for item in reader.read(log):
            if isinstance(item, Rejected):
                yield item
            else:
                keep(item)
    for told in reader.finish():
        keep(told)
    for sha256, kept in states.items():
        yield Rows(
            STATES.name, [state.row() for state, _ in kept], [number for _, number in kept], files[sha256]
        )


def _log(source: SourceConnection, name: str, path: Path) -> _Log:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_LOG_BYTES + 1)
    except OSError as error:
        raise SourceError(f"source {source.name}: cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_LOG_BYTES:
        raise SourceError(f"source {source.name}: {name} is larger than {MAX_LOG_BYTES} bytes")
    # Only "\n" ends a line: a plugin's output may hold any other character that Python takes for an end.
    lines = content.decode("utf-8", "replace").split("\n")
    rest = lines.pop()
    if rest and path.name != "nagios.log":
        what = "ends in the middle of a line; it was cut off"
        raise SourceError(f"source {source.name}: {name}, line {len(lines) + 1} {what}")
    instants = (int(matched[1]) for line in lines if (matched := _LINE.fullmatch(line)) is not None)
    file = SourceFile(name, hashlib.sha256(content).hexdigest(), len(content))
    return _Log(name, file, lines, next(instants, 0))


def _rejected(log: _Log, number: int, line: str, code: str, reason: str) -> Rejected:
    return Rejected(STATES.name, code, f"{log.name}, line {number}: {reason}", line, number, log.file)


def _seconds_up(instant: datetime) -> int:
    """Seconds since 1970, a fraction rounded up: a log knows whole seconds."""
    microseconds = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return -(-microseconds // 1_000_000)


def _counted(value: object) -> str:
    if value not in ("hard", "all"):
        raise ValueError(
            f"must be hard (as Nagios reports) or all (from the first failed check), got {value!r}"
        )
    return str(value)


SYSTEM = System(
    name="nagios_log",
    tables=(STATES,),
    fetch=fetch,
    # A state may have begun in any archive, and an archive may come late.
    overlap=timedelta(days=36500),
    reads="files",
    options={
        "files": Option(default="nagios*.log", check=pattern_option),
        "states": Option(default="hard", check=_counted),
    },
    schema_name=SCHEMA,
)
