"""Business time: of intervals, of tickets with pauses, and the instant at which a target is reached.

Each piece is one statement that writes a row per answer. Ours reads the calendars through the project's own
macros and models; what it answers is compared, for a sample, with the exact arithmetic of tests/oracle.
"""

from __future__ import annotations

# ruff: noqa: S608 - the statements are made of this folder's own names and numbers.
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from calendars import Calendars, make_calendars
from measuring_cpu import Database, making
from project import CHECKOUT, Project, macro
from results import Result
from sizes import Size

from avoir.contracts.rows import COLUMNS

sys.path.insert(0, str(CHECKOUT))  # The oracle is a part of the tests, which are not installed.
from tests.oracle.business_time import BusinessTime

AS_OF = datetime(2026, 1, 15, tzinfo=UTC)
_FROM_US = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_SPAN_US = 730 * 86_400_000_000
_PEERS = Path(__file__).with_name("peers")
_BOUND = "reading the same rows and writing a row for each, without a calendar"
_FAN_OUT = "{what} fanned out into its weeks (bench/peers/weekly_fan_out.sql), {sample:,} of {rows:,}, scaled"

Say = Callable[[str], None]


def _timestamp(us: str) -> str:
    """SQL of an instant as the tables of a ticket system hold it: what the peer is given."""
    return f"to_timestamp({us} / 1000000.0) at time zone 'UTC'"


def lay_out_calendars(database: Database, size: Size) -> Calendars:
    """Fill `reference.calendar_days`, what the models make of it, and what the peer reads in its place."""
    days_from, days_to = (
        datetime.fromtimestamp(_FROM_US / 1e6, UTC).date(),
        (AS_OF + timedelta(days=400)).date(),
    )
    made = make_calendars(size.calendars, days_from, days_to)
    # Days without the contract they belong to: no model that is measured reads it.
    database.run("set session_replication_role = replica")
    database.copy(f"reference.calendar_days ({', '.join(COLUMNS['calendar_days'])})", made.day_rows())
    database.run("set session_replication_role = default")
    # Not measured: they grow with the calendars and not with the tickets.
    for name, key in (
        ("int_calendar_slices", "calendar_id, slice_no"),
        ("int_calendar_buckets", "calendar_id, bucket_no, day_no"),
    ):
        database.run(f"create table intermediate.{name} as {_compiled(database)[name]}")
        database.run(f"alter table intermediate.{name} add primary key ({key})")
    database.run(
        """
        create table bench.calendars (calendar_no integer primary key, calendar_id text not null);
        create table bench.weeks as select week_no from generate_series(0, 51) as week_no;
        create table bench.schedules (
            calendar_id text, opens_minute integer, closes_minute integer, valid_from date, valid_until date
        )
        """
    )
    database.copy("bench.calendars", iter(enumerate(made.by_id)))
    database.copy("bench.schedules", made.weekly_schedules())
    database.run("create index on bench.schedules (calendar_id)")
    database.run("vacuum analyze")
    return made


