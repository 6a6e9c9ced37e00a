"""The fixtures of the warehouse tests, for servers that take longer to come and to tell something."""

from __future__ import annotations

from tests.warehouse.conftest import _ports_of_its_own, bare_warehouse

__all__ = ["_ports_of_its_own", "bare_warehouse"]
