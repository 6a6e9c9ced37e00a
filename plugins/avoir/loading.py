"""Windows in, raw rows out: one window of one source lands in one transaction, or not at all.

A load takes the source's advisory lock, copies what the vendor said into temporary tables, drops what has
landed before (same source, same content), and inserts the rest with batch, file and row ids. Series of
samples of a stretch in which the source has none go to their table at once. Records that cannot be used go
to ``loads.rejected`` with a stable reason code. The batch, its files, rows, rejections and the watermark are
committed together, so a crash leaves nothing and a window may be loaded any number of times: what is read
twice lands once and is counted as a duplicate.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from avoir.landing import Landing, LoadingError, LoadReport
from avoir.raw_tables import create_partitions
from avoir.sources.drift import watching
from avoir.sources.model import Rejected, Rows, SourceConnection, Window
from avoir.sources.register import system_of

__all__ = ["LoadReport", "LoadingError", "load_window", "next_window"]

#: How long a load waits for another load of the same source, as Postgres reads it.
LOCK_TIMEOUT = "10min"


def next_window(connection: psycopg.Connection, source: SourceConnection, as_of: datetime) -> Window | None:
    """What is to be loaded up to ``as_of``: from the watermark less the system's overlap, or all history.

    ``None`` when everything before ``as_of`` has landed.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of must carry its zone, got {as_of}")
    with connection.transaction():
        row = connection.execute(
            "select watermark from loads.watermarks where source_name = %s", (source.name,)
        ).fetchone()
    start = source.history_from
    if row is not None:
        if row[0] >= as_of:
            return None
        start = max(start, row[0] - system_of(source).overlap)
    return Window(start, as_of) if start < as_of else None


def load_window(
    connection: psycopg.Connection,
    source: SourceConnection,
    window: Window,
    *,
    dag_run_id: str | None = None,
) -> LoadReport:
    """Fetch one window of a source, land it and commit.

    The watermark moves to the window's end, unless the window starts after it: a hole must be loaded first.

    Args:
        connection: a connection without an open transaction, of a role that owns the raw tables.
        source: whose system is in the register.
        window: half-open; loading it again changes nothing.
        dag_run_id: kept with the batch.

    Raises:
        SourceError: the vendor's answer cannot be trusted or its system not be reached; nothing has landed.
        LoadingError: the connection is inside a transaction, or another load of the source holds it too long.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise LoadingError("load_window commits by itself: commit or roll back the open transaction first.")
    system = system_of(source)
    for table in system.tables:
        if table.takes_series:
            # By itself, because what makes a month locks others out that make one, and a vendor may be slow.
            with connection.transaction():
                last = window.end - timedelta(microseconds=1)
                create_partitions(connection, system.schema, table, window.start, last)
    with connection.transaction():
        # What is copied is UTF-8, whatever the environment or the role would have the session speak.
        connection.execute("set local client_encoding = 'UTF8'")
        _lock_source(connection, source)
        landing = Landing(connection, source, system, window, dag_run_id)
        with watching() as seen:
            for item in system.fetch(source, window, landing):
                if isinstance(item, Rows):
                    landing.add_rows(item)
                elif isinstance(item, Rejected):
                    landing.reject(item)
                else:
                    landing.add_series(item)
        return landing.finish(seen)


def _lock_source(connection: psycopg.Connection, source: SourceConnection) -> None:
    connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    try:
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"avoir.load.{source.name}",)
        )
    except psycopg.errors.LockNotAvailable as error:
        message = (
            f"another load of {source.name} has been running for more than {LOCK_TIMEOUT}; try again later."
        )
        raise LoadingError(message) from error
    connection.execute("set local lock_timeout = default")