def intervals(database: Database, calendars: Calendars, size: Size, say: Say) -> Iterator[Result]:
    """Business time of intervals of minutes to days: two look-ups and a difference."""
    say(f"{size.intervals:,} intervals")
    database.draw(
        "intervals", rows=size.intervals, calendars=size.calendars, from_us=_FROM_US, span_us=_SPAN_US
    )
    database.run("vacuum analyze bench.intervals")
    sql_of = partial(macro, as_of=AS_OF)
    last_slice = sql_of("slice_no", sql_of("as_of_us"))
    # Imported twice, as in the models: what is read twice is copied, without its key and its statistics.
    ours = f"""
        with from_slices as (select * from intermediate.int_calendar_slices where slice_no <= {last_slice}),
        to_slices as (select * from intermediate.int_calendar_slices where slice_no <= {last_slice})
        select
            intervals.interval_id,
            intervals.calendar_id,
            intervals.from_us,
            intervals.to_us,
            ({sql_of("open_by", "intervals.to_us", "to_slices")})
            - ({sql_of("open_by", "intervals.from_us", "from_slices")}) as business_us
        from bench.intervals
        left join from_slices
            on
                intervals.calendar_id = from_slices.calendar_id
                and {sql_of("slice_no", "intervals.from_us")} = from_slices.slice_no
        left join to_slices
            on
                intervals.calendar_id = to_slices.calendar_id
                and {sql_of("slice_no", "intervals.to_us")} = to_slices.slice_no
    """
    bound = (
        "select interval_id, calendar_id, from_us, to_us, to_us - from_us as business_us from bench.intervals"
    )
    database.run(
        "create unlogged table bench.shuffled as select * from bench.intervals order by md5(interval_id)"
    )
    database.run("vacuum analyze bench.shuffled")
    shuffled = ours.replace("from bench.intervals", "from bench.shuffled as intervals")
    costs = database.least({"ours": making(ours), "bound": making(bound), "shuffled": making(shuffled)})
    say(f"ours {costs['ours'].cpu_s:.2f} s, bound {costs['bound'].cpu_s:.2f} s; checking")
    _keep_answers(database, ours, "bench.answers")
    wrong = _wrong_intervals(database, calendars, size.checked)
    say("the peer")
    database.run(
        f"""
        create table bench.peer_intervals as
        select interval_id, calendar_id, {_timestamp("from_us")} as from_at, {_timestamp("to_us")} as to_at
        from (select * from bench.shuffled limit {size.fanned_out}) as chosen
        """
    )
    database.run("vacuum analyze bench.peer_intervals")
    fan_out = (_PEERS / "weekly_fan_out.sql").read_text()
    peer = database.least({"peer": making(fan_out)})["peer"]
    peer_wrong = database.number(
        """
        select count(*) from bench.peer_intervals
        inner join bench.answers on peer_intervals.interval_id = answers.interval_id
        left join bench.made on peer_intervals.interval_id = made.interval_id
        where abs(coalesce(made.open_minutes, 0) * 60000000 - answers.business_us) >= 1000000
        """
    )
    touched = "(to_us - 259200000000) / 604800000000 - (from_us - 259200000000) / 604800000000 + 1"
    weeks = database.number(f"select cast(sum({touched}) as bigint) from bench.intervals") / size.intervals
    all_of_peer = peer.cpu_s * size.intervals / size.fanned_out
    yield Result(
        name="intervals",
        rows=size.intervals,
        cpu_s=costs["ours"].cpu_s,
        bound=_BOUND,
        bound_cpu_s=costs["bound"].cpu_s,
        peer=_FAN_OUT.format(what="each", sample=size.fanned_out, rows=size.intervals),
        peer_cpu_s=all_of_peer,
        wrong=wrong,
        peak_mb=costs["ours"].peak_mb,
        note=(
            f"{size.calendars} calendars in 20 zones; rows in order of time, in no order ours takes "
            f"{costs['shuffled'].cpu_s:.2f} s; {size.checked:,} answers compared with tests/oracle to "
            f"the microsecond; of the peer's answers {peer_wrong} are wrong by a second or more; what the "
            f"peer takes grows with the weeks that an interval touches, {weeks:.1f} here, and leaves out the "
            "making of its schedules, which the packages do in each run"
        ),
        most_of_bound=4,
        least_of_peer=100,
        plan=(
            f"{database.plan(ours)}\n\nthe peer, of {size.fanned_out:,} of them; of all it takes "
            f"{all_of_peer / costs['bound'].cpu_s:.0f} times the bare scan, so 100 times ours would "
            f"leave ours {all_of_peer / costs['bound'].cpu_s / 100:.2f} scans:\n{database.plan(fan_out)}"
        ),
    )
    database.run("drop table bench.intervals, bench.shuffled, bench.answers, bench.peer_intervals")


def event_sum(database: Database, calendars: Calendars, size: Size, say: Say) -> Iterator[Result]:
    """Business time of tickets with pauses: one signed sum over all that started or stopped a clock."""
    say(f"{size.phases:,} clocks with pauses")
    _draw_phases(database, size)
    database.draw("instants")
    database.run("vacuum analyze intermediate.int_clock_instants")
    rows = database.number("select count(*) from intermediate.int_clock_instants")
    ours = _compiled(database)["int_clock_sums"]
    bound = """
        select phase_id, calendar_id, at_us, run_sign * at_us as run_us, pause_sign * at_us as pause_us
        from intermediate.int_clock_instants
    """
    grouped = """
        select phase_id, sum(run_sign * at_us) as run_us
        from intermediate.int_clock_instants group by phase_id
    """
    costs = database.least({"ours": making(ours), "bound": making(bound), "grouped": making(grouped)})
    say(f"{rows:,} events: ours {costs['ours'].cpu_s:.2f} s, bound {costs['bound'].cpu_s:.2f} s; checking")
    _keep_answers(database, ours, "bench.answers")
    wrong = _wrong_sums(database, calendars, size.checked)
    say("the peer")
    database.run(
        f"""
        create table bench.peer_instants as
        select phase_id, calendar_id, {_timestamp("at_us")} as at, run_sign - pause_sign as sign
        from intermediate.int_clock_instants
        inner join (
            select phase_id from intermediate.int_clock_phases order by phase_id limit {size.fanned_out}
        ) as chosen using (phase_id)
        """
    )
    database.run("vacuum analyze bench.peer_instants")
    stretches = (_PEERS / "running_stretches.sql").read_text()
    database.run(f"create view bench.peer_intervals as {stretches}")
    peer = database.least({"peer": making((_PEERS / "weekly_fan_out.sql").read_text())})["peer"]
    yield Result(
        name="event_sum",
        rows=rows,
        cpu_s=costs["ours"].cpu_s,
        bound=_BOUND,
        bound_cpu_s=costs["bound"].cpu_s,
        peer=_FAN_OUT.format(what="each running stretch", sample=size.fanned_out, rows=size.phases),
        peer_cpu_s=peer.cpu_s * size.phases / size.fanned_out,
        wrong=wrong,
        peak_mb=costs["ours"].peak_mb,
        note=(
            f"the model int_clock_sums over {size.phases:,} clocks; {size.checked:,} answers compared with "
            "tests/oracle to the microsecond; the bare sum of the same rows by clock, without a calendar, "
            f"takes {costs['grouped'].cpu_s:.2f} s"
        ),
        most_of_bound=4,
        plan=database.plan(ours),
    )
    database.run("drop table bench.answers, bench.peer_instants cascade")


