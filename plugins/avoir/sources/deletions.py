"""Records that a system no longer gives: what was landed and can be seen no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from avoir.sources.model import Landed, Rows, Window
from avoir.sources.vendor_http import IncompleteAnswerError


def marked_as_gone(
    landed: Landed,
    window: Window,
    *,
    table: str,
    key: str,
    marks: str,
    visible: Callable[[], set[str]],
    is_found: Callable[[str], bool],
    label: str,
    check: str,
) -> Iterator[Rows]:
    """Rows of ``marks`` (key and the window's end) for landed records of ``table`` that are gone.

    Args:
        landed: what earlier loads know.
        window: at whose end they were seen to be gone.
        table: where the records lie.
        key: the column of their id, in both tables.
        marks: where deletions are marked.
        visible: asks for the ids of all that the account sees; only called when something was landed.
        is_found: whether a record that is not among them can still be read by its id.
        label: of the source, for errors.
        check: what to look at when nothing is visible.

    Raises:
        IncompleteAnswerError: nothing is visible at all, which is what lost rights look like.
    """
    known = landed.keys(table, key) - landed.keys(marks, key)
    if not known:
        return
    seen = visible()
    if not seen:
        raise IncompleteAnswerError(f"{label}: none of {len(known)} landed {table} is visible; check {check}")
    gone = [one for one in sorted(known - seen) if not is_found(one)]
    yield Rows(marks, [(one, window.end.isoformat()) for one in gone], list(range(1, len(gone) + 1)))
