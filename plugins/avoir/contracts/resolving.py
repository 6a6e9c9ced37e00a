"""Versions of a contract with everything they inherit, and the names under which the warehouse keeps them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from avoir.contracts.model import (
    Calendar,
    Cap,
    Clause,
    Contract,
    ExclusionGround,
    Exemption,
    Governance,
    Indexation,
    KeyKind,
    NonCumulation,
    Procedure,
    Service,
    ServicePoints,
    Settlement,
    SourceKey,
    TerminationRight,
    TermName,
    Version,
    json_ready,
)

OPEN_END = date(9999, 12, 31)

SECTIONS = (
    "calendars",
    "services",
    "clauses",
    "exclusions",
    "non_cumulation",
    "caps",
    "termination_rights",
)
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Terms:
    """What a version agrees beside calendars, services and clauses, with what it inherits."""

    exclusions: Mapping[str, ExclusionGround]
    non_cumulation: Mapping[str, NonCumulation]
    caps: Mapping[str, Cap]
    termination_rights: Mapping[str, TerminationRight]
    order_amount: Decimal | None = None
    service_points: ServicePoints | None = None
    exemption: Exemption | None = None
    indexation: Indexation | None = None
    settlement: Settlement | None = None
    procedure: Procedure | None = None
    governance: Governance | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The terms that are there, as plain JSON values."""
        parts: dict[str, Any] = {
            section: {part_id: json_ready(part) for part_id, part in getattr(self, section).items()}
            for section in SECTIONS[3:]
        }
        for term in TermName:
            value = getattr(self, term)
            if value is not None:
                parts[str(term)] = format(value, "f") if isinstance(value, Decimal) else json_ready(value)
        return {name: part for name, part in parts.items() if part != {} or name in set(TermName)}


@dataclass(frozen=True, slots=True)
class ClaimedKey:
    """A key of a service, where the contract file claims it, and by which mapping file if by one."""

    key: SourceKey
    path: Path
    mapped_by: str | None = None


@dataclass(frozen=True)
class ResolvedVersion:
    """A version of a contract as it holds in ``[valid_from, valid_to)``, local dates of its zone."""

    contract: Contract
    version_no: int
    valid_from: date
    valid_to: date
    document_sha256: str
    calendars: Mapping[str, Calendar]
    services: Mapping[str, Service]
    clauses: Mapping[str, Clause]
    keys: Mapping[str, tuple[ClaimedKey, ...]]
    paths: Mapping[tuple[str, str], Path]
    terms: Terms

    @property
    def content(self) -> dict[str, Any]:
        """The version's canonical content: all that can change what is owed, spelt one way."""
        contract = self.contract
        return {
            "contract": contract.contract,
            "name": contract.name,
            "vendor": json_ready(contract.vendor),
            "currency": contract.currency,
            "timezone": contract.timezone,
            "version": self.version_no,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
            "document_sha256": self.document_sha256,
            "calendars": {
                calendar_id: {
                    **json_ready(calendar),
                    "timezone": calendar.timezone,
                    "closed": sorted(day.isoformat() for day in calendar.closed),
                }
                for calendar_id, calendar in self.calendars.items()
            },
            "services": {
                service_id: {
                    **{name: value for name, value in json_ready(service).items() if name != "keys_from"},
                    "keys": sorted(
                        [str(k.key.kind), k.key.source, k.key.value] for k in self.keys[service_id]
                    ),
                }
                for service_id, service in self.services.items()
            },
            "clauses": {clause_id: json_ready(clause) for clause_id, clause in self.clauses.items()},
            **self.terms.content,
        }

    @property
    def contract_version_id(self) -> str:
        """``<contract>:<version>:<8 hex of the content's SHA-256>``: independent of when it was loaded."""
        canonical = json.dumps(self.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return f"{self.contract.contract}:{self.version_no}:{digest[:8]}"

    def monitors(self, service_id: str) -> tuple[SourceKey, ...]:
        """The keys of the monitors that watch a service."""
        claimed = self.keys.get(service_id)
        keys = self.services[service_id].keys if claimed is None else [claim.key for claim in claimed]
        return tuple(key for key in keys if key.kind is KeyKind.MONITOR)

    def overlaps(self, other: ResolvedVersion) -> bool:
        """Whether both hold on some date."""
        return self.valid_from < other.valid_to and other.valid_from < self.valid_to


@dataclass(frozen=True)
class Inherited:
    """The parts of a version by id, before its keys are expanded, and where in the file each was written.

    ``paths`` has an entry per ``(section, id)``, and per ``("terms", name)``.
    """

    version: Version
    valid_to: date
    calendars: Mapping[str, Calendar]
    services: Mapping[str, Service]
    clauses: Mapping[str, Clause]
    paths: Mapping[tuple[str, str], Path]
    terms: Terms


def inherit(contract: Contract) -> list[Inherited]:
    """Return the versions in file order, each with the parts of the one before unless replaced or removed."""
    parts: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    terms: dict[str, Any] = {}
    paths: dict[tuple[str, str], Path] = {}
    inherited: list[Inherited] = []
    for number, version in enumerate(contract.versions):
        for section in SECTIONS:
            for removed in getattr(version.remove, section):
                parts[section].pop(removed, None)
                paths.pop((section, removed), None)
            for position, part in enumerate(getattr(version, section)):
                paths[section, part.id] = ("versions", number, section, position)
                parts[section][part.id] = (
                    part.model_copy(update={"timezone": part.timezone or contract.timezone})
                    if isinstance(part, Calendar)
                    else part
                )
        for term in TermName:
            if term in version.remove.terms:
                terms.pop(str(term), None)
                paths.pop(("terms", term), None)
            if getattr(version, term) is not None:
                terms[str(term)] = getattr(version, term)
                paths["terms", term] = ("versions", number, str(term))
        valid_to = version.effective_to or OPEN_END
        if version.effective_to is None and number + 1 < len(contract.versions):
            valid_to = contract.versions[number + 1].effective_from
        inherited.append(
            Inherited(
                version=version,
                valid_to=valid_to,
                calendars=dict(parts["calendars"]),
                services=dict(parts["services"]),
                clauses=dict(parts["clauses"]),
                paths=dict(paths),
                terms=Terms(
                    exclusions=dict(parts["exclusions"]),
                    non_cumulation=dict(parts["non_cumulation"]),
                    caps=dict(parts["caps"]),
                    termination_rights=dict(parts["termination_rights"]),
                    **terms,
                ),
            )
        )
    return inherited
