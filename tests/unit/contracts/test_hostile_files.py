# ruff: noqa: E501  (one text a line)
"""A hostile file is refused within a second, with a line and a mend, wherever in it the hostility lies."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from contract_texts import GOOD, WHOLE_FORMAT, edited, read_text

HOSTILE = {
    "empty": b"",
    "only_a_comment": b"# nothing\n",
    "a_list": b"- 1\n",
    "a_number": b"42\n",
    "utf_16": GOOD.encode("utf-16"),
    "utf_16_without_a_mark": GOOD.encode("utf-16-le"),
    "utf_32": GOOD.encode("utf-32"),
    "latin_1": edited("Helios IT}", "H\u00e9lios}").encode("latin-1"),
    "nul": b"contract: a\0b\n",
    "billion_laughs": b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "deep_lists": b"[" * 400_000,
    "deep_maps": b"{a: " * 100_000,
    "deep_dashes": b"- " * 200_000,
    "many_values": b"a: [" + b"1," * 250_000 + b"]",
    "too_large": b"#" * 600_000,
    "python_object": b"!!python/object/apply:os.system ['true']\n",
    "merge_key": b"<<: {contract: x}\n",
    "directive": b"%YAML 1.1\n---\ncontract: x\n",
    "list_as_key": b"? [a, b]\n: 1\n",
    "number_as_key": b"1: 2\n",
    "lone_surrogate": b'contract: "\\ud800"\n',
    "tab_indent": b"contract: a\n\tname: b\n",
    "open_quote": b'contract: "a\n',
    "ten_megabytes": GOOD.encode() + b"# padding\n" * 1_000_000,
    "null_versions": edited("versions:\n  - version: 1", "versions:\nxs:\n  - version: 1").encode(),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_without_an_exception(name: str, tmp_path: Path) -> None:
    began = time.thread_time()
    read = read_text(tmp_path, HOSTILE[name])
    # Obeyed it would take minutes; a garbage collection among thousands of other tests takes a second.
    assert time.thread_time() - began < 5
    assert not read.is_good
    assert read.versions == ()
    for problem in read.problems:
        assert problem.line >= 1
        assert problem.mend
        assert len(str(problem)) < 1000


ROW = '- {month: 2025-03, formula: "400.00", credit: "400.00"}'
NAME = "- name: a day down"
HOSTILE_IN_TESTS = {
    # name: what stands in the file, what a hand puts there, the start of the message
    "anchor": (ROW, "- &row " + ROW[2:], "an anchor"),
    "alias": (ROW, "- *row", "an alias"),
    "alias_bomb": (ROW, "- &a [x, x]\n      - &b [*a, *a]\n      - [*b, *b]", "an anchor"),
    "tag": (ROW, "- !!python/object/apply:os.system ['true']", "the tag"),
    "tag_of_a_value": ("month: 2025-03, formula", "month: !!str 2025-03, formula", "the tag"),
    "merge_key": (ROW, "- {<<: {month: 2025-03}, lines: 0}", "<< is not a word"),
    "merge_of_an_alias": (ROW, "- {<<: *row, lines: 0}", "an alias"),
    "duplicate_key": ("month: 2025-03, formula", "month: 2025-03, month: 2025-03, formula", "the key month stands twice"),
    "duplicate_section": ("index_values:\n  SYNTEC", "tests: []\nindex_values:\n  SYNTEC", "the key tests stands twice"),
    "exponent": ('formula: "400.00"', "formula: 1e400", "1e400 is written with an exponent"),
    "exponent_as_text": ('formula: "400.00"', 'formula: "1e400"', "'1e400' is not a decimal number"),
    "infinity": ('formula: "400.00"', "formula: .inf", ".inf is not a number"),
    "minus_infinity": ('formula: "400.00"', "formula: -.inf", "-.inf is not a number"),
    "nan": ('formula: "400.00"', "formula: .nan", ".nan is not a number"),
    "nan_as_text": ('formula: "400.00"', 'formula: "NaN"', "'NaN' is not a decimal number"),
    "huge_number": ('formula: "400.00"', "formula: " + "9" * 5000, "a number of 5000 characters"),
    "huge_number_as_text": ('formula: "400.00"', 'formula: "' + "9" * 5000 + '"', "is not a decimal number"),
    "many_digits": ('formula: "400.00"', 'formula: "400.0000000000001"', "is not a decimal number"),
    "huge_count": ("business_seconds: 43200", "business_seconds: 999999999999999999999", "business_seconds"),
    "huge_interval": ("every_seconds: 60", "every_seconds: 99999999999999999999999999999", "every_seconds"),
    "no_interval": ("every_seconds: 60", "every_seconds: 0", "every_seconds is 0"),
    "year_zero": ("month: 2025-03, formula", "month: 0000-03, formula", "no contract is counted on|is not a month"),
    "year_ten_thousand": ('as_of: "2025-04-01 00:00"', 'as_of: "10000-04-01 00:00"', "'10000-04-01 00:00' is not an instant"),
    "offset_of_a_day": ('as_of: "2025-04-01 00:00"', 'as_of: "2025-04-01 00:00+24:00"', "is not an instant"),
    "digits_of_another_script": ('as_of: "2025-04-01 00:00"', 'as_of: "\u0662\u0660\u0662\u0665-04-01 00:00"', "is not an instant"),
    "nul": (NAME, '- name: "a day\\0down"', "a text holds control characters"),
    "control_character": (NAME, "- name: a day\x07down", "this character may not stand"),
    "long_name": (NAME, "- name: " + "a" * 5000, "name"),
    "deep_nesting": (ROW, "- " + "[" * 30 + "]" * 30, "more than 24 brackets"),
    "list_as_key": (ROW, "- ? [a, b]\n        : 1", "a key must be a word"),
    "number_as_key": (ROW, "- {1: 2}", "'1' cannot be a key"),
    "many_rows": (ROW, "\n      ".join([ROW] * 20_000), "the file has|more than 25000 values"),
    "text_for_a_list": ("tests:\n", "tests: none\nx_tests:\n", "tests must be a list"),
    "list_for_a_block": ("index_values:\n  SYNTEC: {", "index_values: [SYNTEC]\nx_values:\n  SYNTEC: {", "index_values must be a block"),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE_IN_TESTS)
def test_hostility_in_a_worked_test_is_refused_on_its_line(name: str, tmp_path: Path) -> None:
    old, new, message = HOSTILE_IN_TESTS[name]
    text = edited(old, new, WHOLE_FORMAT)
    began = time.thread_time()
    read = read_text(tmp_path, text)
    assert time.thread_time() - began < 5, "with the time to judge the contract around it"
    assert not read.is_good
    assert any(start in problem.message for problem in read.problems for start in message.split("|")), (
        "\n".join(map(str, read.problems))
    )
    first_line = WHOLE_FORMAT[: WHOLE_FORMAT.index(old)].count("\n") + 1
    last_line = first_line + max(old.count("\n"), new.count("\n")) + 1
    for problem in read.problems:
        assert (
            first_line <= problem.line <= last_line or problem.line == 1 or "tests stands" in problem.message
        ), str(problem)
        assert problem.mend
        assert len(str(problem)) < 1000
