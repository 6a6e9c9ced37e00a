"""What a contract may not say, where one part of it must agree with another, or one file with the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from avoir.contracts.calendars import CalendarError, calendar_days
from avoir.contracts.model import (
    AvailabilityIndicator,
    Base,
    Calendar,
    Clause,
    ClockIndicator,
    Contract,
    FixedFee,
    FixedPerEvent,
    KeyKind,
    MilestoneIndicator,
    Operator,
    PercentOfInvoicePerEvent,
    Proportional,
    Unit,
)
from avoir.contracts.problems import choose_among
from avoir.contracts.resolving import SECTIONS, Inherited, Path, ResolvedVersion

_PART_OF_SECTION = {
    "calendars": "calendar",
    "services": "service",
    "clauses": "clause",
    "exclusions": "ground",
    "non_cumulation": "group",
    "caps": "cap",
    "termination_rights": "right",
}
_KEY_OF_INDICATOR = {
    "clock": KeyKind.TICKET,
    "availability": KeyKind.MONITOR,
    "milestone": KeyKind.RELEASE,
}
_UNITS_OF_INDICATOR = {
    "clock": (Unit.SECONDS, Unit.MINUTES, Unit.HOURS),
    "availability": (Unit.PCT,),
    "milestone": (Unit.DAYS,),
}
_OPERATOR_OF_INDICATOR = {
    "clock": Operator.AT_MOST,
    "availability": Operator.AT_LEAST,
    "milestone": Operator.AT_MOST,
}
_LAID_OUT_DAYS = timedelta(days=800)


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at a place of a file's tree."""

    path: Path
    message: str
    mend: str


BrokenParts = frozenset[tuple[str, str]]
"""Sections and ids of parts that are in the file but could not be read: nobody is told that they are
unknown."""


def parts_of(stage: Inherited, section: str) -> Mapping[str, object]:
    """Return the parts of a section by id."""
    parts: Mapping[str, object] = getattr(stage if hasattr(stage, section) else stage.terms, section)
    return parts


def judge_versions(
    contract: Contract, inherited: Sequence[Inherited], broken: BrokenParts
) -> Iterator[Finding]:
    """Yield what is wrong between the versions, and within each one before its keys are known."""
    yield from _judge_dates(contract, inherited)
    for number, version in enumerate(contract.versions):
        at: Path = ("versions", number)
        before = inherited[number - 1] if number else None
        for section in SECTIONS:
            yield from _judge_ids(section, [part.id for part in getattr(version, section)], at)
            known = list(parts_of(before, section)) if before else []
            for position, removed in enumerate(getattr(version.remove, section)):
                if removed not in known and (section, removed) not in broken:
                    name = _PART_OF_SECTION[section]
                    yield Finding(
                        (*at, "remove", section, position),
                        f"version {version.version} removes the {name} {removed}, which it did not inherit",
                        choose_among(removed, known) if known else "remove this line",
                    )
        for position, clause in enumerate(version.clauses):
            yield from _judge_clause(clause, contract.minor_units, (*at, "clauses", position))
        for position, service in enumerate(version.services):
            if isinstance(service.fee, FixedFee):
                path = (*at, "services", position, "fee", "amount")
                yield from _judge_amount(service.fee.amount, contract.minor_units, path)
    told: set[Path] = set()
    for stage in inherited:
        for finding in _judge_references(stage, broken):
            if finding.path not in told:  # An inherited clause is wrong in its own place, once.
                told.add(finding.path)
                yield finding
        for calendar_id, calendar in stage.calendars.items():
            yield from _judge_layout(calendar, stage, stage.paths["calendars", calendar_id])


def judge_keys(version: ResolvedVersion, broken: BrokenParts) -> Iterator[Finding]:
    """Yield keys that are claimed twice within a version, and clauses that no key of a source feeds."""
    claimed: dict[tuple[str, str, str], str] = {}
    for service_id, keys in version.keys.items():
        if not keys and not any(section == "mapping" and part == service_id for section, part in broken):
            yield Finding(
                version.paths["services", service_id],
                f"the service {service_id} has no key: no record of any source can belong to it",
                "add keys: [{source: …, kind: …, value: …}] or keys_from",
            )
        for claim in keys:
            key = (claim.key.source, str(claim.key.kind), claim.key.value)
            if key in claimed:
                other = claimed[key]
                also = "twice" if other == service_id else f"and by the service {other}"
                by = f" (from {claim.mapped_by})" if claim.mapped_by else ""
                yield Finding(
                    claim.path,
                    f"the {key[1]} key {key[2]!r} of {key[0]}{by} is claimed by {service_id} {also}",
                    "leave each key to one service",
                )
            else:
                claimed[key] = service_id
    for clause_id, clause in version.clauses.items():
        yield from _judge_sources(clause, version, version.paths["clauses", clause_id], broken)


