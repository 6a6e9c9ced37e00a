"""Versions inherit, keys come from mapping files, files are judged together, and ids follow the content."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from contract_texts import GOOD, WHOLE_FORMAT, edited, read_text
from hypothesis import given, settings
from hypothesis import strategies as st

from avoir.contracts.check import check_paths
from avoir.contracts.located_yaml import parse
from avoir.contracts.problems import Problem
from avoir.contracts.reading import read_contracts
from avoir.contracts.resolving import OPEN_END

# --- Versions ----------------------------------------------------------------------------------------------


def test_an_amendment_inherits_what_it_leaves_out_and_replaces_by_id(tmp_path: Path) -> None:
    first, second = read_text(tmp_path, GOOD).versions
    assert list(second.clauses) == ["SLA-1", "SLA-2", "SLA-3"]
    assert second.clauses["SLA-2"] == first.clauses["SLA-2"]
    assert str(first.clauses["SLA-1"].objective.unit) == "minutes"
    assert str(second.clauses["SLA-1"].objective.unit) == "hours"
    assert second.services == first.services
    assert (first.valid_from, first.valid_to) == (date(2025, 1, 1), date(2025, 7, 1))
    assert (second.valid_from, second.valid_to) == (date(2025, 7, 1), OPEN_END)


def test_a_version_without_end_ends_where_the_next_begins(tmp_path: Path) -> None:
    read = read_text(tmp_path, edited("    effective_to: 2025-07-01\n", ""))
    assert read.is_good
    assert read.versions[0].valid_to == date(2025, 7, 1)


def test_an_amendment_can_remove_a_clause_with_its_service(tmp_path: Path) -> None:
    text = GOOD + "    remove: {clauses: [SLA-3], services: [releases]}\n"
    read = read_text(tmp_path, text)
    assert read.is_good
    assert list(read.versions[1].clauses) == ["SLA-1", "SLA-2"]
    assert list(read.versions[1].services) == ["support", "platform"]
    assert "SLA-3" in read.versions[0].clauses


def test_a_calendar_takes_the_contracts_zone_unless_it_has_its_own(tmp_path: Path) -> None:
    text = edited("always: true", "always: true\n        timezone: Asia/Tokyo")
    (version, _) = read_text(tmp_path, text).versions
    assert version.calendars["office"].timezone == "Europe/Paris"
    assert version.calendars["always"].timezone == "Asia/Tokyo"


# --- Identity ----------------------------------------------------------------------------------------------


def ids(folder: Path, text: str) -> list[str]:
    read = read_text(folder, text)
    assert read.is_good, read.problems
    return [version.contract_version_id for version in read.versions]


def test_the_id_names_contract_version_and_content(tmp_path: Path) -> None:
    first, second = ids(tmp_path, GOOD)
    assert re.fullmatch(r"HEL-2024-01:1:[0-9a-f]{8}", first)
    assert re.fullmatch(r"HEL-2024-01:2:[0-9a-f]{8}", second)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate_pct: 5", 'rate_pct: "5.00"'),
        ("rate_pct: 5", "rate_pct: 5   # in words: five per cent"),
        ("title: First response\n        text: signed", "text: signed\n        title: First response"),
        ('["09:00-12:30", "13:30-18:00"]\n          tue', '["13:30-18:00", "09:00-12:30"]\n          tue'),
        ("effective_from: 2025-01-01", 'effective_from: "2025-01-01"'),
        ("subdivision: null", "subdivision:"),
        # What is left out is the same as what held before it could be said.
        ("notice_hours: 72}", "notice_hours: 72}\n          quorum: 1"),
        ("notice_hours: 72}", "notice_hours: 72}\n          whole_minutes: false"),
        ("notice_hours: 72}", "notice_hours: 72}\n          period: month"),
        ("notice_hours: 72}", "notice_hours: 72}\n          denominator: net"),
        ("replan_notice_days: 10", "replan_notice_days: 10, started_day: ceil"),
        ("pause: [{field: hold", "resume: []\n          pause: [{field: hold"),
        ("pause: [{field: hold", "reopen: null\n          pause: [{field: hold"),
    ],
)
def test_another_spelling_is_the_same_content(old: str, new: str, tmp_path: Path) -> None:
    assert ids(tmp_path, edited(old, new)) == ids(tmp_path, GOOD)


def test_a_word_that_the_format_learns_later_changes_no_id(tmp_path: Path) -> None:
    """If these ids changed, every contract that is loaded would be superseded by itself."""
    assert ids(tmp_path, GOOD) == ["HEL-2024-01:1:5adccdea", "HEL-2024-01:2:c9091e6c"]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("rate_pct: 5", "rate_pct: 5.01", [True, False]),  # Version 2 has a clause SLA-1 of its own.
        ("value: 99.5", "value: 99.6", [True, True]),
        ("2025-05-30", "2025-05-29", [True, True]),
        ("value: apps", "value: app", [True, True]),
        ("amount: 50}", "amount: 51}", [False, True]),
        ("name: Helios IT", "name: Helios", [True, True]),
    ],
)
def test_other_terms_are_another_content(old: str, new: str, changed: list[bool], tmp_path: Path) -> None:
    before, after = ids(tmp_path, GOOD), ids(tmp_path, edited(old, new))
    assert [one != other for one, other in zip(before, after, strict=True)] == changed


# --- Exactness ---------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.decimals(min_value=0, max_value=10**12, places=6))
def test_numbers_never_pass_through_a_float(number: Decimal) -> None:
    node, problems = parse(f"a: {number:f}", "f")
    assert problems == []
    assert node is not None
    assert node.plain() == {"a": number}


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_told(text: str) -> None:
    node, problems = parse(text, "f")
    assert node is not None or problems


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_contract_is_told_or_harmless(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = data.draw(st.sampled_from([GOOD, WHOLE_FORMAT]))
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 40))
    inserted = data.draw(st.text(st.sampled_from("ab0-:.,[]{}\"'#&*!|>%@\n\t é"), max_size=8))
    folder = tmp_path_factory.mktemp("damaged")
    read = read_text(folder, whole[:start] + inserted + whole[start + length :])
    lines = (folder / "contract.yml").read_text().count("\n") + 1
    assert all(1 <= problem.line <= lines and problem.mend for problem in read.problems)
    assert read.problems or len(read.versions) >= 1


# --- Mapping files -----------------------------------------------------------------------------------------

KEYS = "        keys:\n          - {source: helios_servicenow, kind: release, value: apps}\n"
MAPPING = """\
# groups as the vendor named them in March
assignment_group,vendor,service
Group 70,helios,releases
"Group, 71",helios,releases
 Group 72 ,other,releases
