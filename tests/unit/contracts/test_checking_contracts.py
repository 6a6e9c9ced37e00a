"""What ``avoir contracts check`` prints and returns, and the texts that it was made for."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from contract_texts import WHOLE_FORMAT, edited, read_text
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from avoir.cli import app
from avoir.contracts.band_rules import judge_bands
from avoir.contracts.instants import InstantError, instant_us
from avoir.contracts.model import Band, Clause
from avoir.contracts.problems import Severity

BANDS = """\
            - {at_least: 99.0, below: 99.9, rate_pct: 10}
            - {at_least: 95, below: 99.0, rate_pct: 25}
            - {below: 95, rate_pct: 100}
"""

# --- The command -------------------------------------------------------------------------------------------


def check(folder: Path, text: str, *options: str) -> tuple[int, str]:
    (folder / "contract.yml").write_text(text)
    result = CliRunner().invoke(app, ["contracts", "check", str(folder), *options])
    return result.exit_code, result.output


def test_a_file_without_a_problem_exits_0(tmp_path: Path) -> None:
    assert check(tmp_path, WHOLE_FORMAT) == (0, "no problem found\n")


def test_warnings_are_printed_and_exit_0(tmp_path: Path) -> None:
    code, output = check(
        tmp_path, edited("event_cap: {pct_of_base: 30}", "event_cap: {pct_of_base: 20}", WHOLE_FORMAT)
    )
    line, summary = output.splitlines()
    assert code == 0
    assert ": warning: clause REPAIR: the band's rate_pct 30 cannot be reached" in line
    assert summary == "1 file, 0 errors, 1 warning"


def test_an_error_exits_1_and_everything_is_printed(tmp_path: Path) -> None:
    text = edited("event_cap: {pct_of_base: 30}", "event_cap: {pct_of_base: 10}", WHOLE_FORMAT)
    text = edited("vendor: R/A,", "vendor: R,", edited("point_amount:", "point_amuont:", text))
    code, output = check(tmp_path, text)
    assert code == 1
    assert output.splitlines()[-1] == "1 file, 2 errors, 2 warnings"
    assert "Mend: write point_amount, or remove it." in output


def test_problems_can_be_had_as_json(tmp_path: Path) -> None:
    code, output = check(tmp_path, edited("vendor: R/A,", "vendor: R,", WHOLE_FORMAT), "--json")
    (problem,) = json.loads(output)
    assert code == 1
    assert problem["severity"] == "error"
    assert (problem["clause"], problem["line"] > 100, set(problem)) == (
        None,
        True,
        {"file", "line", "column", "clause", "message", "mend", "severity"},
    )
    assert check(tmp_path, WHOLE_FORMAT, "--json") == (0, "[]\n")


# --- Texts that were signed --------------------------------------------------------------------------------


def test_the_gap_and_the_kept_promise_in_githubs_published_text_are_told(tmp_path: Path) -> None:
    """10 % above 99.0 and up to 99.9, 25 % below 99.0, for a promise of at least 99.9."""
    published = """\
            - {above: 99.0, at_most: 99.9, rate_pct: 10}
            - {below: 99.0, rate_pct: 25}
