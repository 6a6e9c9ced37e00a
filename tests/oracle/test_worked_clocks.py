"""Clocks that stop and run again, pause between events, are reset and change priority: worked by hand.

Monday 3 March 2025 in Paris, open from 8 to 16 where nothing else is said.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from tests.oracle import Judged
from tests.oracle.business_time import instant_us
from tests.oracle.small_contracts import FIXED, PARIS, calendar, clause, clock, credited, judged

HOUR_US = 3_600_000_000
OFFICE = [calendar("08:00-16:00")]
RESOLVED = [{"field": "state", "value": "resolved"}]
REOPENED = [{"field": "public_comment_customer"}, {"field": "state", "value": "reopened"}]
PER_HOUR = {"formula": "linear", "per": {"size": 1, "unit": "hours"}, "units": "exact", "amount": "10"}
MET_IN = {"operator": "<=", "unit": "hours"}
PRIORITIES = {"by_priority": {"1": 1, "2": 4}}


def at(text: str) -> int:
    return instant_us(f"2025-{text}", PARIS)


def told(*events: tuple[str, ...], name: str = "T") -> dict:
    """A ticket from rows of instant (month-day hour), field and value."""
    rows = [dict(zip(("at", "field", "value"), (f"2025-{row[0]}", *row[1:]), strict=False)) for row in events]
    return {"ticket": name, "service": "s", "events": rows}


def measured(
    indicator: dict,
    *events: tuple[str, ...],
    hours: float | str = 8,
    as_of: str | None = None,
    penalty: dict = FIXED,
    objective: dict | None = None,
    **more,
) -> Judged:
    """Judge one ticket that is resolved within so many hours, or by another objective."""
    test: dict = {"tickets": [told(*events)], **more.pop("test", {})}
    if as_of is not None:
        test["as_of"] = f"2025-{as_of}"
    promised = MET_IN | {"value": hours} | (objective or {})
    indicator = {"stop": RESOLVED, **indicator}
    more.setdefault("calendars", OFFICE)
    return judged([clause(clock(**indicator), promised, penalty)], test, **more)


def cycles(result: Judged) -> list[tuple[Fraction, str | None, str | None]]:
    """Hours, outcome and due instant (month-day hour) of each cycle in order."""
    found = []
    for (_, _, number), (us, outcome, due) in sorted(result.clocks.items()):
        assert number == len(found) + 1
        assert us is not None
        found.append((Fraction(us, HOUR_US), outcome, due))
    return found


# --- The instant at which it is due -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("03-03 07:00", 8, "03-03 16:00"),
        ("03-03 08:00", 8, "03-03 16:00"),
        ("03-03 08:00:00.000001", 8, "03-04 08:00:00.000001"),
        ("03-07 15:00", 2, "03-10 09:00"),
        ("03-03 09:00", "0.5", "03-03 09:30"),
    ],
)
def test_a_clock_is_due_when_so_many_hours_have_been_open(start, hours, due):
    for more in ([], [("03-11 09:00", "state", "resolved")]):
        result = measured({}, (start, "created"), *more, hours=hours)
        assert cycles(result)[0][2] == at(due)


def test_pauses_before_the_due_instant_put_it_off_and_those_after_it_do_not():
    indicator = {"pause": [{"field": "hold_reason"}]}
    held = [("03-03 10:00", "hold_reason", "1"), ("03-03 12:00", "hold_reason", "")]
    late = [("03-04 11:00", "hold_reason", "1"), ("03-04 13:00", "hold_reason", "")]
    result = measured(
        indicator, ("03-03 08:00", "created"), *held, *late, ("03-05 09:00", "state", "resolved")
    )
    assert cycles(result) == [(13, "breached", at("03-04 10:00"))]


def test_a_clock_that_is_paused_is_due_as_if_it_went_on_now():
    indicator = {"pause": [{"field": "hold_reason"}]}
    events = [("03-03 08:00", "created"), ("03-03 10:00", "hold_reason", "1")]
    result = measured(indicator, *events, as_of="03-03 12:00")
    assert cycles(result) == [(2, "running", at("03-04 10:00"))]


def test_time_excluded_after_the_stop_does_not_put_off_what_was_due():
    stretch = {"ground": "fm", "service": "s", "from": "2025-03-03 12:00", "to": "2025-03-03 14:00"}
    events = [("03-03 08:00", "created"), ("03-03 11:00", "state", "resolved")]
    result = measured({}, *events, test={"exclusions": [stretch]})
    assert cycles(result) == [(3, "met", at("03-03 16:00"))]
    stretch["from"] = "2025-03-03 10:00"
    result = measured({}, *events, test={"exclusions": [stretch]})
    assert cycles(result) == [(2, "met", at("03-04 09:00"))]


def test_a_clock_judged_by_its_average_is_never_due():
    events = [("03-03 08:00", "created"), ("03-03 11:00", "state", "resolved")]
    result = measured({}, *events, objective={"aggregation": "average"})
    assert cycles(result) == [(3, None, None)]


# --- Runs and cycles --------------------------------------------------------------------------------------

TWICE = [
    ("03-03 08:00", "created"),
    ("03-03 10:00", "state", "resolved"),
    ("03-03 12:00", "public_comment_customer"),
    ("03-03 13:00", "state", "resolved"),
]


def reopening(policy: str, hours: object = None, **more) -> dict:
    within = {} if hours is None else {"within": {"size": hours, "unit": "hours"}}
    return {"reopen": {"on": REOPENED, "policy": policy, **within}, **more}


@pytest.mark.parametrize(
    ("reopen", "expected"),
    [
        ({}, [(2, "met", "03-03 12:00")]),
        (reopening("resume"), [(3, "met", "03-03 14:00")]),
        (reopening("new_cycle"), [(2, "met", "03-03 12:00"), (1, "met", "03-03 16:00")]),
        (reopening("join_within", 2), [(5, "breached", "03-03 12:00")]),
        (reopening("join_within", "1.999999"), [(2, "met", "03-03 12:00"), (1, "met", "03-03 16:00")]),
    ],
)
def test_a_reopening_goes_on_begins_anew_or_counts_as_if_the_stop_had_never_been(reopen, expected):
    result = measured(reopen, *TWICE, hours=4)
    assert cycles(result) == [(hours, outcome, at(due)) for hours, outcome, due in expected]


def test_a_reopening_joins_within_open_time_and_not_within_hours_of_the_night():
    events = [
        ("03-03 08:00", "created"),
        ("03-03 15:00", "state", "resolved"),
        ("03-04 09:00", "public_comment_customer"),
        ("03-04 10:00", "state", "resolved"),
        ("03-04 12:00:00.000001", "public_comment_customer"),
        ("03-04 13:00", "state", "resolved"),
    ]
    found = cycles(measured(reopening("join_within", 2), *events))
    assert [hours for hours, _, _ in found] == [10, 1 - Fraction(1, HOUR_US)]


def test_reopenings_of_a_running_clock_and_stops_of_a_stopped_one_mean_nothing():
    events = [
        ("03-03 08:00", "created"),
        ("03-03 09:00", "public_comment_customer"),
        ("03-03 10:00", "state", "resolved"),
        ("03-03 11:00", "state", "waiting"),
        ("03-03 11:30", "state", "resolved"),
        ("03-03 12:00", "public_comment_customer"),
        ("03-03 13:00", "public_comment_customer"),
        ("03-03 14:00", "state", "resolved"),
    ]
    assert [hours for hours, _, _ in cycles(measured(reopening("new_cycle"), *events))] == [2, 2]
    assert [hours for hours, _, _ in cycles(measured(reopening("resume"), *events))] == [4]


def test_what_both_stops_and_reopens_is_a_stop():
    reopen = {"reopen": {"on": [{"field": "state"}], "policy": "new_cycle"}}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:00", "state", "resolved"),
        ("03-03 11:00", "state", "resolved"),
        ("03-03 12:00", "state", "open"),
        ("03-03 13:00", "state", "resolved"),
    ]
    assert [hours for hours, _, _ in cycles(measured(reopen, *events))] == [2, 1]


def test_a_clock_may_stop_and_run_again_in_one_instant():
    reopen = {"reopen": {"on": [{"field": "state", "value": "open"}], "policy": "new_cycle"}}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:00", "state", "resolved"),
        ("03-03 10:00", "state", "open"),
        ("03-03 10:00", "state", "resolved"),
        ("03-03 10:00", "state", "open"),
    ]
    found = cycles(measured(reopen, *events, as_of="03-03 15:00"))
    assert [(hours, outcome) for hours, outcome, _ in found] == [(2, "met"), (0, "met"), (5, "running")]


def test_within_one_instant_the_customer_comes_before_changes_and_the_vendor_after_them():
    """The customer's comment finds the clock running, whatever the order in which the file has the two."""
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:00", "state", "resolved"),
        ("03-03 10:00", "public_comment_customer"),
    ]
    assert [hours for hours, _, _ in cycles(measured(reopening("new_cycle"), *events))] == [2]
    indicator = reopening("new_cycle", stop=[{"field": "public_comment_vendor"}])
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:00", "public_comment_vendor"),
        ("03-03 10:00", "state", "reopened"),
    ]
    assert [hours for hours, _, _ in cycles(measured(indicator, *events))] == [2]


