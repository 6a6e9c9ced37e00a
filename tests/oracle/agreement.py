"""Where the models and the oracle disagree on one worked test: every line, step by step, and every fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from avoir.contracts.model import Aggregation, Unit
from avoir.contracts.planting import PlantedCase
from avoir.contracts.proving import COLUMN_OF_STEP, CaseOutcome
from tests.oracle.pricing import STEPS, Judged, Line

# The models carry quotients to 24 digits and shave the posted amount at the 15th; the oracle is exact.
_QUOTIENT_ERROR = Fraction(1, 10**14)

_SECONDS = {Unit.MINUTES: 60, Unit.HOURS: 3600}

Key = tuple[object, ...]


def disagreements(case: PlantedCase, judged: Judged, outcome: CaseOutcome) -> list[str]:
    """Return what differs, most basic first; nothing when both came to the same."""
    judging = _judging_events(case)
    return [
        *_facts("clock", _clocks_of(judged, judging), _clocks_in(outcome, judging)),
        *_facts("milestone", _milestones_of(judged, judging), _milestones_in(outcome, judging)),
        *_facts("month", _months_of(judged), _months_in(case, outcome)),
        *_lines(judged, outcome),
    ]


def _facts(kind: str, expected: dict[Key, Key], got: dict[Key, Key]) -> Iterator[str]:
    for key in sorted(expected.keys() | got.keys(), key=repr):
        if expected.get(key) != got.get(key):
            yield f"{kind} {key}: the oracle has {expected.get(key)}, the models {got.get(key)}"


def _judging_events(case: PlantedCase) -> set[str]:
    """Clauses that judge every event; where the month is judged, one event's outcome is nobody's promise."""
    by_aggregation: dict[str, set[Aggregation]] = {}
    for version in case.versions:
        for clause in version.clauses.values():
            by_aggregation.setdefault(clause.id, set()).add(clause.objective.aggregation)
    return {clause for clause, found in by_aggregation.items() if found == {Aggregation.EACH}}


def _clocks_of(judged: Judged, judging: set[str]) -> dict[Key, Key]:
    """Business microseconds, outcome where events are judged, and due instant, of each cycle.

    Versions of a contract count cycles by their own rules: the same number may stand under two of them.
    """
    found: dict[Key, Key] = {
        (clock.clause.id, clock.subject, clock.cycle_no, clock.part.version_no): (
            clock.business_us,
            clock.outcome if clock.clause.id in judging else None,
            clock.due_us,
        )
        for clock in judged.facts.clocks
    }
    assert len(found) == len(judged.facts.clocks)
    return found


def _clocks_in(outcome: CaseOutcome, judging: set[str]) -> dict[Key, Key]:
    found: dict[Key, Key] = {
        (row["clause_id"], row["subject_name"], row["cycle_no"], row["version_no"]): (
            row["business_us"],
            row["outcome"] if row["clause_id"] in judging else None,
            row["due_us"],
        )
        for row in outcome.clocks
    }
    assert len(found) == len(outcome.clocks)
    return found


def _milestones_of(judged: Judged, judging: set[str]) -> dict[Key, Key]:
    """Days of delay, and outcome where events are judged, of each release."""
    return {
        key: (delay_days, outcome if key[0] in judging else None)
        for key, (delay_days, outcome) in judged.milestones.items()
    }


def _milestones_in(outcome: CaseOutcome, judging: set[str]) -> dict[Key, Key]:
    return {
        (row["clause_id"], row["subject_name"]): (
            row["delay_days"],
            row["outcome"] if row["clause_id"] in judging else None,
        )
        for row in outcome.milestones
    }


def _months_of(judged: Judged) -> dict[Key, Key]:
    return {
        key: (None if measure is None else round(measure, 9), outcome)
        for key, (measure, outcome) in judged.months.items()
    }


def _months_in(case: PlantedCase, outcome: CaseOutcome) -> dict[Key, Key]:
    found: dict[Key, Key] = {}
    for row in outcome.months:
        bottom = row["measured_denominator"]
        clause = case.versions[row["version_no"] - 1].clauses[row["clause_id"]]
        unit = _SECONDS.get(clause.objective.unit, 1)
        top = row["measured_numerator"]
        measure = None if bottom is None else round(Fraction(top) / Fraction(bottom) / unit, 9)
        key = (row["clause_id"], row["version_no"], row["month_date"])
        found[key] = (measure if row["outcome"] != "no_data" else None, row["outcome"])
    return found


def _lines(judged: Judged, outcome: CaseOutcome) -> Iterator[str]:
    """Yield the lines that differ; those of several cycles of one ticket and month in any order."""
    expected: dict[Key, list[Line]] = {}
    for line in judged.lines:
        key: Key = (line.clause_id, line.version_no, line.month, line.origin_month)
        expected.setdefault((*key, line.kind, line.subject), []).append(line)
    got: dict[Key, list[Mapping[str, Any]]] = {}
    for row in outcome.lines:
        key = (row["clause_id"], row["version_no"], row["month_date"], row["origin_month_date"])
        got.setdefault((*key, row["line_kind"], row["subject_name"]), []).append(row)
    for key in sorted(expected.keys() | got.keys(), key=repr):
        shown = " ".join(str(part) for part in key)
        mine, theirs = expected.get(key, []), got.get(key, [])
        if len(mine) != len(theirs):
            yield f"line {shown}: the oracle has {len(mine)}, the models {len(theirs)}"
            continue
        left = list(theirs)
        for line in mine:
            found = next((row for row in left if _difference(line, row) is None), None)
            if found is not None:
                left.remove(found)
            elif len(mine) == 1:
                yield f"line {shown}: {_difference(line, left[0])}"
            else:
                yield f"line {shown}: no line of the models is that of cycle {line.cycle_no}"


def _difference(line: Line, row: Mapping[str, Any]) -> str | None:
    """Return the first step in which a line of the models is not that of the oracle."""
    for step in STEPS:
        amount = row[COLUMN_OF_STEP[step]]
        if not _same(line.steps[step], amount):
            return f"{step} is {_shown(line.steps[step])} by the oracle, {amount} by the models"
    amount = row[COLUMN_OF_STEP["credit"]]
    if amount != line.credit:
        return f"credit is {line.credit} by the oracle, {amount} by the models"
    return None


def _same(expected: Fraction | None, got: Decimal | None) -> bool:
    if expected is None or got is None:
        return expected is None and got is None
    return abs(expected - Fraction(got)) <= _QUOTIENT_ERROR * max(1, abs(expected))


def _shown(amount: Fraction | None) -> str:
    return "unknown" if amount is None else f"{amount} = {float(amount):.6f}"
