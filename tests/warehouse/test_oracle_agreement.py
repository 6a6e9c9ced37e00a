"""Models and oracle on made-up contracts: thousands of histories, to the cent, without a difference."""

from __future__ import annotations

import json
import os

import pytest

from avoir.contracts.model import Contract
from avoir.contracts.planting import PlantedCase
from avoir.contracts.proving import run_cases
from avoir.contracts.resolving import ResolvedVersion, inherit
from avoir.contracts.scratch import scratch_warehouse
from tests.oracle import judge
from tests.oracle.agreement import disagreements
from tests.oracle.cases import generated
from tests.warehouse.conftest import BareWarehouse

pytestmark = pytest.mark.warehouse

BATCHES = 4
CASES_OF_A_BATCH = int(os.environ.get("AVOIR_ORACLE_CASES", "5000"))
SHOWN = 3


def versions_of(contract: Contract) -> tuple[ResolvedVersion, ...]:
    """The versions of a contract that was made up: it has no file, so nothing maps its keys."""
    return tuple(
        ResolvedVersion(
            contract=contract,
            version_no=stage.version.version,
            valid_from=stage.version.effective_from,
            valid_to=stage.valid_to,
            document_sha256=stage.version.document_sha256,
            calendars=stage.calendars,
            services=stage.services,
            clauses=stage.clauses,
            keys={},
            paths=stage.paths,
            terms=stage.terms,
        )
        for stage in inherit(contract)
    )


@pytest.mark.parametrize(
    "seed",
    # The longest of all tests, and of equal length: dealt out one by one, they end together.
    [pytest.param(seed, marks=pytest.mark.xdist_group(f"oracle-{seed}")) for seed in range(1, BATCHES + 1)],
)
def test_models_and_oracle_agree_to_the_cent_on_made_up_contracts(
    bare_warehouse: BareWarehouse, seed: int
) -> None:
    made_up = generated(CASES_OF_A_BATCH, seed)
    assert len(made_up) == CASES_OF_A_BATCH
    cases = [PlantedCase(number, versions_of(one.contract), one.test) for number, one in enumerate(made_up)]
    with scratch_warehouse(
        bare_warehouse.url, bare_warehouse.environment, project=bare_warehouse.project, own_raw=True
    ) as scratch:
        outcomes = run_cases(scratch, cases)
    assert sum(len(outcome.lines) for outcome in outcomes) > CASES_OF_A_BATCH
    differing = []
    for case, outcome in zip(cases, outcomes, strict=True):
        found = disagreements(case, judge(case.versions[0].contract, case.test), outcome)
        if found:
            differing.append((case, found))
    # The smallest first: it is the one to look at.
    differing.sort(key=lambda one: len(_shown(one[0])))
    told = "\n\n".join("\n".join([*found, _shown(case)]) for case, found in differing[:SHOWN])
    assert differing == [], f"{len(differing)} of {len(cases)} differ; the smallest:\n{told}"


def _shown(case: PlantedCase) -> str:
    contract = case.versions[0].contract.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    test = case.test.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    return json.dumps({**contract, "tests": [test]})
