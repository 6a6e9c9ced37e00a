"""Runs dbt: the manifest that Airflow draws from, a whole build outside Airflow, the docs.

dbt runs as its own process, so that its logging, its signal handlers and its memory stay there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from avoir.processes import die_with_parent

_OFFLINE = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'none'\">"
)


class ModellingError(RuntimeError):
    """dbt ended with an error; the message carries the end of its log."""


def run_dbt(
    arguments: Sequence[str], *, project: Path, environment: Mapping[str, str], echo: bool = False
) -> str:
    """Run one dbt command and return what it printed; it ends with its caller, however that one ends.

    Raises:
        ModellingError: dbt failed.
    """
    executable = shutil.which("dbt", path=str(Path(sys.executable).parent)) or "dbt"
    process = subprocess.Popen(
        [executable, "--no-use-colors", *arguments, "--project-dir", str(project)],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one system call, nothing that locks
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if echo:
            print(line, end="", flush=True)
    if process.wait() != 0:
        raise ModellingError(f"dbt {arguments[0]} failed:\n" + "".join(lines[-60:]))
    return "".join(lines)


def parse_project(project: Path, environment: Mapping[str, str], *, manifest: Path) -> Path:
    """Make the manifest unless it already stands for the project's present files; returns its path.

    It is renamed into place: Airflow reads it at any moment, and a later ``dbt build`` must not rewrite it.
    """
    stamp = manifest.with_suffix(".sha256")
    digest = project_sha256(project)
    if not (manifest.exists() and stamp.exists() and stamp.read_text() == digest):
        target = manifest.parent / "dbt_target" / "parse"
        run_dbt(["parse", "--target-path", str(target)], project=project, environment=environment)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        (target / "manifest.json").replace(manifest)
        stamp.write_text(digest)
    return manifest


def build_project(
    project: Path,
    environment: Mapping[str, str],
    *,
    as_of: datetime,
    target: Path,
    arguments: Sequence[str] = (),
    echo: bool = False,
) -> str:
    """One ``dbt build`` of the whole project for an instant; unit tests belong to the test suite."""
    variables = json.dumps({"as_of": as_of.isoformat()})
    command = ["build", "--exclude-resource-type", "unit_test", "--target-path", str(target)]
    command += ["--vars", variables, *arguments]
    return run_dbt(command, project=project, environment=environment, echo=echo)


def write_docs(
    project: Path,
    environment: Mapping[str, str],
    *,
    target: Path,
    page: Path,
    arguments: Sequence[str] = (),
) -> Path:
    """Make the documentation of the models as one page that needs no server and fetches nothing.

    The warehouse must be up: dbt reads from it what the tables are. The page is renamed into place; its path
    is returned. ``target`` has the compiled manifest afterwards.

    Raises:
        ModellingError: dbt failed, or its page has no head to forbid the network in.
    """
    run_dbt(
        ["docs", "generate", "--static", "--target-path", str(target), *arguments],
        project=project,
        environment=environment,
    )
    text = (target / "static_index.html").read_text(encoding="utf-8")
    if "<head>" not in text:
        raise ModellingError("the page of dbt docs has no <head> to forbid the network in.")
    page.parent.mkdir(parents=True, exist_ok=True)
    beside = page.with_suffix(".html.part")
    beside.write_text(text.replace("<head>", f"<head>{_OFFLINE}", 1), encoding="utf-8")
    beside.replace(page)
    return page


def project_sha256(project: Path) -> str:
    """Hash of every file of the dbt project that can change what it builds."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        if path.suffix in {".sql", ".yml", ".md"} and "target" not in path.parts:
            digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
