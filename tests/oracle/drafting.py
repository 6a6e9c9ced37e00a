"""What a made-up contract and its test have in common: zones, calendars, kinds of promises, and the draft."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.oracle.business_time import SECOND_US, midnight_us, month_after
from tests.oracle.choices import Choices

Document = dict[str, Any]

MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US

ZONES = ("Europe/Paris", "America/New_York", "UTC", "Asia/Tokyo", "Australia/Lord_Howe", "Europe/Dublin")
MINOR_UNITS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
CLAUSE_IDS = ("SLA-2", "sla-1", "SLA-10")
TICKET_NAMES = ("T2", "t1", "T-10", "T 4", "Ü5", "T10", "T1")
RELEASE_NAMES = ("R2", "r1", "R-10", "R10", "R1")
DST_SUNDAYS = {
    "Europe/Paris": (date(2025, 3, 30), date(2025, 10, 26)),
    "America/New_York": (date(2025, 3, 9), date(2025, 11, 2)),
    "Australia/Lord_Howe": (date(2025, 4, 6), date(2025, 10, 5)),
    "Europe/Dublin": (date(2025, 3, 30), date(2025, 10, 26)),
    "Africa/Casablanca": (date(2025, 2, 23), date(2025, 4, 6)),
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
    {
        "id": "lord-howe-nights",
        "timezone": "Australia/Lord_Howe",
        # More pieces than a day of calendar_days has columns for.
        "weekly": {
            day: [
                "01:15-02:20",
                *("10:00-10:50", "11:00-11:40", "11:50-12:20", "12:30-13:10", "13:20-14:00", "14:10-14:40"),
                *("14:50-15:10", "15:20-16:00"),
            ]
            for day in _ALL_WEEK
        },
    },
    {
        "id": "casablanca-ramadan",
        "timezone": "Africa/Casablanca",
        "weekly": {day: ["02:30-06:00", "09:00-12:00", "13:00-14:30", "15:00-17:00"] for day in _ALL_WEEK},
    },
)
OPENS_AT_US = {
    "always": 9 * HOUR_US,
    "paris-office": 9 * HOUR_US,
    "new-york-long": 7 * HOUR_US,
    "tokyo-plain": 9 * HOUR_US,
    "paris-nights": 0,
    "new-york-whole-days": 0,
    "lord-howe-nights": 75 * MINUTE_US,
    "casablanca-ramadan": 150 * MINUTE_US,
}


@dataclass(frozen=True)
class Family:
    """What kind of promise a clause is: its indicator and aggregation, and the units its penalty may use.

    The kind is ``clock``, ``milestone``, or the method of an availability.
    """

    kind: str
    aggregation: str = "each"

    @property
    def is_availability(self) -> bool:
        return self.kind in METHODS

    @property
    def by_month(self) -> bool:
        return self.is_availability or self.aggregation != "each"

    @property
    def in_pct(self) -> bool:
        return self.is_availability or self.aggregation == "ratio"


METHODS = ("minutes", "mean_of_slices", "deployed_minutes", "service_hours", "executions")
COUNTING_SAMPLES = ("mean_of_slices", "executions")
MINIMUM_SECONDS = (720, 3_600, 129_600, 86_400, 43_201)
FAMILIES = (
    (24, Family("clock")),
    (9, Family("clock", "ratio")),
    (5, Family("clock", "average")),
    (5, Family("clock", "percentile")),
    (11, Family("minutes")),
    (7, Family("mean_of_slices")),
    (6, Family("deployed_minutes")),
    (7, Family("service_hours")),
    (6, Family("executions")),
    (10, Family("milestone")),
    (4, Family("milestone", "ratio")),
    (3, Family("milestone", "average")),
    (3, Family("milestone", "percentile")),
)


@dataclass
class Drafting:
    """One document as it grows, choice by choice: what later parts may refer to.

    ``fixed`` says of each service whether its fee is, ``monitors`` how many watch it.
    """

    choices: Choices
    zone: str = "UTC"
    digits: int = 2
    months: list[date] = field(default_factory=list)
    families: dict[str, Family] = field(default_factory=dict)
    clauses: dict[str, Document] = field(default_factory=dict)
    fixed: dict[str, bool] = field(default_factory=dict)
    monitors: dict[str, int] = field(default_factory=dict)

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
