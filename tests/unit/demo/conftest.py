"""A small world, built once for all tests of the demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avoir.demo.world import WorldPaths, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldPaths:
    """Two vendors, the last three months: one Factur-X vendor that pages badly, one UBL vendor."""
    return build_world(tmp_path_factory.mktemp("demo") / "world", vendors=["kaveri", "thornbury"], months=3)


@pytest.fixture(scope="session")
def whole_history(tmp_path_factory: pytest.TempPathFactory) -> WorldPaths:
    """All 18 months of the vendors with the telling months: exact allowances, an amendment, a correction."""
    vendors = ["helios", "borealis", "tejo"]
    return build_world(tmp_path_factory.mktemp("demo_whole") / "world", vendors=vendors)


@pytest.fixture(scope="session")
def truth_of() -> Callable[[WorldPaths], dict[str, Any]]:
    """Reads the truth of a world."""

    def read(paths: WorldPaths) -> dict[str, Any]:
        truth: dict[str, Any] = json.loads(paths.truth_file.read_text(encoding="utf-8"))
        return truth

    return read


@pytest.fixture(scope="session")
def rows_of() -> Callable[[WorldPaths, str, str], list[dict[str, str]]]:
    """Reads a table of a vendor."""

    def read(paths: WorldPaths, vendor: str, table: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = json.loads(
            Path(paths.table_file(vendor, table)).read_text(encoding="utf-8")
        )
        assert rows
        return rows

    return read
