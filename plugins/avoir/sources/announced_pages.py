"""Pages found by offset, where each announces how many records there are in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avoir.sources.vendor_http import IncompleteAnswerError

WALKS = 3

#: Records that follow an offset, and how many there are in all.
Page = Callable[[int], tuple[list[Any], int]]


def all_announced(label: str, what: str, page: Page, page_rows: int) -> list[Any]:
    """Every record of a list, by the ids of the records; those without one as they came.

    A record that is deleted while pages are read moves the others, so a walk counts only when every page
    announced exactly as many as the walk gave.

    Raises:
        IncompleteAnswerError: no walk was whole.
    """
    missing = 0
    for _ in range(WALKS):
        found: dict[int, Any] = {}
        totals: set[int] = set()
        offset = 0
        while True:
            rows, total = page(offset)
            totals.add(total)
            for place, row in enumerate(rows):
                number = row.get("id") if isinstance(row, dict) else None
                found[number if isinstance(number, int) else -1 - offset - place] = row
            offset += page_rows
            if not rows or offset >= total:
                break
        if totals == {len(found)}:
            return [found[number] for number in sorted(found)]
        missing = max(totals) - len(found)
    message = (
        f"{label}: {missing} more {what} were announced than came, or how many there are changed, "
        f"in each of {WALKS} walks; nothing was landed"
    )
    raise IncompleteAnswerError(message)
