"""Contracts load into the reference tables: as the files say, bi-temporally, and a rerun changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from avoir.contracts.calendars import calendar_days, microseconds_since_epoch, open_microseconds
from avoir.contracts.loading import ContractsReport, create_reference, load_contracts
from avoir.contracts.model import Calendar
from avoir.contracts.rows import COLUMNS

pytestmark = pytest.mark.warehouse

SHA = "0123456789abcdef" * 4
FIRST = datetime(2026, 1, 10, tzinfo=UTC)
SECOND = datetime(2026, 2, 10, tzinfo=UTC)
THIRD = datetime(2026, 3, 10, tzinfo=UTC)
TABLES = ("vendors", "proofs", *COLUMNS)

TEXT = f"""\
contract: HEL-1
name: IT services
vendor: {{id: helios, name: Helios IT}}
currency: EUR
timezone: Europe/Paris
versions:
  - version: 1
    effective_from: 2026-01-01
    document_sha256: {SHA}
    calendars:
      - id: office
        weekly: {{mon: ["09:00-12:30", "13:30-18:00"], tue: ["09:00-18:00"], sun: ["01:00-05:00"]}}
        holidays: {{country: FR}}
    services:
      - id: support
        name: User support
        fee: {{kind: invoice_lines}}
        keys:
          - {{source: desk, kind: ticket, value: user-support}}
          - {{source: bills, kind: invoice_line, value: SUP}}
      - id: platform
        name: Platform
        fee: {{kind: fixed, amount: "10000.00"}}
        keys: [{{source: probes, kind: monitor, value: platform}}]
      - id: releases
        name: Releases
        fee: {{kind: invoice_lines}}
        keys: [{{source: desk, kind: release, value: apps}}]
    clauses:
      - id: SLA-1
        title: First response
        text: Within thirty minutes.
        service: support
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
          pause: [{{field: hold_reason, value: "1"}}]
        objective: {{operator: "<=", value: 30, unit: minutes}}
        penalty:
          formula: percent_of_invoice_per_event
          rate_pct: 5
          base: month_invoice
          month_cap: {{pct_of_month_invoice: 15}}
      - id: SLA-2
        service: platform
        indicator:
          kind: availability
          method: minutes
          unknown: exclude
          probe_interval_seconds: 300
          maintenance: {{notice_hours: 72}}
        objective: {{operator: ">=", value: 99.5, unit: pct}}
        penalty: {{formula: proportional, on: whole_downtime, base: fixed_fee}}
      - id: SLA-3
        service: releases
        indicator: {{kind: milestone, days: business, calendar: office, replan_notice_days: 10}}
        objective: {{operator: "<=", value: 0, unit: days}}
        penalty: {{formula: fixed_per_event, amount: "750.00", month_cap: {{amount: 1500}}}}
"""

AMENDMENT = f"""\
  - version: 2
    effective_from: 2026-07-01
    document_sha256: {SHA}
    services:
      - id: platform
        name: Platform
        fee: {{kind: fixed, amount: 12000}}
        keys: [{{source: probes, kind: monitor, value: platform}}]
