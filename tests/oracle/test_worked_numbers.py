"""The oracle against numbers worked by hand, and against what must hold of any contract.

The numbers are those of the project's semantics and decisions; each is reached here by a contract of a few
lines, so that a wrong oracle cannot hide behind models that are wrong in the same way.
"""

from __future__ import annotations

import copy
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avoir.contracts.model import Calendar, Contract
from tests.oracle import Judged, judge
from tests.oracle.business_time import EPOCH, MICROSECOND, business_time, midnight_us, month_after
from tests.oracle.cases import Case, cases
from tests.oracle.drafting import CALENDARS
from tests.oracle.pricing import BREACH, STEPS
from tests.oracle.small_contracts import (
    AVAILABLE,
    FIXED,
    HOURS,
    LATE_DAYS,
    PARIS,
    availability,
    calendar,
    clause,
    clock,
    credited,
    down_for,
    invoice,
    judged,
    milestone,
    month_row,
    ticket,
    total,
)

EVERY_CASE = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))

# --- Clocks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calendar_", "created", "answered", "hours"),
    [
        (calendar("09:00-17:00"), "2025-12-10 14:00", "2025-12-11 09:00", "3"),
        (calendar("08:00-17:00"), "2025-12-12 21:00", "2025-12-15 09:30", "1.5"),
        (calendar("08:00-16:00"), "2025-12-10 07:00", "2025-12-10 16:00", "8"),
        ({"id": "c", "always": True}, "2026-03-29 00:00", "2026-03-29 06:00", "5"),
        ({"id": "c", "always": True}, "2026-10-25 00:00", "2026-10-25 06:00", "7"),
        (calendar("09:00-18:00", holidays={"country": "FR"}), "2026-04-30 17:00", "2026-05-04 10:00", "2"),
    ],
)
def test_business_time_is_that_of_the_worked_table(calendar_, created, answered, hours):
    result = judged([clause(clock(), HOURS)], {"tickets": [ticket(created, answered)]}, calendars=[calendar_])
    assert result.clocks["A", "T", 1][:2] == (int(Decimal(hours) * 3_600_000_000), "met")


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        ("2025-03-03 09:30", "met"),
        ("2025-03-03 09:30:00.000001", "breached"),
        (None, "breached"),
    ],
)
def test_a_clock_is_judged_by_the_microsecond_and_open_tickets_do_not_wait(answered, outcome):
    objective = {"operator": "<=", "value": 30, "unit": "minutes"}
    result = judged([clause(clock(), objective)], {"tickets": [ticket("2025-03-03 09:00", answered)]})
    assert result.clocks["A", "T", 1][1] == outcome
    assert len(result.lines) == (outcome == "breached")


def test_a_clock_still_within_its_target_is_running():
    test = {"tickets": [ticket("2025-03-03 09:00")], "as_of": "2025-03-03 17:00"}
    assert judged([clause(clock(), HOURS)], test).clocks["A", "T", 1][:2] == (8 * 3_600_000_000, "running")


def test_a_pause_deducts_its_open_time():
    hold = [
        {"at": "2025-03-03 16:00", "field": "hold_reason", "value": "1"},
        {"at": "2025-03-04 10:00", "field": "hold_reason", "value": ""},
    ]
    test = {"tickets": [ticket("2025-03-03 14:00", "2025-03-04 11:00", *hold)]}
    indicator = clock(pause=[{"field": "hold_reason"}])
    assert judged([clause(indicator, HOURS)], test).clocks["A", "T", 1][0] == 3 * 3_600_000_000


def test_the_version_in_force_at_the_start_decides():
    quick = {"operator": "<=", "value": 15, "unit": "minutes"}
    slow = {"operator": "<=", "value": 30, "unit": "minutes"}
    result = judged(
        [clause(clock(), slow)],
        {
            "tickets": [
                ticket("2025-02-28 23:59", "2025-03-01 00:19", name="before"),
                ticket("2025-03-01 00:00", "2025-03-01 00:20", name="after"),
            ]
        },
        calendars=[{"id": "c", "always": True}],
        amendment={"effective_from": date(2025, 3, 1), "clauses": [clause(clock(), quick)]},
    )
    assert {key: found[:2] for key, found in result.clocks.items()} == {
        ("A", "before", 1): (1_200_000_000, "met"),
        ("A", "after", 1): (1_200_000_000, "breached"),
    }


