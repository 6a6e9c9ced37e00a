"""Edges between the columns of the warehouse: derived from what dbt compiled, kept, and asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import psycopg

from avoir.lineage.edges import Columns, Edge, edges_of_queries, posting_edges, publication_edges
from avoir.publishing import DIMENSIONS
from avoir.versioning import MONTHLY

COPIES = (
    *((table.candidate, f"mart.{table.name}") for table in MONTHLY),
    *((f"candidate.{name}", f"mart.{name}") for name in DIMENSIONS),
)
"""What a publication copies: candidate and published table."""

_VIEW_SCHEMAS = ["finance", "vendor_portal"]


class UnknownColumnError(LookupError):
    """There is no such column; the message names some that there are."""


@dataclass(frozen=True)
class Graph:
    """Edges of one state of the code, and what could not be followed."""

    edges: tuple[Edge, ...]
    problems: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hash of the edges, in one canonical form."""
        text = json.dumps([astuple(edge) for edge in self.edges], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def derive(connection: psycopg.Connection, manifest: Path, *, database: str) -> Graph:
    """Read the edges out of a compiled manifest and the warehouse's own views.

    Args:
        connection: a role that sees every schema (``avoir_transformer``).
        manifest: of ``dbt docs generate`` or another command that compiles.
        database: the warehouse's database.
    """
    columns = columns_of(connection)
    compiled, missing = compiled_models(json.loads(manifest.read_text(encoding="utf-8")))
    models, problems = edges_of_queries(compiled, columns, database=database, step="model")
    views, more = edges_of_queries(_views(connection), columns, database=database, step="view")
    edges = models | views | publication_edges(COPIES, columns) | posting_edges()
    return Graph(tuple(sorted(edges)), (*missing, *problems, *more))


def compiled_models(manifest: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """SQL of every model by the relation it makes, and the models that were not compiled."""
    compiled, missing = {}, []
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        relation = f"{node['schema']}.{node['alias']}"
        if node.get("compiled_code"):
            compiled[relation] = str(node["compiled_code"])
        else:
            missing.append(f"{relation}: it was not compiled")
    return compiled, missing


def columns_of(connection: psycopg.Connection) -> Columns:
    """Columns of every table and view that is not the database's own, by ``schema.name``."""
    rows = connection.execute(
        r"""
        select n.nspname || '.' || c.relname, array_agg(a.attname::text)
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
            and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
        group by 1
        """
    ).fetchall()
    return {relation: frozenset(names) for relation, names in rows}


def keep(connection: psycopg.Connection, graph: Graph, *, code: str, run_id: str) -> bool:
    """Keep a graph unless it is the one in force for the same code; returns whether anything was added.

    Does not commit.
    """
    connection.execute("select pg_advisory_xact_lock(hashtext('avoir.lineage'))")
    last = connection.execute(
        "select code_sha256, edges_sha256 from audit.lineage_graphs order by graph_no desc limit 1"
    ).fetchone()
    if last == (code, graph.sha256):
        return False
    known = connection.execute(
        "select 1 from audit.column_edges where edges_sha256 = %s limit 1", (graph.sha256,)
    ).fetchone()
    if known is None:
        with connection.cursor() as cursor:
            copying = """
                copy audit.column_edges (
                    edges_sha256, from_relation, from_column, to_relation, to_column, transformation, step
                ) from stdin
            """
            with cursor.copy(copying) as copy:
                for edge in graph.edges:
                    copy.write_row((graph.sha256, *astuple(edge)))
    connection.execute(
        "insert into audit.lineage_graphs (code_sha256, edges_sha256, run_id) values (%s, %s, %s)",
        (code, graph.sha256, run_id),
    )
    return True


def kept_code(connection: psycopg.Connection) -> str | None:
    """The code whose edges are in force; None before the first."""
    row = connection.execute(
        "select code_sha256 from audit.lineage_graphs order by graph_no desc limit 1"
    ).fetchone()
    return str(row[0]) if row else None


def kept_edges(connection: psycopg.Connection) -> list[Edge]:
    """The edges in force, in their order."""
    rows = connection.execute(
        """
        select from_relation, from_column, to_relation, to_column, transformation, step
        from audit.column_edges where edges_sha256 = audit.current_edges_sha256() order by 1, 2, 3, 4
        """
    ).fetchall()
    return [Edge(*row) for row in rows]


def paths(connection: psycopg.Connection, name: str, *, downstream: bool) -> list[dict[str, Any]]:
    """Every column that one comes from, or goes into, nearest first.

    Args:
        connection: as ``auditor``.
        name: ``schema.relation.column``.
        downstream: go to what is made of it instead of where it comes from.

    Raises:
        UnknownColumnError: there is no such column.
    """
    relation, column = _known(connection, name)
    rows = connection.execute(
        """
        select p.relation, p.column_name, p.depth, p.transformation, p.path,
            not exists (
                select 1 from audit.column_edges e
                where e.edges_sha256 = audit.current_edges_sha256()
                    and case when %(down)s then e.from_relation else e.to_relation end = p.relation
                    and case when %(down)s then e.from_column else e.to_column end = p.column_name
            ) as is_end
        from audit.column_paths(%(relation)s, %(column)s, %(down)s) p
        order by p.depth, p.relation, p.column_name
        """,
        {"relation": relation, "column": column, "down": downstream},
    ).fetchall()
    names = ("relation", "column", "depth", "transformation", "path", "is_end")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _known(connection: psycopg.Connection, name: str) -> tuple[str, str]:
    relation, _, column = name.strip().lower().rpartition(".")
    columns = columns_of(connection)
    if relation in columns and column in columns[relation]:
        return relation, column
    if relation in columns:
        listed = ", ".join(sorted(columns[relation]))
        raise UnknownColumnError(f"{relation} has no column {column!r}; it has {listed}.")
    like = sorted(f"{one}.{column}" for one, names in columns.items() if column in names)
    hint = f"There is {', '.join(like[:5])}." if like else "Write it as mart.mart_vendor_month.credit_amount."
    raise UnknownColumnError(f"there is no column {name!r}. {hint}")


def _views(connection: psycopg.Connection) -> dict[str, str]:
    """What finance and vendors read is made of views that dbt does not know."""
    rows = connection.execute(
        """
        select n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'v' and n.nspname = any(%s)
        """,
        (_VIEW_SCHEMAS,),
    ).fetchall()
    return dict(rows)
