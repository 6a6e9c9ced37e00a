"""The walls between the rooms hold, and each rule that holds one catches a planted offence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from avoir.settings import CHECKOUT

RUFF = Path(sys.executable).with_name("ruff")


@pytest.mark.parametrize(
    ("where", "offence", "code"),
    [
        ("plugins/avoir/planted.py", "from airflow.sdk import DAG\n", "TID251"),
        ("plugins/avoir/planted.py", "import airflow\n", "TID251"),
        ("plugins/avoir/planted.py", "import datetime\n\nNOW = datetime.datetime.now()\n", "TID251"),
        ("plugins/avoir/planted.py", "from datetime import date\n\nNOW = date.today()\n", "TID251"),
        ("plugins/avoir/planted.py", "import time\n\nNOW = time.time()\n", "TID251"),
        ("plugins/avoir/planted.py", "import great_expectations\n", "TID253"),
        ("plugins/avoir/planted.py", "import dlt\n", "TID253"),
        ("dags/planted.py", "import great_expectations\n", "TID253"),
        ("dags/planted.py", "from cosmos import DbtTaskGroup\n", "TID253"),
        ("plugins/avoir/planted.py", 'import hashlib\n\nX = hashlib.md5(b"")\n', "S324"),
    ],
)
def test_a_planted_offence_is_caught(where: str, offence: str, code: str) -> None:
    result = subprocess.run(
        [RUFF, "check", "--stdin-filename", where, "--output-format", "concise", "-"],
        input=offence,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert code in result.stdout, f"no rule caught:\n{offence}"


def test_the_library_is_importable_without_airflow_and_without_anything_heavy() -> None:
    program = (
        "import sys, pkgutil, importlib, avoir\n"
        "for name in ('airflow', 'cosmos', 'great_expectations', 'dlt', 'dbt', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        "seen = 0\n"
        "for module in pkgutil.walk_packages(avoir.__path__, 'avoir.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "        seen += 1\n"
        "print(seen)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 40


def test_airflow_does_not_execute_the_library() -> None:
    assert (CHECKOUT / "plugins" / ".airflowignore").read_text().split() == ["*"]


def test_no_file_speaks_of_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    files = [CHECKOUT / name for name in listed.stdout.split("\n") if name]
    assert len(files) > 100
    for path in files:
        if path.suffix in {".png", ".lock"} or path == Path(__file__) or not path.exists():
            continue
        text = path.read_text(errors="ignore")
        for word in ("/work" + "/main", "/work" + "/shared", "/root" + "/"):
            assert word not in text, f"{path} names {word}"