def test_an_excluded_stretch_stops_the_clock_and_an_excluded_ticket_breaks_nothing():
    stretch = {"ground": "fm", "service": "s", "from": "2025-03-03 10:00", "to": "2025-03-03 15:00"}
    test = {"tickets": [ticket("2025-03-03 09:00", "2025-03-04 12:00")], "exclusions": [stretch]}
    assert judged([clause(clock(), HOURS)], test).clocks["A", "T", 1][:2] == (6 * 3_600_000_000, "met")
    test["exclusions"] = [{"ground": "fm", "ticket": "T"}]
    excluded = judged([clause(clock(), HOURS)], test)
    assert excluded.clocks["A", "T", 1][:2] == (11 * 3_600_000_000, "excluded")
    assert excluded.lines == ()


@pytest.mark.parametrize(
    ("objective", "measure", "outcome"),
    [
        (
            {"operator": "<=", "value": 2, "unit": "hours", "aggregation": "average"},
            Fraction(5, 2),
            "breached",
        ),
        (
            {"operator": "<=", "value": 1, "unit": "hours", "aggregation": "percentile", "percentile": 50},
            1,
            "met",
        ),
        (
            {"operator": "<=", "value": 1, "unit": "hours", "aggregation": "percentile", "percentile": 51},
            3,
            "breached",
        ),
        (
            {
                "operator": ">=",
                "value": 50,
                "unit": "pct",
                "aggregation": "ratio",
                "target": {"value": 3, "unit": "hours"},
            },
            60,
            "met",
        ),
    ],
)
def test_a_month_of_clocks_has_one_figure(objective, measure, outcome):
    """Stopped after 1, 1, 3 and 5 hours, one open for 4, one open for a minute within its target."""
    test = {
        "as_of": "2025-03-04 13:00",
        "tickets": [
            ticket("2025-03-03 09:00", "2025-03-03 10:00", name="a"),
            ticket("2025-03-03 09:00", "2025-03-03 10:00", name="b"),
            ticket("2025-03-03 09:00", "2025-03-03 12:00", name="c"),
            ticket("2025-03-03 09:00", "2025-03-03 14:00", name="d"),
            ticket("2025-03-04 09:00", name="e"),
            ticket("2025-03-04 12:59", name="f"),
        ],
    }
    result = judged([clause(clock(), objective)], test)
    assert result.months == {("A", 1, date(2025, 3, 1)): (measure, outcome)}


# --- Availability -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "minutes"),
    [("2025-04", "216"), ("2026-03", "222.9"), ("2026-10", "223.5"), ("2025-02", "201.6")],
)
def test_exactly_the_allowed_downtime_is_met_and_a_second_more_is_not(month, minutes):
    seconds = Decimal(minutes) * 60
    for more, outcome in ((0, "met"), (1, "breached")):
        result = judged(
            [clause(availability(), AVAILABLE)], down_for(seconds + more, month, PARIS), zone=PARIS
        )
        assert result.months["A", 1, date.fromisoformat(f"{month}-01")][1] == outcome
        assert len(result.lines) == more


def test_99_499961_percent_is_rounded_only_where_the_contract_says_so():
    month = "A", 1, date(2025, 4, 1)
    breached = judged([clause(availability(), AVAILABLE)], down_for(12_961), zone="UTC").months[month]
    assert (round(breached[0], 6), breached[1]) == (Fraction("99.499961"), "breached")
    rounding = {"rounding_before_banding": {"digits": 2}}
    assert (
        judged([clause(availability(), AVAILABLE | rounding)], down_for(12_961), zone="UTC").months[month][1]
        == "met"
    )


@pytest.mark.parametrize(("on", "amount"), [("whole_downtime", "100.00"), ("excess", "50.00")])
def test_432_minutes_of_which_216_are_allowed_cost_the_whole_or_the_excess(on, amount):
    penalty = {"formula": "proportional", "on": on, "base": "fixed_fee"}
    fee = {"kind": "fixed", "amount": "10000"}
    test = down_for(432 * 60)
    assert credited(judged([clause(availability(), AVAILABLE, penalty)], test, zone="UTC", fee=fee)) == [
        amount
    ]


