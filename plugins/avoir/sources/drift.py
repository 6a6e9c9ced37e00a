"""Fields that a vendor's records carry: one that comes, goes or changes its kind is told of.

A connector reads fields by their names, so one that a vendor adds is left where it is, and one that is gone
or of another kind puts its records into quarantine. Neither says that a system changed. So every load looks
at the JSON and the headers of tables that it is given, and keeps the names it sees
(``loads.fields``): where a record stands, ``api/now/table/incident:result[]``, and what it has.

What is looked at is bounded, since a vendor may name a field as it likes: a hundred records of a list, eight
levels, names of a hundred characters, two thousand fields of a load, ten thousand of a source. Answers that a
connector parses itself (samples) are not looked at. A field that is null says nothing of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

MOST_RECORDS, DEEPEST, LONGEST_NAME, MOST_FIELDS = 100, 8, 100, 2000
#: Of one source, whatever it has given so far.
MOST_KEPT = 10_000
#: Parts of an address that name what is asked for, and not one record of it.
_NAMES = re.compile(r"[a-z_.]{1,40}")


class PointNumber(str):
    """The text of a number with a point, which is no text."""

    __slots__ = ()


@dataclass
class FieldsSeen:
    """The fields of one load: of each where it stands, and the kinds of values it had."""

    kinds: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """By what a field stands in, and its own name."""

    def look_at(self, place: str, body: Any) -> None:
        """Note the fields of an answer and of the records in it."""
        self._walk(f"{place}:", body, 0)

    def look_at_header(self, place: str, names: Sequence[str]) -> None:
        """Note the columns of a table."""
        for name in names:
            self._note(f"{place}:[]", name, None)

    def _walk(self, parent: str, value: Any, depth: int) -> None:
        if depth > DEEPEST:
            return
        if isinstance(value, dict):
            for name, inner in islice(value.items(), MOST_FIELDS):
                if self._note(parent, name, inner) and isinstance(inner, dict | list):
                    self._walk(_within(parent, name), inner, depth + 1)
        elif isinstance(value, list):
            for inner in islice(value, MOST_RECORDS):
                if isinstance(inner, dict | list):
                    self._walk(f"{parent}[]", inner, depth + 1)

    def _note(self, parent: str, name: str, value: Any) -> bool:
        kinds = self.kinds.get((parent, name))
        if kinds is None:
            if len(self.kinds) >= MOST_FIELDS or len(name) > LONGEST_NAME or not _is_storable(name):
                return False
            kinds = self.kinds[parent, name] = set()
        if value is not None:
            kinds.add(_kind(value))
        return True


#: What the connectors of a load note their answers in; none outside of one.
_WATCHING: ContextVar[FieldsSeen | None] = ContextVar("fields_seen", default=None)


@contextmanager
def watching() -> Iterator[FieldsSeen]:
    """Note what is given within the block, in this thread."""
    seen = FieldsSeen()
    token = _WATCHING.set(seen)
    try:
        yield seen
    finally:
        _WATCHING.reset(token)


def look_at(url: str, asked: Any, body: Any) -> None:
    """Note an answer, if somebody watches.

    Args:
        url: where it came from, below the source's own address.
        asked: what was sent: a ``method`` in it says what was called.
        body: the parsed JSON.
    """
    seen = _WATCHING.get()
    if seen is not None:
        seen.look_at(_place(url, asked), body)


def look_at_header(names: Sequence[str]) -> None:
    """Note the columns of a table in a file, if somebody watches."""
    seen = _WATCHING.get()
    if seen is not None:
        seen.look_at_header("columns", names)


def _within(parent: str, name: str) -> str:
    return f"{parent}{name}" if parent.endswith(":") else f"{parent}.{name}"


def _place(url: str, asked: Any) -> str:
    parts = [part if _NAMES.fullmatch(part) else "*" for part in urlsplit(url).path.split("/") if part]
    method = asked.get("method") if isinstance(asked, Mapping) else None
    if isinstance(method, str) and _NAMES.fullmatch(method):
        parts.append(method)
    return "/".join(parts)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | PointNumber):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "object"


def _is_storable(name: str) -> bool:
    return name != "" and "\x00" not in name and not any("\ud800" <= one <= "\udfff" for one in name)


# --- what is kept of it ---


@dataclass(frozen=True)
class Drift:
    """A field that came, went or changed its kind, with the kinds that it had so far."""

    field: str
    change: str
    kinds: str

    def __str__(self) -> str:
        return f"{self.field} {self.change}" + (f" ({self.kinds})" if self.kinds else "")


def keep(connection: psycopg.Connection, source_name: str, batch_id: int, seen: FieldsSeen) -> list[Drift]:
    """Add what a load saw to what loads of the source saw before; returns what changed with it.

    A field comes where records of its place were seen before, and goes where they are seen without it though
    every load before had it.
    """
    if not seen.kinds:
        return []
    given = {
        "source": source_name,
        "batch": batch_id,
        "parents": [parent for parent, _ in seen.kinds],
        "fields": [_within(parent, name) for parent, name in seen.kinds],
        "kinds": [", ".join(sorted(kinds)) for kinds in seen.kinds.values()],
        "most": MOST_KEPT,
    }
    connection.execute(_GONE, given)
    connection.execute(_SEEN, given)
    rows = connection.execute(_DRIFT, given).fetchall()
    return [Drift(field, change, kinds) for field, change, kinds, batch, _ in rows if batch == batch_id]


def drifts(connection: psycopg.Connection, source_name: str) -> list[dict[str, Any]]:
    """What came, went or changed its kind of a source, the newest first, and the batch and its instant."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(_DRIFT, {"source": source_name})
    return cursor.fetchall()


