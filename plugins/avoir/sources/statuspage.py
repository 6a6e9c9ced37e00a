"""Atlassian Statuspage: what a vendor says itself of its outages, and the maintenance it announces.

Flow: without a key, the page's own JSON: ``incidents.json`` and ``scheduled-maintenances.json`` (the newest
50 of each) and ``components.json``. With a key and ``page_id``, the pages of the manage API, all of them:
they announce no total and their rows move while they are read, so they are walked, each time with pages of
another length, until two walks agree, and what they lack of an earlier one was deleted.

Neither list can be asked for a stretch of time, so each is read whole: what was updated before the window's
end lands once per version. An incident that is no longer listed is neither resolved nor withdrawn; only what
the page says of it counts. Landed are one row per incident and component it names (the page itself where it
names none), one per component and update, and the components.

Not landed: ``malformed`` (not an object, or without its lists), ``missing_key``, ``missing_instant``,
``bad_instant``, ``unknown_status`` (of a component).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from avoir.sources.instants import rfc_3339
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    System,
    Table,
    Window,
    text_columns,
)
from avoir.sources.vendor_http import IncompleteAnswerError, NotFoundError, VendorApi

INCIDENTS = Table(
    "incidents",
    text_columns(
        "incident_id", "component_id", "component_name", "kind", "page_id", "name", "status", "impact",
        "created_at", "started_at", "monitoring_at", "resolved_at", "scheduled_for", "scheduled_until",
        "updated_at",
    ),
    key=("incident_id", "component_id"),
    updated="updated_at",
    subject="component_id",
)  # fmt: skip

COMPONENT_CHANGES = Table(
    "component_changes",
    text_columns(
        "update_id", "component_id", "component_name", "incident_id", "status", "old_status", "new_status",
        "created_at", "display_at", "updated_at",
    ),
    key=("update_id", "component_id"),
    updated="updated_at",
    subject="component_id",
)  # fmt: skip

COMPONENTS = Table(
    "components",
    text_columns("component_id", "name", "status", "group_id", "page_id", "created_at", "updated_at"),
    key=("component_id",),
    updated="updated_at",
)

#: Statuses of a component: https://support.atlassian.com/statuspage/docs/top-level-status-and-incident-impact-calculations
STATUSES = ("operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance")
#: How many incidents, and how many maintenances, the page's own JSON lists.
LISTED = 50
#: Rows of a page of the manage API, which is also the most it gives.
PAGE_ROWS = 100
#: Walks over a list of the manage API, and pages of one of them.
WALKS = 4
MOST_PAGES = 10_000

_PAGE_ID = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_INCIDENT_INSTANTS = ("started_at", "monitoring_at", "resolved_at", "scheduled_for", "scheduled_until")

Record = Mapping[str, Any]


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every listed incident, maintenance and component that was updated before the window's end.

    Raises:
        IncompleteAnswerError: an answer is not the list that was asked for; a list that was never empty is;
            walks do not agree; or more has happened since the last load than the page lists.
    """
    api = VendorApi(source, token_scheme="OAuth")  # noqa: S106 - the name of a scheme
    incidents, components = _Managed(api).read() if source.option("page_id") else _published(api)
    if not components:
        raise IncompleteAnswerError(
            f"source {source.name}: the page lists no component; is it the right one?"
        )
    if not incidents and landed.has_rows(INCIDENTS.name):
        message = f"source {source.name}: the page lists no incident any more, which is not 'no outage'"
        raise IncompleteAnswerError(message)
    if not source.option("page_id"):
        _refuse_a_hole(source, incidents, landed)
    yield from _landed(incidents, components, window)


def _published(api: VendorApi) -> tuple[list[Any], list[Any]]:
    """Incidents with maintenances, and components, of the page's own JSON."""
    found = []
    for path, name in (
        ("incidents", "incidents"),
        ("scheduled-maintenances", "scheduled_maintenances"),
        ("components", "components"),
    ):
        body = api.get(f"api/v2/{path}.json", {}).body
        rows = body.get(name) if isinstance(body, dict) else None
        if not isinstance(rows, list):
            message = f"source {api.source.name}: {path}.json answered without a list of `{name}`"
            raise IncompleteAnswerError(message)
        found.append(rows)
    return found[0] + found[1], found[2]


