"""Rows and payloads as text that Postgres can keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from avoir.sources.model import Rejected, SourceFile

#: Longest payload kept in ``loads.rejected``, in characters.
PAYLOAD_CHARACTERS = 4000
_NULL = "\\N"


def plain_block(
    file_id: str | None, numbers: Sequence[int], values: Sequence[tuple[str | None, ...]]
) -> bytes | None:
    """Rows in COPY's text format, a third of the cost of one by one; None when a cell needs care.

    A cell does that holds what the format or Postgres gives a meaning: then the block has other separators,
    or more backslashes, than those that were put in.
    """
    lead = _NULL if file_id is None else file_id
    nulls = sum(row.count(None) for row in values)
    told: Iterable[Iterable[str | None]] = values
    if nulls:
        told = ([_NULL if cell is None else cell for cell in row] for row in values)
    try:
        cells = list(map("\t".join, told))  # type: ignore[arg-type]
        text = "\n".join(cells)
        data = text.encode()
    except (TypeError, UnicodeEncodeError):
        return None
    width = len(values[0])
    if (
        text.count("\t") != len(values) * (width - 1)
        or text.count("\n") != len(values) - 1
        or text.count("\\") != nulls
        or b"\r" in data
        or b"\x00" in data
    ):
        return None
    lines = [f"{lead}\t{number}\t{row}\n" for number, row in zip(numbers, cells, strict=True)]
    return "".join(lines).encode()


def nul_rejection(table: str, values: Sequence[str | None], number: int, file: SourceFile | None) -> Rejected:
    """A row that no text column can take: NUL ends a text."""
    payload = "|".join("" if value is None else value for value in values)
    return Rejected(
        table, "nul_character", "a value holds a NUL character, which text cannot", payload, number, file
    )


def surrogate_rejection(
    table: str, values: Sequence[str | None], number: int, file: SourceFile | None
) -> Rejected:
    """A row that is no UTF-8."""
    payload = "|".join("" if value is None else value for value in values)
    return Rejected(table, "not_utf8", "a value holds half a surrogate pair", payload, number, file)


def storable(text: str) -> str:
    """Text that Postgres can keep: no NUL, no lone surrogates, a long one cut with the hash of the whole."""
    clean = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= PAYLOAD_CHARACTERS:
        return clean
    digest = hashlib.sha256(clean.encode()).hexdigest()
    return f"{clean[:PAYLOAD_CHARACTERS]}… ({len(clean)} characters, sha256 {digest})"
