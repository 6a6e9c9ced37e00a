# ruff: noqa: E501  (a line of a contract file is as long as it is)
"""Contract files that are right, and ways to make them wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avoir.contracts.problems import Severity
from avoir.contracts.reading import ContractFile, read_contract

SHA = "0123456789abcdef" * 4

GOOD = f"""\
contract: HEL-2024-01
name: IT services by Helios
vendor: {{id: helios, name: Helios IT}}
currency: EUR
timezone: Europe/Paris
versions:
  - version: 1
    effective_from: 2025-01-01
    effective_to: 2025-07-01
    document_sha256: {SHA}
    calendars:
      - id: office
        weekly:
          mon: ["09:00-12:30", "13:30-18:00"]
          tue: ["09:00-12:30", "13:30-18:00"]
          wed: ["09:00-18:00"]
        holidays:
          country: FR
          subdivision: null
        closed: [2025-05-30]
        half_days: {{2025-12-31: ["09:00-12:00"]}}
      - id: always
        always: true
    services:
      - id: support
        name: User support
        fee: {{kind: invoice_lines}}
        keys:
          - {{source: helios_servicenow, kind: ticket, value: user-support}}
          - {{source: helios_invoices, kind: invoice_line, value: SUP}}
      - id: platform
        name: Platform
        fee: {{kind: fixed, amount: "10000.00"}}
        keys:
          - {{source: helios_prometheus, kind: monitor, value: platform}}
      - id: releases
        name: Releases
        fee: {{kind: invoice_lines}}
        keys:
          - {{source: helios_servicenow, kind: release, value: apps}}
    clauses:
      - id: SLA-1
        title: First response
        text: signed
        service: support
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
          pause: [{{field: hold_reason, value: "1"}}]
        objective: {{operator: "<=", value: 30, unit: minutes}}
        penalty:
          formula: percent_of_invoice_per_event
          rate_pct: 5
          base: month_invoice
          month_cap: {{pct_of_month_invoice: 15}}
      - id: SLA-2
        service: platform
        indicator:
          kind: availability
          method: minutes
          unknown: exclude
          probe_interval_seconds: 300
          maintenance: {{notice_hours: 72}}
        objective: {{operator: ">=", value: 99.5, unit: pct}}
        penalty: {{formula: proportional, on: whole_downtime, base: fixed_fee}}
      - id: SLA-3
        service: releases
        indicator: {{kind: milestone, days: calendar, calendar: office, replan_notice_days: 10}}
        objective: {{operator: "<=", value: 0, unit: days}}
        penalty: {{formula: fixed_per_event, amount: "750.00"}}
  - version: 2
    effective_from: 2025-07-01
    document_sha256: {SHA}
    clauses:
      - id: SLA-1
        service: support
        indicator:
          kind: clock
          calendar: always
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
        objective: {{operator: "<=", value: 2, unit: hours}}
        penalty: {{formula: fixed_per_event, amount: 50}}
