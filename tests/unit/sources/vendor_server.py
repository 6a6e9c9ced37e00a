"""A vendor's HTTP server on loopback that misbehaves as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from avoir.sources.model import SourceConnection
from avoir.sources.register import SYSTEMS


@dataclass
class Answered:
    """What the server sends: ``length`` may lie about the body's, ``None`` tells the truth."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    @classmethod
    def json(cls, content: Any, status: int = 200, **headers: str) -> Answered:
        return cls(
            json.dumps(content).encode(),
            status,
            {name.replace("_", "-"): text for name, text in headers.items()},
        )


@dataclass
class Vendor:
    """A server on loopback. ``answer`` is called with path and parameters; requests are kept."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    answer: Callable[[str, dict[str, str]], Answered] = lambda path, parameters: Answered(b"", 404)
    first: list[Answered] = field(default_factory=list)

    def connection(self, system: str, *, username: str | None = "avoir", **options: Any) -> SourceConnection:
        known = next(one for one in SYSTEMS if one.name == system).options
        defaults = {name: option.check(option.default) for name, option in known.items()}
        return SourceConnection(
            name="vendor_under_test",
            system=system,
            url=self.url,
            history_from=datetime(2026, 1, 1, tzinfo=UTC),
            username=username,
            secret_env="VENDOR_SECRET",
            options={**defaults, **options},
            environment={"VENDOR_SECRET": "s3cret"},
        )
