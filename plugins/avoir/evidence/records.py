"""Raw rows as evidence: the whole row as the vendor gave it, with its batch and its file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from psycopg import sql

from avoir import row_identity
from avoir.evidence.asking import Asking, Row
from avoir.evidence.auditing import natural_key, payload
from avoir.sources.register import RAW_TABLES


def raw_behind(
    asking: Asking, line_id: str, closed_key: tuple[str, str, str] | None
) -> tuple[list[Row], list[Row]]:
    """The raw rows behind a line with payload, batch and file, and how many there are of each kind."""
    evidence = asking.rows(
        """
        select * from (
            select *,
                row_number() over (
                    partition by evidence_kind order by record_at, natural_key, batch_id, source_row
                ) as shown_no,
                count(*) over (partition by evidence_kind) as kind_count
            from audit.credit_evidence where penalty_line_id = %s
        ) as numbered
        where shown_no <= %s order by evidence_kind, shown_no
        """,
        (line_id, asking.limit),
    )
    counts: dict[str, Row] = {}
    for one in evidence:
        counted = counts.setdefault(
            one["evidence_kind"],
            {"evidence_kind": one["evidence_kind"], "total": one["kind_count"], "shown": 0},
        )
        counted["shown"] += 1
    return with_payloads(asking, evidence, closed_key), list(counts.values())


def with_payloads(
    asking: Asking, evidence: Iterable[Row], closed_key: tuple[str, str, str] | None = None
) -> list[Row]:
    """Rows of ``audit.credit_evidence`` with the whole raw row, its batch and its file beside each."""
    told = list(evidence)
    payloads: dict[tuple[str, str, str, int, int], Row] = {}
    for table in sorted({one["raw_table"] for one in told}):
        payloads |= payloads_of(asking, table, [one for one in told if one["raw_table"] == table])
    batches = _batches(asking, sorted({one["batch_id"] for one in told}), closed_key)
    files = _files(
        asking, sorted({one["source_file_id"] for one in told if one["source_file_id"] is not None})
    )
    return [
        {
            "evidence_kind": one["evidence_kind"],
            "raw_table": one["raw_table"],
            "batch_id": one["batch_id"],
            "source_file_id": one["source_file_id"],
            "source_row": one["source_row"],
            "source_name": one["source_name"],
            "natural_key": one["natural_key"],
            "row_hash": one["row_hash"],
            "payload": payloads[_raw_key(one["raw_table"], one)],
            "batch": batches.get(one["batch_id"]),
            "file": files.get(one["source_file_id"]),
        }
        for one in told
    ]


def _raw_key(table: str, one: Row) -> tuple[str, str, str, int, int]:
    return (table, one["source_name"], one["row_hash"], one["batch_id"], one["source_row"])


def payloads_of(
    asking: Asking, table_name: str, evidence: Sequence[Row]
) -> dict[tuple[str, str, str, int, int], Row]:
    """The whole row behind each of a table's: by table, source, hash, batch and row."""
    system, table = RAW_TABLES[table_name]
    if table.partition:
        # The key's other part comes before the instant, which holds no bar. The hash is not kept: it is
        # computed of what is found by the rest, not of all that might be it.
        (subject,) = (name for name in table.key if name != table.partition)
        found_by: sql.Composable = sql.SQL(
            "raw.{partition} = wanted.record_at and raw.{subject} = wanted.subject "
            "and raw.{partition} between {first} and {last} and raw.{subject} = any(%(subjects)s)"
        ).format(
            partition=sql.Identifier(table.partition),
            subject=sql.Identifier(subject),
            first=sql.Literal(min(one["record_at"] for one in evidence)),
            last=sql.Literal(max(one["record_at"] for one in evidence)),
        )
    else:
        found_by = sql.SQL('raw._row_hash = wanted.row_hash collate "C"')
    subjects = [one["natural_key"].rpartition("|")[0] for one in evidence]
    rows = asking.rows(
        sql.SQL(
            """
            select raw._source_name as source_name, {row_hash} as row_hash, raw._batch_id as batch_id,
                raw._source_row as source_row, ({payload})::text as payload
            from unnest(%(hash)s::text[], %(source)s::text[], %(batch)s::bigint[], %(row)s::bigint[],
                %(at)s::timestamptz[], %(subject)s::text[])
                as wanted (row_hash, source_name, batch_id, source_row, record_at, subject)
            inner join {table} as raw
                on {found_by} and raw._source_name = wanted.source_name and raw._batch_id = wanted.batch_id
                and raw._source_row = wanted.source_row
            """
        ).format(
            payload=payload(),
            row_hash=row_identity.of_raw(table),
            table=sql.Identifier(system.schema, table.name),
            found_by=found_by,
        ),
        {
            "hash": [one["row_hash"] for one in evidence],
            "source": [one["source_name"] for one in evidence],
            "batch": [one["batch_id"] for one in evidence],
            "row": [one["source_row"] for one in evidence],
            "at": [one["record_at"] for one in evidence],
            "subject": subjects,
            "subjects": sorted(set(subjects)),
        },
    )
    return {_raw_key(table_name, row): json.loads(row["payload"]) for row in rows}


def _batches(
    asking: Asking, batch_ids: Sequence[int], closed_key: tuple[str, str, str] | None
) -> dict[int, Row]:
    rows = asking.rows(
        """
        select batches.batch_id, batches.source_name, batches.system, batches.window_from, batches.window_to,
            batches.dag_run_id, batches.landed_at,
                batches.batch_id <@ closed.raw_batches as was_known_at_closing
        from loads.batches left join ledger.closed_months as closed
            on closed.vendor_id = %(vendor)s and closed.month_date = %(month)s
                and closed.currency = %(currency)s
        where batches.batch_id = any(%(batches)s)
        """,
        {
            "batches": list(batch_ids),
            **dict(zip(("vendor", "month", "currency"), closed_key or (None, None, None), strict=True)),
        },
    )
    return {row["batch_id"]: {name: v for name, v in row.items() if name != "batch_id"} for row in rows}


def _files(asking: Asking, file_ids: Sequence[int]) -> dict[int | None, Row]:
    rows = asking.rows(
        "select file_id, file_name, sha256, size_bytes from loads.files where file_id = any(%s)",
        (list(file_ids),),
    )
    return {row["file_id"]: {name: v for name, v in row.items() if name != "file_id"} for row in rows}


def raw_rows(
    asking: Asking,
    table_name: str,
    where: sql.Composable,
    values: Sequence[object],
    source: str | None,
) -> list[Row]:
    """Raw rows of a table in the shape of evidence, without a line; ``where`` is over ``raw``."""
    system, table = RAW_TABLES[table_name]
    record_at = (
        sql.SQL("raw.{}").format(sql.Identifier(table.partition)) if table.partition else sql.SQL("null")
    )
    return asking.rows(
        sql.SQL(
            """
            select null as evidence_kind, {name}::text as raw_table, raw._batch_id as batch_id,
                raw._source_file_id as source_file_id, raw._source_row as source_row,
                raw._source_name as source_name, {key} as natural_key, {row_hash} as row_hash,
                {record_at}::timestamptz as record_at
            from {table} as raw where {where} and (%s::text is null or raw._source_name = %s)
            order by raw._batch_id, raw._source_row, row_hash limit {limit}
            """
        ).format(
            name=sql.Literal(table_name),
            key=natural_key(table),
            row_hash=row_identity.of_raw(table),
            record_at=record_at,
            table=sql.Identifier(system.schema, table.name),
            where=where,
            limit=sql.Literal(asking.limit),
        ),
        [*values, source, source],
    )