@pytest.mark.parametrize(
    ("unknown", "down", "scope"),
    [("down", "772.5", 43_200), ("up", "7.5", 43_200), ("exclude", "7.5", 42_435)],
)
def test_unknown_time_counts_as_the_clause_says(unknown, down, scope):
    """Samples every 300 s; down at 12:00, then nothing until 765 minutes after that sample lost its hold."""
    up = {"service": "s", "every_seconds": 300, "state": "up"}
    test = {
        "probes": [
            {**up, "from": "2025-04-01 00:00", "to": "2025-04-05 12:00"},
            {**up, "from": "2025-04-05 12:00", "to": "2025-04-05 12:01", "state": "down"},
            {**up, "from": "2025-04-06 00:52:30", "to": "2025-05-01 00:00"},
        ]
    }
    result = judged([clause(availability(unknown=unknown), AVAILABLE)], test, zone="UTC")
    assert result.months["A", 1, date(2025, 4, 1)][0] == 100 * (1 - Fraction(down) / scope)


def test_the_mean_of_slices_is_not_the_ratio_of_sums():
    """One failed probe of one, and none of twenty-three, is half."""
    probes = {"service": "s", "state": "up"}
    test = {
        "probes": [
            {
                **probes,
                "from": "2025-04-01 00:00",
                "to": "2025-04-01 01:00",
                "every_seconds": 3_600,
                "state": "down",
            },
            {**probes, "from": "2025-04-02 00:00", "to": "2025-04-02 23:00", "every_seconds": 3_600},
        ],
        "as_of": "2025-04-03 00:00",
    }
    indicator = availability(method="mean_of_slices", slice_seconds=86_400)
    assert judged([clause(indicator, AVAILABLE)], test, zone="UTC").months["A", 1, date(2025, 4, 1)][0] == 50


def test_announcements_indices_and_as_of_name_no_month_and_a_stretch_until_midnight_not_the_next():
    planned = {"service": "s", "from": "2025-03-04 00:00", "to": "2025-04-01 00:00"}
    test = {
        "maintenance": [{**planned, "announced": "2025-01-05 00:00"}],
        "index_values": {"I": {"2024-12": 1}},
        "as_of": "2025-06-01 00:00",
        "expect": [{"clause": "A", "lines": 0}],
    }
    result = judged([clause(availability(), AVAILABLE)], test)
    assert result.facts.window.months == (date(2025, 3, 1),)


@pytest.mark.parametrize(("announced", "outcome"), [("22:00:00", "met"), ("22:00:01", "breached")])
def test_maintenance_is_honoured_when_announced_exactly_in_time(announced, outcome):
    test = down_for(0)
    test["downtime"] = [{"service": "s", "from": "2025-04-11 22:00", "to": "2025-04-12 04:00"}]
    planned = {"from": "2025-04-11 22:00", "to": "2025-04-12 04:00", "announced": f"2025-04-08 {announced}"}
    test["maintenance"] = [{"service": "s", **planned}]
    result = judged([clause(availability(maintenance={"notice_hours": 72}), AVAILABLE)], test, zone="UTC")
    assert result.months["A", 1, date(2025, 4, 1)][1] == outcome


def test_a_month_cut_by_an_amendment_is_judged_and_priced_by_its_parts():
    """216 minutes in the first half of April break version 1, which charges on 15 of 30 days."""
    penalty = {"formula": "percent_of_invoice_per_event", "rate_pct": 10}
    amendment = {"effective_from": date(2025, 4, 16), "order_amount": "1"}
    test = down_for(216 * 60) | {"invoices": [invoice("2025-04", "1000")]}
    result = judged([clause(availability(), AVAILABLE, penalty)], test, zone="UTC", amendment=amendment)
    assert {key[1]: outcome for key, (_, outcome) in result.months.items()} == {1: "breached", 2: "met"}
    assert credited(result) == ["50.00"]


# --- Milestones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "late"), [("calendar", 3), ("business", 1)])
def test_due_friday_and_delivered_monday_is_three_days_or_one(days, late):
    release = {"release": "R", "service": "s", "due": date(2025, 3, 7), "delivered": date(2025, 3, 10)}
    result = judged([clause(milestone(days=days, calendar="c"), LATE_DAYS)], {"releases": [release]})
    assert result.milestones["A", "R"] == (late, "breached")


@pytest.mark.parametrize(("requested", "late"), [(date(2025, 2, 24), 0), (date(2025, 2, 25), 10)])
def test_a_replan_counts_when_asked_for_in_time(requested, late):
    replan = {"requested": requested, "approved": requested + timedelta(days=1), "due": date(2025, 3, 16)}
    release = {"release": "R", "service": "s", "due": date(2025, 3, 6), "delivered": date(2025, 3, 16)}
    result = judged([clause(milestone(), LATE_DAYS)], {"releases": [release | {"replans": [replan]}]})
    assert result.milestones["A", "R"][0] == late


