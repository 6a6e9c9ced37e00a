"""What a table and its columns mean, where a BI tool looks for it: as comments of the database.

dbt writes the descriptions of the models of ``mart`` onto the candidates; a publication copies them to the
published tables, and from there to the views of ``vendor_portal``.
"""

from __future__ import annotations

import psycopg
from psycopg import sql


def copy_comments(connection: psycopg.Connection, source: str, target: str) -> int:
    """Copy comments of a relation and of its columns to those of the same name of another; returns how many.

    Both are named ``schema.relation``. What says the same already is left alone, and what the source does not
    say stays. Does not commit.
    """
    rows = connection.execute(
        """
        select wanted.attname::text, wanted.description from (
            select attname, attnum, col_description(attrelid, attnum) as description
            from pg_attribute where attrelid = %(source)s::regclass and attnum > 0 and not attisdropped
        ) wanted
        join pg_attribute a on a.attrelid = %(target)s::regclass and a.attname = wanted.attname
        where wanted.description <> coalesce(col_description(a.attrelid, a.attnum), '')
        order by wanted.attnum
        """,
        {"source": source, "target": target},
    ).fetchall()
    for column, description in rows:
        connection.execute(
            sql.SQL("comment on column {} is {}").format(
                sql.Identifier(*target.split("."), column), sql.Literal(description)
            )
        )
    return len(rows) + _copy_relation_comment(connection, source, target)


def _copy_relation_comment(connection: psycopg.Connection, source: str, target: str) -> int:
    row = connection.execute(
        """
        select obj_description(%(source)s::regclass, 'pg_class'), relkind = 'v',
            obj_description(oid, 'pg_class')
        from pg_class where oid = %(target)s::regclass
        """,
        {"source": source, "target": target},
    ).fetchone()
    description, is_view, present = row or (None, True, None)
    if description is None or is_view or description == present:
        return 0
    connection.execute(
        sql.SQL("comment on table {} is {}").format(
            sql.Identifier(*target.split(".")), sql.Literal(description)
        )
    )
    return 1