"""


def other(text: str = TEXT) -> str:
    """The same terms with another vendor and other keys."""
    text = text.replace("HEL-1", "KAV-1").replace(
        "{id: helios, name: Helios IT}", "{id: kaveri, name: Kaveri}"
    )
    for source in ("desk", "bills", "probes"):
        text = text.replace(f"source: {source}", f"source: {source}_2")
    return text


@pytest.fixture
def connection(warehouse_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_dsn) as opened:
        create_reference(opened)
        opened.commit()
        yield opened
        opened.rollback()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "helios").mkdir()
    (tmp_path / "helios" / "HEL-1.yml").write_text(TEXT)
    return tmp_path


def load(
    connection: psycopg.Connection,
    root: Path,
    as_of: datetime = FIRST,
    days: tuple[date, date] = (date(2026, 1, 1), date(2027, 1, 1)),
) -> ContractsReport:
    report = load_contracts(connection, root, as_of=as_of, days_from=days[0], days_to=days[1])
    connection.commit()
    return report


def contents(
    connection: psycopg.Connection, *, physical: bool = False
) -> dict[str, list[tuple[object, ...]]]:
    """All rows; with ``physical`` also where each row lies and who wrote it, which any rewrite changes."""
    columns = "ctid::text, xmin::text, t.*" if physical else "t.*"
    return {
        table: connection.execute(f"select {columns} from reference.{table} t order by t").fetchall()  # type: ignore[arg-type]
        for table in TABLES
    }


def versions(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select contract_id, version_no, valid_from, valid_to, recorded_at, superseded_at "
        "from reference.contract_versions order by recorded_at, contract_id, version_no"
    ).fetchall()


# --- What the tables say -----------------------------------------------------------------------------------


def test_the_tables_say_what_the_file_says(connection: psycopg.Connection, root: Path) -> None:
    report = load(connection, root)
    assert report.loaded == ("HEL-1",)
    assert report.problems == ()
    (version_id,) = report.added_versions
    rows = contents(connection)
    assert rows["vendors"] == [("helios", "Helios IT")]
    assert rows["contract_versions"] == [
        (
            version_id,
            "HEL-1",
            "IT services",
            "helios",
            1,
            date(2026, 1, 1),
            date(9999, 12, 31),
            "Europe/Paris",
            "EUR",
            2,
            SHA,
            "helios/HEL-1.yml",
            FIRST,
            None,
            *(None,) * 3,
        )
    ]
    assert [row[1:] for row in rows["services"]] == [
        ("platform", "Platform", "fixed", Decimal("10000.00")),
        ("releases", "Releases", "invoice_lines", None),
        ("support", "User support", "invoice_lines", None),
    ]
    assert [row[1:] for row in rows["service_keys"]] == [
        ("platform", "probes", "monitor", "platform"),
        ("releases", "desk", "release", "apps"),
        ("support", "bills", "invoice_line", "SUP"),
        ("support", "desk", "ticket", "user-support"),
    ]
    office = f"{version_id}/office"
    assert rows["calendars"] == [(office, version_id, "Europe/Paris")]
    common = {"contract_version_id": version_id, "aggregation": "each"}
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("select * from reference.clauses order by clause_id")
        clauses = [{name: value for name, value in row.items() if value is not None} for row in cursor]
    assert clauses == [
        common
        | {
            "clause_id": "SLA-1",
            "service_id": "support",
            "clause_title": "First response",
            "clause_text": "Within thirty minutes.",
            "indicator": "clock",
            "calendar_id": office,
            "objective_operator": "<=",
            "objective_value": Decimal(1800),
            "objective_unit": "seconds",
            "target_value": Decimal(1800),
            "formula": "percent_of_invoice_per_event",
            "rate_pct": Decimal(5),
            "base_kind": "month_invoice",
            "month_cap_pct": Decimal(15),
        },
        common
        | {
            "clause_id": "SLA-2",
            "service_id": "platform",
            "clause_title": "SLA-2",
            "indicator": "availability",
            "objective_operator": ">=",
            "objective_value": Decimal("99.5"),
            "objective_unit": "pct",
            "target_value": Decimal("99.5"),
            "availability_method": "minutes",
            "unknown_policy": "exclude",
            "probe_interval_seconds": 300,
            "maintenance_notice_seconds": 259200,
            "formula": "proportional",
            "proportional_on": "whole_downtime",
            "base_kind": "fixed_fee",
        },
        common
        | {
            "clause_id": "SLA-3",
            "service_id": "releases",
            "clause_title": "SLA-3",
            "indicator": "milestone",
            "calendar_id": office,
            "objective_operator": "<=",
            "objective_value": Decimal(0),
            "objective_unit": "days",
            "target_value": Decimal(0),
            "replan_notice_days": 10,
            "day_kind": "business",
            "formula": "fixed_per_event",
            "amount": Decimal("750.00"),
            "month_cap_amount": Decimal(1500),
        },
    ]
    assert sorted(row[2:] for row in rows["clock_rules"]) == [
        ("pause", "hold_reason", "1"),
        ("start", "created", None),
        ("stop", "public_comment_vendor", None),
    ]
    assert len(rows["calendar_days"]) == 365


def test_every_table_and_its_keys_are_described(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        """
        select relname, obj_description(c.oid, 'pg_class') is not null,
            exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisunique)
        from pg_class c where relnamespace = 'reference'::regnamespace and relkind = 'r' order by relname
        """
    ).fetchall()
    assert rows == [(table, True, True) for table in sorted(TABLES)]


def test_the_lookup_in_sql_equals_the_walk_over_changes_of_clocks(
    connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root)
    calendar = Calendar.model_validate(
        {
            "id": "office",
            "timezone": "Europe/Paris",
            "weekly": {"mon": ["09:00-12:30", "13:30-18:00"], "tue": ["09:00-18:00"], "sun": ["01:00-05:00"]},
            "holidays": {"country": "FR"},
        }
    )
    lookup = """
        select open_before_us + greatest(0, least(%(us)s, close_1_us) - open_1_us)
            + greatest(0, least(%(us)s, close_2_us) - open_2_us)
            + greatest(0, least(%(us)s, close_3_us) - open_3_us)
            + greatest(0, least(%(us)s, close_4_us) - open_4_us)
            + greatest(0, least(%(us)s, close_5_us) - open_5_us)
            + greatest(0, least(%(us)s, close_6_us) - open_6_us)
        from reference.calendar_days where day_no = %(day)s
    """

    def opened_before(instant: datetime) -> int:
        day, us = divmod(microseconds_since_epoch(instant), 86_400_000_000)
        row = connection.execute(lookup, {"us": us, "day": day}).fetchone()
        assert row is not None
        return int(row[0])

    seen = 0
    for start in (datetime(2026, 3, 28, 20, tzinfo=UTC), datetime(2026, 10, 24, 20, tzinfo=UTC)):
        for hours in range(1, 72, 5):
            end = start + timedelta(hours=hours, microseconds=7)
            found = opened_before(end) - opened_before(start)
            assert found == open_microseconds(calendar, start, end)
            seen += found
    assert seen > 0
    days = calendar_days(calendar, date(2026, 1, 1), date(2027, 1, 1))
    assert [row[1:] for row in contents(connection)["calendar_days"]] == [day.row() for day in days]


# --- Nothing changes without a reason ----------------------------------------------------------------------


def test_the_same_files_change_no_row(connection: psycopg.Connection, root: Path) -> None:
    load(connection, root)
    before = contents(connection, physical=True)
    for as_of in (FIRST, SECOND):
        create_reference(connection)
        assert not load(connection, root, as_of).changed
    assert contents(connection, physical=True) == before


def test_a_longer_range_only_adds_days(connection: psycopg.Connection, root: Path) -> None:
    load(connection, root)
    before = contents(connection)
    report = load(connection, root, SECOND, (date(2026, 1, 1), date(2028, 1, 1)))
    after = contents(connection)
    assert report.calendars_written == 1
    assert set(before["calendar_days"]) < set(after["calendar_days"])
    assert {t: r for t, r in after.items() if t != "calendar_days"} == {
        t: r for t, r in before.items() if t != "calendar_days"
    }


def test_a_contract_older_than_the_range_has_its_calendar_all_the_same(
    connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root, FIRST, (date(2030, 1, 1), date(2031, 1, 1)))
    (first, last) = connection.execute(
        "select min(utc_date), max(utc_date) from reference.calendar_days"
    ).fetchone() or (None, None)
    assert (first, last) == (date(2026, 1, 1), date(2030, 12, 31))


def test_a_calendar_reaches_as_far_as_its_longest_target(connection: psycopg.Connection, root: Path) -> None:
    path = root / "helios" / "HEL-1.yml"
    path.write_text(TEXT.replace("value: 30, unit: minutes", "value: 9000, unit: hours"))
    load(connection, root)
    (last,) = connection.execute("select max(utc_date) from reference.calendar_days").fetchone() or (None,)
    # Nine thousand hours are more than a year even of days that never close.
    assert last is not None
    assert last > date(2026, 12, 31) + timedelta(days=300)


def test_more_days_restate_no_calendar_and_another_opening_does(
    connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root)
    longer = load(connection, root, SECOND, (date(2025, 1, 1), date(2028, 1, 1)))
    assert longer.calendars_written > 0
    assert longer.calendars_restated == ()
    (calendar_id,) = connection.execute(
        """
        update reference.calendar_days set close_1_us = close_1_us - 1
        where open_day_us > 0 and utc_date = (
            select min(utc_date) from reference.calendar_days
            where open_day_us > 0 and utc_date > '2026-02-01'
        )
        returning calendar_id
        """
    ).fetchone() or (None,)
    connection.commit()
    restated = load(connection, root, SECOND, (date(2025, 1, 1), date(2028, 1, 1)))
    assert calendar_id in restated.calendars_restated


# --- What was believed when --------------------------------------------------------------------------------


def test_changed_terms_are_a_new_row_and_the_old_ones_are_kept(
    connection: psycopg.Connection, root: Path
) -> None:
    (old,) = load(connection, root).added_versions
    path = root / "helios" / "HEL-1.yml"
    path.write_text(TEXT.replace("rate_pct: 5", "rate_pct: 6"))
    report = load(connection, root, SECOND)
    (new,) = report.added_versions
    assert report.superseded_versions == (old,)
    assert new != old
    rates = connection.execute(
        "select contract_version_id, rate_pct, superseded_at from reference.clauses "
        "join reference.contract_versions using (contract_version_id) "
        "where clause_id = 'SLA-1' order by recorded_at"
    ).fetchall()
    assert rates == [(old, Decimal(5), SECOND), (new, Decimal(6), None)]
    days = connection.execute(
        "select calendar_id, count(*) from reference.calendar_days group by 1"
    ).fetchall()
    assert dict(days) == {f"{old}/office": 365, f"{new}/office": 365}


def test_an_amendment_ends_the_first_version_from_when_it_was_learned(
    connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root)
    (root / "helios" / "HEL-1.yml").write_text(TEXT + AMENDMENT)
    load(connection, root, SECOND)
    open_end = date(9999, 12, 31)
    assert versions(connection) == [
        ("HEL-1", 1, date(2026, 1, 1), open_end, FIRST, SECOND),
        ("HEL-1", 1, date(2026, 1, 1), date(2026, 7, 1), SECOND, None),
        ("HEL-1", 2, date(2026, 7, 1), open_end, SECOND, None),
    ]


def test_terms_that_come_back_are_believed_again_from_then(
    connection: psycopg.Connection, root: Path
) -> None:
    path = root / "helios" / "HEL-1.yml"
    (old,) = load(connection, root).added_versions
    path.write_text(TEXT.replace("rate_pct: 5", "rate_pct: 6"))
    load(connection, root, SECOND)
    path.write_text(TEXT)
    assert load(connection, root, THIRD).added_versions == (old,)
    periods = connection.execute(
        "select recorded_at, superseded_at from reference.contract_versions "
        "where contract_version_id = %s order by 1",
        (old,),
    ).fetchall()
    assert periods == [(FIRST, SECOND), (THIRD, None)]
    current = connection.execute(
        "select count(*) from reference.contract_versions where superseded_at is null"
    ).fetchone()
    assert current == (1,)


def test_changes_at_one_instant_leave_no_trace_of_their_order(
    connection: psycopg.Connection, root: Path
) -> None:
    path = root / "helios" / "HEL-1.yml"
    load(connection, root)
    expected = contents(connection)
    for rate in ("6", "7", "5"):
        path.write_text(TEXT.replace("rate_pct: 5", f"rate_pct: {rate}"))
        load(connection, root)
    assert contents(connection) == expected
    path.write_text(TEXT.replace("rate_pct: 5", "rate_pct: 8"))
    load(connection, root, SECOND)
    path.write_text(TEXT)
    load(connection, root, SECOND)
    assert contents(connection) == expected


def test_a_file_that_vanished_ends_its_contract(connection: psycopg.Connection, root: Path) -> None:
    (root / "kaveri.yml").write_text(other())
    load(connection, root)
    (root / "kaveri.yml").unlink()
    report = load(connection, root, SECOND)
    assert [v.split(":")[0] for v in report.superseded_versions] == ["KAV-1"]
    assert [(row[0], row[5]) for row in versions(connection)] == [("HEL-1", None), ("KAV-1", SECOND)]


def test_a_file_that_moved_is_the_same_contract(connection: psycopg.Connection, root: Path) -> None:
    load(connection, root)
    (root / "helios" / "HEL-1.yml").rename(root / "moved.yml")
    report = load(connection, root, SECOND)
    assert not report.added_versions
    paths = connection.execute("select file_path from reference.contract_versions").fetchall()
    assert paths == [("moved.yml",)]


def test_changed_terms_cannot_be_recorded_before_those_they_replace(
    connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root, SECOND)
    before = contents(connection)
    assert load(connection, root, FIRST).problems == ()
    (root / "helios" / "HEL-1.yml").write_text(TEXT.replace("rate_pct: 5", "rate_pct: 6"))
    (problem,) = load(connection, root, FIRST).problems
    assert "already recorded at 2026-02-10" in problem.message
    assert "later as_of" in problem.mend
    assert contents(connection) == before


# --- Bad files ---------------------------------------------------------------------------------------------


def test_a_bad_file_is_refused_and_the_others_load(connection: psycopg.Connection, root: Path) -> None:
    (root / "kaveri.yml").write_text(other().replace("rate_pct: 5", "rate_pct: 500"))
    report = load(connection, root)
    assert report.loaded == ("HEL-1",)
    assert [Path(file).name for file in report.refused_files] == ["kaveri.yml"]
    assert [problem.clause for problem in report.problems] == ["SLA-1"]
    assert [row[0] for row in versions(connection)] == ["HEL-1"]


@pytest.mark.parametrize("damage", ["currency: EURO", "currency: EUR\n  bad yaml"])
def test_a_contract_whose_file_became_bad_keeps_what_was_last_loaded(
    damage: str, connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root)
    before = contents(connection, physical=True)
    (root / "helios" / "HEL-1.yml").write_text(TEXT.replace("currency: EUR", damage))
    report = load(connection, root, SECOND)
    assert report.problems
    assert report.loaded == ()
    assert contents(connection, physical=True) == before


def test_a_key_still_held_by_a_refused_files_contract_cannot_be_taken(
    connection: psycopg.Connection, root: Path
) -> None:
    load(connection, root)
    (root / "helios" / "HEL-1.yml").write_text(TEXT.replace("currency: EUR", "currency: EURO"))
    (root / "kaveri.yml").write_text(other().replace("source: probes_2", "source: probes"))
    report = load(connection, root, SECOND)
    assert report.loaded == ()
    (told,) = [problem for problem in report.problems if problem.file.endswith("kaveri.yml")]
    assert "platform of the contract HEL-1 (helios/HEL-1.yml, as last loaded)" in told.message
    assert [row[0] for row in versions(connection)] == ["HEL-1"]


def test_a_failure_leaves_nothing_behind(
    connection: psycopg.Connection, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(connection, root)
    before = contents(connection, physical=True)
    (root / "kaveri.yml").write_text(other())

    def fail(*_: object) -> int:
        raise RuntimeError("killed")

    monkeypatch.setattr("avoir.contracts.loading._store_calendar_days", fail)
    with pytest.raises(RuntimeError, match="killed"):
        load(connection, root, SECOND)
    assert contents(connection, physical=True) == before


def test_arguments_that_mean_nothing_are_refused(connection: psycopg.Connection, root: Path) -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        load(connection, root, datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="must end after it starts"):
        load(connection, root, FIRST, (date(2026, 1, 1), date(2026, 1, 1)))
    with pytest.raises(ValueError, match="there is no folder"):
        load(connection, root / "nowhere")


# --- What belongs to the file, not to a version -----------------------------------------------------------


SIDES = """
index_values: {SYNTEC: {2026-01: "312.1", 2026-02: "313.0"}}
exclusion_decisions:
  - {id: D-1, ground: storm, ticket: INC1, accepted_on: 2026-01-05}