def test_a_replan_overtaken_by_another_before_its_approval_does_not_count():
    replans = [
        {"requested": date(2025, 2, 3), "approved": date(2025, 2, 12), "due": date(2025, 3, 20)},
        {"requested": date(2025, 2, 10), "approved": None, "due": date(2025, 3, 30)},
    ]
    release = {"release": "R", "service": "s", "due": date(2025, 3, 6), "delivered": date(2025, 3, 20)}
    result = judged([clause(milestone(), LATE_DAYS)], {"releases": [release | {"replans": replans}]})
    assert result.milestones["A", "R"] == (14, "breached")


def test_a_plan_that_was_never_validated_obliges_nobody():
    release = {"release": "R", "service": "s", "due": date(2025, 3, 6), "approved": False}
    assert judged([clause(milestone(), LATE_DAYS)], {"releases": [release]}).milestones == {}


# --- Penalties --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("up_pct", "amount"), [("99.0", "200.00"), ("98.9999", "600.00"), ("94.99", "2000.00")]
)
def test_the_bands_of_the_region_agreement_pay_10_30_and_100_percent(up_pct, amount):
    bands = [
        {"at_least": "99.0", "below": "99.99", "rate_pct": 10},
        {"at_least": 95, "below": "99.0", "rate_pct": 30},
        {"below": 95, "rate_pct": 100},
    ]
    penalty = {"formula": "tiers", "base": "service_lines", "bands": bands}
    promise = {"operator": ">=", "value": "99.99", "unit": "pct"}
    seconds = (100 - Decimal(up_pct)) * 25_920
    test = down_for(seconds) | {"invoices": [invoice("2025-04", "2000")]}
    assert credited(judged([clause(availability(), promise, penalty)], test, zone="UTC")) == [amount]


@pytest.mark.parametrize(
    ("cap", "amount"), [({}, "21000.00"), ({"month_cap": {"pct_of_month_invoice": 15}}, "3000.00")]
)
def test_twenty_one_misses_at_five_percent_meet_the_cap_of_fifteen(cap, amount):
    penalty = {"formula": "percent_of_invoice_per_event", "rate_pct": 5, **cap}
    objective = {"operator": "<=", "value": 30, "unit": "minutes"}
    test = {
        "tickets": [ticket(f"2025-03-03 09:{n:02d}", "2025-03-04 10:00", name=f"T{n}") for n in range(21)],
        "invoices": [invoice("2025-03", "20000")],
    }
    result = judged([clause(clock(), objective, penalty)], test)
    assert total(result) == Decimal(amount)
    if cap:
        assert credited(result) == ["1000.00"] * 3 + ["0.00"] * 18


def test_two_late_releases_of_five_cost_750_each():
    releases = [
        {"release": f"R{n}", "service": "s", "due": date(2025, 3, 6), "delivered": date(2025, 3, 6 + (n < 2))}
        for n in range(5)
    ]
    penalty = {"formula": "fixed_per_event", "amount": "750"}
    assert (
        credited(judged([clause(milestone(), LATE_DAYS, penalty)], {"releases": releases})) == ["750.00"] * 2
    )


def late(days: int) -> dict:
    due = date(2025, 3, 6)
    return {
        "releases": [{"release": "R", "service": "s", "due": due, "delivered": due + timedelta(days=days)}],
        "invoices": [invoice("2025-03", "100000")],
    }


def test_the_pool_pays_its_allocation_of_what_is_at_risk():
    penalty = {"formula": "at_risk_pool", "pool_pct": 50, "allocation_pct": 40, "at_risk_pct": 10}
    penalty["base"] = "month_invoice"
    assert credited(judged([clause(milestone(), LATE_DAYS, penalty)], late(1))) == ["2000.00"]


@pytest.mark.parametrize(
    ("value", "days", "exemption", "amount"),
    [
        ("120000", 10, None, "1200.00"),
        ("30000", 10, "300", "0.00"),
        ("30000", 11, "300", "330.00"),
    ],
)
def test_value_times_delay_over_a_thousand_with_a_threshold(value, days, exemption, amount):
    per = {"size": 1, "unit": "days"}
    penalty = {
        "formula": "value_times_delay",
        "per": per,
        "divisor": 1000,
        "base": "stated",
        "base_amount": value,
    }
    terms = {} if exemption is None else {"exemption": {"amount": exemption, "over": "term"}}
    assert credited(judged([clause(milestone(), LATE_DAYS, penalty)], late(days), **terms)) == [amount]


