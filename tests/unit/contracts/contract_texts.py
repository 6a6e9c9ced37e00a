"""A contract file that is right, and ways to make it wrong."""

from __future__ import annotations

from pathlib import Path

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
