# ruff: noqa: E501  (one mistake a line reads as the table it is)
"""Each mistake in a contract that uses the whole format is told once, on its line, with a mend that helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract_texts import WHOLE_FORMAT, Mistake, assert_told, read_text

from avoir.contracts.problems import Severity

FIRST_BAND = "            - {at_least: 99.0, below: 99.9, rate_pct: 10}"
LAST_BAND = "            - {at_least: 16, rate_pct: 30}"
LAST_CAP = "      - {id: term, per: term, scope: contract, pct: 90, of: order_amount}"
PROBES = '{service: gateway, monitor: gateway, from: "2025-05-01 00:00", to: "2025-06-01 00:00", every_seconds: 60, state: up}'

ERRORS = [
    # Bands
    Mistake("gap_at_one_value", "{at_least: 99.0, below: 99.9, rate_pct: 10}", "{above: 99.0, below: 99.9, rate_pct: 10}", "- {above: 99.0", "a gap: no band holds exactly 99.0", "write at_least: 99.0 here, or at_most: 99.0 in the band {at_least: 95, below: 99.0}", "UPTIME"),
    Mistake("gap_between_values", "{at_least: 95, below: 99.0, rate_pct: 25}", "{at_least: 95, below: 98.5, rate_pct: 25}", "- {at_least: 99.0", "no band holds values of at least 98.5 and below 99.0", "write at_least: 98.5 here, or below: 99.0 in the band", "UPTIME"),
    Mistake("gap_below_the_objective", "below: 99.9, rate_pct: 10", "below: 99.8, rate_pct: 10", "- {at_least: 99.0", "no band holds values of at least 99.8 and below 99.9", "write below: 99.9 here", "UPTIME"),
    Mistake("gap_at_the_worst", "{below: 95, rate_pct: 100}", "{at_least: 80, below: 95, rate_pct: 100}", "- {at_least: 80", "no band holds values of at least 0 and below 80", "leave its lower limit out, or add a band with below: 80", "UPTIME"),
    Mistake("gap_before_the_first_excess", "{below: 4, rate_pct: 0}", "{at_least: 1, below: 4, rate_pct: 0}", "- {at_least: 1", "values above 0 and below 1", "write above: 0 here, or add a band with below: 1", "REPAIR"),
    Mistake("gap_after_the_last_excess", "{at_least: 16, rate_pct: 30}", "{at_least: 16, below: 24, rate_pct: 30}", "- {at_least: 16", "values of at least 24", "leave its upper limit out, or add a band with at_least: 24", "REPAIR"),
    Mistake("gap_of_one_day", "{at_least: 10, amount:", "{at_least: 11, amount:", "- {at_least: 11", "no band holds exactly 10", "write above: 9 here", "LATE"),
    Mistake("overlap", "{at_least: 95, below: 99.0, rate_pct: 25}", "{at_least: 95, at_most: 99.0, rate_pct: 25}", "- {at_least: 99.0", "overlap: exactly 99.0 in {at_least: 95, at_most: 99.0}", "write above: 99.0 here", "UPTIME"),
    Mistake("overlap_of_open_bands", "{at_least: 95, below: 99.0, rate_pct: 25}", "{below: 99.0, rate_pct: 25}", "- {below: 99.0", "overlap: values of at least 0 and below 95", "write at_least: 95 here", "UPTIME"),
    Mistake("overlap_of_days", "{at_least: 10, amount:", "{above: 8, amount:", "- {above: 8", "overlap: exactly 9 in", "write above: 9 here", "LATE"),
    Mistake("band_within_a_band", LAST_BAND, f"{LAST_BAND}\n            - {{at_least: 20, below: 24, rate_pct: 20}}", "- {at_least: 20", "overlap: values of at least 20 and below 24", "remove one of the two", "REPAIR"),
    Mistake("band_with_reversed_limits", "{at_least: 4, below: 8, rate_pct: 10}", "{at_least: 8, below: 4, rate_pct: 10}", "- {at_least: 8, below: 4", "limits are reversed", "the lower one is 4", "REPAIR"),
    Mistake("band_of_nothing", "{at_least: 4, below: 8, rate_pct: 10}", "{at_least: 4, below: 4, rate_pct: 10}", "- {at_least: 4", "is empty", "write at_least: 4, at_most: 4", "REPAIR"),
    Mistake("band_between_days", "{at_least: 4, at_most: 9, amount:", "{above: 4, below: 5, amount:", "- {above: 4", "no value that can be measured", "correct its limits", "LATE"),
    Mistake("band_above_a_hundred_percent", FIRST_BAND, f"{FIRST_BAND}\n            - {{above: 100, rate_pct: 5}}", "- {above: 100", "no value lies in the band {above: 100}; the last value is 100", "remove the band", "UPTIME"),
    Mistake("two_prices_in_a_band", "below: 8, rate_pct: 10}", 'below: 8, rate_pct: 10, amount: "5.00"}', "- {at_least: 4, below: 8", "needs one price", "exactly one of", "REPAIR"),
    Mistake("bands_priced_in_two_ways", "below: 8, rate_pct: 10}", 'below: 8, amount: "5.00"}', "penalty:", "priced in different ways", "write the same", "REPAIR"),
    # Objectives and what is counted
    Mistake("aggregated_availability", '{operator: ">=", value: 99.9, unit: pct}', '{operator: ">=", value: 99.9, unit: pct, aggregation: average}', "objective:", "judged by the month already", "remove aggregation", "UPTIME"),
    Mistake("ratio_judged_downwards", '          operator: ">="\n          value: 95', '          operator: "<="\n          value: 95', "operator:", "a ratio is judged with >= or >", '">="', "RATIO"),
    Mistake("average_in_percent", '{aggregation: average, operator: "<", value: 2, unit: hours}', '{aggregation: average, operator: "<", value: 2, unit: pct}', "objective:", "an average cannot be in pct", "seconds, minutes, hours", "MEAN"),
    Mistake("target_in_days", "target: {value: 4, unit: hours}", "target: {value: 4, unit: days}", "target:", "the target of a clock cannot be in days", "hours", "RATIO"),
    Mistake("target_of_no_time", "target: {value: 4, unit: hours}", "target: {value: 0, unit: hours}", "target:", "no clock can stop within no time", "the contract allows", "RATIO"),
    Mistake("ratio_without_target", "          target: {value: 4, unit: hours}\n", "", "objective:", "a ratio needs a target", "add `target", "RATIO"),
    Mistake("percentile_left_out", "aggregation: percentile, percentile: 95,", "aggregation: percentile,", "objective:", "needs a percentile", "add `percentile: 95`", "SLOWEST"),
    Mistake("more_than_everything", '          operator: ">"\n          value: 99.95', '          operator: ">"\n          value: 100', "value: 100", "never above 100 %", 'write operator: ">="', "ERRORS"),
    Mistake("less_than_no_delay", 'objective: {operator: "<=", value: 2, unit: days}', 'objective: {operator: "<", value: 0, unit: days}', "objective:", "no delay is below 0", 'write operator: "<="', "DELIVERY"),
    Mistake("days_of_a_clock", "per: {size: 30, unit: minutes}", "per: {size: 30, unit: days}", "per:", "a clock is not counted in days", "seconds, minutes, hours", "FASTER"),
    Mistake("hours_of_a_milestone", "per: {size: 1, unit: days}", "per: {size: 1, unit: hours}", "per:", "a milestone is not counted in hours", "write days", "DELIVERY"),
    Mistake("proportional_delay", "formula: percent_of_invoice_per_event, rate_pct: 2,", "formula: proportional, on: excess, base: fixed_fee,", "penalty:", "no unavailability", "fixed_per_event", "SLOWEST"),
    Mistake("unknown_formula", "formula: at_risk_pool", "formula: at_risk_pol", "formula:", "no kind 'at_risk_pol'", "write at_risk_pool", "RATIO"),
    Mistake("misspelt_word_of_a_formula", "allocation_pct: 40", "alocation_pct: 40\n          allocation_pct: 40", "alocation_pct:", "not a word", "write allocation_pct", "RATIO"),
    Mistake("misspelt_word_of_a_band", "{below: 95, rate_pct: 100}", "{below: 95, at_leest: 2, rate_pct: 100}", "- {below: 95", "at_leest is not a word", "write at_least", "UPTIME"),
    Mistake("points_below_zero", "formula: points, points: 3", "formula: points, points: -3", "penalty:", "points is -3", "above 0", "MEAN"),
    Mistake("cap_in_a_points_formula", "formula: points, points: 3", "formula: points, points: 3, month_cap: {amount: 0}", "penalty:", "amount is 0", "above 0", "MEAN"),
    Mistake("stated_base_without_amount", '          base: stated\n          base_amount: "120000.00"', "          base: stated", "penalty:", "not how much it is", "base_amount", "DELIVERY"),
    # Earn-backs
    Mistake("earn_back_without_level", "earn_back: {level: 97, months: 2, pct: 50}", "earn_back: {months: 2, pct: 50}", "earn_back:", "has no level", "stricter than 95 pct", "RATIO"),
    Mistake("earn_back_level_of_events", "earn_back: {months: 1}", "earn_back: {level: 0.5, months: 1}", "earn_back:", "judged one by one", "remove level", "FASTER"),
    Mistake("earn_back_above_a_hundred", "earn_back: {level: 97,", "earn_back: {level: 101,", "earn_back:", "no measure is >= 101 %", "at most 100", "RATIO"),
    Mistake("earn_back_beside_an_exemption", "remove: {clauses: [RATIO, FASTER], non_cumulation: [incident, levels]", "remove: {clauses: [RATIO], non_cumulation: [levels]", "earn_back:", "version 2 has an exemption", "remove earn_back here, or the exemption", "FASTER"),
    # Amounts
    Mistake("cents_of_a_band", 'at_most: 9, amount: "250.00"', 'at_most: 9, amount: "250.005"', "- {at_least: 4, at_most: 9", "more digits", "at most 2 digits", "LATE"),
    Mistake("cents_of_an_order", 'order_amount: "50000.00"', 'order_amount: "50000.001"', "order_amount:", "more digits", "at most 2 digits"),
    Mistake("cents_of_a_stated_base", 'base_amount: "120000.00"', 'base_amount: "120000.001"', "base_amount:", "more digits", "at most 2 digits", "DELIVERY"),
    Mistake("cents_of_a_point", 'point_amount: "250.00"', 'point_amount: "250.001"', "service_points:", "more digits", "at most 2 digits"),
    Mistake("cents_of_a_cap", 'clause: LATE, amount: "5000.00"', 'clause: LATE, amount: "5000.001"', "- {id: late-quarter", "more digits", "at most 2 digits", "LATE"),
    Mistake("cents_of_an_expected_credit", 'formula: "400.00", credit: "400.00"', 'formula: "400.00", credit: "400.001"', "- {month: 2025-03, formula", "more digits", "at most 2 digits"),
    # Bases and points
    Mistake("points_without_worth", '    service_points: {point_amount: "250.00"}\n', "", "penalty: {formula: points", "what a service point is worth", "add `service_points", "MEAN"),
    Mistake("cap_of_lines_without_a_key", 'clause: LATE, amount: "5000.00"', "clause: LATE, pct: 10, of: service_lines", "- {id: late-quarter", "the service projects has no invoice_line key", "add a key", "LATE"),
    Mistake("bands_without_fee", 'fee: {kind: fixed, amount: "4000.00"}', "fee: {kind: invoice_lines}", "base: fixed_fee", "no fixed fee", "service_lines", "REPAIR"),
    Mistake("points_of_a_base_without_fee", '{point_amount: "250.00"}', "{point_rate_pct: 1, base: stated}", "service_points:", "part of a stated base", "write point_amount"),
    # Caps and groups
    Mistake("cap_of_an_unknown_clause", "scope: clause, clause: LATE, amount", "scope: clause, clause: LAET, amount", "- {id: late-quarter", "the clause LAET of the cap late-quarter does not exist", "write LATE", "LAET"),
    Mistake("cap_of_an_unknown_service", "scope: service, service: cloud, pct", "scope: service, service: clout, pct", "- {id: cloud-month", "the service clout", "write cloud"),
    Mistake("caps_of_the_same", LAST_CAP, f"{LAST_CAP}\n      - {{id: again, per: rolling_12_months, scope: contract, pct: 70, of: order_amount}}", "- {id: again", "bounds the same as the cap year", "keep one of the two"),
    Mistake("cap_beside_a_month_cap", LAST_CAP, f"{LAST_CAP}\n      - {{id: again, per: month, scope: clause, clause: SLOWEST, pct: 7, of: month_invoice}}", "- {id: again", "bounds the same as the clause's month_cap", "keep one of the two", "SLOWEST"),
    Mistake("cap_without_its_service", "scope: service, service: cloud, pct", "scope: service, pct", "- {id: cloud-month", "do not go together", "add `service"),
    Mistake("cap_of_a_removed_clause", "remove: {clauses: [RATIO, FASTER]", "remove: {clauses: [RATIO, FASTER, LATE], exclusions: [force-majeure]", "- {id: late-quarter", "does not exist in version 2", "write remove: {caps: [late-quarter]} in version 2", "LATE"),
    Mistake("group_of_a_removed_clause", "non_cumulation: [incident, levels]", "non_cumulation: [levels]", "- {id: incident", "the clause FASTER of the group incident does not exist in version 2", "write remove: {non_cumulation: [incident]} in version 2"),
    Mistake("group_of_an_unknown_clause", "clauses: [RATIO, MEAN], per: month", "clauses: [RATIO, MAEN], per: month", "- {id: levels", "the clause MAEN", "write MEAN"),
    Mistake("clause_in_two_groups", "clauses: [RATIO, MEAN], per: month", "clauses: [RATIO, MEAN, REPAIR], per: month", "- {id: levels", "the clause REPAIR is in the groups incident and levels", "keep it in one group"),
    Mistake("choice_of_another_clause", "choice: [FASTER, REPAIR]", "choice: [FASTER, REPIAR]", "- {id: incident", "none of its clauses", "write REPAIR"),
    Mistake("ground_for_an_unknown_clause", "clauses: [UPTIME, LATE]", "clauses: [UPTIM, LATE]", "- {id: force-majeure", "the clause UPTIM of the ground", "write UPTIME"),
    Mistake("right_over_an_unknown_clause", "clause: UPTIME, breached_months", "clause: DOWNTIME, breached_months", "- {id: T-1", "the clause DOWNTIME of the right T-1", "write UPTIME", "DOWNTIME"),
    Mistake("right_that_never_comes", "breached_months: 3, within_months: 6", "breached_months: 7, within_months: 6", "- {id: T-1", "no 7 breached months within 6", "at most 6", "UPTIME"),
    Mistake("right_within_nothing", "breached_months: 3, within_months: 6", "within_months: 6", "- {id: T-1", "breached_months is missing", "add breached_months", "UPTIME"),
    Mistake("nobody_accountable", "vendor: R/A,", "vendor: R,", "- {activity: Development", "it is nobody", "write A for one"),
    Mistake("two_accountable", "customer: I, vendor: R/A", "customer: A, vendor: R/A", "- {activity: Development", "2 (customer, vendor)", "write A for one"),
    Mistake("role_of_no_kind", "vendor: R/A,", "vendor: R+A,", "- {activity: Development", "'R+A'", "R, A, C or I"),
    Mistake("removed_term_never_there", "terms: [indexation]", "terms: [indexation, exemption]", "remove:", "removes the term exemption", "remove exemption from the list"),
    Mistake("removed_group_never_there", "non_cumulation: [incident, levels]", "non_cumulation: [incident, levels, level]", "remove:", "removes the group level", "write levels"),
    Mistake("unknown_term", "terms: [indexation]", "terms: [indexations]", "remove:", "'indexations'", "write indexation"),
    # Decisions and index values
    Mistake("decision_on_an_unknown_ground", "{id: D-2, ground: force-majeure", "{id: D-2, ground: force-majore", "- {id: D-2", "no version has the ground force-majore", "write force-majeure"),
    Mistake("decision_on_an_unknown_service", "{id: D-1, ground: force-majeure, service: cloud", "{id: D-1, ground: force-majeure, service: clouds", "- {id: D-1", "no version has the service clouds", "write cloud"),
    Mistake("decision_that_ends_before_it_starts", 'to: "2025-03-04 12:00", accepted_on', 'to: "2025-03-04 08:00", accepted_on', "- {id: D-1", "not after its start", "a time after 2025-03-04 08:00"),
    Mistake("decision_twice", "{id: D-2, ground", "{id: D-1, ground", "- {id: D-1", "the decision D-1 stands twice", "an id of its own"),
    Mistake("decision_about_nothing", "ground: force-majeure, ticket: INC0012, accepted_on", "ground: force-majeure, accepted_on", "- {id: D-2", "what is excluded", "service, from and to"),
    Mistake("decision_at_a_skipped_time", 'from: "2025-03-04 08:00", to: "2025-03-04 12:00", accepted_on', 'from: "2025-03-30 02:30", to: "2025-03-30 12:00", accepted_on', "- {id: D-1", "2025-03-30 02:30 does not exist in Europe/Paris", '"2025-03-30 02:30:00+01:00" or "2025-03-30 02:30:00+02:00"'),
    Mistake("decision_at_a_time_that_exists_twice", 'from: "2025-03-04 08:00", to: "2025-03-04 12:00", accepted_on', 'from: "2025-10-26 00:00", to: "2025-10-26 02:30", accepted_on', "- {id: D-1", "2025-10-26 02:30 exists twice", '"2025-10-26 02:30:00+02:00" or "2025-10-26 02:30:00+01:00"'),
    Mistake("decision_on_milestones_by_time", "{id: D-1, ground: force-majeure, service: cloud", "{id: D-1, ground: force-majeure, service: projects", "- {id: D-1", "its clauses measure only milestone", "write cloud or desk"),
    Mistake("index_of_no_month", '2025-02: "313.4"', '2025-13: "313.4"', "SYNTEC:", "'2025-13' is not a month", "YYYY-MM"),
    Mistake("index_of_a_day", '2025-02: "313.4"', '2025-02-01: "313.4"', "SYNTEC:", "2025-02-01 is not a month", "YYYY-MM"),
    Mistake("index_of_nothing", '2025-02: "313.4"', "2025-02: 0", "SYNTEC:", "2025-02 is 0", "above 0"),
    # Tests
    Mistake("test_named_twice", "name: a day down", "name: a ticket resolved too late", "- name: a ticket", "two tests are named", "a name of its own"),
    Mistake("ticket_of_an_unknown_service", "        service: desk\n        events", "        service: dexk\n        events", "service: dexk", "no version has the service dexk", "write desk"),
    Mistake("ticket_without_a_clock", "        service: desk\n        events", "        service: cloud\n        events", "service: cloud", "its clauses measure only availability", "write desk"),
    Mistake("release_without_a_milestone", "{release: R1, service: projects", "{release: R1, service: desk", "- {release: R1", "its clauses measure only clock", "write projects"),
    Mistake("ticket_at_a_time_that_exists_twice", 'at: "2025-03-03 09:40"', 'at: "2025-10-26 02:15"', "- {at: ", "exists twice", "+02:00"),
    Mistake("ticket_at_no_instant", 'at: "2025-03-03 09:40"', 'at: "3/3/2025 9:40"', "- {at: ", "is not an instant", "YYYY-MM-DD HH:MM"),
    Mistake("ticket_on_a_day", 'at: "2025-03-03 09:40"', "at: 2025-03-03", "- {at: ", "2025-03-03 is not an instant", "YYYY-MM-DD HH:MM"),
    Mistake("ticket_without_creation", '          - {at: "2025-03-03 09:00", field: created}\n', "", "events:", "starts with its creation", "field: created"),
    Mistake("events_out_of_order", 'at: "2025-03-04 12:00", field: state', 'at: "2025-03-03 09:30", field: state', '- {at: "2025-03-03 09:30"', "stands after one at", "in the order of their instants"),
    Mistake("value_of_a_comment", 'field: public_comment_vendor}\n          - {at: "2025-03-04', 'field: public_comment_vendor, value: x}\n          - {at: "2025-03-04', "- {at: ", "has no value", "remove the value"),
    Mistake("unknown_field", 'at: "2025-03-03 09:40", field: public_comment_vendor', 'at: "2025-03-03 09:40", field: public_comment', "- {at: ", "'public_comment'", "write public_comment_vendor"),
    Mistake("outage_that_ends_before_it_starts", 'to: "2025-03-11 00:00"}', 'to: "2025-03-09 00:00"}', "- {service: cloud", "not after its start", "a time after"),
    Mistake("probes_beside_downtime", "    maintenance:\n", '    probes:\n      - {service: cloud, from: "2025-03-02 00:00", to: "2025-03-03 00:00", every_seconds: 60, state: up}\n    maintenance:\n', "- {service: cloud, from", "both downtime and probes", "keep one"),
    Mistake("maintenance_announced_at_no_time", 'announced: "2025-03-01 09:00"', 'announced: "2025-03-30 02:10"', "- {service: cloud", "does not exist", "+02:00"),
    Mistake("invoice_line_of_an_unknown_service", "lines: [{service: desk,", "lines: [{service: desks,", "- {month: 2025-03, lines", "no version has the service desks", "write desk"),
    Mistake("month_as_a_number", "{month: 2025-03, lines", "{month: 202503, lines", "- {month: 202503", "202503 is not a month", "YYYY-MM"),
    Mistake("expected_ticket_that_is_not_there", "{clause: REPAIR, ticket: T1", "{clause: REPAIR, ticket: T2", "- {clause: REPAIR", "no ticket T2", "write T1", "REPAIR"),
    Mistake("expected_clause_that_is_not_there", "{clause: MEAN, month: 2025-03, measured", "{clause: MEEN, month: 2025-03, measured", "- {clause: MEEN", "no version has the clause MEEN", "write MEAN", "MEEN"),
    Mistake("month_of_single_events", "{clause: MEAN, month: 2025-03, measured", "{clause: FASTER, month: 2025-03, measured", "- {clause: FASTER", "judged ticket by ticket", "add ticket", "FASTER"),
    Mistake("seconds_of_a_release", "release: R1, measured", "business_seconds: 3, measured", "- {clause: DELIVERY", "does not say whose", "add clause", "DELIVERY"),
    Mistake("seconds_of_an_availability", "{clause: REPAIR, ticket: T1, business_seconds: 43200", "{clause: UPTIME, ticket: T1, business_seconds: 43200", "- {clause: UPTIME", "measures availability, not a ticket", "write month instead", "UPTIME"),
    Mistake("ticket_of_another_service", "{clause: DELIVERY, release: R1", "{clause: UPTIME, release: R1", "- {clause: UPTIME", "measures availability, not a release", "write month", "UPTIME"),
    Mistake("line_of_a_ticket_in_a_monthly_clause", '{clause: MEAN, month: 2025-03, measured: "0.67", outcome: met}', '{clause: MEAN, ticket: T1, credit: "0.00"}', "- {clause: MEAN", "judged by the month: no ticket has credit", "write month instead", "MEAN"),
    Mistake("row_that_expects_nothing", "{clause: UPTIME, month: 2025-03, outcome: breached}", "{clause: UPTIME, month: 2025-03}", "- {clause: UPTIME", "expects nothing", "state a step", "UPTIME"),
    Mistake("unknown_outcome", "month: 2025-03, outcome: breached}", "month: 2025-03, outcome: failed}", "- {clause: UPTIME", "'failed'", "met", "UPTIME"),
    Mistake("misspelt_step", 'formula: "400.00", credit: "400.00"', 'formula: "400.00", credits: "400.00"', "- {month: 2025-03, formula", "credits is not a word", "write credit"),
    Mistake("misspelt_from", 'cloud, from: "2025-03-10 20:00"', 'cloud, form: "2025-03-10 20:00"', "- {ground: force-majeure", "form is not a word", "write from"),
    Mistake("new_date_approved_before_it_was_asked", "approved: 2025-02-12", "approved: 2025-02-01", "- {release: R1", "before it was asked for", "2025-02-10 or later"),
    Mistake("before_the_contract", '{clause: ERRORS, month: 2025-05, measured: "100.00", outcome: met, lines: 0}', "{month: 2023-05, lines: 0}\n  - {name: too early, expect: [{month: 2023-05, lines: 0}]}", "- {name: too early", "not in force in the months of the test", "starts on 2025-01-01"),
    Mistake("judged_before_it_happened", 'as_of: "2025-04-01 00:00"', 'as_of: "2025-02-01 00:00"', "as_of:", "as_of lies before", "a later as_of"),
    Mistake("probes_without_end", PROBES, PROBES.replace("every_seconds: 60", "every_seconds: 1"), "- name: every minute", "2678462 samples", "at most 1000000 samples"),
    Mistake("test_of_two_centuries", 'to: "2025-06-01 00:00", every', 'to: "2199-06-01 00:00", every', "- name: every minute", "over 2089 months", "at most 120 months"),
    Mistake("test_of_no_month", '- {month: 2025-03, formula: "400.00", credit: "400.00"}', '- {month: 2025-03, credit: "400.00"}\n  - {name: never, expect: [{credit: "400.00"}]}', "- {name: never", "names no month", "add month"),
]  # fmt: skip

WARNINGS = [
    Mistake("band_of_kept_values", FIRST_BAND, FIRST_BAND.replace("below: 99.9", "at_most: 99.9"), "- {at_least: 99.0", "the band holds exactly 99.9, where the objective is kept", "write below: 99.9 here", "UPTIME"),
    Mistake("band_beyond_the_objective", FIRST_BAND, f"{FIRST_BAND}\n            - {{at_least: 99.9, at_most: 100, rate_pct: 5}}", "- {at_least: 99.9", "in the whole band", "remove the band", "UPTIME"),
    Mistake("band_of_no_excess", "{below: 4, rate_pct: 0}", "{at_least: 0, below: 4, rate_pct: 0}", "- {at_least: 0", "the band holds exactly 0", "write above: 0 here", "REPAIR"),
    Mistake("band_above_the_cap_of_a_breach", "event_cap: {pct_of_base: 30}", "event_cap: {pct_of_base: 15}", "- {at_least: 16", "rate_pct 30 cannot be reached: event_cap is 15 % of the fixed fee", "write rate_pct: 15 here, or raise event_cap", "REPAIR"),
    Mistake("band_above_the_cap_of_a_service", "service: cloud, pct: 100, of: service_lines", "service: cloud, pct: 25, of: service_lines", "- {below: 95", "the cap cloud-month is 25 % of the service lines", "write rate_pct: 25 here, or raise the cap", "UPTIME"),
    Mistake("band_above_a_cap_in_money", '{at_least: 10, amount: "600.00"}', '{at_least: 10, amount: "6000.00"}', "- {at_least: 10", "the band's amount 6000.00 cannot be reached: month_cap is 2000.00", "write amount: 2000.00 here, or raise month_cap", "LATE"),
    Mistake("rate_above_the_cap_of_a_month", "rate_pct: 2, month_cap: {pct_of_month_invoice: 15}", "rate_pct: 20, month_cap: {pct_of_month_invoice: 15}", "penalty:", "the rate_pct 20 cannot be reached: month_cap is 15 %", "write rate_pct: 15", "SLOWEST"),
    Mistake("points_above_a_cap", "formula: points, points: 3", "formula: points, points: 200", "penalty:", "the points 200 cannot be reached: the cap year is 40000.00", "a lower price", "MEAN"),
    Mistake("cap_that_never_binds", 'clause: LATE, amount: "5000.00"', 'clause: LATE, amount: "6000.00"', "- {id: late-quarter", "can never bind: month_cap leaves at most 3 x 2000.00", "write a lower amount", "LATE"),
    Mistake("month_cap_that_never_binds", 'month_cap: {amount: "2000.00"}', 'month_cap: {amount: "5000.00"}', "month_cap:", "month_cap can never bind: the cap late-quarter leaves at most 5000.00", "or remove month_cap", "LATE"),
    Mistake("target_off_the_grid", "          value: 99.95\n", "          value: 99.955\n", "value:", "> 99.955 is kept from 99.96 on", 'write operator: ">=", value: 99.96 if that is meant, else digits: 3', "ERRORS"),
    Mistake("target_that_only_all_reaches", "          value: 99.95\n          unit: pct\n          rounding_before_banding: {digits: 2, mode: half_up}", "          value: 99.995\n          unit: pct\n          rounding_before_banding: {digits: 2, mode: down}", "value:", "no value below 100.00 is > 99.995: only 100.00 keeps", "write digits: 3 or more", "ERRORS"),
    Mistake("average_that_only_nothing_reaches", 'operator: "<", value: 2, unit: hours}', 'operator: "<", value: 1, unit: hours, rounding_before_banding: {digits: 0, mode: up}}', "objective:", "no value above 0 is < 1: only 0 keeps", "write digits: 1 or more", "MEAN"),
    Mistake("earn_back_without_months", "earn_back: {level: 97, months: 2, pct: 50}", "earn_back: {level: 97, pct: 50}", "earn_back:", "over how many months", "write months: 1", "RATIO"),
    Mistake("earn_back_at_once", "earn_back: {level: 97,", "earn_back: {level: 95,", "earn_back:", "the level 95 is the objective", "above 95", "RATIO"),
    Mistake("earn_back_below_the_objective", "earn_back: {level: 97,", "earn_back: {level: 90,", "earn_back:", "less than the objective", "above 95", "RATIO"),
    Mistake("points_that_nobody_charges", "formula: points, points: 3", 'formula: fixed_per_event, amount: "30.00"', "service_points:", "no clause of version 1 charges service points", "formula: points"),
    Mistake("index_that_nobody_uses", "  SYNTEC: {2025-01", '  BT40: {2025-01: "100.0"}\n  SYNTEC: {2025-01', "BT40:", "no version uses the index BT40", "write SYNTEC"),
    Mistake("the_better_the_dearer", "formula: proportional, on: excess, base: month_invoice", 'formula: linear, per: {size: 1, unit: pct}, on: value, amount: "5.00"', "penalty:", "the better it is, the higher the price", "write on: excess", "ERRORS"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", ERRORS, ids=lambda m: m.name)
def test_a_mistake_in_the_terms_is_told_on_its_line_with_its_mend(mistake: Mistake, tmp_path: Path) -> None:
    assert_told(mistake, tmp_path, WHOLE_FORMAT, Severity.ERROR)


@pytest.mark.parametrize("mistake", WARNINGS, ids=lambda m: m.name)
def test_a_doubtful_term_is_told_and_the_file_still_loads(mistake: Mistake, tmp_path: Path) -> None:
    assert_told(mistake, tmp_path, WHOLE_FORMAT, Severity.WARNING)


def test_the_contract_of_the_whole_format_is_good_and_has_no_warning(tmp_path: Path) -> None:
    read = read_text(tmp_path, WHOLE_FORMAT)
    assert read.problems == ()
    assert [list(version.clauses) for version in read.versions] == [
        [
            *("REPAIR", "RATIO", "MEAN", "SLOWEST", "UPTIME", "ERRORS", "LATE", "DELIVERY", "FASTER"),
            *("INCIDENT", "URGENT", "HOURS", "DEPLOYED", "RUNS", "FULL-DAYS"),
        ],
        [
            *("REPAIR", "MEAN", "SLOWEST", "UPTIME", "ERRORS", "LATE", "DELIVERY"),
            *("INCIDENT", "URGENT", "HOURS", "DEPLOYED", "RUNS", "FULL-DAYS"),
        ],
    ]