def test_ten_business_hours_on_site_are_two_beyond_eight():
    per = {"size": 1, "unit": "hours"}
    penalty = {
        "formula": "value_times_delay",
        "per": per,
        "divisor": 30,
        "base": "stated",
        "base_amount": "3000",
    }
    test = {"tickets": [ticket("2025-03-03 09:00", "2025-03-04 11:00")]}
    assert credited(judged([clause(clock(), HOURS, penalty)], test)) == ["200.00"]


def test_6200_meet_a_cap_of_ten_percent_of_a_50000_order():
    penalty = {"formula": "linear", "per": {"size": 1, "unit": "days"}, "amount": "310"}
    cap = {"id": "t", "per": "term", "scope": "contract", "pct": 10, "of": "order_amount"}
    result = judged([clause(milestone(), LATE_DAYS, penalty)], late(20), caps=[cap], order_amount="50000")
    assert result.lines[0].formula == 6200
    assert credited(result) == ["5000.00"]


@pytest.mark.parametrize(("hours", "amount"), [(3, "0.00"), (4, "100.00"), (15, "100.00"), (30, "100.00")])
def test_bands_above_the_cap_of_ten_percent_a_fault_are_never_reached(hours, amount):
    edges, rates = [4, 8, 16, 24], [0, 10, 15, 20, 30]
    bands = [
        ({"at_least": low} if low else {"above": 0}) | ({"below": high} if high else {}) | {"rate_pct": rate}
        for low, high, rate in zip([0, *edges], [*edges, 0], rates, strict=True)
    ]
    penalty = {"formula": "tiers", "on": "excess", "base": "month_invoice", "bands": bands}
    penalty["event_cap"] = {"pct_of_base": 10}
    test = {
        "tickets": [
            ticket("2025-03-03 00:00", f"2025-03-{3 + (hours + 1) // 24:02d} {(hours + 1) % 24:02d}:00")
        ],
        "invoices": [invoice("2025-03", "1000")],
    }
    objective = {"operator": "<=", "value": 1, "unit": "hours"}
    result = judged([clause(clock(), objective, penalty)], test, calendars=[{"id": "c", "always": True}])
    assert credited(result) == [amount]


def test_three_breaches_of_0_335_add_up_to_their_total_rounded_once():
    penalty = {"formula": "percent_of_invoice_per_event", "rate_pct": 1}
    test = late(1) | {"invoices": [invoice("2025-03", "33.5")]}
    test["releases"] = [test["releases"][0] | {"release": f"R{n}"} for n in range(3)]
    assert credited(judged([clause(milestone(), LATE_DAYS, penalty)], test)) == ["0.34", "0.33", "0.34"]


@pytest.mark.parametrize(("currency", "credit"), [("JPY", "1"), ("EUR", "1.24"), ("KWD", "1.235")])
def test_credits_have_the_digits_of_the_currency(currency, credit):
    penalty = {"formula": "percent_of_invoice_per_event", "rate_pct": "1.235"}
    test = late(1) | {"invoices": [invoice("2025-03", 100)]}
    assert credited(judged([clause(milestone(), LATE_DAYS, penalty)], test, currency=currency)) == [credit]


def test_a_base_that_is_not_there_leaves_the_amount_unknown_and_a_credit_note_is_no_base():
    penalty = {"formula": "percent_of_invoice_per_event", "rate_pct": 1}
    note = [{"kind": "credit_note", **invoice("2025-03", "-100")}]
    result = judged([clause(milestone(), LATE_DAYS, penalty)], late(1) | {"invoices": note})
    assert [line.credit for line in result.lines] == [None]


def releases_late_in(*months: int) -> dict:
    return {
        "releases": [
            {"release": f"R{m}", "service": "s", "due": date(2025, m, 6), "delivered": date(2025, m, 7)}
            for m in months
        ],
        "expect": [*month_row("2025-01"), *month_row("2025-06")],
    }


def test_the_nth_consecutive_failing_month_has_the_nth_multiplier_and_the_last_goes_on():
    penalty = FIXED | {"repeat": {"multipliers": [1, "1.5", 2]}}
    result = judged([clause(milestone(), LATE_DAYS, penalty)], releases_late_in(1, 2, 3, 4, 6))
    assert credited(result) == ["100.00", "150.00", "200.00", "200.00", "100.00"]


