"""OpenLineage events as files: the transport that Airflow and dbt emit by.

A transport that spoke to a database would make a task wait for it, and fail with it. This one writes one
small file beside and renames it, so a reader finds whole files only and any number of processes may write at
once.
``openlineage-python`` finds the class by its name in the transport's ``type``.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import attr
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from avoir.lineage.reducing import masked, reduced, secrets_of

SUFFIX = ".jsonl"


@attr.define
class SpoolConfig(Config):
    """Where the files go."""

    directory: str

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """Read the configuration.

        Raises:
            ValueError: it names no directory.
        """
        if not params.get("directory"):
            raise ValueError("the transport of lineage events needs a directory")
        return cls(directory=str(params["directory"]))


class SpoolTransport(Transport):
    """Writes each event, reduced and masked, to a file of its own."""

    kind = "avoir_spool"
    config_class = SpoolConfig

    def __init__(self, config: SpoolConfig) -> None:
        self.directory = Path(config.directory)

    def emit(self, event: Any) -> None:
        """Write one event.

        Raises:
            OSError: the directory cannot be written; who emits logs it and goes on.
        """
        write_events(self.directory, [event], environment=os.environ)


def write_events(directory: Path, events: Iterable[Any], *, environment: Mapping[str, str]) -> Path | None:
    """Write events as one file of JSON lines; returns it, or None when there are no events.

    Args:
        directory: the spool; it is made when it is missing.
        events: OpenLineage events, as objects of ``openlineage-python`` or as dictionaries.
        environment: whose secrets must not be in any of them.

    Raises:
        OSError: the file cannot be written; nothing of it is left.
    """
    secrets = secrets_of(environment)
    lines = [
        masked(json.dumps(reduced(Serde.to_dict(event)), sort_keys=True, default=str), secrets)
        for event in events
    ]
    if not lines:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    # Named by time, so that what was emitted first is read first.
    path = directory / f"{_instant(lines[0])}-{uuid.uuid4().hex}{SUFFIX}"
    beside = path.with_suffix(".part")
    try:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return path


def _instant(line: str) -> str:
    """The first event's instant as digits, for the name of a file."""
    return "".join(
        character for character in str(json.loads(line).get("eventTime", "")) if character.isdigit()
    )[:20]
