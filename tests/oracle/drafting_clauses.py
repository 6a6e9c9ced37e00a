"""Clauses of a made-up contract: what is measured, what is promised, and what a miss costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.oracle.drafting import (
    CALENDARS,
    COUNTING_SAMPLES,
    FAMILIES,
    MINIMUM_SECONDS,
    Document,
    Drafting,
    Family,
)


def is_quarterly(indicator: Document) -> bool:
    """Whether a clause is judged by the quarter."""
    return indicator.get("period") == "quarter"


def has_priorities(objective: Document) -> bool:
    """Whether single priorities have targets of their own."""
    return "by_priority" in objective.get("target", objective)


@dataclass
class ClauseDrafting(Drafting):
    """Adds clauses to a draft, one after the other."""

    has_points: bool = False
    points_by_month: bool = False
    can_earn_back: bool = False
    has_threshold: bool = False

    # Clauses.

    def _add_clause(self, clause_id: str, services: Sequence[str]) -> None:
        c = self.choices
        if self.clauses and c.chance(50):
            earlier = tuple(self.clauses)[-1]
            family, service = self.families[earlier], self.clauses[earlier]["service"]
            if family.by_month and c.chance(50):
                family = c.one_of((Family("minutes"), Family("clock", "ratio"), Family("milestone", "ratio")))
        else:
            family, service = c.weighted(*FAMILIES), c.one_of(tuple(services))
        indicator = self._indicator(family, service)
        objective = self._objective(family)
        if family in {Family("clock"), Family("clock", "ratio")} and c.chance(35):
            self._add_priorities(indicator, objective.get("target", objective))
        twin = next((k for k in reversed(self.clauses) if self.families[k] == family), None)
        self.families[clause_id] = family
        self.clauses[clause_id] = {
            "id": clause_id,
            "service": service,
            "indicator": indicator,
            "objective": objective,
            "penalty": self._penalty(family, service, objective, is_quarterly(indicator)),
        }
        if twin is not None and c.chance(30):  # Two clauses that charge the same, so that neither is highest.
            copied = dict(self.clauses[twin])
            may_differ = not family.is_availability and not has_priorities(copied["objective"])
            if may_differ and not has_priorities(objective):
                copied["indicator"] = indicator
            self.clauses[clause_id] = {**copied, "id": clause_id}

    def _indicator(self, family: Family, service: str) -> Document:
        c = self.choices
        if family.kind == "clock":
            return self._clock()
        if family.kind == "milestone":
            indicator = {
                "kind": "milestone",
                "days": c.weighted((60, "calendar"), (40, "business")),
                "calendar": c.one_of(CALENDARS)["id"],
                "replan_notice_days": c.one_of((10, 0, 3)),
            }
            return indicator | {"started_day": "floor"} if c.chance(35) else indicator
        return self._availability(family, service)

    # Clocks.

    def _clock(self) -> Document:
        c = self.choices
        indicator: Document = {
            "kind": "clock",
            "calendar": c.one_of(CALENDARS)["id"],
            "start": c.weighted(
                (75, [{"field": "created"}]),
                (15, [{"field": "state", "value": "assigned"}]),
                (10, [{"field": "state", "value": "assigned"}, {"field": "priority"}]),
            ),
            "stop": c.weighted(
                (60, [{"field": "public_comment_vendor"}]),
                (20, [{"field": "state", "value": "resolved"}]),
                (20, [{"field": "public_comment_vendor"}, {"field": "state", "value": "resolved"}]),
            ),
            "pause": c.weighted(
                (35, []),
                (35, [{"field": "hold_reason", "value": "1"}]),
                (15, [{"field": "hold_reason"}]),
                (15, [{"field": "hold_reason", "value": "1"}, {"field": "state", "value": "waiting"}]),
            ),
        }
        if c.chance(25):
            indicator["pause"] = c.one_of(
                (
                    [{"field": "hold_reason", "value": "1"}],
                    [{"field": "auto_reply"}],
                    [{"field": "private_note"}, {"field": "state", "value": "waiting"}],
                )
            )
            indicator["resume"] = c.one_of(
                (
                    [{"field": "public_comment_customer"}],
                    [{"field": "hold_reason"}],  # Also when it takes the value that pauses.
                    [{"field": "state", "value": "assigned"}, {"field": "public_comment_customer"}],
                )
            )
        if c.chance(30):
            indicator["reset"] = c.one_of(
                ([{"field": "assignment_group"}], [{"field": "assignment_group", "value": "B"}])
            )
        if c.chance(55):
            indicator["reopen"] = self._reopening()
        return indicator

    def _reopening(self) -> Document:
        c = self.choices
        reopen: Document = {
            "on": c.one_of(
                (
                    [{"field": "state", "value": "reopened"}],
                    [{"field": "public_comment_customer"}],
                    [{"field": "state", "value": "reopened"}, {"field": "public_comment_customer"}],
                    [{"field": "state"}],  # Also what resolves, which then stops all the same.
                )
            ),
            "policy": c.weighted((35, "new_cycle"), (25, "resume"), (40, "join_within")),
        }
        if reopen["policy"] == "join_within":
            size, unit = c.one_of(
                ((1, "hours"), (30, "minutes"), ("1.5", "hours"), (8, "hours"), (60, "seconds"))
            )
            reopen["within"] = {"size": size, "unit": unit}
        return reopen

    def _add_priorities(self, indicator: Document, level: Document) -> None:
        """Give single priorities targets of their own, shorter and longer ones."""
        c = self.choices
        indicator["priority_change"] = c.one_of(("keep", "restart", "retroactive"))
        value = Decimal(str(level["value"]))
        level["by_priority"] = c.weighted(
            (40, {"1": str(value / 2), "2": str(value * 2)}),
            (25, {"1": str(value / 4)}),
            (25, {"1": str(value), "2": str(value / 2), "3": str(value * 2)}),
            (10, {"1": 0, "2": str(value * 3)}),
        )

    # Availabilities.

    def _availability(self, family: Family, service: str) -> Document:
        c = self.choices
        indicator: Document = {
            "kind": "availability",
            "method": family.kind,
            "unknown": c.one_of(("exclude", "down", "up")),
            "probe_interval_seconds": c.weighted((85, 86_400), (15, 43_200)),
        }
        if c.chance(60):
            indicator["maintenance"] = {"notice_hours": c.one_of((72, 0, "1.5"))}
        if c.chance(40):
            indicator["denominator"] = "total"
        if c.chance(22):
            indicator["period"] = "quarter"
        if family.kind == "mean_of_slices":
            indicator["slice_seconds"] = c.one_of((86_400, 43_200, 7_200, 50_000))
        if family.kind in COUNTING_SAMPLES:
            if c.chance(40):
                few = (2, 3, 1) if family.kind == "mean_of_slices" else (30, 2, 31, 28, 90, 60)
                indicator["minimum_volume"] = c.one_of(few)
            return indicator
        if family.kind == "service_hours":
            indicator["calendar"] = c.one_of(CALENDARS)["id"]
        if family.kind != "deployed_minutes" and self.monitors[service] > 1 and c.chance(70):
            indicator["quorum"] = self.monitors[service] - c.below(self.monitors[service])
        if c.chance(40):
            indicator["minimum_downtime_seconds"] = c.one_of(MINIMUM_SECONDS)
        if c.chance(30):
            indicator["whole_minutes"] = True
        return indicator

    def _objective(self, family: Family) -> Document:
        c = self.choices
        if family.in_pct:
            strict = c.chance(20)
            objective: Document = {"operator": ">" if strict else ">=", "unit": "pct"}
            if family.aggregation == "ratio":
                objective["value"] = c.one_of((90, 95, 50, "66.67"))
                objective["target"] = self._level(family)
            else:
                objective["value"] = c.one_of(("99.5", "99.9", 99, 95, 90))
        else:
            strict = c.chance(20)
            objective = {"operator": "<" if strict else "<=", **self._level(family)}
            if strict and objective["value"] == 0:
                objective["value"] = 1
        if family.aggregation != "each":
            objective["aggregation"] = family.aggregation
        if family.aggregation == "percentile":
            objective["percentile"] = c.one_of((95, 50, 100, "33.3"))
        if c.chance(20) and family != Family("milestone"):
            digits = (0, 1, 2) if family.kind != "milestone" or family.in_pct else (0, 1)
            objective["rounding_before_banding"] = {
                "digits": c.one_of(digits),
                "mode": c.one_of(("half_up", "down", "up")),
            }
        return objective

    def _level(self, family: Family) -> Document:
        if family.kind == "milestone":
            return {"value": self.choices.one_of((0, 2, 5)), "unit": "days"}
        value, unit = self.choices.one_of(
            ((30, "minutes"), (1, "hours"), (1_800, "seconds"), ("0.5", "hours"), (4, "hours"))
        )
        return {"value": value, "unit": unit}

    def _amended(self, clause_id: str) -> Document:
        """Return a clause with another price, and at times another level in the same unit."""
        clause, family = self.clauses[clause_id], self.families[clause_id]
        objective = dict(clause["objective"])
        if self.choices.chance(30):
            if family.in_pct:
                objective["value"] = self.choices.one_of(("99.5", 99, 80))
            elif family.kind == "clock":
                objective["value"] = str(Decimal(str(objective["value"])) / 2)
            else:
                objective["value"] = 1
        indicator = dict(clause["indicator"])
        if family.is_availability and self.choices.chance(30):
            indicator = self._availability(family, clause["service"])
        elif family.kind == "clock" and self.choices.chance(30):
            indicator["reopen"] = self._reopening()
        elif "priority_change" in indicator and self.choices.chance(30):
            indicator["priority_change"] = self.choices.one_of(("retroactive", "restart", "keep"))
        penalty = self._penalty(family, clause["service"], objective, is_quarterly(indicator))
        return {**clause, "indicator": indicator, "objective": objective, "penalty": penalty}

    # Penalties.

    def _penalty(self, family: Family, service: str, objective: Document, quarterly: bool) -> Document:
        c = self.choices
        formulas = [
            "percent_of_invoice_per_event",
            "fixed_per_event",
            "tiers",
            "linear",
            "value_times_delay",
            "at_risk_pool",
            "tiers",
            "linear",
        ]
        if self._may_point(quarterly):
            formulas += ["points", "points"]
        if family.is_availability:
            formulas += ["proportional"] * 4
        # Plain amounts add up to exactly the threshold at times.
        formula = "fixed_per_event" if self.has_threshold and c.chance(40) else c.one_of(formulas)
        penalty: Document = {"formula": formula}
        if formula == "fixed_per_event":
            penalty["amount"] = c.weighted((40, "300"), (20, "50"), (40, None)) or self._money(750, 100)
        elif formula == "points":
            penalty["points"] = c.one_of((1, 2, "2.5"))
        elif formula == "tiers":
            self._add_bands(penalty, family, service, objective, quarterly)
        else:
            if formula in {"linear", "value_times_delay"}:
                penalty |= {
                    "per": self._unit(family, objective),
                    "units": c.one_of(("started", "full", "exact")),
                    "on": c.weighted((65, "excess"), (35, "value")),
                }
            if formula == "linear" and c.chance(50):
                penalty["amount"] = self._money(100, 20)
            else:
                self._add_base(penalty, service, quarterly)
            if formula == "percent_of_invoice_per_event" or (formula == "linear" and "base" in penalty):
                penalty["rate_pct"] = c.one_of((5, "0.35", 2, 10))
            elif formula == "proportional":
                penalty["on"] = c.one_of(("whole_downtime", "excess"))
            elif formula == "value_times_delay":
                penalty["divisor"] = c.one_of((1_000, 30, 3_000))
            elif formula == "at_risk_pool":
                penalty |= {"pool_pct": 50, "allocation_pct": 40, "at_risk_pct": c.one_of((10, "12.5"))}
        self._add_limits(penalty, family, objective)
        if quarterly:
            self._forget_months(penalty)
        return penalty

    def _may_point(self, quarterly: bool) -> bool:
        return self.has_points and not (quarterly and self.points_by_month)

    def _forget_months(self, penalty: Document) -> None:
        """Take from the price of a quarter what looks at single months."""
        penalty.pop("repeat", None)
        penalty.pop("earn_back", None)
        if "base" not in penalty and "pct_of_base" in penalty.get("event_cap", {}):
            penalty["event_cap"] = {"amount": self._money(300, 100)}

    def _add_limits(self, penalty: Document, family: Family, objective: Document) -> None:
        c = self.choices
        if c.chance(35):
            penalty["repeat"] = {"multipliers": c.one_of(([1, "1.5", 2], [1, 2], [2], ["0.5", 1, 3]))}
        if c.chance(25):
            penalty["event_cap"] = self._pct_or_amount("pct_of_base", (10, 5, 25), (300, 100))
        if c.chance(25):
            penalty["month_cap"] = self._pct_or_amount("pct_of_month_invoice", (15, 5, 2), (1_000, 200))
        if self.can_earn_back and c.chance(75):
            penalty["earn_back"] = {
                "months": 1 + c.below(min(3, max(1, len(self.months) - 1))),
                "pct": c.one_of((100, 50, "33.3")),
            }
            if family.by_month:
                penalty["earn_back"]["level"] = self._better_level(family, objective)

    def _better_level(self, family: Family, objective: Document) -> object:
        """Return a level to be held for an earn-back, mostly the objective's own."""
        level = objective["value"]
        stricter = (100, "99.9") if family.in_pct else (0, str(Decimal(str(level)) / 2))
        chosen = self.choices.weighted((70, level), (15, stricter[0]), (15, stricter[1]))
        never = (objective["operator"], Decimal(str(chosen))) in {(">", Decimal(100)), ("<", Decimal(0))}
        return level if never else chosen

    def _pct_or_amount(self, key: str, pcts: Sequence[int], amounts: Sequence[int]) -> Document:
        c = self.choices
        which = c.weighted((45, "pct"), (35, "amount"), (20, "both"))
        limit: Document = {}
        if which != "amount":
            limit[key] = c.one_of(pcts)
        if which != "pct":
            limit["amount"] = self._money(*amounts)
        return limit

    def _unit(self, family: Family, objective: Document) -> Document:
        c = self.choices
        if family.in_pct:
            return {"size": c.one_of((1, "0.1", "0.25")), "unit": "pct"}
        if family.kind == "milestone":
            return {"size": c.one_of((1, 2, 7)), "unit": "days"}
        size, unit = c.one_of(((1, "hours"), (10, "minutes"), (900, "seconds"), ("0.5", "hours")))
        return {"size": size, "unit": unit}

    def _add_base(self, penalty: Document, service: str, quarterly: bool) -> None:
        bases = ["month_invoice", "service_lines", "month_invoice", "order_amount", "stated"]
        if quarterly:
            bases = ["order_amount", "stated"]
        elif self.fixed[service]:
            bases += ["fixed_fee"] * 3
        penalty["base"] = self.choices.one_of(bases)
        if penalty["base"] == "stated":
            penalty["base_amount"] = self._money(30_000, 3_000)

    def _add_bands(
        self, penalty: Document, family: Family, service: str, objective: Document, quarterly: bool
    ) -> None:
        """Add bands that meet without gap or overlap and cover every value that breaks the objective."""
        c = self.choices
        on = c.weighted((60, "value"), (40, "excess"))
        penalty["on"] = on
        level = Decimal(str(objective["value"]))
        strict = objective["operator"] in {"<", ">"}
        falling = family.in_pct and on == "value"
        if family.in_pct:
            steps = (Decimal("0.5"), Decimal(5))
        elif family.kind == "milestone":
            steps = (Decimal(2), Decimal(7))
        else:
            steps = (level, level * 8)
        if "rounding_before_banding" in objective:  # Else no rounded value might lie in a band.
            steps = (max(steps[0], Decimal(2)), max(steps[1], Decimal(8)))
        steps = steps[: c.below(3)]
        levels = [level, *(Decimal(str(value)) for value in objective.get("by_priority", {}).values())]
        origin = min(levels) if on == "value" else Decimal(0)
        edges = [origin - step if falling else origin + step for step in steps]
        near = {("at_most" if strict else "below"): str(origin)} if falling else {}
        if not falling:
            near = {("at_least" if strict else "above"): str(origin)}
        bands: list[Document] = []
        for edge in edges:
            closed = c.chance(50)
            if falling:
                bands.append({**near, ("at_least" if closed else "above"): str(edge)})
                near = {("below" if closed else "at_most"): str(edge)}
            else:
                bands.append({**near, ("at_most" if closed else "below"): str(edge)})
                near = {("above" if closed else "at_least"): str(edge)}
        bands.append(near)
        price = c.weighted((50, "rate_pct"), (30, "amount"), (20, "points"))
        if price == "points" and not self._may_point(quarterly):
            price = "amount"
        for band in bands:
            if price == "rate_pct":
                band[price] = c.one_of((10, 5, 30, 100, 0))
            elif price == "amount":
                band[price] = self._money(150, 50, 500)
            else:
                band[price] = c.one_of((1, 2, "2.5"))
        penalty["bands"] = bands
        if price == "rate_pct":
            self._add_base(penalty, service, quarterly)
