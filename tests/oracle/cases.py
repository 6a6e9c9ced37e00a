"""Contracts with a worked test each, as a property test wants them: small, odd, rich in what can be agreed.

A case is read off a string of bytes, one choice per byte, so that drawing one is a single draw and shrinking
it means smaller bytes: every first option is the plainest. :func:`generated` collects cases by a seed;
:func:`coverage` counts what in them makes a difference, so that a comparison over them cannot be empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded_with
from hypothesis import strategies as st

from avoir.contracts.model import Contract, WorkedTest
from tests.oracle.business_time import (
    DAY_US,
    EPOCH,
    MICROSECOND,
    SECOND_US,
    midnight_us,
    month_after,
    month_of,
)
from tests.oracle.pricing import EARN_BACK, EXEMPTION_RELEASE, Judged, Line
from tests.oracle.verdicts import UNIT_US, is_judged_by_month

_T = TypeVar("_T")
Document = dict[str, Any]

BYTES_OF_A_CASE = 900
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US

ZONES = ("Europe/Paris", "America/New_York", "UTC", "Asia/Tokyo")
MINOR_UNITS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
CLAUSE_IDS = ("SLA-2", "sla-1", "SLA-10")
TICKET_NAMES = ("T2", "t1", "T-10", "T 4", "Ü5", "T10", "T1")
RELEASE_NAMES = ("R2", "r1", "R-10", "R10", "R1")
DST_SUNDAYS = {
    "Europe/Paris": (date(2025, 3, 30), date(2025, 10, 26)),
    "America/New_York": (date(2025, 3, 9), date(2025, 11, 2)),
}
_ALL_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

CALENDARS: tuple[Document, ...] = (
    {"id": "always", "timezone": "UTC", "always": True},
    {
        "id": "paris-office",
        "timezone": "Europe/Paris",
        "weekly": {day: ["09:00-12:30", "13:30-18:00"] for day in _ALL_WEEK[:5]},
        "holidays": {"country": "FR", "subdivision": None},
        "closed": ["2025-05-30", "2025-12-26"],
        "half_days": {"2025-12-24": ["09:00-12:30"], "2025-11-11": ["10:00-12:00"]},
    },
    {
        "id": "new-york-long",
        "timezone": "America/New_York",
        "weekly": {day: ["07:00-20:00"] for day in _ALL_WEEK[:6]},
        "holidays": {"country": "US", "subdivision": "NY"},
    },
    {
        "id": "tokyo-plain",
        "timezone": "Asia/Tokyo",
        "weekly": {day: ["09:00-17:00"] for day in _ALL_WEEK[:5]},
        "holidays": {"country": "JP"},
    },
    {
        "id": "paris-nights",
        "timezone": "Europe/Paris",
        "weekly": {day: ["00:00-02:30", "22:00-24:00"] for day in _ALL_WEEK},
    },
    {
        "id": "new-york-whole-days",
        "timezone": "America/New_York",
        "weekly": {day: ["00:00-24:00"] for day in (*_ALL_WEEK[:5], "sun")},
        "closed": ["2025-03-17", "2025-10-13"],
    },
)
_OPENS_AT_US = {
    "always": 9 * HOUR_US,
    "paris-office": 9 * HOUR_US,
    "new-york-long": 7 * HOUR_US,
    "tokyo-plain": 9 * HOUR_US,
    "paris-nights": 0,
    "new-york-whole-days": 0,
}


class Choices:
    """Choices read off bytes, one each; when they have run out, every choice is the first."""

    def __init__(self, entropy: bytes) -> None:
        self._bytes = iter(entropy)

    def below(self, count: int) -> int:
        """Return a number from 0 to count - 1; count is at most 256."""
        return next(self._bytes, 0) * count >> 8

    def chance(self, percent: int) -> bool:
        """Whether something that happens so often happens; not, when the bytes have run out."""
        return next(self._bytes, 0) * 100 >= (100 - percent) * 256

    def one_of(self, options: Sequence[_T]) -> _T:
        """Return one of several options, all as likely."""
        return options[self.below(len(options))]

    def weighted(self, *options: tuple[int, _T]) -> _T:
        """Return one of several options, each as likely as its weight; the weights sum up to 100."""
        at = next(self._bytes, 0) * 100 >> 8
        for weight, option in options:
            if at < weight:
                return option
            at -= weight
        return options[-1][1]


@dataclass(frozen=True)
class Case:
    """A contract whose only worked test is ``test``, and both as the plain document of a file."""

    document: Document
    contract: Contract
    test: WorkedTest

    def named(self, contract_id: str) -> Case:
        """Return the same case under another contract id."""
        document = {**self.document, "contract": contract_id}
        return replace(
            self, document=document, contract=self.contract.model_copy(update={"contract": contract_id})
        )


def case_of(entropy: bytes) -> Case:
    """Return the case that a string of bytes spells."""
    document = _Drafting(Choices(entropy)).document()
    contract = Contract.model_validate(document)
    return Case(document, contract, contract.tests[0])


def cases() -> st.SearchStrategy[Case]:
    """Return the strategy over all cases."""
    return st.binary(min_size=BYTES_OF_A_CASE, max_size=BYTES_OF_A_CASE).map(case_of)


def generated(count: int, seed: int) -> list[Case]:
    """Return so many cases, always the same for a seed; their contracts are named in order."""
    collected: list[Case] = []

    @seeded_with(seed)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def collect(case: Case) -> None:
        collected.append(case.named(f"GEN-{len(collected) + 1:05d}"))

    collect()
    return collected


# --- Drafting a contract ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Family:
    """What kind of promise a clause is: its indicator and aggregation, and the units its penalty may use."""

    kind: str
    aggregation: str = "each"

    @property
    def by_month(self) -> bool:
        return self.kind in {"minutes", "slices"} or self.aggregation != "each"

    @property
    def in_pct(self) -> bool:
        return self.kind in {"minutes", "slices"} or self.aggregation == "ratio"

    @property
    def upwards(self) -> bool:
        return self.in_pct


_FAMILIES = (
    (20, _Family("clock")),
    (8, _Family("clock", "ratio")),
    (6, _Family("clock", "average")),
    (6, _Family("clock", "percentile")),
    (18, _Family("minutes")),
    (10, _Family("slices")),
    (16, _Family("milestone")),
    (6, _Family("milestone", "ratio")),
    (5, _Family("milestone", "average")),
    (5, _Family("milestone", "percentile")),
)


@dataclass
class _Draft:
    """A version as it grows: what its clauses may refer to."""

    fixed: dict[str, bool]
    has_points: bool
    can_earn_back: bool
    has_threshold: bool


@dataclass
class _Drafting:
    """One document, made choice by choice."""

    choices: Choices
    zone: str = "UTC"
    digits: int = 2
    months: list[date] = field(default_factory=list)
    families: dict[str, _Family] = field(default_factory=dict)
    clauses: dict[str, Document] = field(default_factory=dict)
    last_created_us: int | None = None
    last_due: date | None = None

    def document(self) -> Document:
        c = self.choices
        self.zone = c.one_of(ZONES)
        currency = c.one_of(tuple(MINOR_UNITS))
        self.digits = MINOR_UNITS[currency]
        self._choose_months()
        versions = self._versions()
        used = {clause["indicator"].get("calendar") for v in versions for clause in v["clauses"]}
        versions[0]["calendars"] = [calendar for calendar in CALENDARS if calendar["id"] in used]
        document: Document = {
            "contract": "GEN",
            "name": "A contract made up",
            "vendor": {"id": "vendor", "name": "A vendor"},
            "currency": currency,
            "timezone": self.zone,
            "versions": versions,
        }
        test = self._test(versions)
        self._add_index_values(document, test)
        self._add_exclusions(document, test)
        document["tests"] = [test]
        return document

    # Months and money.

    def _choose_months(self) -> None:
        c = self.choices
        count = c.weighted((30, 1), (24, 2), (15, 3), (13, 4), (10, 6), (8, 13))
        if count == 6:
            count = 5 + c.below(4)
        elif count == 13:
            count = 13 + c.below(2)
        if count > 10:
            first = c.one_of((date(2025, 1, 1), date(2024, 12, 1)))
        else:
            near = c.one_of((3, 10, 11, 1, 4, 6, 12)) - c.below(count)
            first = date(2025, max(1, min(13 - count, near)), 1)
        self.months = [month_after(first, n) for n in range(count)]

    @property
    def _starts_us(self) -> int:
        return midnight_us(self.months[0], self.zone)

    @property
    def _ends_us(self) -> int:
        return midnight_us(month_after(self.months[-1]), self.zone)

    def _money(self, *wholes: int) -> str:
        """Return an amount with as many digits as the currency has, often an awkward one."""
        whole = self.choices.one_of(wholes)
        fraction = self.choices.weighted((40, "000"), (20, "350"), (20, "335"), (10, "010"), (10, "999"))
        return f"{whole}.{fraction[: self.digits]}" if self.digits else str(whole)

    # Versions.

    def _versions(self) -> list[Document]:
        c = self.choices
        services = ["desk", "platform"][: 1 + c.below(2)]
        mode = c.weighted((30, "plain"), (35, "earn_back"), (35, "exemption"))
        draft = _Draft(
            fixed={service: c.chance(35) for service in services},
            has_points=c.chance(35),
            can_earn_back=mode == "earn_back",
            has_threshold=mode == "exemption",
        )
        first: Document = {
            "version": 1,
            "effective_from": c.weighted(
                (57, date(2024, 6, 1)),
                (23, self.months[0]),
                (14, self.months[0] + timedelta(days=10)),
                (6, self.months[min(1, len(self.months) - 1)]),
            ),
            "document_sha256": "0" * 64,
            "services": [self._service(service, draft) for service in services],
            "order_amount": self._money(50_000, 10_000, 9_999),
        }
        if draft.has_points:
            first["service_points"] = self._service_points(draft, services)
        for clause_id in CLAUSE_IDS[: c.weighted((30, 1), (40, 2), (30, 3))]:
            self._add_clause(clause_id, services, draft)
        first["clauses"] = list(self.clauses.values())
        if len(self.clauses) > 1 and c.chance(55):
            first["non_cumulation"] = [self._group()]
        first["caps"] = self._caps(services, draft, c.weighted((35, 0), (35, 1), (20, 2), (10, 3)))
        if len(self.months) > 12 and not any(cap["per"] == "rolling_12_months" for cap in first["caps"]):
            rolling = {"id": "cap-year", "per": "rolling_12_months", "scope": "contract"}
            first["caps"].append(rolling | {"amount": self._money(200, 1_000)})
        if mode == "exemption":
            first["exemption"] = self._exemption()
        if c.chance(50 if draft.has_threshold else 30):
            first["indexation"] = self._indexation()
        first["exclusions"] = [
            {"id": "force-majeure", "title": "Force majeure"},
            {"id": "customer", "title": "By the customer", "clauses": [c.one_of(tuple(self.clauses))]},
        ]
        versions = [first]
        if c.chance(45):
            versions.append(self._amendment(first, services, draft, mode))
        last_from = max(
            versions[-1]["effective_from"], c.one_of((self.months[-1], self.months[len(self.months) // 2]))
        )
        if c.chance(12):
            versions[-1]["effective_to"] = last_from + timedelta(days=1 + c.below(25))
        return versions

    def _service(self, service: str, draft: _Draft) -> Document:
        fee: Document = {"kind": "invoice_lines"}
        if draft.fixed[service]:
            fee = {"kind": "fixed", "amount": self._money(2_000, 10_000, 333)}
        kinds = ("ticket", "monitor", "release", "maintenance", "invoice_line")
        keys = [{"source": "made_up", "kind": kind, "value": f"{service}-{kind}"} for kind in kinds]
        return {"id": service, "name": service.title(), "fee": fee, "keys": keys}

    def _service_points(self, draft: _Draft, services: Sequence[str]) -> Document:
        if self.choices.chance(40):
            bases = ["month_invoice", "service_lines", "order_amount"]
            if all(draft.fixed.values()):
                bases.append("fixed_fee")
            return {"point_rate_pct": self.choices.one_of(("0.5", 1)), "base": self.choices.one_of(bases)}
        return {"point_amount": self._money(250, 33)}

    def _exemption(self) -> Document:
        wholes = (300, 1_000, 50, 3_000, 600, 100)
        return {
            "amount": self.choices.one_of(wholes) if self.choices.chance(60) else self._money(*wholes),
            "over": self.choices.weighted((75, "term"), (25, "month")),
        }

    def _indexation(self) -> Document:
        c = self.choices
        indexation: Document = {
            "index": "SYNTEC",
            "base_value": c.one_of(("250.0", "113.7")),
            "lag_months": c.weighted((50, 0), (30, 1), (20, 2)),
        }
        if c.chance(60):
            indexation["coefficient_digits"] = c.one_of((4, 2, 0))
            indexation["coefficient_rounding"] = c.one_of(("half_up", "up", "down"))
        return indexation

    def _amendment(self, first: Document, services: Sequence[str], draft: _Draft, mode: str) -> Document:
        c = self.choices
        month = c.one_of(self.months)
        day = c.weighted((30, 0), (40, 15), (30, -1))
        effective_from = month + timedelta(days=day if day >= 0 else 1 + c.below(26))
        effective_from = max(effective_from, first["effective_from"] + timedelta(days=1))
        version: Document = {
            "version": 2,
            "effective_from": effective_from,
            "document_sha256": "1" * 64,
            "clauses": [],
            "caps": [],
            "remove": {},
        }
        removed: dict[str, list[str]] = {"terms": [], "caps": [], "non_cumulation": [], "clauses": []}
        if c.chance(30):
            service = c.one_of(tuple(services))
            draft.fixed[service] = True  # Never the other way round: a base may stand on it.
            version["services"] = [self._service(service, draft)]
        if mode == "exemption" and c.chance(30):
            removed["terms"].append("exemption")
            draft.can_earn_back = True
        elif (mode == "exemption" and c.chance(40)) or (mode == "plain" and c.chance(20)):
            version["exemption"] = self._exemption()
        if c.chance(25):
            version["order_amount"] = self._money(60_000, 5_000)
        if "indexation" in first and c.chance(30):
            version["indexation"] = self._indexation()
        for clause_id in tuple(self.clauses):
            if c.chance(55):
                amended = self._amended(clause_id, draft)
                if any(cap["per"] == "month" and cap.get("clause") == clause_id for cap in first["caps"]):
                    amended["penalty"].pop("month_cap", None)
                version["clauses"].append(amended)
        for cap in first["caps"]:
            change = c.weighted((50, "keep"), (30, "change"), (20, "remove"))
            if change == "change":
                version["caps"].append({**cap, **self._limit(cap["scope"], draft, cap.get("service"))})
            elif change == "remove":
                removed["caps"].append(cap["id"])
        if not first["caps"] and c.chance(30):
            added = self._caps(services, draft, 1)
            capped = {clause["id"] for clause in version["clauses"] if "month_cap" in clause["penalty"]}
            version["caps"] = [
                cap for cap in added if cap["per"] != "month" or cap.get("clause") not in capped
            ]
        if first.get("non_cumulation") and c.chance(20):
            removed["non_cumulation"].append(first["non_cumulation"][0]["id"])
        elif len(self.clauses) > 1 and c.chance(20):
            version["non_cumulation"] = [self._group()]
        referred = {clause for group in first.get("non_cumulation", []) for clause in group["clauses"]}
        referred |= {clause for group in version.get("non_cumulation", []) for clause in group["clauses"]}
        referred |= {cap.get("clause") for cap in (*first["caps"], *version["caps"])}
        referred |= {clause["id"] for clause in version["clauses"]}
        referred |= set(first["exclusions"][1]["clauses"])
        free = [clause_id for clause_id in self.clauses if clause_id not in referred]
        if len(self.clauses) > 1 and free and c.chance(45):
            removed["clauses"].append(free[0])
        version["remove"] = {section: ids for section, ids in removed.items() if ids}
        return version

    def _amended(self, clause_id: str, draft: _Draft) -> Document:
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
        penalty = self._penalty(family, clause["service"], objective, draft)
        return {**clause, "objective": objective, "penalty": penalty}

    # Clauses.

    def _add_clause(self, clause_id: str, services: Sequence[str], draft: _Draft) -> None:
        c = self.choices
        if self.clauses and c.chance(50):
            earlier = tuple(self.clauses)[-1]
            family, service = self.families[earlier], self.clauses[earlier]["service"]
            if family.by_month and c.chance(50):
                family = c.one_of(
                    (_Family("minutes"), _Family("clock", "ratio"), _Family("milestone", "ratio"))
                )
        else:
            family, service = c.weighted(*_FAMILIES), c.one_of(tuple(services))
        indicator = self._indicator(family)
        objective = self._objective(family)
        twin = next((k for k in reversed(self.clauses) if self.families[k] == family), None)
        self.families[clause_id] = family
        self.clauses[clause_id] = {
            "id": clause_id,
            "service": service,
            "indicator": indicator,
            "objective": objective,
            "penalty": self._penalty(family, service, objective, draft),
        }
        if twin is not None and c.chance(30):  # Two clauses that charge the same, so that neither is highest.
            copied = {key: self.clauses[twin][key] for key in ("service", "objective", "penalty")}
            self.clauses[clause_id] |= copied

    def _indicator(self, family: _Family) -> Document:
        c = self.choices
        if family.kind == "clock":
            return {
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
        if family.kind == "milestone":
            return {
                "kind": "milestone",
                "days": c.weighted((60, "calendar"), (40, "business")),
                "calendar": c.one_of(CALENDARS)["id"],
                "replan_notice_days": c.one_of((10, 0, 3)),
            }
        indicator: Document = {
            "kind": "availability",
            "method": "minutes" if family.kind == "minutes" else "mean_of_slices",
            "unknown": c.one_of(("exclude", "down", "up")),
            "probe_interval_seconds": c.weighted((85, 86_400), (15, 43_200)),
        }
        if c.chance(50):
            indicator["maintenance"] = {"notice_hours": c.one_of((72, 0, "1.5"))}
        if family.kind == "slices":
            indicator["slice_seconds"] = c.one_of((86_400, 43_200, 7_200, 50_000))
        return indicator

    def _objective(self, family: _Family) -> Document:
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
        if c.chance(20) and family != _Family("milestone"):
            digits = (0, 1, 2) if family.kind != "milestone" or family.in_pct else (0, 1)
            objective["rounding_before_banding"] = {
                "digits": c.one_of(digits),
                "mode": c.one_of(("half_up", "down", "up")),
            }
        return objective

    def _level(self, family: _Family) -> Document:
        if family.kind == "milestone":
            return {"value": self.choices.one_of((0, 2, 5)), "unit": "days"}
        value, unit = self.choices.one_of(
            ((30, "minutes"), (1, "hours"), (1_800, "seconds"), ("0.5", "hours"), (4, "hours"))
        )
        return {"value": value, "unit": unit}

    # Penalties.

    def _penalty(self, family: _Family, service: str, objective: Document, draft: _Draft) -> Document:
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
        if draft.has_points:
            formulas += ["points", "points"]
        if family.kind in {"minutes", "slices"}:
            formulas += ["proportional"] * 4
        # Plain amounts add up to exactly the threshold at times.
        formula = "fixed_per_event" if draft.has_threshold and c.chance(40) else c.one_of(formulas)
        penalty: Document = {"formula": formula}
        if formula == "fixed_per_event":
            penalty["amount"] = c.weighted((40, "300"), (20, "50"), (40, None)) or self._money(750, 100)
        elif formula == "points":
            penalty["points"] = c.one_of((1, 2, "2.5"))
        elif formula == "tiers":
            self._add_bands(penalty, family, service, objective, draft)
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
                self._add_base(penalty, service, draft)
            if formula == "percent_of_invoice_per_event" or (formula == "linear" and "base" in penalty):
                penalty["rate_pct"] = c.one_of((5, "0.35", 2, 10))
            elif formula == "proportional":
                penalty["on"] = c.one_of(("whole_downtime", "excess"))
            elif formula == "value_times_delay":
                penalty["divisor"] = c.one_of((1_000, 30, 3_000))
            elif formula == "at_risk_pool":
                penalty |= {"pool_pct": 50, "allocation_pct": 40, "at_risk_pct": c.one_of((10, "12.5"))}
        self._add_limits(penalty, family, objective, draft)
        return penalty

    def _add_limits(self, penalty: Document, family: _Family, objective: Document, draft: _Draft) -> None:
        c = self.choices
        if c.chance(35):
            penalty["repeat"] = {"multipliers": c.one_of(([1, "1.5", 2], [1, 2], [2], ["0.5", 1, 3]))}
        if c.chance(25):
            penalty["event_cap"] = self._pct_or_amount("pct_of_base", (10, 5, 25), (300, 100))
        if c.chance(25):
            penalty["month_cap"] = self._pct_or_amount("pct_of_month_invoice", (15, 5, 2), (1_000, 200))
        if draft.can_earn_back and c.chance(75):
            penalty["earn_back"] = {
                "months": 1 + c.below(min(3, max(1, len(self.months) - 1))),
                "pct": c.one_of((100, 50, "33.3")),
            }
            if family.by_month:
                penalty["earn_back"]["level"] = self._better_level(family, objective)

    def _better_level(self, family: _Family, objective: Document) -> object:
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

    def _unit(self, family: _Family, objective: Document) -> Document:
        c = self.choices
        if family.in_pct:
            return {"size": c.one_of((1, "0.1", "0.25")), "unit": "pct"}
        if family.kind == "milestone":
            return {"size": c.one_of((1, 2, 7)), "unit": "days"}
        size, unit = c.one_of(((1, "hours"), (10, "minutes"), (900, "seconds"), ("0.5", "hours")))
        return {"size": size, "unit": unit}

    def _add_base(self, penalty: Document, service: str, draft: _Draft) -> None:
        bases = ["month_invoice", "service_lines", "month_invoice", "order_amount", "stated"]
        if draft.fixed[service]:
            bases += ["fixed_fee"] * 3
        penalty["base"] = self.choices.one_of(bases)
        if penalty["base"] == "stated":
            penalty["base_amount"] = self._money(30_000, 3_000)

    def _add_bands(
        self, penalty: Document, family: _Family, service: str, objective: Document, draft: _Draft
    ) -> None:
        """Add bands that meet without gap or overlap and cover every value that breaks the objective."""
        c = self.choices
        on = c.weighted((60, "value"), (40, "excess"))
        penalty["on"] = on
        level = Decimal(str(objective["value"]))
        strict = objective["operator"] in {"<", ">"}
        falling = family.upwards and on == "value"
        if family.in_pct:
            steps = (Decimal("0.5"), Decimal(5))
        elif family.kind == "milestone":
            steps = (Decimal(2), Decimal(7))
        else:
            steps = (level, level * 8)
        if "rounding_before_banding" in objective:  # Else no rounded value might lie in a band.
            steps = (max(steps[0], Decimal(2)), max(steps[1], Decimal(8)))
        steps = steps[: c.below(3)]
        origin = level if on == "value" else Decimal(0)
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
        if price == "points" and not draft.has_points:
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
            self._add_base(penalty, service, draft)

    # Bounds between clauses.

    def _group(self) -> Document:
        c = self.choices
        clauses = list(self.clauses)
        if c.chance(50):
            clauses.reverse()
        if len(clauses) > 2 and c.chance(40):
            clauses = clauses[:2]
        group: Document = {
            "id": "one-incident",
            "clauses": clauses,
            "per": c.weighted((60, "incident"), (40, "month")),
            "keep": c.weighted((50, "highest"), (38, "customer_choice"), (12, "sum")),
        }
        if group["keep"] == "customer_choice" and c.chance(70):
            group["choice"] = clauses[::-1] if c.chance(50) else clauses
        return group

    def _caps(self, services: Sequence[str], draft: _Draft, count: int) -> list[Document]:
        c = self.choices
        caps: dict[tuple[str, str, str], Document] = {}
        for number in range(count):
            per = c.weighted((30, "month"), (25, "quarter"), (20, "rolling_12_months"), (25, "term"))
            scope = c.one_of(("contract", "clause", "service"))
            cap: Document = {"id": f"cap-{number + 1}", "per": per, "scope": scope}
            service = None
            if scope == "clause":
                cap["clause"] = c.one_of(tuple(self.clauses))
                service = self.clauses[cap["clause"]]["service"]
            elif scope == "service":
                cap["service"] = service = c.one_of(tuple(services))
            cap |= self._limit(scope, draft, service)
            if per == "month" and "month_cap" in self.clauses.get(cap.get("clause", ""), {}).get(
                "penalty", {}
            ):
                continue  # The clause's own cap of the month bounds the same.
            caps.setdefault((per, scope, str(cap.get("clause") or cap.get("service"))), cap)
        return list(caps.values())

    def _limit(self, scope: str, draft: _Draft, service: str | None) -> Document:
        c = self.choices
        which = c.weighted((45, "pct"), (40, "amount"), (15, "both"))
        limit: Document = {"amount": None, "pct": None, "of": None}
        if which != "amount":
            bases = ["month_invoice", "order_amount", "month_invoice"]
            if scope != "contract":
                bases.append("service_lines")
            if service is not None and draft.fixed[service]:
                bases += ["fixed_fee", "fixed_fee"]
            limit["pct"], limit["of"] = c.one_of((5, 2, 1)), c.one_of(bases)
        if which != "pct":
            limit["amount"] = self._money(500, 1_000, 200, 50)
        return limit

    # The worked test.

    def _test(self, versions: Sequence[Document]) -> Document:
        c = self.choices
        test: Document = {"name": "made up", "tickets": [], "releases": [], "invoices": []}
        kinds = {
            (clause["service"], self.families[clause_id].kind) for clause_id, clause in self.clauses.items()
        }
        cuts = [v["effective_from"] for v in versions if v["effective_from"] > self.months[0]]
        desks = sorted(service for service, kind in kinds if kind == "clock")
        if desks:
            for name in TICKET_NAMES[: 1 + c.below(6 if len(self.months) < 5 else 7)]:
                test["tickets"].append(self._ticket(name, c.one_of(desks), cuts))
        planned = sorted(service for service, kind in kinds if kind == "milestone")
        if planned:
            for name in RELEASE_NAMES[: 1 + c.below(5)]:
                test["releases"].append(self._release(name, c.one_of(planned), cuts))
        for service in sorted({service for service, kind in kinds if kind in {"minutes", "slices"}}):
            self._watch(test, service, (service, "slices") in kinds, cuts)
        services = [service["id"] for service in versions[0]["services"]]
        self._add_invoices(test, services)
        self._add_as_of(test)
        first, last = f"{self.months[0]:%Y-%m}", f"{self.months[-1]:%Y-%m}"
        test["expect"] = [{"month": month, "lines": 0} for month in dict.fromkeys((first, last))]
        return test

    def _text(self, at_us: int) -> str:
        """Return an instant as a file writes it: local where that names one instant, else with its offset."""
        moment = (EPOCH + at_us * MICROSECOND).astimezone(ZoneInfo(self.zone))
        text = moment.replace(tzinfo=None).isoformat(sep=" ")
        text = text.removesuffix(":00")
        twice = moment.utcoffset() != moment.replace(fold=1 - moment.fold).utcoffset()
        return text + moment.isoformat()[-6:] if twice or self.choices.chance(5) else text

    def _month(self) -> date:
        """Return a month of the window; of a long one mostly the first or last, a year apart."""
        c = self.choices
        far_apart = len(self.months) > 12 and c.chance(65)
        return c.one_of((*self.months[:2], *self.months[-2:]) if far_apart else self.months)

    def _inside(self, at_us: int) -> bool:
        return self._starts_us <= at_us < self._ends_us

    def _day(self, cuts: Sequence[date]) -> date:
        """Return a day of the window, rather often one beside a change of version or of the clock."""
        c = self.choices
        kind = c.weighted((76, "any"), (14, "cut"), (10, "clock"))
        if kind == "cut" and cuts:
            day = c.one_of(cuts) - timedelta(days=c.below(2))
        elif kind == "clock" and self.zone in DST_SUNDAYS:
            day = c.one_of(DST_SUNDAYS[self.zone])
        else:
            day = self._month() + timedelta(days=c.below(28))
        return day if self.months[0] <= day < month_after(self.months[-1]) else self.months[0]

    def _ticket(self, name: str, service: str, cuts: Sequence[date]) -> Document:
        c = self.choices
        clause = c.one_of(
            [
                clause
                for clause_id, clause in self.clauses.items()
                if clause["service"] == service and self.families[clause_id].kind == "clock"
            ]
        )
        level = clause["objective"].get("target", clause["objective"])
        allowed_us = int(Decimal(str(level["value"])) * UNIT_US[level["unit"]])
        calendar = next(cal for cal in CALENDARS if cal["id"] == clause["indicator"]["calendar"])
        day = self._day(cuts)
        created_us = c.weighted(
            (70, midnight_us(day, calendar["timezone"]) + _OPENS_AT_US[calendar["id"]]),
            (15, midnight_us(day, self.zone)),
            (10, midnight_us(day, self.zone) - 1),
            (5, midnight_us(day, calendar["timezone"]) + 17 * HOUR_US + 1),
        )
        if self.last_created_us is not None and c.chance(20):
            created_us = self.last_created_us
        if not self._inside(created_us):
            created_us = self._starts_us
        self.last_created_us = created_us
        events: list[tuple[int, Document]] = [(created_us, {"field": "created"})]
        start_us = created_us
        if c.chance(45):
            start_us += c.weighted((50, 0), (30, 10 * MINUTE_US), (20, DAY_US))
            events.append((start_us, {"field": "state", "value": "assigned"}))
        elif c.chance(15):
            events.append((start_us, {"field": "priority", "value": "1"}))
        paused_us = 0
        if c.chance(45):
            paused_us = c.one_of((30 * MINUTE_US, 0, HOUR_US, 20 * HOUR_US))
            held_us = start_us + c.one_of((5 * MINUTE_US, 0, 2 * HOUR_US))
            reason = c.weighted((75, "1"), (25, "4"))
            events.append((held_us, {"field": "hold_reason", "value": reason}))
            if c.chance(85):
                freed = c.weighted((50, {"value": ""}), (25, {"value": None}), (25, {"value": "4"}))
                events.append((held_us + paused_us, {"field": "hold_reason", **freed}))
            if c.chance(30):
                events.append((held_us + paused_us // 2, {"field": "state", "value": "waiting"}))
        for noise in ("auto_reply", "private_note", "public_comment_customer"):
            if c.chance(8):
                events.append((start_us + MINUTE_US, {"field": noise}))
        late_us = c.weighted(
            (22, 0),
            (10, 1),
            (6, -1),
            (8, SECOND_US),
            (14, 2 * HOUR_US + 7),
            (18, 3 * DAY_US),
            (20, None),
            (2, -allowed_us),
        )
        if late_us is not None:
            stop_us = start_us + allowed_us + (paused_us if late_us != -allowed_us else 0) + late_us
            stop = c.weighted(
                (70, {"field": "public_comment_vendor"}), (30, {"field": "state", "value": "resolved"})
            )
            events.append((stop_us, stop))
            if c.chance(25):
                other = (
                    {"field": "public_comment_vendor"}
                    if "value" in stop
                    else {"field": "state", "value": "resolved"}
                )
                events.append((stop_us + c.one_of((0, HOUR_US)), other))
        kept = [(at_us, event) for at_us, event in events if self._inside(at_us)]
        kept.sort(key=lambda dated: dated[0])  # Events of one instant stay in the order drawn.
        return {
            "ticket": name,
            "service": service,
            "events": [{"at": self._text(at_us), **event} for at_us, event in kept],
        }

    def _release(self, name: str, service: str, cuts: Sequence[date]) -> Document:
        c = self.choices
        last = month_after(self.months[-1]) - timedelta(days=1)
        due = self._day(cuts)
        if c.chance(10):
            due = month_after(month_of(due)) - timedelta(days=1)
        elif self.last_due is not None and c.chance(20):
            due = self.last_due
        self.last_due = due
        release: Document = {"release": name, "service": service, "due": due}
        if c.chance(10):
            release["approved"] = False
        replans: list[Document] = []
        valid, asked = due, self.months[0]
        for _ in range(c.weighted((60, 0), (28, 1), (12, 2))):
            while_waiting = bool(replans) and c.chance(40)
            notice = timedelta(days=c.one_of((12, 10, 9, 3, 2)))
            requested = asked - timedelta(days=c.below(3)) if while_waiting else max(asked, valid - notice)
            approved = requested + timedelta(days=c.one_of((1, 0, 4)))
            moved = min(last, valid + timedelta(days=c.one_of((4, 15, 30))))
            if approved > last or requested > last:
                break
            replans.append(
                {"requested": requested, "approved": None if c.chance(15) else approved, "due": moved}
            )
            asked, valid = approved + timedelta(days=1), moved
        if replans:
            release["replans"] = replans
        delay = c.weighted((25, 0), (15, 1), (20, 3), (10, -2), (15, 12), (15, None))
        if delay is not None:
            delivered = (valid if c.chance(60) else due) + timedelta(days=delay)
            if self.months[0] <= delivered <= last:
                release["delivered"] = delivered
        return release

    # What was watched.

    def _watch(self, test: Document, service: str, in_slices: bool, cuts: Sequence[date]) -> None:
        c = self.choices
        way = c.weighted((60, "downtime"), (30, "probes"), (10, "nothing"))
        if in_slices and way == "downtime":
            way = "probes"
        if way == "downtime":
            for _ in range(1 + c.below(3)):
                self._add_downtime(test, service)
        elif way == "probes":
            self._add_probes(test, service, in_slices)
        for _ in range(c.weighted((55, 0), (30, 1), (15, 2))):
            self._add_maintenance(test, service, cuts)

    def _add_downtime(self, test: Document, service: str) -> None:
        c = self.choices
        month = self._month()
        start_us, end_us = midnight_us(month, self.zone), midnight_us(month_after(month), self.zone)
        clause = next(
            clause
            for clause_id, clause in self.clauses.items()
            if clause["service"] == service and self.families[clause_id].kind == "minutes"
        )
        level = Decimal(str(clause["objective"]["value"]))
        allowed_us = int((end_us - start_us) * (100 - level) / 100)
        from_us = start_us + c.one_of((9 * DAY_US, 0, 3 * HOUR_US, 28 * DAY_US - HOUR_US))
        down_us = c.weighted(
            (25, allowed_us),
            (10, allowed_us + 1),
            (10, allowed_us + SECOND_US),
            (5, allowed_us - SECOND_US),
            (20, 2 * allowed_us + 7),
            (15, 36 * HOUR_US),
            (10, 12 * MINUTE_US),
            (5, 40 * DAY_US),
        )
        to_us = min(from_us + max(1, down_us), self._ends_us)
        stretch = {"service": service, "from": self._text(from_us), "to": self._text(to_us)}
        test.setdefault("downtime", []).append(stretch)

    def _add_probes(self, test: Document, service: str, in_slices: bool) -> None:
        """Add samples of the whole window, with a gap at times, and others over or beside them."""
        c = self.choices
        few = len(self.months) < 3
        every = c.weighted((70, 86_400), (20, 43_200), (10, 10_800)) if few else 86_400
        rows = test.setdefault("probes", [])
        offset_us = c.one_of((0, 0, 6 * HOUR_US))
        gap_us = self._starts_us + c.below(20 * len(self.months)) * DAY_US
        spans = [(self._starts_us, self._ends_us)]
        if c.chance(40):
            spans = [(self._starts_us, gap_us), (gap_us + c.one_of((2, 5, 40)) * DAY_US, self._ends_us)]
        for from_us, to_us in spans:
            if from_us + offset_us < to_us:
                rows.append(self._probes(service, from_us + offset_us, to_us, every, "up"))
        for _ in range(1 + c.below(3)):
            from_us = midnight_us(self._day(()), self.zone) + c.one_of((offset_us, offset_us, HOUR_US))
            to_us = min(from_us + c.one_of((1, 2, 3, 10)) * DAY_US, self._ends_us)
            if from_us < to_us:
                rows.append(self._probes(service, from_us, to_us, every, "down"))

    def _probes(self, service: str, from_us: int, to_us: int, every: int, state: str) -> Document:
        return {
            "service": service,
            "from": self._text(from_us),
            "to": self._text(to_us),
            "every_seconds": every,
            "state": state,
        }

    def _add_maintenance(self, test: Document, service: str, cuts: Sequence[date]) -> None:
        c = self.choices
        from_us = midnight_us(self._day(cuts), self.zone) + c.one_of((22 * HOUR_US, 0, 12 * HOUR_US))
        to_us = min(from_us + c.one_of((4 * HOUR_US, 60 * HOUR_US, 30 * MINUTE_US)), self._ends_us)
        notice_us = c.weighted(
            (30, 72 * HOUR_US),
            (20, 72 * HOUR_US - SECOND_US),
            (20, 5_400 * SECOND_US),
            (15, 0),
            (15, -HOUR_US),
        )
        announced_us = max(self._starts_us, from_us - notice_us)
        if from_us < to_us and self._inside(announced_us):
            test.setdefault("maintenance", []).append(
                {
                    "service": service,
                    "from": self._text(from_us),
                    "to": self._text(to_us),
                    "announced": self._text(announced_us),
                }
            )

    # Invoices, exclusions, indices, as_of.

    def _add_invoices(self, test: Document, services: Sequence[str]) -> None:
        c = self.choices
        missing_pct = c.weighted((62, 0), (38, 25))
        amount = self._money(12_000, 2_000, 999)
        for month in self.months:
            if c.chance(missing_pct):
                continue
            lines: list[Document] = []
            for service in services:
                if not c.chance(10):
                    paid = amount if c.chance(60) else self._money(8_000, 20_000, 450)
                    lines.append({"service": service, "amount": f"-{paid}" if c.chance(4) else paid})
            if c.chance(20):
                lines.append({"amount": self._money(3_000, 70)})
            if lines:
                test["invoices"].append({"month": f"{month:%Y-%m}", "lines": lines})
            if c.chance(12):
                credit = {"service": services[0], "amount": f"-{self._money(500)}"}
                test["invoices"].append({"month": f"{month:%Y-%m}", "kind": "credit_note", "lines": [credit]})

    def _claim(self, test: Document) -> Document | None:
        """Return what is excluded: a ticket, a release, or a stretch of a service's time."""
        c = self.choices
        claim: Document = {"ground": c.one_of(("force-majeure", "customer"))}
        timed = sorted(
            {
                clause["service"]
                for clause_id, clause in self.clauses.items()
                if self.families[clause_id].kind != "milestone"
            }
        )
        subjects = [("stretch", name) for name in timed]
        subjects += [("ticket", ticket["ticket"]) for ticket in test["tickets"]]
        subjects += [("release", release["release"]) for release in test["releases"]]
        if not subjects:
            return None
        kind, name = c.one_of(subjects)
        if kind != "stretch":
            return claim | {kind: name}
        from_us = midnight_us(self._day(()), self.zone) + c.one_of((9 * HOUR_US, 0))
        to_us = min(from_us + c.one_of((HOUR_US, 15 * MINUTE_US, 50 * HOUR_US)), self._ends_us)
        return claim | {"service": name, "from": self._text(from_us), "to": self._text(to_us)}

    def _add_exclusions(self, document: Document, test: Document) -> None:
        c = self.choices
        claims = [self._claim(test) for _ in range(c.weighted((60, 0), (28, 1), (12, 2)))]
        found = [claim for claim in claims if claim is not None]
        if found:
            test["exclusions"] = found
        accepted = self._claim(test) if c.chance(15) else None
        if accepted is not None:
            accepted_on = month_after(self.months[-1]) + timedelta(days=c.one_of((-20, 0, 1)))
            document["exclusion_decisions"] = [{"id": "D-1", **accepted, "accepted_on": accepted_on}]

    def _add_index_values(self, document: Document, test: Document) -> None:
        c = self.choices
        missing_pct = c.weighted((60, 0), (40, 15))
        of_file: Document = {}
        of_test: Document = {}
        for month in [month_after(self.months[0], -2), month_after(self.months[0], -1), *self.months]:
            if not c.chance(missing_pct):
                of_file[f"{month:%Y-%m}"] = c.one_of(("312.1", "250", "249.9", "100.05"))
            if month in self.months and c.chance(5):
                of_test[f"{month:%Y-%m}"] = c.one_of(("301.7", "260"))
        document["index_values"] = {"SYNTEC": of_file} if of_file else {}
        if of_test:
            test["index_values"] = {"SYNTEC": of_test}

    def _add_as_of(self, test: Document) -> None:
        c = self.choices
        kind = c.weighted((72, "end"), (10, "month"), (10, "day"), (8, "event"))
        at_us = None
        if kind == "month":
            at_us = midnight_us(c.one_of(self.months), self.zone)
        elif kind == "day":
            at_us = midnight_us(c.one_of(self.months), self.zone) + c.below(28) * DAY_US + 12 * HOUR_US
        elif kind == "event" and test["tickets"]:
            test["as_of"] = test["tickets"][-1]["events"][-1]["at"]
        if at_us is not None and self._starts_us < at_us <= self._ends_us:
            test["as_of"] = self._text(at_us)


