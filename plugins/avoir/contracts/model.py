"""The typed model of a contract file: the format's vocabulary, in the field's terms.

Strict, closed and frozen: a word the format does not know is a mistake, never ignored. Numbers are exact
decimals, as the contract prints them. Rules that need more than one part of the file are in
:mod:`avoir.contracts.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import available_timezones

import holidays as holiday_library
from iso4217 import Currency
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from avoir.contracts.problems import choose_among

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 24 * 60
MAX_OPENINGS_PER_DAY = 6
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)

# Subdivisions that the holidays library once had and still takes without a word, now without their holidays.
_RENAMED_SUBDIVISIONS = {
    ("FR", "GES"): "57 (Moselle) or 6AE (Alsace)",
    ("FR", "Alsace-Moselle"): "57 (Moselle) or 6AE (Alsace)",
    ("FR", "Métropole"): "null",
}


def refusal(message: str, mend: str) -> PydanticCustomError:
    """Return the error that says what is wrong and how to mend it."""
    return PydanticCustomError("refused", "{message}", {"message": message, "mend": mend})


# --- Scalars ----------------------------------------------------------------------------------------------


def _exact(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,12})?", value):
            raise refusal(
                f"{value!r} is not a decimal number", 'write digits and a point, for example "750.00"'
            )
        return Decimal(value)
    return value


def _decimal_text(value: Decimal) -> str:
    """Return one spelling for equal numbers, so that 5 and 5.00 are the same content."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _iso_date(value: object) -> object:
    if isinstance(value, str):
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise refusal(f"{value!r} is not a date", "write a date of the calendar as YYYY-MM-DD")
    return value


def _day_in_use(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise refusal(f"no contract is counted on {day}", f"write a date between {FIRST_DAY} and {LAST_DAY}")
    return day


@cache
def known_zones() -> frozenset[str]:
    """Return the zones of the IANA database by name, without those that only mean "this machine"."""
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})


def _known_zone(name: str) -> str:
    if name not in known_zones():
        raise refusal(
            f"{name} is not a zone of the IANA database", choose_among(name, sorted(known_zones()), at_most=4)
        )
    return name


@cache
def minor_units_by_currency() -> Mapping[str, int]:
    """Return the digits after the point of each ISO 4217 currency that has any business in an invoice."""
    return {str(c.code): int(c.exponent) for c in Currency if c.exponent is not None}


def _known_currency(code: str) -> str:
    if code not in minor_units_by_currency():
        mend = choose_among(code, sorted(minor_units_by_currency()), at_most=4)
        raise refusal(f"{code} is not an ISO 4217 currency", mend)
    return code


@cache
def subdivisions_by_country() -> Mapping[str, tuple[str, ...]]:
    """Return the subdivisions for which the holidays library has rules, by ISO 3166 country code."""
    countries: Mapping[str, list[str]] = holiday_library.list_supported_countries(include_aliases=False)
    return {country: tuple(subdivisions) for country, subdivisions in countries.items()}


def _known_country(code: str) -> str:
    if code not in subdivisions_by_country():
        mend = choose_among(code, sorted(subdivisions_by_country()), at_most=4)
        raise refusal(
            f"no holidays are known for the country {code}", f"{mend}; codes are ISO 3166, such as FR"
        )
    return code


def _number_schema(**bounds: int) -> WithJsonSchema:
    text = {"type": "string", "pattern": r"^-?[0-9]{1,30}(\.[0-9]{1,12})?$"}
    return WithJsonSchema({"anyOf": [{"type": "number", **bounds}, text]})


