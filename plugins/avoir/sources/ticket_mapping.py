"""What a connection declares of ticket files: which file holds what, and which column is which of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

CHANGES = ("state", "hold_reason", "priority", "assignment_group")
COMMENTS = (
    "public_comment", "public_comment_customer", "public_comment_vendor", "private_note", "auto_reply",
)  # fmt: skip
EVENT_FIELDS = (*CHANGES, *COMMENTS)


@dataclass(frozen=True)
class Kind:
    """A kind of drop: the columns it must map or may map to."""

    needed: tuple[str, ...]
    others: tuple[str, ...]
    instants: tuple[str, ...]


TICKETS = Kind(
    ("ticket", "opened", "updated", "service"), ("number", "requester", "resolved", *CHANGES),
    instants=("opened", "updated", "resolved"),
)  # fmt: skip
EVENTS = Kind(
    ("ticket", "at"), ("event", "sequence", "author", "field", "old", "new", *EVENT_FIELDS), instants=("at",)
)


@dataclass(frozen=True)
class Drop:
    """Files of one kind: a pattern of their names, the vendor's column for each of ours, what always holds.

    ``fields`` translates what a column ``field`` of events says: the vendor's word to one of
    :data:`EVENT_FIELDS`.
    """

    files: str
    columns: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def matches(self, name: str) -> bool:
        """Whether a file of this name is one of these; letters may be large or small."""
        return fnmatchcase(name.lower(), self.files.lower())

    @property
    def values(self) -> tuple[str, ...]:
        """Columns of events that state a value or a comment of their own."""
        return tuple(name for name in EVENT_FIELDS if name in self.columns)


def tickets_of(value: object) -> Drop:
    """The check of the option ``tickets``.

    Raises:
        ValueError: a column that must be mapped is not, or one is that we do not know.
    """
    drop = _drop(value, TICKETS, ("files", "columns", "constants"))
    if missing := [name for name in TICKETS.needed if name not in {**drop.columns, **drop.constants}]:
        raise ValueError(f"columns must say which column is {missing[0]}")
    if clock := [name for name in ("ticket", *TICKETS.instants) if name in drop.constants]:
        raise ValueError(f"{clock[0]} is another for each ticket and no constant")
    return drop


def events_of(value: object) -> Drop | None:
    """The check of the option ``events``; None where no file holds events.

    Raises:
        ValueError: see :func:`tickets_of`; or it is not said what an event is.
    """
    if value is None:
        return None
    drop = _drop(value, EVENTS, ("files", "columns", "fields"))
    if missing := [name for name in EVENTS.needed if name not in drop.columns]:
        raise ValueError(f"columns must say which column is {missing[0]}")
    if ("field" in drop.columns) == bool(drop.values):
        raise ValueError(
            "columns must say either which column names the field that changed, or which columns hold "
            f"values: some of {', '.join(EVENT_FIELDS)}"
        )
    if ("field" in drop.columns) != bool(drop.fields) or not set(drop.fields.values()) <= set(EVENT_FIELDS):
        raise ValueError(
            "fields must say for each word of the column field what it is, one of " + ", ".join(EVENT_FIELDS)
        )
    if "field" in drop.columns and not {"old", "new"} <= set(drop.columns):
        raise ValueError("columns must say which columns are old and new, the values before and after")
    return drop


def _drop(value: object, kind: Kind, keys: tuple[str, ...]) -> Drop:
    if not isinstance(value, dict) or not set(value) <= set(keys) or not {"files", "columns"} <= set(value):
        raise ValueError(f"must be a mapping with {', '.join(keys)}, got {value!r}")
    if not isinstance(value["files"], str) or not value["files"]:
        raise ValueError(f"files must be a pattern of names such as 'tickets*.csv', got {value['files']!r}")
    given: dict[str, dict[str, str]] = {}
    for key in keys[1:]:
        mapping: Any = value.get(key) or {}
        if not isinstance(mapping, dict) or not all(
            isinstance(part, str) and part for pair in mapping.items() for part in pair
        ):
            raise ValueError(f"{key} must be a mapping of text to text, got {mapping!r}")
        given[key] = dict(mapping)
    known = (*kind.needed, *kind.others)
    for key in ("columns", "constants"):
        if unknown := sorted(set(given.get(key, {})) - set(known)):
            raise ValueError(f"{key} maps {unknown[0]!r}, which is none of {', '.join(known)}")
    return Drop(value["files"], given["columns"], given.get("constants", {}), given.get("fields", {}))
