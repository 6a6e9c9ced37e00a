"""From a Redmine server to clocks: what happened there is what the contract's clocks say, twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vendors.redmine import RedmineServer
from tests.vendors.serving import connection_to, serving
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.redmine_nights import SOURCE, two_nights

pytestmark = pytest.mark.warehouse


def test_what_happened_in_redmine_is_what_its_clocks_say(
    bare_warehouse: BareWarehouse, tmp_path: Path
) -> None:
    redmine = RedmineServer()
    with serving(redmine) as url:
        two_nights(bare_warehouse, tmp_path, redmine, connection_to(url, "redmine", name=SOURCE))
