"""What a rule found, at a place of a contract file's tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from avoir.contracts.problems import Severity
from avoir.contracts.resolving import Inherited, Path

BrokenParts = frozenset[tuple[str, str]]
"""Sections and ids of parts that are in the file but could not be read: nobody is told that they are
unknown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at a place of a file's tree."""

    path: Path
    message: str
    mend: str
    severity: Severity = Severity.ERROR


def warning(path: Path, message: str, mend: str) -> Finding:
    """Return a finding that refuses nothing: the text says something other than it seems to."""
    return Finding(path, message, mend, Severity.WARNING)


def parts_of(stage: Inherited, section: str) -> Mapping[str, object]:
    """Return the parts of a section by id."""
    parts: Mapping[str, object] = getattr(stage if hasattr(stage, section) else stage.terms, section)
    return parts


def written(number: Decimal) -> str:
    """Return a number in digits, as a contract file writes it."""
    return format(number, "f")
