"""Probes of each platform, what went wrong behind them, and the maintenance the vendor announced.

A probe answers every 300 seconds, 1 for up and 0 for down; while the monitor itself is broken there is no
probe at all. Outages and gaps are drawn per vendor and month, except in the months that are told by hand.
Instants of probes are milliseconds since 1970, everything else is in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta

from avoir.demo.history import Row, sys_id
from avoir.demo.months import Month, as_servicenow, local_epoch
from avoir.demo.tickets import clock_change_days
from avoir.demo.vendors import FIRST_MONTH, PROBE_INTERVAL_SECONDS, Vendor

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Span:
    """Half-open, in seconds since 1970."""

    start: int
    end: int


@dataclass(frozen=True)
class Maintenance:
    """A planned outage; ``announced`` is when its record was created."""

    start: int
    end: int
    announced: int


@dataclass
class Weather:
    """What happened to one platform in the tellings of one month; a span may reach into the next."""

    outages: list[Span] = field(default_factory=list)
    gaps: list[Span] = field(default_factory=list)
    maintenances: list[Maintenance] = field(default_factory=list)


def _at(vendor: Vendor, day: date, clock: str) -> int:
    return local_epoch(day, time.fromisoformat(clock), vendor.zone)


def _probes_down(vendor: Vendor, start: int, probes: int) -> Span:
    """An outage that swallows exactly so many probes, from the first one at or after ``start``."""
    offset, step = vendor.probe_offset_ms / 1000, PROBE_INTERVAL_SECONDS
    first = start + (offset - start) % step
    return Span(int(first) - 1, int(first) - 1 + probes * step)


def _exactly_on_the_allowance(vendor: Vendor, month: Month) -> Weather:
    """2 592 000 s less 12 000 s of announced maintenance allow 12 900 s at 99.5 %: 43 probes. Met."""
    start = _at(vendor, month.first_day + timedelta(days=12), "02:00")
    maintenance = Maintenance(start, start + 12_000, start - 10 * DAY)
    outage = _probes_down(vendor, _at(vendor, month.first_day + timedelta(days=20), "10:00"), 43)
    return Weather([outage], [], [maintenance])


def _just_over_the_allowance(vendor: Vendor, month: Month) -> Weather:
    """One second more of maintenance allows 12 899.995 s, so the same 43 probes are a breach by 5 ms."""
    met = _exactly_on_the_allowance(vendor, month)
    maintenance = met.maintenances[0]
    longer = Maintenance(maintenance.start, maintenance.end + 1, maintenance.announced)
    return Weather(met.outages, [], [longer])


def _down_over_the_month_end(vendor: Vendor, month: Month) -> Weather:
    """Six hours down across the local midnight that ends the month, and maintenance across it too."""
    midnight = month.bounds(vendor.zone)[1]
    maintenance = Maintenance(midnight + 2 * HOUR, midnight + 3 * HOUR, midnight - 8 * DAY)
    return Weather([Span(midnight - 4 * HOUR, midnight + 2 * HOUR + 1)], [], [maintenance])


def _maintenance_over_the_month_end(vendor: Vendor, month: Month) -> Weather:
    midnight = month.bounds(vendor.zone)[1]
    maintenance = Maintenance(midnight - 90 * MINUTE, midnight + 45 * MINUTE, midnight - 9 * DAY)
    return Weather([Span(midnight - 2 * HOUR, midnight + HOUR)], [], [maintenance])


def _announced_in_the_last_second(vendor: Vendor, month: Month) -> Weather:
    """Notice given in the last second that is in time, and for another in the first that is not."""
    notice = vendor.versions[-1].platform.notice_hours * HOUR
    first = _at(vendor, month.first_day + timedelta(days=8), "22:00")
    second = _at(vendor, month.first_day + timedelta(days=15), "22:00")
    return Weather(
        [Span(first + 10 * MINUTE, first + 2 * HOUR), Span(second + 10 * MINUTE, second + 2 * HOUR)],
        [],
        [
            Maintenance(first, first + 2 * HOUR, first - notice),
            Maintenance(second, second + 2 * HOUR, second - notice + 1),
        ],
    )


Teller = Callable[[Vendor, Month], Weather]

TOLD_BY_HAND: Mapping[tuple[str, Month], Teller] = {
    ("helios", Month(2025, 4)): _exactly_on_the_allowance,
    ("borealis", Month(2025, 6)): _just_over_the_allowance,
    ("hudson", Month(2025, 7)): _down_over_the_month_end,
    ("kaveri", Month(2025, 9)): _down_over_the_month_end,
    ("thornbury", Month(2025, 11)): _maintenance_over_the_month_end,
    ("tejo", Month(2025, 12)): _maintenance_over_the_month_end,
    ("helios", Month(2026, 5)): _announced_in_the_last_second,
    ("kaveri", Month(2026, 6)): _announced_in_the_last_second,
}
"""Months without chance in them: each is a case whose result is known beforehand."""


def _outage_length(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.55:
        return rng.randint(4 * MINUTE, 20 * MINUTE)
    if kind < 0.88:
        return rng.randint(20 * MINUTE, 90 * MINUTE)
    return rng.randint(2 * HOUR, 7 * HOUR)


def _drawn(vendor: Vendor, month: Month, seed: int) -> Weather:
    """A month as chance has it. Nothing drawn crosses a month end: that is left to months told by hand."""
    rng = random.Random(f"{seed}/{vendor.vendor_id}/uptime/{month}")
    start, end = month.bounds(vendor.zone)
    weather = Weather()

    def somewhere(length: int) -> Span:
        begin = rng.randrange(start + HOUR, end - length - HOUR)
        return Span(begin, begin + length)

    outages = round(rng.gammavariate(2.0, 1.1) * vendor.outage_rate)
    weather.outages += [somewhere(_outage_length(rng)) for _ in range(outages)]
    weather.gaps += [somewhere(rng.randint(10 * MINUTE, 150 * MINUTE)) for _ in range(rng.randint(0, 2))]
    weather.gaps += [somewhere(PROBE_INTERVAL_SECONDS) for _ in range(rng.randint(1, 4))]
    for _ in range(rng.randint(1, 2)):
        day = month.first_day + timedelta(days=rng.randint(1, 26))
        begin = _at(vendor, day, rng.choice(("20:30", "22:00", "23:30", "05:00")))
        finish = begin + rng.randint(2, 8) * 30 * MINUTE
        announced = begin - rng.choice((1, 2, 3, 4, 5, 7, 10, 14)) * DAY - rng.randint(-3 * HOUR, 3 * HOUR)
        weather.maintenances.append(Maintenance(begin, finish, announced))
        kind = rng.random()
        if kind < 0.35:  # down within the window
            weather.outages.append(Span(begin + 5 * MINUTE, finish - 10 * MINUTE))
        elif kind < 0.60:  # and the work ran over
            weather.outages.append(Span(begin + 15 * MINUTE, finish + rng.randint(5, 40) * MINUTE))
        elif kind < 0.70:  # a second window that overlaps the first one
            weather.maintenances.append(Maintenance(finish - 30 * MINUTE, finish + HOUR, announced - HOUR))
    for day in clock_change_days(vendor, month):
        weather.outages.append(Span(_at(vendor, day, "00:40"), _at(vendor, day, "03:50")))
    return weather


def tell_weather(vendor: Vendor, month: Month, seed: int) -> Weather:
    """What happened to the platform in a month."""
    by_hand = TOLD_BY_HAND.get((vendor.vendor_id, month))
    return by_hand(vendor, month) if by_hand else _drawn(vendor, month, seed)


def _inside(spans: Sequence[Span]) -> Callable[[float], bool]:
    """Whether an instant lies in any of the spans, asked in rising order."""
    ordered = sorted(spans, key=lambda span: span.start)
    position, reach = 0, -1

    def covers(instant: float) -> bool:
        nonlocal position, reach
        while position < len(ordered) and ordered[position].start <= instant:
            reach = max(reach, ordered[position].end)
            position += 1
        return instant < reach

    return covers


def probe(
    vendor: Vendor, weathers: Sequence[Weather], start: int, end: int, seed: int
) -> list[tuple[int, int]]:
    """Probes as (milliseconds since 1970, value), one every 300 seconds from ``start`` to before ``end``."""
    is_down = _inside([span for weather in weathers for span in weather.outages])
    is_silent = _inside([span for weather in weathers for span in weather.gaps])
    step_ms = PROBE_INTERVAL_SECONDS * 1000
    start_ms = start * 1000
    first_ms = start_ms + (vendor.probe_offset_ms - start_ms) % step_ms
    samples = []
    for tick_ms in range(first_ms, end * 1000, step_ms):
        at_ms = tick_ms
        if (
            vendor.probe_jitter_ms
        ):  # depends on the tick alone, so that any part of history comes out the same
            at_ms += (tick_ms // step_ms * 2_654_435_761 + seed) % 4_294_967_296 % vendor.probe_jitter_ms
        at = at_ms / 1000
        silent, down = is_silent(at), is_down(at)
        if not silent and at_ms < end * 1000:
            samples.append((at_ms, 0 if down else 1))
    return samples


def outage_rows(vendor: Vendor, month: Month, weather: Weather, seed: int, as_of: int) -> list[Row]:
    """``cmdb_ci_outage`` rows: what the vendor announced, and the outages it admits to afterwards."""
    rng = random.Random(f"{seed}/{vendor.vendor_id}/outage rows/{month}")
    told: list[tuple[str, str, int, int, int]] = [
        ("planned", vendor.monitor, planned.start, planned.end, planned.announced)
        for planned in weather.maintenances
    ]
    for outage in weather.outages:
        if outage.end - outage.start >= 20 * MINUTE:
            begin = outage.start // MINUTE * MINUTE
            told.append(("outage", vendor.monitor, begin, outage.end, outage.end + rng.randint(HOUR, DAY)))
    if (month.month + len(vendor.vendor_id)) % 3 == 0:  # planned work on something that no clause is about
        begin = _at(vendor, month.first_day + timedelta(days=10), "01:00")
        told.append(("planned", f"{vendor.vendor_id}-backup", begin, begin + 6 * HOUR, begin - 10 * DAY))
    number = ((month.year - FIRST_MONTH.year) * 12 + month.month) * 100
    return [
        {
            "sys_id": sys_id(seed, vendor.vendor_id, "outage", month, index),
            "number": f"OUT{number + index:07d}",
            "cmdb_ci": item,
            "business_service": item,
            "type": kind,
            "begin": as_servicenow(begin),
            "end": as_servicenow(end),
            "sys_created_on": as_servicenow(announced),
            "sys_updated_on": as_servicenow(announced),
        }
        for index, (kind, item, begin, end, announced) in enumerate(told)
        if announced <= as_of
    ]
