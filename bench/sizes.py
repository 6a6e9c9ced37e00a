"""How much is measured: a full run for the figures that are told, a small one for every change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Numbers of rows of each piece.

    Attributes:
        calendars: of the pieces that measure business time.
        intervals: of the piece of that name.
        phases: clocks with pauses and targets, about 4.5 events each.
        fanned_out: how many intervals or clocks the peer is given.
        checked: how many answers are compared with exact arithmetic.
        services: probed once a minute.
        probed_months: months of probes, the last of which is measured.
        nightly_months: months of history before the nightly increment.
        nights: how many follow each other, of which the cheaper one counts.
        tickets_a_day: opened in all contracts of the increment.
    """

    calendars: int
    intervals: int
    phases: int
    fanned_out: int
    checked: int
    services: int
    probed_months: int
    nightly_months: tuple[int, ...]
    nights: int
    tickets_a_day: int


SIZES = {
    "full": Size(
        calendars=500,
        intervals=1_000_000,
        phases=1_200_000,
        fanned_out=10_000,
        checked=3_000,
        services=100,
        probed_months=11,
        nightly_months=(3, 6, 12, 24),
        nights=3,
        tickets_a_day=500,
    ),
    "small": Size(
        calendars=60,
        intervals=100_000,
        phases=50_000,
        fanned_out=2_000,
        checked=300,
        services=10,
        probed_months=4,
        nightly_months=(1,),
        nights=1,
        tickets_a_day=100,
    ),
}
