# ruff: noqa: E501  (a line of a contract file is as long as it is)
"""A worked test is planted monitor by monitor, and its rows are held against cycles and due instants."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from contract_texts import SHA, edited, read_text

from avoir.contracts.instants import instant_us
from avoir.contracts.planting import PlantedCase, plant
from avoir.contracts.proving import CaseOutcome, compare

CONTRACT = f"""\
contract: ACM-1
name: Hosting
vendor: {{id: acme, name: Acme}}
currency: EUR
timezone: Europe/Paris
versions:
  - version: 1
    effective_from: 2025-01-01
    document_sha256: {SHA}
    calendars:
      - {{id: always, always: true}}
    services:
      - id: web
        name: Web
        fee: {{kind: fixed, amount: "1000.00"}}
        keys:
          - {{source: acme_desk, kind: ticket, value: web}}
          - {{source: acme_probes, kind: monitor, value: paris}}
          - {{source: acme_probes, kind: monitor, value: lyon}}
          - {{source: other_probes, kind: monitor, value: lyon}}
    clauses:
      - id: UPTIME
        service: web
        indicator: {{kind: availability, method: minutes, unknown: down, probe_interval_seconds: 60}}
        objective: {{operator: ">=", value: 99.5, unit: pct}}
        penalty: {{formula: fixed_per_event, amount: "100.00"}}
      - id: REPAIR
        service: web
        indicator:
          kind: clock
          calendar: always
          start: [{{field: created}}]
          stop: [{{field: state, value: resolved}}]
          reopen: {{on: [{{field: state, value: open}}], policy: new_cycle}}
        objective: {{operator: "<=", value: 4, unit: hours}}
        penalty: {{formula: fixed_per_event, amount: "10.00"}}
tests:
  - name: one
    tickets:
      - ticket: T1
        service: web
        events:
          - {{at: "2025-10-25 23:00", field: created}}
    expect:
      - {{clause: REPAIR, ticket: T1, outcome: met}}
