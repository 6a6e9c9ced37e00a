"""What a clause says beyond its kind, as rows of the reference tables; what it does not say is null."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from contract_texts import GOOD, WHOLE_FORMAT, edited, read_text

from avoir.contracts.rows import COLUMNS, Names, Tables, key_rows, part_rows

PARAMETERS = COLUMNS["clauses"][COLUMNS["clauses"].index("reopen_policy") :]


def rows_of(folder: Path, text: str) -> Tables:
    """Rows of the first version, its keys included."""
    read = read_text(folder, text)
    assert read.is_good, read.problems
    version = read.versions[0]
    names = Names.of(version)
    return {**part_rows(version, names), "service_keys": key_rows(version, names)}


def of_clause(tables: Tables, clause_id: str) -> dict[str, Any]:
    """The row of a clause by column, without what is null."""
    (row,) = (row for row in tables["clauses"] if row[1] == clause_id)
    named = dict(zip(COLUMNS["clauses"], row, strict=True))
    return {column: value for column, value in named.items() if value is not None}


def test_every_row_has_the_columns_of_its_table(tmp_path: Path) -> None:
    tables = rows_of(tmp_path, WHOLE_FORMAT)
    assert {"clauses", "clock_rules", "clock_targets"} <= set(tables)
    for table, rows in tables.items():
        assert rows, table
        assert {len(row) for row in rows} == {len(COLUMNS[table])}, table


def test_what_a_clause_does_not_say_is_null(tmp_path: Path) -> None:
    tables = rows_of(tmp_path, GOOD)
    assert tables["clock_targets"] == []
    for clause_id in ("SLA-1", "SLA-2", "SLA-3"):
        assert not set(PARAMETERS) & set(of_clause(tables, clause_id))


@pytest.mark.parametrize(
    ("clause_id", "expected"),
    [
        (
            "INCIDENT",
            {
                "reopen_policy": "join_within",
                "join_within_seconds": Decimal(28800),
                "priority_change": "retroactive",
            },
        ),
        ("URGENT", {"priority_change": "keep"}),
        (
            "HOURS",
            {
                "quorum": 2,
                "minimum_downtime_seconds": 300,
                "whole_minutes": True,
                "reporting_period": "quarter",
                "denominator": "total",
            },
        ),
        ("RUNS", {"minimum_volume": 100}),
        ("FULL-DAYS", {"started_day": "floor"}),
        ("DELIVERY", {}),
    ],
)
def test_a_parameter_has_a_column(clause_id: str, expected: dict[str, object], tmp_path: Path) -> None:
    row = of_clause(rows_of(tmp_path, WHOLE_FORMAT), clause_id)
    assert {column: row[column] for column in PARAMETERS if column in row} == expected


def test_opening_hours_are_a_calendar_of_the_clause(tmp_path: Path) -> None:
    tables = rows_of(tmp_path, WHOLE_FORMAT)
    assert of_clause(tables, "HOURS")["calendar_id"].endswith("/office")
    assert "calendar_id" not in of_clause(tables, "UPTIME")


def test_each_condition_of_a_clock_has_its_role_and_stands_once(tmp_path: Path) -> None:
    twice = edited(
        "resume: [{field: public_comment_customer}]",
        "resume: [{field: public_comment_customer}, {field: public_comment_customer}]",
        WHOLE_FORMAT,
    )
    rules = [row[2:] for row in rows_of(tmp_path, twice)["clock_rules"] if row[1] == "INCIDENT"]
    assert rules == [
        ("start", "created", None),
        ("stop", "state", "closed"),
        ("pause", "hold_reason", "1"),
        ("resume", "public_comment_customer", None),
        ("reset", "assignment_group", "second line"),
        ("reopen", "state", "open"),
    ]


def test_a_target_of_a_priority_is_in_seconds_also_that_of_a_ratio(tmp_path: Path) -> None:
    targets = [row[1:] for row in rows_of(tmp_path, WHOLE_FORMAT)["clock_targets"]]
    assert targets == [
        ("INCIDENT", "1", Decimal(14400)),
        ("INCIDENT", "2", Decimal(28800)),
        ("URGENT", "1", Decimal(7200)),
    ]


def test_a_team_is_a_key_of_each_service_it_works_for(tmp_path: Path) -> None:
    keys = rows_of(tmp_path, WHOLE_FORMAT)["service_keys"]
    assert [(row[1], row[4]) for row in keys if row[3] == "team"] == [
        ("cloud", "operations"),
        ("gateway", "operations"),
    ]