"""
GROUND = "    exclusions: [{id: storm, title: Storm}]\n    clauses:\n"


def with_sides(sides: str = SIDES) -> str:
    return TEXT.replace("    clauses:\n", GROUND) + sides


def beliefs(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        """
        select month_date::text, index_value, recorded_at, superseded_at from reference.index_values
        union all
        select decision_id || ' ' || ticket_number, null, recorded_at, superseded_at
        from reference.exclusion_decisions order by 1, 3
        """
    ).fetchall()


def test_a_new_index_value_or_decision_changes_no_version_and_ends_what_was_believed(
    connection: psycopg.Connection, root: Path
) -> None:
    path = root / "helios" / "HEL-1.yml"
    path.write_text(with_sides())
    first = load(connection, root)
    assert first.problems == () or all("index" in str(problem) for problem in first.problems)
    assert first.beliefs_changed == 3
    path.write_text(with_sides(SIDES.replace('"313.0"', '"313.5"').replace("INC1", "INC2")))
    second = load(connection, root, SECOND)
    assert second.added_versions == ()
    assert second.superseded_versions == ()
    assert second.changed
    assert beliefs(connection) == [
        ("2026-01-01", Decimal("312.1"), FIRST, None),
        ("2026-02-01", Decimal("313.0"), FIRST, SECOND),
        ("2026-02-01", Decimal("313.5"), SECOND, None),
        ("D-1 INC1", None, FIRST, SECOND),
        ("D-1 INC2", None, SECOND, None),
    ]
    assert not load(connection, root, SECOND).changed


def test_a_belief_of_the_same_instant_was_never_held(connection: psycopg.Connection, root: Path) -> None:
    path = root / "helios" / "HEL-1.yml"
    path.write_text(with_sides())
    load(connection, root)
    path.write_text(with_sides(""))
    load(connection, root)
    assert beliefs(connection) == []


def test_a_refused_file_keeps_what_it_had_stated(connection: psycopg.Connection, root: Path) -> None:
    path = root / "helios" / "HEL-1.yml"
    path.write_text(with_sides())
    load(connection, root)
    before = beliefs(connection)
    path.write_text(with_sides().replace("value: 99.5", "value: 1000"))
    assert load(connection, root, SECOND).loaded == ()
    assert beliefs(connection) == before