"""


def edited(old: str, new: str, text: str = GOOD) -> str:
    """Replace the one place where ``old`` stands."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def read_text(folder: Path, text: str | bytes, name: str = "contract.yml") -> ContractFile:
    """Write a contract file into a contracts root and read it."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_contract(path, folder)


@dataclass(frozen=True)
class Mistake:
    """An edit of a good file; ``at`` is the text with which the reported line must start."""

    name: str
    old: str
    new: str
    at: str
    message: str
    mend: str
    clause: str | None = None


def assert_told(mistake: Mistake, folder: Path, good: str, severity: Severity) -> None:
    """Plant a mistake in a good file; it must be told alone, on its line, with its mend."""
    text = edited(mistake.old, mistake.new, good)
    read = read_text(folder, text)
    assert len(read.problems) == 1, "\n".join(map(str, read.problems))
    (problem,) = read.problems
    line = text.splitlines()[problem.line - 1].strip()
    assert line.startswith(mistake.at), f"{problem.line}: {line}"
    assert mistake.message in problem.message, problem.message
    assert mistake.mend in problem.mend, problem.mend
    assert problem.clause == mistake.clause
    assert problem.file == str(folder / "contract.yml")
    assert problem.severity is severity
    assert read.is_good == (severity is Severity.WARNING)


WHOLE_FORMAT = f"""\
contract: ACM-2025-01
name: Hosting by Acme
vendor: {{id: acme, name: Acme Hosting}}
customer: {{name: Example SA}}
currency: EUR
timezone: Europe/Paris
versions:
  - version: 1
    effective_from: 2025-01-01
    document_sha256: {SHA}
    order_amount: "50000.00"
    calendars:
      - id: office
        weekly: {{mon: ["09:00-18:00"], tue: ["09:00-18:00"], wed: ["09:00-18:00"]}}
    services:
      - id: desk
        name: Service desk
        fee: {{kind: fixed, amount: "4000.00"}}
        keys:
          - {{source: acme_desk, kind: ticket, value: desk}}
          - {{source: acme_invoices, kind: invoice_line, value: DESK}}
      - id: cloud
        name: Cloud
        fee: {{kind: invoice_lines}}
        keys:
          - {{source: acme_probes, kind: monitor, value: cloud}}
          - {{source: acme_probes, kind: monitor, value: cloud-west}}
          - {{source: acme_invoices, kind: invoice_line, value: CLOUD}}
          - {{source: acme_desk, kind: team, value: operations}}
      - id: gateway
        name: Gateway
        fee: {{kind: invoice_lines}}
        keys:
          - {{source: acme_probes, kind: monitor, value: gateway}}
          - {{source: acme_desk, kind: team, value: operations}}
      - id: projects
        name: Projects
        fee: {{kind: invoice_lines}}
        keys:
          - {{source: acme_desk, kind: release, value: projects}}
    clauses:
      - id: REPAIR
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: state, value: resolved}}]
        objective: {{operator: "<=", value: 8, unit: hours}}
        penalty:
          formula: tiers
          on: excess
          base: fixed_fee
          bands:
            - {{below: 4, rate_pct: 0}}
            - {{at_least: 4, below: 8, rate_pct: 10}}
            - {{at_least: 8, below: 16, rate_pct: 15}}
            - {{at_least: 16, rate_pct: 30}}
          event_cap: {{pct_of_base: 30}}
          repeat: {{multipliers: [1, 1.5, 2]}}
      - id: RATIO
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
        objective:
          aggregation: ratio
          operator: ">="
          value: 95
          unit: pct
          target: {{value: 4, unit: hours}}
        penalty:
          formula: at_risk_pool
          pool_pct: 50
          allocation_pct: 40
          at_risk_pct: 10
          base: order_amount
          earn_back: {{level: 97, months: 2, pct: 50}}
      - id: MEAN
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
        objective: {{aggregation: average, operator: "<", value: 2, unit: hours}}
        penalty: {{formula: points, points: 3}}
      - id: SLOWEST
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
        objective: {{aggregation: percentile, percentile: 95, operator: "<=", value: 6, unit: hours}}
        penalty: {{formula: percent_of_invoice_per_event, rate_pct: 2, month_cap: {{pct_of_month_invoice: 15}}}}
      - id: UPTIME
        service: cloud
        indicator:
          kind: availability
          method: minutes
          unknown: exclude
          probe_interval_seconds: 60
          maintenance: {{notice_hours: 48}}
        objective: {{operator: ">=", value: 99.9, unit: pct}}
        penalty:
          formula: tiers
          base: service_lines
          bands:
            - {{at_least: 99.0, below: 99.9, rate_pct: 10}}
            - {{at_least: 95, below: 99.0, rate_pct: 25}}
            - {{below: 95, rate_pct: 100}}
      - id: ERRORS
        service: gateway
        indicator:
          kind: availability
          method: mean_of_slices
          unknown: up
          probe_interval_seconds: 60
          slice_seconds: 300
        objective:
          operator: ">"
          value: 99.95
          unit: pct
          rounding_before_banding: {{digits: 2, mode: half_up}}
        penalty: {{formula: proportional, on: excess, base: month_invoice}}
      - id: LATE
        service: projects
        indicator: {{kind: milestone, days: business, calendar: office, replan_notice_days: 5}}
        objective: {{operator: "<=", value: 0, unit: days}}
        penalty:
          formula: tiers
          bands:
            - {{at_most: 3, amount: "100.00"}}
            - {{at_least: 4, at_most: 9, amount: "250.00"}}
            - {{at_least: 10, amount: "600.00"}}
          month_cap: {{amount: "2000.00"}}
      - id: DELIVERY
        service: projects
        indicator: {{kind: milestone, days: calendar, replan_notice_days: 5}}
        objective: {{operator: "<=", value: 2, unit: days}}
        penalty:
          formula: value_times_delay
          per: {{size: 1, unit: days}}
          divisor: 1000
          base: stated
          base_amount: "120000.00"
      - id: FASTER
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: public_comment_vendor}}]
        objective: {{operator: "<", value: 1, unit: hours}}
        penalty:
          formula: linear
          per: {{size: 30, unit: minutes}}
          units: started
          amount: "5.00"
          earn_back: {{months: 1}}
      - id: INCIDENT
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: state, value: closed}}]
          pause: [{{field: hold_reason, value: "1"}}]
          resume: [{{field: public_comment_customer}}]
          reset: [{{field: assignment_group, value: second line}}]
          reopen: {{on: [{{field: state, value: open}}], policy: join_within, within: {{size: 8, unit: hours}}}}
          priority_change: retroactive
        objective:
          operator: "<="
          value: 24
          unit: hours
          by_priority: {{"1": 4, "2": 8}}
        penalty: {{formula: fixed_per_event, amount: "20.00"}}
      - id: URGENT
        service: desk
        indicator:
          kind: clock
          calendar: office
          start: [{{field: created}}]
          stop: [{{field: state, value: closed}}]
          priority_change: keep
        objective:
          aggregation: ratio
          operator: ">="
          value: 90
          unit: pct
          target: {{value: 16, unit: hours, by_priority: {{"1": 2}}}}
        penalty: {{formula: fixed_per_event, amount: "30.00"}}
      - id: HOURS
        service: cloud
        indicator:
          kind: availability
          method: service_hours
          calendar: office
          unknown: down
          probe_interval_seconds: 120
          quorum: 2
          minimum_downtime_seconds: 300
          whole_minutes: true
          denominator: total
          period: quarter
        objective: {{operator: ">=", value: 99.2, unit: pct}}
        penalty: {{formula: fixed_per_event, amount: "500.00"}}
      - id: DEPLOYED
        service: cloud
        indicator: {{kind: availability, method: deployed_minutes, unknown: down, probe_interval_seconds: 90}}
        objective: {{operator: ">=", value: 99.3, unit: pct}}
        penalty: {{formula: fixed_per_event, amount: "40.00"}}
      - id: RUNS
        service: gateway
        indicator: {{kind: availability, method: executions, unknown: up, probe_interval_seconds: 30, minimum_volume: 100}}
        objective: {{operator: ">=", value: 99.4, unit: pct}}
        penalty: {{formula: fixed_per_event, amount: "60.00"}}
      - id: FULL-DAYS
        service: projects
        indicator: {{kind: milestone, days: calendar, replan_notice_days: 7, started_day: floor}}
        objective: {{operator: "<=", value: 1, unit: days}}
        penalty: {{formula: fixed_per_event, amount: "70.00"}}
    exclusions:
      - {{id: force-majeure, title: Force majeure, clauses: [UPTIME, LATE]}}
    non_cumulation:
      - {{id: incident, clauses: [REPAIR, FASTER], per: incident, keep: customer_choice, choice: [FASTER, REPAIR]}}
      - {{id: levels, clauses: [RATIO, MEAN], per: month, keep: highest}}
    caps:
      - {{id: cloud-month, per: month, scope: service, service: cloud, pct: 100, of: service_lines}}
      - {{id: late-quarter, per: quarter, scope: clause, clause: LATE, amount: "5000.00"}}
      - {{id: year, per: rolling_12_months, scope: contract, amount: "40000.00"}}
      - {{id: term, per: term, scope: contract, pct: 90, of: order_amount}}
    service_points: {{point_amount: "250.00"}}
    indexation: {{index: SYNTEC, base_value: "250.0", lag_months: 1, coefficient_digits: 4}}
    settlement: {{document: credit_note, vat: price_reduction}}
    procedure: {{notice_days: 10, observation_days: 15, silence: agreed}}
    termination_rights:
      - {{id: T-1, title: Repeated unavailability, clause: UPTIME, breached_months: 3, within_months: 6}}
    governance:
      committees:
        - {{id: copil, name: Steering committee, level: strategic, every: quarter}}
      reports:
        - {{id: monthly, name: Service report, every: month, due_business_day: 5}}
      raci:
        - {{activity: Development, roles: {{customer: I, vendor: R/A, users: C}}}}
  - version: 2
    effective_from: 2026-01-01
    document_sha256: {SHA}
    remove: {{clauses: [RATIO, FASTER], non_cumulation: [incident, levels], terms: [indexation]}}
    exemption: {{amount: "1000.00", over: month}}
