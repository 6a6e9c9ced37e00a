"""What is wrong in a contract file, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Severity(StrEnum):
    """Whether a problem keeps the file from being loaded."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, or a warning. Lines and columns count from 1; ``clause`` is None outside of a clause."""

    file: str
    line: int
    column: int
    clause: str | None
    message: str
    mend: str
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether the file is refused for it."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        """Return ``file:line:column: [warning:] [clause X:] message. Mend: …`` on one line."""
        kind = "" if self.is_error else f"{self.severity}: "
        clause = f"clause {self.clause}: " if self.clause else ""
        return f"{self.file}:{self.line}:{self.column}: {kind}{clause}{self.message}. Mend: {self.mend}."


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems once each, by file, line and column."""
    return sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.clause or "", p.message, p.mend))


def nearest(wrong: object, known: Iterable[str]) -> str | None:
    """Return the known word closest to the wrong one, if any is close."""
    by_folded: dict[str, str] = {}
    for word in known:
        by_folded.setdefault(word.casefold(), word)
    folded = str(wrong).casefold()
    swapped = [word for word in by_folded if sorted(word) == sorted(folded)]
    close = swapped or get_close_matches(folded, by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else None


def choose_among(wrong: object, known: Sequence[str], *, at_most: int = 12) -> str:
    """Return a mend that names the nearest known word, else the known words."""
    word = nearest(wrong, known)
    if word is not None:
        return f"write {word}" + (f" (known: {', '.join(known)})" if 1 < len(known) <= at_most else "")
    if not known:
        return "there is none to choose from: declare one first"
    shown = ", ".join(known[:at_most]) + (", …" if len(known) > at_most else "")
    return f"write one of {shown}" if len(known) > 1 else f"write {shown}"
