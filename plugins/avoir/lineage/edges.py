"""Which column takes its value from which, read out of SQL by sqlglot.

Followed are values, not conditions: a column that is only joined on, filtered by or grouped by gives nothing
to the others. The columns of a query are those of the warehouse's catalog, so that ``select *`` is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.lineage import Node
    from sqlglot.schema import MappingSchema

Transformation = Literal["identity", "transformation", "aggregation"]
Step = Literal["model", "publication", "posting", "view"]
Columns = Mapping[str, frozenset[str]]
"""The columns of every relation, by ``schema.name``."""

STRENGTHS: tuple[Transformation, ...] = ("identity", "transformation", "aggregation")

# What the ledger posts (avoir.closing): columns of the entry, each with that of the published line, and how.
_POSTED: Mapping[str, tuple[str, Transformation]] = {
    "entry_kind": ("line_kind", "transformation"),
    "vendor_id": ("vendor_id", "identity"),
    "month_date": ("month_date", "identity"),
    "contract_id": ("contract_id", "identity"),
    "contract_version_id": ("contract_version_id", "identity"),
    "clause_id": ("clause_id", "identity"),
    "penalty_line_id": ("penalty_line_id", "identity"),
    "amount": ("credit_amount", "identity"),
    "currency": ("currency", "identity"),
    "posted_month_date": ("month_date", "transformation"),
    "reason": ("line_kind", "transformation"),
}
# What late data change of a closed month is posted from the candidate (avoir.restating), as a difference.
_RESTATED: Mapping[str, tuple[str, Transformation]] = {"amount": ("credit_amount", "transformation")}


class LineageError(ValueError):
    """A query could not be followed; the message names the relation it makes."""


@dataclass(frozen=True, order=True)
class Edge:
    """One column that takes its value from another; relations as ``schema.name``."""

    from_relation: str
    from_column: str
    to_relation: str
    to_column: str
    transformation: Transformation
    step: Step


def edges_of_queries(
    queries: Mapping[str, str], columns: Columns, *, database: str, step: Step
) -> tuple[set[Edge], list[str]]:
    """Follow the queries that make relations; returns their edges, and what could not be followed.

    Args:
        queries: SQL of Postgres by the relation it makes.
        columns: of every relation that a query may read.
        database: the warehouse's database, which SQL may name.
        step: what kind of step the queries are.
    """
    schema = _schema(columns, database)
    edges: set[Edge] = set()
    problems = []
    for relation, query in sorted(queries.items()):
        try:
            edges |= edges_of_query(relation, query, schema, columns, step=step)
        except LineageError as error:
            problems.append(str(error))
    return edges, problems


def edges_of_query(
    relation: str, query: str, schema: MappingSchema, columns: Columns, *, step: Step
) -> set[Edge]:
    """Edges into one relation.

    Raises:
        LineageError: sqlglot cannot read the query, or knows no source for a star.
    """
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - a second of a core
    from sqlglot.lineage import lineage  # noqa: PLC0415

    try:
        # Untrimmed: the nodes are walked, not shown, and to trim copies every query once per column.
        roots = lineage(None, query, schema, dialect="postgres", trim_selects=False)
    except (SqlglotError, ValueError, RecursionError) as error:
        raise LineageError(f"{relation}: {error}") from error
    found: dict[tuple[str, str, str], int] = {}
    for column, root in roots.items():
        for source, name, strength in _sources(root):
            if name == "*":
                raise LineageError(f"{relation}.{column}: the columns of {source} are not known")
            if source == relation or name not in columns.get(source, frozenset()):
                continue
            key = (source, name, column)
            found[key] = max(strength, found.get(key, 0))
    return {
        Edge(source, name, relation, column, STRENGTHS[strength], step)
        for (source, name, column), strength in found.items()
    }


def publication_edges(copies: Iterable[tuple[str, str]], columns: Columns) -> set[Edge]:
    """Edges of what is copied as it is: each column of the candidate that the published table has."""
    return {
        Edge(candidate, column, published, column, "identity", "publication")
        for candidate, published in copies
        for column in columns.get(candidate, frozenset()) & columns.get(published, frozenset())
    }


def posting_edges() -> set[Edge]:
    """Edges from penalty lines to the ledger's entries."""
    return {
        Edge(relation, column, "ledger.entries", to_column, transformation, "posting")
        for relation, posted in (
            ("mart.fct_penalty_lines", _POSTED),
            ("penalties.fct_penalty_lines", _RESTATED),
        )
        for to_column, (column, transformation) in posted.items()
    }


def _sources(root: Node) -> Iterator[tuple[str, str, int]]:
    """Columns of tables at the end of every way from a column, with the strongest step on the way."""
    from sqlglot import exp  # noqa: PLC0415

    waiting = [(root, 0)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        node, strength = waiting.pop()
        if (id(node), strength) in seen:
            continue
        seen.add((id(node), strength))
        if isinstance(node.expression, exp.Table):
            table = node.expression
            yield f"{table.db}.{table.name}", node.name.rsplit(".", 1)[-1].strip('"'), strength
            continue
        strength = max(strength, _strength(node))
        waiting += [(below, strength) for below in node.downstream]


def _strength(node: Node) -> int:
    from sqlglot import exp  # noqa: PLC0415

    if isinstance(node.source, exp.SetOperation):
        # The branches have nodes of their own.
        return 0
    value = node.expression.unalias()
    if isinstance(value, exp.Column):
        return 0
    return 2 if any(_sums_up(one) for one in value.find_all(exp.AggFunc)) else 1


def _sums_up(function: exp.Expr) -> bool:
    """Whether it makes one row of many; over a window it does not."""
    from sqlglot import exp  # noqa: PLC0415

    return function.find_ancestor(exp.Window) is None


def _schema(columns: Columns, database: str) -> MappingSchema:
    from sqlglot.schema import MappingSchema  # noqa: PLC0415

    tables: dict[str, dict[str, dict[str, str]]] = {}
    for relation, names in columns.items():
        schema, table = relation.split(".", 1)
        # Lineage asks for names alone.
        tables.setdefault(schema, {})[table] = dict.fromkeys(sorted(names), "text")
    return MappingSchema({database: tables}, dialect="postgres")