# --- What makes a difference ------------------------------------------------------------------------------


def coverage(generated_cases: Iterable[Case], judged: Iterable[Judged]) -> Counter[str]:
    """Count the cases in which each formula, aggregation, step and rule changes an amount or a verdict."""
    counted: Counter[str] = Counter()
    for case, result in zip(generated_cases, judged, strict=True):
        counted.update(_differences(case, result))
    return counted


def _differences(case: Case, result: Judged) -> set[str]:
    seen = {f"minor_units:{case.contract.minor_units}" for line in result.lines if line.credit}
    window = result.facts.window
    for event in (*result.facts.clocks, *result.facts.milestones):
        seen.add(f"{event.clause.indicator.kind}:{event.clause.objective.aggregation}:{event.outcome}")
    for figure in result.facts.figures:
        indicator = figure.clause.indicator
        kind = getattr(indicator, "method", indicator.kind)
        seen.add(f"{kind}:{figure.clause.objective.aggregation}:{figure.outcome}")
        if (
            figure.measure is not None
            and figure.outcome == "met"
            and figure.measure == figure.clause.objective.value
        ):
            seen.add(f"{kind}:exactly on the level is met")
        if figure.measure != figure.judged:
            seen.add("rounding_before_banding")
    for line in result.lines:
        seen |= _differences_of_line(line)
        if line.kind == EARN_BACK:
            seen.add("earn_back:level" if is_judged_by_month(line.clause) else "earn_back:each")
        if (
            line.part.days < window.days_in_force(line.part.month)
            and is_judged_by_month(line.clause)
            and line.formula
        ):
            seen.add("part of a month priced")
    of_months: dict[date, set[int]] = {}
    for line in result.lines:
        of_months.setdefault(line.origin_month, set()).add(line.version_no)
    if any(len(versions) > 1 for versions in of_months.values()):
        seen.add("two versions charge in one month")
    if case.test.as_of is not None and result.lines:
        seen.add("lines before the end of the window")
    if len(window.months) > 11 and result.lines:
        seen.add("twelve months and more")
    return seen


