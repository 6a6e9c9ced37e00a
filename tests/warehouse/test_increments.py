"""Builds that add to what stands make the facts that one build of everything makes, whatever came when."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from avoir.contracts.instants import microseconds
from avoir.contracts.scratch import scratch_warehouse
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.incremental_builds import (
    FACTS,
    INTERVALS,
    STANDING,
    Builder,
    builder,
    content_hash,
    part_samples_by_month,
)
from tests.warehouse.incremental_contracts import Decision, Known
from tests.warehouse.incremental_histories import (
    BYTES_OF_A_HISTORY,
    SOURCES,
    History,
    Night,
    Record,
    change,
    comment,
    history_of,
    hour,
    incident,
    land,
    outage,
    sample,
)

pytestmark = pytest.mark.warehouse

EXAMPLES = int(os.environ.get("AVOIR_INCREMENT_EXAMPLES", "5"))
SHOWN = 12


@pytest.fixture(scope="module")
def nights(bare_warehouse: BareWarehouse) -> Iterator[Builder]:
    """A scratch warehouse for one history after the other."""
    with (
        scratch_warehouse(
            bare_warehouse.url, bare_warehouse.environment, project=bare_warehouse.project, own_raw=True
        ) as scratch,
        builder(scratch) as made,
    ):
        part_samples_by_month(scratch)
        made.make_views()
        yield made


def live_through(nights: Builder, history: History) -> None:
    """Land and build night by night."""
    nights.forget()
    ids = iter(history.batch_ids)
    for night in history.nights:
        nights.load_reference(night.known.tables())
        land(nights.scratch, night.landed, dict(zip(SOURCES, ids, strict=False)))
        if night.broken_off is None:
            nights.build(night.as_of)
        else:
            nights.build(night.as_of, select=night.broken_off)


def differences(nights: Builder, history: History) -> list[str]:
    """How the tables differ from those that a build of everything makes."""
    tables = [*FACTS, *STANDING]
    tightest = [night.known.is_amended for night in history.nights]
    if tightest[-1] or not any(tightest):
        # Else gaps that no contract looks at any more are still kept.
        tables.append(INTERVALS)
    grown = {table: nights.rows_of(table) for table in tables}
    nights.build(history.nights[-1].as_of, full_refresh=True)
    told = []
    for table, rows in grown.items():
        whole = nights.rows_of(table)
        if content_hash(rows) != content_hash(whole):
            told.append(f"{table} has too much and too little:")
            told += [f"  + {line}" for line in sorted((rows - whole).elements())[:SHOWN]]
            told += [f"  - {line}" for line in sorted((whole - rows).elements())[:SHOWN]]
    return told


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    entropy=st.binary(min_size=BYTES_OF_A_HISTORY, max_size=BYTES_OF_A_HISTORY).filter(
        lambda one: len(set(one)) > 64
    )
)
def test_builds_that_add_make_the_facts_that_one_build_of_everything_makes(
    nights: Builder, entropy: bytes
) -> None:
    made_up = history_of(entropy)
    live_through(nights, made_up)
    found = differences(nights, made_up)
    assert found == [], "\n".join([made_up.described(), *found])
    seen = {table: nights.rows_of(table).total() for table in (*FACTS, *STANDING)}
    assert all(seen.values()), seen


# --- What broke once ---------------------------------------------------------------------------------------

IN_JANUARY, ENDED, IN_MARCH = (
    datetime(2025, 1, 30, tzinfo=UTC),
    datetime(2025, 1, 31, 23, tzinfo=UTC),  # January ends in Paris
    datetime(2025, 3, 5, 6, tzinfo=UTC),
)
DAY = 24


def probed(until: float, *, down: tuple[float, float] = (0, 0)) -> list[Record]:
    """Samples of three monitors every four hours, the first of them down for a while."""
    return [
        sample(monitor, hour(at), is_up=not (monitor == "m1" and down[0] <= at < down[1]))
        for monitor in ("m1", "m2", "m3")
        for at in range(0, int(until), 4)
    ]


def resolved(ticket: str, opened: float, *, after: float, service: str = "desk") -> list[Record]:
    """A ticket that the second team takes over, answers and resolves."""
    begun = hour(opened)
    return [
        incident(ticket, begun, service=service, updated=begun),
        change(ticket, 1, "assignment_group", "first", "second", hour(opened + 1)),
        comment(ticket, 1, "agent", hour(opened + 2)),
        change(ticket, 2, "state", "open", "resolved", hour(opened + after)),
    ]


def published(day: float, uptime: str) -> Record:
    at = hour(day * DAY)
    return Record("status", "raw_upptime.published", at, ("page", at.isoformat(), uptime))


def checked(day: float) -> Record:
    at = hour(day * DAY)
    return Record("status", "raw_upptime.checks", at, (at.isoformat(), "page", "up"))


def history(*nights: Night) -> History:
    return History(nights, tuple(range(1, len(nights) * len(SOURCES) + 1)))


EXCLUDED = Known(
    is_amended=True,
    south_until=None,
    decisions=(
        Decision("ticket", "any", date(2025, 1, 2), ticket="T1"),
        Decision(
            "span",
            "any",
            date(2025, 1, 2),
            service="site",
            span=(microseconds(hour(9 * DAY)), microseconds(hour(11 * DAY))),
        ),
    ),
)
BROKE_ONCE = {
    # The monitors fall silent just before January ends and are so for two days. An outage of January is
    # announced and a publication without a figure is followed by one with it, both after January. Another
    # contract says whose the team is that the ticket went through.
    "what is known of a month only after it": history(
        Night(
            ENDED,
            (
                *probed(30 * DAY + 13),
                *resolved("T1", 5 * DAY + 9, after=30),
                outage("O1", "site", "outage", hour(240), hour(264), hour(50 * DAY), hour(50 * DAY)),
                checked(4),
                published(19, "95.5%"),
                published(32, ""),
            ),
            Known(south_until=None),
        ),
        Night(IN_MARCH, (published(40, "91.5%"),)),
    ),
    # January ends between the builds. The second makes the months of it and breaks off before their outages.
    "a build that broke off between facts of one month": history(
        Night(IN_JANUARY, (*probed(33 * DAY, down=(29 * DAY, 32 * DAY)), *resolved("T1", 9, after=31 * DAY))),
        Night(hour(33 * DAY), broken_off=("+fct_availability_months", "+fct_ticket_clocks")),
        Night(IN_MARCH),
    ),
    # The second build believes in an earlier instant and in other terms than the others, and breaks off.
    "a build that broke off in the past and under other terms": history(
        Night(
            IN_MARCH,
            (
                *probed(60 * DAY, down=(8 * DAY, 12 * DAY)),
                *resolved("T1", 5 * DAY + 9, after=30),
                *resolved("T2", 37 * DAY + 9, after=30),
                *resolved("T3", 5 * DAY + 9, after=30, service="field"),
            ),
        ),
        Night(ENDED, known=EXCLUDED, broken_off=("+fct_ticket_clocks", "+fct_outages")),
        Night(IN_MARCH + timedelta(days=5)),
    ),
    # What is known in March is unknown again: T2 was never opened, T1 not yet resolved.
    "a build for an earlier instant than the last one": history(
        Night(
            IN_MARCH,
            (
                *probed(60 * DAY, down=(29 * DAY, 33 * DAY)),
                *resolved("T1", 29 * DAY + 9, after=60),
                *resolved("T2", 37 * DAY + 9, after=30),
                *resolved("T3", 5 * DAY + 9, after=30),
            ),
        ),
        Night(ENDED),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKE_ONCE)
def test_what_broke_once_holds(nights: Builder, name: str) -> None:
    live_through(nights, BROKE_ONCE[name])
    seen = {table: nights.rows_of(table).total() for table in (*FACTS[:4], *STANDING)}
    assert all(seen.values()), seen
    assert differences(nights, BROKE_ONCE[name]) == []


# --- Increments are increments -----------------------------------------------------------------------------

IN_MAY = datetime(2025, 5, 5, 6, tzinfo=UTC)
LATER = IN_MAY + timedelta(days=1)


@pytest.fixture(scope="module")
def grown(nights: Builder) -> Builder:
    """Four months that are over and one that is not, three tickets of which one is open."""
    opened = hour(100 * DAY + 9)
    records = [
        *probed(124 * DAY, down=(8 * DAY, 12 * DAY)),
        *(checked(day) for day in range(124)),
        *resolved("DONE", 5 * DAY + 9, after=30),
        *resolved("OTHER", 47 * DAY + 9, after=30),
        incident("OPEN", opened, service="desk", updated=opened),
    ]
    live_through(nights, history(Night(IN_MAY, tuple(records), Known(south_until=None))))
    return nights


def build_with(grown: Builder, batch: int, *records: Record) -> dict[str, int]:
    """Land records, build and say how often each partition of the samples was read for it."""
    land(grown.scratch, records, dict.fromkeys(SOURCES, batch))
    before = scans(grown)
    grown.build(LATER)
    return {month: count - before[month] for month, count in scans(grown).items()}


def scans(grown: Builder) -> dict[str, int]:
    """How often each partition of the samples was read from end to end; a backend tells when it ends."""
    others = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    for _ in range(100):
        grown.scratch.connection.commit()
        if not grown.scratch.rows(f"{others} and usename = current_user"):
            break
        time.sleep(0.1)
    else:
        pytest.fail("connections of the build are still there")
    rows = grown.scratch.rows(
        """
        select relname::text as name, seq_scan + coalesce(idx_scan, 0) as count from pg_stat_user_tables
        where schemaname = '{p}raw_prometheus' and relname <> 'samples'
        """
    )
    grown.scratch.connection.commit()
    assert len(rows) > 4
    return {str(row["name"]).removeprefix("samples_2025_"): int(str(row["count"])) for row in rows}


def touched_tickets(grown: Builder) -> set[str]:
    rows = grown.scratch.rows("select ticket_key from {p}intermediate.int_touched_tickets")
    return {str(row["ticket_key"]) for row in rows}


def taken_up(grown: Builder) -> dict[str, set[date]]:
    """The months of each clause that the last build computed."""
    rows = grown.scratch.rows("select clause_id, month_date from {p}intermediate.int_availability_periods")
    months: dict[str, set[date]] = {}
    for row in rows:
        month = row["month_date"]
        assert isinstance(month, date)
        months.setdefault(str(row["clause_id"]), set()).add(month)
    return months


def computed(months: set[int], quarters: set[int]) -> dict[str, set[date]]:
    """May of every clause, and so many months more; of the clause judged by the quarter all of one."""
    by_month = dict.fromkeys(("SITE", "LONG", "SLICES", "RUNS", "DEPLOYED"), months | {5})
    by_clause = {**by_month, "QUARTER": quarters, "HOURS": {5}}
    return {clause: {date(2025, month, 1) for month in numbers} for clause, numbers in by_clause.items()}


def test_a_build_without_anything_new_computes_what_is_not_over_and_reads_no_old_sample(
    grown: Builder,
) -> None:
    read = build_with(grown, 11)
    assert touched_tickets(grown) == {"OPEN"}
    assert taken_up(grown) == computed(set(), {4, 5})
    assert grown.rows_of("intermediate.int_touched_monitors").total() == 0
    # May begins in April for a contract in Paris.
    assert read["05"] > 0
    assert [read[month] for month in ("01", "02", "03")] == [0, 0, 0]


def test_a_late_event_computes_its_ticket_and_those_still_open(grown: Builder) -> None:
    build_with(grown, 12, comment("DONE", 9, "agent", hour(5 * DAY + 10)))
    assert touched_tickets(grown) == {"DONE", "OPEN"}
    assert taken_up(grown) == computed(set(), {4, 5})


def test_a_late_probe_computes_its_month_and_those_not_over_and_reads_from_there_on(grown: Builder) -> None:
    read = build_with(grown, 13, sample("m2", hour(75 * DAY + 1), is_up=False))
    assert touched_tickets(grown) == {"OPEN"}
    assert taken_up(grown) == computed({3}, {1, 2, 3, 4, 5})
    touched = grown.scratch.rows("select monitor, utc_month_date from {p}intermediate.int_touched_monitors")
    assert touched == [{"monitor": "m2", "utc_month_date": date(2025, 3, 1)}]
    # March begins in February for a contract in Paris; nothing before it was read, and January can be.
    assert read["03"] > 0
    assert read["01"] == 0
    assert build_with(grown, 14, sample("m2", hour(9 * DAY + 1), is_up=False))["01"] > 0
