# ruff: noqa: E501  (one mistake a line reads as the table it is)
"""Each mistake in a contract file is told once, on its line, with a mend that helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract_texts import GOOD, SHA, Mistake, assert_told, edited, read_text

from avoir.contracts.problems import Severity

MISTAKES = [
    Mistake("unknown_zone", "Europe/Paris", "Europe/Pari", "timezone:", "not a zone", "write Europe/Paris"),
    Mistake("zone_in_lower_case", "Europe/Paris", "europe/paris", "timezone:", "not a zone", "Europe/Paris"),
    Mistake("unknown_currency", "currency: EUR", "currency: EURO", "currency:", "not an ISO 4217", "write EUR"),
    Mistake("metal_as_currency", "currency: EUR", "currency: XAU", "currency:", "not an ISO 4217", "write "),
    Mistake("unknown_country", "country: FR", "country: FX", "country:", "no holidays are known", "write "),
    Mistake("ges", "subdivision: null", "subdivision: GES", "subdivision:", "no subdivision GES", "57 (Moselle) or 6AE"),
    Mistake("unknown_subdivision", "subdivision: null", "subdivision: 6AF", "subdivision:", "6AF", "write 6AE"),
    Mistake("subdivision_as_number", "subdivision: null", "subdivision: 57", "subdivision:", "must be text", '"57"'),
    Mistake("misspelt_word", "effective_to:", "efective_to:", "efective_to:", "not a word", "write effective_to"),
    Mistake(
        "misspelt_word_in_a_union_member",
        "probe_interval_seconds: 300",
        "probe_interval_seconds: 300\n          mantenance: {notice_hours: 2}",
        "mantenance:",
        "not a word",
        "write maintenance",
        "SLA-2",
    ),
    Mistake("missing_name", "        name: Platform\n", "", "- id: platform", "name is missing", "add `name"),
    Mistake("missing_hash", f"    document_sha256: {SHA}\n    clauses", "    clauses", "- version: 2", "missing", "add"),
    Mistake("hash_too_short", f"{SHA}\n    clauses", "abc\n    clauses", "document_sha256:", "'abc'", "64 hexadecimal"),
    Mistake("unknown_operator", 'operator: ">="', 'operator: "=>"', "objective:", "'=>'", "write >=", "SLA-2"),
    Mistake("operator_that_nothing_judges", 'operator: ">="', 'operator: "<="', "objective:", "judged", '">="', "SLA-2"),
    Mistake("wrong_unit", "unit: pct", "unit: hours", "objective:", "cannot be in hours", "write pct", "SLA-2"),
    Mistake("over_a_hundred", "value: 99.5", "value: 100.5", "objective:", "cannot be promised", "at most 100", "SLA-2"),
    Mistake("target_of_no_time", "value: 30,", "value: 0,", "objective:", "no time", "the contract allows", "SLA-1"),
    Mistake("half_a_day_late", "value: 0,", "value: 0.5,", "objective:", "whole days", "whole number", "SLA-3"),
    Mistake("rate_over_a_hundred", "rate_pct: 5", "rate_pct: 500", "rate_pct:", "500", "at most 100", "SLA-1"),
    Mistake("rate_of_nothing", "rate_pct: 5", "rate_pct: 0", "rate_pct:", "0", "above 0", "SLA-1"),
    Mistake("rate_as_a_word", "rate_pct: 5", "rate_pct: five", "rate_pct:", "not a decimal", "digits", "SLA-1"),
    Mistake("rate_with_a_sign", "rate_pct: 5", 'rate_pct: "5 %"', "rate_pct:", "not a decimal", "digits", "SLA-1"),
    Mistake("too_many_cents", '"750.00"', '"750.005"', "penalty:", "more digits", "at most 2", "SLA-3"),
    Mistake("fee_with_too_many_cents", '"10000.00"', '"10000.001"', "fee:", "more digits", "at most 2"),
    Mistake("negative_amount", '"750.00"', '"-750.00"', "penalty:", "-750", "above 0", "SLA-3"),
    Mistake("exponent", "rate_pct: 5", "rate_pct: 1e400", "rate_pct:", "exponent", "in full", "SLA-1"),
    Mistake("not_a_number", "rate_pct: 5", "rate_pct: .nan", "rate_pct:", "not a number", "as the contract does", "SLA-1"),
    Mistake("infinity", "rate_pct: 5", "rate_pct: .inf", "rate_pct:", "not a number", "as the contract does", "SLA-1"),
    Mistake("huge_number", "rate_pct: 5", "rate_pct: " + "9" * 500, "rate_pct:", "500 characters", "as the contract", "SLA-1"),
    Mistake("duplicate_key", "currency: EUR", "currency: EUR\ncurrency: USD", "currency: USD", "line 4", "keep one"),
    Mistake("anchor", "value: 30,", "value: &a 30,", "objective:", "an anchor", "write the values out"),
    Mistake("alias", "rate_pct: 5", "rate_pct: *five", "rate_pct:", "an alias", "write the values out"),
    Mistake("tag", "rate_pct: 5", "rate_pct: !!python/name:os.system 5", "rate_pct:", "the tag", "remove the tag"),
    Mistake("second_document", "currency: EUR", "---\ncurrency: EUR", "---", "second document", "one contract per"),
    Mistake("broken_yaml", "rate_pct: 5", "rate_pct: [5", "base:", "not YAML", "brackets"),
    Mistake("control_character", "text: signed", 'text: "sig\\0ned"', "text:", "control", "remove them", "SLA-1"),
    Mistake("bad_date", "effective_from: 2025-01-01", "effective_from: 2025-02-30", "effective_from:", "not a date", "YYYY"),
    Mistake("date_of_another_age", "effective_from: 2025-01-01", "effective_from: 0202-01-01", "effective_from:", "counted", "between"),
    Mistake("gap_between_versions", "effective_to: 2025-07-01", "effective_to: 2025-06-01", "effective_to:", "gap", "2025-07-01"),
    Mistake("overlapping_versions", "effective_to: 2025-07-01", "effective_to: 2025-08-01", "effective_to:", "overlap", "2025-07-01"),
    Mistake("ends_before_it_starts", "effective_to: 2025-07-01", "effective_to: 2025-01-01", "effective_to:", "not after", "after 2025-01-01"),
    Mistake("version_numbers", "version: 2", "version: 3", "- version: 3", "version 2 is expected", "version: 2"),
    Mistake("unknown_service", "service: platform", "service: plattform", "service:", "does not exist", "write platform", "SLA-2"),
    Mistake("unknown_calendar", "calendar: always", "calendar: allways", "calendar:", "does not exist", "write always", "SLA-1"),
    Mistake("duplicate_clause", "id: SLA-2", "id: SLA-1", "- id: SLA-1", "defined twice", "keep one of the two", "SLA-1"),
    Mistake("duplicate_calendar", "        always: true\n", "        always: true\n      - id: office\n        always: true\n", "- id: office", "defined twice", "id of its own"),
    Mistake("overlapping_hours", '["09:00-18:00"]', '["09:00-12:00", "11:00-18:00"]', "wed:", "overlap", '"09:00-18:00"'),
    Mistake("over_midnight", '["09:00-18:00"]', '["22:00-06:00"]', "wed:", "midnight", '"22:00-24:00"'),
    Mistake("hour_25", '["09:00-18:00"]', '["09:00-25:00"]', "wed:", "end of the day", "24:00"),
    Mistake("hours_as_a_phrase", '["09:00-18:00"]', '["9 to 5"]', "wed:", "not a pair of times", "09:00-12:30"),
    Mistake("never_and_always", "always: true", "always: false", "- id: always", "either weekly", "exactly one"),
    Mistake("half_day_that_is_closed", "{2025-12-31:", "{2025-05-30:", "- id: office", "both closed", "one of the lists"),
    Mistake("wrong_kind", "kind: milestone", "kind: mile_stone", "indicator:", "no kind 'mile_stone'", "milestone", "SLA-3"),
    Mistake("no_kind", "kind: milestone, ", "", "indicator:", "does not say its kind", "add `kind", "SLA-3"),
    Mistake("wrong_formula", 'formula: fixed_per_event, amount: "750.00"', 'formula: fixed_per_evnt, amount: "750.00"', "penalty:", "no kind", "fixed_per_event", "SLA-3"),
    Mistake("proportional_clock", "penalty: {formula: fixed_per_event, amount: 50}", "penalty: {formula: proportional, on: excess, base: month_invoice}", "penalty:", "no unavailability", "percent_of_invoice", "SLA-1"),
    Mistake("pause_on_an_instant", '{field: hold_reason, value: "1"}', "{field: private_note}", "pause:", "instant", "hold_reason", "SLA-1"),
    Mistake("value_of_an_instant", "stop: [{field: public_comment_vendor}]\n          pause", 'stop: [{field: public_comment_vendor, value: "1"}]\n          pause', "stop:", "no value", "remove", "SLA-1"),
    Mistake("number_as_key_value", "value: user-support", "value: 12", "- {source: helios_servicenow, kind: ticket", "must be text", '"12"'),
    Mistake("unknown_key_kind", "kind: release,", "kind: releases,", "- {source: helios_servicenow, kind: releases", "cannot be 'releases'", "write release"),
    Mistake("clause_without_source", "kind: monitor,", "kind: maintenance,", "service: platform", "no monitor key", "kind: monitor", "SLA-2"),
    Mistake("key_claimed_twice", "kind: release, value: apps}", "kind: release, value: apps}\n          - {source: helios_servicenow, kind: ticket, value: user-support}", "- {source: helios_servicenow, kind: ticket, value: user-support}", "claimed by releases and by the service support", "one service"),
    Mistake("service_without_keys", "        keys:\n          - {source: helios_prometheus, kind: monitor, value: platform}\n", "", "- id: platform", "no key", "add keys"),
    Mistake("base_without_fixed_fee", '{kind: fixed, amount: "10000.00"}', "{kind: invoice_lines}", "penalty:", "no fixed fee", "service_lines", "SLA-2"),
    Mistake("base_without_lines", "base: fixed_fee", "base: service_lines", "penalty:", "no invoice_line key", "kind: invoice_line", "SLA-2"),
    Mistake("cap_without_limit", "month_cap: {pct_of_month_invoice: 15}", "month_cap: {}", "month_cap:", "no limit", "amount", "SLA-1"),
    Mistake("business_days_without_calendar", "days: calendar, calendar: office", "days: business", "indicator:", "without a calendar", "add `calendar", "SLA-3"),
    Mistake("empty_start", "start: [{field: created}]\n          stop: [{field: public_comment_vendor}]\n          pause", "start: []\n          stop: [{field: public_comment_vendor}]\n          pause", "start:", "empty list", "at least one", "SLA-1"),
    Mistake("not_a_list", "closed: [2025-05-30]", "closed: 2025-05-30", "closed:", "must be a list", "brackets"),
    Mistake("not_a_block", "vendor: {id: helios, name: Helios IT}", "vendor: Helios", "vendor:", "must be a block", "below it"),
    Mistake("removed_but_never_there", "    clauses:\n      - id: SLA-1\n        service: support\n        indicator:\n          kind: clock\n          calendar: always", "    remove: {clauses: [SLA-4]}\n    clauses:\n      - id: SLA-1\n        service: support\n        indicator:\n          kind: clock\n          calendar: always", "remove:", "did not inherit", "SLA-1"),
    Mistake("removed_while_in_use", "    clauses:\n      - id: SLA-1\n        service: support\n        indicator:\n          kind: clock\n          calendar: always", "    remove: {services: [platform]}\n    clauses:\n      - id: SLA-1\n        service: support\n        indicator:\n          kind: clock\n          calendar: always", "service: platform", "does not exist in version 2", "write ", "SLA-2"),
    Mistake("blanks_around_a_key", "value: apps}", 'value: "apps "}', "- {source: helios_servicenow, kind: release", "blanks", '"apps"'),
    Mistake("whole_number_wanted", "probe_interval_seconds: 300", "probe_interval_seconds: 300.5", "probe_interval_seconds:", "whole number", "whole number", "SLA-2"),
    Mistake("slash_in_an_id", "contract: HEL-2024-01", "contract: HEL/2024", "contract:", "cannot be 'HEL/2024'", "letters, digits"),
    Mistake("mapping_file_missing", "        keys:\n          - {source: helios_servicenow, kind: release, value: apps}\n", "        keys_from: [{file: no.csv, source: helios_servicenow, kind: release, value: x}]\n", "keys_from:", "does not exist", "contracts root"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_a_planted_mistake_is_told_on_its_line_with_its_mend(mistake: Mistake, tmp_path: Path) -> None:
    assert_told(mistake, tmp_path, GOOD, Severity.ERROR)


def test_the_file_without_a_planted_mistake_is_good(tmp_path: Path) -> None:
    read = read_text(tmp_path, GOOD)
    assert read.problems == ()
    assert [v.version_no for v in read.versions] == [1, 2]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD
    for old, new in (
        ("currency: EUR", "currency: EURO"),
        ("rate_pct: 5", "rate_pct: 500"),
        ("unit: pct", "unit: days"),
        ("service: releases", "service: release"),
        ("effective_to: 2025-07-01", "effective_to: 2025-06-01"),
        ('["09:00-18:00"]', '["18:00-09:00"]'),
    ):
        text = edited(old, new, text)
    problems = read_text(tmp_path, text).problems
    assert {p.clause for p in problems} >= {"SLA-1"}
    told = " | ".join(p.message for p in problems)
    assert "EURO" in told
    assert "rate_pct" in told
    assert "midnight" in told


def test_rules_between_parts_are_told_beside_a_part_that_cannot_be_read(tmp_path: Path) -> None:
    text = edited("rate_pct: 5", "rate_pct: 500")
    text = edited("unit: pct", "unit: days", text)
    text = edited("service: releases", "service: release", text)
    problems = read_text(tmp_path, text).problems
    lines = text.splitlines()
    assert [(p.clause, lines[p.line - 1].split(":")[0].strip()) for p in problems] == [
        ("SLA-1", "rate_pct"),
        ("SLA-2", "objective"),
        ("SLA-3", "service"),
    ]


def test_a_part_that_cannot_be_read_is_not_told_to_be_unknown(tmp_path: Path) -> None:
    problems = read_text(tmp_path, edited("        name: User support\n", "")).problems
    assert [p.message for p in problems] == ["name is missing"]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    from avoir.contracts.check import check_paths

    (problem,) = check_paths([tmp_path / "none.yml"])
    assert "cannot be read" in problem.message