def test_of_equal_charges_of_one_incident_the_clause_named_first_stays():
    clauses = [clause(milestone(), LATE_DAYS, id_="A"), clause(milestone(), LATE_DAYS, id_="B")]
    group = {"id": "g", "clauses": ["B", "A"], "per": "incident", "keep": "highest"}
    result = judged(clauses, late(1), non_cumulation=[group])
    assert {line.clause_id: line.credit for line in result.lines} == {
        "A": Decimal("0.00"),
        "B": Decimal("100.00"),
    }


def test_what_an_earlier_month_used_of_a_quarter_stays_used_and_the_next_quarter_is_fresh():
    cap = {"id": "q", "per": "quarter", "scope": "service", "service": "s", "amount": "250"}
    result = judged([clause(milestone(), LATE_DAYS)], releases_late_in(1, 2, 3, 4), caps=[cap])
    assert credited(result) == ["100.00", "100.00", "50.00", "100.00"]


def test_a_cap_of_a_share_sums_the_invoices_up_to_the_month_and_waits_for_a_missing_one():
    cap = {"id": "t", "per": "term", "scope": "contract", "pct": 10, "of": "month_invoice"}
    invoices = [invoice("2025-01", "500"), invoice("2025-02", "300"), invoice("2025-04", "9000")]
    test = releases_late_in(1, 2, 3, 4) | {"invoices": invoices}
    result = judged([clause(milestone(), LATE_DAYS)], test, caps=[cap])
    assert [line.credit for line in result.lines] == [Decimal("50.00"), Decimal("30.00"), None, None]


def test_a_rolling_cap_forgets_what_was_used_twelve_months_ago():
    cap = {"id": "y", "per": "rolling_12_months", "scope": "contract", "amount": "150"}
    due = [date(2025, 1, 6), date(2025, 2, 6), date(2025, 12, 8), date(2026, 1, 6), date(2026, 2, 6)]
    releases = [
        {"release": f"R{n}", "service": "s", "due": day, "delivered": day + timedelta(days=1)}
        for n, day in enumerate(due)
    ]
    result = judged([clause(milestone(), LATE_DAYS)], {"releases": releases}, caps=[cap])
    assert credited(result) == ["100.00", "50.00", "0.00", "100.00", "50.00"]


def test_the_month_that_passes_the_threshold_takes_what_was_exempt_before():
    terms = {"exemption": {"amount": "200", "over": "term"}}
    result = judged([clause(milestone(), LATE_DAYS)], releases_late_in(1, 2, 4, 5), **terms)
    assert [
        (line.month.month, line.origin_month.month, line.kind, str(line.credit)) for line in result.lines
    ] == [
        (1, 1, "breach", "0.00"),
        (2, 2, "breach", "0.00"),
        (4, 1, "exemption_release", "100.00"),
        (4, 2, "exemption_release", "100.00"),
        (4, 4, "breach", "100.00"),
        (5, 5, "breach", "100.00"),
    ]


def test_indexation_takes_the_breachs_month_less_the_lag_and_an_unpublished_value_is_unknown():
    indexation = {"index": "I", "base_value": "250", "lag_months": 1, "coefficient_digits": 2}
    test = releases_late_in(2, 3) | {"index_values": {"I": {"2025-01": "301.3"}}}
    result = judged([clause(milestone(), LATE_DAYS)], test, indexation=indexation)
    assert [line.credit for line in result.lines] == [Decimal("121.00"), None]


def test_months_that_hold_give_back_in_the_last_of_them():
    penalty = FIXED | {"earn_back": {"months": 2, "pct": 50}}
    result = judged([clause(milestone(), LATE_DAYS, penalty)], releases_late_in(1, 3, 5))
    assert "earn_back" not in {line.kind for line in result.lines}
    result = judged([clause(milestone(), LATE_DAYS, penalty)], releases_late_in(1, 4))
    given_back = [line for line in result.lines if line.kind == "earn_back"]
    assert [(line.month, line.origin_month, line.credit) for line in given_back] == [
        (date(2025, 3, 1), date(2025, 1, 1), Decimal("-50.00")),
        (date(2025, 6, 1), date(2025, 4, 1), Decimal("-50.00")),
    ]


# --- What must hold of any contract -----------------------------------------------------------------------


