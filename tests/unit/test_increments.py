"""Which tables a change of code makes anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from avoir.increments import incremental_models
from avoir.settings import CHECKOUT

PROJECT = CHECKOUT / "dbt_project"


def test_every_incremental_model_of_the_manifest_is_known_with_its_schema(tmp_path: Path) -> None:
    subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"),
            "--quiet",
            "parse",
            "--project-dir",
            str(PROJECT),
            "--target-path",
            str(tmp_path),
        ],
        env={**os.environ, "DBT_PROFILES_DIR": str(PROJECT), "DBT_LOG_PATH": str(tmp_path / "logs")},
        check=True,
    )
    nodes = json.loads((tmp_path / "manifest.json").read_text())["nodes"].values()
    wanted = sorted(
        f"{node['schema']}.{node['name']}"
        for node in nodes
        if node["config"].get("materialized") == "incremental"
    )
    assert len(wanted) > 5
    assert incremental_models(PROJECT) == wanted
