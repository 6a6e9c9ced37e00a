"""The cases made up for the oracle: the same for a seed, valid, and such that every rule bites in some."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avoir.contracts.model import Contract
from tests.oracle import judge
from tests.oracle.cases import case_of, coverage, generated

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
    *(
        f"{method}:each:{outcome}"
        for method in ("minutes", "mean_of_slices")
        for outcome in ("breached", "met")
    ),
    *(f"{kind}:exactly on the level is met" for kind in ("minutes", "clock", "milestone")),
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
]


def test_every_formula_cap_and_rule_makes_a_difference_in_some_cases():
    made_up = generated(HOW_MANY, SEED)
    counted = coverage(made_up, (judge(case.contract, case.test) for case in made_up))
    expected = [*CAPS, *(f"{cap}:unknown" for cap in CAPS), *(f"formula:{name}" for name in FORMULAS)]
    expected += [*BASES, *VERDICTS, *KEPT, *RULES]
    seldom = {name: counted[name] for name in expected if counted[name] < (2 if "unknown" in name else 4)}
    assert seldom == {}


def test_a_seed_gives_the_same_cases_again_and_another_seed_others():
    first, again, other = generated(40, SEED), generated(40, SEED), generated(40, SEED + 1)
    assert [case.document for case in first] == [case.document for case in again]
    assert [case.document for case in first] != [case.document for case in other]
    assert [case.contract.contract for case in first[:2]] == ["GEN-00001", "GEN-00002"]


@settings(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes_spell_a_case_that_can_be_judged(entropy):
    """What shrinking leaves of a case is still one."""
    case = case_of(entropy)
    assert Contract.model_validate(case.document) == case.contract
    assert judge(case.contract, case.test).facts.window.months
