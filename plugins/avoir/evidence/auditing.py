"""The schema ``audit``: evidence as views, for the role ``auditor`` alone.

dbt makes its tables anew under another name and drops the old ones, and Postgres drops with them every view
that is bound to one. So the views stand on SQL functions, whose bodies are text until they are asked: they
survive every rebuild and full refresh, and need no post-build of their own. Postgres writes such a function
out in place (one statement, ``stable``, no settings of its own), so a question about one credit is planned
like a question to the tables themselves.
"""

from __future__ import annotations

from importlib import resources

import psycopg
from psycopg import sql

from avoir import row_identity
from avoir.sources.model import METADATA_COLUMNS, Table
from avoir.sources.register import RAW_TABLES, RELEASE_SYSTEMS, TICKET_SYSTEMS

READER = "auditor"
OWNER = "avoir_transformer"
#: How an instant is written in a natural key, as Postgres reads a format.
INSTANT_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

_TICKET_RECORDS_COMMENT = (
    "One row per version of a ticket, of a change of one and of a comment on one, in every ticket system."
)
_RELEASE_RECORDS_COMMENT = (
    "One row per release, and per change or observation of its plan, in every system that plans releases."
)
_RAW_RECORD_COMMENT = (
    "One row per raw row: where it came from, its key, and the whole row as the vendor gave it. Ask with "
    "raw_table and batch_id, source_row; in a large batch also with row_hash, among samples with record_at."
)


def create_audit(connection: psycopg.Connection) -> None:
    """Make the functions and views of ``audit`` and let the auditor alone read them. Idempotent.

    Run it as the administrator, once raw tables, schemas and privileges are there. The tables that dbt builds
    need not be there yet: until then the views answer that a relation does not exist.
    """
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(OWNER)))
    # The bodies name tables that dbt has not made yet.
    connection.execute("set local check_function_bodies = off")
    connection.execute(_ticket_records())
    connection.execute(_release_records())
    for name, (_, table) in RAW_TABLES.items():
        if table.partition:
            connection.execute(row_identity.function_of(table, _hash_function(name)))
    connection.execute(resources.files("avoir").joinpath("sql", "audit.sql").read_bytes())
    connection.execute(sql.SQL("create or replace view audit.raw_record as {}").format(_raw_record()))
    comment = sql.SQL("comment on view audit.raw_record is {}")
    connection.execute(comment.format(sql.Literal(_RAW_RECORD_COMMENT)))
    connection.execute(resources.files("avoir").joinpath("sql", "column_lineage.sql").read_bytes())
    connection.execute("set local check_function_bodies = default")
    connection.execute("reset role")
    for statement in (
        "revoke all on all tables in schema audit from public",
        "revoke all on all functions in schema audit from public",
        "grant usage on schema audit to {}",
        "grant select on all tables in schema audit to {}",
        "grant execute on all functions in schema audit to {}",
    ):
        connection.execute(sql.SQL(statement).format(sql.Identifier(READER)))


def _ticket_records() -> sql.Composed:
    """A function over the staging views of the ticket systems; its body is text until it is asked."""
    selects = [
        sql.SQL(
            """
            select
                source_name, ticket_key, 'ticket' as evidence_kind, ticket_key as natural_key, raw_table,
                batch_id, source_file_id, source_row, row_hash, updated_us as version_us, true as is_read
            from staging.{tickets}
            union all
            select
                source_name, ticket_key, 'ticket_' || event_kind, event_key, raw_table, batch_id,
                source_file_id, source_row, row_hash, event_us, field is not null
            from staging.{events}
            """
        ).format(
            tickets=sql.Identifier(f"stg_{system.name}__tickets"),
            events=sql.Identifier(f"stg_{system.name}__ticket_events"),
        )
        for system in TICKET_SYSTEMS
    ]
    return sql.SQL(
        """
        create or replace function audit.ticket_records() returns table (
            source_name text, ticket_key text, evidence_kind text, natural_key text, raw_table text,
            batch_id bigint, source_file_id bigint, source_row bigint, row_hash text, version_us bigint,
            is_read boolean
        ) language sql stable as $$ {body} $$;
        comment on function audit.ticket_records() is {comment};
        """
    ).format(body=sql.SQL(" union all ").join(selects), comment=sql.Literal(_TICKET_RECORDS_COMMENT))


def _release_records() -> sql.Composed:
    """The same over the systems that plan releases."""
    selects = [
        sql.SQL(
            """
            select
                source_name, release_key, release_number, service_key, 'release' as evidence_kind,
                natural_key, raw_table, batch_id, source_file_id, source_row, row_hash
            from staging.{releases}
            union all
            select
                source_name, release_key, null, null, 'release_' || event_kind, natural_key, raw_table,
                batch_id, source_file_id, source_row, row_hash
            from staging.{events}
            """
        ).format(
            releases=sql.Identifier(f"stg_{system.name}__releases"),
            events=sql.Identifier(f"stg_{system.name}__release_events"),
        )
        for system in RELEASE_SYSTEMS
    ]
    return sql.SQL(
        """
        create or replace function audit.release_records() returns table (
            source_name text, release_key text, release_number text, service_key text, evidence_kind text,
            natural_key text, raw_table text, batch_id bigint, source_file_id bigint, source_row bigint,
            row_hash text
        ) language sql stable as $$ {body} $$;
        comment on function audit.release_records() is {comment};
        """
    ).format(body=sql.SQL(" union all ").join(selects), comment=sql.Literal(_RELEASE_RECORDS_COMMENT))


def natural_key(table: Table) -> sql.Composed:
    """The key by which the vendor knows a raw row, ``|`` between its parts, as an expression over ``raw``."""
    parts = []
    for name in table.key:
        column = sql.SQL("raw.{}").format(sql.Identifier(name))
        if table.column(name).type == "timestamptz":
            column = sql.SQL("to_char({} at time zone 'UTC', {})").format(column, sql.Literal(INSTANT_FORMAT))
        parts.append(sql.SQL("coalesce({}, '')").format(column))
    return sql.SQL(" || '|' || ").join(parts)


def _hash_function(table_name: str) -> sql.Identifier:
    """Of ``raw_prometheus.samples`` it is ``audit.prometheus_samples_row_hash``."""
    return sql.Identifier("audit", f"{table_name.removeprefix('raw_').replace('.', '_')}_row_hash")


def payload() -> sql.Composed:
    """The whole raw row without what loading added, as an expression over ``raw``."""
    return sql.SQL("to_jsonb(raw) - {}::text[]").format(sql.Literal(list(METADATA_COLUMNS)))


def _raw_record() -> sql.Composed:
    # Bound to the raw tables, which are added to and never dropped; a row shows all columns it has then.
    selects = []
    for name, (system, table) in RAW_TABLES.items():
        record_at = sql.SQL("raw.{}").format(sql.Identifier(table.partition)) if table.partition else None
        selects.append(
            sql.SQL(
                """
                select
                    {name} as raw_table, raw._batch_id as batch_id, raw._source_file_id as source_file_id,
                    raw._source_row as source_row, raw._source_name as source_name, {key} as natural_key,
                    {row_hash} as row_hash, {record_at}::timestamptz as record_at,
                    {payload} as payload
                from {table} as raw
                """
            ).format(
                name=sql.Literal(name),
                key=natural_key(table),
                row_hash=row_identity.of_raw(table),
                record_at=record_at or sql.SQL("null"),
                payload=payload(),
                table=sql.Identifier(system.schema, table.name),
            )
        )
    return sql.SQL(" union all ").join(selects)
