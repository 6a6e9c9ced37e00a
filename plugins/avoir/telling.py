"""What commands print of rows: a table for people, JSON for programs. Text of vendors is never obeyed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from rich.box import Box
from rich.table import Table
from rich.text import Text


def as_json(value: object) -> str:
    """The value as JSON; amounts are text to the last digit, instants as ISO 8601."""
    return json.dumps(value, default=_plain, indent=2)


def as_table(rows: Sequence[Mapping[str, Any]], box: Box | None = None) -> Table:
    """Rows of the same columns as a table; instants in UTC."""
    table = Table(box=box, header_style="bold", pad_edge=box is not None)
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*(cell(value) for value in row.values()))
    return table


def cell(value: object) -> Text:
    """A value as it stands in a table: without what a terminal would obey or rich take for markup."""
    if value is None:
        return Text()
    if isinstance(value, datetime):
        return Text(value.astimezone(UTC).replace(tzinfo=None).isoformat(" "))
    return Text(printable(str(value)))


def printable(text: str) -> str:
    """A vendor's text without what a terminal would obey."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
