"""Worked tests of contracts on a real Postgres: they hold, a wrong one is told, and the night refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from avoir.contracts import proofs
from avoir.contracts.check import files_at
from avoir.contracts.loading import load_contracts
from avoir.contracts.planting import PlantedCase
from avoir.contracts.proofs import differing_tests
from avoir.contracts.proving import CaseOutcome, compare, prove, run_cases
from avoir.contracts.reading import ContractFile, read_contract
from avoir.contracts.scratch import scratch_warehouse
from avoir.settings import CHECKOUT
from tests.oracle import judge
from tests.oracle.agreement import disagreements
from tests.warehouse.conftest import BareWarehouse

pytestmark = pytest.mark.warehouse

TEMPLATES, WORKED = CHECKOUT / "contracts" / "templates", CHECKOUT / "contracts" / "worked"
AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
MISSES = "twenty-one missed responses meet the cap of 15 %"


@pytest.fixture(scope="module")
def ran(bare_warehouse: BareWarehouse) -> Iterator[list[tuple[PlantedCase, CaseOutcome]]]:
    """Every worked test that the project ships, run in one build."""
    files = files_at([TEMPLATES, WORKED])
    assert [problem for file in files if not file.is_good for problem in file.problems] == []
    cases: list[PlantedCase] = []
    for file in files:
        for test in file.versions[0].contract.tests:
            cases.append(PlantedCase(len(cases), file.versions, test))
    with scratch_warehouse(
        bare_warehouse.url, bare_warehouse.environment, project=bare_warehouse.project, own_raw=True
    ) as scratch:
        yield list(zip(cases, run_cases(scratch, cases), strict=True))


def test_every_worked_test_of_the_templates_and_of_the_semantics_holds(
    ran: list[tuple[PlantedCase, CaseOutcome]],
) -> None:
    wrong = [
        f"{case.versions[0].contract.contract}, {case.test.name}: {one}"
        for case, outcome in ran
        for one in compare(case, outcome)
        if not one.agrees
    ]
    assert wrong == []
    assert len(ran) > 150


def test_the_oracle_agrees_on_every_line_of_every_worked_test(
    ran: list[tuple[PlantedCase, CaseOutcome]],
) -> None:
    different = [
        f"{case.versions[0].contract.contract}, {case.test.name}: {text}"
        for case, outcome in ran
        for text in disagreements(case, judge(case.versions[0].contract, case.test), outcome)
    ]
    assert different == []


def test_no_scratch_schema_is_left(
    ran: list[tuple[PlantedCase, CaseOutcome]], bare_warehouse: BareWarehouse
) -> None:
    assert ran
    with scratch_warehouse(
        bare_warehouse.url, bare_warehouse.environment, project=bare_warehouse.project, own_raw=False
    ) as scratch:
        mine = scratch.prefix
    with psycopg.connect(bare_warehouse.url) as connection:
        rows = connection.execute(
            "select nspname::text from pg_namespace where starts_with(nspname::text, %s)", (mine,)
        ).fetchall()
    assert rows == []


def wrong_copy(folder: Path) -> ContractFile:
    """The guide's template, expecting a cent more than it owes."""
    text = (TEMPLATES / "guide-slas.yml").read_text()
    assert text.count('period_cap: "3000.00"') >= 1
    path = folder / "guide-slas.yml"
    path.write_text(text.replace('credit: "3000.00"', 'credit: "3000.01"'))
    return read_contract(path, folder)


def test_a_cent_too_much_is_told_with_the_step_that_differs(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    file = wrong_copy(tmp_path)
    assert file.is_good
    with scratch_warehouse(
        bare_warehouse.url, bare_warehouse.environment, project=bare_warehouse.project, own_raw=True
    ) as scratch:
        by_name = {proof.test: proof for proof in prove(scratch, [file])}
    proof = by_name[MISSES]
    assert not proof.holds
    first = proof.first_difference
    assert first is not None
    assert (first.name, first.expected, first.got) == ("credit", "3000.01", "3000.00")
    assert sum(not one.holds for one in by_name.values()) < len(by_name)


def test_the_night_refuses_a_contract_whose_tests_fail_and_loads_the_others(
    bare_warehouse: BareWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_copy(tmp_path)
    (tmp_path / "hours-late.yml").write_bytes((TEMPLATES / "hours-late.yml").read_bytes())

    def load() -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
        with psycopg.connect(bare_warehouse.url) as connection:
            report = load_contracts(
                connection,
                tmp_path,
                as_of=AS_OF,
                days_from=date(2025, 1, 1),
                days_to=date(2026, 2, 1),
                prove=lambda files: differing_tests(
                    bare_warehouse.url,
                    bare_warehouse.environment,
                    files,
                    project=bare_warehouse.project,
                    as_of=AS_OF,
                ),
            )
        errors = [problem.message for problem in report.problems if "expects" in problem.message]
        return report.loaded, report.refused_files, errors

    loaded, refused, messages = load()
    assert len(loaded) == 1
    assert refused == (str(tmp_path / "guide-slas.yml"),)
    assert any(
        MISSES in message and "3000.01" in message and "got 3000.00" in message for message in messages
    )

    # The same files again: proven already, so nothing is built, and the verdict is the same.
    def no_scratch(*_: object, **__: object) -> None:
        pytest.fail("a proof that is known was run again")

    monkeypatch.setattr(proofs, "scratch_warehouse", no_scratch)
    assert load() == (loaded, refused, messages)
