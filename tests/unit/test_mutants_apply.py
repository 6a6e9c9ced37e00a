"""The mutants of tests/mutants still fit the models: tells at once when a text that they replace is gone."""

from __future__ import annotations

import pytest

from tests.mutants.mutants import MUTANTS, PROJECT, STEPS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_of_a_mutant_stands_once_in_its_file_and_changes_a_model(mutant: Mutant):
    original = (PROJECT / mutant.file).read_text()
    assert mutant.applied(original) != original
    assert mutant.models()


def test_a_text_that_is_gone_is_told():
    mutant = Mutant("measure", "Nothing", "models/facts/fct_indicator_months.sql", "no such text", "")
    with pytest.raises(ValueError, match=r"stands 0 times in models/facts/fct_indicator_months\.sql"):
        mutant.applied("select 1")
    with pytest.raises(ValueError, match="stands 2 times"):
        mutant.applied("no such text, no such text")


def test_there_are_mutants_of_every_step_each_with_a_name_of_its_own():
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(set(names)) == sorted(names)
    assert len(names) >= 48
    assert [step for step in STEPS if step not in {mutant.step for mutant in MUTANTS}] == []
    assert {mutant.step for mutant in MUTANTS} <= set(STEPS)


def test_no_two_mutants_are_one():
    replaced = [(mutant.file, mutant.text, mutant.replacement) for mutant in MUTANTS]
    assert len(set(replaced)) == len(replaced)


def test_a_mutated_macro_reaches_the_models_that_use_it_through_another():
    (rounding,) = [mutant for mutant in MUTANTS if mutant.name == "Half a digit is rounded down"]
    assert "fct_availability_months" in rounding.models()
    assert "int_penalty_indexations" in rounding.models()
