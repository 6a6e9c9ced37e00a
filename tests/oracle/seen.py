"""What a worked test sees: its months cut into the parts of versions, its instant, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from avoir.contracts.model import Clause, Contract, WorkedTest
from avoir.contracts.resolving import Inherited, inherit
from tests.oracle.business_time import (
    Interval,
    instant_us,
    local_date,
    midnight_us,
    month_after,
    month_of,
    united,
)

# --- The time that a test sees ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """The days of one version in one month: ``[first, end)``, and the same as local midnights."""

    stage: Inherited
    month: date
    first: date
    end: date
    starts_us: int
    ends_us: int

    @property
    def version_no(self) -> int:
        """Number of the version."""
        return self.stage.version.version

    @property
    def days(self) -> int:
        """Days in force, whether or not they have passed."""
        return (self.end - self.first).days


@dataclass(frozen=True)
class Window:
    """The local months that a test sees, ``as_of`` (what happens at or after it has not happened), and the
    parts of the versions in these months, in order.
    """

    zone: str
    months: tuple[date, ...]
    as_of_us: int
    parts: tuple[Part, ...]

    def part_on(self, day: date) -> Part | None:
        """Return the version's part in which a date lies: the version in force decides (DECISIONS 4)."""
        return next((part for part in self.parts if part.first <= day < part.end), None)

    def of_month(self, month: date) -> list[Part]:
        """Return a month's parts in the order of time."""
        return [part for part in self.parts if part.month == month]

    def days_in_force(self, month: date) -> int:
        """Return the days of a month in which the contract was in force."""
        return sum(part.days for part in self.of_month(month))


def window_of(contract: Contract, test: WorkedTest) -> Window:
    """Return what a test sees: the months from the first to the last that it names.

    Raises:
        ValueError: it names none.
    """
    zone = contract.timezone
    days = set(_days_named(test, zone))
    if not days:
        msg = f"the test {test.name!r} names no date"
        raise ValueError(msg)
    first, last = month_of(min(days)), month_of(max(days))
    if test.as_of is not None:
        as_of_us = instant_us(test.as_of, zone)
    else:
        as_of_us = midnight_us(month_after(last), zone)
    months = [first]
    while months[-1] < last:
        months.append(month_after(months[-1]))
    parts: list[Part] = []
    for stage in inherit(contract):
        for month in months:
            begins = max(stage.version.effective_from, month)
            ends = min(stage.valid_to, month_after(month))
            if begins < ends:
                bounds = midnight_us(begins, zone), midnight_us(ends, zone)
                parts.append(Part(stage, month, begins, ends, *bounds))
    parts.sort(key=lambda part: part.first)
    return Window(zone, tuple(months), as_of_us, tuple(parts))


def _days_named(test: WorkedTest, zone: str) -> Iterator[date]:
    """Yield a day of each month that a test names; announcements, indices and ``as_of`` name none."""
    for ticket in test.tickets:
        for event in ticket.events:
            yield local_date(instant_us(event.at, zone), zone)
    stretches = [*test.downtime, *test.probes, *test.maintenance]
    stretches += [excluded for excluded in test.exclusions if excluded.from_ is not None]
    for stretch in stretches:
        yield local_date(instant_us(stretch.from_, zone), zone)
        # An interval does not hold its end: until the first midnight of April names March.
        yield local_date(instant_us(stretch.to, zone) - 1, zone)
    for release in test.releases:
        yield from filter(None, (release.due, release.delivered))
        for replan in release.replans:
            yield from filter(None, (replan.requested, replan.approved, replan.due))
    months = {invoice.month for invoice in test.invoices}
    months |= {row.month for row in test.expect if row.month is not None}
    yield from (date.fromisoformat(f"{month}-01") for month in months)


# --- What is left out -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exclusion:
    """An accepted claim: one ticket, one release, or a stretch of a service's time."""

    ground: str
    ticket: str | None
    release: str | None
    service: str | None
    stretch: Interval | None

    def touches(self, clause: Clause, stage: Inherited) -> bool:
        """Whether its ground is one of the version's and covers the clause."""
        ground = stage.terms.exclusions.get(self.ground)
        return ground is not None and (not ground.clauses or clause.id in ground.clauses)


def exclusions_of(contract: Contract, test: WorkedTest, window: Window) -> list[Exclusion]:
    """Return the claims that count: those of the test at once, those of the file once accepted."""
    accepted = [
        decision
        for decision in contract.exclusion_decisions
        if midnight_us(decision.accepted_on, window.zone) <= window.as_of_us
    ]
    exclusions: list[Exclusion] = []
    for claim in [*accepted, *test.exclusions]:
        stretch = None
        if claim.from_ is not None and claim.to is not None:
            stretch = instant_us(claim.from_, window.zone), instant_us(claim.to, window.zone)
        exclusions.append(Exclusion(claim.ground, claim.ticket, claim.release, claim.service, stretch))
    return exclusions


def excluded_time(exclusions: Iterable[Exclusion], clause: Clause, stage: Inherited) -> list[Interval]:
    """Return the excluded stretches that a clause of a version leaves out, as a union."""
    return united(
        exclusion.stretch
        for exclusion in exclusions
        if exclusion.stretch is not None
        and exclusion.service == clause.service
        and exclusion.touches(clause, stage)
    )
