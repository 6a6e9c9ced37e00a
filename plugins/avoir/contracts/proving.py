"""Worked tests of contracts, run: every test through the models of the night in one build, then compared.

Data flow: contract files → :mod:`planting` → scratch schemas → dbt → what each test's lines came to →
:class:`Difference` per expected value. The first step that differs is told first, because the steps after
it follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from avoir.contracts.instants import instant_of, instant_us
from avoir.contracts.model import MEASURES, SECONDS_PER_UNIT, STEPS, Clause, Expectation
from avoir.contracts.planting import RAW_COLUMNS, PlantedCase, plant
from avoir.contracts.reading import ContractFile
from avoir.contracts.scratch import Scratch

COLUMN_OF_STEP = {
    "formula": "formula_amount",
    "repeat": "repeated_amount",
    "non_cumulation": "uncumulated_amount",
    "event_cap": "event_capped_amount",
    "period_cap": "period_capped_amount",
    "rolling_cap": "rolling_capped_amount",
    "exemption": "unexempted_amount",
    "indexation": "indexed_amount",
    "earn_back": "earned_back_amount",
    "credit": "credit_amount",
}
"""The column of ``fct_penalty_lines`` that holds the amount after each step."""


@dataclass(frozen=True)
class CaseOutcome:
    """What the models made of one planted test; each row as a mapping of column to value."""

    lines: Sequence[Mapping[str, Any]] = ()
    clocks: Sequence[Mapping[str, Any]] = ()
    milestones: Sequence[Mapping[str, Any]] = ()
    months: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Comparison:
    """One expected value of one row of a test, and what came of it."""

    selection: str
    name: str
    expected: str
    got: str

    @property
    def agrees(self) -> bool:
        """Whether the value is the expected one, at the digits written."""
        return self.expected == self.got


@dataclass(frozen=True)
class Proof:
    """A test of a contract file with all its comparisons, in the order of the pipeline."""

    shown: str
    contract_id: str
    test: str
    comparisons: tuple[Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether every expected value came out."""
        return all(one.agrees for one in self.comparisons)

    @property
    def first_difference(self) -> Comparison | None:
        """The earliest step that differs; those after it may only follow."""
        wrong = [one for one in self.comparisons if not one.agrees]
        order = (*MEASURES, "lines", *STEPS)
        return min(wrong, key=lambda one: order.index(one.name), default=None)


def run_cases(scratch: Scratch, cases: Sequence[PlantedCase]) -> list[CaseOutcome]:
    """Plant all cases, build once, and return what came of each, in order.

    Raises:
        ModellingError: dbt failed.
        ValueError: a test names no month.
    """
    planted = plant(cases)
    scratch.load_reference(planted.reference)
    for table, rows in planted.raw.items():
        scratch.copy(table, RAW_COLUMNS[table], rows)
    scratch.build(as_of=instant_of(planted.as_of_us).isoformat())
    return outcomes_of(scratch, cases)


