"""Caps: whom they bound, which prices they make unreachable, and which of them can never bind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from avoir.contracts.findings import BrokenParts, Finding, warning, written
from avoir.contracts.model import (
    AtRiskPool,
    Base,
    Cap,
    CapPer,
    CapScope,
    Clause,
    FixedFee,
    FixedPerEvent,
    PercentOfInvoicePerEvent,
    Points,
    Tiers,
)
from avoir.contracts.problems import choose_among
from avoir.contracts.resolving import Inherited, Path

_SPANS = ("event", *(str(per) for per in CapPer))
_FILLS = {
    ("month", "quarter"): 3,
    ("month", "rolling_12_months"): 12,
    ("quarter", "rolling_12_months"): 5,
}
"""How many full shorter stretches a longer one can touch: twelve months lie in at most five quarters."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A cap of any kind: of one breach, of a clause's month, or between clauses."""

    name: str
    span: str
    scope: CapScope
    key: str
    path: Path
    amount: Decimal | None
    pct: Decimal | None = None
    base: Base | None = None

    def bounds(self, clause: Clause) -> bool:
        """Whether the clause's charges use this limit up."""
        keys = {CapScope.CLAUSE: clause.id, CapScope.SERVICE: clause.service, CapScope.CONTRACT: ""}
        return self.key == keys[self.scope]


@dataclass(frozen=True, slots=True)
class _Price:
    """What one breach costs before any cap: a rate of a base, a known amount, or both."""

    noun: str
    word: str
    path: Path
    written: Decimal
    rate_pct: Decimal | None
    base: Base | None
    amount: Decimal | None


def judge_caps(stage: Inherited, broken: BrokenParts) -> Iterator[Finding]:
    """Yield caps of a version that bound nothing, stand twice, or make a price unreachable."""
    number = stage.version.version
    holders: dict[tuple[str, str, str], str] = {}
    for clause in stage.clauses.values():
        if clause.penalty.month_cap is not None:
            holders["month", "clause", clause.id] = "month_cap"
    for cap in stage.terms.caps.values():
        path = stage.paths["caps", cap.id]
        for section, key, known in (
            ("clauses", cap.clause, stage.clauses),
            ("services", cap.service, stage.services),
        ):
            if key is not None and key not in known and (section, key) not in broken:
                noun = "clause" if section == "clauses" else "service"
                mend = choose_among(key, list(known))
                if path[:2] != ("versions", number - 1):
                    mend = f"write remove: {{caps: [{cap.id}]}} in version {number}, or keep the {noun}"
                message = f"the {noun} {key} of the cap {cap.id} does not exist in version {number}"
                yield Finding((*path, noun), message, mend)
        held = (str(cap.per), str(cap.scope), cap.key)
        other = holders.setdefault(held, cap.id)
        if other != cap.id:
            of = "the clause's month_cap" if other == "month_cap" else f"the cap {other}"
            message = f"the cap {cap.id} bounds the same as {of}: {_told(cap)}"
            yield Finding(path, message, "keep one of the two, with the lower limit")
    limits = list(_limits(stage))
    for clause in stage.clauses.values():
        yield from _judge_reach(clause, stage, [limit for limit in limits if limit.bounds(clause)])


def idle_caps(stages: Sequence[Inherited]) -> Iterator[Finding]:
    """Yield caps that no month can ever reach, because another cap is always reached before."""
    found: dict[Path, Finding] = {}
    for number, stage in enumerate(stages):
        limits = [limit for limit in _limits(stage) if limit.amount is not None]
        idle: dict[Path, Finding] = {}
        for limit in limits:
            for other in limits:
                if limit.path != other.path and (why := _never_binds(limit, other, stage)) is not None:
                    mend = f"write a lower amount, or remove {limit.name}"
                    idle.setdefault(
                        limit.path, warning(limit.path, f"{limit.name} can never bind: {why}", mend)
                    )
        # What one version lets a clause use up counts in the next: it must never bind in any.
        found = idle if number == 0 else {path: found[path] for path in idle if path in found}
    yield from found.values()


def _told(cap: Cap) -> str:
    scope = f"{cap.scope} {cap.key}" if cap.key else str(cap.scope)
    return f"per {str(cap.per).replace('_', ' ')}, of the {scope}"


def _limits(stage: Inherited) -> Iterator[_Limit]:
    for clause in stage.clauses.values():
        penalty, at = clause.penalty, (*stage.paths["clauses", clause.id], "penalty")
        event, month = penalty.event_cap, penalty.month_cap
        if event is not None:
            # The base of points is not the penalty's own: a breach priced in points is capped on the invoice.
            own = None if charges_points(clause) else _price_base(clause, stage)
            base = own or Base.MONTH_INVOICE
            yield _Limit(
                "event_cap",
                "event",
                CapScope.CLAUSE,
                clause.id,
                (*at, "event_cap"),
                event.amount,
                event.pct_of_base,
                base,
            )
        if month is not None:
            yield _Limit(
                "month_cap",
                "month",
                CapScope.CLAUSE,
                clause.id,
                (*at, "month_cap"),
                month.amount,
                month.pct_of_month_invoice,
                Base.MONTH_INVOICE,
            )
    for cap in stage.terms.caps.values():
        path = stage.paths["caps", cap.id]
        yield _Limit(f"the cap {cap.id}", str(cap.per), cap.scope, cap.key, path, cap.amount, cap.pct, cap.of)


# --- Caps that never bind ---------------------------------------------------------------------------------