def test_a_stop_of_the_instant_of_the_start_counts_only_when_it_comes_after_it():
    assigned = [{"field": "state", "value": "assigned"}]
    for order, hours in ((("resolved", "assigned"), 4), (("assigned", "resolved"), 0)):
        events = [("03-03 08:00", "created"), *(("03-03 09:00", "state", value) for value in order)]
        result = measured({"start": assigned}, *events, ("03-03 13:00", "state", "resolved"))
        assert [found for found, _, _ in cycles(result)] == [hours]


def test_every_cycle_belongs_to_the_month_and_the_version_of_its_own_start_and_costs_by_itself():
    amended = clause(
        clock(stop=RESOLVED, **reopening("new_cycle")), MET_IN | {"value": 2}, FIXED | {"amount": "7"}
    )
    events = [
        ("03-31 08:00", "created"),
        ("03-31 16:00", "state", "resolved"),
        ("04-01 08:00", "public_comment_customer"),
        ("04-01 11:00", "state", "resolved"),
        ("04-01 12:00", "public_comment_customer"),
        ("04-01 14:00", "state", "resolved"),
        ("04-02 08:00", "public_comment_customer"),
        ("04-02 16:00", "state", "resolved"),
    ]
    result = measured(
        reopening("new_cycle"),
        *events,
        hours=4,
        amendment={"effective_from": date(2025, 4, 1), "clauses": [amended]},
    )
    assert [outcome for _, outcome, _ in cycles(result)] == ["breached", "breached", "met", "breached"]
    assert [(line.month.month, line.cycle_no, line.version_no) for line in result.lines] == [
        (3, 1, 1),
        (4, 2, 2),
        (4, 4, 2),
    ]
    assert credited(result) == ["100.00", "7.00", "7.00"]


