"""A night: one more day lands on months of history and dbt builds what it touches; beside it, everything."""

from __future__ import annotations

# ruff: noqa: S608 - the statements are made of this folder's own names and numbers.
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import vendors
from measuring_cpu import Cluster, Cost
from project import Project
from results import Result
from sizes import Size

MODELS = (
    "+fct_ticket_clocks +fct_availability_months +fct_milestones +built_batches +built_hashes +built_instants"
)
"""What a night builds: the facts, and the record of what was built, by which a night finds what is new."""

_RAW = ("prometheus.samples", "servicenow.incident", "servicenow.sys_audit", "servicenow.sys_journal_field")
_END = date(2026, 1, 15)
_CONTRACTS, _SUPPORTS, _PLATFORMS, _PROBE_SECONDS = 20, 2, 2, 300

_MOST_SPREAD = 0.2

Say = Callable[[str], None]


def nightly_increment(running: Cluster, size: Size, say: Say) -> Iterator[Result]:
    """One more day on three months to two years of history."""
    measured = [_night(running, size, months, say) for months in size.nightly_months]
    least, most = min(one.cpu_s for one in measured), max(one.cpu_s for one in measured)
    for one in measured:
        spread = one.cpu_s / least - 1
        is_flat = spread <= _MOST_SPREAD
        yield replace(
            one,
            note=f"{one.note}; the dearest of these nights {most / least - 1:.0%} above the cheapest",
            also_missed=None if is_flat else f"{spread:.0%} more than the cheapest of these nights",
        )


def _night(running: Cluster, size: Size, months: int, say: Say) -> Result:
    first_day = _months_before(_END, months)
    ends = _END + timedelta(days=size.nights)
    with running.database(f"nightly_{months}") as database:
        say(f"{months} months of history")
        vendors.load_vendors(
            database, running.home / f"contracts_{months}", contracts=_CONTRACTS, supports=_SUPPORTS,
            platforms=_PLATFORMS, probe_seconds=_PROBE_SECONDS, first_day=first_day, as_of=_midnight(_END),
        )  # fmt: skip
        vendors.draw_tickets(
            database,
            contracts=_CONTRACTS,
            supports=_SUPPORTS,
            a_day=size.tickets_a_day,
            first_day=first_day,
            end=ends,
        )
        vendors.make_partitions(database, first_day, ends)
        monitors = [f"platform-{n}-{m}" for n in range(_CONTRACTS) for m in range(_PLATFORMS)]

        def land(from_day: date, to_day: date) -> None:
            vendors.land_batches(database, from_day, to_day)
            vendors.land_tickets(
                database, contracts=_CONTRACTS, platforms=_PLATFORMS, first_day=from_day, end=to_day
            )
            vendors.land_probes(
                database,
                monitors,
                first_day=from_day,
                end=to_day,
                probe_seconds=_PROBE_SECONDS,
            )

        land(first_day, _END)
        database.run("vacuum analyze")
        rows = sum(database.number(f"select count(*) from raw_{table}") for table in _RAW)
        project = Project(database)
        full = running.cost(partial(project.run, as_of=_midnight(_END), select=MODELS))
        say(f"{rows:,} raw rows; a build of everything: {full.cpu_s:.1f} s")
        nights: list[Cost] = []
        for night in range(1, size.nights + 1):
            day = _END + timedelta(days=night)
            land(day - timedelta(days=1), day)
            nights.append(running.cost(partial(project.run, as_of=_midnight(day), select=MODELS)))
            say(f"night {night}: {nights[-1].cpu_s:.1f} s")
        dearest = project.dearest(12)
        clocks = database.number("select count(*) from facts.fct_ticket_clocks")
    return Result(
        name=f"nightly_increment_{months}",
        rows=rows,
        cpu_s=min(one.cpu_s for one in nights),
        bound="a build of everything over the same history",
        bound_cpu_s=full.cpu_s,
        note=(
            f"{_CONTRACTS} contracts, {size.tickets_a_day} tickets and "
            f"{len(monitors) * 86_400 // _PROBE_SECONDS:,} probes a day, {clocks:,} clocks; all processes of "
            f"the server while dbt runs, the cheapest of nights: {size.nights}"
        ),
        most_of_bound=0.1 if months >= 24 else None,
        plan=f"the dearest models of the last night, by wall time of four threads on one server:\n{dearest}",
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _months_before(day: date, months: int) -> date:
    year, zero_based = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, zero_based + 1, 1)