def _refuse_a_hole(source: SourceConnection, incidents: list[Any], landed: Landed) -> None:
    """Where a full list holds nothing that landed before, others may have come and gone between."""
    for kind in ("incident", "maintenance"):
        listed = [one for one in incidents if isinstance(one, dict) and _kind_of(one) == kind]
        ids = {str(one.get("id")) for one in listed}
        known = landed.keys(INCIDENTS.name, "incident_id")
        created = [instant for one in listed if (instant := rfc_3339(one.get("created_at"))) is not None]
        if len(listed) < LISTED or not known or ids & known or not created:
            continue
        oldest = min(created)
        if oldest > source.history_from:
            message = (
                f"source {source.name}: none of the {len(listed)} listed {kind}s landed before, so others "
                f"came and went since the last load; read the page with its key (page_id), or set "
                f"history_from to {oldest.isoformat()} where what came before is to stay unknown"
            )
            raise IncompleteAnswerError(message)


class _Managed:
    """The lists of the manage API."""

    def __init__(self, api: VendorApi) -> None:
        self._api = api
        self._page = f"v1/pages/{api.source.option('page_id')}"

    def read(self) -> tuple[list[Any], list[Any]]:
        """Incidents with maintenances, and components."""
        return self._whole("incidents", "limit"), self._whole("components", "per_page")

    def _whole(self, name: str, size_parameter: str) -> list[Any]:
        seen: dict[str, Any] = {}
        before: frozenset[str] | None = None
        for walk in range(WALKS):
            # Another length each time: a page that is lost on its way is lost at another place.
            found = self._walk(name, size_parameter, PAGE_ROWS - walk)
            seen |= {key: row for key, row in found.items() if _is_newer(row, seen.get(key))}
            if frozenset(found) == before and not any(self._exists(name, key) for key in seen.keys() - found):
                return list(seen.values())
            before = frozenset(found)
        message = f"source {self._api.source.name}: {WALKS} walks over {name} do not agree on what there is"
        raise IncompleteAnswerError(message)

    def _exists(self, name: str, key: str) -> bool:
        """Whether what one walk gave and another did not is there: it may have been deleted meanwhile."""
        try:
            self._api.get(f"{self._page}/{name}/{quote(key, safe='')}", {})
        except NotFoundError:
            return False
        return True

    def _walk(self, name: str, size_parameter: str, size: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for page in range(1, MOST_PAGES + 1):
            rows = self._api.get(f"{self._page}/{name}", {size_parameter: str(size), "page": str(page)}).body
            if not isinstance(rows, list):
                message = f"source {self._api.source.name}: {name} answered without a list"
                raise IncompleteAnswerError(message)
            if not rows:
                return found
            for row in rows:
                key = str(row["id"]) if isinstance(row, dict) and row.get("id") else _payload(row)
                if _is_newer(row, found.get(key)):
                    found[key] = row
        message = f"source {self._api.source.name}: {name} has no end after {MOST_PAGES} pages"
        raise IncompleteAnswerError(message)


def _is_newer(row: Any, known: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(known, dict):
        return True
    return _text(row.get("updated_at")) >= _text(known.get("updated_at"))


def _landed(incidents: list[Any], components: list[Any], window: Window) -> Iterator[Rows | Rejected]:
    found: dict[str, list[tuple[str | None, ...]]] = {
        INCIDENTS.name: [],
        COMPONENT_CHANGES.name: [],
        COMPONENTS.name: [],
    }
    for record in incidents:
        for item in _rows_of_incident(record, window):
            if isinstance(item, Rejected):
                yield item
            else:
                found[item[0]].append(item[1])
    for record in components:
        row = _row_of_component(record)
        if isinstance(row, Rejected):
            yield row
        elif (rfc_3339(row[-1]) or window.end) < window.end:
            found[COMPONENTS.name].append(row)
    for table, values in found.items():
        yield Rows(table, values, range(1, len(values) + 1))


def _rows_of_incident(record: Any, window: Window) -> Iterator[Rejected | tuple[str, tuple[str | None, ...]]]:
    problem = _problem(record, ("id", "page_id"), ("created_at", "updated_at"), _INCIDENT_INSTANTS)
    if problem is not None:
        yield _rejected(INCIDENTS, record, *problem)
        return
    updated_at = rfc_3339(record["updated_at"])
    if updated_at is None or updated_at >= window.end:
        return
    kind = _kind_of(record)
    if kind == "maintenance" and not (record.get("scheduled_for") and record.get("scheduled_until")):
        yield _rejected(INCIDENTS, record, "missing_instant", "the maintenance has no begin or no end")
        return
    components, updates = record.get("components") or [], record.get("incident_updates") or []
    if not all(isinstance(one, list) and all(isinstance(item, dict) for item in one)
               for one in (components, updates)):  # fmt: skip
        yield _rejected(INCIDENTS, record, "malformed", "its components or updates are not lists of objects")
        return
    named = {_text(one.get("id")): _text(one.get("name")) for one in components if one.get("id")}
    for component_id, name in sorted((named or {_text(record["page_id"]): ""}).items()):
        values = {**record, "incident_id": record["id"], "component_id": component_id, "kind": kind}
        values["component_name"] = name
        yield INCIDENTS.name, tuple(_text(values.get(column)) for column in INCIDENTS.column_names)
    for update in updates:
        yield from _rows_of_update(update)


def _rows_of_update(update: Record) -> Iterator[Rejected | tuple[str, tuple[str | None, ...]]]:
    changes = update.get("affected_components") or []
    if not changes:
        return
    problem = _problem(update, ("id", "incident_id"), ("created_at", "display_at", "updated_at"), ())
    if problem is None and not (isinstance(changes, list) and all(isinstance(one, dict) for one in changes)):
        problem = "malformed", "its affected components are not a list of objects"
    if problem is not None:
        yield _rejected(COMPONENT_CHANGES, update, *problem)
        return
    for change in changes:
        # Under the names of the key, by which a later record of it is known to make this one good.
        payload = {
            **update,
            "component": change,
            "update_id": update["id"],
            "component_id": change.get("code"),
        }
        del payload["affected_components"]
        if not change.get("code"):
            yield _rejected(COMPONENT_CHANGES, payload, "missing_key", "a changed component has no code")
            continue
        if change.get("new_status") not in STATUSES:
            reason = f"new_status is none of {', '.join(STATUSES)}: {change.get('new_status')!r}"
            yield _rejected(COMPONENT_CHANGES, payload, "unknown_status", reason)
            continue
        values = {**update, **change, "update_id": update["id"], "component_id": change["code"]}
        values |= {"component_name": change.get("name"), "status": update.get("status")}
        yield (
            COMPONENT_CHANGES.name,
            tuple(_text(values.get(column)) for column in COMPONENT_CHANGES.column_names),
        )


def _row_of_component(record: Any) -> tuple[str | None, ...] | Rejected:
    problem = _problem(record, ("id",), ("updated_at",), ("created_at",))
    if problem is not None:
        return _rejected(COMPONENTS, record, *problem)
    values = {**record, "component_id": record["id"]}
    return tuple(_text(values.get(column)) for column in COMPONENTS.column_names)


def _kind_of(record: Record) -> str:
    planned = record.get("impact") == "maintenance" or bool(record.get("scheduled_for"))
    return "maintenance" if planned else "incident"


def _problem(
    record: Any, keys: tuple[str, ...], required: tuple[str, ...], optional: tuple[str, ...]
) -> tuple[str, str] | None:
    """Reason code and reason why a record cannot be used."""
    if not isinstance(record, dict):
        return "malformed", "the record is not an object"
    for name in keys:
        if not isinstance(record.get(name), str) or not record[name]:
            return "missing_key", f"{name} is empty"
    for name in required:
        if not record.get(name):
            return "missing_instant", f"{name} is empty"
    for name in (*required, *optional):
        if record.get(name) and rfc_3339(record[name]) is None:
            return "bad_instant", f"{name} is not an instant with its offset: {record[name]!r}"
    return None


def _rejected(table: Table, record: Any, code: str, reason: str) -> Rejected:
    if table is INCIDENTS and isinstance(record, dict):
        components = record.get("components")
        first = components[0] if isinstance(components, list) and components else None
        component = first.get("id") if isinstance(first, dict) else record.get("page_id")
        record = {**record, "incident_id": record.get("id"), "component_id": component}
    return Rejected(table.name, code, reason, _payload(record))


def _payload(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _payload(value)


def _page_id(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not _PAGE_ID.fullmatch(value):
        raise ValueError(f"must be the id of the page in the manage API, letters and digits, got {value!r}")
    return value


SYSTEM = System(
    name="statuspage",
    tables=(INCIDENTS, COMPONENT_CHANGES, COMPONENTS),
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="http",
    options={"page_id": Option(check=_page_id)},
)
