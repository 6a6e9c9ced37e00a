"""Take the events that wait in a profile's spool into ``audit.lineage_events``.

An event is known by the hash of its text, so the same file may be taken in any number of times. What cannot
be read is kept beside, with its reason, and stops nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from avoir.lineage.places import spool_of
from avoir.lineage.spool import SUFFIX
from avoir.services import surroundings_of
from avoir.settings import Settings

_INSERT = """
    insert into audit.lineage_events (
        event_sha256, event_time, event_type, run_id, parent_run_id, root_run_id, dag_run_id,
        job_namespace, job_name, producer, inputs, outputs, payload
    ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    on conflict do nothing
"""


@dataclass(frozen=True)
class Ingested:
    """How many events were new to the warehouse, were there already, and could not be read."""

    new: int = 0
    known: int = 0
    rejected: int = 0


def ingest_events(settings: Settings) -> Ingested:
    """Take in what waits, as ``avoir_transformer``, which may add events and neither read nor change any.

    Raises:
        WarehouseError: the server does not answer; the events go on waiting.
    """
    here = surroundings_of(settings)
    if not any(_waiting(settings.profile_home)):
        return Ingested()
    with here.warehouse.connect("avoir_transformer") as connection:
        return ingest(connection, settings.profile_home)


def ingest(connection: psycopg.Connection, profile_home: Path) -> Ingested:
    """The same on an open connection; commits, then removes the files."""
    files = list(_waiting(profile_home))
    rows: list[tuple[Any, ...]] = []
    rejected = 0
    for path in files:
        refused = []
        for line in _lines(path):
            try:
                rows.append(row_of(line))
            except (KeyError, TypeError, ValueError) as error:
                refused.append({"reason": f"{type(error).__name__}: {error}", "line": line})
        if refused:
            _keep_aside(profile_home / "lineage" / "rejected" / path.name, refused)
            rejected += len(refused)
    new = 0
    with connection.transaction(), connection.cursor() as cursor:
        if rows:
            cursor.executemany(_INSERT, rows)
            new = cursor.rowcount
    connection.commit()
    for path in files:
        path.unlink(missing_ok=True)
    return Ingested(new=new, known=len(rows) - new, rejected=rejected)


def row_of(line: str) -> tuple[Any, ...]:
    r"""One event as a row of the table.

    Raises:
        KeyError: a part that every run event has is missing.
        TypeError: a part is of another kind.
        ValueError: it is no JSON, an instant or a run's id cannot be read, or it has the character U+0000.
    """
    event = json.loads(line)
    if "\\u0000" in line:
        raise ValueError("U+0000 cannot be kept in Postgres")
    run, job = event["run"], event["job"]
    facets = run.get("facets") or {}
    parent = facets.get("parent") or {}
    airflow = facets.get("airflow") or facets.get("airflowDagRun") or {}
    instant = datetime.fromisoformat(event["eventTime"])
    if instant.tzinfo is None:
        raise ValueError(f"the instant {event['eventTime']!r} has no offset")
    return (
        hashlib.sha256(line.encode()).hexdigest(),
        instant,
        str(event["eventType"]),
        UUID(run["runId"]),
        _run_id(parent),
        _run_id(parent.get("root") or {}),
        (airflow.get("dagRun") or {}).get("run_id"),
        str(job["namespace"]),
        str(job["name"]),
        str(event["producer"]),
        [str(one["name"]) for one in event.get("inputs") or []],
        [str(one["name"]) for one in event.get("outputs") or []],
        json.dumps(event),
    )


def _run_id(parent: dict[str, Any]) -> UUID | None:
    return UUID(parent["run"]["runId"]) if parent.get("run") else None


def _waiting(profile_home: Path) -> Iterator[Path]:
    yield from sorted(spool_of(profile_home).glob(f"*{SUFFIX}"))


def _lines(path: Path) -> list[str]:
    try:
        return [
            line for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip()
        ]
    except FileNotFoundError:
        # Another command took it in.
        return []


def _keep_aside(path: Path, refused: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in refused), encoding="utf-8")
