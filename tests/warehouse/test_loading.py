"""Landing on a real Postgres: one window is one transaction, and a second time changes nothing."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from avoir import loading, row_identity
from avoir.evidence.asking import Asking
from avoir.evidence.records import payloads_of, raw_rows
from avoir.landing import Landing
from avoir.loading import LoadingError, LoadReport, load_window, next_window
from avoir.quarantine import kept_aside, kept_records, retry
from avoir.raw_tables import create_raw, raw_ddl
from avoir.sources.drift import drifts, look_at, seen_fields
from avoir.sources.model import (
    Landed,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    SourceFile,
    System,
    Window,
)
from avoir.sources.prometheus import LONGEST_NAME_BYTES
from avoir.sources.register import SYSTEMS
from avoir.sources.series import Series

pytestmark = pytest.mark.warehouse

JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FEBRUARY = Window(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
SOURCE = SourceConnection("desk", "servicenow", "http://desk.example", JANUARY.start, vendor="helios")
PROBES = SourceConnection("probes", "prometheus", "http://probes.example", JANUARY.start)


@pytest.fixture
def connection(warehouse_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_dsn) as connection:
        create_raw(connection)
        connection.commit()
        yield connection


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the vendors' systems say: items by system name, or a function of source, window and landed."""
    answers: dict[str, Any] = {}

    def fetch_of(name: str) -> Callable[[SourceConnection, Window, Landed], Iterator[Rows | Rejected]]:
        def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
            answer = answers.get(name, [])
            yield from answer(source, window, landed) if callable(answer) else answer

        return fetch

    systems = {system.name: replace(system, fetch=fetch_of(system.name)) for system in SYSTEMS}
    monkeypatch.setattr(loading, "system_of", lambda source: systems[source.system])
    return answers


def test_a_column_that_a_release_added_comes_to_an_older_warehouse(connection: psycopg.Connection) -> None:
    connection.execute("alter table raw_servicenow.incident drop column close_code, drop column caller_id")
    create_raw(connection)
    names = connection.execute(
        "select column_name from information_schema.columns"
        " where table_schema = 'raw_servicenow' and table_name = 'incident'"
    ).fetchall()
    assert {("close_code",), ("caller_id",)} <= set(names)


def system_named(name: str) -> System:
    return next(system for system in SYSTEMS if system.name == name)


def audits(*ids: str, **changes: str) -> Rows:
    names = system_named("servicenow").table("sys_audit").column_names
    rows = [
        tuple({**dict.fromkeys(names, "x"), "sys_id": one, **changes}[name] for name in names) for one in ids
    ]
    return Rows("sys_audit", rows, range(1, len(rows) + 1))


def samples(*instants: datetime, value: str = "1") -> Rows:
    rows = [("web", instant.isoformat(), value) for instant in instants]
    return Rows("samples", rows, range(1, len(rows) + 1))


def counts(connection: psycopg.Connection) -> dict[str, int]:
    tables = [
        *(f"{system.schema}.{table.name}" for system in SYSTEMS for table in system.tables),
        "loads.batches",
        "loads.files",
        "loads.rejected",
        "loads.watermarks",
    ]
    return {table: one(connection, f"select count(*) from {table}") for table in tables}


