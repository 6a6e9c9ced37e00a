"""What tasks said when they failed for good: one JSON line each under the profile's home.

Airflow's own callbacks run in processes that may be gone by then; a file outlives them.
"""

from __future__ import annotations

import json
from typing import TypedDict

from avoir.settings import Settings

MAX_REASON = 2000


class Failure(TypedDict):
    """One task that failed for good, or one run that took too long (no ``task_id``)."""

    dag_id: str
    run_id: str
    task_id: str | None
    reason: str


def tell_failure(settings: Settings, failure: Failure) -> None:
    """Append it, its reason cut at :data:`MAX_REASON` characters."""
    path = settings.profile_home / "run" / "failures.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(failure | {"reason": failure["reason"][:MAX_REASON]}) + "\n")


def told_failures(settings: Settings) -> list[Failure]:
    """All of them, oldest first; empty when nothing ever failed."""
    path = settings.profile_home / "run" / "failures.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
