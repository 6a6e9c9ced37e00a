"""Pages found by offset, where each announces how many records there are in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avoir.sources.vendor_http import IncompleteAnswerError

WALKS = 4

#: Records that follow an offset, and how many there are in all.
Page = Callable[[int], tuple[list[Any], int]]


def all_announced(label: str, what: str, page: Page, page_rows: int) -> list[Any]:
    """Every record of a list, by the ids of the records; those without one as they came.

    A record that is deleted while pages are read moves the others, so a walk counts only when every page
    announced exactly as many as the walk gave; and another may have come for it, so two walks must agree.

    Raises:
        IncompleteAnswerError: no two walks were whole and alike.
    """
    missing = 0
    before: set[tuple[int, str]] | None = None
    for _ in range(WALKS):
        found, totals = _walk(page, page_rows)
        missing = max(totals) - len(found)
        is_whole = totals == {len(found)}
        if is_whole and before == found.keys():
            return [found[number] for number in sorted(found)]
        before = set(found) if is_whole else None
    message = (
        f"{label}: {missing} more {what} were announced than came, or which there are changed, "
        f"in each of {WALKS} walks; nothing was landed"
    )
    raise IncompleteAnswerError(message)


def _walk(page: Page, page_rows: int) -> tuple[dict[tuple[int, str], Any], set[int]]:
    """The records of one walk by their ids, of number or text, and how many each page said there are."""
    found: dict[tuple[int, str], Any] = {}
    totals: set[int] = set()
    offset = 0
    while True:
        rows, total = page(offset)
        totals.add(total)
        for place, row in enumerate(rows):
            known = row.get("id") if isinstance(row, dict) else None
            if isinstance(known, str):
                found[0, known] = row
            else:
                found[known if isinstance(known, int) else -1 - offset - place, ""] = row
        offset += page_rows
        if not rows or offset >= total:
            return found, totals
