"""Versions of a made-up contract: services, terms, amendments, and the bounds between clauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tests.oracle.drafting import CLAUSE_IDS, Document
from tests.oracle.drafting_clauses import ClauseDrafting


@dataclass
class ContractDrafting(ClauseDrafting):
    """Drafts the versions of a contract."""

    # Versions.

    def _versions(self) -> list[Document]:
        c = self.choices
        services = ["desk", "platform"][: 1 + c.below(2)]
        mode = c.weighted((30, "plain"), (35, "earn_back"), (35, "exemption"))
        self.fixed = {service: c.chance(35) for service in services}
        self.monitors = {service: c.weighted((50, 1), (28, 2), (22, 3)) for service in services}
        self.has_points = c.chance(35)
        self.can_earn_back = mode == "earn_back"
        self.has_threshold = mode == "exemption"
        first: Document = {
            "version": 1,
            "effective_from": c.weighted(
                (57, date(2024, 6, 1)),
                (23, self.months[0]),
                (14, self.months[0] + timedelta(days=10)),
                (6, self.months[min(1, len(self.months) - 1)]),
            ),
            "document_sha256": "0" * 64,
            "services": [self._service(service) for service in services],
            "order_amount": self._money(50_000, 10_000, 9_999),
        }
        if self.has_points:
            first["service_points"] = self._service_points()
        for clause_id in CLAUSE_IDS[: c.weighted((30, 1), (40, 2), (30, 3))]:
            self._add_clause(clause_id, services)
        first["clauses"] = list(self.clauses.values())
        if len(self.clauses) > 1 and c.chance(55):
            first["non_cumulation"] = [self._group()]
        first["caps"] = self._caps(services, c.weighted((35, 0), (35, 1), (20, 2), (10, 3)))
        if len(self.months) > 12 and not any(cap["per"] == "rolling_12_months" for cap in first["caps"]):
            rolling = {"id": "cap-year", "per": "rolling_12_months", "scope": "contract"}
            first["caps"].append(rolling | {"amount": self._money(200, 1_000)})
        if mode == "exemption":
            first["exemption"] = self._exemption()
        if c.chance(50 if self.has_threshold else 30):
            first["indexation"] = self._indexation()
        first["exclusions"] = [
            {"id": "force-majeure", "title": "Force majeure"},
            {"id": "customer", "title": "By the customer", "clauses": [c.one_of(tuple(self.clauses))]},
        ]
        versions = [first]
        if c.chance(45):
            versions.append(self._amendment(first, services, mode))
        last_from = max(
            versions[-1]["effective_from"], c.one_of((self.months[-1], self.months[len(self.months) // 2]))
        )
        if c.chance(12):
            versions[-1]["effective_to"] = last_from + timedelta(days=1 + c.below(25))
        return versions

    def _service(self, service: str) -> Document:
        fee: Document = {"kind": "invoice_lines"}
        if self.fixed[service]:
            fee = {"kind": "fixed", "amount": self._money(2_000, 10_000, 333)}
        kinds = ("ticket", "release", "maintenance", "invoice_line")
        keys = [{"source": "made_up", "kind": kind, "value": f"{service}-{kind}"} for kind in kinds]
        keys += [
            {"source": "made_up", "kind": "monitor", "value": f"{service}-{number}"}
            for number in range(self.monitors[service])
        ]
        return {"id": service, "name": service.title(), "fee": fee, "keys": keys}

    def _service_points(self) -> Document:
        if self.choices.chance(40):
            bases = ["month_invoice", "service_lines", "order_amount"]
            if all(self.fixed.values()):
                bases.append("fixed_fee")
            rate, base = self.choices.one_of(("0.5", 1)), self.choices.one_of(bases)
            self.points_by_month = base != "order_amount"
            return {"point_rate_pct": rate, "base": base}
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

    def _amendment(self, first: Document, services: Sequence[str], mode: str) -> Document:
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
            self.fixed[service] = True  # Never the other way round: a base may stand on it.
            self.monitors[service] += c.below(2)  # A quorum may need all that there are.
            version["services"] = [self._service(service)]
        if mode == "exemption" and c.chance(30):
            removed["terms"].append("exemption")
            self.can_earn_back = True
        elif (mode == "exemption" and c.chance(40)) or (mode == "plain" and c.chance(20)):
            version["exemption"] = self._exemption()
        if c.chance(25):
            version["order_amount"] = self._money(60_000, 5_000)
        if "indexation" in first and c.chance(30):
            version["indexation"] = self._indexation()
        for clause_id in tuple(self.clauses):
            if c.chance(55):
                amended = self._amended(clause_id)
                if any(cap["per"] == "month" and cap.get("clause") == clause_id for cap in first["caps"]):
                    amended["penalty"].pop("month_cap", None)
                version["clauses"].append(amended)
        for cap in first["caps"]:
            change = c.weighted((50, "keep"), (30, "change"), (20, "remove"))
            if change == "change":
                version["caps"].append({**cap, **self._limit(cap["scope"], cap.get("service"))})
            elif change == "remove":
                removed["caps"].append(cap["id"])
        if not first["caps"] and c.chance(30):
            added = self._caps(services, 1)
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

    def _caps(self, services: Sequence[str], count: int) -> list[Document]:
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
            cap |= self._limit(scope, service)
            if per == "month" and "month_cap" in self.clauses.get(cap.get("clause", ""), {}).get(
                "penalty", {}
            ):
                continue  # The clause's own cap of the month bounds the same.
            caps.setdefault((per, scope, str(cap.get("clause") or cap.get("service"))), cap)
        return list(caps.values())

    def _limit(self, scope: str, service: str | None) -> Document:
        c = self.choices
        which = c.weighted((45, "pct"), (40, "amount"), (15, "both"))
        limit: Document = {"amount": None, "pct": None, "of": None}
        if which != "amount":
            bases = ["month_invoice", "order_amount", "month_invoice"]
            if scope != "contract":
                bases.append("service_lines")
            if service is not None and self.fixed[service]:
                bases += ["fixed_fee", "fixed_fee"]
            limit["pct"], limit["of"] = c.one_of((5, 2, 1)), c.one_of(bases)
        if which != "pct":
            limit["amount"] = self._money(500, 1_000, 200, 50)
        return limit