def one(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    connection.commit()
    return row[0]


def test_the_schema_is_made_any_number_of_times(connection: psycopg.Connection) -> None:
    before = counts(connection)
    create_raw(connection)
    connection.execute(raw_ddl().encode())
    connection.commit()
    assert counts(connection) == before
    assert len(before) > 15


def test_a_window_lands_with_batch_file_row_and_watermark(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    file = SourceFile("a.csv", "ab" * 32, 12)
    told["servicenow"] = [
        replace(audits("1", "2"), file=file),
        Rejected("sys_audit", "bad_instant", "not an instant", '{"sys_id": 3}', 3, file),
    ]
    report = load_window(connection, SOURCE, JANUARY, dag_run_id="nightly__1")
    assert (report.rows_read, report.rows_landed, report.rows_duplicate, report.rows_rejected) == (3, 2, 0, 1)
    assert report.rejected_by_reason == {"bad_instant": 1}
    assert report.watermark == JANUARY.end
    landed = connection.execute(
        """
        select raw._source_name, raw._source_row, files.file_name, batches.dag_run_id, batches.rows_landed,
            length(raw._row_hash)
        from raw_servicenow.sys_audit as raw
        join loads.batches on batches.batch_id = raw._batch_id
        join loads.files on files.file_id = raw._source_file_id
        order by raw._source_row
        """
    ).fetchall()
    assert landed == [("desk", 1, "a.csv", "nightly__1", 2, 32), ("desk", 2, "a.csv", "nightly__1", 2, 32)]
    rejected = connection.execute(
        "select table_name, reason_code, source_row, source_file_id is not null from loads.rejected"
    ).fetchall()
    assert rejected == [("raw_servicenow.sys_audit", "bad_instant", 3, True)]


def test_a_window_read_again_changes_nothing_and_counts_nothing_twice(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["servicenow"] = [
        audits("1", "2", "2"),
        Rejected("sys_audit", "bad_instant", "no", "payload"),
        Rejected("sys_audit", "bad_instant", "no", "payload"),
    ]
    first = load_window(connection, SOURCE, JANUARY)
    assert (first.rows_read, first.rows_landed, first.rows_duplicate, first.rows_rejected) == (5, 2, 2, 1)
    before = counts(connection)
    for _ in range(2):
        again = load_window(connection, SOURCE, JANUARY)
        assert (again.rows_read, again.rows_landed, again.rows_duplicate, again.rows_rejected) == (5, 0, 5, 0)
    after = counts(connection)
    assert after.pop("loads.batches") == before.pop("loads.batches") + 2
    assert after == before


def test_a_record_waits_in_quarantine_until_its_stretch_is_read_without_it(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    def settled() -> list[tuple[str, int | None]]:
        rows = connection.execute(
            "select payload, settled_by from loads.rejected where source_name = 'desk' order by rejected_id"
        ).fetchall()
        connection.commit()
        return rows

    bad = [Rejected("sys_audit", "bad_instant", "no", payload) for payload in ("one", "two")]
    told["servicenow"] = bad
    load_window(connection, SOURCE, JANUARY)
    told["servicenow"] = []
    elsewhere = load_window(connection, SOURCE, FEBRUARY)
    part = load_window(connection, SOURCE, Window(JANUARY.start + timedelta(days=1), FEBRUARY.end))
    assert (elsewhere.rows_settled, part.rows_settled) == (0, 0)
    assert settled() == [("one", None), ("two", None)]
    told["servicenow"] = [bad[1], audits("1")]
    mended = load_window(connection, SOURCE, JANUARY)
    assert (mended.rows_landed, mended.rows_rejected, mended.rows_settled) == (1, 0, 1)
    assert settled() == [("one", mended.batch_id), ("two", None)]
    told["servicenow"] = bad
    relapsed = load_window(connection, SOURCE, JANUARY)
    assert (relapsed.rows_rejected, relapsed.rows_settled) == (1, 0)
    assert settled() == [("one", None), ("two", None)]


def test_a_folder_read_whole_settles_what_any_earlier_load_kept(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    folder = replace(SOURCE, name="folder", system="einvoice_folder")
    told["einvoice_folder"] = [Rejected("invoices", "not_xml", "no", "one")]
    load_window(connection, folder, JANUARY)
    told["einvoice_folder"] = []
    assert load_window(connection, folder, FEBRUARY).rows_settled == 1


def test_the_quarantine_of_an_older_warehouse_learns_to_settle(connection: psycopg.Connection) -> None:
    connection.execute("alter table loads.rejected drop column settled_by")
    create_raw(connection)
    assert one(connection, "select count(settled_by) from loads.rejected") == 0


def test_a_retry_reads_the_stretches_of_what_waits_and_no_other(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    bad = Rejected("sys_audit", "bad_instant", "no", "of march")
    march = Window(FEBRUARY.end, FEBRUARY.end + timedelta(days=31))
    for window, answer in ((JANUARY, []), (FEBRUARY, []), (march, [bad])):
        told["servicenow"] = answer
        load_window(connection, SOURCE, window)
    kept = kept_aside(connection)
    connection.commit()
    assert [(one.source_name, one.table_name, one.records) for one in kept] == [
        ("desk", "raw_servicenow.sys_audit", 1)
    ]
    told["servicenow"] = [audits("9")]
    reports = list(retry(connection, SOURCE))
    assert [(report.window, report.rows_settled) for report in reports] == [(march, 1)]
    assert kept_aside(connection) == []
    assert [one.settled_by for one in kept_records(connection, "desk", with_settled=True)] == [
        reports[0].batch_id
    ]


def test_a_changed_record_is_a_new_version_and_sources_do_not_mix(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["servicenow"] = [audits("1")]
    load_window(connection, SOURCE, JANUARY)
    load_window(connection, replace(SOURCE, name="other_desk"), JANUARY)
    told["servicenow"] = [audits("1", newvalue="2")]
    load_window(connection, SOURCE, JANUARY)
    versions = connection.execute(
        "select _source_name, newvalue from raw_servicenow.sys_audit order by _batch_id"
    ).fetchall()
    assert versions == [("desk", "x"), ("other_desk", "x"), ("desk", "2")]


CELLS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6), min_size=9, max_size=9
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELLS, max_size=6))
def test_any_text_lands_as_it_was_and_different_rows_never_pass_for_one(
    connection: psycopg.Connection, told: dict[str, Any], cells: list[list[str]]
) -> None:
    source = replace(SOURCE, name="any_text")
    told["servicenow"] = [Rows("sys_audit", [tuple(row) for row in cells], range(len(cells)))]
    load_window(connection, source, JANUARY)
    names = ", ".join(system_named("servicenow").table("sys_audit").column_names)
    query = f"select {names} from raw_servicenow.sys_audit where _source_name = 'any_text'"
    landed = connection.execute(query.encode()).fetchall()
    connection.commit()
    assert {tuple(row) for row in cells} <= set(landed)
    assert len(landed) == len(set(landed))


def test_a_nul_character_is_rejected_and_a_null_is_not_an_empty_text(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    names = system_named("servicenow").table("sys_audit").column_names
    nothing: tuple[str | None, ...] = (None,) * len(names)
    told["servicenow"] = [audits("1\x00"), Rows("sys_audit", [nothing, ("",) * len(names)], [1, 2])]
    report = load_window(connection, SOURCE, JANUARY)
    assert report.rejected_by_reason == {"nul_character": 1}
    assert report.rows_landed == 2


def test_a_failure_half_way_leaves_nothing(connection: psycopg.Connection, told: dict[str, Any]) -> None:
    def failing(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        yield audits("1", "2")
        yield Rejected("sys_audit", "bad_instant", "no", "payload", file=SourceFile("f", "00", 1))
        raise SourceError("the vendor hung up")

    before = counts(connection)
    told["servicenow"] = failing
    with pytest.raises(SourceError, match="hung up"):
        load_window(connection, SOURCE, JANUARY)
    assert counts(connection) == before
    assert connection.execute("select to_regclass('pg_temp.landing_sys_audit')").fetchone() == (None,)


def test_a_killed_load_leaves_nothing_and_the_next_one_lands_all(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    def killed(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        yield audits("1", "2")
        with psycopg.connect(warehouse_dsn, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        yield audits("3")

    told["servicenow"] = killed
    with psycopg.connect(warehouse_dsn) as victim, pytest.raises(psycopg.OperationalError):
        load_window(victim, SOURCE, JANUARY)
    assert counts(connection)["loads.batches"] == 0
    told["servicenow"] = [audits("1", "2"), audits("3")]
    assert load_window(connection, SOURCE, JANUARY).rows_landed == 3


def test_samples_go_to_the_partitions_of_their_months(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    border = FEBRUARY.start
    told["prometheus"] = [
        samples(border - timedelta(milliseconds=1), border, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
        samples(border, value="0"),
    ]
    report = load_window(connection, PROBES, JANUARY)
    assert report.landed_by_table == {"samples": 4}
    partitions = connection.execute(
        "select tableoid::regclass::text, sampled_at, value from raw_prometheus.samples order by 2, 3"
    ).fetchall()
    assert [row[0].split(".")[1] for row in partitions] == [
        "samples_2025_12",
        "samples_2026_01",
        "samples_2026_02",
        "samples_2026_02",
    ]
    connection.commit()
    again = load_window(connection, PROBES, JANUARY)
    assert (again.rows_landed, again.rows_duplicate) == (0, 4)


def series(*instants: datetime, monitor: str = "web", value: float = 1.0) -> list[Series]:
    milliseconds = [round(instant.timestamp() * 1000) for instant in instants]
    return [Series("samples", monitor, np.array(milliseconds, np.int64), np.full(len(instants), value))]


def landed_samples(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        "select _source_name, _batch_id, _source_file_id, _source_row, monitor, sampled_at, value"
        " from raw_prometheus.samples order by monitor, sampled_at, _batch_id"
    ).fetchall()
    connection.commit()
    return rows


def test_a_series_lands_as_its_rows_do(connection: psycopg.Connection, told: dict[str, Any]) -> None:
    monitors = ("a", "https://häuser.example/?q=1", "\t'x\\")
    given = [
        series(
            JANUARY.start,
            JANUARY.start + timedelta(milliseconds=123),
            JANUARY.end - timedelta(milliseconds=1),
            monitor=monitor,
            value=value,
        )
        for monitor, value in zip(monitors, (1.0, 1e-300, -0.1), strict=True)
    ]
    told["prometheus"] = given
    report = load_window(connection, PROBES, JANUARY)
    assert (report.rows_read, report.rows_landed, report.landed_by_table) == (9, 9, {"samples": 9})
    at_once = landed_samples(connection)
    connection.execute("truncate raw_prometheus.samples")
    connection.commit()
    told["prometheus"] = [one.rows() for (one,) in given]
    as_rows = load_window(connection, PROBES, JANUARY)
    assert [(row[0], *row[2:]) for row in landed_samples(connection)] == [
        (row[0], *row[2:]) for row in at_once
    ]
    assert {row[1] for row in landed_samples(connection)} == {as_rows.batch_id}


def test_a_name_lands_as_it_was_told_whatever_a_session_speaks(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["prometheus"] = [
        series(JANUARY.start, monitor="häuser €"),
        Rows("samples", [("flüsse €", "2026-01-02T00:00:00Z", "1")], [1]),
    ]
    with psycopg.connect(warehouse_dsn, client_encoding="latin9") as elsewhere:
        load_window(elsewhere, PROBES, JANUARY)
    assert [row[4] for row in landed_samples(connection)] == ["flüsse €", "häuser €"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/St_Johns"])
@pytest.mark.parametrize(
    "instant",
    [
        datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 59, 59, 999000, tzinfo=UTC),
        datetime(2199, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    ],
)
def test_an_instant_lands_as_itself_in_any_session(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any], instant: datetime, zone: str
) -> None:
    told["prometheus"] = [series(instant - timedelta(milliseconds=1), instant)]
    window = Window(instant - timedelta(microseconds=1000), instant + timedelta(microseconds=1))
    with psycopg.connect(warehouse_dsn, options=f"-c timezone={zone}") as elsewhere:
        assert load_window(elsewhere, PROBES, window).rows_landed == 2
        told["prometheus"] = [samples(instant - timedelta(milliseconds=1), instant)]
        assert load_window(elsewhere, PROBES, window).rows_landed == 0
    assert [row[5] for row in landed_samples(connection)] == [instant - timedelta(milliseconds=1), instant]
    stretch = connection.execute("select landed_from, landed_to from loads.batches order by 1").fetchall()
    connection.commit()
    assert stretch[0] == (instant - timedelta(milliseconds=1), instant + timedelta(microseconds=1))


def test_a_long_series_is_numbered_throughout(
    connection: psycopg.Connection, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.series.BLOCK_SAMPLES", 7)
    instants = [JANUARY.start + timedelta(minutes=n) for n in range(20)]
    told["prometheus"] = [series(*instants)]
    load_window(connection, PROBES, JANUARY)
    assert [(row[3], row[5]) for row in landed_samples(connection)] == list(enumerate(instants, start=1))


def test_the_longest_name_of_a_monitor_fits_into_a_summary(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    # No text that could be compressed, and names that differ from their first letter on.
    first, last = (f"{letter}{random.Random(letter).randbytes(1500).hex()}"[:3000] for letter in "az")
    assert {len(name.encode()) for name in (first, last)} == {LONGEST_NAME_BYTES}
    minutes = [JANUARY.start + timedelta(minutes=n) for n in range(100)]
    told["prometheus"] = [series(*minutes, monitor=name) for name in (last, first)]
    assert load_window(connection, PROBES, JANUARY).rows_landed == 200
    with psycopg.connect(warehouse_dsn, autocommit=True) as other:
        other.execute("vacuum raw_prometheus.samples_2026_01")
    told["prometheus"] = [samples(minutes[0])]
    assert load_window(connection, PROBES, JANUARY).rows_landed == 1


@pytest.mark.parametrize("at_once", [False, True])
def test_a_series_lands_once_whatever_was_there(
    connection: psycopg.Connection, told: dict[str, Any], at_once: bool
) -> None:
    first, second, third = (JANUARY.start + timedelta(minutes=n) for n in range(3))
    answers = [
        series(first, second),
        series(second, third),  # its first was in the series before
        series(third, FEBRUARY.start),  # beyond the window, where no month was made for it
        series(first, second, monitor="db"),
        series(third, monitor="db", value=0.0),
    ]
    told["prometheus"] = [samples(second), *([list(chain.from_iterable(answers))] if at_once else answers)]
    report = load_window(connection, PROBES, JANUARY)
    assert (report.rows_read, report.rows_landed, report.rows_duplicate) == (10, 7, 3)
    web = [("web", first, 1.0), ("web", second, 1.0), ("web", third, 1.0), ("web", FEBRUARY.start, 1.0)]
    db = [("db", first, 1.0), ("db", second, 1.0), ("db", third, 0.0)]
    assert [row[4:] for row in landed_samples(connection)] == [*db, *web]
    again = load_window(connection, PROBES, JANUARY)
    assert (again.rows_read, again.rows_landed, again.rows_duplicate) == (10, 0, 10)
    told["prometheus"] = [series(first, monitor="db", value=0.0)]
    other = load_window(connection, replace(PROBES, name="other_probes"), JANUARY)
    changed = load_window(connection, PROBES, JANUARY)
    assert (other.rows_landed, changed.rows_landed) == (1, 1)


def test_a_load_of_series_that_fails_leaves_no_sample_and_makes_nobody_wait(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    def failing(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Any]:
        del landed
        yield series(window.start)
        if source.name == "probes":
            with psycopg.connect(warehouse_dsn, options="-c lock_timeout=5s") as other:
                assert load_window(other, replace(PROBES, name="other_probes"), JANUARY).rows_landed == 1
                assert load_window(other, replace(PROBES, name="other_probes"), FEBRUARY).rows_landed == 1
            raise SourceError("the vendor hung up")

    told["prometheus"] = failing
    with pytest.raises(SourceError, match="hung up"):
        load_window(connection, PROBES, JANUARY)
    assert {row[0] for row in landed_samples(connection)} == {"other_probes"}


def test_a_batch_knows_the_stretch_that_its_samples_came_to_lie_in(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    def stretch(source: SourceConnection, window: Window = JANUARY) -> tuple[Any, ...]:
        report = load_window(connection, source, window)
        found = connection.execute(
            "select landed_from, landed_to from loads.batches where batch_id = %s", (report.batch_id,)
        ).fetchone()
        connection.commit()
        assert found is not None
        return found

    first, second, third = (JANUARY.start + timedelta(days=n) for n in (3, 5, 9))
    just_after = timedelta(microseconds=1)
    told["prometheus"] = [series(second), samples(first)]
    assert stretch(PROBES) == (first, second + just_after)
    # What is there already does not land again.
    told["prometheus"] = [series(second, third), samples(first)]
    assert stretch(PROBES) == (third, third + just_after)
    assert stretch(PROBES) == (JANUARY.end, JANUARY.end)
    checks = system_named("upptime").table("checks")
    row = {"slug": "web", "checked_at": "2026-01-04T00:00:00Z", "status": "up"}
    told["upptime"] = [Rows("checks", [tuple(row.get(name, "") for name in checks.column_names)], [1])]
    upptime = replace(PROBES, name="status", system="upptime")
    assert stretch(upptime) == (first, first + just_after)
    told["servicenow"] = [audits("1")]
    assert stretch(SOURCE) == (JANUARY.end, JANUARY.end)


def test_batches_of_an_older_warehouse_learn_their_stretch(connection: psycopg.Connection) -> None:
    connection.execute("alter table loads.batches drop column landed_from, drop column landed_to")
    create_raw(connection)
    assert one(connection, "select count(landed_from) + count(landed_to) from loads.batches") == 0


def test_samples_of_an_earlier_release_kept_a_hash_and_new_ones_have_none(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    first, second, third = (JANUARY.start + timedelta(minutes=n) for n in range(3))
    told["prometheus"] = [series(first)]
    load_window(connection, PROBES, JANUARY)
    connection.execute("alter table raw_prometheus.samples add column _row_hash text")
    connection.execute("update raw_prometheus.samples set _row_hash = 'as it was'")
    connection.execute("alter table raw_prometheus.samples alter column _row_hash set not null")
    create_raw(connection)
    connection.commit()
    told["prometheus"] = [series(first, second), samples(third)]
    assert load_window(connection, PROBES, JANUARY).rows_landed == 2
    told["prometheus"] = [series(FEBRUARY.start)]
    assert load_window(connection, PROBES, FEBRUARY).rows_landed == 1
    # Who makes the warehouse ready again waits for nobody who reads.
    with psycopg.connect(warehouse_dsn) as reader:
        assert reader.execute("select count(_row_hash), count(*) from raw_prometheus.samples").fetchone() == (
            1,
            4,
        )
        connection.execute("set local lock_timeout = '5s'")
        create_raw(connection)
    connection.commit()


def test_a_sample_read_in_another_zone_is_the_same_sample(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["prometheus"] = [samples(JANUARY.start, JANUARY.start + timedelta(milliseconds=1))]
    load_window(connection, PROBES, JANUARY)
    with psycopg.connect(warehouse_dsn, options="-c timezone=Asia/Kolkata") as elsewhere:
        assert load_window(elsewhere, PROBES, JANUARY).rows_landed == 0


def test_samples_of_a_load_lie_in_the_order_that_evidence_looks_them_up_by(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    minutes = [JANUARY.start + timedelta(minutes=n) for n in range(3000)]
    told["prometheus"] = [
        Rows("samples", [(name, at.isoformat(), "1") for at in minutes], range(1, 3001)) for name in "dcba"
    ]
    load_window(connection, PROBES, JANUARY)
    lies = connection.execute(
        "select monitor, sampled_at from raw_prometheus.samples_2026_01 order by ctid"
    ).fetchall()
    assert len(lies) == 12_000
    assert lies == sorted(lies)
    connection.execute(
        """
        select brin_summarize_new_values(i.indexrelid)
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
        where i.indrelid = 'raw_prometheus.samples_2026_01'::regclass and a.amname = 'brin'
        """
    )
    connection.execute("set local enable_seqscan = off")
    ((plan,),) = connection.execute(
        "explain (analyze, format json) select * from raw_prometheus.samples "
        "where monitor = 'c' and sampled_at = %s",
        (minutes[1500],),
    ).fetchall()
    (removed,) = re.findall(r'"Rows Removed by Index Recheck": (\d+)', json.dumps(plan))
    assert int(removed) < 4000
    connection.commit()


def test_whether_a_source_has_samples_is_looked_up_and_not_read_through(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    minutes = [JANUARY.start + timedelta(minutes=n) for n in range(3000)]
    told["prometheus"] = [series(*minutes, monitor=name) for name in "abcd"]
    load_window(connection, PROBES, JANUARY)
    with psycopg.connect(warehouse_dsn, autocommit=True) as other:
        other.execute("vacuum analyze raw_prometheus.samples")

    scans: list[Any] = []

    def asking(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Any]:
        yield series(minutes[-1], monitor="a")
        assert isinstance(landed, Landing)
        scans.extend(
            landed.connection.execute(
                "select seq_scan, idx_scan from pg_stat_xact_user_tables where relname = 'samples_2026_01'"
            )
        )

    told["prometheus"] = asking
    with psycopg.connect(warehouse_dsn) as own:
        assert load_window(own, PROBES, Window(minutes[-60], JANUARY.end)).rows_duplicate == 1
    assert scans == [(0, 1)]


def test_two_samples_of_one_number_and_instant_are_told_apart_by_their_content(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["prometheus"] = [
        samples(JANUARY.start, value="0"),
        samples(JANUARY.start, value="1"),
        series(JANUARY.start, monitor="db"),
    ]
    load_window(connection, PROBES, JANUARY)
    asking = Asking(connection, limit=10)
    monitors = sql.SQL("raw.monitor = any(%s)")
    evidence = raw_rows(asking, "raw_prometheus.samples", monitors, [["web", "db"]], PROBES.name)
    payloads = payloads_of(asking, "raw_prometheus.samples", evidence)
    values = {
        row["row_hash"]: payloads["raw_prometheus.samples", "probes", row["row_hash"], row["batch_id"], 1]
        for row in evidence
    }
    assert len(values) == 3
    assert sorted((one["monitor"], one["value"]) for one in values.values()) == [
        ("db", 1),
        ("web", 0),
        ("web", 1),
    ]
    ((hashed,),) = connection.execute(
        sql.SQL("select count(*) from raw_prometheus.samples as raw where {} = any(%s)").format(
            row_identity.of_raw(system_named("prometheus").table("samples"))
        ),
        (list(values),),
    ).fetchall()
    assert hashed == 3


@pytest.mark.parametrize("table", ["sys_audit", "samples_2026_01"])
def test_statistics_that_call_a_full_table_empty_do_not_slow_the_search(
    connection: psycopg.Connection, told: dict[str, Any], table: str
) -> None:
    """Autovacuum may look while a load is not committed; that once made minutes of a second."""
    source = SOURCE if table == "sys_audit" else PROBES
    told["servicenow"] = [audits(*map(str, range(40_000)))]
    told["prometheus"] = [samples(*(JANUARY.start + timedelta(seconds=n) for n in range(40_000)))]
    load_window(connection, source, JANUARY)
    connection.execute("update pg_class set reltuples = 0 where relname = %s", (table,))
    connection.commit()
    before = time.monotonic()
    assert load_window(connection, source, JANUARY).rows_duplicate == 40_000
    assert time.monotonic() - before < 15


def test_the_first_window_is_all_history_and_the_next_overlaps(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    assert next_window(connection, SOURCE, FEBRUARY.end) == Window(JANUARY.start, FEBRUARY.end)
    assert next_window(connection, SOURCE, JANUARY.start) is None
    load_window(connection, SOURCE, JANUARY)
    assert next_window(connection, SOURCE, JANUARY.end) is None
    overlap = system_named("servicenow").overlap
    assert next_window(connection, SOURCE, FEBRUARY.end) == Window(JANUARY.end - overlap, FEBRUARY.end)
    with pytest.raises(ValueError, match="must carry its zone"):
        next_window(connection, SOURCE, datetime(2026, 3, 1))


def test_an_overlap_never_reaches_behind_the_history(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    log = replace(SOURCE, name="log", system="incident_log")
    load_window(connection, log, JANUARY)
    assert next_window(connection, log, FEBRUARY.end) == Window(JANUARY.start, FEBRUARY.end)


def test_the_watermark_waits_for_a_hole_and_never_goes_back(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    march = Window(FEBRUARY.end, datetime(2026, 4, 1, tzinfo=UTC))
    assert load_window(connection, SOURCE, march).watermark == JANUARY.start
    assert load_window(connection, SOURCE, JANUARY).watermark == JANUARY.end
    assert load_window(connection, SOURCE, FEBRUARY).watermark == FEBRUARY.end
    assert load_window(connection, SOURCE, JANUARY).watermark == FEBRUARY.end
    assert load_window(connection, SOURCE, march).watermark == march.end
    assert one(connection, "select vendor_id from loads.watermarks") == "helios"


def test_two_loads_of_one_source_wait_for_each_other(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    fetching = threading.Event()
    go_on = threading.Event()
    order: list[str] = []

    def slow(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        order.append("fetch")
        if not fetching.is_set():
            fetching.set()
            assert go_on.wait(30)
        yield audits("1", "2")

    told["servicenow"] = slow
    reports: list[LoadReport] = []

    def load() -> None:
        with psycopg.connect(warehouse_dsn) as own:
            reports.append(load_window(own, SOURCE, JANUARY))

    first, second = threading.Thread(target=load), threading.Thread(target=load)
    first.start()
    assert fetching.wait(30)
    second.start()
    time.sleep(0.3)
    assert order == ["fetch"]
    go_on.set()
    first.join(30)
    second.join(30)
    assert sorted(report.rows_landed for report in reports) == [0, 2]


def test_another_load_that_does_not_end_is_told(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect(warehouse_dsn) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('avoir.load.desk', 0))")
        with pytest.raises(LoadingError, match="another load of desk"):
            load_window(connection, SOURCE, JANUARY)
    assert load_window(connection, SOURCE, JANUARY).rows_read == 0


def test_two_sources_make_the_same_partition_at_the_same_time(
    warehouse_dsn: str, connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    barrier = threading.Barrier(4)

    def together(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        yield samples(JANUARY.start, FEBRUARY.start)
        barrier.wait(30)

    told["prometheus"] = together
    landed: list[int] = []

    def load(name: str) -> None:
        with psycopg.connect(warehouse_dsn) as own:
            landed.append(load_window(own, replace(PROBES, name=name), JANUARY).rows_landed)

    threads = [threading.Thread(target=load, args=(f"probes_{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert landed == [2, 2, 2, 2]


def test_a_load_inside_an_open_transaction_is_refused(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    connection.execute("select 1")
    with pytest.raises(LoadingError, match="commit or roll back"):
        load_window(connection, SOURCE, JANUARY)


def test_a_file_is_known_once_it_landed_and_read_again_when_it_was_rejected(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    good, bad = SourceFile("good.xml", "aa" * 32, 1), SourceFile("bad.xml", "bb" * 32, 1)
    asked: list[tuple[bool, bool]] = []

    def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
        asked.append((landed.has_file(good.sha256), landed.has_file(bad.sha256)))
        yield replace(audits("1"), file=good)
        yield Rejected("sys_audit", "not_well_formed", "cut", "bad.xml", file=bad)

    told["servicenow"] = fetch
    load_window(connection, SOURCE, JANUARY)
    load_window(connection, SOURCE, JANUARY)
    load_window(connection, replace(SOURCE, name="elsewhere"), JANUARY)
    assert asked == [(False, False), (True, False), (False, False)]
    assert one(connection, "select count(*) from loads.files where source_name = 'desk'") == 2


def test_a_long_payload_is_cut_with_the_hash_of_the_whole(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["servicenow"] = [
        Rejected("sys_audit", "bad_instant", "no", "x" * 100_000 + end + "\udcff\x00") for end in ("a", "b")
    ]
    assert load_window(connection, SOURCE, JANUARY).rows_rejected == 2
    assert one(connection, "select max(length(payload)) from loads.rejected") < 4200


def test_a_row_of_another_width_is_a_mistake_of_ours(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told["servicenow"] = [Rows("sys_audit", [("1", "2")], [1])]
    with pytest.raises(ValueError, match="has 9 columns, got 2"):
        load_window(connection, SOURCE, JANUARY)


def test_the_loader_needs_no_more_than_owning_the_raw_schemas(
    warehouse_dsn: str, told: dict[str, Any]
) -> None:
    """The least role that loads: it owns the schemas, and may neither make schemas nor see anything else."""
    with psycopg.connect(warehouse_dsn, autocommit=True) as admin:
        admin.execute("drop role if exists test_loader")
        admin.execute("create role test_loader")
        schemas = {"loads", *(system.schema for system in SYSTEMS)}
        for schema in sorted(schemas):
            admin.execute(f"create schema {schema} authorization test_loader".encode())
    with psycopg.connect(warehouse_dsn) as connection:
        connection.execute("set role test_loader")
        create_raw(connection)
        connection.commit()
        told["prometheus"] = [samples(JANUARY.start, FEBRUARY.start)]
        assert load_window(connection, PROBES, JANUARY).rows_landed == 2
        told["servicenow"] = [audits("1")]
        assert load_window(connection, SOURCE, JANUARY).rows_landed == 1
    with psycopg.connect(warehouse_dsn, autocommit=True) as admin:
        admin.execute("drop owned by test_loader cascade")
        admin.execute("drop role test_loader")


def told_drift(connection: psycopg.Connection, told: dict[str, Any], *records: dict[str, Any]) -> list[str]:
    """What the report of a load says that is given these records, in a window of its own."""

    def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows]:
        del source, landed
        look_at("https://acme.example/api/incidents?page=1", None, {"result": list(records)})
        yield samples(window.start)

    told["prometheus"] = fetch
    report = load_window(connection, PROBES, JANUARY)
    kept = [one for one in drifts(connection, PROBES.name) if one["batch_id"] == report.batch_id]
    assert [(one["field"], one["kinds"]) for one in kept] == [(one.field, one.kinds) for one in report.drift]
    connection.commit()
    return [str(one).removeprefix("api/incidents:") for one in report.drift]


def test_a_field_that_comes_goes_or_changes_its_kind_is_told_of_once(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    record: dict[str, Any] = {"number": "INC1", "priority": 3, "closed": None, "caller": {"name": "A"}}
    assert told_drift(connection, told, record) == []
    assert told_drift(connection, told, record) == []
    record |= {"u_tier": "gold", "closed": "2026-01-02", "priority": "3"}
    assert told_drift(connection, told, record) == [
        "result[].priority changed its kind (number, text)", "result[].u_tier came (text)",
    ]  # fmt: skip
    assert told_drift(connection, told, record) == []
    del record["number"]
    assert told_drift(connection, told, record) == ["result[].number went (text)"]
    assert told_drift(connection, told, record) == []
    # Once it comes and goes it is one that records need not have.
    assert told_drift(connection, told, record | {"number": "INC2"}) == []
    assert told_drift(connection, told, record) == []


def test_a_load_without_records_makes_no_field_go(
    connection: psycopg.Connection, told: dict[str, Any]
) -> None:
    told_drift(connection, told, {"number": "INC1", "caller": {"name": "A"}})
    assert told_drift(connection, told) == []
    assert told_drift(connection, told, {"number": "INC1", "caller": None}) == []
    assert told_drift(connection, told, {"number": "INC1", "caller": {"id": 7}}) == [
        "result[].caller.id came (number)", "result[].caller.name went (text)",
    ]  # fmt: skip


def test_a_vendor_that_names_its_fields_anew_each_night_fills_no_disk(
    connection: psycopg.Connection, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avoir.sources.drift.MOST_KEPT", 3)
    told_drift(connection, told, {"number": "INC1", "a": 1})
    assert told_drift(connection, told, {"number": 2, "b": 1}) == [
        "result[].a went (number)", "result[].number changed its kind (number, text)",
    ]  # fmt: skip
    assert len(seen_fields(connection, PROBES.name)) == 3


def test_a_load_that_fails_has_seen_nothing(connection: psycopg.Connection, told: dict[str, Any]) -> None:
    def failing(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows]:
        del source, window, landed
        look_at("https://acme.example/api/incidents", None, {"result": [{"other": 1}]})
        yield samples(JANUARY.start)
        raise SourceError("the vendor went")

    told_drift(connection, told, {"number": "INC1"})
    told["prometheus"] = failing
    with pytest.raises(SourceError):
        load_window(connection, PROBES, JANUARY)
    assert [one["field"] for one in seen_fields(connection, PROBES.name)] == [
        "api/incidents:result", "api/incidents:result[].number",
    ]  # fmt: skip
