"""Any one mistake in the models makes a worked test of a contract fail.

Every worked test of contracts/templates and contracts/worked is planted once in one scratch warehouse. Each
mutant then rebuilds the models behind its mistake, and those behind the mistake before it, which so become
themselves again; what comes out is compared with what the tests expect.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from avoir.contracts.check import files_at
from avoir.contracts.planting import PlantedCase, plant
from avoir.contracts.proving import Proof, compare, outcomes_of, run_cases
from avoir.contracts.scratch import PRICED, Scratch, scratch_warehouse
from avoir.credentials import load_credentials
from avoir.postgres import embedded, free_port
from avoir.warehouse import Warehouse, bootstrap
from tests.mutants.mutants import MUTANTS, PROJECT, Mutant

pytestmark = pytest.mark.mutants

CONTRACTS = PROJECT.parent / "contracts"
BY_NUMBERS = 0.9
"""How many of the mutants at least must build, and be found by what comes out."""


class BuildError(RuntimeError):
    """dbt did not build the models; the message says what it said."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: what the first worked test that differs says, or that it did not build."""

    mutant: Mutant
    killed_by: str | None
    is_built: bool
    seconds: float


@dataclass
class Laboratory:
    """A scratch warehouse with every worked test in it, and a copy of the project to plant mistakes in."""

    scratch: Scratch
    cases: list[PlantedCase]
    shown: list[str]
    as_of: str
    project: Path
    mutated: tuple[str, ...] = ()
    verdicts: list[Verdict] = field(default_factory=list)

    def proofs(self) -> list[Proof]:
        """Every worked test, held against what the models came to last."""
        outcomes = outcomes_of(self.scratch, self.cases)
        return [
            Proof(shown, case.contract_id, case.test.name, compare(case, outcome))
            for shown, case, outcome in zip(self.shown, self.cases, outcomes, strict=True)
        ]

    def judge(self, mutant: Mutant) -> Verdict:
        """Build with the mistake in place, and say which worked test finds it."""
        path = self.project / mutant.file
        original = path.read_text()
        models = mutant.models(self.project)
        began = time.perf_counter()
        path.write_text(mutant.applied(original))
        try:
            self.build({*self.mutated, *models})
            differing = next((proof for proof in self.proofs() if not proof.holds), None)
            killed_by, is_built = _told(differing) if differing else None, True
        except BuildError as error:
            killed_by, is_built = f"dbt: {error}", False
        finally:
            path.write_text(original)
            self.mutated = models
        verdict = Verdict(mutant, killed_by, is_built, time.perf_counter() - began)
        self.verdicts.append(verdict)
        return verdict

    def build(self, models: set[str]) -> None:
        """Build some models of the copied project and all between them and the penalty lines.

        In this process: to start dbt takes longer than to build.

        Raises:
            BuildError: a model did not build.
        """
        from dbt.cli.main import dbtRunner

        self.scratch.connection.commit()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.scratch.environment.items():
                patch.setenv(name, value)
            arguments = ["--quiet", "--no-use-colors", "--log-level", "none", "--log-level-file", "none"]
            arguments += [
                "run",
                "--project-dir",
                str(self.project),
                "--target-path",
                str(self.scratch.target),
            ]
            arguments += ["--vars", f'{{"as_of": "{self.as_of}"}}']
            arguments += ["--select", *sorted(f"{model}+,{PRICED}" for model in models)]
            result = dbtRunner().invoke(arguments)
        if not result.success:
            nodes = getattr(result.result, "results", ())
            messages = [one.message for one in nodes if str(one.status) == "error"]
            raise BuildError(" ".join((messages or [str(result.exception)])[0].split()))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Every worked test planted, and the models built once as they are."""
    home = tmp_path_factory.mktemp("mutants")
    credentials = load_credentials(home)
    server = embedded(home, free_port(0), credentials["avoir_admin"])
    try:
        with server.running(home / "postgres.log"):
            warehouse = Warehouse(admin_url=server.url("avoir"), passwords=credentials)
            bootstrap(warehouse)
            project = _copied(home / "dbt_project")
            environment = {
                **os.environ,
                "AVOIR_DBT_HOST": warehouse.host,
                "AVOIR_DBT_PORT": str(warehouse.port),
                "AVOIR_DBT_DATABASE": warehouse.database,
                "AVOIR_DBT_USER": "avoir_transformer",
                "AVOIR_DBT_PASSWORD": warehouse.passwords["avoir_transformer"],
                "DBT_PROFILES_DIR": str(project),
                "DBT_LOG_PATH": str(home / "logs"),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
            }
            url = warehouse.url("avoir_transformer")
            with scratch_warehouse(url, environment, project=project, own_raw=True) as scratch:
                made = _planted(scratch, project)
                yield made
                _print_table(made.verdicts)
    finally:
        server.destroy()


def _copied(project: Path) -> Path:
    """Copy what makes the models; the unit tests of dbt would only be parsed."""
    ignored = shutil.ignore_patterns("*_unit_tests.yml")
    for folder in ("models", "macros"):
        shutil.copytree(PROJECT / folder, project / folder, ignore=ignored)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, project / name)
    return project


def _planted(scratch: Scratch, project: Path) -> Laboratory:
    cases: list[PlantedCase] = []
    shown: list[str] = []
    for file in files_at([CONTRACTS / "templates", CONTRACTS / "worked"]):
        assert file.is_good, [str(problem) for problem in file.problems]
        for test in file.versions[0].contract.tests:
            cases.append(PlantedCase(len(cases), file.versions, test))
            shown.append(Path(file.shown).name)
    as_of = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=plant(cases).as_of_us)
    run_cases(scratch, cases)
    return Laboratory(replace(scratch, project=project), cases, shown, as_of.isoformat(), project)


def _told(proof: Proof) -> str:
    first = proof.first_difference
    assert first is not None
    values = f"{first.expected} became {first.got}"
    return f"{proof.shown}: {proof.test}: {first.selection}, {first.name}: {values}"


def _print_table(verdicts: list[Verdict]) -> None:
    order = {mutant: number for number, mutant in enumerate(MUTANTS)}
    rows = [
        (one.mutant.step, one.mutant.name, one.killed_by or "SURVIVES", f"{one.seconds:.1f}")
        for one in sorted(verdicts, key=lambda one: order[one.mutant])
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else []
    print()
    for step, name, killed_by, seconds in rows:
        print(f"{step:<{widths[0]}}  {name:<{widths[1]}}  {seconds:>5}  {killed_by}")
    built = sum(one.is_built and one.killed_by is not None for one in verdicts)
    broken = sum(not one.is_built for one in verdicts)
    total = sum(one.seconds for one in verdicts)
    print(
        f"{len(verdicts)} mutants: {built} killed by numbers, {broken} did not build, "
        f"{len(verdicts) - built - broken} survive; {total:.0f} s"
    )


def _macros_last(mutant: Mutant) -> tuple[bool, str]:
    return (mutant.file.startswith("macros/"), mutant.file)


def test_every_worked_test_holds_in_the_models_as_they_are(laboratory: Laboratory):
    wrong = [_told(proof) for proof in laboratory.proofs() if not proof.holds]
    assert wrong == []
    assert len(laboratory.cases) > 100


@pytest.mark.parametrize(
    "mutant",
    # Neighbours rebuild the same models.
    sorted(MUTANTS, key=_macros_last),
    ids=lambda mutant: mutant.name,
)
def test_a_worked_test_finds(laboratory: Laboratory, mutant: Mutant):
    verdict = laboratory.judge(mutant)
    if verdict.killed_by is None:
        pytest.fail(f"no worked test of a contract notices: {mutant.name}", pytrace=False)


def test_nine_of_ten_mutants_build_and_are_found_by_their_numbers(laboratory: Laboratory):
    verdicts = laboratory.verdicts
    built = [one for one in verdicts if one.is_built and one.killed_by is not None]
    assert len(built) >= BY_NUMBERS * len(verdicts), [one for one in verdicts if not one.is_built]


def test_the_models_are_themselves_again_after_the_last_mutant(laboratory: Laboratory):
    if laboratory.mutated:
        laboratory.build(set(laboratory.mutated))
    assert [_told(proof) for proof in laboratory.proofs() if not proof.holds] == []
