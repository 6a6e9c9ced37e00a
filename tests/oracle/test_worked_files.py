"""Every worked test of the contract files that the project ships, held against the oracle alone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from avoir.contracts.check import files_at
from avoir.contracts.planting import PlantedCase
from avoir.contracts.proving import COLUMN_OF_STEP, CaseOutcome, compare
from avoir.contracts.reading import ContractFile
from avoir.settings import CHECKOUT
from tests.oracle import Judged, Line, judge
from tests.oracle.pricing import STEPS
from tests.oracle.verdicts import UNIT_US

FILES = files_at([CHECKOUT / "contracts" / "templates", CHECKOUT / "contracts" / "worked"])


def outcome_of(judged: Judged) -> CaseOutcome:
    """What the oracle makes of a test, as rows of the models."""
    return CaseOutcome(
        lines=[_line(line) for line in judged.lines],
        clocks=[
            {
                "clause_id": event.clause.id,
                "subject_name": event.subject,
                "cycle_no": event.cycle_no,
                "outcome": event.outcome,
                "due_us": event.due_us,
                "business_us": event.business_us,
                "measured_value": Decimal(event.business_us or 0) / 1_000_000,
            }
            for event in judged.facts.clocks
        ],
        milestones=[
            {
                "clause_id": event.clause.id,
                "subject_name": event.subject,
                "outcome": event.outcome,
                "measured_value": Decimal(event.delay_days or 0),
            }
            for event in judged.facts.milestones
        ],
        months=list(_months(judged)),
    )


def _line(line: Line) -> dict[str, Any]:
    amounts = {
        COLUMN_OF_STEP[step]: None if (amount := line.steps[step]) is None else _decimal(amount)
        for step in STEPS
    }
    return {
        "clause_id": line.clause_id,
        "subject_name": line.subject,
        "month_date": line.month,
        **amounts,
        COLUMN_OF_STEP["credit"]: line.credit,
    }


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def _months(judged: Judged) -> Iterator[dict[str, Any]]:
    for figure in judged.facts.figures:
        measure = figure.measure
        unit_us = UNIT_US.get(figure.clause.objective.unit, 1_000_000)
        yield {
            "clause_id": figure.clause.id,
            "month_date": figure.month,
            "outcome": figure.outcome,
            "measured_numerator": None if measure is None else measure.numerator * unit_us // 1_000_000,
            "measured_denominator": None if measure is None else measure.denominator,
        }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.shown)
def test_the_oracle_comes_to_what_a_worked_test_expects(file: ContractFile) -> None:
    assert file.is_good, file.problems
    contract = file.versions[0].contract
    wrong = []
    for number, test in enumerate(contract.tests):
        outcome = outcome_of(judge(contract, test))
        for one in compare(PlantedCase(number, file.versions, test), outcome):
            if not one.agrees:
                wrong.append(f"{test.name}: {one}")
    assert wrong == []


def test_there_are_worked_tests_to_hold_against() -> None:
    assert sum(len(file.versions[0].contract.tests) for file in FILES if file.is_good) > 150
