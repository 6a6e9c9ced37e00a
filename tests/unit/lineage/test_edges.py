"""Columns are followed through SQL as the models write it."""

from __future__ import annotations

import pytest

from avoir.lineage.edges import Edge, edges_of_queries, posting_edges, publication_edges

COLUMNS = {
    "raw.bills": frozenset({"id", "vendor", "net", "tax", "at"}),
    "raw.notes": frozenset({"id", "bill_id", "net"}),
    "facts.sums": frozenset({"vendor", "net"}),
}


def followed(query: str) -> set[tuple[str, str, str]]:
    """Edges of a query as (source, column, transformation)."""
    edges, problems = edges_of_queries({"facts.sums": query}, COLUMNS, database="avoir", step="model")
    assert problems == []
    assert {(edge.to_relation, edge.step) for edge in edges} <= {("facts.sums", "model")}
    return {
        (f"{edge.from_relation}.{edge.from_column}", edge.to_column, edge.transformation) for edge in edges
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            'select b.vendor, b.net from "avoir"."raw"."bills" as b',
            {("raw.bills.vendor", "vendor", "identity"), ("raw.bills.net", "net", "identity")},
        ),
        ("select cast(net as numeric) as net from raw.bills", {("raw.bills.net", "net", "transformation")}),
        (
            "with bills as (select * from raw.bills), summed as ("
            "  select vendor, sum(net) filter (where tax > 0) as net from bills group by vendor)"
            " select vendor, round(net, 2) as net from summed",
            {
                ("raw.bills.vendor", "vendor", "identity"),
                ("raw.bills.net", "net", "aggregation"),
                ("raw.bills.tax", "net", "aggregation"),
            },
        ),
        (
            "select sum(net) over (partition by vendor order by at) as net from raw.bills",
            {
                ("raw.bills.net", "net", "transformation"),
                ("raw.bills.vendor", "net", "transformation"),
                ("raw.bills.at", "net", "transformation"),
            },
        ),
        (
            "select net from raw.bills union all select -net from raw.notes",
            {("raw.bills.net", "net", "identity"), ("raw.notes.net", "net", "transformation")},
        ),
        (
            "with recursive chain as (select id, net from raw.bills union all"
            "  select n.id, n.net from raw.notes as n inner join chain on n.bill_id = chain.id)"
            " select net from chain",
            {("raw.bills.net", "net", "identity"), ("raw.notes.net", "net", "identity")},
        ),
        (
            "select b.vendor, (select max(n.net) from raw.notes as n where n.bill_id = b.id) as net"
            " from raw.bills as b",
            {("raw.bills.vendor", "vendor", "identity"), ("raw.notes.net", "net", "aggregation")},
        ),
        ("select count(*) as net, 'x' as vendor from raw.bills", set()),
        # What a build adds to itself is no other column's value.
        (
            "select vendor, net from facts.sums union all select vendor, net from raw.bills",
            {("raw.bills.vendor", "vendor", "identity"), ("raw.bills.net", "net", "identity")},
        ),
    ],
)
def test_values_are_followed_to_the_columns_of_tables(
    query: str, expected: set[tuple[str, str, str]]
) -> None:
    assert expected <= followed(query)
    assert {(source, column) for source, column, _ in followed(query)} - {
        (source, column) for source, column, _ in expected
    } <= {("raw.bills.id", "net")}


def test_a_condition_gives_no_value() -> None:
    query = "select b.net from raw.bills as b inner join raw.notes as n on n.bill_id = b.id where n.net > 0"
    assert followed(query) == {("raw.bills.net", "net", "identity")}


def test_a_query_that_cannot_be_read_is_told_and_stops_no_other() -> None:
    queries = {
        "a.broken": "select from where (",
        "b.star": "select * from raw.unknown",
        "facts.sums": "select net from raw.bills",
    }
    edges, problems = edges_of_queries(queries, COLUMNS, database="avoir", step="model")
    assert edges == {Edge("raw.bills", "net", "facts.sums", "net", "identity", "model")}
    assert [problem.split(":")[0].split(".*")[0] for problem in problems] == ["a.broken", "b.star"]


def test_a_publication_copies_the_columns_that_both_sides_have() -> None:
    columns = {"candidate.m": frozenset({"a", "b"}), "mart.m": frozenset({"a", "dropped"})}
    assert publication_edges([("candidate.m", "mart.m"), ("candidate.none", "mart.none")], columns) == {
        Edge("candidate.m", "a", "mart.m", "a", "identity", "publication")
    }


def test_an_amount_of_the_ledger_is_that_of_the_published_line_or_its_difference() -> None:
    amounts = {
        (edge.from_relation, edge.transformation) for edge in posting_edges() if edge.to_column == "amount"
    }
    assert amounts == {
        ("mart.fct_penalty_lines", "identity"),
        ("penalties.fct_penalty_lines", "transformation"),
    }
