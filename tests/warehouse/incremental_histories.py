"""Made-up histories of four months, and how their rows are dealt into nights.

A history is read off a string of bytes, one choice per byte. Rows come when they happen, or late, or before
the instant that a build believes in, or twice; records change after a build that knew them otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from avoir.contracts.instants import microseconds
from avoir.contracts.planting import RAW_COLUMNS
from avoir.contracts.scratch import Scratch
from tests.oracle.choices import Choices
from tests.warehouse.incremental_contracts import ENDS, Decision, Known

BYTES_OF_A_HISTORY = 3_000
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
HOURS = 24 * 120
MOST_NIGHTS = 5
RIPE = 7
# Ends of months in Paris and in UTC among them: there a month is over, and what it ends in may not be.
NIGHTS = (
    "2025-01-20T06:00", "2025-01-31T23:00", "2025-02-01T00:00", "2025-02-02T06:00", "2025-02-14T06:00",
    "2025-02-28T23:00", "2025-03-01T00:00", "2025-03-03T06:00", "2025-03-10T06:00", "2025-03-20T06:00",
    "2025-03-31T22:00", "2025-04-02T06:00", "2025-04-15T06:00", "2025-05-01T00:00", "2025-05-05T06:00",
)  # fmt: skip
BROKEN_OFF = (
    ("+fct_ticket_clocks",),
    ("+fct_ticket_clock_teams",),
    ("+fct_availability_months",),
    ("+fct_outages",),
    ("+int_ticket_events", "+int_probe_intervals"),
    ("+fct_ticket_clocks", "+fct_ticket_clock_teams", "+fct_outages", "+fct_availability_months"),
)
"""How far a build comes that does not come to its end."""

COLUMNS = {
    **RAW_COLUMNS,
    **{
        table: (*RAW_COLUMNS[table], "sys_updated_on")
        for table in ("raw_servicenow.incident", "raw_servicenow.rm_release", "raw_servicenow.cmdb_ci_outage")
    },
    "raw_upptime.checks": (
        "_source_name", "_batch_id", "_source_row", "_row_hash", "checked_at", "slug", "status",
    ),
    "raw_monitoring.states": (
        "_source_name", "_batch_id", "_source_row", "_row_hash", "monitor", "from_at", "to_at", "state",
    ),
    "raw_upptime.published": (
        "_source_name", "_batch_id", "_source_row", "_row_hash", "slug", "last_updated", "uptime",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """A row that a vendor gives, and when it happened."""

    source: str
    table: str
    at: datetime
    values: tuple[object, ...]

    @property
    def seen_at(self) -> datetime | None:
        """When a monitor saw it, or from when on; None of what no monitor saw."""
        if self.table == "raw_monitoring.states":
            start = self.values[1]
            assert isinstance(start, datetime)
            return start
        return self.at if self.table in ("raw_prometheus.samples", "raw_upptime.checks") else None


@dataclass(frozen=True)
class Night:
    """What lands and what is known of contracts before a build, and the instant that it believes in."""

    as_of: datetime
    landed: tuple[Record, ...] = ()
    known: Known = field(default_factory=Known)
    broken_off: tuple[str, ...] | None = None


@dataclass(frozen=True)
class History:
    """Nights in order, and how their batches are numbered: a load may commit after one that began later."""

    nights: tuple[Night, ...]
    batch_ids: tuple[int, ...]

    def described(self) -> str:
        """The nights in a line each."""
        return "\n".join(
            f"{night.as_of:%m-%dT%H} landed {len(night.landed)}, amended {night.known.is_amended},"
            f" south until {night.known.south_until},"
            f" exclusions {[one.decision_id for one in night.known.decisions]},"
            f" broken off at {night.broken_off}"
            for night in self.nights
        )


SOURCES = ("desk", "probes", "status")


def land(scratch: Scratch, records: tuple[Record, ...], batch_ids: dict[str, int]) -> None:
    """Copy rows into the raw tables, a batch of each source, whose window holds all that came with it."""
    by_table: dict[str, list[tuple[object, ...]]] = {}
    by_source: dict[str, list[Record]] = {}
    for number, record in enumerate(records, start=1):
        of_source = by_source.setdefault(record.source, [])
        of_source.append(record)
        row_hash = (str(number),) if "_row_hash" in COLUMNS[record.table] else ()
        row = (record.source, batch_ids[record.source], len(of_source), *row_hash, *record.values)
        by_table.setdefault(record.table, []).append(row)
    for table, rows in by_table.items():
        scratch.copy(table, COLUMNS[table], rows)
    for source, of_source in by_source.items():
        instants = [record.at for record in of_source]
        count = len(of_source)
        window = (min(instants), max(instants) + timedelta(seconds=1))
        seen = [record.seen_at for record in of_source if record.seen_at is not None]
        stretch = (min(seen), max(seen) + timedelta(microseconds=1)) if seen else (window[1], window[1])
        scratch.copy(
            "loads.batches",
            (
                "batch_id", "source_name", "system", "window_from", "window_to", "rows_read", "rows_landed",
                "rows_duplicate", "rows_rejected", "started_at", "landed_at", "landed_from", "landed_to",
            ),
            [(batch_ids[source], source, source, *window, count, count, 0, 0, *window[1:] * 2, *stretch)],
        )  # fmt: skip


def text(at: datetime) -> str:
    """An instant as ServiceNow gives it."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def hour(number: float) -> datetime:
    """The instant that many hours after the first."""
    return FIRST + timedelta(hours=number)


