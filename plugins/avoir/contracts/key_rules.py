"""Keys of sources: claimed once, there where a clause needs one, and not held by two contracts at a time.

A team alone may work for several services, and contracts, of one vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from avoir.contracts.cap_rules import charges_points
from avoir.contracts.findings import BrokenParts, Finding
from avoir.contracts.model import AvailabilityIndicator, Base, Clause, FixedFee, KeyKind, Service
from avoir.contracts.resolving import ClaimedKey, Path, ResolvedVersion

_KEY_OF_INDICATOR = {
    "clock": KeyKind.TICKET,
    "availability": KeyKind.MONITOR,
    "milestone": KeyKind.RELEASE,
}
_INVOICE_KINDS = frozenset({KeyKind.INVOICE_LINE, KeyKind.INVOICE_SELLER})


def judge_keys(version: ResolvedVersion, broken: BrokenParts) -> Iterator[Finding]:
    """Yield keys that are claimed twice within a version, and clauses that no key of a source feeds."""
    claimed: dict[tuple[str, ...], str] = {}
    for service_id, keys in version.keys.items():
        if not keys and not any(section == "mapping" and part == service_id for section, part in broken):
            yield Finding(
                version.paths["services", service_id],
                f"the service {service_id} has no key: no record of any source can belong to it",
                "add keys: [{source: …, kind: …, value: …}] or keys_from",
            )
        for claim in keys:
            key: tuple[str, ...] = (claim.key.source, str(claim.key.kind), claim.key.value)
            if claim.key.kind.is_shared:
                key = (*key, service_id)
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
    yield from _judge_shared_bases(version, broken)


def _judge_sources(
    clause: Clause, version: ResolvedVersion, at: Path, broken: BrokenParts
) -> Iterator[Finding]:
    service = version.services.get(clause.service)
    if service is None or service.id in _unread(broken) or not version.keys[service.id]:
        return
    needed = _KEY_OF_INDICATOR[clause.indicator.kind]
    if needed not in _kinds(service, version):
        yield Finding(
            (*at, "service"),
            f"the service {service.id} has no {needed} key, so nothing can be measured",
            f"add a key {{source: …, kind: {needed}, value: …}} to the service {service.id}",
        )
    yield from _judge_quorum(clause, version, at)
    penalty, points = clause.penalty, version.terms.service_points
    base: Base | None = getattr(penalty, "base", None)
    bases: list[tuple[Base | None, Path]] = [(base, (*at, "penalty", "base"))]
    if penalty.month_cap is not None and penalty.month_cap.pct_of_month_invoice is not None:
        bases.append((Base.MONTH_INVOICE, (*at, "penalty", "month_cap")))
    if penalty.event_cap is not None and penalty.event_cap.pct_of_base is not None and base is None:
        own = points.base if points is not None and charges_points(clause) else None
        bases.append((own or Base.MONTH_INVOICE, (*at, "penalty", "event_cap")))
    if points is not None and charges_points(clause):
        bases.append((points.base, (*version.paths["terms", "service_points"], "base")))
    found = [finding for one, path in bases for finding in _judge_base(one, path, service, version, broken)]
    # One key mends all places that miss it.
    yield from {finding.message: finding for finding in reversed(found)}.values()


def _judge_quorum(clause: Clause, version: ResolvedVersion, at: Path) -> Iterator[Finding]:
    """Yield quorums that the monitors of a service can never make."""
    if not isinstance(clause.indicator, AvailabilityIndicator):
        return
    quorum, count = clause.indicator.quorum, len(version.monitors(clause.service))
    if 0 < count < quorum:
        monitors = "1 monitor" if count == 1 else f"{count} monitors"
        yield Finding(
            (*at, "indicator", "quorum"),
            f"{quorum} monitors must be down, but the service {clause.service} has {monitors}",
            f"write at most {count}, or add monitor keys to the service {clause.service}",
        )


def _judge_shared_bases(version: ResolvedVersion, broken: BrokenParts) -> Iterator[Finding]:
    """Yield caps that are a part of a base which no key can feed."""
    for cap in version.terms.caps.values():
        clause = version.clauses.get(cap.clause) if cap.clause is not None else None
        service = version.services.get(clause.service if clause is not None else cap.service or "")
        if cap.of is Base.MONTH_INVOICE or service is not None:
            yield from _judge_base(cap.of, (*version.paths["caps", cap.id], "of"), service, version, broken)


def _judge_base(
    base: Base | None, path: Path, service: Service | None, version: ResolvedVersion, broken: BrokenParts
) -> Iterator[Finding]:
    unread = _unread(broken)
    if base is Base.MONTH_INVOICE and not unread:
        if not any(claim.key.kind in _INVOICE_KINDS for keys in version.keys.values() for claim in keys):
            yield Finding(
                path,
                "it depends on the month's invoice, but no service has an invoice_line or invoice_seller key",
                "add a key {source: …, kind: invoice_line, value: …} to a service",
            )
    elif service is None or service.id in unread:
        return
    elif base is Base.SERVICE_LINES and KeyKind.INVOICE_LINE not in _kinds(service, version):
        yield Finding(
            path,
            f"the service {service.id} has no invoice_line key, so none of its lines can be found",
            f"add a key {{source: …, kind: invoice_line, value: …}} to the service {service.id}",
        )
    elif base is Base.FIXED_FEE and not isinstance(service.fee, FixedFee):
        word = path[-1] if path[-1] in {"base", "of"} else "base"
        mend = f"write fee: {{kind: fixed, amount: …}} there, or {word}: service_lines here"
        yield Finding(path, f"the service {service.id} has no fixed fee", mend)


def _unread(broken: BrokenParts) -> set[str]:
    return {part for section, part in broken if section in {"services", "mapping"}}


def _kinds(service: Service, version: ResolvedVersion) -> set[KeyKind]:
    return {claim.key.kind for claim in version.keys[service.id]}


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A service that holds a key for some time: one of a file, or one that is already in the warehouse."""

    contract_id: str
    vendor_id: str
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
    claims: dict[tuple[str, str, str], list[tuple[str, ResolvedVersion, str, ClaimedKey]]] = {}
    for file, versions in files.items():
        for version in versions:
            for service_id, keys in version.keys.items():
                for claim in keys:
                    key = (claim.key.source, str(claim.key.kind), claim.key.value)
                    claims.setdefault(key, []).append((file, version, service_id, claim))
    told: set[tuple[str, Path]] = set()
    for key, claimants in claims.items():
        for file, version, service_id, claim in claimants:
            here = version.contract
            others = [
                (other_service, other.contract.contract, other.contract.vendor.id, other_file)
                for other_file, other, other_service, _ in claimants
                if other_file != file and other.overlaps(version)
            ] + [
                (holder.service_id, holder.contract_id, holder.vendor_id, holder.place)
                for holder in held.get(key, ())
                if holder.contract_id != here.contract
                and holder.period[0] < version.valid_to.isoformat()
                and version.valid_from.isoformat() < holder.period[1]
            ]
            mend = "leave each key to one service, or end one of the contracts before the other starts"
            if claim.key.kind.is_shared:
                others = [other for other in others if other[2] != here.vendor.id]
                mend = "leave each team to the services of one vendor"
            if others and (file, claim.path) not in told:
                told.add((file, claim.path))
                other_service, other_contract, _, place = others[0]
                yield (
                    file,
                    Finding(
                        claim.path,
                        f"the {key[1]} key {key[2]!r} of {key[0]} belongs to {service_id} here and to "
                        f"{other_service} of the contract {other_contract} ({place}) on the same days",
                        mend,
                    ),
                )