def due_instants(database: Database, calendars: Calendars, size: Size, say: Say) -> Iterator[Result]:
    """The instant at which a clock reaches its target: the look-up turned round."""
    say(f"{size.phases:,} clocks with a target")
    _draw_phases(database, size)
    ours = _compiled(database)["int_clock_dues"]
    bound = "select phase_id, counted_from_us + target_us as due_us from intermediate.int_clock_phases"
    costs = database.least({"ours": making(ours), "bound": making(bound)})
    say(f"ours {costs['ours'].cpu_s:.2f} s, bound {costs['bound'].cpu_s:.2f} s; checking")
    _keep_answers(database, ours, "bench.answers")
    yield Result(
        name="due_instants",
        rows=size.phases,
        cpu_s=costs["ours"].cpu_s,
        bound=_BOUND,
        bound_cpu_s=costs["bound"].cpu_s,
        wrong=_wrong_dues(database, calendars, size.checked),
        peak_mb=costs["ours"].peak_mb,
        note=(
            f"the model int_clock_dues, with the pauses that defer an instant; {size.checked:,} answers held "
            "against tests/oracle: the target is reached at that microsecond and not one earlier"
        ),
        plan=database.plan(ours),
    )
    database.run("drop table bench.answers")


@cache
def _compiled(database: Database) -> dict[str, str]:
    return Project(database).compiled(
        ["int_calendar_slices", "int_calendar_buckets", "int_clock_sums", "int_clock_dues"], as_of=AS_OF
    )


def _draw_phases(database: Database, size: Size) -> None:
    """Clocks with pauses and targets, unless another piece drew them before."""
    if database.rows("select to_regclass('intermediate.int_clock_phases')") != [(None,)]:
        return
    database.draw("phases", rows=size.phases, calendars=size.calendars, from_us=_FROM_US, span_us=_SPAN_US)
    database.run("vacuum analyze intermediate.int_clock_phases, intermediate.int_clock_pauses")


def _keep_answers(database: Database, query: str, table: str) -> None:
    database.run(f"create unlogged table {table} as {query}")
    database.run(f"analyze {table}")


def _wrong_intervals(database: Database, calendars: Calendars, checked: int) -> int:
    rows = database.rows(
        f"""
        select calendar_id, from_us, to_us, business_us from bench.answers
        order by hashtextextended(interval_id, 0) limit {checked}
        """
    )
    assert len(rows) > 0
    between = _exactly(calendars)
    return sum(business_us != between(calendar, start, end) for calendar, start, end, business_us in rows)


def _checked_phases(database: Database, columns: str, checked: int) -> Iterator[tuple[Any, ...]]:
    rows = database.rows(
        f"""
        select phases.calendar_id, phases.counted_from_us, phases.phase_to_us, {columns},
            coalesce(pauses.ends, array[]::bigint[]) as pauses
        from (
            select * from intermediate.int_clock_phases order by hashtextextended(phase_id, 0) limit {checked}
        ) as phases
        inner join bench.answers on phases.phase_id = answers.phase_id
        left join (
            select clock_id, array_agg(array[paused_from_us, paused_to_us] order by pause_no) as ends
            from intermediate.int_clock_pauses group by clock_id
        ) as pauses on phases.clock_id = pauses.clock_id
        """
    )
    assert len(rows) > 0
    return iter(rows)


def _wrong_sums(database: Database, calendars: Calendars, checked: int) -> int:
    between = _exactly(calendars)
    wrong = 0
    for calendar, start, end, business_us, pauses in _checked_phases(
        database, "answers.business_us", checked
    ):
        exact = between(calendar, start, end) - sum(between(calendar, *ends) for ends in pauses)
        wrong += business_us != exact
    return wrong


def _wrong_dues(database: Database, calendars: Calendars, checked: int) -> int:
    between = _exactly(calendars)

    def counted(calendar: str, start: int, at: int, pauses: list[tuple[int, int]]) -> int:
        before = [(first, min(last, at)) for first, last in pauses if first < at]
        return between(calendar, start, at) - sum(between(calendar, *ends) for ends in before)

    wrong = 0
    columns = "phases.target_us, answers.due_us"
    for calendar, start, _, target_us, due_us, pauses in _checked_phases(database, columns, checked):
        is_reached = counted(calendar, start, due_us, pauses) == target_us
        wrong += not (is_reached and counted(calendar, start, due_us - 1, pauses) < target_us)
    return wrong


def _exactly(calendars: Calendars) -> Callable[..., int]:
    laid_out: dict[str, BusinessTime] = {}

    def between(calendar_id: str, start_us: int, end_us: int) -> int:
        if calendar_id not in laid_out:
            laid_out[calendar_id] = BusinessTime(calendars.by_id[calendar_id])
        return laid_out[calendar_id].between(start_us, end_us)

    return between
