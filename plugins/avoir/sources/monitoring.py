"""What monitors saw, in the two shapes in which they tell it, whatever brings it.

A *check* says what was seen at one instant: how long it holds is the contract's probe interval's business. A
*state* says how long it lasted: the monitor looked all the time, and tells of changes only. Between two
states nobody looked: a monitor that was stopped, paused or could not tell is no state.

``said`` is what the monitor itself calls it; ``state`` is ``up`` or ``down``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from avoir.sources.model import Column, Table, Window, text_columns

SCHEMA = "raw_monitoring"

CHECKS = Table(
    "checks",
    (
        Column("monitor"),
        Column("checked_at", "timestamptz"),
        *text_columns("state", "said", "response_ms"),
    ),
    key=("monitor", "checked_at"),
    partition="checked_at",
)

STATES = Table(
    "states",
    (
        Column("monitor"),
        Column("from_at", "timestamptz"),
        Column("to_at", "timestamptz"),
        *text_columns("state", "said"),
    ),
    key=("monitor", "from_at"),
    subject="monitor",
    instant="from_at",
)

StateName = Literal["up", "down"]


@dataclass(frozen=True)
class State:
    """A stretch ``[start, end)`` in which a monitor says that one state lasted; instants carry their zone."""

    monitor: str
    start: datetime
    end: datetime
    state: StateName
    said: str

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a state must end after it starts, got {self.start} to {self.end}")

    def row(self) -> tuple[str | None, ...]:
        """Its values in the columns of :data:`STATES`."""
        return (self.monitor, self.start.isoformat(), self.end.isoformat(), self.state, self.said)


def within(states: Iterable[State], window: Window) -> Iterator[State]:
    """The states as far as they lie in the window: what lasts beyond it is of the next one."""
    for state in states:
        start, end = max(state.start, window.start), min(state.end, window.end)
        if start < end:
            yield replace(state, start=start, end=end)
