"""The six vendors of the demo world: who they are, and the terms that the truth is computed from.

The terms stand here a second time, in plain Python, on purpose. The contracts under
``contracts/demo/`` are what the warehouse reads; this file is what the oracle (``truth.py``) reads.
A test compares the two field by field, so neither can drift from the other unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from avoir.demo.months import Month

WORLD_VERSION = 3
"""Raise it whenever the same seed would give other bytes: an existing world is then rebuilt."""

DEFAULT_SEED = 20250101

FIRST_MONTH = Month(2025, 1)
LAST_MONTH = Month(2026, 6)

AS_OF = datetime(2026, 7, 8, 4, 0, 0, tzinfo=UTC)
"""The instant at which the world stands still: nothing in it happened later."""

PROBE_INTERVAL_SECONDS = 300

UnknownPolicy = Literal["down", "up", "exclude"]
ProportionalOn = Literal["whole_downtime", "excess"]
DayKind = Literal["calendar", "business"]


@dataclass(frozen=True)
class CalendarTerms:
    """Opening hours in the contract's zone. A period is ``"09:00-12:30"``, local and half-open.

    A closed day beats a half day, a half day beats a public holiday, and that beats the week.
    """

    calendar_id: str
    weekly: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    always: bool = False
    country: str | None = None
    subdivision: str | None = None
    closed: tuple[date, ...] = ()
    half_days: Mapping[date, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.always == bool(self.weekly):
            msg = f"calendar {self.calendar_id} needs either weekly hours or always, not both and not neither"
            raise ValueError(msg)


@dataclass(frozen=True)
class SupportTerms:
    """SLA-1: first response within ``target_minutes`` business minutes, else a share of the invoice."""

    calendar_id: str
    target_minutes: int
    rate_pct: Decimal
    cap_pct: Decimal | None

    @property
    def target_seconds(self) -> int:
        return self.target_minutes * 60


@dataclass(frozen=True)
class PlatformTerms:
    """SLA-2: monthly availability, a credit in proportion to the downtime when it is missed."""

    target_pct: Decimal
    unknown: UnknownPolicy
    on: ProportionalOn
    notice_hours: int


@dataclass(frozen=True)
class ReleaseTerms:
    """SLA-3: releases delivered by the validated plan, a fixed amount for each late one."""

    day_kind: DayKind
    calendar_id: str
    replan_notice_days: int
    amount: Decimal


@dataclass(frozen=True)
class TermsVersion:
    """The whole of a contract from ``effective_from`` until the next version's."""

    version: int
    effective_from: date
    calendars: tuple[CalendarTerms, ...]
    support: SupportTerms
    platform: PlatformTerms
    releases: ReleaseTerms

    def calendar(self, calendar_id: str) -> CalendarTerms:
        return next(calendar for calendar in self.calendars if calendar.calendar_id == calendar_id)


@dataclass(frozen=True)
class Vat:
    """How the vendor's invoices are taxed: an EN 16931 category, its rate and the reason when it is zero."""

    category: str
    rate_pct: Decimal
    exemption_reason: str = ""
    exemption_code: str = ""


FRENCH_VAT = Vat("S", Decimal("20.00"))
REVERSE_CHARGE = Vat("AE", Decimal("0.00"), "Reverse charge", "VATEX-EU-AE")


@dataclass(frozen=True)
class Party:
    """A seller or a buyer on an invoice. ``vat_id`` starts with its country's two letters."""

    name: str
    party_id: str
    vat_id: str
    street: str
    postcode: str
    city: str
    country: str


BUYER = Party("Orvane Assurances SA", "ORVANE", "FR40303265045", "14 quai Perrache", "69002", "Lyon", "FR")


@dataclass(frozen=True)
class Priced:
    """One line of every monthly invoice: what the vendor calls the service, its unit and its price."""

    item_id: str
    name: str
    unit: str
    quantity: Decimal
    price: Decimal
    spread: Decimal = Decimal(0)
    """Relative swing of the quantity from month to month; 0 for a flat fee."""