def _judge_dates(contract: Contract, inherited: Sequence[Inherited]) -> Iterator[Finding]:
    for number, (version, stage) in enumerate(zip(contract.versions, inherited, strict=True)):
        at: Path = ("versions", number)
        if version.version != number + 1:
            message = f"version {version.version} stands where version {number + 1} is expected"
            yield Finding(
                (*at, "version"), message, f"write version: {number + 1}; versions count from 1 without a gap"
            )
        following = contract.versions[number + 1] if number + 1 < len(contract.versions) else None
        if version.effective_from >= stage.valid_to:
            if version.effective_to is not None:
                message = f"version {version.version} ends on {version.effective_to}, not after it starts"
                mend = (
                    f"write an effective_to after {version.effective_from}; it is the first day not covered"
                )
                yield Finding((*at, "effective_to"), message, mend)
            elif following is not None:
                message = (
                    f"version {following.version} starts on {following.effective_from}, not after version "
                    f"{version.version} ({version.effective_from})"
                )
                mend = "put the versions in the order of their dates, each starting after the one before"
                yield Finding(("versions", number + 1, "effective_from"), message, mend)
        elif following is not None and stage.valid_to != following.effective_from:
            kind = "overlap" if following.effective_from < stage.valid_to else "leave a gap"
            message = (
                f"versions {version.version} and {following.version} {kind}: one ends on {stage.valid_to}, "
                f"the other starts on {following.effective_from}"
            )
            mend = f"write effective_to: {following.effective_from}, or leave it out"
            yield Finding((*at, "effective_to"), message, mend)