"""
    read = read_text(tmp_path, edited(BANDS, published, WHOLE_FORMAT))
    gap, kept = read.problems
    assert (gap.severity, kept.severity) == (Severity.ERROR, Severity.WARNING)
    assert (gap.line, gap.clause, kept.line) == (kept.line, "UPTIME", gap.line)
    assert gap.message == "the bands leave a gap: no band holds exactly 99.0"
    assert gap.mend == "write at_least: 99.0 here, or at_most: 99.0 in the band {below: 99.0}"
    assert kept.message.startswith(
        "the band holds exactly 99.9, where the objective is kept and nothing is paid"
    )
    assert kept.mend == "write below: 99.9 here"
    mended = published.replace("above: 99.0", "at_least: 99.0").replace("at_most: 99.9", "below: 99.9")
    assert read_text(tmp_path, edited(BANDS, mended, WHOLE_FORMAT)).problems == ()


def test_bands_of_delay_above_the_cap_of_a_fault_are_told_to_be_unreachable(tmp_path: Path) -> None:
    """< 4 h 0 %, < 8 h 10 %, < 16 h 15 %, < 24 h 20 %, else 30 %, and at most 10 % a fault."""
    old = "            - {at_least: 16, rate_pct: 30}\n          event_cap: {pct_of_base: 30}"
    new = (
        "            - {at_least: 16, below: 24, rate_pct: 20}\n            - {at_least: 24, rate_pct: 30}\n"
        "          event_cap: {pct_of_base: 10}"
    )
    text = edited("          repeat: {multipliers: [1, 1.5, 2]}\n", "", edited(old, new, WHOLE_FORMAT))
    read = read_text(tmp_path, text)
    assert read.is_good
    assert [problem.message.split(" cannot")[0] for problem in read.problems] == [
        "the band's rate_pct 15",
        "the band's rate_pct 20",
        "the band's rate_pct 30",
    ]
    assert {problem.clause for problem in read.problems} == {"REPAIR"}


def test_a_price_that_a_small_multiplier_brings_under_its_cap_is_reachable(tmp_path: Path) -> None:
    text = edited("event_cap: {pct_of_base: 30}", "event_cap: {pct_of_base: 15}", WHOLE_FORMAT)
    text = edited("multipliers: [1, 1.5, 2]", "multipliers: [0.5, 1]", text)
    assert read_text(tmp_path, text).problems == ()


def test_a_cap_that_binds_in_one_version_is_no_idle_cap(tmp_path: Path) -> None:
    """What the first version let the clause use up counts in the quarter of the second."""
    text = edited(
        '      - {id: late-quarter, per: quarter, scope: clause, clause: LATE, amount: "5000.00"}\n',
        "",
        WHOLE_FORMAT,
    )
    later = '    exemption: {amount: "1000.00", over: month}\n'
    cap = '    caps: [{id: late-quarter, per: quarter, scope: clause, clause: LATE, amount: "6000.00"}]\n'
    assert read_text(tmp_path, edited(later, later + cap, text)).problems == ()


def test_an_index_whose_values_have_another_name_is_told_from_both_sides(tmp_path: Path) -> None:
    read = read_text(
        tmp_path, edited("indexation: {index: SYNTEC", "indexation: {index: SYNTEK", WHOLE_FORMAT)
    )
    assert read.is_good
    assert [problem.message for problem in read.problems] == [
        "no value of the index SYNTEK is in the file: every amount stays unknown",
        "no version uses the index SYNTEC",
        "no version uses the index SYNTEC",
    ]


# --- Parts that cannot be read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("business_seconds: 43200", "business_seconds: many"),
        ("{id: D-2, ground: force-majeure, ticket", "{id: D-2, grund: force-majeure, ticket"),
        ('{2025-01: "312.1", 2025-02', '{2025-01: "a lot", 2025-02'),
        ('{point_amount: "250.00"}', '{point_amount: "-250.00"}'),
        ("allocation_pct: 40", "allocation_pct: 400"),
        ("per: rolling_12_months, scope: contract", "per: year, scope: contract"),
        ("level: strategic", "level: tactical"),
    ],
)
def test_a_part_that_cannot_be_read_hides_nothing_and_accuses_nobody(
    old: str, new: str, tmp_path: Path
) -> None:
    """Only the missing word is told, and beside it the gap between the bands and the test's wrong release."""
    text = edited(
        "{at_least: 95, below: 99.0, rate_pct: 25}", "{at_least: 95, below: 98.0, rate_pct: 25}", WHOLE_FORMAT
    )
    text = edited("{clause: DELIVERY, release: R1", "{clause: DELIVERY, release: R2", text)
    alone = {problem.message for problem in read_text(tmp_path, text).problems}
    assert len(alone) == 2
    problems = [p for p in read_text(tmp_path, edited(old, new, text)).problems if p.is_error]
    told = {problem.message for problem in problems}
    assert told > alone
    own = [problem for problem in problems if problem.message not in alone]
    lines = edited(old, new, text).splitlines()
    assert {lines[problem.line - 1] for problem in own} == {line for line in lines if new in line}


