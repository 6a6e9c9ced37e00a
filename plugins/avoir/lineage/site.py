"""The site of a profile: for each build the models' documentation and the lineage of columns, as pages.

Making the pages takes dbt a while, so it is done once per state of the code; the folders of runs share the
pages as hard links. Whoever reads finds a whole page at any moment: all is written beside and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from jinja2 import Environment, StrictUndefined

from avoir.inputs import software_sha256
from avoir.lineage.edges import Edge
from avoir.lineage.graph import derive, keep, kept_code
from avoir.modelling import write_docs
from avoir.postgres import locked
from avoir.services import Surroundings, surroundings_of
from avoir.settings import Settings

KEPT_RUNS = 30
"""How many runs the site keeps; older folders go."""

PAGES = ("dbt.html", "columns.html")
_LONGEST_SLUG = 80


class SiteError(RuntimeError):
    """The site cannot be made; the message says what is missing."""


@dataclass(frozen=True)
class Run:
    """One run as the site lists it; instants as ISO 8601, ``verdicts`` how many months got which."""

    run_id: str
    as_of: str
    built_at: str
    code_sha256: str
    verdicts: dict[str, int]

    @property
    def folder(self) -> str:
        """Name of its folder: the run's id where that is harmless, else what is left of it and a hash."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", self.run_id)[:_LONGEST_SLUG].strip(".-")
        if plain == self.run_id:
            return plain
        return f"{plain}-{hashlib.sha256(self.run_id.encode()).hexdigest()[:8]}".lstrip("-")


def write_site(settings: Settings, *, run_id: str | None = None) -> Path:
    """Make the pages of one build and the index; returns the index. Again, it changes nothing.

    The warehouse must be up.

    Args:
        settings: of the profile.
        run_id: the build; the last one when None.

    Raises:
        SiteError: there is no such build.
        ModellingError: dbt could not document the models.
    """
    here = surroundings_of(settings)
    site = settings.profile_home / "site"
    with locked(here.run_directory / "site.lock"), here.warehouse.connect("avoir_transformer") as connection:
        code = software_sha256(settings)
        run = _run(connection, run_id, code)
        pages = settings.profile_home / "lineage" / "pages" / code[:16]
        if not pages.is_dir() or kept_code(connection) != code:
            _make_pages(here, connection, run, pages)
        _add_run(site, run, pages)
        _write_index(site)
    return site / "index.html"


def _run(connection: psycopg.Connection, run_id: str | None, code: str) -> Run:
    built = connection.execute(
        """
        select run_id, as_of, recorded_at from checks.builds
        where %(run_id)s::text is null or run_id = %(run_id)s order by build_no desc limit 1
        """,
        {"run_id": run_id},
    ).fetchone()
    if built is None:
        what = "nothing was ever built" if run_id is None else f"there is no build of the run {run_id!r}"
        raise SiteError(f"{what}; `avoir run` makes one.")
    verdicts = connection.execute(
        """
        select verdict, count(*) from (
            select distinct on (vendor_id, month_date, currency) verdict from mart.publication_log
            where run_id = %s order by vendor_id, month_date, currency, publication_no desc
        ) latest group by 1 order by 1
        """,
        (built[0],),
    ).fetchall()
    connection.commit()
    return Run(str(built[0]), _utc(built[1]), _utc(built[2]), code, dict(verdicts))


def _utc(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def _make_pages(here: Surroundings, connection: psycopg.Connection, run: Run, pages: Path) -> None:
    """Document the models, read their edges, keep these, and put both pages into place."""
    target = here.settings.profile_home / "dbt_target" / "docs"
    beside = pages.with_name(f"{pages.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    write_docs(
        here.settings.checkout / "dbt_project",
        here.environment,
        target=target,
        page=beside / "dbt.html",
        arguments=["--vars", json.dumps({"as_of": run.as_of})],
    )
    graph = derive(connection, target / "manifest.json", database=here.warehouse.database)
    for problem in graph.problems:
        print(f"lineage not followed: {problem}")
    keep(connection, graph, code=run.code_sha256, run_id=run.run_id)
    connection.commit()
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    text = columns_page(graph.edges, descriptions(manifest), code=run.code_sha256)
    (beside / "columns.html").write_text(text, encoding="utf-8")
    for other in pages.parent.iterdir():
        if other != beside:
            shutil.rmtree(other)
    beside.replace(pages)


def descriptions(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What the project says of each column, by ``schema.relation.column``."""
    found = {}
    for node in [*manifest["nodes"].values(), *manifest["sources"].values()]:
        if node["resource_type"] in {"model", "source"}:
            relation = f"{node['schema']}.{node.get('alias') or node['identifier']}"
            for name, column in node["columns"].items():
                if column.get("description"):
                    found[f"{relation}.{name}"] = str(column["description"])
    return found


def columns_page(edges: tuple[Edge, ...], described: Mapping[str, str], *, code: str) -> str:
    """One page without any server, to walk from column to column."""
    names = sorted(
        {
            name
            for edge in edges
            for name in (f"{edge.from_relation}.{edge.from_column}", f"{edge.to_relation}.{edge.to_column}")
        }
    )
    place = {name: number for number, name in enumerate(names)}
    data = {
        "columns": [[name, described.get(name, "")] for name in names],
        "edges": [
            [
                place[f"{edge.from_relation}.{edge.from_column}"],
                place[f"{edge.to_relation}.{edge.to_column}"],
                edge.transformation,
                edge.step,
            ]
            for edge in edges
        ],
    }
    return _rendered("columns.html", data=data, code=code)


def _add_run(site: Path, run: Run, pages: Path) -> None:
    folder = site / "runs" / run.folder
    if folder.is_dir():
        # A reader may be in it: page by page, each whole.
        for name in PAGES:
            _link(pages / name, folder / name)
        _write(folder / "run.json", json.dumps(asdict(run), indent=2) + "\n")
        return
    beside = folder.with_name(f".part-{run.folder}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name in PAGES:
        _link(pages / name, beside / name)
    _write(beside / "run.json", json.dumps(asdict(run), indent=2) + "\n")
    beside.replace(folder)


def _write_index(site: Path) -> None:
    """List the newest runs; then remove the folders of the others."""
    runs = sorted(_runs(site), key=lambda one: (one[0].built_at, one[0].run_id), reverse=True)
    _write(site / "index.html", _rendered("site.html", runs=[run for run, _ in runs[:KEPT_RUNS]]))
    for _, folder in runs[KEPT_RUNS:]:
        shutil.rmtree(folder)


def _runs(site: Path) -> list[tuple[Run, Path]]:
    found = []
    for path in (site / "runs").glob("[!.]*/run.json"):
        # One that another release wrote otherwise is not listed, and stays.
        with contextlib.suppress(TypeError, json.JSONDecodeError):
            found.append((Run(**json.loads(path.read_text(encoding="utf-8"))), path.parent))
    return found


def _rendered(template: str, **values: Any) -> str:
    text = resources.files("avoir").joinpath("templates", template).read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text).render(**values)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    if target.exists() and target.samefile(source):
        # To rename a link over another of the same file does nothing, and leaves both.
        return
    beside = target.with_name(f".{target.name}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:
        shutil.copyfile(source, beside)
    beside.replace(target)