Exact = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(_decimal_text, when_used="json")]
Level = Annotated[Exact, Field(ge=0, max_digits=18), _number_schema(minimum=0)]
Percent = Annotated[
    Exact, Field(gt=0, le=100, max_digits=12), _number_schema(exclusiveMinimum=0, maximum=100)
]
Amount = Annotated[Exact, Field(gt=0, max_digits=24), _number_schema(exclusiveMinimum=0)]
Hours = Annotated[Exact, Field(ge=0, le=8784, max_digits=12), _number_schema(minimum=0, maximum=8784)]
IsoDate = Annotated[date, BeforeValidator(_iso_date)]
DayInUse = Annotated[IsoDate, AfterValidator(_day_in_use)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Title = Annotated[str, Field(min_length=1, max_length=200)]
ZoneName = Annotated[
    str,
    AfterValidator(_known_zone),
    Field(description="A zone of the IANA database.", examples=["Europe/Paris"]),
]
CurrencyCode = Annotated[
    str,
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "enum": sorted(minor_units_by_currency())}),
]
CountryCode = Annotated[
    str, AfterValidator(_known_country), Field(description="ISO 3166 code.", examples=["FR"])
]

_T = TypeVar("_T")
Listed = Annotated[tuple[_T, ...], Field(strict=False)]