def test_a_version_counts_the_cycles_of_a_ticket_by_its_own_rules():
    """By the first version both runs are one cycle, of March; by the second the other begins one of April."""
    amended = clause(clock(stop=RESOLVED, **reopening("new_cycle")), MET_IN | {"value": 2})
    events = [
        ("03-31 12:00", "created"),
        ("03-31 14:00", "state", "resolved"),
        ("04-01 08:00", "public_comment_customer"),
        ("04-01 11:00", "state", "resolved"),
    ]
    amendment = {"effective_from": date(2025, 4, 1), "clauses": [amended]}
    result = measured(reopening("resume"), *events, hours=6, amendment=amendment)
    assert {key[2]: (us, outcome) for key, (us, outcome, _) in result.clocks.items()} == {
        1: (5 * HOUR_US, "met"),
        2: (3 * HOUR_US, "breached"),
    }


# --- Pauses between events --------------------------------------------------------------------------------

ASKED = {"pause": [{"field": "public_comment_vendor"}], "resume": [{"field": "public_comment_customer"}]}


def test_a_pause_lasts_from_one_event_to_the_next_that_resumes():
    events = [
        ("03-03 08:00", "created"),
        ("03-03 09:00", "public_comment_customer"),
        ("03-03 10:00", "public_comment_vendor"),
        ("03-03 11:00", "public_comment_vendor"),
        ("03-03 12:00", "public_comment_customer"),
        ("03-03 15:00", "public_comment_vendor"),
        ("03-04 09:00", "public_comment_customer"),
        ("03-04 10:00", "state", "resolved"),
    ]
    assert cycles(measured(ASKED, *events)) == [(6, "met", at("03-04 12:00"))]


