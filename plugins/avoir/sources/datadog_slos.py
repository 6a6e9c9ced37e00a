"""Datadog's SLOs: the states of the monitors behind them, as each history tells them, and its own figures.

Flow: pages of ``/api/v1/slo``, which announce how many there are, and of ``/api/v1/monitor``, which do not;
then for each SLO, a UTC month at a time and always from the month's beginning, its ``history``: when the
state changed, to up, down or no data. The month is cut to the window, so that what the state was as the
window began is known as far as Datadog says it.

One history tells of one monitor: of each of several monitors, of each group of a grouped one, or of a
time-slice SLO itself. Corrections are not applied: what is excluded, the contract says. No data is no state,
whatever the SLO counts it as, and so is what came before the first change that an answer tells of.

Beside them, and judging nothing, lands what Datadog itself makes of each UTC month that a window ends (an SLO
of events, ``metric``, has no states and is asked for that only), and how each monitor takes missing data:
where it is not told to notice, it stays what it was while nobody measures.

Not landed: ``malformed`` and ``bad_instant`` (a month of a monitor with a change that is none, or none of
this century; a figure that is no number), ``unknown_state``.

Reference: https://docs.datadoghq.com/api/latest/service-level-objectives/
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from avoir.sources.announced_pages import all_announced
from avoir.sources.datadog_histories import (
    SLO_FIGURES,
    Monitor,
    Objective,
    Part,
    Record,
    are_names,
    asked_for,
    figures_of,
    has_history,
    is_second,
    is_whole_month,
    must_be_said,
    states_of,
)
from avoir.sources.model import Landed, Rejected, Rows, Table, Window, text_columns
from avoir.sources.monitoring import STATES, State
from avoir.sources.record_making import is_whole
from avoir.sources.unannounced_pages import all_agreed
from avoir.sources.vendor_http import IncompleteAnswerError, VendorApi

#: SLOs and monitors of a page, which is also the most it gives.
PAGE_ROWS = 1000
SLO_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_KINDS = ("monitor", "time_slice", "metric")
#: How a monitor takes missing data, which decides whether its states tell of it: it judges nothing.
MONITOR_SETTINGS = Table(
    "monitor_settings",
    text_columns(
        "monitor_id",
        "name",
        "type",
        "is_multi",
        "created",
        "modified",
        "notify_no_data",
        "no_data_timeframe",
        "on_missing_data",
    ),
    key=("monitor_id",),
    updated="modified",
)


@dataclass(frozen=True)
class SloReader:
    """The SLOs to read, with the monitors behind each."""

    api: VendorApi
    monitors: Mapping[Objective, tuple[Monitor, ...]]
    settings: Sequence[tuple[str | None, ...]]

    def items(self, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        """The states of every monitor, as far as they lie in the window; figures of the months that it ends;
        how each monitor takes missing data.

        Raises:
            IncompleteAnswerError: an answer is an error, unfinished or not what was asked for, says nothing
                of a stretch in which its SLO existed, or two SLOs contradict each other.
        """
        known = set(landed.keys(STATES.name, "monitor"))
        for month in window.months():
            told: dict[str, tuple[Objective, str, list[State | Rejected]]] = {}
            figures: list[tuple[str | None, ...] | Rejected] = []
            for slo, monitors in self.monitors.items():
                if not monitors and not is_whole_month(month):
                    continue
                data = self._history(slo, month)
                parts = self._parts(slo, monitors, data, known)
                if is_whole_month(month):
                    figures += figures_of(slo, data, month)
                for part in parts:
                    if not has_history(part, month, self._label(slo)):
                        continue
                    items = list(states_of(part, month, self._label(slo)))
                    first, *before = told.setdefault(part.name, (slo, part.monitor.origin, items))
                    if before != [part.monitor.origin, items]:
                        raise IncompleteAnswerError(
                            f"{self._label(slo)} tells another history of {part.name} than {first.slo_id}; "
                            "name only one of them in slos"
                        )
            known |= told.keys()
            states = (item for *_, items in told.values() for item in items)
            yield from _landing(STATES, [one.row() if isinstance(one, State) else one for one in states])
            yield from _landing(SLO_FIGURES, figures)
        yield from _landing(MONITOR_SETTINGS, self.settings)

    def _parts(
        self, slo: Objective, monitors: tuple[Monitor, ...], data: Record, known: Iterable[str]
    ) -> list[Part]:
        """What an answer tells of each monitor and group; nothing where the SLO has no states."""
        label = self._label(slo)
        overall, told = data.get("overall"), _list_in(data, "monitors", label)
        groups = _list_in(data, "groups", label)
        whole: Record = overall if isinstance(overall, dict) else {}
        for one in (whole, *told, *groups):
            must_be_said(one, label)
        if not monitors and not whole:
            raise IncompleteAnswerError(f"{label} answered without `overall`")
        if not monitors:
            return []
        if len(monitors) > 1:
            return _by_monitor(monitors, told, label)
        if groups or slo.groups:
            return _by_group(slo, monitors[0], groups, label)
        if any(name.startswith(f"{monitors[0].name}@") for name in known):
            message = f"{label} answered without the groups of {monitors[0].name}, which it had before"
            raise IncompleteAnswerError(message)
        return [Part(monitors[0], monitors[0].name, whole)]

    def _history(self, slo: Objective, month: Window) -> Record:
        """The answer for a month from its beginning, at most to the window's end.

        Raises:
            IncompleteAnswerError: it is an error, or answers something else.
        """
        label = self._label(slo)
        first, last = asked_for(month)
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
    read = sorted({number for slo in objectives for number in slo.monitor_ids})
    return SloReader(api, monitors, [_settings(by_id[number]) for number in read])


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
        if row.get("type") in _KINDS:
            found.append(_objective(row, label))
        elif wanted is not None:
            message = f"{label}: {slo_id} is no SLO of monitors, time slices or events, and no other is read"
            raise IncompleteAnswerError(message)
    if not found:
        raise IncompleteAnswerError(f"{label} shows no SLO, which is not 'no outage'")
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
    if not isinstance(rows, list) or not is_whole(total):
        message = f"source {api.source.name}: slo answered without its SLOs or how many there are"
        raise IncompleteAnswerError(message)
    return rows, total


def _objective(row: Record, label: str) -> Objective:
    name, created = row.get("name"), row.get("created_at")
    monitor_ids = row.get("monitor_ids") if row["type"] == "monitor" else [0]
    groups, targets = row.get("groups") or [], row.get("thresholds") or []
    if (
        not isinstance(name, str)
        or not name.strip()
        or not is_second(created)
        or not isinstance(monitor_ids, list)
        or not monitor_ids
        or not all(map(is_whole, monitor_ids))
        or not are_names(groups)
        or not isinstance(targets, list)
        or not all(isinstance(one, dict) and isinstance(one.get("timeframe"), str) for one in targets)
    ):
        message = (
            f"{label} gave {row['id']} without its name, its monitors, its groups, its targets or when it "
            "was made"
        )
        raise IncompleteAnswerError(message)
    return Objective(
        slo_id=row["id"],
        name=name,
        kind=row["type"],
        monitor_ids=tuple(monitor_ids) if row["type"] == "monitor" else (),
        groups=frozenset(groups),
        created_at=datetime.fromtimestamp(created, UTC),
        targets=json.dumps({one.get("timeframe"): one.get("target") for one in targets}, sort_keys=True),
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
        if not is_whole(found):
            raise IncompleteAnswerError(f"{label} gave a monitor without its id")
        return found

    return all_agreed(label, page, PAGE_ROWS, number)


def _monitors_of(api: VendorApi, slo: Objective, definitions: Mapping[int, Record]) -> Iterator[Monitor]:
    by_id = api.source.option("slo_monitor_name") == "id"
    label = f"source {api.source.name}: monitor"
    if slo.kind == "time_slice":
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


def _settings(monitor: Record) -> tuple[str | None, ...]:
    """A row of :data:`MONITOR_SETTINGS`."""
    found = monitor.get("options")
    options: Record = found if isinstance(found, dict) else {}
    own = ("id", "name", "type", "multi", "created", "modified")
    taken = ("notify_no_data", "no_data_timeframe", "on_missing_data")
    values = [*(monitor.get(name) for name in own), *(options.get(name) for name in taken)]
    return tuple(one if one is None or isinstance(one, str) else json.dumps(one) for one in values)


# --- what an answer tells of which monitor ---


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
    if not are_names(names) or len(set(names)) != len(names):
        raise IncompleteAnswerError(f"{label} answered with groups without names, or with one of them twice")
    if missing := slo.groups - set(names):
        raise IncompleteAnswerError(f"{label} did not answer for its groups: {', '.join(sorted(missing))}")
    return [Part(monitor, f"{monitor.name}@{name}", one) for name, one in zip(names, told, strict=True)]


def _list_in(data: Record, name: str, label: str) -> list[Record]:
    rows = data.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise IncompleteAnswerError(f"{label} answered with `{name}` that are no list of histories")
    return rows


def _landing(table: Table, items: Iterable[tuple[str | None, ...] | Rejected]) -> Iterator[Rows | Rejected]:
    values: list[tuple[str | None, ...]] = []
    for item in items:
        if isinstance(item, Rejected):
            yield item
        else:
            values.append(item)
    yield Rows(table.name, values, range(1, len(values) + 1))


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
