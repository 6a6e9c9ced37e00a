"""A register on a real Postgres: every state of an entry is kept, also one that it had before."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from avoir.loading import load_window, next_window
from avoir.sources import register_file
from avoir.sources.model import SourceConnection
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked

pytestmark = pytest.mark.warehouse

START = datetime(2026, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def test_states_of_an_entry_are_kept_and_a_rerun_changes_nothing(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    known = register_file.SYSTEM.options
    given = {"register": "risks", "key": ["Id"], "columns": {"Id": "text", "Owner": "text"}}
    source = SourceConnection(
        name="risks",
        system="register_file",
        url=str(tmp_path),
        history_from=START,
        options={name: one.check(given.get(name, one.default)) for name, one in known.items()},
    )
    nights = [("Ann", "Bo"), ("Bo", "Bo"), ("Bo", "Bo"), ("Ann", None), ("Ann", "Bo")]
    landed = []
    for day, owners in enumerate(nights, start=1):
        rows = [f"R{n},{owner}" for n, owner in enumerate(owners, start=1) if owner is not None]
        path = tmp_path / "risks.csv"
        path.write_text("\n".join(["Id,Owner", *rows, ""]))
        os.utime(path, (START.timestamp(), START.timestamp()))
        with bare_warehouse.warehouse.connect("avoir_loader") as connection:
            window = next_window(connection, source, START + day * DAY)
            assert window is not None
            landed.append(load_window(connection, source, window).landed_by_table["entries"])
            assert load_window(connection, source, window).rows_landed == 0
    assert landed == [2, 1, 0, 2, 1]
    rows_of = asked(
        bare_warehouse,
        """
        select entry_key, fields ->> 'Owner' as owner, is_gone, observed_from <> '' as was_known
        from raw_register.entries where _source_name = 'risks' order by entry_key, version_no
        """,
    )
    assert [tuple(row.values()) for row in rows_of] == [
        ("R1", "Ann", "false", False),
        ("R1", "Bo", "false", True),
        ("R1", "Ann", "false", True),
        ("R2", "Bo", "false", False),
        ("R2", "Bo", "true", True),
        ("R2", "Bo", "false", True),
    ]
    columns = asked(bare_warehouse, "select column_name, is_declared from raw_register.columns order by 1")
    assert [tuple(row.values()) for row in columns] == [("Id", "true"), ("Owner", "true")]
