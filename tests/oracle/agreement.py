"""Where the models and the oracle disagree on one worked test: every line, step by step, and every fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from avoir.contracts.model import Aggregation, Unit
from avoir.contracts.planting import PlantedCase
from avoir.contracts.proving import COLUMN_OF_STEP, CaseOutcome
from tests.oracle.pricing import STEPS, Judged

# The models carry quotients to 24 digits and shave the posted amount at the 15th; the oracle is exact.
_QUOTIENT_ERROR = Fraction(1, 10**14)

_SECONDS = {Unit.MINUTES: 60, Unit.HOURS: 3600}

Key = tuple[object, ...]


def disagreements(case: PlantedCase, judged: Judged, outcome: CaseOutcome) -> list[str]:
    """Return what differs, most basic first; nothing when both came to the same."""
    return [
        *_facts("clock", _events_of(case, judged.clocks), _events_in(case, outcome.clocks, "business_us")),
        *_facts(
            "milestone",
            _events_of(case, judged.milestones),
            _events_in(case, outcome.milestones, "delay_days"),
        ),
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


def _events_of(case: PlantedCase, events: Mapping[tuple[str, str], Key]) -> dict[Key, Key]:
    judging = _judging_events(case)
    return {key: value for key, value in events.items() if key[0] in judging}


def _events_in(case: PlantedCase, rows: Sequence[Mapping[str, Any]], measure: str) -> dict[Key, Key]:
    judging = _judging_events(case)
    return {
        (row["clause_id"], row["subject_name"]): (row[measure], row["outcome"])
        for row in rows
        if row["clause_id"] in judging
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
    expected = {
        (o.clause_id, o.version_no, o.month, o.origin_month, o.kind, o.subject): (o.steps, o.credit)
        for o in judged.lines
    }
    got = {
        (
            row["clause_id"],
            row["version_no"],
            row["month_date"],
            row["origin_month_date"],
            row["line_kind"],
            row["subject_name"],
        ): row
        for row in outcome.lines
    }
    for key in sorted(expected.keys() | got.keys(), key=repr):
        shown = " ".join(str(part) for part in key)
        if key not in got:
            yield f"line {shown}: the models have none"
            continue
        if key not in expected:
            yield f"line {shown}: the oracle has none"
            continue
        steps, credit = expected[key]
        for step in STEPS:
            amount = got[key][COLUMN_OF_STEP[step]]
            if not _same(steps[step], amount):
                yield f"line {shown}: {step} is {_shown(steps[step])} by the oracle, {amount} by the models"
                break
        else:
            if got[key]["credit_amount"] != credit:
                amount = got[key]["credit_amount"]
                yield f"line {shown}: credit is {credit} by the oracle, {amount} by the models"


def _same(expected: Fraction | None, got: Decimal | None) -> bool:
    if expected is None or got is None:
        return expected is None and got is None
    return abs(expected - Fraction(got)) <= _QUOTIENT_ERROR * max(1, abs(expected))


def _shown(amount: Fraction | None) -> str:
    return "unknown" if amount is None else f"{amount} = {float(amount):.6f}"