Group 73,helios,support
"""


def mapped(where: str = "{vendor: helios, service: releases}", column: str = "assignment_group") -> str:
    block = f"""\
        keys_from:
          - file: groups.csv
            source: helios_servicenow
            kind: release
            value: {column}
            where: {where}
"""
    return edited(KEYS, block)


def test_every_matching_row_of_a_mapping_file_is_a_key(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text(MAPPING)
    read = read_text(tmp_path, mapped(where='{vendor: " helios", service: "releases "}'))
    assert read.is_good, read.problems
    assert [claim.key.value for claim in read.versions[0].keys["releases"]] == ["Group 70", "Group, 71"]


def test_another_mapping_is_another_content_and_another_order_is_not(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text(MAPPING)
    before = ids(tmp_path, mapped())
    lines = MAPPING.splitlines()
    (tmp_path / "groups.csv").write_text("\n".join([*lines[:2], *reversed(lines[2:])]))
    assert ids(tmp_path, mapped()) == before
    (tmp_path / "groups.csv").write_text(MAPPING.replace("Group 70", "Group 69"))
    assert ids(tmp_path, mapped()) != before


@pytest.mark.parametrize(
    ("mapping", "text", "message", "mend"),
    [
        (MAPPING, mapped(column="asignment_group"), "no column asignment_group", "write assignment_group"),
        (MAPPING, mapped(where="{vendr: helios}"), "no column vendr", "write vendor"),
        (MAPPING, mapped(where="{vendor: nobody}"), "no row of groups.csv matches vendor = nobody", "where"),
        (MAPPING + ",helios,releases\n", mapped(), "line 7 of groups.csv matches", "fill it in"),
        (MAPPING + "Group 70,helios,releases\n", mapped(), "lines 3 and 7", "keep one"),
        (MAPPING + "Group 74,helios\n", mapped(), "line 7 of groups.csv has 2 cells", "one cell per column"),
        (MAPPING + '"Group 74,helios,releases\n', mapped(), "is not CSV", "double quotes"),
        (b"\xff\xfe", mapped(), "is not UTF-8", "UTF-8"),
        ("", mapped(), "has no lines", "header line"),
        ("a,a\n", mapped(), "two columns of one name", "its own name"),
        (MAPPING, mapped().replace("groups.csv", "../groups.csv"), "outside", "under the contracts root"),
        (MAPPING, mapped().replace("groups.csv", "/etc/passwd"), "outside", "under the contracts root"),
    ],
)
def test_a_mapping_that_gives_no_clear_keys_is_told(
    mapping: str | bytes, text: str, message: str, mend: str, tmp_path: Path
) -> None:
    (tmp_path / "groups.csv").write_bytes(mapping if isinstance(mapping, bytes) else mapping.encode())
    problems = read_text(tmp_path, text).problems
    assert len(problems) == 1, problems
    assert message in problems[0].message
    assert mend in problems[0].mend
    line = text.splitlines()[problems[0].line - 1]
    assert line.strip().startswith("- file:")


def test_a_key_that_a_mapping_and_a_list_both_give_is_told(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text(MAPPING)
    text = edited(
        "        keys_from:",
        "        keys: [{source: helios_servicenow, kind: release, value: Group 70}]\n        keys_from:",
        mapped(),
    )
    (problem,) = read_text(tmp_path, text).problems
    assert (
        "'Group 70' of helios_servicenow (from groups.csv:3) is claimed by releases twice" in problem.message
    )


# --- Several files -----------------------------------------------------------------------------------------


def other_contract(**replaced: str) -> str:
    """The good contract under another id, with keys of its own."""
    text = GOOD.replace("HEL-2024-01", "HEL-2025-02")
    for value in ("user-support", "SUP", "value: platform", "apps"):
        text = text.replace(f"{value}}}", f"{value}-2}}")
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return text


def problems_of(folder: Path, **texts: str) -> list[Problem]:
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return [problem for file in read_contracts(folder) for problem in file.problems]


def test_two_contracts_with_their_own_keys_are_good(tmp_path: Path) -> None:
    assert problems_of(tmp_path, one=GOOD, two=other_contract()) == []


def test_one_contract_in_two_files_is_told_in_both(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, one=GOOD, two=GOOD)
    assert [(Path(p.file).name, p.line) for p in problems] == [("one.yml", 1), ("two.yml", 1)]
    assert all("the contract HEL-2024-01 is also in" in p.message for p in problems)


def test_a_key_of_two_contracts_at_one_time_is_told_in_both(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, one=GOOD, two=other_contract(**{"apps-2": "apps"}))
    assert [Path(p.file).name for p in problems] == ["one.yml", "two.yml"]
    assert (
        "'apps' of helios_servicenow belongs to releases here and to releases of the contract"
        in problems[0].message
    )


def test_a_key_may_pass_from_one_contract_to_the_next(tmp_path: Path) -> None:
    ended = GOOD[: GOOD.index("  - version: 2")]
    later = other_contract(**{"apps-2": "apps", "2025-07-01": "2026-07-01", "2025-01-01": "2025-07-01"})
    assert problems_of(tmp_path, one=ended, two=later) == []


def test_a_vendor_has_one_name(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, one=GOOD, two=other_contract(**{"name: Helios IT}": "name: Helios}"}))
    assert Path(problem.file).name == "two.yml"
    assert "named 'Helios' here and 'Helios IT'" in problem.message


def test_the_check_reads_files_and_folders_each_in_its_root(tmp_path: Path) -> None:
    for profile in ("demo", "examples"):
        (tmp_path / profile / "helios").mkdir(parents=True)
        (tmp_path / profile / "sources.yml").write_text("sources: []\n")
        (tmp_path / profile / "groups.csv").write_text(MAPPING)
        (tmp_path / profile / "helios" / "contract.yml").write_text(mapped())
    assert check_paths([tmp_path]) == []
    assert check_paths([tmp_path / "demo" / "helios" / "contract.yml", tmp_path / "demo"]) == []
    (tmp_path / "empty").mkdir()
    (problem,) = check_paths([tmp_path / "empty"])
    assert "no contract file" in problem.message


def test_a_problem_prints_on_one_line_as_compilers_do() -> None:
    problem = Problem("a.yml", 3, 7, "SLA-1", "x is wrong", "write y")
    assert str(problem) == "a.yml:3:7: clause SLA-1: x is wrong. Mend: write y."
