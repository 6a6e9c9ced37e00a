"""Texts from outside made fit, and the same texts in both languages."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from avoir.credit_notes.exporting import _cell
from avoir.credit_notes.wording import TEXTS, fit


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=300), st.integers(2, 50))
def test_any_text_fits_on_one_line_of_xml(text: str, longest: int) -> None:
    made = fit(text, longest)
    assert len(made) <= longest
    assert made == made.strip()
    assert "\n" not in made
    element = etree.Element("a")
    element.text = made
    assert (etree.fromstring(etree.tostring(element)).text or "") == made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\r\n c", "a b c"),
        ("a\x00\x1b\x7fb", "ab"),
        ("pay\u202eeno\u2066", "payeno"),
        ("a\ufffe\U0001ffffb", "ab"),
        ("<&>\"'", "<&>\"'"),
        ("abcdef", "abc\u2026"),
        ("ab cdef", "ab\u2026"),
    ],
)
def test_what_nobody_should_see_is_gone(text: str, expected: str) -> None:
    assert fit(text, 4 if "cdef" in text else 100) == expected


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["en"].keys() == TEXTS["fr"].keys()
    for key, text in TEXTS["en"].items():
        names = [
            {name for _, name, _, _ in string.Formatter().parse(one) if name}
            for one in (text, TEXTS["fr"][key])
        ]
        assert names[0] == names[1], key


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_would_be_a_formula_is_neutralised(start: str) -> None:
    assert _cell(f"{start}1+1") == f"'{start}1+1"
    assert _cell(f"1{start}1") == f"1{start}1"
    assert _cell(None) == ""
