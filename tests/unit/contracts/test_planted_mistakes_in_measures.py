# ruff: noqa: E501  (one mistake a line)
"""Every known kind of mistake in what is measured is told on its line, with its mend: cycles, priorities, methods, periods."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract_texts import GOOD, WHOLE_FORMAT, Mistake, assert_told, edited, read_text

from avoir.contracts.check import check_paths
from avoir.contracts.problems import Severity

PAUSE = '          pause: [{field: hold_reason, value: "1"}]\n'
LEVELS = 'by_priority: {"1": 4, "2": 8}'
HOURS = "          method: service_hours\n          calendar: office\n"
SLICES = "slice_seconds: 300"
QUARTER = (
    '{operator: ">=", value: 99.2, unit: pct}\n        penalty: {formula: fixed_per_event, amount: "500.00"}'
)
AVERAGE = 'objective: {aggregation: average, operator: "<", value: 2, unit: hours}'

ERRORS = [
    # Pauses and cycles
    Mistake("resume_without_pause", PAUSE, "", "resume:", "nothing pauses the clock", "add `pause:", "INCIDENT"),
    Mistake("pause_for_an_instant", f"{PAUSE}          resume: [{{field: public_comment_customer}}]\n", "          pause: [{field: public_comment_customer}]\n", "pause:", "no clock can pause while it lasts", "or add what resumes", "INCIDENT"),
    Mistake("within_missing", ", within: {size: 8, unit: hours}", "", "reopen:", "within what time", "add `within: {size: 8, unit: hours}`", "INCIDENT"),
    Mistake("within_of_a_resume", "policy: join_within", "policy: resume", "reopen:", "the policy resume asks for no time", "remove within, or write policy: join_within", "INCIDENT"),
    Mistake("within_of_a_new_cycle", "policy: join_within", "policy: new_cycle", "reopen:", "the policy new_cycle asks for no time", "remove within", "INCIDENT"),
    Mistake("within_some_days", "within: {size: 8, unit: hours}", "within: {size: 8, unit: days}", "reopen:", "not counted in days", "write one of seconds, minutes, hours", "INCIDENT"),
    Mistake("within_nothing", "within: {size: 8, unit: hours}", "within: {size: 0, unit: hours}", "reopen:", "size is 0", "above 0", "INCIDENT"),
    Mistake("within_without_a_unit", "within: {size: 8, unit: hours}", "within: {size: 8}", "reopen:", "unit is missing", "add `unit", "INCIDENT"),
    Mistake("reopened_by_nothing", "on: [{field: state, value: open}], policy", "on: [], policy", "reopen:", "on is an empty list", "add at least one", "INCIDENT"),
    Mistake("reopened_in_no_way", "policy: join_within", "policy: join", "reopen:", "'join'", "join_within", "INCIDENT"),
    Mistake("reopened_without_a_policy", ", policy: join_within, within: {size: 8, unit: hours}", "", "reopen:", "policy is missing", "add `policy", "INCIDENT"),
    Mistake("misspelt_reset", "          reset:", "          resets:", "resets:", "not a word", "write reset", "INCIDENT"),
    Mistake("value_of_a_resume", "resume: [{field: public_comment_customer}]", "resume: [{field: public_comment_customer, value: x}]", "resume:", "has no value", "remove the value", "INCIDENT"),
    # Priorities
    Mistake("priorities_without_what_a_change_does", "          priority_change: retroactive\n", "", "by_priority:", "not what happens when the priority changes", "add `priority_change: keep`", "INCIDENT"),
    Mistake("change_without_priorities", f"          {LEVELS}\n", "", "priority_change:", "one target holds for all", 'add `by_priority: {"1": …}` to the objective', "INCIDENT"),
    Mistake("change_without_priorities_in_a_ratio", ', by_priority: {"1": 2}', "", "priority_change:", "one target holds for all", 'add `by_priority: {"1": …}` to the target', "URGENT"),
    Mistake("no_priority_at_all", LEVELS, "by_priority: {}", "by_priority:", "names no priority", 'write {"1": 1, "2": 4}', "INCIDENT"),
    Mistake("priority_as_a_number", LEVELS, 'by_priority: {1: 4, "2": 8}', "by_priority:", "'1' cannot be a key", "in quotes if it is a number", "INCIDENT"),
    Mistake("priority_without_a_value", LEVELS, 'by_priority: {"": 4}', "by_priority:", "no ticket has the priority ''", 'such as "1"', "INCIDENT"),
    Mistake("priority_with_blanks", LEVELS, 'by_priority: {" 1": 4}', "by_priority:", "no ticket has the priority ' 1'", "without blanks", "INCIDENT"),
    Mistake("priority_below_zero", LEVELS, 'by_priority: {"1": -4}', "by_priority:", "1 is -4", "of at least 0", "INCIDENT"),
    Mistake("priority_as_a_word", LEVELS, 'by_priority: {"1": four}', "by_priority:", "not a decimal", "digits", "INCIDENT"),
    Mistake("priority_of_a_ratio_outside_its_target", "          value: 90\n", '          value: 90\n          by_priority: {"1": 95}\n', "by_priority:", "a percentage of all events", "move by_priority into target", "URGENT"),
    Mistake("priority_of_an_average", AVERAGE, AVERAGE[:-1] + ', by_priority: {"1": 1}}', "objective:", "the average of the month is one figure for all priorities", "remove by_priority", "MEAN"),
    Mistake("priority_of_a_percentile", "value: 6, unit: hours}", 'value: 6, unit: hours, by_priority: {"1": 1}}', "objective:", "the percentile of the month is one figure", "a clause for each priority", "SLOWEST"),
    Mistake("priority_of_an_availability", "value: 99.3, unit: pct}", 'value: 99.3, unit: pct, by_priority: {"1": 99.9}}', "objective:", "priorities belong to tickets: an availability has none", "remove by_priority", "DEPLOYED"),
    Mistake("priority_of_a_milestone", "value: 1, unit: days}", 'value: 1, unit: days, by_priority: {"1": 0}}', "objective:", "priorities belong to tickets: a milestone has none", "remove by_priority", "FULL-DAYS"),
    Mistake("unknown_change", "priority_change: retroactive", "priority_change: retro", "priority_change:", "'retro'", "retroactive", "INCIDENT"),
    Mistake("bands_that_a_stricter_priority_misses", '{formula: fixed_per_event, amount: "20.00"}', '{formula: tiers, bands: [{above: 24, amount: "20.00"}]}', "penalty:", "no band holds values above 4 and at most 24", "write above: 4 here", "INCIDENT"),
    # Availability: each parameter belongs to some methods
    Mistake("slices_of_minutes", HOURS, "          method: minutes\n          slice_seconds: 60\n", "slice_seconds:", "the method minutes knows no slice_seconds", "write method: mean_of_slices", "HOURS"),
    Mistake("slices_without_length", f"          {SLICES}\n", "", "indicator:", "how long a slice is", "add `slice_seconds: 300`", "ERRORS"),
    Mistake("hours_without_a_calendar", HOURS, "          method: service_hours\n", "indicator:", "when the service is open", "add `calendar:", "HOURS"),
    Mistake("hours_of_an_unknown_calendar", HOURS, "          method: service_hours\n          calendar: offices\n", "calendar:", "the calendar offices does not exist", "write office", "HOURS"),
    Mistake("calendar_of_minutes", "method: minutes\n", "method: minutes\n          calendar: office\n", "calendar:", "the method minutes knows no calendar", "remove calendar, or write method: service_hours", "UPTIME"),
    Mistake("calendar_of_runs", "minimum_volume: 100}", "calendar: office}", "indicator:", "the method executions knows no calendar", "write method: service_hours", "RUNS"),
    Mistake("quorum_of_slices", SLICES, f"{SLICES}\n          quorum: 1", "quorum:", "the method mean_of_slices knows no quorum", "write method: minutes or service_hours", "ERRORS"),
    Mistake("quorum_of_deployed_minutes", "method: deployed_minutes,", "method: deployed_minutes, quorum: 2,", "indicator:", "the method deployed_minutes knows no quorum", "remove quorum", "DEPLOYED"),
    Mistake("quorum_of_nobody", "quorum: 2", "quorum: 0", "quorum:", "quorum is 0", "of at least 1", "HOURS"),
    Mistake("quorum_above_the_monitors", "quorum: 2", "quorum: 3", "quorum:", "3 monitors must be down, but the service cloud has 2 monitors", "write at most 2", "HOURS"),
    Mistake("quorum_of_a_single_monitor", "method: executions, unknown: up, probe_interval_seconds: 30, minimum_volume: 100}", "method: minutes, unknown: up, probe_interval_seconds: 30, quorum: 2}", "indicator:", "2 monitors must be down, but the service gateway has 1 monitor", "write at most 1", "RUNS"),
    Mistake("minimum_downtime_of_runs", "minimum_volume: 100}", "minimum_downtime_seconds: 60}", "indicator:", "the method executions knows no minimum_downtime_seconds", "write method: minutes or deployed_minutes or service_hours", "RUNS"),
    Mistake("minimum_downtime_of_nothing", "minimum_downtime_seconds: 300", "minimum_downtime_seconds: 0", "minimum_downtime_seconds:", "is 0", "of at least 1", "HOURS"),
    Mistake("whole_minutes_of_slices", SLICES, f"{SLICES}\n          whole_minutes: true", "whole_minutes:", "the method mean_of_slices knows no whole_minutes", "remove whole_minutes", "ERRORS"),
    Mistake("whole_minutes_in_numbers", "whole_minutes: true", "whole_minutes: 1", "whole_minutes:", "true or false", "true or false", "HOURS"),
    Mistake("minimum_volume_of_hours", "          minimum_downtime_seconds: 300\n", "          minimum_volume: 10\n", "minimum_volume:", "the method service_hours knows no minimum_volume", "write method: mean_of_slices or executions", "HOURS"),
    Mistake("minimum_volume_of_nothing", "minimum_volume: 100", "minimum_volume: 0", "indicator:", "minimum_volume is 0", "of at least 1", "RUNS"),
    Mistake("unknown_method", "method: executions", "method: execution", "indicator:", "'execution'", "write executions", "RUNS"),
    Mistake("unknown_period", "period: quarter", "period: quarters", "period:", "'quarters'", "write quarter", "HOURS"),
    Mistake("unknown_denominator", "denominator: total", "denominator: gross", "denominator:", "'gross'", "net", "HOURS"),
    Mistake("day_that_is_rounded", "started_day: floor", "started_day: round", "indicator:", "'round'", "floor", "FULL-DAYS"),
    # The quarter
    Mistake("quarter_of_a_months_invoice", QUARTER, QUARTER.replace('fixed_per_event, amount: "500.00"', "proportional, on: excess, base: month_invoice"), "penalty:", "judged by the quarter, and month_invoice is that of a month", "write base: order_amount, or stated", "HOURS"),
    Mistake("quarter_of_an_invoice_left_out", QUARTER, QUARTER.replace('fixed_per_event, amount: "500.00"', "percent_of_invoice_per_event, rate_pct: 5"), "penalty:", "month_invoice is that of a month", "base: order_amount", "HOURS"),
    Mistake("quarter_of_service_lines", QUARTER, QUARTER.replace('fixed_per_event, amount: "500.00"', "tiers, base: service_lines, bands: [{below: 99.2, rate_pct: 5}]"), "penalty:", "service_lines is that of a month", "base: order_amount", "HOURS"),
    Mistake("quarter_capped_by_a_months_invoice", QUARTER, QUARTER.replace('"500.00"', '"500.00", event_cap: {pct_of_base: 5}'), "penalty:", "the base of its event_cap is a month's invoice", "write amount instead", "HOURS"),
    Mistake("quarter_that_repeats", QUARTER, QUARTER.replace('"500.00"', '"500.00", repeat: {multipliers: [1, 2]}'), "penalty:", "between two quarters lie months without a verdict", "remove repeat, or write period: month", "HOURS"),
    # Keys of teams
    Mistake("team_twice_in_one_service", "          - {source: acme_desk, kind: team, value: operations}\n      - id: gateway", "          - {source: acme_desk, kind: team, value: operations}\n          - {source: acme_desk, kind: team, value: operations}\n      - id: gateway", "- {source: acme_desk, kind: team", "claimed by cloud twice", "leave each key"),
    # Tests
    Mistake("downtime_of_an_unknown_monitor", "monitor: cloud-west, from", "monitor: cloud-wets, from", "- {service: cloud, monitor: cloud-wets", "the service cloud has no monitor cloud-wets", "write cloud-west"),
    Mistake("probes_of_an_unknown_monitor", "monitor: gateway, from", "monitor: cloud, from", "- {service: gateway, monitor: cloud", "the service gateway has no monitor cloud", "write gateway"),
    Mistake("maintenance_of_a_monitor", '{service: cloud, from: "2025-03-12 00:00"', '{service: cloud, monitor: cloud, from: "2025-03-12 00:00"', "- {service: cloud, monitor", "monitor is not a word", "remove it"),
    Mistake("downtime_where_samples_count", '{service: cloud, monitor: cloud-west, from: "2025-04-02', '{service: gateway, from: "2025-04-02', "- {service: gateway, from", "counts samples of gateway, and downtime states none", "state probes of gateway instead"),
    Mistake("cycle_of_a_clause_that_makes_none", "{clause: REPAIR, ticket: T1, business_seconds: 43200", "{clause: REPAIR, ticket: T1, cycle: 2, business_seconds: 43200", "- {clause: REPAIR", "makes no new cycle of a ticket", "remove cycle, or write reopen", "REPAIR"),
    Mistake("cycle_of_nothing", "cycle: 2, due", "cycle: 0, due", "- {clause: INCIDENT", "cycle is 0", "of at least 1", "INCIDENT"),
    Mistake("cycle_of_a_month", "{clause: MEAN, month: 2025-03, measured", "{clause: MEAN, month: 2025-03, cycle: 1, measured", "- {clause: MEAN", "cycle is one of a ticket under a clause", "add clause and ticket", "MEAN"),
    Mistake("amount_of_a_cycle", "cycle: 2, due", 'cycle: 2, credit: "0.00", due', "- {clause: INCIDENT", "credit counts all cycles of the ticket", "state credit in a row without it", "INCIDENT"),
    Mistake("lines_of_a_cycle", "cycle: 2, due", "cycle: 2, lines: 0, due", "- {clause: INCIDENT", "lines counts all cycles", "remove cycle", "INCIDENT"),
    Mistake("due_of_a_month", "{clause: UPTIME, month: 2025-03, outcome: breached}", '{clause: UPTIME, month: 2025-03, due: "2025-03-31 12:00"}', "- {clause: UPTIME", "due is the instant of a ticket under a clause", "add clause and ticket", "UPTIME"),
    Mistake("due_on_a_day", 'due: "2025-04-15 15:00"', "due: 2025-04-15", "- {clause: INCIDENT", "is not an instant", "YYYY-MM-DD HH:MM", "INCIDENT"),
    Mistake("due_at_a_time_that_exists_twice", 'due: "2025-04-15 15:00"', 'due: "2025-10-26 02:30"', "- {clause: INCIDENT", "exists twice", "+02:00", "INCIDENT"),
    Mistake("due_of_an_average", "{clause: INCIDENT, ticket: T1, cycle: 2, due", "{clause: MEAN, ticket: T1, due", "- {clause: MEAN", "has no target for one ticket, only the average of the month", "remove due", "MEAN"),
]  # fmt: skip

WARNINGS = [
    Mistake("reopened_by_what_stops", "on: [{field: state, value: open}], policy", "on: [{field: state, value: open}, {field: state, value: closed}], policy", "reopen:", "state closed stops the clock too", "remove the condition here, or in stop", "INCIDENT"),
    Mistake("resumed_by_what_pauses", "resume: [{field: public_comment_customer}]", 'resume: [{field: public_comment_customer}, {field: hold_reason, value: "1"}]', "resume:", "hold_reason 1 pauses the clock too", "remove the condition here, or in pause", "INCIDENT"),
    Mistake("priority_of_no_time", LEVELS, 'by_priority: {"1": 0, "2": 8}', "by_priority:", "no clock can stop within no time, as priority 1 must", "the time that the contract allows", "INCIDENT"),
    Mistake("priority_off_the_grid", LEVELS, 'by_priority: {"1": 4.5}\n          rounding_before_banding: {digits: 0, mode: down}', "by_priority:", "<= 4.5 is kept from 4 down", "else digits: 1", "INCIDENT"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", ERRORS, ids=lambda m: m.name)
def test_a_mistake_in_a_measure_is_told_on_its_line_with_its_mend(mistake: Mistake, tmp_path: Path) -> None:
    assert_told(mistake, tmp_path, WHOLE_FORMAT, Severity.ERROR)


@pytest.mark.parametrize("mistake", WARNINGS, ids=lambda m: m.name)
def test_a_doubtful_measure_is_told_and_the_file_still_loads(mistake: Mistake, tmp_path: Path) -> None:
    assert_told(mistake, tmp_path, WHOLE_FORMAT, Severity.WARNING)


def test_a_quarter_is_not_given_back(tmp_path: Path) -> None:
    text = edited('    exemption: {amount: "1000.00", over: month}\n', "", WHOLE_FORMAT)
    given_back = QUARTER.replace('"500.00"', '"500.00", earn_back: {level: 99.9, months: 1}')
    mistake = Mistake(
        "", QUARTER, given_back, "penalty:", "in one month of three alone", "write period: month", "HOURS"
    )
    assert_told(mistake, tmp_path, text, Severity.ERROR)


def test_points_of_a_quarter_are_worth_no_part_of_a_month(tmp_path: Path) -> None:
    pointed = edited(
        QUARTER, QUARTER.replace('fixed_per_event, amount: "500.00"', "points, points: 4"), WHOLE_FORMAT
    )
    assert read_text(tmp_path, pointed).problems == ()
    worth = 'service_points: {point_amount: "250.00"}'
    for base, problems in (("order_amount", 0), ("month_invoice", 1)):
        read = read_text(
            tmp_path, edited(worth, f"service_points: {{point_rate_pct: 0.5, base: {base}}}", pointed)
        )
        told = [problem for problem in read.problems if problem.clause == "HOURS"]
        assert len(told) == problems
        assert all("a point is worth a part of month_invoice" in problem.message for problem in told)
        assert all("write point_amount in service_points" in problem.mend for problem in told)


def test_a_quarter_may_cost_a_part_of_what_is_not_a_months(tmp_path: Path) -> None:
    for penalty in (
        "{formula: percent_of_invoice_per_event, rate_pct: 5, base: order_amount}",
        '{formula: proportional, on: excess, base: stated, base_amount: "9000.00"}',
        '{formula: tiers, bands: [{below: 99.2, amount: "5.00"}]}',
    ):
        text = edited('{formula: fixed_per_event, amount: "500.00"}', penalty, WHOLE_FORMAT)
        assert read_text(tmp_path, text).problems == ()


def test_bands_begin_at_the_strictest_target(tmp_path: Path) -> None:
    """On the value they cover what breaks any priority; on the excess every priority begins at zero."""
    fixed = '{formula: fixed_per_event, amount: "20.00"}'
    for bands in (
        '{formula: tiers, bands: [{above: 4, at_most: 8, amount: "1.00"}, {above: 8, amount: "2.00"}]}',
        '{formula: tiers, on: excess, bands: [{below: 2, amount: "1.00"}, {at_least: 2, amount: "2.00"}]}',
    ):
        assert read_text(tmp_path, edited(fixed, bands, WHOLE_FORMAT)).problems == ()


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        # Minutes are cut to whole ones: over 60 and 240 minutes the excess is 1, 2 ...
        ('{"1": 60, "2": 240}', 0),
        # ... but over 30.5 minutes it is 0.5, 1.5 ...: 0.5 would have no price.
        ('{"1": 30.5, "2": 240}', 1),
    ],
)
def test_excesses_over_several_targets_lie_on_one_grid_or_on_none(
    levels: str, told: int, tmp_path: Path
) -> None:
    text = edited(
        'value: 24\n          unit: hours\n          by_priority: {"1": 4, "2": 8}',
        "value: 300\n          unit: minutes\n          rounding_before_banding: {digits: 0, mode: down}\n"
        f"          by_priority: {levels}",
        WHOLE_FORMAT,
    )
    bands = '{formula: tiers, on: excess, bands: [{at_least: 1, at_most: 9, amount: "1.00"}, {at_least: 10, amount: "2.00"}]}'
    read = read_text(tmp_path, edited('{formula: fixed_per_event, amount: "20.00"}', bands, text))
    gaps = [problem.message for problem in read.problems if "leave a gap" in problem.message]
    assert bool(gaps) == bool(told), read.problems


# --- Teams ------------------------------------------------------------------------------------------------


def contract_of(vendor: str, number: int, team: str) -> str:
    """The good contract of some vendor with keys of its own, and a team on its service desk."""
    text = GOOD.replace("HEL-2024-01", f"HEL-{number}").replace("{id: helios, name: Helios IT}", vendor)
    for value in ("user-support", "SUP", "value: platform", "apps"):
        text = text.replace(f"{value}}}", f"{value}-{number}}}")
    key = f"          - {{source: helios_servicenow, kind: team, value: {team}}}\n"
    return edited("      - id: platform\n", f"{key}      - id: platform\n", text)


@pytest.mark.parametrize(
    ("vendor", "team", "told"),
    [
        ("{id: helios, name: Helios IT}", "Group 7", 0),
        ("{id: hudson, name: Hudson}", "Group 8", 0),
        ("{id: hudson, name: Hudson}", "Group 7", 2),
    ],
)
def test_a_team_works_for_several_contracts_of_one_vendor(
    vendor: str, team: str, told: int, tmp_path: Path
) -> None:
    (tmp_path / "one.yml").write_text(contract_of("{id: helios, name: Helios IT}", 1, "Group 7"))
    (tmp_path / "two.yml").write_text(contract_of(vendor, 2, team))
    problems = check_paths([tmp_path])
    assert len(problems) == told, problems
    for problem in problems:
        assert "the team key 'Group 7' of helios_servicenow belongs to support here" in problem.message
        assert problem.mend == "leave each team to the services of one vendor"
