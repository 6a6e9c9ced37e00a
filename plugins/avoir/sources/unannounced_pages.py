"""Pages found by number, of a list that does not say how many records it has."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from avoir.sources.vendor_http import IncompleteAnswerError

WALKS = 4

Record = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)
#: The records of a page, by how many a page has and its number from 0.
Page = Callable[[int, int], list[Record]]


def all_agreed(label: str, page: Page, page_rows: int, key: Callable[[Record], Key]) -> dict[Key, Record]:
    """Every record of a list by its key, walked until two walks saw the same keys.

    Raises:
        IncompleteAnswerError: no two walks agree.
    """
    before: set[Key] | None = None
    for walk in range(WALKS):
        # Another length each time: a page that is lost on its way is lost at another place.
        found = _walked(page, page_rows - walk, key)
        if before == found.keys():
            return found
        before = set(found)
    raise IncompleteAnswerError(f"{label}: {WALKS} walks do not agree on what there is; nothing was landed")


def _walked(page: Page, page_rows: int, key: Callable[[Record], Key]) -> dict[Key, Record]:
    found: dict[Key, Record] = {}
    number = 0
    while True:
        known = len(found)
        found.update((key(row), row) for row in page(page_rows, number))
        if len(found) == known:
            return found
        number += 1