@dataclass(frozen=True)
class Vendor:
    """A vendor's contract and character. Services are always ``support``, ``platform``, ``releases``."""

    vendor_id: str
    name: str
    contract_id: str
    contract_name: str
    currency: str
    timezone: str
    versions: tuple[TermsVersion, ...]
    seller: Party
    vat: Vat
    invoice_format: Literal["factur-x", "ubl"]
    invoice_prefix: str
    lines: Mapping[str, Priced]
    tickets_per_month: int
    miss_rate: float
    """Share of ordinary tickets answered after the target."""
    seasons: Mapping[int, float]
    """Calendar month to the factor on the ticket volume; 1 where missing."""
    sends_auto_replies: bool
    pages_badly: bool
    weekend_share: float
    """How likely a ticket falls on a Saturday or Sunday, against a weekday."""
    probe_offset_ms: int
    probe_jitter_ms: int
    outage_rate: float
    corrected_months: Mapping[Month, date] = field(default_factory=dict)
    """Months whose invoice is corrected (type 384), with the day on which the correction is dropped."""
    credited_months: Sequence[Month] = ()
    """Months for which a credit note (type 381) follows."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def servicenow_source(self) -> str:
        return f"{self.vendor_id}_servicenow"

    @property
    def prometheus_source(self) -> str:
        return f"{self.vendor_id}_prometheus"

    @property
    def invoices_source(self) -> str:
        return f"{self.vendor_id}_invoices"

    @property
    def monitor(self) -> str:
        """Prometheus job and ServiceNow configuration item of the platform."""
        return f"{self.vendor_id}-platform"

    def version_on(self, day: date) -> TermsVersion | None:
        """The version in force on a local date, or None before the contract began."""
        in_force = [version for version in self.versions if version.effective_from <= day]
        return in_force[-1] if in_force else None


SUPPORT_SERVICE = "user-support"
"""``business_service`` of the tickets that a support clause judges."""

RELEASE_SERVICE = "applications"
"""``business_service`` of the releases that a release clause judges."""

SERVICENOW_USER = "avoir"

_CONTRACT_START = date(2025, 1, 1)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
_EUROPEAN_SEASONS = {1: 1.0, 2: 0.95, 5: 0.9, 7: 0.88, 8: 0.72, 9: 1.12, 11: 1.08, 12: 1.22}
_AMERICAN_SEASONS = {2: 0.95, 6: 0.95, 7: 0.85, 8: 0.8, 10: 1.05, 11: 0.95, 12: 1.2}
_INDIAN_SEASONS = {3: 1.2, 4: 1.05, 8: 0.82, 10: 0.8, 11: 0.9, 12: 1.18}


def _week(*hours: str, **other_days: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(_WEEKDAYS, hours) | other_days


HELIOS = Vendor(
    vendor_id="helios",
    name="Helios IT",
    contract_id="HEL-2024-01",
    contract_name="IT services by Helios",
    currency="EUR",
    timezone="Europe/Paris",
    versions=(
        TermsVersion(
            1,
            _CONTRACT_START,
            (
                CalendarTerms(
                    "office",
                    _week("09:00-12:30", "13:30-18:00", fri=("09:00-12:30", "13:30-17:00")),
                    country="FR",
                    closed=(date(2025, 5, 30), date(2025, 12, 26), date(2026, 5, 15)),
                    half_days={date(2025, 12, 24): ("09:00-12:30",), date(2025, 12, 31): ("09:00-12:30",)},
                ),
            ),
            SupportTerms("office", 30, Decimal(5), Decimal(15)),
            PlatformTerms(Decimal("99.5"), "exclude", "whole_downtime", 72),
            ReleaseTerms("calendar", "office", 10, Decimal("750.00")),
        ),
    ),
    seller=Party("Helios IT SAS", "HELIOS", "FR83404833048", "8 rue des Ateliers", "75011", "Paris", "FR"),
    vat=FRENCH_VAT,
    invoice_format="factur-x",
    invoice_prefix="HEL",
    lines={
        "support": Priced("SUP", "User support", "HUR", Decimal(310), Decimal("42.50"), Decimal("0.15")),
        "platform": Priced("PLT", "Workplace platform", "MON", Decimal(1), Decimal("9650.00")),
        "releases": Priced("REL", "Releases", "DAY", Decimal(11), Decimal("585.00"), Decimal("0.30")),
    },
    tickets_per_month=66,
    miss_rate=0.022,
    seasons=_EUROPEAN_SEASONS,
    sends_auto_replies=True,
    pages_badly=False,
    weekend_share=0.10,
    probe_offset_ms=17_000,
    probe_jitter_ms=0,
    outage_rate=1.0,
    credited_months=(Month(2025, 5), Month(2026, 2)),
)

BOREALIS = Vendor(
    vendor_id="borealis",
    name="Borealis Hosting",
    contract_id="BOR-2023-07",
    contract_name="Managed hosting by Borealis",
    currency="EUR",
    timezone="Europe/Paris",
    versions=(
        TermsVersion(
            1,
            _CONTRACT_START,
            (
                CalendarTerms("continuous", always=True),
                CalendarTerms("office", _week("09:00-18:00"), country="FR", subdivision="57"),
            ),
            SupportTerms("continuous", 30, Decimal(5), Decimal(20)),
            PlatformTerms(Decimal("99.5"), "down", "excess", 120),
            ReleaseTerms("business", "office", 10, Decimal("400.00")),
        ),
    ),
    seller=Party(
        "Borealis SARL", "BOREALIS", "FR61751204890", "3 rue du Pont des Morts", "57000", "Metz", "FR"
    ),
    vat=FRENCH_VAT,
    invoice_format="ubl",
    invoice_prefix="B",
    lines={
        "support": Priced(
            "OPS-24", "Round-the-clock operations", "HUR", Decimal(150), Decimal("61.20"), Decimal("0.10")
        ),
        "platform": Priced("HOST", "Managed hosting", "MON", Decimal(1), Decimal("18400.00")),
        "releases": Priced("DEPLOY", "Deployments", "DAY", Decimal(6), Decimal("640.00"), Decimal("0.30")),
    },
    tickets_per_month=60,
    miss_rate=0.02,
    seasons=_EUROPEAN_SEASONS,
    sends_auto_replies=True,
    pages_badly=False,
    weekend_share=0.60,
    probe_offset_ms=41_000,
    probe_jitter_ms=0,
    outage_rate=0.8,
    corrected_months={Month(2025, 9): date(2025, 10, 24), Month(2026, 3): date(2026, 4, 28)},
)

KAVERI = Vendor(
    vendor_id="kaveri",
    name="Kaveri Software Labs",
    contract_id="KAV-2024-11",
    contract_name="Offshore development by Kaveri",
    currency="EUR",
    timezone="Asia/Kolkata",
    versions=(
        TermsVersion(
            1,
            _CONTRACT_START,
            (
                CalendarTerms(
                    "bengaluru",
                    _week("10:00-13:30", "14:30-19:00", sat=("10:00-14:00",)),
                    country="IN",
                    subdivision="KA",
                    closed=(date(2025, 10, 22), date(2026, 1, 2)),
                    half_days={date(2025, 10, 21): ("10:00-13:30",), date(2025, 12, 31): ("10:00-13:30",)},
                ),
            ),
            SupportTerms("bengaluru", 30, Decimal(5), Decimal(15)),
            PlatformTerms(Decimal("99.5"), "up", "whole_downtime", 48),
            ReleaseTerms("business", "bengaluru", 15, Decimal("1200.00")),
        ),
    ),
    seller=Party(
        "Kaveri Software Labs Pvt Ltd",
        "KAVERI",
        "IN29AAGCK4127P1ZQ",
        "41 Residency Road",
        "560025",
        "Bengaluru",
        "IN",
    ),
    vat=REVERSE_CHARGE,
    invoice_format="factur-x",
    invoice_prefix="KSL",
    lines={
        "support": Priced(
            "L2SUP", "Second-line support", "HUR", Decimal(420), Decimal("23.75"), Decimal("0.12")
        ),
        "platform": Priced("STAGING", "Integration platform", "MON", Decimal(1), Decimal("5210.00")),
        "releases": Priced(
            "DEV", "Development and releases", "DAY", Decimal(64), Decimal("212.40"), Decimal("0.20")
        ),
    },
    tickets_per_month=70,
    miss_rate=0.03,
    seasons=_INDIAN_SEASONS,
    sends_auto_replies=False,
    pages_badly=True,
    weekend_share=0.25,
    probe_offset_ms=8_000,
    probe_jitter_ms=240,
    outage_rate=1.3,
)

HUDSON = Vendor(
    vendor_id="hudson",
    name="Hudson Application Services",
    contract_id="HUD-2024-05",
    contract_name="Application services by Hudson",
    currency="USD",
    timezone="America/New_York",
    versions=(
        TermsVersion(
            1,
            _CONTRACT_START,
            (
                CalendarTerms(
                    "desk",
                    _week("08:00-20:00"),
                    country="US",
                    subdivision="NY",
                    closed=(date(2025, 11, 28),),
                    half_days={date(2025, 7, 3): ("08:00-13:00",), date(2025, 12, 24): ("08:00-13:00",)},
                ),
            ),
            SupportTerms("desk", 30, Decimal(5), Decimal(10)),
            PlatformTerms(Decimal("99.5"), "exclude", "excess", 24),
            ReleaseTerms("calendar", "desk", 5, Decimal("900.00")),
        ),
    ),
    seller=Party(
        "Hudson Application Services LLC",
        "HUDSON",
        "US822914406",
        "210 Water Street",
        "10038",
        "New York",
        "US",
    ),
    vat=REVERSE_CHARGE,
    invoice_format="ubl",
    invoice_prefix="HAS",
    lines={
        "support": Priced(
            "AS-DESK", "Application desk", "HUR", Decimal(180), Decimal("78.00"), Decimal("0.15")
        ),
        "platform": Priced("AS-RUN", "Claims platform", "MON", Decimal(1), Decimal("12750.00")),
        "releases": Priced("AS-REL", "Release train", "DAY", Decimal(9), Decimal("930.00"), Decimal("0.25")),
    },
    tickets_per_month=62,
    miss_rate=0.018,
    seasons=_AMERICAN_SEASONS,
    sends_auto_replies=True,
    pages_badly=False,
    weekend_share=0.12,
    probe_offset_ms=23_500,
    probe_jitter_ms=0,
    outage_rate=1.1,
    credited_months=(Month(2025, 11),),
)

_TEJO_V1 = TermsVersion(
    1,
    _CONTRACT_START,
    (
        CalendarTerms(
            "lisboa",
            _week("08:30-12:30", "13:30-17:30"),
            country="PT",
            subdivision="11",
            half_days={date(2025, 12, 24): ("08:30-12:30",), date(2025, 12, 31): ("08:30-12:30",)},
        ),
    ),
    SupportTerms("lisboa", 30, Decimal(5), None),
    PlatformTerms(Decimal("99.5"), "down", "whole_downtime", 72),
    ReleaseTerms("calendar", "lisboa", 10, Decimal("500.00")),
)

TEJO = Vendor(
    vendor_id="tejo",
    name="Tejo Apoio Digital",
    contract_id="TEJ-2024-02",
    contract_name="Nearshore service desk by Tejo",
    currency="EUR",
    timezone="Europe/Lisbon",
    versions=(
        _TEJO_V1,
        TermsVersion(
            2,
            date(2025, 7, 1),
            (
                CalendarTerms(
                    "lisboa",
                    _week("08:00-20:00", sat=("09:00-13:00",)),
                    country="PT",
                    subdivision="11",
                    half_days={date(2025, 12, 24): ("08:00-13:00",), date(2025, 12, 31): ("08:00-13:00",)},
                ),
            ),
            SupportTerms("lisboa", 20, Decimal(4), Decimal(20)),
            PlatformTerms(Decimal("99.7"), "down", "excess", 72),
            ReleaseTerms("calendar", "lisboa", 10, Decimal("650.00")),
        ),
    ),
    seller=Party(
        "Tejo Apoio Digital Lda", "TEJO", "PT514820973", "Rua do Alecrim 52", "1200-018", "Lisboa", "PT"
    ),
    vat=REVERSE_CHARGE,
    invoice_format="factur-x",
    invoice_prefix="FT-",
    lines={
        "support": Priced("APOIO", "Service desk", "HUR", Decimal(505), Decimal("27.90"), Decimal("0.12")),
        "platform": Priced("PORTAL", "Self-service portal", "MON", Decimal(1), Decimal("3980.00")),
        "releases": Priced(
            "ENTREGA", "Portal releases", "DAY", Decimal(8), Decimal("365.00"), Decimal("0.30")
        ),
    },
    tickets_per_month=72,
    miss_rate=0.025,
    seasons=_EUROPEAN_SEASONS,
    sends_auto_replies=True,
    pages_badly=False,
    weekend_share=0.15,
    probe_offset_ms=55_000,
    probe_jitter_ms=0,
    outage_rate=0.9,
    credited_months=(Month(2025, 8),),
)

THORNBURY = Vendor(
    vendor_id="thornbury",
    name="Thornbury Managed Services",
    contract_id="THO-2024-09",
    contract_name="Managed services by Thornbury",
    currency="GBP",
    timezone="Europe/London",
    versions=(
        TermsVersion(
            1,
            _CONTRACT_START,
            (
                CalendarTerms(
                    "extended",
                    _week("07:00-19:00", sat=("08:00-12:00",)),
                    country="GB",
                    subdivision="ENG",
                    half_days={date(2025, 12, 24): ("07:00-13:00",)},
                ),
            ),
            SupportTerms("extended", 30, Decimal(5), None),
            PlatformTerms(Decimal("99.5"), "exclude", "whole_downtime", 72),
            ReleaseTerms("business", "extended", 10, Decimal("600.00")),
        ),
    ),
    seller=Party(
        "Thornbury Managed Services Ltd",
        "THORNBURY",
        "GB318274405",
        "7 Castle Street",
        "BS35 1HB",
        "Thornbury",
        "GB",
    ),
    vat=REVERSE_CHARGE,
    invoice_format="ubl",
    invoice_prefix="TMS",
    lines={
        "support": Priced("SD", "Service desk", "HUR", Decimal(240), Decimal("38.60"), Decimal("0.15")),
        "platform": Priced("CLOUD", "Managed cloud", "MON", Decimal(1), Decimal("7340.00")),
        "releases": Priced("CHG", "Change delivery", "DAY", Decimal(10), Decimal("520.00"), Decimal("0.25")),
    },
    tickets_per_month=64,
    miss_rate=0.015,
    seasons=_EUROPEAN_SEASONS,
    sends_auto_replies=False,
    pages_badly=False,
    weekend_share=0.15,
    probe_offset_ms=31_000,
    probe_jitter_ms=125,
    outage_rate=1.0,
    credited_months=(Month(2026, 1),),
)

VENDORS: Mapping[str, Vendor] = {
    vendor.vendor_id: vendor for vendor in (HELIOS, BOREALIS, KAVERI, HUDSON, TEJO, THORNBURY)
}