class Part(BaseModel):
    """Base of every part of a contract: strict, closed and frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


# --- Calendars --------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True, slots=True)
class Opening:
    """Opening hours within one local day: minutes of the wall clock, half-open."""

    opens_minute: int
    closes_minute: int

    def __str__(self) -> str:
        """Return the hours as a contract file writes them."""
        ends = (divmod(self.opens_minute, 60), divmod(self.closes_minute, 60))
        return "-".join(f"{hour:02d}:{minute:02d}" for hour, minute in ends)


def parse_opening(value: object) -> object:
    """Read ``09:00-12:30``; ``24:00`` is the end of the day."""
    if isinstance(value, Opening):
        return value
    match = (
        re.fullmatch(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])", value)
        if isinstance(value, str)
        else None
    )
    if match is None:
        raise refusal(f"{value!r} is not a pair of times", 'write opening hours as "09:00-12:30"')
    h1, m1, h2, m2 = (int(part) for part in match.groups())
    opens, closes = h1 * 60 + m1, h2 * 60 + m2
    if opens >= MINUTES_PER_DAY or closes > MINUTES_PER_DAY:
        raise refusal(f"{value} goes past the end of the day", "the last time of a day is 24:00")
    if opens == closes:
        raise refusal(
            f"{value} opens and closes at the same time", "remove it, or write 00:00-24:00 for a whole day"
        )
    if opens > closes:
        first, second = Opening(opens, MINUTES_PER_DAY), Opening(0, closes)
        mend = f'write "{first}" on this day' + (f' and "{second}" on the next' if closes else "")
        raise refusal(f"{value} goes over midnight", mend)
    return Opening(opens, closes)


def _apart(openings: tuple[Opening, ...]) -> tuple[Opening, ...]:
    ordered = tuple(sorted(openings))
    for earlier, later in pairwise(ordered):
        if later.opens_minute < earlier.closes_minute:
            joined = Opening(earlier.opens_minute, max(earlier.closes_minute, later.closes_minute))
            raise refusal(f"{earlier} and {later} overlap", f'write "{joined}", or set them apart')
    return ordered


OpeningText = Annotated[
    Opening,
    BeforeValidator(parse_opening),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"}),
]
DayOpenings = Annotated[Listed[OpeningText], Field(max_length=MAX_OPENINGS_PER_DAY), AfterValidator(_apart)]


class Weekly(Part):
    """Opening hours by day of the week; a day that is left out is closed."""

    mon: DayOpenings = ()
    tue: DayOpenings = ()
    wed: DayOpenings = ()
    thu: DayOpenings = ()
    fri: DayOpenings = ()
    sat: DayOpenings = ()
    sun: DayOpenings = ()

    def of_weekday(self, weekday: int) -> tuple[Opening, ...]:
        """Return the hours of a weekday, Monday being 0."""
        openings: tuple[Opening, ...] = getattr(self, WEEKDAYS[weekday])
        return openings


class Holidays(Part):
    """Public holidays of a country, or of one of its subdivisions, as the holidays library lists them."""

    country: CountryCode
    subdivision: str | None = None

    @field_validator("subdivision")
    @classmethod
    def _known_subdivision(cls, subdivision: str | None, info: ValidationInfo) -> str | None:
        country = info.data.get("country")
        if subdivision is None or country is None:
            return subdivision
        known = subdivisions_by_country()[country]
        if subdivision not in known:
            renamed = _RENAMED_SUBDIVISIONS.get((country, subdivision))
            mend = f"write {renamed}" if renamed else choose_among(subdivision, known, at_most=20)
            raise refusal(f"{country} has no subdivision {subdivision} with holidays of its own", mend)
        return subdivision


class Calendar(Part):
    """When business time runs. For one date: half_days win over closed, closed over holidays, holidays over
    weekly.
    """

    id: Identifier
    timezone: ZoneName | None = Field(default=None, description="Defaults to the contract's zone.")
    weekly: Weekly | None = None
    always: bool = Field(default=False, description="Open at every instant (24/7), instead of weekly hours.")
    holidays: Holidays | None = None
    closed: Listed[DayInUse] = Field(default=(), description="Dates without business time.")
    half_days: dict[DayInUse, DayOpenings] = Field(
        default_factory=dict, description="Dates with these hours instead of any other, also on a holiday."
    )

    @model_validator(mode="after")
    def _one_kind_of_hours(self) -> Self:
        if self.always == (self.weekly is not None):
            raise refusal(
                f"calendar {self.id} needs either weekly hours or always: true",
                "write exactly one of the two",
            )
        if self.weekly is not None and not any(self.weekly.of_weekday(day) for day in range(7)):
            raise refusal(f"calendar {self.id} never opens", "write the hours of at least one weekday")
        if self.always and (self.holidays or self.closed or self.half_days):
            mend = 'remove them, or write weekly hours "00:00-24:00" for each day'
            raise refusal(f"calendar {self.id} is always open, yet has days with other hours", mend)
        both = sorted(set(self.closed) & set(self.half_days))
        if both:
            raise refusal(
                f"{both[0]} is both closed and a half day in calendar {self.id}",
                "keep it in one of the lists",
            )
        empty = sorted(day for day, openings in self.half_days.items() if not openings)
        if empty:
            raise refusal(f"the half day {empty[0]} of calendar {self.id} has no hours", "move it to closed")
        return self


# --- Services ---------------------------------------------------------------------------------------------


class KeyKind(StrEnum):
    """What a key of a source identifies."""

    TICKET = "ticket"
    MONITOR = "monitor"
    RELEASE = "release"
    MAINTENANCE = "maintenance"
    INVOICE_LINE = "invoice_line"
    INVOICE_SELLER = "invoice_seller"


LaxKeyKind = Annotated[KeyKind, Field(strict=False)]


class SourceKey(Part):
    """How a service is called in a source: the value found in that source's records."""

    source: SourceName
    kind: LaxKeyKind
    value: str = Field(min_length=1, max_length=500)

    @field_validator("value")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        if value != value.strip():
            raise refusal(f"the key {value!r} has blanks around it", f'write "{value.strip()}"')
        return value


class KeysFrom(Part):
    """Keys taken from the rows of a mapping file (CSV) under the contracts root."""

    file: str = Field(min_length=1, max_length=300)
    source: SourceName
    kind: LaxKeyKind
    value: str = Field(min_length=1, description="The column that holds the key.")
    where: dict[str, str] = Field(
        default_factory=dict, description="Only the rows whose columns have these texts."
    )


class InvoiceLinesFee(Part):
    """What the service costs is read from its lines on the invoices."""

    kind: Literal["invoice_lines"]


class FixedFee(Part):
    """A fixed fee per month, excluding VAT, in the contract's currency."""

    kind: Literal["fixed"]
    amount: Amount


