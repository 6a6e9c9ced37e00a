"""The procedure: what follows what, what silence says, and what is too late."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avoir.procedure import APPLICABLE, State, Step, Terms, state_of

JULY = date(2026, 7, 1)
FIFTEEN = Terms(observation_days=15, silence=State.AGREED)
WAIVING = Terms(observation_days=15, silence=State.WAIVED)


def step(state: State, day: int) -> Step:
    """A step decided so many days after the first of July."""
    return Step("helios", "HEL-1", JULY, state, JULY + timedelta(days=day), "A. Martin", "LTR-1")


def on(day: int) -> date:
    return JULY + timedelta(days=day)


def test_without_a_procedure_all_may_be_booked_at_once() -> None:
    assert state_of(None, [], JULY) == (State.FREE, None)
    assert State.FREE in APPLICABLE


def test_nothing_may_be_booked_before_the_vendor_was_told() -> None:
    assert state_of(FIFTEEN, [], on(400)) == (State.COMPUTED, None)


@pytest.mark.parametrize(("terms", "says"), [(FIFTEEN, State.AGREED), (WAIVING, State.WAIVED)])
def test_silence_speaks_on_the_day_after_the_last(terms: Terms, says: State) -> None:
    told = [step(State.NOTIFIED, 2)]
    assert state_of(terms, told, on(1)) == (State.COMPUTED, None)
    assert state_of(terms, told, on(17)) == (State.NOTIFIED, on(2))
    assert state_of(terms, told, on(18)) == (says, on(18))


def test_who_contests_in_time_is_heard_and_silence_says_nothing() -> None:
    steps = [step(State.NOTIFIED, 2), step(State.CONTESTED, 17)]
    assert state_of(FIFTEEN, steps, on(300)) == (State.CONTESTED, on(17))
    assert state_of(FIFTEEN, [*steps, step(State.AGREED, 40)], on(300)) == (State.AGREED, on(40))
    assert state_of(FIFTEEN, [*steps, step(State.WAIVED, 40)], on(300)) == (State.WAIVED, on(40))


def test_who_contests_too_late_is_not() -> None:
    steps = [step(State.NOTIFIED, 2), step(State.CONTESTED, 18)]
    assert state_of(FIFTEEN, steps, on(30)) == (State.AGREED, on(18))


def test_what_is_agreed_is_applied_and_stays_so() -> None:
    steps = [step(State.NOTIFIED, 0), step(State.AGREED, 3), step(State.APPLIED, 9), step(State.WAIVED, 10)]
    assert state_of(FIFTEEN, steps, on(30)) == (State.APPLIED, on(9))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([s for s in State if s not in {State.FREE, State.COMPUTED}]), st.integers(0, 60)
        )
    ),
    st.integers(0, 80),
    st.sampled_from([FIFTEEN, WAIVING]),
)
def test_days_pass_and_no_decision_is_undone(drawn: list[tuple[State, int]], day: int, terms: Terms) -> None:
    steps = sorted((step(state, at) for state, at in drawn), key=lambda one: one.decided_on)
    today, _ = state_of(terms, steps, on(day))
    later, _ = state_of(terms, steps, on(day + 1))
    if today in {State.WAIVED, State.APPLIED}:
        assert later == today
    if today in APPLICABLE:
        assert later in APPLICABLE
    known = [one for one in steps if one.decided_on <= on(day)]
    assert state_of(terms, known, on(day))[0] == today, "what is decided later is not known yet"
