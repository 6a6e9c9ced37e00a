"""Records that could not be landed: counted, shown, and asked for again at the vendor's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from avoir.loading import LoadReport, load_window
from avoir.sources.model import SourceConnection, Window


@dataclass(frozen=True)
class KeptAside:
    """How many records of a source and table wait in quarantine for one reason, and an example of it."""

    source_name: str
    table_name: str
    reason_code: str
    records: int
    example: str


@dataclass(frozen=True)
class KeptRecord:
    """A record in quarantine. ``payload`` is the vendor's text, as far as it can be kept."""

    rejected_id: int
    source_name: str
    table_name: str
    file_name: str | None
    source_row: int | None
    reason_code: str
    reason: str
    payload: str
    batch_id: int
    settled_by: int | None


def kept_aside(connection: psycopg.Connection) -> list[KeptAside]:
    """What waits, by source, table and reason."""
    rows = connection.execute(
        """
        select source_name, table_name, reason_code, count(*)::int, min(reason) from loads.rejected
        where settled_by is null group by 1, 2, 3 order by 1, 2, 3
        """
    ).fetchall()
    return [KeptAside(*row) for row in rows]


def kept_records(
    connection: psycopg.Connection,
    source_name: str,
    *,
    reason_code: str | None = None,
    with_settled: bool = False,
    limit: int = 20,
) -> list[KeptRecord]:
    """Records of a source, oldest first; of one reason, and with those that are settled, if asked."""
    rows = connection.execute(
        """
        select
            r.rejected_id, r.source_name, r.table_name, f.file_name, r.source_row, r.reason_code, r.reason,
            r.payload, r.batch_id, r.settled_by
        from loads.rejected r
        left join loads.files f on f.file_id = r.source_file_id
        where r.source_name = %(source)s and (%(reason)s::text is null or r.reason_code = %(reason)s)
            and (%(with_settled)s or r.settled_by is null)
        order by r.rejected_id limit %(limit)s
        """,
        {"source": source_name, "reason": reason_code, "with_settled": with_settled, "limit": limit},
    ).fetchall()
    return [KeptRecord(*row) for row in rows]


def retry(connection: psycopg.Connection, source: SourceConnection) -> Iterator[LoadReport]:
    """Load the stretches again from which records of a source wait in quarantine, oldest first.

    A record that the vendor has mended lands, one that is given as it was stays; either is in the reports.

    Raises:
        SourceError: the vendor's answer cannot be trusted; what was loaded before it stays loaded.
    """
    for window in _stretches(connection, source):
        yield load_window(connection, source, window)


def _stretches(connection: psycopg.Connection, source: SourceConnection) -> list[Window]:
    """The windows of batches with waiting records; those that touch are one."""
    with connection.transaction():
        rows = connection.execute(
            """
            select distinct b.window_from, b.window_to
            from loads.rejected r
            join loads.batches b on b.batch_id = r.batch_id
            where r.source_name = %s and r.settled_by is null
            order by 1, 2
            """,
            (source.name,),
        ).fetchall()
    stretches: list[Window] = []
    for start, end in rows:
        if stretches and start <= stretches[-1].end:
            stretches[-1] = Window(stretches[-1].start, max(stretches[-1].end, end))
        else:
            stretches.append(Window(start, end))
    return stretches
