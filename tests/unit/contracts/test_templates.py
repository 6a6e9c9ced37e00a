"""Templates: each is a good contract with tests of its own, and `contracts new` starts a file from one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avoir.cli import app
from avoir.contracts.check import files_at
from avoir.settings import CHECKOUT

TEMPLATES = sorted((CHECKOUT / "contracts" / "templates").glob("*.yml"))


def test_there_are_the_nine_templates() -> None:
    assert [path.stem for path in TEMPLATES] == [
        "at-risk-pool",
        "ccag-tic",
        "cloud-availability",
        "guide-slas",
        "hours-late",
        "mean-of-slices",
        "service-desk",
        "service-points",
        "tickets-and-uptime",
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_no_problem_and_proves_itself(path: Path) -> None:
    (file,) = files_at([path])
    assert file.problems == ()
    assert len(file.versions[0].contract.tests) >= 3
    assert "CHANGE ME" in path.read_text()


def test_new_lists_the_templates_with_their_titles() -> None:
    result = CliRunner().invoke(app, ["contracts", "new"])
    assert result.exit_code == 0
    assert all(path.stem in result.output for path in TEMPLATES)


def test_new_writes_a_file_that_knows_where_its_schema_lies(tmp_path: Path) -> None:
    target = tmp_path / "mine" / "acme" / "ACM-1.yml"
    result = CliRunner().invoke(app, ["contracts", "new", "--template", "ccag-tic", str(target)])
    assert result.exit_code == 0, result.output
    first = target.read_text().splitlines()[0]
    schema = (target.parent / first.partition("$schema=")[2]).resolve()
    assert json.loads(schema.read_text())["title"] == "Avoir contract"
    (file,) = files_at([target])
    assert file.is_good


def test_new_overwrites_nothing_and_names_the_templates_it_knows(tmp_path: Path) -> None:
    target = tmp_path / "ACM-1.yml"
    target.write_text("mine")
    runner = CliRunner()
    for arguments, told in (
        (["--template", "ccag-tic", str(target)], "exists already"),
        (["--template", "ccag"], "use one of at-risk-pool, ccag-tic"),
    ):
        result = runner.invoke(app, ["contracts", "new", *arguments])
        assert result.exit_code == 1
        assert told in str(result.exception)
    assert target.read_text() == "mine"