def _judge_ids(section: str, ids: Iterable[str], at: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for position, part_id in enumerate(ids):
        if part_id in seen:
            message = f"the {_PART_OF_SECTION[section]} {part_id} is defined twice in one version"
            yield Finding(
                (*at, section, position, "id"), message, "give it an id of its own, or keep one of the two"
            )
        seen.add(part_id)


def _judge_amount(amount: Decimal, minor_units: int, path: Path) -> Iterator[Finding]:
    if amount != round(amount, minor_units):
        message = f"{amount} has more digits after the point than the currency's {minor_units}"
        yield Finding(path, message, f"write an amount with at most {minor_units} digits after the point")


def _judge_clause(clause: Clause, minor_units: int, at: Path) -> Iterator[Finding]:
    kind, objective, penalty = clause.indicator.kind, clause.objective, clause.penalty
    units = _UNITS_OF_INDICATOR[kind]
    if objective.unit not in units:
        message = f"the objective of a {kind} indicator cannot be in {objective.unit}"
        yield Finding(
            (*at, "objective", "unit"),
            message,
            f"write one of {', '.join(units)}" if units[1:] else f"write {units[0]}",
        )
    operator = _OPERATOR_OF_INDICATOR[kind]
    if objective.operator is not operator:
        message = f"the objective of a {kind} indicator is judged with {operator}, not {objective.operator}"
        yield Finding((*at, "objective", "operator"), message, f'write operator: "{operator}"')
    value_at = (*at, "objective", "value")
    if kind == "availability" and not 0 < objective.value <= 100:
        message = f"an availability of {objective.value} % cannot be promised"
        yield Finding(value_at, message, "write a percentage above 0 and at most 100")
    if kind == "clock" and objective.value == 0:
        yield Finding(value_at, "no clock can stop within no time", "write the time that the contract allows")
    if kind == "milestone" and objective.value != objective.value.to_integral_value():
        yield Finding(
            value_at,
            f"delays are counted in whole days, not {objective.value}",
            "write a whole number of days",
        )
    if isinstance(penalty, Proportional) and kind != "availability":
        message = f"a {kind} indicator has no unavailability for a proportional credit"
        mend = "write the formula percent_of_invoice_per_event or fixed_per_event"
        yield Finding((*at, "penalty", "formula"), message, mend)
    if isinstance(penalty, FixedPerEvent):
        yield from _judge_amount(penalty.amount, minor_units, (*at, "penalty", "amount"))
    if penalty.month_cap is not None and penalty.month_cap.amount is not None:
        yield from _judge_amount(
            penalty.month_cap.amount, minor_units, (*at, "penalty", "month_cap", "amount")
        )
    if isinstance(clause.indicator, AvailabilityIndicator) and clause.indicator.maintenance is not None:
        hours = clause.indicator.maintenance.notice_hours
        if hours * 3600 != (hours * 3600).to_integral_value():
            path = (*at, "indicator", "maintenance", "notice_hours")
            yield Finding(
                path, f"{hours} hours are no whole number of seconds", "write whole hours or quarters of them"
            )


def _judge_references(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    number = stage.version.version
    for clause_id, clause in stage.clauses.items():
        path = stage.paths["clauses", clause_id]
        if clause.service not in stage.services and ("services", clause.service) not in broken:
            message = f"the service {clause.service} does not exist in version {number}"
            yield Finding((*path, "service"), message, choose_among(clause.service, list(stage.services)))
        indicator = clause.indicator
        calendar = indicator.calendar if isinstance(indicator, (ClockIndicator, MilestoneIndicator)) else None
        if calendar is not None and calendar not in stage.calendars and ("calendars", calendar) not in broken:
            message = f"the calendar {calendar} does not exist in version {number}"
            yield Finding(
                (*path, "indicator", "calendar"), message, choose_among(calendar, list(stage.calendars))
            )


def _judge_layout(calendar: Calendar, stage: Inherited, path: Path) -> Iterator[Finding]:
    start = stage.version.effective_from
    end = min(stage.valid_to, start + _LAID_OUT_DAYS) if stage.valid_to > start else start + _LAID_OUT_DAYS
    ranges = [(start, end)]
    margin = timedelta(days=2)
    ranges += [(day - margin, day + margin) for day in calendar.half_days]
    for first, last in ranges:
        try:
            calendar_days(calendar, first, last)
        except CalendarError as error:
            yield Finding(path, str(error), "join openings that lie close together")
            return


def _judge_sources(
    clause: Clause, version: ResolvedVersion, at: Path, broken: BrokenParts
) -> Iterator[Finding]:
    service = version.services.get(clause.service)
    unread = {part for section, part in broken if section in {"services", "mapping"}}
    if service is None or service.id in unread or not version.keys[service.id]:
        return
    kinds = {claim.key.kind for claim in version.keys[service.id]}
    needed = _KEY_OF_INDICATOR[clause.indicator.kind]
    if needed not in kinds:
        yield Finding(
            (*at, "service"),
            f"the service {service.id} has no {needed} key, so nothing can be measured",
            f"add a key {{source: …, kind: {needed}, value: …}} to the service {service.id}",
        )
    penalty = clause.penalty
    base = penalty.base if isinstance(penalty, (Proportional, PercentOfInvoicePerEvent)) else None
    cap = penalty.month_cap
    invoice_kinds = {KeyKind.INVOICE_LINE, KeyKind.INVOICE_SELLER}
    has_invoices = unread or any(c.key.kind in invoice_kinds for keys in version.keys.values() for c in keys)
    if not has_invoices and (
        base == Base.MONTH_INVOICE or (cap is not None and cap.pct_of_month_invoice is not None)
    ):
        yield Finding(
            (*at, "penalty", "base") if base == Base.MONTH_INVOICE else (*at, "penalty", "month_cap"),
            "it depends on the month's invoice, but no service has an invoice_line or invoice_seller key",
            "add a key {source: …, kind: invoice_line, value: …} to a service",
        )
    if base == Base.SERVICE_LINES and KeyKind.INVOICE_LINE not in kinds:
        yield Finding(
            (*at, "penalty", "base"),
            f"the service {service.id} has no invoice_line key, so none of its lines can be found",
            f"add a key {{source: …, kind: invoice_line, value: …}} to the service {service.id}",
        )
    if base == Base.FIXED_FEE and not isinstance(service.fee, FixedFee):
        mend = "write fee: {kind: fixed, amount: …} there, or base: service_lines here"
        yield Finding((*at, "penalty", "base"), f"the service {service.id} has no fixed fee", mend)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A service that holds a key for some time: one of a file, or one that is already in the warehouse."""

    contract_id: str
    service_id: str
    period: tuple[str, str]
    place: str


def clashing_keys(
    files: Mapping[str, Sequence[ResolvedVersion]],
    held: Mapping[tuple[str, str, str], Sequence[KeyHolder]],
) -> Iterator[tuple[str, Finding]]:
    """Yield, by file, keys that two contracts claim for the same days.

    Args:
        files: the versions of each file.
        held: keys held by contracts outside of the files, with ISO dates as periods.
    """
    claims: dict[tuple[str, str, str], list[tuple[str, ResolvedVersion, str, Path]]] = {}
    for file, versions in files.items():
        for version in versions:
            for service_id, keys in version.keys.items():
                for claim in keys:
                    key = (claim.key.source, str(claim.key.kind), claim.key.value)
                    claims.setdefault(key, []).append((file, version, service_id, claim.path))
    told: set[tuple[str, Path]] = set()
    for key, claimants in claims.items():
        for file, version, service_id, path in claimants:
            others = [
                (other_service, other.contract.contract, other_file)
                for other_file, other, other_service, _ in claimants
                if other_file != file and other.overlaps(version)
            ] + [
                (holder.service_id, holder.contract_id, holder.place)
                for holder in held.get(key, ())
                if holder.contract_id != version.contract.contract
                and holder.period[0] < version.valid_to.isoformat()
                and version.valid_from.isoformat() < holder.period[1]
            ]
            if others and (file, path) not in told:
                told.add((file, path))
                other_service, other_contract, place = others[0]
                yield (
                    file,
                    Finding(
                        path,
                        f"the {key[1]} key {key[2]!r} of {key[0]} belongs to {service_id} here and to "
                        f"{other_service} of the contract {other_contract} ({place}) on the same days",
                        "leave each key to one service, or end one of the contracts before the other starts",
                    ),
                )