def test_a_pause_that_began_before_the_clock_still_pauses_it_and_one_that_never_ended_until_the_end():
    indicator = ASKED | {"start": [{"field": "state", "value": "assigned"}]}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 09:00", "public_comment_vendor"),
        ("03-03 10:00", "state", "assigned"),
        ("03-03 12:00", "public_comment_customer"),
        ("03-03 13:00", "public_comment_vendor"),
    ]
    found = cycles(measured(indicator, *events, as_of="03-04 12:00"))
    assert found == [(1, "running", at("03-05 11:00"))]


def test_what_both_pauses_and_resumes_is_a_pause_and_a_field_pauses_when_it_takes_the_value():
    indicator = {
        "pause": [{"field": "hold_reason", "value": "1"}],
        "resume": [{"field": "hold_reason"}, {"field": "public_comment_customer"}],
    }
    events = [
        ("03-03 08:00", "created"),
        ("03-03 09:00", "hold_reason", "1"),
        ("03-03 10:00", "hold_reason", ""),
        ("03-03 11:00", "hold_reason", "1"),
        ("03-03 12:00", "hold_reason", "2"),
        ("03-03 13:00", "state", "resolved"),
    ]
    assert cycles(measured(indicator, *events))[0][0] == 2


def test_pauses_and_excluded_time_that_overlap_count_once():
    stretch = {"ground": "fm", "service": "s", "from": "2025-03-03 11:00", "to": "2025-03-03 13:00"}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:00", "public_comment_vendor"),
        ("03-03 12:00", "public_comment_customer"),
        ("03-03 15:00", "state", "resolved"),
    ]
    assert cycles(measured(ASKED, *events, test={"exclusions": [stretch]}))[0][0] == 4


# --- Phases -----------------------------------------------------------------------------------------------

RESET = {"reset": [{"field": "assignment_group"}]}


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        ("03-03 10:00", (4, "met", "03-03 14:00")),
        ("03-03 13:00", (5, "breached", "03-03 12:00")),
        ("03-03 08:00", (6, "breached", "03-03 12:00")),
        ("03-03 14:00", (6, "breached", "03-03 12:00")),
    ],
)
def test_a_reset_counts_anew_but_never_erases_a_breach(reset, expected):
    """Within the clock alone: not at its very start, nor at its stop."""
    events = [
        ("03-03 08:00", "created"),
        (reset, "assignment_group", "B"),
        ("03-03 14:00", "state", "resolved"),
    ]
    hours, outcome, due = expected
    assert cycles(measured(RESET, *events, hours=4)) == [(hours, outcome, at(due))]