def sample(monitor: str, at: datetime, *, is_up: bool) -> Record:
    return Record("probes", "raw_prometheus.samples", at, (monitor, at, 1 if is_up else 0))


def state(monitor: str, start: datetime, end: datetime, *, is_up: bool) -> Record:
    values = (monitor, start, end, "up" if is_up else "down")
    return Record("probes", "raw_monitoring.states", end, values)


def incident(
    ticket: str, opened: datetime, *, service: str, updated: datetime, state: str = "open"
) -> Record:
    values = (ticket, ticket, text(opened), state, "", "3", "first", service, "caller", text(updated))
    return Record("desk", "raw_servicenow.incident", updated, values)


def change(ticket: str, number: int, field: str, old: str, new: str, at: datetime) -> Record:
    values = (f"{ticket}:{number}", "incident", ticket, field, old, new, str(number), text(at))
    return Record("desk", "raw_servicenow.sys_audit", at, values)


def comment(ticket: str, number: int, author: str, at: datetime, element: str = "comments") -> Record:
    values = (f"{ticket}:c{number}", "incident", ticket, element, text(at), author)
    return Record("desk", "raw_servicenow.sys_journal_field", at, values)


def outage(
    key: str,
    service: str,
    kind: str,
    begin: datetime,
    end: datetime | None,
    announced: datetime,
    updated: datetime,
) -> Record:
    ended = text(end) if end else ""
    values = (key, service, kind, text(begin), ended, text(announced), text(updated))
    return Record("desk", "raw_servicenow.cmdb_ci_outage", updated, values)


# --- Histories --------------------------------------------------------------------------------------------


