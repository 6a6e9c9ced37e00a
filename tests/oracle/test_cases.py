"""The cases made up for the oracle: the same for a seed, valid, and such that every rule bites in some."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avoir.contracts.model import Contract
from avoir.contracts.reading import read_contract
from tests.oracle import judge
from tests.oracle.cases import case_of, generated
from tests.oracle.coverage import coverage
from tests.oracle.drafting import METHODS

SEED = 20_250_301
HOW_MANY = 2_000

CAPS = [
    f"cap:{per}:{scope}"
    for per in ("month", "quarter", "rolling_12_months", "term")
    for scope in ("clause", "service", "contract")
]
FORMULAS = [
    "at_risk_pool",
    "fixed_per_event",
    "linear:on:excess",
    "linear:on:value",
    "linear:units:exact",
    "linear:units:full",
    "linear:units:started",
    "percent_of_invoice_per_event",
    "points",
    "proportional:on:excess",
    "proportional:on:whole_downtime",
    "tiers:amount",
    "tiers:on:excess",
    "tiers:on:value",
    "tiers:points",
    "tiers:rate_pct",
    "value_times_delay:on:excess",
    "value_times_delay:on:value",
    "value_times_delay:units:exact",
    "value_times_delay:units:full",
    "value_times_delay:units:started",
]
BASES = [
    f"base:{base}:{judged_by}"
    for base in ("fixed_fee", "month_invoice", "order_amount", "service_lines", "stated")
    for judged_by in ("event", "month")
]
VERDICTS = [
    *(
        f"{kind}:each:{outcome}"
        for kind in ("clock", "milestone")
        for outcome in ("breached", "met", "running")
    ),
    *(f"{kind}:each:excluded" for kind in ("clock", "milestone")),
    *(
        f"{kind}:{aggregation}:{outcome}"
        for kind in ("clock", "milestone")
        for aggregation in ("ratio", "average", "percentile")
        for outcome in ("breached", "met", "no_data")
    ),
    *(f"{method}:each:{outcome}" for method in METHODS for outcome in ("breached", "met", "no_data")),
    *(f"{kind}:exactly on the level is met" for kind in ("minutes", "clock", "milestone")),
]
POLICIES = ("resume", "new_cycle", "join_within")
CHANGES = ("keep", "restart", "retroactive")
CLOCKS = [
    *(f"reopen:{policy}:without it" for policy in POLICIES),
    *(f"reopen:{one}:not {other}" for one, other in permutations(POLICIES, 2)),
    "reopen:join_within:exactly in time",
    *(f"cycle:2:{aggregation}" for aggregation in ("each", "ratio", "average", "percentile")),
    "cycle:3:each",
    "cycle:in another month",
    "cycle:kept by a later version",
    "run:of no length",
    "run:stopped and reopened in one instant",
    "pause:between events",
    "pause:began before the clock",
    "pause:still on",
    "pause:overlaps a reset",
    "reset",
    "phase:an earlier one decides",
    "phase:three and more",
    *(f"priority_change:{one}:not {other}" for one, other in permutations(CHANGES, 2)),
    *(f"priority:decides:{how}:{outcome}" for how in ("each", "ratio") for outcome in ("breached", "met")),
    *(f"due:{when}" for when in ("past:breached", "past:met", "to come:running", "to come:met")),
    "clock:over a change of clocks",
]
TIMED = ("minutes", "deployed_minutes", "service_hours")
AVAILABILITIES = [
    *(f"quorum:{method}" for method in ("minutes", "service_hours")),
    *(f"{rule}:{method}" for rule in ("minimum_downtime", "whole_minutes") for method in TIMED),
    "minimum_downtime:exactly",
    *(f"minimum_volume:{method}" for method in ("executions", "mean_of_slices")),
    *(f"{rule}:{method}" for rule in ("denominator", "quarter") for method in METHODS),
]
KEPT = [
    f"non_cumulation:{per}:{keep}"
    for per in ("incident", "month")
    for keep in ("highest", "customer_choice:choice", "customer_choice:highest")
]
RULES = [
    "repeat",
    "event_cap",
    "exemption:month:due",
    "exemption:month:exempt",
    "exemption:term:due",
    "exemption:term:exempt",
    "exemption:release",
    "indexation",
    "indexation:unknown",
    "earn_back:each",
    "earn_back:level",
    "formula:unknown",
    "credit:unknown",
    "minor_units:0",
    "minor_units:2",
    "minor_units:3",
    "rounding_before_banding",
    "part of a month priced",
    "two versions charge in one month",
    "lines before the end of the window",
    "twelve months and more",
    "started_day:floor:calendar",
    "started_day:floor:business",
]


def test_every_formula_cap_and_rule_makes_a_difference_in_some_cases():
    made_up = generated(HOW_MANY, SEED)
    counted = coverage(made_up, (judge(case.contract, case.test) for case in made_up))
    expected = [*CAPS, *(f"{cap}:unknown" for cap in CAPS), *(f"formula:{name}" for name in FORMULAS)]
    expected += [*BASES, *VERDICTS, *KEPT, *RULES, *CLOCKS, *AVAILABILITIES]
    seldom = {name: counted[name] for name in expected if counted[name] < (2 if "unknown" in name else 4)}
    assert seldom == {}


def test_a_seed_gives_the_same_cases_again_and_another_seed_others():
    first, again, other = generated(40, SEED), generated(40, SEED), generated(40, SEED + 1)
    assert [case.document for case in first] == [case.document for case in again]
    assert [case.document for case in first] != [case.document for case in other]
    assert [case.contract.contract for case in first[:2]] == ["GEN-00001", "GEN-00002"]


def _without_nulls(part: object) -> object:
    """A null in a document is a key left out."""
    if isinstance(part, dict):
        return {key: _without_nulls(value) for key, value in part.items() if value is not None}
    return [_without_nulls(value) for value in part] if isinstance(part, list) else part


def test_the_validator_takes_every_contract_that_is_made_up(tmp_path: Path):
    refused = []
    for number, case in enumerate(generated(120, SEED)):
        path = tmp_path / f"{number}.yml"
        path.write_text(json.dumps(_without_nulls(case.document), default=str, ensure_ascii=False))
        file = read_contract(path, tmp_path)
        if not file.is_good:
            refused.append((case.document, file.problems))
    assert refused == []


@settings(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes_spell_a_case_that_can_be_judged(entropy):
    """What shrinking leaves of a case is still one."""
    case = case_of(entropy)
    assert Contract.model_validate(case.document) == case.contract
    assert judge(case.contract, case.test).facts.window.months