def test_the_phase_furthest_beyond_its_target_decides_and_of_equals_the_latest():
    events = [
        ("03-03 08:00", "created"),
        ("03-03 11:00", "assignment_group", "B"),
        ("03-03 12:00", "assignment_group", "C"),
        ("03-03 15:00", "assignment_group", "D"),
        ("03-04 08:30", "state", "resolved"),
    ]
    result = measured(RESET, *events, hours=2, penalty=PER_HOUR)
    assert cycles(result) == [(3, "breached", at("03-03 14:00"))]
    assert credited(result) == ["10.00"]


def test_a_pause_overlaps_a_reset_and_counts_on_its_side_of_it():
    indicator = ASKED | RESET
    events = [
        ("03-03 08:00", "created"),
        ("03-03 09:00", "public_comment_vendor"),
        ("03-03 10:00", "assignment_group", "B"),
        ("03-03 11:00", "public_comment_customer"),
        ("03-03 14:00", "state", "resolved"),
    ]
    assert cycles(measured(indicator, *events, hours=4)) == [(3, "met", at("03-03 15:00"))]


RAISED = [
    ("03-03 08:00", "created"),
    ("03-03 08:00", "priority", "2"),
    ("03-03 10:00", "priority", "1"),
    ("03-03 11:30", "state", "resolved"),
]
LOWERED = [
    ("03-03 08:00", "created"),
    ("03-03 08:00", "priority", "1"),
    ("03-03 09:30", "priority", "2"),
    ("03-03 10:30", "state", "resolved"),
]


@pytest.mark.parametrize(
    ("events", "change", "expected"),
    [
        (RAISED, "keep", ("3.5", "met", "03-03 12:00")),
        (RAISED, "restart", ("1.5", "breached", "03-03 11:00")),
        (RAISED, "retroactive", ("3.5", "breached", "03-03 09:00")),
        (LOWERED, "keep", ("2.5", "breached", "03-03 09:00")),
        (LOWERED, "restart", ("1.5", "breached", "03-03 09:00")),
        (LOWERED, "retroactive", ("1.5", "breached", "03-03 09:00")),
    ],
)
def test_a_change_of_priority_keeps_restarts_or_looks_back(events, change, expected):
    result = measured({"priority_change": change}, *events, objective=PRIORITIES)
    hours, outcome, due = expected
    assert cycles(result) == [(Fraction(hours), outcome, at(due))]


def test_a_priority_that_is_not_listed_and_none_have_the_value_of_the_objective():
    for priority in ("3", ""):
        events = [("03-03 08:00", "created"), ("03-03 08:00", "priority", priority)]
        result = measured(
            {"priority_change": "keep"}, *events, ("03-03 13:00", "state", "resolved"), objective=PRIORITIES
        )
        assert cycles(result) == [(5, "met", at("03-03 16:00"))]


def test_a_priority_of_the_very_start_holds_from_it_and_setting_it_again_is_no_change():
    events = [
        ("03-03 08:00", "created"),
        ("03-03 08:00", "priority", "2"),
        ("03-03 08:00", "priority", "1"),
        ("03-03 08:30", "priority", "1"),
        ("03-03 09:15", "state", "resolved"),
    ]
    result = measured({"priority_change": "restart"}, *events, objective=PRIORITIES)
    assert cycles(result) == [(Fraction("1.25"), "breached", at("03-03 09:00"))]


def test_after_a_reset_a_retroactive_change_looks_back_to_the_reset_and_both_at_once_are_a_reset():
    indicator = RESET | {"priority_change": "retroactive"}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:00", "assignment_group", "B"),
        ("03-03 11:00", "priority", "2"),
        ("03-03 13:30", "state", "resolved"),
    ]
    assert cycles(measured(indicator, *events, objective=PRIORITIES)) == [
        (Fraction("3.5"), "met", at("03-03 14:00"))
    ]
    events[2] = ("03-03 10:00", "priority", "1")
    assert cycles(measured(indicator, *events, objective=PRIORITIES)) == [
        (Fraction("3.5"), "breached", at("03-03 11:00"))
    ]


