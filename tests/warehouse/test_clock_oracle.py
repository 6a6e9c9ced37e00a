"""Business time as SQL looks it up, against the oracle's intervals, where zones are strangest.

The macros of the models are rendered as they stand, and asked about thousands of intervals at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import jinja2
import pytest

from avoir.contracts.calendars import calendar_days
from avoir.contracts.rows import COLUMNS, Row
from avoir.contracts.scratch import Scratch, scratch_warehouse
from tests.oracle.business_time import DAY_US, SECOND_US, BusinessTime, local_date
from tests.oracle.strange_calendars import changes_of, strange_calendar
from tests.warehouse.conftest import BareWarehouse

pytestmark = pytest.mark.warehouse

SEED = 1_752_000
CALENDARS = 200
INTERVALS_OF_A_CALENDAR = 100
DAYS_BEFORE, DAYS_AFTER = 45, 75
HOUR_US = 3_600 * SECOND_US
MEASURED = jinja2.Template(
    """
    select
        asked.interval_no,
        asked.calendar_id,
        asked.start_us,
        asked.end_us,
        ({{ open_until('asked.end_us', 'ended') }}) - ({{ open_until('asked.start_us', 'started') }})
            as by_days_us,
        ({{ open_by('asked.end_us', 'ended_slice') }}) - ({{ open_by('asked.start_us', 'started_slice') }})
            as by_slices_us
    from asked_intervals as asked
    inner join {{ '{p}' }}reference.calendar_days as started
        on asked.calendar_id = started.calendar_id and {{ day_no('asked.start_us') }} = started.day_no
    inner join {{ '{p}' }}reference.calendar_days as ended
        on asked.calendar_id = ended.calendar_id and {{ day_no('asked.end_us') }} = ended.day_no
    inner join {{ '{p}' }}intermediate.int_calendar_slices as started_slice
        on
            asked.calendar_id = started_slice.calendar_id
            and {{ slice_no('asked.start_us') }} = started_slice.slice_no
    inner join {{ '{p}' }}intermediate.int_calendar_slices as ended_slice
        on
            asked.calendar_id = ended_slice.calendar_id
            and {{ slice_no('asked.end_us') }} = ended_slice.slice_no
    order by asked.interval_no
    """
)


@dataclass(frozen=True)
class LaidOut:
    """A calendar as rows of ``calendar_days``, and as the oracle opens it."""

    zone: str
    hours: BusinessTime
    rows: list[Row]
    from_us: int
    to_us: int
    changes: list[int]


@pytest.fixture(scope="module")
def laid_out() -> dict[str, LaidOut]:
    """Random calendars by id, each over some months beside a change of its zone's clocks."""
    dice = Random(SEED)
    found: dict[str, LaidOut] = {}
    while len(found) < CALENDARS:
        drawn = strange_calendar(dice)
        middle = local_date(drawn.around * SECOND_US, "UTC")
        first, end = middle - timedelta(days=DAYS_BEFORE), middle + timedelta(days=DAYS_AFTER)
        name = f"strange/{len(found)}"
        days = calendar_days(drawn.calendar, first, end)
        from_us, to_us = (days[0].day_no * DAY_US, (days[-1].day_no + 1) * DAY_US)
        changes = [at * SECOND_US for at in changes_of(drawn.zone.key)]
        found[name] = LaidOut(
            zone=drawn.zone.key,
            hours=BusinessTime(drawn.calendar),
            rows=[(name, *day.row()) for day in days],
            from_us=from_us,
            to_us=to_us,
            changes=[at_us for at_us in changes if from_us + DAY_US < at_us < to_us - DAY_US],
        )
    return found