class _Drafting:
    def __init__(self, entropy: bytes) -> None:
        self.choices = Choices(entropy)
        # Where many rows do not come in time or contracts change every night, builds compute nearly all anew:
        # what they leave as it was is seen where little happens.
        self.unpunctual = self.choices.one_of((0, 0, 2, 35))
        self.restless = self.choices.one_of((0, 20, 50))
        self.fragile = self.choices.one_of((0, 50, 80))
        self.is_known_at_once = self.choices.chance(50)

    def history(self) -> History:
        c = self.choices
        nights = self._nights()
        # What belongs together comes together: rows of a ticket one by one, samples by the day.
        parcels: list[list[Record]] = [[record] for record in self._desk()]
        parcels += self._samples()
        parcels += [[record] for record in (*self._checks(), *self._published())]
        landed: list[list[Record]] = [[] for _ in nights]
        for parcel in parcels:
            for at in self._landings(parcel[-1].at, nights):
                landed[at] += parcel
        if c.chance(25) and len(nights) > 2:
            # A night without anything new.
            at = 1 + c.below(len(nights) - 2)
            landed[at + 1], landed[at] = landed[at] + landed[at + 1], []
        filled = [replace(night, landed=tuple(rows)) for night, rows in zip(nights, landed, strict=True)]
        numbers = list(range(1, len(nights) * len(SOURCES) + 1))
        if c.chance(40):
            numbers.reverse()
        return History(tuple(filled), tuple(numbers))

    # Nights.

    def _nights(self) -> list[Night]:
        c = self.choices
        count = 2 + c.below(3)
        # The last in March at the earliest, when there is something of everything.
        last = len(NIGHTS) - 1 - c.below(len(NIGHTS) - RIPE)
        instants = [*sorted(c.below(last + 1) for _ in range(count - 1)), last]
        if count > 2 and c.chance(25):
            # A night that believes in an earlier instant than the one before it.
            at = c.below(count - 2)
            instants[at], instants[at + 1] = instants[at + 1], instants[at]
        nights: list[Night] = []
        known = Known(is_amended=c.chance(20), south_until=c.one_of((*ENDS, None)))
        for number, instant in enumerate(instants):
            if c.chance(self.fragile if number else 20) and len(nights) < MOST_NIGHTS - count + number:
                # Before it, one that breaks off: often in the past, or under terms that are taken back.
                other = c.below(len(NIGHTS)) if c.chance(60) else instant
                unlike = self._changed(known) if c.chance(50) else known
                nights.append(Night(_instant(other), known=unlike, broken_off=c.one_of(BROKEN_OFF)))
            nights.append(Night(_instant(instant), known=known))
            # Seldom before the last night, which would then compute nearly all anew.
            if c.chance(self.restless if number < count - 2 else self.restless // 3):
                known = self._changed(known)
        return nights

    def _changed(self, known: Known) -> Known:
        c = self.choices
        match c.below(4):
            case 0:
                return replace(known, is_amended=not known.is_amended)
            case 1:
                others = [one for one in (*ENDS, None) if one != known.south_until]
                return replace(known, south_until=c.one_of(others))
            case _:
                return replace(known, decisions=self._decisions())

    def _decisions(self) -> tuple[Decision, ...]:
        c = self.choices
        begin = hour(c.below(120) * 24)
        span = (microseconds(begin), microseconds(begin + timedelta(hours=1 + c.below(100))))
        accepted = date(2025, 1, 1) + timedelta(days=c.below(120))
        all_of_them = (
            Decision("span", c.one_of(("any", "some")), accepted, c.one_of((None, "site", "page")), span),
            Decision("ticket", c.one_of(("any", "some")), accepted, ticket=f"T{c.below(12)}"),
            Decision("release", "any", accepted, release=f"R{c.below(3)}"),
        )
        return tuple(one for one in all_of_them if c.chance(60))

    def _landings(self, at: datetime, nights: list[Night]) -> list[int]:
        """The nights that a row comes in: the first that believes it happened, a later, an earlier, two."""
        c = self.choices
        own = next((no for no, night in enumerate(nights) if night.as_of > at), len(nights) - 1)
        if self.is_known_at_once:
            own = 0
        other, is_punctual = c.below(len(nights)), not c.chance(self.unpunctual)
        match c.one_of(("late", "any", "twice")):
            case _ if is_punctual:
                return [own]
            case "late":
                return [max(own, other)]
            case "any":
                return [other]
            case _:
                return [own, other]

    # Rows.

    def _desk(self) -> Iterator[Record]:
        c = self.choices
        for number in range(12 + c.below(4)):
            yield from self._ticket(f"T{number}")
        for number in range(4):
            yield from self._outage(f"O{number}")
        for number in range(3):
            yield from self._release(f"R{number}")

    def _ticket(self, ticket: str) -> Iterator[Record]:
        c = self.choices
        at = opened = hour(c.below(120) * 24 + c.below(24))
        held = {"state": "open", "priority": c.one_of(("3", "2", "1", "")), "assignment_group": "first"}
        for number in range(1, 1 + c.one_of((1, 1, 2, 3, 5, 8))):
            at += timedelta(hours=c.one_of((1, 3, 7, 20, 45, 100, 400, 900)), minutes=c.below(60))
            field, value = c.one_of(_TURNS)
            if field in held:
                yield change(ticket, number, field, held[field], value, at)
                held[field] = value
            else:
                yield comment(ticket, number, field, at, value)
        service = c.one_of(("desk", "desk", "line", "field"))
        versions = [(opened, service, held["state"])]
        if c.chance(35):
            # The ticket is moved to another service, later.
            versions.append((at, c.one_of(("field", "desk", "elsewhere")), held["state"]))
        for updated, of_service, state in versions:
            values = (
                ticket, ticket, text(opened), state, "", held["priority"], held["assignment_group"],
                of_service, "caller", text(updated),
            )  # fmt: skip
            yield Record("desk", "raw_servicenow.incident", updated, values)

    def _outage(self, key: str) -> Iterator[Record]:
        c = self.choices
        begin = hour(c.below(118) * 24 + c.below(24))
        service, kind = c.one_of(("site", "page")), c.one_of(("planned", "outage"))
        announced = begin - timedelta(hours=c.one_of((100, 30, 20))) if kind == "planned" else begin
        if c.chance(25):
            announced = begin + timedelta(hours=c.one_of((5, 900)))
        updated = announced
        for _ in range(1 + c.below(3)):
            end = begin + timedelta(hours=c.one_of((2, 30, 700))) if c.chance(75) else None
            yield outage(key, service, kind, begin, end, announced, updated)
            updated += timedelta(hours=c.one_of((1, 50, 1500)))
            if c.chance(30):
                begin += timedelta(hours=c.one_of((3, 60, 800)))
            if c.chance(20):
                service = c.one_of(("page", "site"))

    def _release(self, key: str) -> Iterator[Record]:
        c = self.choices
        created = hour(c.below(30) * 24)
        due = created + timedelta(days=c.below(60))
        delivered = due + timedelta(days=c.below(40))
        for ended, updated in (("", created), (text(delivered), delivered)):
            values = (key, key, "project", text(due), "approved", ended, text(created), text(updated))
            yield Record("desk", "raw_servicenow.rm_release", updated, values)
        values = (f"{key}:1", "rm_release", key, "approval", "requested", "approved", "1", text(created))
        yield Record("desk", "raw_servicenow.sys_audit", created, values)

    def _samples(self) -> Iterator[list[Record]]:
        c = self.choices
        for monitor, starts_at in (("m1", 0), ("m2", 24 * c.below(20)), ("m3", 24 * (20 + c.below(60)))):
            down, silent = self._stretches(4), self._stretches(3)
            ends_at = HOURS if c.chance(60) else 24 * (30 + c.below(90))
            if monitor == "m3" and c.chance(50):
                # This one says how long each state lasted.
                yield from self._states(monitor, range(starts_at, ends_at, c.one_of((5, 8))), down, silent)
                continue
            for day in range(0, 120, 4):
                parcel = [
                    sample(monitor, hour(at), is_up=not _within(at, down))
                    for at in range(day * 24 + c.below(4), (day + 4) * 24, c.one_of((4, 5, 8)))
                    if starts_at <= at < ends_at and not _within(at, silent)
                ]
                if parcel:
                    yield parcel
            for _ in range(3):
                # One more, perhaps at the instant of another, which it corrects.
                at = c.below(120) * 24 + c.one_of((0, 4, 8, 11.5))
                yield [sample(monitor, hour(at), is_up=c.chance(50))]

    def _states(
        self,
        monitor: str,
        hours: range,
        down: list[tuple[float, float]],
        silent: list[tuple[float, float]],
    ) -> Iterator[list[Record]]:
        c = self.choices
        told = [at for at in hours if not _within(at, silent)]

        def one(at: int, *, is_up: bool) -> Record:
            return state(monitor, hour(at), hour(at + hours.step), is_up=is_up)

        for first in range(0, len(told), 12):
            yield [one(at, is_up=not _within(at, down)) for at in told[first : first + 12]]
        for _ in range(3):
            # One of them again, perhaps otherwise.
            if told:
                yield [one(told[c.below(len(told))], is_up=c.chance(50))]

    def _stretches(self, count: int) -> list[tuple[float, float]]:
        c = self.choices
        stretches: list[tuple[float, float]] = []
        for _ in range(count):
            # Near the end of a month, or anywhere.
            begin = c.one_of((31 * 24, 59 * 24, 90 * 24)) - c.below(48) if c.chance(50) else c.below(120) * 24
            stretches.append((begin, begin + c.one_of((3, 9, 30, 80, 200))))
        return stretches

    def _checks(self) -> Iterator[Record]:
        down = self._stretches(4)
        for at in range(0, HOURS, 12):
            checked = hour(at)
            status = "down" if _within(at, down) else "up"
            yield Record("status", "raw_upptime.checks", checked, (checked.isoformat(), "page", status))

    def _published(self) -> Iterator[Record]:
        c = self.choices
        for _ in range(6):
            at = hour(c.below(130) * 24)
            uptime = f"{90 + c.below(10)}.5%" if c.chance(70) else ""
            yield Record("status", "raw_upptime.published", at, ("page", at.isoformat(), uptime))


_TURNS = (
    ("caller", "comments"),
    ("agent", "comments"),
    ("agent", "work_notes"),
    ("state", "on_hold"),
    ("state", "open"),
    ("state", "resolved"),
    ("state", "resolved"),
    ("priority", "1"),
    ("priority", "2"),
    ("priority", ""),
    ("assignment_group", "second"),
    ("assignment_group", "first"),
)


def _within(at: float, stretches: list[tuple[float, float]]) -> bool:
    return any(begin <= at < end for begin, end in stretches)


def _instant(number: int) -> datetime:
    return datetime.fromisoformat(f"{NIGHTS[number]}+00:00")


def history_of(entropy: bytes) -> History:
    """Return the history that a string of bytes spells."""
    return _Drafting(entropy).history()