def test_a_pause_before_a_retroactive_change_is_still_deducted():
    indicator = ASKED | {"priority_change": "retroactive"}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 08:30", "public_comment_vendor"),
        ("03-03 10:00", "public_comment_customer"),
        ("03-03 11:00", "priority", "2"),
        ("03-03 12:00", "state", "resolved"),
    ]
    found = cycles(measured(indicator, *events, objective=PRIORITIES))
    assert found == [(Fraction("2.5"), "met", at("03-03 13:30"))]


def test_a_target_of_no_time_is_due_at_once():
    events = [("03-03 10:00", "created"), ("03-03 10:00", "priority", "1")]
    objective = {"by_priority": {"1": 0}}
    result = measured({"priority_change": "keep"}, *events, objective=objective, as_of="03-03 10:01")
    assert cycles(result) == [(Fraction(1, 60), "breached", at("03-03 10:00"))]


def test_what_is_beyond_the_target_of_the_deciding_phase_is_priced():
    result = measured(
        {"priority_change": "restart"}, *RAISED, objective={**PRIORITIES, "value": 100}, penalty=PER_HOUR
    )
    assert credited(result) == ["5.00"]
    result = measured({"priority_change": "retroactive"}, *RAISED, objective=PRIORITIES, penalty=PER_HOUR)
    assert credited(result) == ["25.00"]


def test_each_phase_is_rounded_before_it_is_judged_and_the_furthest_of_rounded_measures_decides():
    """2.4 and 1.6 hours are two hours each: the latest of equals decides, though it is the shorter one."""
    objective = {"rounding_before_banding": {"digits": 0}}
    events = [
        ("03-03 08:00", "created"),
        ("03-03 10:24", "assignment_group", "B"),
        ("03-03 12:00", "state", "resolved"),
    ]
    result = measured(RESET, *events, hours=1, objective=objective, penalty=PER_HOUR)
    assert cycles(result) == [(Fraction("1.6"), "breached", at("03-03 11:24"))]
    assert credited(result) == ["10.00"]
    assert cycles(measured(RESET, *events, hours=2, objective=objective))[0][1] == "met"


def test_a_ratio_counts_cycles_against_the_target_of_their_priority():
    objective = {
        "operator": ">=",
        "value": 60,
        "unit": "pct",
        "aggregation": "ratio",
        "target": {"value": 8, "unit": "hours", **PRIORITIES},
    }
    indicator = {"priority_change": "restart"} | reopening("new_cycle")
    events = [*RAISED, ("03-03 12:00", "state", "reopened"), ("03-03 12:59", "state", "resolved")]
    events += [("03-03 13:00", "state", "reopened"), ("03-03 13:01", "state", "resolved")]
    result = measured(indicator, *events, objective=objective)
    assert result.months["A", 1, date(2025, 3, 1)] == (Fraction(200, 3), "met")


def test_an_average_looks_at_the_last_phase_of_each_cycle_that_has_stopped():
    indicator = RESET | reopening("new_cycle")
    events = [
        ("03-03 08:00", "created"),
        ("03-03 13:00", "assignment_group", "B"),
        ("03-03 14:00", "state", "resolved"),
        ("03-04 08:00", "state", "reopened"),
        ("03-04 10:00", "state", "resolved"),
        ("03-04 11:00", "state", "reopened"),
    ]
    result = measured(indicator, *events, objective={"aggregation": "average"})
    assert result.months["A", 1, date(2025, 3, 1)] == (Fraction("1.5"), "met")


def test_an_excluded_ticket_has_no_breach_in_any_cycle():
    test = {"exclusions": [{"ground": "fm", "ticket": "T"}]}
    result = measured(reopening("new_cycle"), *TWICE, hours="0.5", test=test)
    assert [outcome for _, outcome, _ in cycles(result)] == ["excluded", "excluded"]
    assert result.lines == ()