def asked(calendar: LaidOut, dice: Random) -> tuple[int, int]:
    """An interval within the days: mostly beside a change of clocks or an opening, at times of no length."""
    ends: list[int] = []
    for _ in range(2):
        at_us = dice.randrange(calendar.from_us + DAY_US, calendar.to_us - DAY_US)
        if calendar.changes and dice.random() < 0.4:
            at_us = dice.choice(calendar.changes) + dice.choice((-HOUR_US, -SECOND_US, -1, 0, 1, HOUR_US))
        elif dice.random() < 0.4:
            pieces = calendar.hours.open_in(at_us, min(at_us + 8 * DAY_US, calendar.to_us - DAY_US))
            if pieces:
                at_us = dice.choice(dice.choice(pieces)) + dice.choice((-1, 0, 0, 1))
        ends.append(at_us + dice.choice((0, 0, dice.randint(-HOUR_US, HOUR_US))))
    kind = dice.random()
    if kind < 0.05:
        ends[1] = ends[0]
    elif kind < 0.25:
        ends[1] = ends[0] + dice.randint(0, 3 * HOUR_US)
    bounds = calendar.from_us, calendar.to_us - 1
    start_us, end_us = sorted(max(bounds[0], min(bounds[1], at_us)) for at_us in ends)
    return start_us, end_us


@pytest.fixture(scope="module")
def scratch(bare_warehouse: BareWarehouse, laid_out: dict[str, LaidOut]) -> Iterator[Scratch]:
    """A scratch warehouse that holds the days and slices of all calendars."""
    with scratch_warehouse(
        bare_warehouse.url, bare_warehouse.environment, project=bare_warehouse.project, own_raw=True
    ) as found:
        calendars: list[Row] = [(name, "strange", one.zone) for name, one in laid_out.items()]
        found.copy("reference.calendars", COLUMNS["calendars"], calendars)
        rows = [row for one in laid_out.values() for row in one.rows]
        found.copy("reference.calendar_days", COLUMNS["calendar_days"], rows)
        found.build(as_of="2026-01-01T00:00:00+00:00", select="int_calendar_slices")
        yield found


def test_business_time_in_sql_is_the_oracles_to_the_microsecond(
    scratch: Scratch, bare_warehouse: BareWarehouse, laid_out: dict[str, LaidOut]
) -> None:
    dice = Random(SEED + 1)
    questions = [
        (name, *asked(one, dice)) for name, one in laid_out.items() for _ in range(INTERVALS_OF_A_CALENDAR)
    ]
    scratch.connection.execute(
        """
        create temporary table asked_intervals
            (interval_no integer, calendar_id text, start_us bigint, end_us bigint)
        """
    )
    with scratch.connection.cursor() as cursor, cursor.copy("copy asked_intervals from stdin") as copy:
        for number, question in enumerate(questions):
            copy.write_row((number, *question))
    # Only what needs no dbt is rendered: the macros of time are plain SQL but for the run's own instant.
    macros = jinja2.Template((bare_warehouse.project / "macros" / "time.sql").read_text()).module
    statement = MEASURED.render(macros.__dict__)
    answers = scratch.rows(statement)
    assert [answer["interval_no"] for answer in answers] == list(range(len(questions)))

    seen: Counter[str] = Counter()
    different = []
    for (name, start_us, end_us), answer in zip(questions, answers, strict=True):
        one = laid_out[name]
        expected = one.hours.between(start_us, end_us)
        found = (answer["by_days_us"], answer["by_slices_us"])
        if found != (expected, expected):
            different.append((name, one.zone, start_us, end_us, expected, found))
        seen["of no length"] += start_us == end_us
        seen["wholly shut"] += start_us < end_us and expected == 0
        seen["wholly open"] += start_us < end_us and expected == end_us - start_us
        seen["partly open"] += 0 < expected < end_us - start_us
        seen["by microseconds"] += expected % SECOND_US != 0
        seen["over a change of clocks"] += any(start_us < at_us < end_us for at_us in one.changes)
        is_shut = [not one.hours.between(at_us, at_us + 1) for at_us in (start_us, end_us)]
        seen["both ends outside hours"] += all(is_shut) and expected > 0
    assert different == [], f"{len(different)} differ"
    assert len(questions) == CALENDARS * INTERVALS_OF_A_CALENDAR
    assert len({one.zone for one in laid_out.values()}) >= 15
    assert min(seen.values()) > 300, seen
    assert len(seen) == 7