class Service(Part):
    """A service of the contract, its fee, and its names in the sources."""

    id: Identifier
    name: Title
    fee: Annotated[InvoiceLinesFee | FixedFee, Field(discriminator="kind")]
    keys: Listed[SourceKey] = ()
    keys_from: Listed[KeysFrom] = ()


# --- Clauses ----------------------------------------------------------------------------------------------


class TicketField(StrEnum):
    """What a ticket's event may be about."""

    CREATED = "created"
    STATE = "state"
    HOLD_REASON = "hold_reason"
    PRIORITY = "priority"
    ASSIGNMENT_GROUP = "assignment_group"
    PUBLIC_COMMENT_VENDOR = "public_comment_vendor"
    PUBLIC_COMMENT_CUSTOMER = "public_comment_customer"
    PRIVATE_NOTE = "private_note"
    AUTO_REPLY = "auto_reply"

    @property
    def holds_a_value(self) -> bool:
        """Whether the field keeps a value between events, so that a clock can pause while it does."""
        return self in {self.STATE, self.HOLD_REASON, self.PRIORITY, self.ASSIGNMENT_GROUP}


class ClockCondition(Part):
    """An event of a ticket: the field, and the value it takes (any value when left out)."""

    field: Annotated[TicketField, Field(strict=False)]
    value: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _value_where_one_is_held(self) -> Self:
        if self.value is not None and not self.field.holds_a_value:
            raise refusal(f"{self.field} happens at an instant and has no value", "remove the value")
        return self


class ClockIndicator(Part):
    """Business time from the first start to the first stop after it, less the time paused."""

    kind: Literal["clock"]
    calendar: Identifier
    start: Annotated[Listed[ClockCondition], Field(min_length=1)]
    stop: Annotated[Listed[ClockCondition], Field(min_length=1)]
    pause: Listed[ClockCondition] = ()

    @field_validator("pause")
    @classmethod
    def _pauses_last(cls, pause: tuple[ClockCondition, ...]) -> tuple[ClockCondition, ...]:
        for condition in pause:
            if not condition.field.holds_a_value:
                lasting = [str(field) for field in TicketField if field.holds_a_value]
                message = f"{condition.field} happens at an instant: no clock can pause while it lasts"
                raise refusal(message, f"pause on one of {', '.join(lasting)}")
        return pause


class AvailabilityMethod(StrEnum):
    """How the availability of a month is measured."""

    MINUTES = "minutes"


class UnknownPolicy(StrEnum):
    """What time without a measurement counts as."""

    DOWN = "down"
    UP = "up"
    EXCLUDE = "exclude"


class Maintenance(Part):
    """Planned maintenance leaves the measure when it was announced at least so long before it began."""

    notice_hours: Hours


class AvailabilityIndicator(Part):
    """The share of the local month in which the service was up."""

    kind: Literal["availability"]
    method: Annotated[AvailabilityMethod, Field(strict=False)]
    unknown: Annotated[UnknownPolicy, Field(strict=False)]
    probe_interval_seconds: Annotated[int, Field(ge=1, le=86_400)]
    maintenance: Maintenance | None = None


class DayKind(StrEnum):
    """Which days count as delay."""

    CALENDAR = "calendar"
    BUSINESS = "business"


class MilestoneIndicator(Part):
    """Days from the due date of the last valid plan to the delivery, counted from the day after."""

    kind: Literal["milestone"]
    days: Annotated[DayKind, Field(strict=False)]
    calendar: Identifier | None = None
    replan_notice_days: Annotated[int, Field(ge=0, le=3660)]

    @model_validator(mode="after")
    def _business_days_need_a_calendar(self) -> Self:
        if self.days is DayKind.BUSINESS and self.calendar is None:
            raise refusal(
                "business days are counted without a calendar", "add `calendar: <id of a calendar>`"
            )
        return self


Indicator = Annotated[
    ClockIndicator | AvailabilityIndicator | MilestoneIndicator, Field(discriminator="kind")
]


