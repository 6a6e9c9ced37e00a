"""One transaction's worth of landing: what a vendor said becomes rows that were not there before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from avoir import row_identity
from avoir.copied_text import nul_rejection, plain_block, storable, surrogate_rejection
from avoir.raw_tables import create_partitions
from avoir.sources.drift import Drift, FieldsSeen, keep
from avoir.sources.instants import instant_of, milliseconds
from avoir.sources.model import Rejected, Rows, SourceConnection, SourceFile, System, Table, Window

if TYPE_CHECKING:
    from avoir.sources.series import Series

#: How many rows are copied as one piece of text, and looked at one by one where a cell of them needs care.
BLOCK_ROWS = 2000


class LoadingError(RuntimeError):
    """A window cannot be loaded as asked; the message says what to change."""


@dataclass(frozen=True)
class LoadReport:
    """What one load did. ``rows_read = rows_landed + rows_duplicate + rows_rejected``, always.

    A record rejected again in a later load is a duplicate: it is counted as rejected once. ``rows_settled``
    are records of earlier loads that were in quarantine and that this load was not given as they were.
    """

    batch_id: int
    source_name: str
    window: Window
    rows_read: int
    rows_landed: int
    rows_duplicate: int
    rows_rejected: int
    landed_by_table: dict[str, int]
    rejected_by_reason: dict[str, int]
    rows_settled: int
    watermark: datetime
    drift: tuple[Drift, ...] = ()


@dataclass
class Landing:
    """One transaction's worth of landing: copies come first, everything shared is touched at the end."""

    connection: psycopg.Connection
    source: SourceConnection
    system: System
    window: Window
    dag_run_id: str | None
    copied: dict[str, int] = field(default_factory=dict)
    added: Counter[str] = field(default_factory=Counter)
    is_first: dict[str, bool] = field(default_factory=dict)
    last_added: dict[tuple[str, str], int] = field(default_factory=dict)
    stretches: list[tuple[datetime, datetime]] = field(default_factory=list)
    rejections: list[Rejected] = field(default_factory=list)
    file_ids: dict[str, int] = field(default_factory=dict)
    batch_id: int = 0

    def __post_init__(self) -> None:
        row = self.connection.execute(
            """
            insert into loads.batches (
                source_name, system, window_from, window_to,
                rows_read, rows_landed, rows_duplicate, rows_rejected, dag_run_id, started_at
            )
            values (%s, %s, %s, %s, 0, 0, 0, 0, %s, clock_timestamp())
            returning batch_id
            """,
            (self.source.name, self.system.name, self.window.start, self.window.end, self.dag_run_id),
        ).fetchone()
        self.batch_id = _only(row)

    def has_file(self, sha256: str) -> bool:
        """See :class:`avoir.sources.model.Landed`."""
        row = self.connection.execute(
            """
            select 1
            from loads.files
            where source_name = %s and sha256 = %s
                and not exists (select 1 from loads.rejected where rejected.source_file_id = files.file_id)
            """,
            (self.source.name, sha256),
        ).fetchone()
        return row is not None

    def has_delivery(self, name: str, size_bytes: int) -> bool:
        """See :class:`avoir.sources.model.Landed`."""
        row = self.connection.execute(
            """
            select 1
            from loads.files
            where source_name = %s and file_name = %s and size_bytes = %s
                and not exists (select 1 from loads.rejected where rejected.source_file_id = files.file_id)
            """,
            (self.source.name, _named(name), size_bytes),
        ).fetchone()
        return row is not None

    def has_rows(self, table: str) -> bool:
        """See :class:`avoir.sources.model.Landed`."""
        row = self.connection.execute(
            sql.SQL("select exists (select 1 from {} where _source_name = %s)").format(
                sql.Identifier(self.system.schema, self.system.table(table).name)
            ),
            (self.source.name,),
        ).fetchone()
        return bool(_only(row))

    def keys(self, table: str, column: str) -> frozenset[str]:
        """See :class:`avoir.sources.model.Landed`."""
        rows = self.connection.execute(
            sql.SQL("select distinct {} from {} where _source_name = %s").format(
                sql.Identifier(self.system.table(table).column(column).name),
                sql.Identifier(self.system.schema, table),
            ),
            (self.source.name,),
        ).fetchall()
        return frozenset(value for (value,) in rows)

    def newest(self, table: str) -> dict[tuple[str, ...], dict[str, str]]:
        """See :class:`avoir.sources.model.Landed`."""
        known = self.system.table(table)
        if known.updated is None:
            raise ValueError(f"records of {table} never change, so none of their versions is the newest")
        rows = self.connection.execute(
            sql.SQL(
                """
                select distinct on ({key}) {columns} from {table} where _source_name = %s
                order by {key}, length({updated}) desc, {updated} desc, _batch_id desc, _source_row desc
                """
            ).format(
                key=sql.SQL(", ").join(map(sql.Identifier, known.key)),
                columns=sql.SQL(", ").join(map(sql.Identifier, known.column_names)),
                table=sql.Identifier(self.system.schema, known.name),
                updated=sql.Identifier(known.updated),
            ),
            (self.source.name,),
        ).fetchall()
        named = [dict(zip(known.column_names, map(_as_landed, row), strict=True)) for row in rows]
        return {tuple(one[name] for name in known.key): one for one in named}

    def add_rows(self, rows: Rows) -> None:
        """Copy rows into the temporary table of theirs."""
        table = self.system.table(rows.table)
        landing = sql.Identifier(f"landing_{table.name}")
        if table.name not in self.copied:
            self._create_landing(table, landing)
        file_id = None if rows.file is None else str(self._file_id(rows.file))
        for width in set(map(len, rows.values)):
            if width != len(table.columns):
                raise ValueError(
                    f"{self.system.schema}.{table.name} has {len(table.columns)} columns, got {width}"
                )
        copied = 0
        with self.connection.cursor().copy(sql.SQL("copy {} from stdin").format(landing)) as copy:
            for at in range(0, len(rows.values), BLOCK_ROWS):
                values = rows.values[at : at + BLOCK_ROWS]
                numbers = rows.source_rows[at : at + BLOCK_ROWS]
                block = plain_block(file_id, numbers, values)
                if block is not None:
                    copy.write(block)
                    copied += len(values)
                else:
                    copied += self._copy_one_by_one(copy, rows, file_id, numbers, values)
        self.copied[table.name] += copied

    def add_series(self, told: Sequence[Series]) -> None:
        """Copy samples to where they belong, or as rows those of which one may be there already."""
        for name in sorted({series.table for series in told}):
            if name not in self.is_first:
                table = self.system.table(name)
                self.is_first[name] = not self._has_any(table, self.window.start, self.window.end)
            of_table = [series for series in told if series.table == name]
            known = self._copy_new(name, of_table) if self.is_first[name] else of_table
            for series in known:
                self.add_rows(series.rows())

    def _copy_new(self, name: str, told: Sequence[Series]) -> list[Series]:
        """Copy the series of which nothing has landed in this load and whose months are made; the others."""
        known: list[Series] = []
        from avoir.sources.series import COPY_END, COPY_HEAD  # noqa: PLC0415 - numpy, which few loads need

        columns = ("_source_name", "_batch_id", "_source_row", *self.system.table(name).column_names)
        statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
            sql.Identifier(self.system.schema, name), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        # One for them all: as many as there are monitors would cost the server a third more.
        with self.connection.cursor().copy(statement) as copy:
            copy.write(COPY_HEAD)
            for series in told:
                if not self._is_new(series):
                    known.append(series)
                    continue
                for block in series.copied(self.source.name, self.batch_id):
                    copy.write(block)
                self.added[name] += len(series)
                self.last_added[name, series.monitor] = series.last
                self.stretches.append((instant_of(series.first), instant_of(series.last)))
            copy.write(COPY_END)
        return known

    def _is_new(self, series: Series) -> bool:
        start, end = (milliseconds(instant) for instant in (self.window.start, self.window.end))
        last = self.last_added.get((series.table, series.monitor), start - 1)
        return max(last + 1, start) <= series.first and series.last < end

    def _has_any(self, table: Table, first: datetime, last: datetime) -> bool:
        """Whether a partitioned table holds a row of the source from ``first`` to ``last``, both included."""
        # One row would do, so the planner reads a month through from its beginning; what is asked for every
        # night lies at its end.
        self.connection.execute("set local enable_seqscan = off")
        row = self.connection.execute(
            sql.SQL(
                "select exists (select 1 from {} where _source_name = %s and {} between %s and %s)"
            ).format(sql.Identifier(self.system.schema, table.name), sql.Identifier(str(table.partition))),
            (self.source.name, first, last),
        ).fetchone()
        self.connection.execute("set local enable_seqscan = default")
        return bool(_only(row))

    def _copy_one_by_one(
        self,
        copy: psycopg.Copy,
        rows: Rows,
        file_id: str | None,
        numbers: Sequence[int],
        values: Sequence[tuple[str | None, ...]],
    ) -> int:
        """Copy rows of which some need care, reject what Postgres cannot hold; returns how many it copied."""
        copied = 0
        for number, row in zip(numbers, values, strict=True):
            if any(value is not None and "\x00" in value for value in row):
                self.reject(nul_rejection(rows.table, row, number, rows.file))
                continue
            try:
                copy.write_row((file_id, str(number), *row))
            except UnicodeEncodeError:
                self.reject(surrogate_rejection(rows.table, row, number, rows.file))
            else:
                copied += 1
        return copied

    def _create_landing(self, table: Table, landing: sql.Identifier) -> None:
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
            for column in table.columns
        )
        self.connection.execute(
            sql.SQL(
                "create temporary table {} (_source_file_id bigint, _source_row bigint, {}) on commit drop"
            ).format(landing, columns)
        )
        self.copied[table.name] = 0

    def _file_id(self, file: SourceFile) -> int:
        if file.sha256 not in self.file_ids:
            row = self.connection.execute(
                """
                with known as (
                    select file_id from loads.files where source_name = %(source)s and sha256 = %(sha256)s
                ),
                added as (
                    insert into loads.files (batch_id, source_name, file_name, sha256, size_bytes)
                    select %(batch)s, %(source)s, %(name)s, %(sha256)s, %(size)s
                    where not exists (select 1 from known)
                    returning file_id
                )
                select file_id from known union all select file_id from added
                """,
                {
                    "batch": self.batch_id,
                    "source": self.source.name,
                    "name": _named(file.name),
                    "sha256": file.sha256,
                    "size": file.size_bytes,
                },
            ).fetchone()
            self.file_ids[file.sha256] = _only(row)
        return self.file_ids[file.sha256]

    def reject(self, rejected: Rejected) -> None:
        """Keep a rejection for the end of the load."""
        self.rejections.append(rejected)

    def finish(self, seen: FieldsSeen) -> LoadReport:
        """Insert what is new, move the watermark, write the counts and the fields that were seen."""
        landed = Counter({name: self._insert_new(self.system.table(name)) for name in self.copied})
        landed.update(self.added)
        rejected_by_reason = self._insert_rejections()
        rows_settled = self._settle_rejections()
        rows_read = sum(self.copied.values()) + sum(self.added.values()) + len(self.rejections)
        rows_landed = sum(landed.values())
        rows_rejected = sum(rejected_by_reason.values())
        rows_duplicate = rows_read - rows_landed - rows_rejected
        self.connection.execute(
            """
            update loads.batches
            set rows_read = %s, rows_landed = %s, rows_duplicate = %s, rows_rejected = %s,
                landed_from = %s, landed_to = %s, landed_at = clock_timestamp()
            where batch_id = %s
            """,
            (rows_read, rows_landed, rows_duplicate, rows_rejected, *self._stretch(), self.batch_id),
        )
        return LoadReport(
            batch_id=self.batch_id,
            source_name=self.source.name,
            window=self.window,
            rows_read=rows_read,
            rows_landed=rows_landed,
            rows_duplicate=rows_duplicate,
            rows_rejected=rows_rejected,
            landed_by_table=dict(landed),
            rejected_by_reason=rejected_by_reason,
            rows_settled=rows_settled,
            watermark=self._move_watermark(),
            drift=tuple(keep(self.connection, self.source.name, self.batch_id, seen)),
        )

    def _stretch(self) -> tuple[datetime, datetime]:
        """From the first instant of what landed to right after the last one; empty where there is none."""
        if not self.stretches:
            return self.window.end, self.window.end
        first, last = (min(first for first, _ in self.stretches), max(last for _, last in self.stretches))
        return first, last + timedelta(microseconds=1)

    def _insert_new(self, table: Table) -> int:
        """Move from the landing table what was never landed, each row once; returns how many rows."""
        landing = sql.Identifier(f"landing_{table.name}")
        known: sql.Composable = sql.SQL("")
        if table.partition is None:
            known = self._known(table)
        else:
            bounds = self.connection.execute(
                sql.SQL("select min({column}), max({column}) from {landing}").format(
                    column=sql.Identifier(table.partition), landing=landing
                )
            ).fetchone()
            if bounds is None or bounds[0] is None:
                return 0
            first, last = (bound.astimezone(UTC) for bound in bounds)
            create_partitions(self.connection, self.system.schema, table, first, last)
            if self._has_any(table, first, last):
                known = self._known_sample(table, first, last)
        self.connection.execute(sql.SQL("analyze {}").format(landing))
        # Statistics taken while an earlier load was under way can say that a full table is empty: the planner
        # then walks it once per row. So roads that are good for an empty table only are closed: without an
        # index only a hash join is linear, with one a walk must go through it and not over a kept copy.
        closed = "enable_material" if table.partition is None else "enable_nestloop"
        self.connection.execute(sql.SQL("set local {} = off").format(sql.SQL(closed)))
        read = _records_once(table, landing) if table.partition is None else _samples_once(table, landing)
        hashed = () if table.partition else ("_row_hash",)
        names = ("_source_file_id", "_source_row", *hashed, *table.column_names)
        cursor = self.connection.execute(
            sql.SQL(
                """
                with landed as (
                    insert into {target} (_source_name, _batch_id, {names})
                    select {source}, {batch}, {names}
                    from ({read}) as given
                    where is_first_copy{known}
                    {lying}
                    returning {instant} as seen_at
                )
                select count(*), min(seen_at), max(seen_at) from landed
                """
            ).format(
                target=sql.Identifier(self.system.schema, table.name),
                names=sql.SQL(", ").join(map(sql.Identifier, names)),
                source=sql.Literal(self.source.name),
                batch=sql.Literal(self.batch_id),
                read=read,
                known=known,
                instant=sql.SQL("cast({} as timestamptz)").format(
                    sql.Identifier(table.instant) if table.instant else sql.SQL("null")
                ),
                # In the order of the key, so that a summary of a stretch of pages tells what lies there.
                lying=sql.SQL("order by {}").format(_listed(table.key)) if table.partition else sql.SQL(""),
            )
        )
        count, first_seen, last_seen = cursor.fetchone() or (0, None, None)
        self.connection.execute(sql.SQL("set local {} = default").format(sql.SQL(closed)))
        if first_seen is not None:
            self.stretches.append((first_seen, last_seen))
        return int(count)

    def _known(self, table: Table) -> sql.Composed:
        """The condition that a row was not landed by an earlier load."""
        return sql.SQL(
            """
                    and not exists (
                        select 1 from {target} as raw
                        where raw._row_hash = given._row_hash and raw._source_name = {source}
                    )"""
        ).format(target=sql.Identifier(self.system.schema, table.name), source=sql.Literal(self.source.name))

    def _known_sample(self, table: Table, first: datetime, last: datetime) -> sql.Composed:
        """The same in a partitioned table: by content, of which the key is what a join can use."""
        by_key = [
            sql.SQL("coalesce(raw.{0}, '') = coalesce(given.{0}, '')").format(sql.Identifier(name))
            for name in table.key
            if table.column(name).type == "text"
        ]
        by_content = [
            sql.SQL("raw.{0} is not distinct from given.{0}").format(sql.Identifier(column.name))
            for column in table.columns
            if column.hashed
        ]
        return sql.SQL(
            """
                    and not exists (
                        select 1 from {target} as raw
                        where raw.{at} = given.{at} and {same} and raw._source_name = {source}
                            and raw.{at} between {first} and {last}
                    )"""
        ).format(
            target=sql.Identifier(self.system.schema, table.name),
            at=sql.Identifier(str(table.partition)),
            same=sql.SQL(" and ").join([*by_key, *by_content]),
            source=sql.Literal(self.source.name),
            first=sql.Literal(first),
            last=sql.Literal(last),
        )

    def _insert_rejections(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for rejected in self.rejections:
            file_id = None if rejected.file is None else self._file_id(rejected.file)
            cursor = self.connection.execute(
                """
                insert into loads.rejected (
                    batch_id, source_name, table_name, source_file_id, source_row,
                    reason_code, reason, payload
                )
                values (%s, %s, %s, %s, %s, %s, %s, %s)
                on conflict (source_name, table_name, md5(payload), reason_code) do update
                set settled_by = null where rejected.settled_by is not null
                """,
                (
                    self.batch_id,
                    self.source.name,
                    f"{self.system.schema}.{rejected.table}",
                    file_id,
                    rejected.source_row,
                    rejected.reason_code,
                    storable(rejected.reason),
                    storable(rejected.payload),
                ),
            )
            if cursor.rowcount:
                counts[rejected.reason_code] = counts.get(rejected.reason_code, 0) + 1
        return counts

    def _settle_rejections(self) -> int:
        """Close what earlier loads kept aside and this one, which read all of their stretch, did not meet.

        A folder is read whole whatever the window's start (:attr:`System.reads_all`).
        """
        met = [
            (f"{self.system.schema}.{one.table}", storable(one.payload), one.reason_code)
            for one in self.rejections
        ]
        cursor = self.connection.execute(
            """
            update loads.rejected r set settled_by = %(batch)s
            from loads.batches b
            where r.source_name = %(source)s and r.settled_by is null and r.batch_id = b.batch_id
                and b.window_to <= %(end)s and (%(is_whole)s or b.window_from >= %(start)s)
                and (r.table_name, md5(r.payload), r.reason_code) not in (
                    select table_name, md5(payload), reason_code
                    from unnest(%(tables)s::text[], %(payloads)s::text[], %(codes)s::text[])
                        as met (table_name, payload, reason_code)
                )
            """,
            {
                "batch": self.batch_id,
                "source": self.source.name,
                "start": self.window.start,
                "end": self.window.end,
                "is_whole": self.system.reads_all,
                "tables": [table for table, _, _ in met],
                "payloads": [payload for _, payload, _ in met],
                "codes": [code for _, _, code in met],
            },
        )
        return cursor.rowcount

    def _move_watermark(self) -> datetime:
        row = self.connection.execute(
            """
            insert into loads.watermarks as known (source_name, system, vendor_id, watermark)
            values (
                %(source)s, %(system)s, %(vendor)s,
                case when %(start)s <= %(history_from)s then %(end)s else %(history_from)s end
            )
            on conflict (source_name) do update
            set watermark = case
                    when %(start)s <= known.watermark then greatest(known.watermark, %(end)s)
                    else known.watermark
                end,
                system = excluded.system,
                vendor_id = excluded.vendor_id
            returning watermark
            """,
            {
                "source": self.source.name,
                "system": self.system.name,
                "vendor": self.source.vendor,
                "start": self.window.start,
                "end": self.window.end,
                "history_from": self.source.history_from,
            },
        ).fetchone()
        watermark: datetime = _only(row)
        return watermark.astimezone(UTC)


def _records_once(table: Table, landing: sql.Identifier) -> sql.Composed:
    """Copied rows with their hash, and which one is the first with its hash."""
    return sql.SQL(
        """
        select
            *,
            lag(_row_hash) over (order by _row_hash, _source_row, _source_file_id) is distinct from _row_hash
                as is_first_copy
        from (select *, {row_hash} as _row_hash from {landing}) as hashed
        """
    ).format(row_hash=row_identity.computed(table), landing=landing)


def _samples_once(table: Table, landing: sql.Identifier) -> sql.Composed:
    """The same without a hash: of equal rows, ordered by their key first."""
    content = [column.name for column in table.columns if column.hashed and column.name not in table.key]
    return sql.SQL(
        """
        select
            *, row_number() over (partition by {content} order by _source_row, _source_file_id) = 1
                as is_first_copy
        from {landing}
        """
    ).format(content=_listed((*table.key, *content)), landing=landing)


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _as_landed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _named(file_name: str) -> str:
    return file_name.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _only(row: tuple[Any, ...] | None) -> Any:
    """The value of a statement that returns one row of one column."""
    if row is None:
        raise LoadingError("the database returned no row where it must return one")
    return row[0]