def _extended(case: Case, *, with_failures: bool) -> Judged:
    """Judge a case up to a month later, in which nothing happens, or everything fails."""
    document = copy.deepcopy(case.document)
    test = document["tests"][0]
    facts = judge(case.contract, case.test).facts
    extra = month_after(facts.window.months[-1])
    following, month = month_after(extra), f"{extra:%Y-%m}"
    test["as_of"] = f"{following} 00:00"
    test["expect"].append({"month": month, "lines": 0})
    if with_failures:
        probed = {row["service"] for row in test.get("probes", [])}
        for service in ("desk", "platform"):
            whole = {"service": service, "from": f"{extra} 00:00", "to": f"{following} 00:00"}
            if service in probed:
                test["probes"].append({**whole, "every_seconds": 86_400, "state": "down"})
            else:
                test.setdefault("downtime", []).append(whole)
            events = [
                {"at": f"{extra} 10:00", "field": "created"},
                {"at": f"{extra} 10:00", "field": "priority", "value": "1"},
            ]
            test["tickets"].append({"ticket": f"late-{service}", "service": service, "events": events})
            test["releases"].append({"release": f"late-{service}", "service": service, "due": extra})
        used = {line["service"] for row in test["invoices"] for line in row["lines"] if "service" in line}
        lines = [{"service": service, "amount": "77777"} for service in sorted(used)] or [{"amount": "1"}]
        test["invoices"].append({"month": month, "lines": lines})
        test.setdefault("index_values", {}).setdefault("SYNTEC", {})[month] = "999"
    contract = Contract.model_validate(document)
    return judge(contract, contract.tests[0])


@settings(EVERY_CASE, max_examples=150)
@given(cases())
def test_a_later_month_never_changes_the_lines_of_earlier_ones(case):
    quiet, failing = _extended(case, with_failures=False), _extended(case, with_failures=True)
    extra = quiet.facts.window.months[-1]
    earlier = [
        [
            (line.order, line.version_no, line.month, line.origin_month, line.kind, line.steps, line.credit)
            for line in result.lines
            if line.month < extra
        ]
        for result in (quiet, failing)
    ]
    assert earlier[0] == earlier[1]


@settings(EVERY_CASE, max_examples=200)
@given(cases())
def test_bounds_never_raise_an_amount_and_the_unknown_stays_unknown(case):
    result = judge(case.contract, case.test)
    bounds = ("repeat", "non_cumulation", "event_cap", "period_cap", "rolling_cap")
    for line in result.lines:
        amounts = list(line.steps.values())
        first_unknown = next((n for n, amount in enumerate(amounts) if amount is None), len(amounts))
        assert all(amount is None for amount in amounts[first_unknown:])
        assert (line.credit is None) == (first_unknown < len(amounts))
        if line.kind == BREACH:
            assert all(amount is None or amount >= 0 for amount in amounts)
            known = [line.steps[step] for step in bounds if line.steps[step] is not None]
            assert known == sorted(known, reverse=True)


@settings(EVERY_CASE, max_examples=200)
@given(cases())
def test_credits_add_up_to_the_exact_total_rounded_once(case):
    groups: dict[tuple, list] = {}
    for line in judge(case.contract, case.test).lines:
        key = line.clause_id, line.version_no, line.month, line.origin_month, line.kind
        groups.setdefault(key, []).append(line)
    scale = 10**case.contract.minor_units
    for lines in groups.values():
        known = [line for line in lines if line.credit is not None]
        exact = sum((line.steps[STEPS[-1]] for line in known), Fraction(0))
        nearest = Fraction(floor(abs(exact) * scale + Fraction(1, 2)), scale) * (1 if exact >= 0 else -1)
        assert sum((Fraction(line.credit) for line in known), Fraction(0)) == nearest


_BOUNDED = [
    clause(milestone(), LATE_DAYS, {"formula": "linear", "per": {"size": 1, "unit": "days"}, "amount": "10"})
]
_LATE_RELEASES = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 12)), min_size=1, max_size=12)


def _released_late(drawn: list[tuple[int, int]]) -> dict:
    first = date(2024, 2, 1)
    return {
        "releases": [
            {
                "release": f"R{n}",
                "service": "s",
                "due": first + timedelta(days=after),
                "delivered": first + timedelta(days=after + days),
            }
            for n, (after, days) in enumerate(drawn)
        ]
    }


