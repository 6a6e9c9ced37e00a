"""Contracts with a worked test each, as a property test wants them: small, odd, rich in what can be agreed.

A case is read off a string of bytes, one choice per byte, so that drawing one is a single draw and shrinking
it means smaller bytes: every first option is the plainest. :func:`generated` collects cases by a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded_with
from hypothesis import strategies as st

from avoir.contracts.model import Contract, WorkedTest
from tests.oracle.business_time import month_after
from tests.oracle.choices import Choices
from tests.oracle.drafting import CALENDARS, MINOR_UNITS, ZONES, Document
from tests.oracle.drafting_contracts import ContractDrafting
from tests.oracle.drafting_tests import HistoryDrafting

BYTES_OF_A_CASE = 1_000


@dataclass
class _CaseDrafting(ContractDrafting, HistoryDrafting):
    """One document, made choice by choice."""

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
    document = _CaseDrafting(Choices(entropy)).document()
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