"""
EXPECTED = "{clause: REPAIR, ticket: T1, outcome: met}"


def case_of(folder: Path, text: str) -> PlantedCase:
    read = read_text(folder, text)
    assert read.is_good, read.problems
    return PlantedCase(0, read.versions, read.versions[0].contract.tests[0])


def samples(folder: Path, text: str) -> dict[str, list[tuple[str, int]]]:
    """Instant and state of every planted sample, by monitor."""
    found: dict[str, list[tuple[str, int]]] = {}
    for *_, monitor, at, value in plant([case_of(folder, text)]).raw["raw_prometheus.samples"]:
        found.setdefault(str(monitor), []).append((f"{at:%m-%d %H:%M:%S.%f}", int(str(value))))
    return found


def test_every_monitor_of_a_service_is_a_key_of_its_own(tmp_path: Path) -> None:
    rows = plant([case_of(tmp_path, CONTRACT)]).reference["service_keys"]
    monitors = {row[4] for row in rows if row[3] == "monitor"}
    assert monitors == {"web/acme_probes/paris", "web/acme_probes/lyon", "web/other_probes/lyon"}


def test_downtime_of_one_monitor_leaves_the_others_up_and_measured(tmp_path: Path) -> None:
    text = edited(
        "    expect:\n",
        '    downtime: [{service: web, monitor: paris, from: "2025-10-10 12:00", to: "2025-10-10 13:00"}]\n    expect:\n',
        CONTRACT,
    )
    found = samples(tmp_path, text)
    assert [state for _, state in found["web/acme_probes/paris"]].count(0) == 1
    assert ("10-10 10:00:00.000000", 0) in found["web/acme_probes/paris"]
    assert ("10-10 11:00:00.000000", 1) in found["web/acme_probes/paris"]
    for other in ("web/acme_probes/lyon", "web/other_probes/lyon"):
        # Every 24 hours of a month of 745, and once the day before it.
        assert len(found[other]) == 32 + 1
        assert min(found[other]) == ("09-29 22:00:00.000000", 1)
        assert {state for _, state in found[other]} == {1}


def test_downtime_without_a_monitor_is_that_of_all(tmp_path: Path) -> None:
    text = edited(
        "    expect:\n",
        '    downtime: [{service: web, from: "2025-10-10 12:00", to: "2025-10-10 13:00"}]\n    expect:\n',
        CONTRACT,
    )
    found = samples(tmp_path, text)
    assert len(found) == 3
    assert all(("10-10 10:00:00.000000", 0) in of_one for of_one in found.values())


def test_probes_of_some_monitors_are_all_the_samples_that_there_are(tmp_path: Path) -> None:
    text = edited(
        "    expect:\n",
        '    probes: [{service: web, monitor: lyon, from: "2025-10-10 12:00", to: "2025-10-10 12:10", every_seconds: 300, state: down}]\n    expect:\n',
        CONTRACT,
    )
    down = [("10-10 10:00:00.000000", 0), ("10-10 10:05:00.000000", 0)]
    assert samples(tmp_path, text) == {"web/acme_probes/lyon": down, "web/other_probes/lyon": down}


def test_a_service_that_counts_samples_has_enough_of_them(tmp_path: Path) -> None:
    counted = "method: executions, unknown: down, probe_interval_seconds: 60, minimum_volume: 3"
    text = edited("method: minutes, unknown: down, probe_interval_seconds: 60", counted, CONTRACT)
    found = samples(tmp_path, text)
    assert len(found["web/acme_probes/paris"]) == 3 * 32 + 1
    assert found["web/acme_probes/paris"][0] == ("09-29 22:00:00.000000", 1)
    assert found["web/acme_probes/paris"][2] == ("09-30 22:00:00.000001", 1)


def test_a_contract_without_a_file_has_the_monitors_that_its_services_name(tmp_path: Path) -> None:
    case = case_of(tmp_path, CONTRACT)
    (version,) = case.versions
    object.__setattr__(version, "keys", {})
    assert [key.value for key in version.monitors("web")] == ["paris", "lyon", "lyon"]


# --- What is expected of a cycle --------------------------------------------------------------------------


def us(text: str) -> int:
    return instant_us(text, "Europe/Paris")


CYCLES = [
    {"clause_id": "REPAIR", "subject_name": "T1", "cycle_no": 1, "outcome": "met", "due_us": us("2025-10-26 03:00+01:00"), "measured_value": Decimal(7200)},
    {"clause_id": "REPAIR", "subject_name": "T1", "cycle_no": 2, "outcome": "breached", "due_us": None, "measured_value": Decimal(18000)},
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "expected", "got"),
    [
        # Four hours from 23:00: the night has the hour between two and three twice.
        ('cycle: 1, due: "2025-10-26 02:00+01:00"', "2025-10-26 02:00:00+01:00", "2025-10-26 03:00:00+01:00"),
        ('cycle: 1, due: "2025-10-26 03:00"', "2025-10-26 03:00:00+01:00", "2025-10-26 03:00:00+01:00"),
        ('cycle: 2, due: "2025-10-26 03:00"', "2025-10-26 03:00:00+01:00", "never"),
        ('cycle: 3, due: "2025-10-26 03:00"', "2025-10-26 03:00:00+01:00", "nothing"),
        ("cycle: 2, outcome: breached", "breached", "breached"),
        ("outcome: met", "met", "breached and met"),
        ("cycle: 1, measured: 2", "2", "2"),
        ("cycle: 2, business_seconds: 18000", "18000", "18000"),
        ("business_seconds: 18000", "18000", "18000 and 7200"),
    ],
)
def test_a_row_holds_for_the_cycle_it_names_else_for_every_one(
    row: str, expected: str, got: str, tmp_path: Path
) -> None:
    case = case_of(tmp_path, edited(EXPECTED, f"{{clause: REPAIR, ticket: T1, {row}}}", CONTRACT))
    (one,) = compare(case, CaseOutcome(clocks=CYCLES))
    assert (one.expected, one.got) == (expected, got)
    assert one.agrees == (expected == got)
    assert ("cycle" in one.selection) == ("cycle" in row)
