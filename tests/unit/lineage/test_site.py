"""Pages are whole, self-contained and escaped; runs have folders of their own, the oldest of which go."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from avoir.lineage import site as site_module
from avoir.lineage.edges import Edge
from avoir.lineage.site import KEPT_RUNS, Run, columns_page, descriptions

HOSTILE = "</script><script>alert(1)</script>"


def run(number: int, run_id: str | None = None) -> Run:
    built_at = f"2026-07-{1 + number // 24:02d}T{number % 24:02d}:00:00+00:00"
    return Run(run_id or f"run-{number}", built_at, built_at, "c" * 64, {"published": 6})


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name in site_module.PAGES:
        (folder / name).write_text(f"{name} as first made")
    return folder


def test_a_page_of_columns_fetches_nothing_and_shows_what_is_hostile_as_text() -> None:
    edges = (Edge("raw.t", "a", "mart.t", "b", "identity", "model"),)
    page = columns_page(edges, {"mart.t.b": HOSTILE}, code="0" * 64)
    assert HOSTILE not in page
    assert "default-src 'none'" in page
    assert re.findall(r"https?://|src=|@import|url\(", page) == []
    data = json.loads(re.search(r"^const data = (.*);$", page, re.MULTILINE).group(1))  # type: ignore[union-attr]
    assert data == {
        "columns": [["mart.t.b", HOSTILE], ["raw.t.a", ""]],
        "edges": [[1, 0, "identity", "model"]],
    }


def test_descriptions_are_those_of_the_project() -> None:
    model = {
        "resource_type": "model",
        "schema": "facts",
        "alias": "t",
        "columns": {"a": {"description": "An a."}},
    }
    source = {
        "resource_type": "source",
        "schema": "raw",
        "identifier": "t",
        "columns": {"b": {"description": ""}},
    }
    test = {"resource_type": "test", "schema": "facts", "alias": "x", "columns": {}}
    assert descriptions({"nodes": {"m": model, "t": test}, "sources": {"s": source}}) == {
        "facts.t.a": "An a."
    }


@pytest.mark.parametrize(
    "run_id", ["../../etc/passwd", "asset_triggered__2026-07-08T04:00:00+00:00", "..", "a" * 300]
)
def test_a_run_of_any_name_stays_in_a_folder_of_its_own(run_id: str) -> None:
    folder = run(1, run_id).folder
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", folder)
    assert len(folder) < 100
    assert folder != run(1, f"{run_id}x").folder


def test_the_index_lists_the_newest_and_the_rest_goes(tmp_path: Path, pages: Path) -> None:
    site = tmp_path / "site"
    for number in range(KEPT_RUNS + 3):
        site_module._add_run(site, run(number), pages)
        site_module._write_index(site)
    kept = {path.name for path in (site / "runs").iterdir()}
    assert kept == {f"run-{number}" for number in range(3, KEPT_RUNS + 3)}
    index = (site / "index.html").read_text()
    assert f"The last build is run-{KEPT_RUNS + 2}," in index
    linked = re.findall(r'href="([^"]+)"', index)
    assert len(linked) == 2 * KEPT_RUNS + 2
    assert all((site / link).is_file() for link in linked)
    assert (site / "runs" / "run-5" / "dbt.html").samefile(pages / "dbt.html")


def test_the_same_run_again_changes_nothing_and_a_new_page_leaves_older_runs_alone(
    tmp_path: Path, pages: Path
) -> None:
    site = tmp_path / "site"
    for _ in range(2):
        site_module._add_run(site, run(1), pages)
        site_module._write_index(site)
    assert sorted(path.name for path in (site / "runs" / "run-1").iterdir()) == [
        "columns.html",
        "dbt.html",
        "run.json",
    ]
    other = tmp_path / "other"
    other.mkdir()
    for name in site_module.PAGES:
        (other / name).write_text(f"{name} of the next release")
    site_module._add_run(site, run(2), other)
    assert (site / "runs" / "run-1" / "dbt.html").read_text() == "dbt.html as first made"
    assert (site / "runs" / "run-2" / "dbt.html").read_text() == "dbt.html of the next release"


def test_a_folder_that_another_release_wrote_stops_nothing(tmp_path: Path, pages: Path) -> None:
    site = tmp_path / "site"
    site_module._add_run(site, run(1), pages)
    (site / "runs" / "strange").mkdir()
    (site / "runs" / "strange" / "run.json").write_text('{"of": "another release"}')
    site_module._write_index(site)
    assert "run-1" in (site / "index.html").read_text()
