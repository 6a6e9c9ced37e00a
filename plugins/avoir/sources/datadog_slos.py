"""Datadog's SLOs: the states of the monitors behind them, as each history tells them.

Flow: pages of ``/api/v1/slo``, which announce how many there are, and of ``/api/v1/monitor``, which do not;
then for each SLO, a UTC month at a time and always from the month's beginning, its ``history``: when the
state changed, to up, down or no data. The month is cut to the window, so that what the state was as the
window began is known as far as Datadog says it.

One history tells of one monitor: of each of several monitors, of each group of a grouped one, or of a
time-slice SLO itself. Corrections are not applied: what is excluded, the contract says. No data is no state,
whatever the SLO counts it as, and so is what came before the first change that an answer tells of.

Not landed: ``malformed`` and ``bad_instant`` (a month of a monitor with a change that is none, or none of
this century), ``unknown_state``.

Reference: https://docs.datadoghq.com/api/latest/service-level-objectives/
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any, TypeGuard

from avoir.sources.announced_pages import all_announced
from avoir.sources.model import Landed, Rejected, Rows, Window, month_start
from avoir.sources.monitoring import STATES, State, StateName, within
from avoir.sources.unannounced_pages import all_agreed
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

#: SLOs and monitors of a page, which is also the most it gives.
PAGE_ROWS = 1000
SLO_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_SAYS: Mapping[int, StateName | None] = {0: "up", 1: "down", 2: None}
#: Kinds of SLO whose history is one of states.
_TELLS_STATES = ("monitor", "time_slice")
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


@dataclass(frozen=True)
class SloReader:
    """The SLOs to read, with the monitors behind each."""

    api: VendorApi
    monitors: Mapping[Objective, tuple[Monitor, ...]]

    def items(self, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        """The states of every monitor, as far as they lie in the window.

        Raises:
            IncompleteAnswerError: an answer is an error, unfinished or not what was asked for, says nothing
                of a stretch in which its SLO existed, or two SLOs contradict each other.
        """
        known = set(landed.keys(STATES.name, "monitor"))
        for month in window.months():
            told: dict[str, tuple[Objective, list[State | Rejected]]] = {}
            for slo, monitors in self.monitors.items():
                if slo.kind not in _TELLS_STATES:
                    continue
                for part in self._parts(slo, monitors, month, known):
                    items = list(_items(part, month, self._label(slo)))
                    first, before = told.setdefault(part.name, (slo, items))
                    if before != items:
                        raise IncompleteAnswerError(
                            f"{self._label(slo)} tells another history of {part.name} than {first.slo_id}; "
                            "name only one of them in slos"
                        )
            known |= told.keys()
            yield from _landing(item for _, items in told.values() for item in items)

    def _parts(
        self, slo: Objective, monitors: tuple[Monitor, ...], month: Window, known: Iterable[str]
    ) -> list[Part]:
        """What the answer for a month tells of each monitor and group, each with a history."""
        label = self._label(slo)
        data = self._history(slo, month)
        overall = data.get("overall")
        whole: Record = overall if isinstance(overall, dict) else {}
        if len(monitors) > 1:
            parts = _by_monitor(monitors, _list_in(data, "monitors", label), label)
        else:
            parts = _by_group(slo, monitors[0], _list_in(data, "groups", label), label)
        if not parts:
            if any(name.startswith(f"{monitors[0].name}@") for name in known):
                message = f"{label} answered without the groups of {monitors[0].name}, which it had before"
                raise IncompleteAnswerError(message)
            parts = [Part(monitors[0], monitors[0].name, whole)]
        for told in (whole, *(part.told for part in parts)):
            _must_be_said(told, label)
        return [part for part in parts if _has_history(part, month, label)]

    def _history(self, slo: Objective, month: Window) -> Record:
        """The answer for a month from its beginning, at most to the window's end.

        Raises:
            IncompleteAnswerError: it is an error, or answers something else.
        """
        label = self._label(slo)
        first, last = _asked_for(month)
        asked = {"from_ts": str(first), "to_ts": str(last), "apply_correction": "false"}
        body = self.api.get(f"api/v1/slo/{slo.slo_id}/history", asked).body
        data = body.get("data") if isinstance(body, dict) else None
        for one in (body, data):
            if isinstance(one, dict) and (errors := one.get("errors") or one.get("error")):
                raise IncompleteAnswerError(f"{label} answered an error: {str(errors)[:200]}")
        if not isinstance(data, dict):
            raise IncompleteAnswerError(f"{label} answered without `data`")
        answered = (data.get("from_ts"), data.get("to_ts"))
        if answered != (first, last):
            message = f"{label} was asked for {first} to {last} and answered for {answered!r}"
            raise IncompleteAnswerError(message)
        about = data.get("slo")
        if data.get("type", slo.kind) != slo.kind or (
            isinstance(about, dict) and about.get("id", slo.slo_id) != slo.slo_id
        ):
            raise IncompleteAnswerError(f"{label} gave the history of another SLO")
        return data

    def _label(self, slo: Objective) -> str:
        return f"source {self.api.source.name}: SLO {slo.slo_id}"


def slo_reader(api: VendorApi) -> SloReader:
    """The SLOs that the connection reads and the monitors behind them.

    Raises:
        AccessDeniedError: a key may not read SLOs or monitors.
        IncompleteAnswerError: a list is not whole, an SLO or monitor is not shown that must be, there is
            none, or two monitors have one name.
    """
    objectives = _objectives(api)
    by_id = _definitions(api) if any(slo.monitor_ids for slo in objectives) else {}
    monitors = {slo: tuple(_monitors_of(api, slo, by_id)) for slo in objectives}
    owners: dict[str, Monitor] = {}
    for found in monitors.values():
        for monitor in found:
            if owners.setdefault(monitor.name, monitor).origin != monitor.origin:
                raise IncompleteAnswerError(
                    f"source {api.source.name}: several monitors or SLOs are called {monitor.name}; "
                    "set slo_monitor_name: id"
                )
    return SloReader(api, monitors)


# --- what there is ---


def _objectives(api: VendorApi) -> list[Objective]:
    """The SLOs to read, in order of their ids."""
    label = f"source {api.source.name}: slo"
    listed: dict[str, Record] = {}
    for row in all_announced(f"source {api.source.name}", "SLOs", partial(_slo_page, api), PAGE_ROWS):
        slo_id = row.get("id") if isinstance(row, dict) else None
        if not isinstance(slo_id, str) or not SLO_ID.fullmatch(slo_id):
            raise IncompleteAnswerError(f"{label} gave an SLO without its id")
        listed[slo_id] = row
    wanted = api.source.option("slos")
    if missing := set(wanted or ()) - listed.keys():
        raise IncompleteAnswerError(f"{label} shows no {', '.join(sorted(missing))}; check the keys' rights")
    found: list[Objective] = []
    for slo_id, row in sorted(listed.items()):
        if wanted is not None and slo_id not in wanted:
            continue
        if row.get("type") in _TELLS_STATES:
            found.append(_objective(row, label))
        elif wanted is not None:
            message = f"{label}: {slo_id} is no SLO of monitors or time slices, and no other has states"
            raise IncompleteAnswerError(message)
    if not found:
        raise IncompleteAnswerError(f"{label} shows no SLO that has states, which is not 'no outage'")
    return found


def _slo_page(api: VendorApi, offset: int) -> tuple[list[Any], int]:
    body = api.get("api/v1/slo", {"limit": str(PAGE_ROWS), "offset": str(offset)}).body
    rows, total = (None, None)
    if isinstance(body, dict) and not body.get("errors") and not body.get("error"):
        rows = body.get("data")
        # Not the filtered count, which Datadog fills with the length of a page.
        for name in ("metadata", "page", "total_count"):
            body = body.get(name) if isinstance(body, dict) else None
        total = body
    if not isinstance(rows, list) or not _is_whole(total):
        message = f"source {api.source.name}: slo answered without its SLOs or how many there are"
        raise IncompleteAnswerError(message)
    return rows, total


def _objective(row: Record, label: str) -> Objective:
    name, created = row.get("name"), row.get("created_at")
    monitor_ids = row.get("monitor_ids") if row["type"] == "monitor" else [0]
    groups = row.get("groups") or []
    if (
        not isinstance(name, str)
        or not name.strip()
        or not _is_second(created)
        or not isinstance(monitor_ids, list)
        or not monitor_ids
        or not all(map(_is_whole, monitor_ids))
        or not _are_names(groups)
    ):
        message = f"{label} gave {row['id']} without its name, its monitors, its groups or when it was made"
        raise IncompleteAnswerError(message)
    return Objective(
        slo_id=row["id"],
        name=name,
        kind=row["type"],
        monitor_ids=tuple(monitor_ids) if row["type"] == "monitor" else (),
        groups=frozenset(groups),
        created_at=datetime.fromtimestamp(created, UTC),
    )


def _definitions(api: VendorApi) -> dict[int, Record]:
    """Every monitor that the account may see, by its id."""
    label = f"source {api.source.name}: monitor"

    def page(rows: int, number: int) -> list[Record]:
        body = api.get("api/v1/monitor", {"page": str(number), "page_size": str(rows)}).body
        if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
            raise IncompleteAnswerError(f"{label} answered without a list of monitors")
        return body

    def number(row: Record) -> int:
        found = row.get("id")
        if not _is_whole(found):
            raise IncompleteAnswerError(f"{label} gave a monitor without its id")
        return found

    return all_agreed(label, page, PAGE_ROWS, number)


def _monitors_of(api: VendorApi, slo: Objective, definitions: Mapping[int, Record]) -> Iterator[Monitor]:
    by_id = api.source.option("slo_monitor_name") == "id"
    label = f"source {api.source.name}: monitor"
    if not slo.monitor_ids:
        name = slo.slo_id if by_id else slo.name
        yield Monitor(f"SLO {slo.slo_id}", slo.name, name, slo.created_at)
    for number in slo.monitor_ids:
        row = definitions.get(number)
        if row is None:
            message = f"{label} shows no {number}, which SLO {slo.slo_id} is made of; check the keys' rights"
            raise IncompleteAnswerError(message)
        title = row.get("name")
        if not isinstance(title, str) or not title.strip():
            raise IncompleteAnswerError(f"{label} gave {number} without its name")
        made_at = max(slo.created_at, _instant(row.get("created")) or slo.created_at)
        yield Monitor(f"monitor {number}", title, str(number) if by_id else title, made_at)


# --- what an answer tells ---


def _by_monitor(monitors: tuple[Monitor, ...], told: list[Record], label: str) -> list[Part]:
    """The histories of several monitors, which are known by their names in Datadog."""
    wanted = Counter(monitor.title for monitor in monitors)
    if twice := [name for name, count in wanted.items() if count > 1]:
        message = f"{label} has several monitors called {twice[0]}, and does not tell them apart; rename one"
        raise IncompleteAnswerError(message)
    if Counter(str(one.get("name")) for one in told) != wanted:
        raise IncompleteAnswerError(f"{label} did not answer for each of its monitors: {', '.join(wanted)}")
    by_name = {one["name"]: one for one in told}
    return [Part(monitor, monitor.name, by_name[monitor.title]) for monitor in monitors]


def _by_group(slo: Objective, monitor: Monitor, told: list[Record], label: str) -> list[Part]:
    """The histories of the groups of one monitor; none where it is not grouped."""
    names: list[Any] = [one.get("group") or one.get("name") for one in told]
    if not _are_names(names) or len(set(names)) != len(names):
        raise IncompleteAnswerError(f"{label} answered with groups without names, or with one of them twice")
    if missing := slo.groups - set(names):
        raise IncompleteAnswerError(f"{label} did not answer for its groups: {', '.join(sorted(missing))}")
    return [Part(monitor, f"{monitor.name}@{name}", one) for name, one in zip(names, told, strict=True)]


def _list_in(data: Record, name: str, label: str) -> list[Record]:
    rows = data.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise IncompleteAnswerError(f"{label} answered with `{name}` that are no list of histories")
    return rows


def _must_be_said(told: Record, label: str) -> None:
    """Refuse a history that is an error, or is still being computed.

    Raises:
        IncompleteAnswerError: it is one.
    """
    if errors := told.get("errors"):
        raise IncompleteAnswerError(f"{label} answered an error: {str(errors)[:200]}")
    if told.get("preview"):
        raise IncompleteAnswerError(f"{label} is still being computed anew (preview); load it again later")


def _has_history(part: Part, month: Window, label: str) -> bool:
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


def _items(part: Part, month: Window, label: str) -> Iterator[State | Rejected]:
    """The states that a history tells of, cut to the month, those that join as one."""
    _, last = _asked_for(month)
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


def _change(pair: Any) -> tuple[int, int] | str:
    """Second since 1970 and state of a change; or reason code and reason why it is none."""
    if not isinstance(pair, list) or len(pair) != 2:
        return "malformed: a change is no pair of an instant and a state"
    at, state = map(_whole, pair)
    if at is None or state is None:
        return "malformed: a change without its instant or its state as whole numbers"
    if not _is_second(at):
        return f"bad_instant: it is not of this century: {at}"
    return at, state


def _landing(items: Iterable[State | Rejected]) -> Iterator[Rows | Rejected]:
    values: list[tuple[str | None, ...]] = []
    for item in items:
        if isinstance(item, Rejected):
            yield item
        else:
            values.append(item.row())
    yield Rows(STATES.name, values, range(1, len(values) + 1))


def _asked_for(month: Window) -> tuple[int, int]:
    """First second of the month and the one in which the stretch ends."""
    first = month_start(month.start.year, month.start.month)
    return int(first.timestamp()), -int(-month.end.timestamp() // 1)


def _whole(value: object) -> int | None:
    """A whole number, also where it came with a point, which leaves it as text."""
    if _is_whole(value):
        return value
    found = re.fullmatch(r"(\d{1,12})\.0+", value, re.ASCII) if isinstance(value, str) else None
    return int(found[1]) if found else None


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_second(value: object) -> TypeGuard[int]:
    return _is_whole(value) and 0 <= value < _LAST_SECOND


def _are_names(values: object) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(one, str) and one for one in values)


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _rejected(part: Part, at: datetime, change: Any, code: str, reason: str) -> Rejected:
    # With the key, by which a later state is known to make this one good.
    told = {"monitor": part.name, "from_at": at.isoformat(), "change": change}
    payload = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return Rejected(STATES.name, code, f"history of {part.name}: {reason}", payload)
