"""Availability: a month from its stored states, and the states of a month from its probes."""

from __future__ import annotations

# ruff: noqa: S608 - the statements are made of this folder's own names and numbers.
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import vendors
from measuring_cpu import Cluster, Cost, Database, making
from project import Project
from results import Result
from sizes import Size

_MONTH, _END = date(2025, 12, 1), date(2026, 1, 1)
_AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
_PROBE_SECONDS = 60
_CONTRACTS = 10
_STATES, _MONTHS = "int_probe_intervals", "fct_availability_months"
_BUILT = "+built_batches +built_hashes +built_instants"
_ISLANDS = "gaps and islands over the probes (bench/peers/gaps_and_islands.sql)"

Say = Callable[[str], None]


def availability(running: Cluster, size: Size, wanted: set[str], say: Say) -> Iterator[Result]:
    """A month of probes lands on months of history; what its states cost, and the month from them."""
    with running.database("probes") as database:
        monitors = _lay_out(database, size, say)
        project = Project(database)
        say("building history")
        project.run(as_of=datetime(_MONTH.year, _MONTH.month, 1, tzinfo=UTC), select=_BUILT)
        say("the measured month lands")
        vendors.land_batches(database, _MONTH, _END)
        _land(database, monitors, _MONTH, _END)
        database.run("vacuum analyze")
        project.run(as_of=_AS_OF, select=f"+{_MONTHS}")
        # As if the month had not been built: which months a run takes up depends on what is there.
        database.run(f"delete from facts.{_MONTHS} where month_date = '{_MONTH}'")
        rows = database.number(f"select count(*) from {vendors.partition(_MONTH)}")
        database.run(
            f"""
            create view bench.peer_samples as
            select _source_name as source_name, monitor, sampled_at, value from {vendors.partition(_MONTH)}
            """
        )
        islands = Path(__file__).with_name("peers").joinpath("gaps_and_islands.sql").read_text()
        say("the peer")
        peer = database.least({"peer": making(islands)})["peer"]
        of_states = project.between("int_touched_monitors", _STATES)
        of_months = [name for name in project.between(_STATES, _MONTHS) if name != _STATES]
        compiled = project.compiled([*of_states, *of_months], as_of=_AS_OF)
        _leave_one_month(database, of_months)
        if "availability_month" in wanted:
            yield _month(database, project, {name: compiled[name] for name in of_months}, rows, peer, say)
        if "probe_intervals" in wanted:
            yield _states(
                database, project, {name: compiled[name] for name in of_states}, rows, peer, size, say
            )


def _lay_out(database: Database, size: Size, say: Say) -> list[str]:
    first_day = _MONTH
    for _ in range(size.probed_months - 1):
        first_day = (first_day - timedelta(days=1)).replace(day=1)
    platforms = size.services // _CONTRACTS
    vendors.load_vendors(
        database,
        database.cluster.home / "contracts_probes",
        contracts=_CONTRACTS,
        supports=0,
        platforms=platforms,
        probe_seconds=_PROBE_SECONDS,
        first_day=first_day,
        as_of=_AS_OF,
    )
    monitors = [f"platform-{n}-{m}" for n in range(_CONTRACTS) for m in range(platforms)]
    say(f"{len(monitors)} monitors, {size.probed_months} months, a probe a minute")
    vendors.make_partitions(database, first_day, _END)
    vendors.land_batches(database, first_day, _MONTH)
    month = first_day
    while month < _MONTH:
        following = (month + timedelta(days=32)).replace(day=1)
        _land(database, monitors, month, following)
        month = following
    database.run("vacuum analyze")
    return monitors


def _land(database: Database, monitors: list[str], first_day: date, end: date) -> None:
    vendors.land_probes(database, monitors, first_day=first_day, end=end, probe_seconds=_PROBE_SECONDS)


def _leave_one_month(database: Database, models: list[str]) -> None:
    """Take away what was made of the month before, whose last probe is ended by the first of this one."""
    for (table,) in database.rows(
        """
        select distinct table_name from information_schema.columns
        where table_schema = 'intermediate' and column_name = 'month_date'
        """
    ):
        if table in models:
            database.run(f"delete from intermediate.{table} where month_date <> '{_MONTH}'")
            database.run(f"vacuum analyze intermediate.{table}")


