"""What an answer tells of a Datadog SLO: the states of each monitor behind it, and Datadog's own figure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeGuard

from avoir.sources.model import Rejected, Table, Window, month_after, month_start, text_columns
from avoir.sources.monitoring import STATES, State, StateName, within
from avoir.sources.record_making import is_whole
from avoir.sources.vendor_http import IncompleteAnswerError

#: What Datadog makes of a whole UTC month, of an SLO, each of its monitors and each group: it judges nothing.
SLO_FIGURES = Table(
    "slo_figures",
    text_columns(
        "slo_id", "slo_name", "slo_type", "month", "scope", "scope_name", "sli_value", "targets", "errors"
    ),
    key=("slo_id", "month", "scope", "scope_name"),
)
#: A month of an SLO of events in which there was none: an answer, not a failure.
_NO_EVENTS = "ZERO_VALUED_DENOMINATOR"
_SAYS: Mapping[int, StateName | None] = {0: "up", 1: "down", 2: None}
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")
_LAST_SECOND = 4_102_444_800  # 2100-01-01
Record = dict[str, Any]


@dataclass(frozen=True)
class Objective:
    """An SLO that is read."""

    slo_id: str
    name: str
    kind: str
    monitor_ids: tuple[int, ...]
    groups: frozenset[str]
    created_at: datetime
    #: By timeframe, as JSON.
    targets: str


@dataclass(frozen=True)
class Monitor:
    """A monitor behind an SLO, or a time-slice SLO in its place.

    ``origin`` is what it is, by its id; ``title`` what Datadog calls it, ``name`` what it is called here. Its
    SLO and it were there from ``made_at`` on.
    """

    origin: str
    title: str
    name: str
    made_at: datetime


@dataclass(frozen=True)
class Part:
    """What an answer tells of one monitor, or one group of it."""

    monitor: Monitor
    name: str
    told: Record


def must_be_said(told: Record, label: str) -> None:
    """Refuse a history that is an error, or is still being computed.

    Raises:
        IncompleteAnswerError: it is one.
    """
    if errors := [one for one in _errors(told) if one != _NO_EVENTS]:
        raise IncompleteAnswerError(f"{label} answered an error: {', '.join(errors)[:200]}")
    if told.get("preview"):
        raise IncompleteAnswerError(f"{label} is still being computed anew (preview); load it again later")


def _errors(told: Record) -> list[str]:
    """The types of the errors that an entry carries, or all it says of one without a type."""
    found = told.get("errors") or []
    listed = found if isinstance(found, list) else [found]
    kinds = (one.get("error_type") if isinstance(one, dict) else None for one in listed)
    return [kind if isinstance(kind, str) else str(one) for kind, one in zip(kinds, listed, strict=True)]


def has_history(part: Part, month: Window, label: str) -> bool:
    """Whether it says anything, be it 'no data'; what was not made yet need not.

    Raises:
        IncompleteAnswerError: it must and does not.
    """
    history = part.told.get("history")
    if isinstance(history, list) and history:
        return True
    if month.end <= part.monitor.made_at:
        return False
    raise IncompleteAnswerError(f"{label}: {part.name} says nothing of {month}, not even 'no data'")


def states_of(part: Part, month: Window, label: str) -> Iterator[State | Rejected]:
    """The states that a history tells of, cut to the month, those that join as one."""
    _, last = asked_for(month)
    changes: list[tuple[int, int]] = []
    for pair in part.told["history"]:
        change = _change(pair)
        if isinstance(change, str):
            yield _rejected(part, month.start, pair, *change.split(": ", 1))
            return
        changes.append(change)
    changes.sort()
    for first, second in pairwise(changes):
        if first[0] == second[0] and first[1] != second[1]:
            yield _rejected(part, month.start, list(first), "malformed", "two states of one instant")
            return
    if changes[-1][0] > last:
        message = f"{label} was asked for what is before {last} and told of {changes[-1][0]}"
        raise IncompleteAnswerError(message)
    held: State | None = None
    for (start, said), end in zip(changes, [*(at for at, _ in changes[1:]), last], strict=True):
        if start == end:
            continue
        start_at, end_at = (datetime.fromtimestamp(second, UTC) for second in (start, end))
        if said not in _SAYS:
            if end_at > month.start:
                reason = f"the state is none of {', '.join(map(str, _SAYS))}: {said}"
                yield _rejected(part, max(start_at, month.start), [start, said], "unknown_state", reason)
            continue
        state = _SAYS[said]
        if state is None:
            continue
        for one in within([State(part.name, start_at, end_at, state, str(said))], month):
            if held is not None and (held.end, held.state) == (one.start, one.state):
                held = replace(held, end=one.end)
                continue
            if held is not None:
                yield held
            held = one
    if held is not None:
        yield held


def is_whole_month(month: Window) -> bool:
    """Whether what is asked for is all of a UTC month."""
    return month.end == month_after(month.start)


def figures_of(slo: Objective, data: Record, month: Window) -> Iterator[tuple[str | None, ...] | Rejected]:
    """Rows of :data:`SLO_FIGURES`; none of what Datadog has no figure for, nor an error in its place."""
    entries = [("slo", slo.name, data.get("overall"))]
    for scope in ("monitor", "group"):
        found = data.get(f"{scope}s") or []
        entries += [(scope, one.get("group") or one.get("name"), one) for one in found]
    for scope, name, told in entries:
        if not isinstance(told, dict):
            continue
        value, errors = told.get("sli_value"), ", ".join(_errors(told)) or None
        if value is None and errors is None:
            continue
        start = f"{month.start:%Y-%m}"
        if not isinstance(name, str) or (value is not None and _figure(value) is None):
            kept = {"slo_id": slo.slo_id, "month": start, "scope": scope, "name": name, "sli_value": value}
            reason = f"figure of SLO {slo.slo_id}: sli_value is no number, or of nothing that has a name"
            payload = json.dumps(kept, ensure_ascii=False, sort_keys=True)
            yield Rejected(SLO_FIGURES.name, "malformed", reason, payload)
            continue
        told_of = (slo.slo_id, slo.name, slo.kind, start, scope, name)
        yield (*told_of, _figure(value), slo.targets, errors)


def _figure(value: object) -> str | None:
    """A number as the text that it came as."""
    if is_whole(value):
        return str(value)
    return value if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _change(pair: Any) -> tuple[int, int] | str:
    """Second since 1970 and state of a change; or reason code and reason why it is none."""
    if not isinstance(pair, list) or len(pair) != 2:
        return "malformed: a change is no pair of an instant and a state"
    at, state = map(_whole, pair)
    if at is None or state is None:
        return "malformed: a change without its instant or its state as whole numbers"
    if not is_second(at):
        return f"bad_instant: it is not of this century: {at}"
    return at, state


def asked_for(month: Window) -> tuple[int, int]:
    """First second of the month and the one in which the stretch ends."""
    first = month_start(month.start.year, month.start.month)
    return int(first.timestamp()), -int(-month.end.timestamp() // 1)


def _whole(value: object) -> int | None:
    """A whole number, also where it came with a point, which leaves it as text."""
    if is_whole(value):
        return value
    found = re.fullmatch(r"(\d{1,12})\.0+", value, re.ASCII) if isinstance(value, str) else None
    return int(found[1]) if found else None


def is_second(value: object) -> TypeGuard[int]:
    return is_whole(value) and 0 <= value < _LAST_SECOND


def are_names(values: object) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(one, str) and one for one in values)


def _rejected(part: Part, at: datetime, change: Any, code: str, reason: str) -> Rejected:
    # With the key, by which a later state is known to make this one good.
    told = {"monitor": part.name, "from_at": at.isoformat(), "change": change}
    payload = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return Rejected(STATES.name, code, f"history of {part.name}: {reason}", payload)