class Operator(StrEnum):
    """How a measure is held against the objective; the promise is kept when it holds."""

    AT_MOST = "<="
    LESS_THAN = "<"
    AT_LEAST = ">="
    MORE_THAN = ">"


class Unit(StrEnum):
    """Units of an objective."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    PCT = "pct"


class Objective(Part):
    """The promised level."""

    operator: Annotated[Operator, Field(strict=False)]
    value: Level
    unit: Annotated[Unit, Field(strict=False)]


class MonthCap(Part):
    """The most that a clause may cost in a month; the lower one when both are given."""

    pct_of_month_invoice: Percent | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.pct_of_month_invoice is None and self.amount is None:
            raise refusal("the cap has no limit", "write pct_of_month_invoice or amount, or remove month_cap")
        return self


class Base(StrEnum):
    """The money that a percentage is taken of, excluding VAT."""

    MONTH_INVOICE = "month_invoice"
    SERVICE_LINES = "service_lines"
    FIXED_FEE = "fixed_fee"


class PercentOfInvoicePerEvent(Part):
    """A percentage of the month's invoice for each breach."""

    formula: Literal["percent_of_invoice_per_event"]
    rate_pct: Percent
    base: Literal["month_invoice"] = "month_invoice"
    month_cap: MonthCap | None = None


class ProportionalOn(StrEnum):
    """Whether a proportional credit is due on the whole downtime or on what exceeds the allowance."""

    WHOLE_DOWNTIME = "whole_downtime"
    EXCESS = "excess"


class Proportional(Part):
    """A credit proportional to the unavailability, once the objective is missed."""

    formula: Literal["proportional"]
    on: Annotated[ProportionalOn, Field(strict=False)]
    base: Annotated[Base, Field(strict=False)]
    month_cap: MonthCap | None = None


class FixedPerEvent(Part):
    """A fixed amount for each breach, in the contract's currency."""

    formula: Literal["fixed_per_event"]
    amount: Amount
    month_cap: MonthCap | None = None


Penalty = Annotated[PercentOfInvoicePerEvent | Proportional | FixedPerEvent, Field(discriminator="formula")]


class Clause(Part):
    """One promise of the contract: what is measured, the level promised, and what a miss costs."""

    id: Identifier
    title: Title | None = None
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = Field(
        default=None, description="The clause as signed."
    )
    service: Identifier
    indicator: Indicator
    objective: Objective
    penalty: Penalty


# --- The contract -----------------------------------------------------------------------------------------


class Removed(Part):
    """Ids of inherited parts that end with the version before."""

    calendars: Listed[Identifier] = ()
    services: Listed[Identifier] = ()
    clauses: Listed[Identifier] = ()


class Version(Part):
    """What was agreed from a date on. Sections left out are inherited; items replace those of the same id."""

    version: Annotated[int, Field(ge=1, le=9999)]
    effective_from: DayInUse
    effective_to: IsoDate | None = Field(
        default=None, description="The first day it no longer holds; by default that of the next version."
    )
    document_sha256: Annotated[
        str, Field(pattern=r"^[0-9a-f]{64}$", description="Hash of the signed document.")
    ]
    calendars: Listed[Calendar] = ()
    services: Listed[Service] = ()
    clauses: Listed[Clause] = ()
    remove: Removed = Removed()


class Vendor(Part):
    """The party that owes the service."""

    id: Identifier
    name: Title


class Contract(Part):
    """A contract file."""

    contract: Identifier
    name: Title
    vendor: Vendor
    currency: CurrencyCode
    timezone: ZoneName
    versions: Annotated[Listed[Version], Field(min_length=1)]

    @property
    def minor_units(self) -> int:
        """Digits after the point of the currency."""
        return minor_units_by_currency()[self.currency]


def json_ready(part: Part) -> dict[str, Any]:
    """Return a part as plain JSON values, without defaults: a default added later changes no content."""
    return part.model_dump(mode="json", exclude_defaults=True)