@settings(EVERY_CASE, max_examples=100)
@given(_LATE_RELEASES, st.integers(1, 300))
def test_no_twelve_months_in_a_row_cost_more_than_their_cap(drawn, amount):
    cap = {"id": "y", "per": "rolling_12_months", "scope": "contract", "amount": amount}
    result = judged(_BOUNDED, _released_late(drawn), caps=[cap])
    for last in {line.month for line in result.lines}:
        months = [month_after(last, -n) for n in range(12)]
        assert sum(line.rolling_cap for line in result.lines if line.month in months) <= amount


@settings(EVERY_CASE, max_examples=100)
@given(_LATE_RELEASES, st.integers(1, 600))
def test_over_the_term_all_is_due_once_the_threshold_is_passed_and_nothing_before(drawn, amount):
    result = judged(_BOUNDED, _released_late(drawn), exemption={"amount": amount, "over": "term"})
    everything = sum(line.rolling_cap for line in result.lines)
    assert sum(line.exemption for line in result.lines) == (everything if everything > amount else 0)


@settings(EVERY_CASE, max_examples=80)
@given(
    st.sampled_from(CALENDARS),
    st.integers(0, 420),
    st.integers(0, 90 * 60),
    st.sampled_from((0, 1, 59_999_999)),
)
def test_business_time_is_what_a_walk_by_the_minute_finds(document, day, minutes, past_the_minute):
    calendar_ = Calendar.model_validate(document)
    start_us = midnight_us(date(2025, 1, 1), PARIS) + (day * 1_440 + 7) * 60_000_000
    end_us = start_us + minutes * 60_000_000 + past_the_minute
    hours, zone = business_time(calendar_), ZoneInfo(calendar_.timezone or "UTC")
    walked = 0
    for at_us in range(start_us, end_us, 60_000_000):
        wall = (EPOCH + at_us * MICROSECOND).astimezone(zone)
        openings = hours._hours_on(wall.date()) if calendar_.weekly else ((0, 1_440),)
        if any(opens <= wall.hour * 60 + wall.minute < closes for opens, closes in openings):
            walked += min(60_000_000, end_us - at_us)
    assert hours.between(start_us, end_us) == walked


_HOURS_OF_APRIL = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 60)), max_size=4)


@settings(EVERY_CASE, max_examples=80)
@given(
    _HOURS_OF_APRIL,
    _HOURS_OF_APRIL,
    _HOURS_OF_APRIL,
    _HOURS_OF_APRIL,
    st.sampled_from(("down", "up", "exclude")),
)
def test_availability_is_what_a_count_by_the_hour_finds(ups, downs, planned, excluded, unknown):
    """Hourly samples hold for at most three hours of an interval of two."""

    def stretches(drawn, **more):
        first = date(2025, 4, 1)
        for after, length in drawn:
            ends = [divmod(min(hour, 720), 24) for hour in (after, after + length)]
            texts = [f"{first + timedelta(days=d)} {h:02d}:00" for d, h in ends]
            yield {"service": "s", "from": texts[0], "to": texts[1], **more}

    probes = [
        *stretches(ups, every_seconds=3_600, state="up"),
        *stretches(downs, every_seconds=3_600, state="down"),
    ]
    test = {
        "probes": probes,
        "maintenance": list(stretches(planned, announced="2025-04-01 00:00")),
        "exclusions": list(stretches(excluded, ground="fm")),
        "expect": month_row("2025-04"),
    }
    indicator = availability(unknown=unknown, probe_interval_seconds=7_200, maintenance={"notice_hours": 0})
    result = judged([clause(indicator, AVAILABLE)], test, zone="UTC")

    samples = {hour: "up" for after, length in ups for hour in range(after, min(720, after + length))}
    samples |= {hour: "down" for after, length in downs for hour in range(after, min(720, after + length))}
    left_out = {
        hour for drawn in (planned, excluded) for after, n in drawn for hour in range(after, after + n)
    }
    counted = dict.fromkeys(("up", "down", None), 0)
    for hour in range(720):
        if hour not in left_out:
            last = (
                next((samples[hour - n] for n in range(3) if hour - n in samples), None) if probes else "up"
            )
            counted[last] += 1
    down = counted["down"] + (counted[None] if unknown == "down" else 0)
    scope = counted["up"] + counted["down"] + (counted[None] if unknown != "exclude" else 0)
    expected = None if scope == 0 else 100 * (1 - Fraction(down, scope))
    assert result.months["A", 1, date(2025, 4, 1)][0] == expected