def _month(
    database: Database, project: Project, models: dict[str, str], rows: int, peer: Cost, say: Say
) -> Result:
    ours = _sum(database, project, models)
    bound = database.least({"bound": f"select count(*) from {vendors.partition(_MONTH)}"})["bound"]
    say(f"the month {ours.cpu_s:.2f} s, counting its probes {bound.cpu_s:.2f} s; checking")
    return Result(
        name="availability_month",
        rows=rows,
        cpu_s=ours.cpu_s,
        bound="count(*) of the month's probes",
        bound_cpu_s=bound.cpu_s,
        peer=f"{_ISLANDS} of the month",
        peer_cpu_s=peer.cpu_s,
        wrong=_wrong_months(database, models[_MONTHS]),
        peak_mb=ours.peak_mb,
        note=(
            f"the models {_names(project, models)}, one after the "
            "other; the downtime of every service compared with that of its probes taken one by one"
        ),
        most_of_bound=4,
        plan=_dearest_plan(database, project, models),
    )


def _states(
    database: Database, project: Project, models: dict[str, str], rows: int, peer: Cost, size: Size, say: Say
) -> Result:
    ours = _sum(database, project, models)
    partition = vendors.partition(_MONTH)
    # The server writes and reads the file itself: beside its data, where it may.
    file = database.cluster.postgres.data.parent / "probes.copy"
    database.run(f"copy {partition} to '{file}'")

    def copy() -> None:
        database.run(f"create unlogged table bench.made (like {partition})")
        database.run(f"copy bench.made from '{file}'")

    bound = database.least({"bound": copy})["bound"]
    file.unlink()
    say(f"states {ours.cpu_s:.2f} s, COPY {bound.cpu_s:.2f} s")
    return Result(
        name="probe_intervals",
        rows=rows,
        cpu_s=ours.cpu_s,
        bound="COPY of the same rows into an empty table of the same shape",
        bound_cpu_s=bound.cpu_s,
        peer=f"{_ISLANDS} of all {size.probed_months} months, measured on one and scaled",
        peer_cpu_s=peer.cpu_s * size.probed_months,
        peak_mb=ours.peak_mb,
        note=f"the models {_names(project, models)}, one after the other",
        plan=_dearest_plan(database, project, models),
    )


def _names(project: Project, models: dict[str, str]) -> str:
    return ", ".join(name for name in models if not project.is_view(name))


def _sum(database: Database, project: Project, models: dict[str, str]) -> Cost:
    """What the statements of several models take together; each reads what dbt made of those before it."""
    tables = {name: statement for name, statement in models.items() if not project.is_view(name)}
    costs = [database.least({name: making(statement)})[name] for name, statement in tables.items()]
    return Cost(sum(cost.cpu_s for cost in costs), max(cost.peak_mb or 0 for cost in costs))


def _dearest_plan(database: Database, project: Project, models: dict[str, str]) -> str:
    tables = {name: statement for name, statement in models.items() if not project.is_view(name)}
    costs = {name: database.least({name: making(sql)}, times=1)[name].cpu_s for name, sql in tables.items()}
    told = ", ".join(f"{name} {cost:.2f} s" for name, cost in costs.items())
    dearest = max(costs, key=costs.__getitem__)
    return f"{told}; {dearest}:\n{database.plan(tables[dearest])}"


def _wrong_months(database: Database, statement: str) -> int:
    """Count services whose downtime is not that of their probes, each held for its tolerance at most."""
    database.run("drop table if exists bench.made")
    database.run(making(statement))
    assert database.number(f"select count(*) from bench.made where month_date = '{_MONTH}'") > 0
    first_us, end_us, tolerance_us = vendors.us(_MONTH), vendors.us(_END), _PROBE_SECONDS * 1_500_000
    return database.number(
        f"""
        select count(*)
        from (
            select
                monitor,
                sum(
                    least(coalesce(next_us, {end_us}), at_us + {tolerance_us}, {end_us})
                    - greatest(at_us, {first_us})
                ) as down_us
            from (
                select
                    monitor, at_us, value, lead(at_us) over (partition by monitor order by at_us) as next_us
                from (
                    select monitor, value, cast(date_part('epoch', sampled_at) * 1000000 as bigint) as at_us
                    from raw_prometheus.samples
                    where sampled_at >= timestamptz '{_MONTH} 00:00:00+00' - interval '1 hour'
                ) as timed
            ) as followed
            where value <= 0 and coalesce(next_us, {end_us}) > {first_us}
            group by monitor
        ) as exact
        full outer join (select * from bench.made where month_date = '{_MONTH}') as made
            on exact.monitor = made.service_id
        where coalesce(exact.down_us, 0) is distinct from made.downtime_us
        """
    )