def _differences_of_line(line: Line) -> set[str]:
    penalty = line.clause.penalty
    seen = {f"kind:{line.kind}"}
    if line.credit is None:
        seen.add("credit:unknown")
    if line.kind == EXEMPTION_RELEASE:
        return seen | {"exemption:release"}
    if line.kind == EARN_BACK:
        return seen
    if line.formula:
        seen.add(f"formula:{penalty.formula}")
        for term in ("on", "units"):
            if hasattr(penalty, term):
                seen.add(f"formula:{penalty.formula}:{term}:{getattr(penalty, term)}")
        if penalty.formula == "tiers":
            seen.add(f"formula:tiers:{penalty.bands[0].price_kind}")
        if getattr(penalty, "base", None) is not None:
            seen.add(f"base:{penalty.base}:{'month' if is_judged_by_month(line.clause) else 'event'}")
    if line.formula is None:
        seen.add("formula:unknown")
    if line.repeat != line.formula:
        seen.add("repeat")
    if line.event_cap != line.non_cumulation:
        seen.add("event_cap")
    for group in line.part.stage.terms.non_cumulation.values():
        if line.clause.id in group.clauses and line.repeat != line.non_cumulation:
            how = (
                f"{group.keep}:{'choice' if group.choice else 'highest'}"
                if group.keep == "customer_choice"
                else group.keep
            )
            seen.add(f"non_cumulation:{group.per}:{how}")
    seen |= {f"cap:{mark}" for mark in line.marks}
    threshold = line.part.stage.terms.exemption
    if threshold is not None and line.rolling_cap:
        seen.add(f"exemption:{threshold.over}:{'exempt' if line.exemption == 0 else 'due'}")
    if line.indexation != line.exemption:
        seen.add("indexation" if line.indexation is not None else "indexation:unknown")
    return seen
