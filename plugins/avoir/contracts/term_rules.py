"""Terms of a whole version: groups, grounds, rights, points, earn-backs beside an exemption, RACI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avoir.contracts.cap_rules import charges_points
from avoir.contracts.clause_rules import is_quarterly
from avoir.contracts.findings import BrokenParts, Finding, warning
from avoir.contracts.model import Base, Governance
from avoir.contracts.problems import choose_among
from avoir.contracts.resolving import Inherited, Path


def judge_terms(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    """Yield terms of a version that do not fit its clauses, or each other."""
    yield from _judge_named_clauses(stage, broken)
    yield from _judge_points(stage, broken)
    yield from _judge_order_amount(stage, broken)
    terms = stage.terms
    if terms.exemption is not None:
        for clause in stage.clauses.values():
            if clause.penalty.earn_back is not None:
                number = stage.version.version
                yield Finding(
                    (*stage.paths["clauses", clause.id], "penalty", "earn_back"),
                    f"version {number} has an exemption: what counts against it cannot come back",
                    "remove earn_back here, or the exemption of the version",
                )
    for right in terms.termination_rights.values():
        path = stage.paths["termination_rights", right.id]
        breached, within = right.breached_months, right.within_months
        if breached is not None and within is not None and breached > within:
            message = f"there are no {breached} breached months within {within}"
            mend = f"write at most {within}, or a longer within_months"
            yield Finding((*path, "breached_months"), message, mend)
        if breached is None and within is not None:
            message = f"within {within} months of what: breached_months is missing"
            yield Finding((*path, "within_months"), message, "add breached_months, or remove within_months")
    if terms.governance is not None:
        yield from _judge_governance(terms.governance, stage.paths["terms", "governance"])


def _judge_named_clauses(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    """Yield clauses that a group, a ground or a right names and the version does not have."""
    terms = stage.terms
    in_group: dict[str, str] = {}
    named: list[tuple[str, str, str, Sequence[str], Path]] = []
    for group in terms.non_cumulation.values():
        path = stage.paths["non_cumulation", group.id]
        named.append(("group", "non_cumulation", group.id, group.clauses, (*path, "clauses")))
        for position, clause in enumerate(group.clauses):
            other = in_group.setdefault(clause, group.id)
            if other != group.id:
                message = f"the clause {clause} is in the groups {other} and {group.id}"
                yield Finding((*path, "clauses", position), message, "keep it in one group, or join the two")
    for ground in terms.exclusions.values():
        path = stage.paths["exclusions", ground.id]
        named.append(("ground", "exclusions", ground.id, ground.clauses, (*path, "clauses")))
    for noun, section, part_id, clauses, path in named:
        for position, clause in enumerate(clauses):
            yield from _judge_named(stage, broken, clause, noun, (section, part_id), (*path, position))
    for right in terms.termination_rights.values():
        if right.clause is not None:
            part = ("termination_rights", right.id)
            yield from _judge_named(
                stage, broken, right.clause, "right", part, (*stage.paths[part], "clause")
            )


def _judge_named(
    stage: Inherited, broken: BrokenParts, clause: str, noun: str, part: tuple[str, str], path: Path
) -> Iterator[Finding]:
    number, (section, part_id) = stage.version.version, part
    if clause in stage.clauses or ("clauses", clause) in broken:
        return
    mend = choose_among(clause, list(stage.clauses))
    if path[:2] != ("versions", number - 1):
        ends = f"remove: {{{section}: [{part_id}]}}"
        mend = f"write {ends} in version {number} too, or a {noun} without it, or keep the clause"
    yield Finding(
        path, f"the clause {clause} of the {noun} {part_id} does not exist in version {number}", mend
    )


def _judge_points(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    points, number = stage.terms.service_points, stage.version.version
    charging = [clause for clause in stage.clauses.values() if charges_points(clause)]
    if points is None and ("terms", "service_points") not in broken:
        for clause in charging:
            yield Finding(
                (*stage.paths["clauses", clause.id], "penalty", "formula"),
                f"version {number} does not say what a service point is worth",
                'add `service_points: {point_amount: "…"}` to the version',
            )
    if points is not None and points.base not in {None, Base.ORDER_AMOUNT}:
        for clause in filter(is_quarterly, charging):
            yield Finding(
                (*stage.paths["clauses", clause.id], "penalty", "formula"),
                f"the clause is judged by the quarter, and a point is worth a part of {points.base}",
                "write point_amount in service_points, or base: order_amount, or another formula here",
            )
    if points is not None and not charging and not any(section == "clauses" for section, _ in broken):
        message = f"no clause of version {number} charges service points"
        yield warning(
            stage.paths["terms", "service_points"], message, "write formula: points in a clause, or remove it"
        )


def _judge_order_amount(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    if stage.terms.order_amount is not None or ("terms", "order_amount") in broken:
        return
    bases = [
        (getattr(clause.penalty, "base", None), (*stage.paths["clauses", clause.id], "penalty", "base"))
        for clause in stage.clauses.values()
    ]
    bases += [(cap.of, (*stage.paths["caps", cap.id], "of")) for cap in stage.terms.caps.values()]
    if stage.terms.service_points is not None:
        bases.append((stage.terms.service_points.base, (*stage.paths["terms", "service_points"], "base")))
    for base, path in bases:
        if base is Base.ORDER_AMOUNT:
            message = f"version {stage.version.version} has no order_amount to take a part of"
            yield Finding(path, message, 'add `order_amount: "…"` to the version, excluding VAT')


def _judge_governance(governance: Governance, at: Path) -> Iterator[Finding]:
    for section, ids in (
        ("committees", [one.id for one in governance.committees]),
        ("reports", [one.id for one in governance.reports]),
    ):
        for position, part_id in enumerate(ids):
            if part_id in ids[:position]:
                message = f"{part_id} stands twice among the {section}"
                yield Finding((*at, section, position, "id"), message, "give it an id of its own")
    for position, row in enumerate(governance.raci):
        accountable = [party for party, roles in row.roles.items() if "A" in roles.split("/")]
        if len(accountable) != 1:
            who = f"{len(accountable)} ({', '.join(accountable)})" if accountable else "nobody"
            message = f"exactly one is accountable for an activity; for {row.activity!r} it is {who}"
            mend = "write A for one of them and leave R, C or I to the others"
            yield Finding((*at, "raci", position, "roles"), message, mend)
