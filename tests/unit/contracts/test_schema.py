"""The published JSON Schema is that of the model, and takes the contracts that are there."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from contract_texts import GOOD, edited

from avoir.contracts.check import check_paths
from avoir.contracts.located_yaml import parse
from avoir.contracts.reading import contract_paths
from avoir.contracts.schema import contract_schema, schema_text

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"


def as_an_editor_sees(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): as_an_editor_sees(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_an_editor_sees(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def instance(text: str) -> Any:
    node, problems = parse(text, "f")
    assert problems == []
    assert node is not None
    return as_an_editor_sees(node.plain())


VALIDATOR = jsonschema.Draft202012Validator(contract_schema())


def test_the_published_schema_is_current() -> None:
    mend = "run: python -m avoir.contracts.schema contracts/contract.schema.json"
    assert (CONTRACTS / "contract.schema.json").read_text(encoding="utf-8") == schema_text(), mend


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_shipped_contracts_are_good_and_the_schema_takes_them() -> None:
    paths = contract_paths(CONTRACTS)
    assert len(paths) >= 6
    problems = check_paths([CONTRACTS])
    assert [str(problem) for problem in problems if problem.is_error] == []
    # This one has a cap below its prices, to be worked.
    assert {Path(problem.file).name for problem in problems} == {"delay-bands.yml"}
    for path in paths:
        errors = [
            error.message for error in VALIDATOR.iter_errors(instance(path.read_text(encoding="utf-8")))
        ]
        assert errors == [], path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("effective_to:", "efective_to:"),
        ('operator: ">="', 'operator: "=>"'),
        ('formula: fixed_per_event, amount: "750.00"', "formula: nothing"),
        ('["09:00-18:00"]', '["9 to 5"]'),
        ("rate_pct: 5", "rate_pct: 500"),
        ("currency: EUR", "currency: EURO"),
        ("        name: Platform\n", ""),
        ("rate_pct: 5", "rate_pct: five"),
    ],
)  # fmt: skip
def test_the_schema_tells_an_editor_what_is_wrong(old: str, new: str) -> None:
    assert not list(VALIDATOR.iter_errors(instance(GOOD)))
    assert list(VALIDATOR.iter_errors(instance(edited(old, new))))