# --- Bands, against counting values ------------------------------------------------------------------------


def holds(band: Band, value: Decimal) -> bool:
    return (
        (band.at_least is None or value >= band.at_least)
        and (band.above is None or value > band.above)
        and (band.at_most is None or value <= band.at_most)
        and (band.below is None or value < band.below)
    )


LIMITS = st.integers(0, 12)
BAND = st.tuples(
    st.sampled_from([None, "at_least", "above"]), LIMITS, st.sampled_from([None, "at_most", "below"]), LIMITS
).map(
    lambda drawn: {
        **({drawn[0]: drawn[1]} if drawn[0] else {}),
        **({drawn[2]: drawn[3]} if drawn[2] else {}),
        "amount": 1,
    }
)


@settings(max_examples=600, deadline=None)
@given(
    bands=st.lists(BAND, min_size=1, max_size=4),
    objective=LIMITS,
    operator=st.sampled_from(["<=", "<"]),
    on=st.sampled_from(["value", "excess"]),
    is_whole=st.booleans(),
)
def test_bands_are_refused_when_counting_finds_a_value_with_no_band_or_two(
    bands: list[dict[str, object]], objective: int, operator: str, on: str, is_whole: bool
) -> None:
    """Values in steps of a half find every gap between whole limits; whole days occur in steps of one."""
    indicator = {"kind": "milestone", "days": "calendar", "replan_notice_days": 1}
    clause = Clause.model_validate(
        {
            "id": "C",
            "service": "s",
            "indicator": indicator,
            "objective": {
                "operator": operator,
                "value": objective,
                "unit": "days",
                **({} if is_whole else {"aggregation": "average"}),
            },
            "penalty": {"formula": "tiers", "on": on, "bands": bands},
        }
    )
    found = [one for one in judge_bands(clause, ()) if one.severity is Severity.ERROR]
    steps = [Decimal(n) if is_whole else Decimal(n) / 2 for n in range(60)]
    breaking = [v for v in steps if (v > objective if operator == "<=" else v >= objective)]
    counted = [v - objective if on == "excess" else v for v in breaking]
    held = [sum(holds(band, value) for band in clause.penalty.bands) for value in counted]  # type: ignore[union-attr]
    if any(count != 1 for count in held):
        assert found
    elif found:  # All covered once: only a band that holds nothing at all may be refused.
        assert all("is empty" in one.message or "lies in the band" in one.message for one in found)


# --- Instants ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "seconds"),
    [
        ("1970-01-01 00:00", "UTC", "0"),
        ("2025-03-31 17:30", "Europe/Paris", "1743435000"),
        ("2025-03-31T17:30:00+02:00", "America/New_York", "1743435000"),
        ("2025-03-31T15:30:00Z", "Asia/Kolkata", "1743435000"),
        ("2025-06-01 00:04:19.200001", "UTC", "1748736259.200001"),
        ("2025-10-26 02:30+02:00", "Europe/Paris", "1761438600"),
        ("2025-10-26 02:30+01:00", "Europe/Paris", "1761442200"),
        ("1969-12-31 23:59:59.999999", "UTC", "-0.000001"),
    ],
)
def test_an_instant_is_exact_to_the_microsecond(text: str, zone: str, seconds: str) -> None:
    assert instant_us(text, zone) == Decimal(seconds) * 1_000_000


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("2025-03-30 02:00", "Europe/Paris", "does not exist"),
        ("2025-03-30 02:59:59.999999", "Europe/Paris", "does not exist"),
        ("2025-10-26 02:00", "Europe/Paris", "exists twice"),
        ("2025-11-02 01:30", "America/New_York", "exists twice"),
        ("2011-12-30 12:00", "Pacific/Apia", "does not exist"),
    ],
)
def test_a_local_time_that_clocks_skip_or_repeat_names_both_offsets(
    text: str, zone: str, message: str
) -> None:
    with pytest.raises(InstantError, match=message) as told:
        instant_us(text, zone)
    first, second = [part.strip('",') for part in told.value.mend.split('"')[1::2]]
    assert first[:16] == second[:16] == text[:16]
    assert instant_us(first, zone) != instant_us(second, zone)
