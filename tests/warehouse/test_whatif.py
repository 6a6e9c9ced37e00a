"""What-if on a published warehouse: only the changed clause differs, and nothing published changes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from avoir.contracts.check import files_at
from avoir.contracts.whatif import WhatIfError, replay
from tests.warehouse.conftest import PublishedWarehouse

pytestmark = pytest.mark.warehouse

FIRST, LAST = date(2025, 1, 1), date(2026, 12, 1)


def changed(published: PublishedWarehouse, tmp_path: Path, old: str, new: str) -> Path:
    """The first vendor's contract with one text exchanged."""
    text = (published.settings.contracts_dir / "helios" / "HEL-2024-01.yml").read_text()
    assert text.count(old) == 1
    path = tmp_path / "HEL-2024-01.yml"
    path.write_text(text.replace(old, new))
    return path


def test_an_unchanged_contract_costs_what_is_published(published: PublishedWarehouse, tmp_path: Path) -> None:
    path = changed(published, tmp_path, 'amount: "750.00"', 'amount: "750.00"')
    (file,) = files_at([path])
    months = replayed(published, file)
    assert months
    assert {one.difference_amount for one in months} == {Decimal(0)}
    assert sum(one.published_amount or 0 for one in months) > 0


def test_a_dearer_release_changes_its_clause_alone_and_publishes_nothing(
    published: PublishedWarehouse, tmp_path: Path
) -> None:
    before = published.mart_hash()
    (file,) = files_at([changed(published, tmp_path, 'amount: "750.00"', 'amount: "1000.00"')])
    months = replayed(published, file)
    releases = [one for one in months if one.clause_id == "SLA-3"]
    others = [one for one in months if one.clause_id != "SLA-3"]
    assert releases
    assert others
    assert all(one.difference_amount == 0 for one in others)
    for one in releases:
        assert one.published_amount is not None
        assert one.whatif_amount == one.published_amount / 750 * 1000
    assert published.mart_hash() == before
    with published.connect() as connection:
        left = connection.execute(
            r"select nspname from pg_namespace where nspname like 'scratch\_%'"
        ).fetchall()
    assert left == []


def test_a_contract_that_was_never_published_is_compared_with_nothing(
    published: PublishedWarehouse, tmp_path: Path
) -> None:
    (file,) = files_at([changed(published, tmp_path, "contract: HEL-2024-01", "contract: HEL-2099-01")])
    with pytest.raises(WhatIfError, match="no month of HEL-2099-01 is published"):
        replayed(published, file)


def replayed(published: PublishedWarehouse, file):
    """The replay over all that is published."""
    return replay(
        published.here.warehouse.url("avoir_transformer"),
        published.here.environment,
        file,
        project=published.settings.checkout / "dbt_project",
        as_of=published.as_of,
        first=FIRST,
        last=LAST,
    )