def outcomes_of(scratch: Scratch, cases: Sequence[PlantedCase]) -> list[CaseOutcome]:
    """Return what the models that were built last made of each case, in order."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for kind, statement in _RESULTS.items():
        for row in scratch.rows(statement):
            found.setdefault(str(row["contract_id"]), {}).setdefault(kind, []).append(row)
    return [CaseOutcome(**found.get(case.contract_id, {})) for case in cases]


_RESULTS = {
    "lines": """
        select l.*, split_part(l.contract_version_id, ':', 2)::int as version_no
        from {p}penalties.fct_penalty_lines l
        order by month_date, clause_id collate "C", line_kind, origin_month_date, subject_name collate "C"
    """,
    "clocks": """
        select contract_id, split_part(contract_version_id, ':', 2)::int as version_no, clause_id,
            aggregation, ticket_number as subject_name, cycle_no, outcome, due_us, business_us,
            business_us / 1000000.0 as measured_value
        from {p}facts.fct_ticket_clocks
    """,
    "milestones": """
        select contract_id, clause_id, aggregation, release_number as subject_name, outcome, delay_days,
            cast(delay_days as numeric) as measured_value
        from {p}facts.fct_milestones
    """,
    "months": """
        select contract_id, contract_version_id, clause_id, month_date, outcome,
            split_part(contract_version_id, ':', 2)::int as version_no,
            100 * (total_quantity - unavailable_quantity) as measured_numerator,
            nullif(total_quantity, 0) as measured_denominator
        from {p}facts.fct_availability_months
        union all
        select contract_id, contract_version_id, clause_id, month_date, outcome,
            split_part(contract_version_id, ':', 2)::int, measured_numerator, measured_denominator
        from {p}facts.fct_indicator_months
    """,
}


def prove(scratch: Scratch, files: Sequence[ContractFile]) -> list[Proof]:
    """Run every test of the good files in one build and compare what they expect.

    Raises:
        ModellingError: dbt failed.
    """
    cases: list[PlantedCase] = []
    owners: list[ContractFile] = []
    for file in files:
        for test in file.versions[0].contract.tests if file.is_good and file.versions else ():
            cases.append(PlantedCase(len(cases), file.versions, test))
            owners.append(file)
    if not cases:
        return []
    outcomes = run_cases(scratch, cases)
    return [
        Proof(file.shown, file.contract_id or "", case.test.name, compare(case, outcome))
        for file, case, outcome in zip(owners, cases, outcomes, strict=True)
    ]


def compare(case: PlantedCase, outcome: CaseOutcome) -> tuple[Comparison, ...]:
    """Hold what came of a test against each value that it expects."""
    return tuple(
        Comparison(_selection(row), name, *_held_against(case, row, name, outcome))
        for row in case.test.expect
        for name in row.stated
    )


def _selection(row: Expectation) -> str:
    cycle = f"cycle {row.cycle}" if row.cycle is not None else None
    parts = (row.clause, row.ticket, cycle, row.release, row.month)
    return " ".join(part for part in parts if part) or "all lines"


def _held_against(case: PlantedCase, row: Expectation, name: str, outcome: CaseOutcome) -> tuple[str, str]:
    expected = getattr(row, name)
    if name in COLUMN_OF_STEP or name == "lines":
        lines = _selected(row, outcome.lines)
        if name == "lines":
            return str(expected), str(len(lines))
        amounts = [line[COLUMN_OF_STEP[name]] for line in lines]
        got = None if None in amounts else sum(amounts, Decimal(0))
        return _digits(expected, expected), _digits(got, expected)  # nothing stated: unknown is expected
    facts = _facts(row, outcome)
    if name == "outcome":
        return str(expected), " and ".join(sorted({str(one["outcome"]) for one in facts})) or "nothing"
    if name == "due":
        dues = {_local(case, one["due_us"]) for one in facts}
        return _local(case, instant_us(expected, case.timezone)), " and ".join(sorted(dues)) or "nothing"
    if name == "business_seconds":
        seconds = {one["measured_value"] for one in facts}
        return _digits(expected, None), " and ".join(
            sorted(_digits(one, None) for one in seconds)
        ) or "nothing"
    clause = _clause(case, row)
    values = {_in_unit(_measured(one), clause) for one in facts}
    return _digits(expected, expected), " and ".join(_digits(one, expected) for one in values) or "nothing"


def _selected(row: Expectation, lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    subject = row.ticket or row.release
    month = date.fromisoformat(f"{row.month}-01") if row.month else None
    return [
        line
        for line in lines
        if (row.clause is None or line["clause_id"] == row.clause)
        and (subject is None or line["subject_name"] == subject)
        and (month is None or line["month_date"] == month)
    ]


def _facts(row: Expectation, outcome: CaseOutcome) -> list[Mapping[str, Any]]:
    if row.ticket is not None or row.release is not None:
        named = outcome.clocks if row.ticket is not None else outcome.milestones
        subject = row.ticket or row.release
        return [
            one
            for one in named
            if (one["clause_id"], one["subject_name"]) == (row.clause, subject)
            and (row.cycle is None or one["cycle_no"] == row.cycle)
        ]
    month = date.fromisoformat(f"{row.month}-01")
    return [one for one in outcome.months if (one["clause_id"], one["month_date"]) == (row.clause, month)]


def _measured(fact: Mapping[str, Any]) -> Decimal | None:
    if "measured_value" in fact:
        value: Decimal | None = fact["measured_value"]
        return value
    if fact["measured_denominator"] is None or fact["measured_numerator"] is None:
        return None
    quotient: Decimal = Decimal(fact["measured_numerator"]) / Decimal(fact["measured_denominator"])
    return quotient


def _clause(case: PlantedCase, row: Expectation) -> Clause | None:
    for version in case.versions:
        if row.clause is not None and row.clause in version.clauses:
            return version.clauses[row.clause]
    return None


def _in_unit(value: Decimal | None, clause: Clause | None) -> Decimal | None:
    if value is None or clause is None:
        return value
    return value / SECONDS_PER_UNIT.get(clause.objective.unit, 1)


def _local(case: PlantedCase, us: int | None) -> str:
    """Write an instant in the contract's zone, with its offset: a local time may exist twice."""
    if us is None:
        return "never"
    return instant_of(us).astimezone(ZoneInfo(case.timezone)).isoformat(sep=" ")


def _digits(value: Decimal | None, like: Decimal | None) -> str:
    """Write a number with as many digits after the point as another, or with all that it has."""
    if value is None:
        return "unknown"
    if like is None:
        text = format(Decimal(value), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    exponent = like.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return format(Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP), "f")
