"""What a contract may not say, where one part of it must agree with another, or one file with the others.

This is the entry: the rules of a subject are in a module of their own (:mod:`clause_rules`,
:mod:`band_rules`, :mod:`cap_rules`, :mod:`term_rules`, :mod:`key_rules`, :mod:`worked_test_rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from avoir.contracts.band_rules import judge_bands
from avoir.contracts.cap_rules import idle_caps, judge_caps
from avoir.contracts.clause_rules import judge_amounts, judge_clause
from avoir.contracts.findings import BrokenParts, Finding, parts_of
from avoir.contracts.key_rules import KeyHolder, clashing_keys, judge_keys
from avoir.contracts.model import Contract
from avoir.contracts.problems import Severity, choose_among
from avoir.contracts.resolving import SECTIONS, Inherited, Path
from avoir.contracts.term_rules import judge_terms
from avoir.contracts.worked_test_rules import judge_file_sections

__all__ = [
    "BrokenParts",
    "Finding",
    "KeyHolder",
    "clashing_keys",
    "judge_file_sections",
    "judge_keys",
    "judge_versions",
    "parts_of",
]

_PART_OF_SECTION = {
    "calendars": "calendar",
    "services": "service",
    "clauses": "clause",
    "exclusions": "ground",
    "non_cumulation": "group",
    "caps": "cap",
    "termination_rights": "right",
}


def judge_versions(
    contract: Contract, inherited: Sequence[Inherited], broken: BrokenParts
) -> Iterator[Finding]:
    """Yield what is wrong within and between the versions before their keys are known."""
    yield from _judge_dates(contract, inherited)
    for number, version in enumerate(contract.versions):
        at: Path = ("versions", number)
        for section in SECTIONS:
            yield from _judge_ids(section, [part.id for part in getattr(version, section)], at)
        yield from _judge_removals(contract, number, inherited, broken)
        for position, clause in enumerate(version.clauses):
            yield from judge_clause(clause, (*at, "clauses", position))
            yield from judge_bands(clause, (*at, "clauses", position))
    yield from judge_amounts(contract, contract.minor_units, ())
    told: set[tuple[Path, Severity]] = set()
    for stage in inherited:
        found = [
            *_judge_references(stage, broken),
            *judge_terms(stage, broken),
            *judge_caps(stage, broken),
        ]
        # An inherited part is wrong in its own place, once.
        yield from (finding for finding in found if (finding.path, finding.severity) not in told)
        told |= {(finding.path, finding.severity) for finding in found}
    yield from idle_caps(inherited)


def _judge_removals(
    contract: Contract, number: int, inherited: Sequence[Inherited], broken: BrokenParts
) -> Iterator[Finding]:
    version = contract.versions[number]
    before = inherited[number - 1] if number else None
    at: Path = ("versions", number, "remove")
    for section in SECTIONS:
        known = list(parts_of(before, section)) if before else []
        for position, removed in enumerate(getattr(version.remove, section)):
            if removed not in known and (section, removed) not in broken:
                name = _PART_OF_SECTION[section]
                yield Finding(
                    (*at, section, position),
                    f"version {version.version} removes the {name} {removed}, which it did not inherit",
                    choose_among(removed, known) if known else "remove this line",
                )
    for position, term in enumerate(version.remove.terms):
        if (before is None or ("terms", term) not in before.paths) and ("terms", str(term)) not in broken:
            message = f"version {version.version} removes the term {term}, which it did not inherit"
            yield Finding((*at, "terms", position), message, f"remove {term} from the list")


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


def _judge_references(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    number = stage.version.version
    for clause_id, clause in stage.clauses.items():
        path = stage.paths["clauses", clause_id]
        if clause.service not in stage.services and ("services", clause.service) not in broken:
            message = f"the service {clause.service} does not exist in version {number}"
            yield Finding((*path, "service"), message, choose_among(clause.service, list(stage.services)))
        calendar = clause.indicator.calendar
        if calendar is not None and calendar not in stage.calendars and ("calendars", calendar) not in broken:
            message = f"the calendar {calendar} does not exist in version {number}"
            yield Finding(
                (*path, "indicator", "calendar"), message, choose_among(calendar, list(stage.calendars))
            )
