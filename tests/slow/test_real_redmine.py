"""A real Redmine: what happened in it is what its clocks say, and its answers are those we test against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vendors.real_redmine import RealRedmine, running_redmine
from tests.vendors.serving import connection_to
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.redmine_nights import SOURCE, two_nights

pytestmark = pytest.mark.warehouse


@pytest.fixture(scope="module")
def redmine() -> Iterator[RealRedmine]:
    """On a machine that keeps the time of Paris, as Redmine then does."""
    with running_redmine("Europe/Paris") as one:
        yield one


def test_what_happened_in_a_real_redmine_is_what_its_clocks_say(
    redmine: RealRedmine, bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    source = connection_to(redmine.url, "redmine", name=SOURCE, projects=["support", "network"])
    two_nights(bare_warehouse, tmp_path, redmine, source)
