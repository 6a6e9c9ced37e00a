"""The oracle's arithmetic against cases worked by hand, and its findings against what was told on purpose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from avoir.demo.calendars import OpenHours
from avoir.demo.history import Change, Note, Step, Tables, replay
from avoir.demo.months import Month
from avoir.demo.truth import (
    PlanStep,
    PlatformMonth,
    delay_days,
    judge_platform,
    judge_ticket,
    paused_spans,
    plan_of,
    response_credit,
    rounded,
    union,
    validated_due,
)
from avoir.demo.vendors import (
    BOREALIS,
    HELIOS,
    CalendarTerms,
    PlatformTerms,
    ReleaseTerms,
    SupportTerms,
    UnknownPolicy,
)
from avoir.demo.world import WorldPaths

PARIS = ZoneInfo("Europe/Paris")
OFFICE = OpenHours(HELIOS.versions[0].calendar("office"), PARIS)
TERMS = HELIOS.versions[0].support
AS_OF = "2025-04-01T08:00"

ReadTruth = Callable[[WorldPaths], dict[str, Any]]
ReadRows = Callable[[WorldPaths, str, str], list[dict[str, str]]]


def paris(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp())


def answer(at: str, user: str = "agent", element: str = "comments") -> Note:
    return Note(paris(at), user, element, "text")


def hold(at: str, reason: str) -> Change:
    return Change(paris(at), "agent", {"hold_reason": reason})


def judged(created: str, *steps: Step, hold_reason: str = "") -> tuple[int, str]:
    tables = Tables()
    first = {
        "sys_id": "1",
        "hold_reason": hold_reason,
        "caller_id": "caller",
        "business_service": "user-support",
    }
    replay(tables, "incident", first, paris(created), "caller", steps, paris(AS_OF))
    return judge_ticket(
        OFFICE, TERMS, tables.incident[0], tables.sys_audit, tables.sys_journal_field, paris(AS_OF)
    )


# 2025-03-04 is a Tuesday; Helios is open 09:00-12:30 and 13:30-18:00.
def test_on_target_is_met_and_one_second_later_is_breached() -> None:
    assert judged("2025-03-04T10:00", answer("2025-03-04T10:30:00")) == (1800, "met")
    assert judged("2025-03-04T10:00", answer("2025-03-04T10:30:01")) == (1801, "breached")


def test_lunch_night_and_weekend_do_not_count() -> None:
    assert judged("2025-03-04T12:20", answer("2025-03-04T13:45")) == (25 * 60, "met")
    assert judged("2025-03-07T16:50", answer("2025-03-10T09:20")) == (1800, "met")
    assert judged("2025-03-08T11:00", answer("2025-03-10T08:59")) == (0, "met")


def test_private_notes_automatic_replies_and_the_caller_do_not_answer() -> None:
    steps = (
        answer("2025-03-04T10:00:02", user="system"),
        answer("2025-03-04T10:05", element="work_notes"),
        answer("2025-03-04T10:10", user="caller"),
        answer("2025-03-04T10:40"),
    )
    assert judged("2025-03-04T10:00", *steps) == (2400, "breached")


def test_waiting_for_the_caller_pauses_and_waiting_for_the_vendor_does_not() -> None:
    for reason, seconds, outcome in (("1", 1200, "met"), ("4", 4200, "breached")):
        steps = (hold("2025-03-04T10:10", reason), hold("2025-03-04T11:00", ""), answer("2025-03-04T11:10"))
        assert judged("2025-03-04T10:00", *steps) == (seconds, outcome)


def test_a_pause_over_closing_takes_away_open_time_only() -> None:
    steps = (hold("2025-03-04T17:50", "1"), hold("2025-03-05T09:30", ""), answer("2025-03-05T09:40"))
    assert judged("2025-03-04T17:40", *steps) == (1200, "met")


def test_a_hold_from_creation_pauses_until_it_ends() -> None:
    steps = (hold("2025-03-04T11:00", ""), answer("2025-03-04T11:12"))
    assert judged("2025-03-04T10:00", *steps, hold_reason="1") == (720, "met")


def test_of_two_hold_reasons_in_one_second_the_later_one_holds() -> None:
    """Their checkpoints are 9 and 10, which text would turn around."""
    notes = [answer(f"2025-03-04T10:00:{second:02d}", element="work_notes") for second in range(1, 9)]
    steps = (*notes, hold("2025-03-04T10:05", "1"), hold("2025-03-04T10:05", "4"), answer("2025-03-04T10:20"))
    assert judged("2025-03-04T10:00", *steps) == (1200, "met")


def test_without_an_answer_it_runs_until_it_is_beyond_the_target() -> None:
    assert judged("2025-03-31T17:40") == (1200, "running")
    assert judged("2025-03-31T17:00") == (3600, "breached")
    assert judged("2025-03-03T10:00", hold("2025-03-03T10:10", "1")) == (600, "running")


def test_an_answer_after_as_of_has_not_been_given() -> None:
    assert judged("2025-03-31T17:40", answer("2025-04-01T08:00:01")) == (1200, "running")


def test_paused_spans_join_repeated_values_and_leave_the_last_one_open() -> None:
    changes = [(10, "1"), (20, "1"), (30, "4"), (40, "1")]
    assert paused_spans("", changes, "1") == [(10, 30), (40, None)]
    assert paused_spans("1", [(5, "")], "1") == [(0, 5)]


# Availability. A day of 86 400 s, probes every 300 s from its first second.
DAY = (0, 86_400)


def platform(
    samples: list[tuple[int, int]],
    maintenances: list[tuple[int, int, int]] | None = None,
    unknown: UnknownPolicy = "exclude",
    target: str = "99.5",
    bounds: tuple[int, int] = DAY,
) -> PlatformMonth:
    terms = PlatformTerms(Decimal(target), unknown, "whole_downtime", 72)
    return judge_platform(terms, bounds, samples, maintenances or [], bounds[1] * 1000)


def probes(down: range = range(0), silent: range = range(0), offset_ms: int = 0) -> list[tuple[int, int]]:
    return [
        (number * 300_000 + offset_ms, 0 if number in down else 1)
        for number in range(289)
        if number not in silent
    ]


def test_a_failing_probe_is_down_until_the_next_one() -> None:
    month = platform(probes(down=range(10, 13)))
    assert (month.downtime_ms, month.unknown_ms, month.in_scope_ms) == (900_000, 0, 86_400_000)


def test_a_probe_holds_one_and_a_half_intervals_and_then_nothing_is_known() -> None:
    samples = probes(down=range(10, 11), silent=range(11, 20))
    for unknown, down, scope in (
        ("exclude", 450_000, 86_400_000 - 2_550_000),
        ("down", 3_000_000, 86_400_000),
        ("up", 450_000, 86_400_000),
    ):
        month = platform(samples, unknown=unknown)  # type: ignore[arg-type]
        assert (month.downtime_ms, month.in_scope_ms, month.unknown_ms) == (down, scope, 2_550_000)


def test_before_the_first_sample_nothing_is_known_but_a_sample_of_last_month_still_holds() -> None:
    late_start = probes(offset_ms=17_000)
    assert platform(late_start).unknown_ms == 17_000
    assert platform([(-283_000, 0), *late_start]).measured_down_ms == 17_000


def test_maintenance_announced_in_time_leaves_both_sides() -> None:
    samples = probes(down=range(10, 30))  # 3 000 to 9 000
    notice = 72 * 3600
    in_time = platform(samples, [(3600, 7200, 3600 - notice)])
    assert (in_time.downtime_ms, in_time.in_scope_ms, in_time.excluded_ms) == (
        2_400_000,
        82_800_000,
        3_600_000,
    )
    too_late = platform(samples, [(3600, 7200, 3600 - notice + 1)])
    assert (too_late.downtime_ms, too_late.in_scope_ms) == (6_000_000, 86_400_000)


def test_overlapping_maintenance_counts_once_and_is_cut_at_the_month() -> None:
    notice = 72 * 3600
    month = platform(
        probes(), [(-3600, 1800, -3600 - notice), (900, 3600, 900 - notice), (900, 1200, 900 - notice)]
    )
    assert month.excluded_ms == 3_600_000


def test_exactly_the_allowance_is_met_and_a_second_more_is_not() -> None:
    thirty_days = (0, 30 * 86_400)
    terms = PlatformTerms(Decimal("99.5"), "exclude", "whole_downtime", 72)
    for down_ms, breached in ((12_960_000, False), (12_961_000, True)):
        month = PlatformMonth(thirty_days[1] * 1000, 0, down_ms, 0, terms)
        assert month.is_breached is breached


def test_credit_on_the_whole_downtime_and_on_the_excess() -> None:
    thirty_days = 30 * 86_400_000
    for on, credit in (("whole_downtime", 100), ("excess", 50)):
        terms = PlatformTerms(Decimal("99.5"), "exclude", on, 72)  # type: ignore[arg-type]
        assert PlatformMonth(thirty_days, 0, 432 * 60_000, 0, terms).credit(Decimal(10_000)) == credit


def test_union_of_spans_joins_what_touches() -> None:
    assert union([(5, 7), (1, 3), (3, 4), (6, 9), (2, 2)]) == [(1, 4), (5, 9)]


# Releases
def step(requested: str, due: str, approved: bool = True) -> PlanStep:
    return PlanStep(date.fromisoformat(requested), date.fromisoformat(due), approved)


@pytest.mark.parametrize(
    ("plan", "due"),
    [
        ([step("2025-03-01", "2025-04-10")], "2025-04-10"),
        ([step("2025-03-01", "2025-04-10", approved=False)], None),
        (
            [step("2025-03-01", "2025-04-10"), step("2025-03-31", "2025-04-20")],
            "2025-04-20",
        ),  # 10 days before
        ([step("2025-03-01", "2025-04-10"), step("2025-04-01", "2025-04-20")], "2025-04-10"),  # 9 days before
        ([step("2025-03-01", "2025-04-10"), step("2025-03-20", "2025-04-20", approved=False)], "2025-04-10"),
        (
            [
                step("2025-03-01", "2025-04-10"),
                step("2025-03-20", "2025-04-20"),
                step("2025-04-10", "2025-05-02"),
            ],
            "2025-05-02",  # the notice is counted to the date then valid
        ),
    ],
)
def test_the_due_date_is_the_last_one_approved_and_asked_for_in_time(
    plan: list[PlanStep], due: str | None
) -> None:
    found = validated_due(plan, 10)
    assert (found and found.isoformat()) == due


def test_plan_is_read_from_the_change_history_in_local_dates() -> None:
    new_york = ZoneInfo("America/New_York")
    tables = Tables()
    created = round(datetime(2025, 3, 3, 9, tzinfo=new_york).timestamp())
    first = {
        "sys_id": "1",
        "end_date": "2025-04-11 03:30:00",  # 23:30 on the 10th in New York
        "approval": "requested",
    }
    day = 86_400
    steps = (
        Change(created + day, "board", {"approval": "approved"}),
        Change(created + 2 * day, "manager", {"end_date": "2025-04-20 22:00:00", "approval": "requested"}),
        Change(created + 3 * day, "manager", {"end_date": "2025-04-25 22:00:00"}),
        Change(created + 4 * day, "board", {"approval": "approved"}),
    )
    replay(tables, "rm_release", first, created, "manager", steps, created + 30 * day)
    plan = plan_of(tables.rm_release[0], tables.sys_audit, new_york)
    assert plan == [
        step("2025-03-03", "2025-04-10"),
        step("2025-03-05", "2025-04-20", approved=False),  # approved only after the next replan
        step("2025-03-06", "2025-04-25"),
    ]


def test_delay_from_friday_to_monday() -> None:
    friday, monday = date(2025, 3, 7), date(2025, 3, 10)
    calendar = ReleaseTerms("calendar", "office", 10, Decimal(750))
    business = ReleaseTerms("business", "office", 10, Decimal(750))
    assert delay_days(calendar, OFFICE, friday, monday) == 3
    assert delay_days(business, OFFICE, friday, monday) == 1
    assert delay_days(business, OFFICE, friday, date(2025, 3, 9)) == 0
    assert delay_days(calendar, OFFICE, monday, friday) == -3


# Money
def test_five_percent_per_miss_with_and_without_a_cap() -> None:
    uncapped = SupportTerms("office", 30, Decimal(5), None)
    capped = SupportTerms("office", 30, Decimal(5), Decimal(15))
    assert response_credit(uncapped, 21, Decimal(20_000)) == (21_000, 21_000)
    assert response_credit(capped, 21, Decimal(20_000)) == (21_000, 3_000)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Fraction(5, 1000), "0.01"),
        (Fraction(4_999_999, 1_000_000_000), "0.00"),
        (Fraction(1, 3), "0.33"),
        (Fraction(-5, 1000), "-0.01"),
        (Fraction(10**20) + Fraction(1, 200), "100000000000000000000.01"),
        (Fraction(0), "0.00"),
    ],
)
def test_money_is_rounded_half_up(amount: Fraction, text: str) -> None:
    assert rounded(amount) == text


# What was told on purpose is found in the truth of the whole history.
def months_of(truth: dict[str, Any], section: str, vendor: str) -> dict[str, dict[str, Any]]:
    return {row["month"]: row for row in truth[section] if row["vendor"] == vendor}


def test_a_month_exactly_on_the_allowance_and_one_just_over_it(
    whole_history: WorldPaths, truth_of: ReadTruth
) -> None:
    truth = truth_of(whole_history)
    on = months_of(truth, "platform_months", "helios")["2025-04"]
    over = months_of(truth, "platform_months", "borealis")["2025-06"]
    assert (on["downtime_seconds"], on["in_scope_seconds"], on["breached"]) == ("12900", "2580000", False)
    assert (over["downtime_seconds"], over["in_scope_seconds"], over["breached"]) == (
        "12900",
        "2579999",
        True,
    )


def test_notice_in_the_last_second_excludes_and_a_second_later_does_not(
    whole_history: WorldPaths, truth_of: ReadTruth
) -> None:
    month = months_of(truth_of(whole_history), "platform_months", "helios")["2026-05"]
    assert month["excluded_maintenance_seconds"] == "7200"  # the first of two windows of two hours
    assert 6_000 < int(month["downtime_seconds"]) < 7_200  # the second one, 6 600 s long, counts


def test_maintenance_over_a_month_end_is_cut_there(whole_history: WorldPaths, truth_of: ReadTruth) -> None:
    months = months_of(truth_of(whole_history), "platform_months", "tejo")
    assert months["2025-12"]["excluded_maintenance_seconds"] == "5400"
    assert int(months["2026-01"]["excluded_maintenance_seconds"]) >= 2700
    assert int(months["2025-12"]["downtime_seconds"]) == 1800 - 55  # down since two hours before midnight


def test_the_tie_of_hold_reasons_stands_where_text_sorts_it_wrongly(
    whole_history: WorldPaths, rows_of: ReadRows
) -> None:
    ties = [
        row
        for vendor in ("helios", "borealis", "tejo")
        for row in rows_of(whole_history, vendor, "sys_audit")
        if (row["fieldname"], row["oldvalue"], row["newvalue"]) == ("hold_reason", "1", "4")
    ]
    assert sum(row["record_checkpoint"] == "10" for row in ties) > 3


def test_months_are_as_long_as_the_zone_makes_them(whole_history: WorldPaths, truth_of: ReadTruth) -> None:
    months = months_of(truth_of(whole_history), "platform_months", "helios")
    assert months["2025-10"]["month_seconds"] == str(44_700 * 60)
    assert months["2026-03"]["month_seconds"] == str(44_580 * 60)
    assert len(months) == 18


def test_the_correction_replaces_the_month_it_names(whole_history: WorldPaths, truth_of: ReadTruth) -> None:
    hosting = {
        row["month"]: row["base_amount"]
        for row in truth_of(whole_history)["clause_months"]
        if row["vendor"] == "borealis" and row["clause"] == "SLA-2"
    }
    full, corrected = f"{BOREALIS.lines['platform'].price}", "14720.00"
    assert {month for month, amount in hosting.items() if amount == corrected} == {"2025-09", "2026-03"}
    assert set(hosting.values()) == {full, corrected}


def test_edge_cases_end_as_their_names_say(
    whole_history: WorldPaths, truth_of: ReadTruth, rows_of: ReadRows
) -> None:
    truth = truth_of(whole_history)
    assert {row["outcome"] for row in truth["tickets"]} == {"met", "breached", "running"}
    spent = {
        (row["business_seconds"], row["outcome"]) for row in truth["tickets"] if row["vendor"] == "helios"
    }
    assert {("1800", "met"), ("1801", "breached"), ("0", "met")} <= spent
    tejo = {
        (row["month"] < "2025-07", row["business_seconds"], row["outcome"])
        for row in truth["tickets"]
        if row["vendor"] == "tejo"
    }
    assert {(True, "1800", "met"), (False, "1200", "met")} <= tejo
    assert {row["reason"] for row in truth["outside_contract"]} == {"another service", "before the contract"}
    judged_ids = {row["sys_id"] for row in truth["tickets"] + truth["outside_contract"]}
    every = [
        row["sys_id"]
        for vendor in ("helios", "borealis", "tejo")
        for row in rows_of(whole_history, vendor, "incident")
    ]
    assert judged_ids == set(every)
    assert len(every) == len(judged_ids)


def test_releases_show_every_kind_of_delay(whole_history: WorldPaths, truth_of: ReadTruth) -> None:
    releases = truth_of(whole_history)["releases"]
    assert any(row["delay_days"] == 0 and not row["late"] for row in releases)
    assert any(row["late"] and row["delivered_date"] for row in releases)
    assert any(row["late"] and row["delivered_date"] is None for row in releases)
    assert all(row["month"] == str(Month.of(date.fromisoformat(row["due_date"]))) for row in releases)


def test_credits_of_a_month_add_up(whole_history: WorldPaths, truth_of: ReadTruth) -> None:
    truth = truth_of(whole_history)
    assert len(truth["vendor_months"]) == 3 * 18
    for month in truth["vendor_months"]:
        clauses = [
            Decimal(row["credit_amount"])
            for row in truth["clause_months"]
            if (row["vendor"], row["month"]) == (month["vendor"], month["month"])
        ]
        assert len(clauses) == 3
        assert sum(clauses) == Decimal(month["credit_amount"])


def test_calendar_terms_of_the_worked_cases_are_the_contract() -> None:
    assert isinstance(OFFICE.terms, CalendarTerms)
    assert OFFICE.periods(date(2025, 3, 7)) == ("09:00-12:30", "13:30-17:00")
