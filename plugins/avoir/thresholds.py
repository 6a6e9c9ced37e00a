"""How much a month may differ from what is usual before the gate holds it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Thresholds:
    """Limits of the reconciliations; a value on its limit is within it."""

    coverage_pct: Decimal = Decimal(90)
    """Least share of a month's time that probes must cover (``AVOIR_GATE_COVERAGE_PCT``)."""
    volume_drop_pct: Decimal = Decimal(30)
    """Least volume of a month, in percent of the usual one (``AVOIR_GATE_VOLUME_DROP_PCT``)."""
    volume_rise_pct: Decimal = Decimal(400)
    """Greatest volume of a month, in percent of the usual one (``AVOIR_GATE_VOLUME_RISE_PCT``)."""
    reported_minutes: Decimal = Decimal(60)
    """Minutes by which the vendor's own downtime may differ unnoted (``AVOIR_GATE_REPORTED_MINUTES``)."""
