"""Posted and present lines meet by id, then by what they are about; amounts add up whatever meets."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from avoir.comparing import PostedLine, PresentLine, changed_lines


def posted(amount: str, about: str = "breach|2026-04-01|INC1", entry_no: int = 1) -> PostedLine:
    return PostedLine("C-1", "C-1:1:aaaa", "SLA-1", Decimal(amount), entry_no, about)


def present(amount: str, about: str = "breach|2026-04-01|INC1") -> PresentLine:
    return PresentLine("C-1", "C-1:1:bbbb", "SLA-1", Decimal(amount), about)


def test_an_amendment_that_changes_no_amount_changes_no_line() -> None:
    was = {"a": posted("10.00"), "b": posted("10.00"), "c": posted("7.00", "breach|2026-04-01|INC2")}
    is_now = {"x": present("10.00"), "y": present("10.00"), "z": present("7.00", "breach|2026-04-01|INC2")}
    assert changed_lines(was, is_now) == []


def test_a_line_under_another_id_is_corrected_where_it_was_posted() -> None:
    (one,) = changed_lines({"a": posted("10.00", entry_no=4)}, {"x": present("8.00")})
    assert (one.line_id, one.present_line_id, one.amount) == ("a", "x", Decimal("-2.00"))
    assert one.was is not None
    assert one.was.first_entry_no == 4


def test_of_several_lines_about_one_ticket_those_of_equal_amount_meet() -> None:
    was = {"a": posted("10.00"), "b": posted("20.00")}
    (one,) = changed_lines(was, {"x": present("5.00"), "y": present("10.00"), "z": present("20.00")})
    assert (one.line_id, one.amount) == ("x", Decimal("5.00"))


def test_lines_about_different_things_never_meet() -> None:
    found = changed_lines({"a": posted("10.00")}, {"x": present("10.00", "breach|2026-04-01|INC9")})
    assert [(one.line_id, one.amount) for one in found] == [("a", Decimal("-10.00")), ("x", Decimal("10.00"))]


LINES = st.dictionaries(
    st.sampled_from("abcdefgh"), st.tuples(st.integers(-3, 3), st.sampled_from(["p", "q"])), max_size=6
)


@given(LINES, LINES)
def test_what_is_posted_brings_the_ledger_to_what_is_owed_and_the_same_again_is_nothing(
    before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]
) -> None:
    was = {name: posted(str(amount), about) for name, (amount, about) in before.items()}
    is_now = {name: present(str(amount), about) for name, (amount, about) in after.items()}
    changes = changed_lines(was, is_now)
    assert sum(one.amount for one in changes) == sum(
        (line.amount for line in is_now.values()), Decimal(0)
    ) - sum((line.amount for line in was.values()), Decimal(0))
    now_posted = dict(was)
    for one in changes:
        line = was.get(one.line_id)
        about = line.about if line else is_now[one.line_id].about
        now_posted[one.line_id] = posted(str((line.amount if line else Decimal(0)) + one.amount), about)
    assert changed_lines(now_posted, is_now) == []