def seen_fields(connection: psycopg.Connection, source_name: str) -> list[dict[str, Any]]:
    """Every field that was seen of a source: its kinds, and the first and the last batch that had it."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(_FIELDS, {"source": source_name})
    return cursor.fetchall()


# A root field is of an answer and not of a record: which answers a load is given depends on what there was.
_GONE = """
update loads.fields known
set went_in = %(batch)s
where known.source_name = %(source)s and known.went_in is null and not known.is_optional
    and right(known.parent, 1) <> ':'
    and known.parent = any(%(parents)s::text[])
    and not exists (select 1 from unnest(%(fields)s::text[]) as seen (field) where seen.field = known.field)
"""

# Kinds are text, of which null is none: a field that was null until now has not changed its kind.
_SEEN = """
insert into loads.fields as known (source_name, parent, field, kinds, first_in, last_in, came_in)
select
    %(source)s, seen.parent, seen.field, string_to_array(seen.kinds, ', '), %(batch)s, %(batch)s,
    case
        when exists (
            select 1 from loads.fields like_it
            where like_it.source_name = %(source)s and like_it.parent = seen.parent
        ) then %(batch)s
    end
from unnest(%(parents)s::text[], %(fields)s::text[], %(kinds)s::text[]) as seen (parent, field, kinds)
where (select count(*) from loads.fields kept where kept.source_name = %(source)s) < %(most)s
    or exists (
        select 1 from loads.fields kept where kept.source_name = %(source)s and kept.field = seen.field
    )
on conflict (source_name, field) do update
set last_in = excluded.last_in,
    is_optional = known.is_optional or known.went_in is not null,
    went_in = null,
    changed_in = case
        when known.kinds = '{}' or excluded.kinds <@ known.kinds then known.changed_in
        else excluded.last_in
    end,
    kinds = array(select distinct kind from unnest(known.kinds || excluded.kinds) as kind order by kind)
"""

_DRIFT = """
select known.field, change.what as change, array_to_string(known.kinds, ', ') as kinds,
    change.batch_id, batches.landed_at
from loads.fields known
cross join lateral (
    values ('came', known.came_in), ('went', known.went_in), ('changed its kind', known.changed_in)
) as change (what, batch_id)
join loads.batches using (batch_id)
where known.source_name = %(source)s
order by change.batch_id desc, known.field, change.what
"""

_FIELDS = """
select known.field, array_to_string(known.kinds, ', ') as kinds,
    known.first_in as first_batch, known.last_in as last_batch
from loads.fields known
where known.source_name = %(source)s
order by known.field
"""