def _never_binds(limit: _Limit, other: _Limit, stage: Inherited) -> str | None:
    assert limit.amount is not None  # the caller takes these only
    assert other.amount is not None
    if limit.pct is not None:
        return None
    same = (limit.scope, limit.key) == (other.scope, other.key)
    fills = _FILLS.get((other.span, limit.span))
    if same and fills is not None and limit.amount >= fills * other.amount:
        return f"{other.name} leaves at most {fills} x {other.amount}"
    wider = (
        same
        or other.scope is CapScope.CONTRACT
        or (
            limit.scope is CapScope.CLAUSE
            and other.scope is CapScope.SERVICE
            and limit.key in stage.clauses
            and stage.clauses[limit.key].service == other.key
        )
    )
    narrower_in_time = _SPANS.index(limit.span) <= _SPANS.index(other.span)
    if wider and narrower_in_time and limit.amount >= other.amount:
        if (limit.span, limit.scope) == (other.span, other.scope):
            return None
        return f"{other.name} leaves at most {other.amount}"
    return None


# --- Prices above a cap -----------------------------------------------------------------------------------


def _judge_reach(clause: Clause, stage: Inherited, limits: Sequence[_Limit]) -> Iterator[Finding]:
    repeat = clause.penalty.repeat
    least = min(repeat.multipliers) if repeat is not None else Decimal(1)
    for price in _prices(clause, stage):
        for limit in limits:
            bound = _bound_below(price, limit, least)
            if bound is not None:
                most, of = bound
                message = f"{price.noun} {price.written} cannot be reached: {limit.name} is {most}{of}"
                comparable = least == 1 and price.word == ("rate_pct" if of else "amount")
                lower = f"write {price.word}: {most} here" if comparable else "write a lower price here"
                yield warning(price.path, message, f"{lower}, or raise {limit.name}")
                break


def _bound_below(price: _Price, limit: _Limit, least: Decimal) -> tuple[str, str] | None:
    """Return the limit in words when it lies below every amount that the price can come to."""
    comparable = limit.span in {"event", "month"} or limit.base is Base.ORDER_AMOUNT
    if (
        limit.pct is not None
        and price.rate_pct is not None
        and price.base is limit.base
        and comparable
        and price.rate_pct * least > limit.pct
    ):
        assert limit.base is not None  # a percentage always has one
        return written(limit.pct), f" % of the {str(limit.base).replace('_', ' ')}"
    if limit.amount is not None and price.amount is not None and price.amount * least > limit.amount:
        return written(limit.amount), ""
    return None


def _price_base(clause: Clause, stage: Inherited) -> Base | None:
    penalty = clause.penalty
    if charges_points(clause):
        points = stage.terms.service_points
        return points.base if points is not None else None
    base: Base | None = getattr(penalty, "base", None)
    return base


def charges_points(clause: Clause) -> bool:
    """Whether a breach of the clause costs service points."""
    penalty = clause.penalty
    return isinstance(penalty, Points) or (
        isinstance(penalty, Tiers) and penalty.bands[0].price_kind == "points"
    )


def _prices(clause: Clause, stage: Inherited) -> Iterator[_Price]:
    penalty, at = clause.penalty, (*stage.paths["clauses", clause.id], "penalty")
    if isinstance(penalty, Tiers):
        for position, band in enumerate(penalty.bands):
            value: Decimal = getattr(band, band.price_kind)
            path = (*at, "bands", position, band.price_kind)
            yield _priced(clause, stage, f"the band's {band.price_kind}", band.price_kind, value, path)
    elif isinstance(penalty, PercentOfInvoicePerEvent):
        yield _priced(clause, stage, "the rate_pct", "rate_pct", penalty.rate_pct, (*at, "rate_pct"))
    elif isinstance(penalty, FixedPerEvent):
        yield _priced(clause, stage, "the amount", "amount", penalty.amount, (*at, "amount"))
    elif isinstance(penalty, Points):
        yield _priced(clause, stage, "the points", "points", penalty.points, (*at, "points"))
    elif isinstance(penalty, AtRiskPool):
        rate = penalty.pool_pct * penalty.allocation_pct * penalty.at_risk_pct / 10_000
        noun = "the allocation of the pool,"
        priced = _priced(clause, stage, noun, "rate_pct", rate, (*at, "allocation_pct"))
        yield _Price(noun, "", priced.path, rate, rate, priced.base, priced.amount)


def _priced(clause: Clause, stage: Inherited, noun: str, word: str, value: Decimal, path: Path) -> _Price:
    base = _price_base(clause, stage)
    if word == "amount":
        return _Price(noun, word, path, value, None, None, value)
    rate: Decimal | None = value
    if word == "points":
        points = stage.terms.service_points
        if points is not None and points.point_amount is not None:
            return _Price(noun, word, path, value, None, None, value * points.point_amount)
        rate = value * points.point_rate_pct if points is not None and points.point_rate_pct else None
    known = _known_base(clause, stage, base)
    amount = rate * known / 100 if rate is not None and known is not None else None
    return _Price(noun, word, path, value, rate, base, amount)


def _known_base(clause: Clause, stage: Inherited, base: Base | None) -> Decimal | None:
    """Return the base where the file states how much it is (of a full month, for a fee)."""
    if base is Base.ORDER_AMOUNT:
        return stage.terms.order_amount
    if base is Base.STATED:
        stated: Decimal | None = getattr(clause.penalty, "base_amount", None)
        return stated
    service = stage.services.get(clause.service)
    if base is Base.FIXED_FEE and service is not None and isinstance(service.fee, FixedFee):
        return service.fee.amount
    return None