index_values:
  SYNTEC: {{2025-01: "312.1", 2025-02: "313.4"}}
exclusion_decisions:
  - {{id: D-1, ground: force-majeure, service: cloud, from: "2025-03-04 08:00", to: "2025-03-04 12:00", accepted_on: 2025-03-20}}
  - {{id: D-2, ground: force-majeure, ticket: INC0012, accepted_on: 2025-03-20}}
tests:
  - name: a ticket resolved too late
    as_of: "2025-04-01 00:00"
    tickets:
      - ticket: T1
        service: desk
        events:
          - {{at: "2025-03-03 09:00", field: created}}
          - {{at: "2025-03-03 09:40", field: public_comment_vendor}}
          - {{at: "2025-03-04 12:00", field: state, value: resolved}}
    invoices:
      - {{month: 2025-03, lines: [{{service: desk, amount: "4000.00"}}, {{amount: "100.00"}}]}}
    index_values: {{SYNTEC: {{2025-02: "250.0"}}}}
    expect:
      - {{clause: REPAIR, ticket: T1, business_seconds: 43200, outcome: breached}}
      - {{clause: MEAN, month: 2025-03, measured: "0.67", outcome: met}}
      - {{month: 2025-03, formula: "400.00", credit: "400.00"}}
  - name: a day down
    downtime:
      - {{service: cloud, from: "2025-03-10 00:00", to: "2025-03-11 00:00"}}
    maintenance:
      - {{service: cloud, from: "2025-03-12 00:00", to: "2025-03-12 02:00", announced: "2025-03-01 09:00"}}
    exclusions:
      - {{ground: force-majeure, service: cloud, from: "2025-03-10 20:00", to: "2025-03-10 21:00"}}
    expect:
      - {{clause: UPTIME, month: 2025-03, outcome: breached}}
  - name: every minute measured
    probes:
      - {{service: gateway, monitor: gateway, from: "2025-05-01 00:00", to: "2025-06-01 00:00", every_seconds: 60, state: up}}
    expect:
      - {{clause: ERRORS, month: 2025-05, measured: "100.00", outcome: met, lines: 0}}
  - name: a ticket that came back
    tickets:
      - service: desk
        ticket: T1
        events:
          - {{at: "2025-04-01 09:00", field: created}}
          - {{at: "2025-04-01 10:00", field: state, value: closed}}
          - {{at: "2025-04-09 09:00", field: state, value: open}}
    downtime:
      - {{service: cloud, monitor: cloud-west, from: "2025-04-02 09:00", to: "2025-04-02 10:00"}}
    as_of: "2025-04-09 09:30"
    expect:
      - {{clause: INCIDENT, ticket: T1, cycle: 1, business_seconds: 3600, outcome: met}}
      - {{clause: INCIDENT, ticket: T1, cycle: 2, due: "2025-04-15 15:00", outcome: running}}
  - name: a release three days late
    releases:
      - {{release: R1, service: projects, due: 2025-03-06, delivered: 2025-03-12, replans: [{{requested: 2025-02-10, approved: 2025-02-12, due: 2025-03-09}}]}}
    expect:
      - {{clause: DELIVERY, release: R1, measured: "3", outcome: breached}}
"""
"""A contract that uses the whole format, without a mistake and without a warning."""
