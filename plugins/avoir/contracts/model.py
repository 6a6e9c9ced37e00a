"""The typed model of a contract file: the format's vocabulary, in the field's terms.

Strict, closed and frozen: a word the format does not know is a mistake, never ignored. Numbers are exact
decimals, as the contract prints them. Rules that need more than one part of the file are in
:mod:`avoir.contracts.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
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
MAX_OPENINGS_PER_DAY = 720
MAX_VALUE_CHARACTERS = 200
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)

_INSTANT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)

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


def _quoted(value: object) -> str:
    """Return a wrong value as the file shows it: quoted where it is text, and never long."""
    return repr(value[:60]) if isinstance(value, str) else str(value)[:60]


def _exact(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,12})?", value):
            raise refusal(
                f"{_quoted(value)} is not a decimal number",
                'write digits and a point, for example "750.00", with at most 12 digits after the point',
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


def _month_in_use(month: object) -> str:
    if not isinstance(month, str) or not re.fullmatch(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise refusal(f"{_quoted(month)} is not a month", "write a month as YYYY-MM")
    _day_in_use(date.fromisoformat(f"{month}-01"))
    return month


def _instant_text(text: object) -> str:
    try:
        if isinstance(text, str) and re.fullmatch(_INSTANT, text):
            _day_in_use(datetime.fromisoformat(text).date())
            return text
    except ValueError:
        pass
    raise refusal(f"{_quoted(text)} is not an instant", 'write "YYYY-MM-DD HH:MM", local or with an offset')


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
Share = Annotated[Exact, Field(ge=0, le=100, max_digits=12), _number_schema(minimum=0, maximum=100)]
Positive = Annotated[Exact, Field(gt=0, max_digits=18), _number_schema(exclusiveMinimum=0)]
Amount = Annotated[Exact, Field(gt=0, max_digits=24), _number_schema(exclusiveMinimum=0)]
AmountOrNothing = Annotated[Exact, Field(ge=0, max_digits=24), _number_schema(minimum=0)]
SignedAmount = Annotated[Exact, Field(max_digits=24), _number_schema()]
Hours = Annotated[Exact, Field(ge=0, le=8784, max_digits=12), _number_schema(minimum=0, maximum=8784)]
IsoDate = Annotated[date, BeforeValidator(_iso_date)]
DayInUse = Annotated[IsoDate, AfterValidator(_day_in_use)]
MonthInUse = Annotated[
    str,
    BeforeValidator(_month_in_use),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}),
]
InstantText = Annotated[
    str,
    BeforeValidator(_instant_text),
    Field(description="Local to the contract's zone, or with an offset.", examples=["2025-03-31 17:30"]),
]
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
    TEAM = "team"

    @property
    def is_shared(self) -> bool:
        """Whether several services of one vendor may hold the same key: a team works for all of them."""
        return self is self.TEAM


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


class Unit(StrEnum):
    """Units of an objective."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    PCT = "pct"


SECONDS_PER_UNIT: Mapping[Unit, int] = {Unit.SECONDS: 1, Unit.MINUTES: 60, Unit.HOURS: 3600}
"""Seconds of one unit of a clock's time, by unit; days and percentages are none."""


class Duration(Part):
    """A length of time, such as ``{size: 8, unit: hours}``."""

    size: Positive
    unit: Annotated[Unit, Field(strict=False)]

    @field_validator("unit")
    @classmethod
    def _of_a_clock(cls, unit: Unit) -> Unit:
        if unit not in SECONDS_PER_UNIT:
            raise refusal(f"open time is not counted in {unit}", "write one of seconds, minutes, hours")
        return unit

    @property
    def seconds(self) -> Decimal:
        """The length in seconds."""
        return self.size * SECONDS_PER_UNIT[self.unit]


class ReopenPolicy(StrEnum):
    """What a ticket's reopening makes of the clock that had stopped."""

    RESUME = "resume"
    NEW_CYCLE = "new_cycle"
    JOIN_WITHIN = "join_within"


class Reopening(Part):
    """Which events make a stopped clock run again, and whether as the same cycle or as a new one."""

    on: Annotated[Listed[ClockCondition], Field(min_length=1)]
    policy: Annotated[ReopenPolicy, Field(strict=False)]
    within: Duration | None = Field(
        default=None, description="Open time after the stop in which a reopening joins the cycle before it."
    )

    @field_validator("within")
    @classmethod
    def _joins(cls, within: Duration | None, info: ValidationInfo) -> Duration | None:
        policy = info.data.get("policy")
        if within is not None and policy is not None and policy is not ReopenPolicy.JOIN_WITHIN:
            message = f"the policy {policy} asks for no time within which a reopening comes"
            raise refusal(message, "remove within, or write policy: join_within")
        return within

    @model_validator(mode="after")
    def _joins_within_some_time(self) -> Self:
        if self.policy is ReopenPolicy.JOIN_WITHIN and self.within is None:
            message = "join_within does not say within what time a reopening joins the cycle before it"
            raise refusal(message, "add `within: {size: 8, unit: hours}`, in open time of the calendar")
        return self


class PriorityChange(StrEnum):
    """Which target holds, and from when it counts, once the priority has changed."""

    KEEP = "keep"
    RESTART = "restart"
    RETROACTIVE = "retroactive"


class ClockIndicator(Part):
    """Business time from the first start to the first stop after it, less the time paused."""

    kind: Literal["clock"]
    calendar: Identifier
    start: Annotated[Listed[ClockCondition], Field(min_length=1)]
    stop: Annotated[Listed[ClockCondition], Field(min_length=1)]
    # Before pause, which is judged by whether something resumes.
    resume: Listed[ClockCondition] = Field(default=(), description="Events that end a pause.")
    pause: Listed[ClockCondition] = ()
    reset: Listed[ClockCondition] = Field(default=(), description="Events from which the time counts anew.")
    reopen: Reopening | None = None
    priority_change: Annotated[PriorityChange, Field(strict=False)] | None = Field(
        default=None, description="What a change of priority does where targets differ by priority."
    )

    @field_validator("pause")
    @classmethod
    def _pauses_last(
        cls, pause: tuple[ClockCondition, ...], info: ValidationInfo
    ) -> tuple[ClockCondition, ...]:
        for condition in pause if info.data.get("resume") == () else ():
            if not condition.field.holds_a_value:
                lasting = [str(field) for field in TicketField if field.holds_a_value]
                message = f"{condition.field} happens at an instant: no clock can pause while it lasts"
                raise refusal(message, f"pause on one of {', '.join(lasting)}, or add what resumes")
        return pause

    @property
    def has_cycles(self) -> bool:
        """Whether one ticket can have several cycles."""
        return self.reopen is not None and self.reopen.policy is not ReopenPolicy.RESUME


class AvailabilityMethod(StrEnum):
    """How the availability of a month is measured."""

    MINUTES = "minutes"
    DEPLOYED_MINUTES = "deployed_minutes"
    MEAN_OF_SLICES = "mean_of_slices"
    EXECUTIONS = "executions"
    SERVICE_HOURS = "service_hours"

    @property
    def counts_samples(self) -> bool:
        """Whether samples are counted, not time: what no sample says is not measured."""
        return self in {self.MEAN_OF_SLICES, self.EXECUTIONS}


class UnknownPolicy(StrEnum):
    """What time without a measurement counts as."""

    DOWN = "down"
    UP = "up"
    EXCLUDE = "exclude"


class ReportingPeriod(StrEnum):
    """Over what the availability is judged at once."""

    MONTH = "month"
    QUARTER = "quarter"


class Denominator(StrEnum):
    """Whether maintenance and excluded time leave both sides of the share, or the downtime alone."""

    NET = "net"
    TOTAL = "total"


class Maintenance(Part):
    """Planned maintenance leaves the measure when it was announced at least so long before it began."""

    notice_hours: Hours


METHODS_OF_PARAMETER: Mapping[str, frozenset[AvailabilityMethod]] = {
    "slice_seconds": frozenset({AvailabilityMethod.MEAN_OF_SLICES}),
    "calendar": frozenset({AvailabilityMethod.SERVICE_HOURS}),
    "quorum": frozenset({AvailabilityMethod.MINUTES, AvailabilityMethod.SERVICE_HOURS}),
    "minimum_downtime_seconds": frozenset(
        {AvailabilityMethod.MINUTES, AvailabilityMethod.DEPLOYED_MINUTES, AvailabilityMethod.SERVICE_HOURS}
    ),
    "whole_minutes": frozenset(
        {AvailabilityMethod.MINUTES, AvailabilityMethod.DEPLOYED_MINUTES, AvailabilityMethod.SERVICE_HOURS}
    ),
    "minimum_volume": frozenset({AvailabilityMethod.EXECUTIONS, AvailabilityMethod.MEAN_OF_SLICES}),
}
"""The methods that know each parameter of an availability; a parameter that is not here belongs to all."""


class AvailabilityIndicator(Part):
    """The share of the local month, or quarter, in which the service was up."""

    kind: Literal["availability"]
    method: Annotated[AvailabilityMethod, Field(strict=False)]
    unknown: Annotated[UnknownPolicy, Field(strict=False)]
    probe_interval_seconds: Annotated[int, Field(ge=1, le=86_400)]
    maintenance: Maintenance | None = None
    slice_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        default=None, description="Length of a slice of the method mean_of_slices."
    )
    calendar: Identifier | None = Field(
        default=None, description="Opening hours of the method service_hours."
    )
    quorum: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How many monitors must be down for the service to be."
    )
    minimum_downtime_seconds: Annotated[int, Field(ge=1, le=2_678_400)] | None = Field(
        default=None, description="A shorter outage does not count at all."
    )
    whole_minutes: bool = Field(default=False, description="Only the whole minutes of an outage count.")
    minimum_volume: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Fewer samples say nothing, of a slice or of the whole period."
    )
    period: Annotated[ReportingPeriod, Field(strict=False)] = ReportingPeriod.MONTH
    denominator: Annotated[Denominator, Field(strict=False)] = Denominator.NET

    @field_validator(*METHODS_OF_PARAMETER)
    @classmethod
    def _of_its_method(cls, value: object, info: ValidationInfo) -> object:
        method, name = info.data.get("method"), info.field_name or ""
        knowing = METHODS_OF_PARAMETER[name]
        if value is not None and method is not None and method not in knowing:
            methods = " or ".join(str(one) for one in AvailabilityMethod if one in knowing)
            raise refusal(
                f"the method {method} knows no {name}", f"remove {name}, or write method: {methods}"
            )
        return value

    @model_validator(mode="after")
    def _method_has_its_terms(self) -> Self:
        if self.method is AvailabilityMethod.MEAN_OF_SLICES and self.slice_seconds is None:
            raise refusal(
                "the method mean_of_slices does not say how long a slice is", "add `slice_seconds: 300`"
            )
        if self.method is AvailabilityMethod.SERVICE_HOURS and self.calendar is None:
            raise refusal(
                "the method service_hours does not say when the service is open",
                "add `calendar: <id of a calendar>`",
            )
        return self


class DayKind(StrEnum):
    """Which days count as delay."""

    CALENDAR = "calendar"
    BUSINESS = "business"


class StartedDay(StrEnum):
    """Whether a day of delay that has begun counts: ceil, the day of delivery does; floor, it does not."""

    CEIL = "ceil"
    FLOOR = "floor"


class MilestoneIndicator(Part):
    """Days from the due date of the last valid plan to the delivery, counted from the day after."""

    kind: Literal["milestone"]
    days: Annotated[DayKind, Field(strict=False)]
    calendar: Identifier | None = None
    replan_notice_days: Annotated[int, Field(ge=0, le=3660)]
    started_day: Annotated[StartedDay, Field(strict=False)] = StartedDay.CEIL

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


class Aggregation(StrEnum):
    """What is held against the objective: every event, or a figure of the month."""

    EACH = "each"
    RATIO = "ratio"
    AVERAGE = "average"
    PERCENTILE = "percentile"


class RoundingMode(StrEnum):
    """How a value is rounded where the contract rounds."""

    HALF_UP = "half_up"
    DOWN = "down"
    UP = "up"


class Rounding(Part):
    """Rounding of the measure before it is judged and banded, where the contract says so."""

    digits: Annotated[int, Field(ge=0, le=9)]
    mode: Annotated[RoundingMode, Field(strict=False)] = RoundingMode.HALF_UP


def _names_a_priority(by_priority: dict[str, Decimal]) -> dict[str, Decimal]:
    if not by_priority:
        raise refusal("by_priority names no priority", 'write {"1": 1, "2": 4}, or remove it')
    for priority in by_priority:
        if not priority or priority != priority.strip() or len(priority) > MAX_VALUE_CHARACTERS:
            message = f"no ticket has the priority {_quoted(priority)}"
            raise refusal(message, 'write the value of the field priority, such as "1", without blanks')
    return by_priority


ByPriority = Annotated[
    dict[str, Level],
    AfterValidator(_names_a_priority),
    Field(description="The single event's target by the value of the field priority; value: of any other."),
]


class Target(Part):
    """The level of a single event, of which a ratio counts how many kept it."""

    value: Level
    unit: Annotated[Unit, Field(strict=False)]
    by_priority: ByPriority = Field(default_factory=dict)


class Objective(Part):
    """The promised level."""

    operator: Annotated[Operator, Field(strict=False)]
    value: Level
    unit: Annotated[Unit, Field(strict=False)]
    aggregation: Annotated[Aggregation, Field(strict=False)] = Aggregation.EACH
    target: Target | None = None
    percentile: Percent | None = None
    rounding_before_banding: Rounding | None = None
    by_priority: ByPriority = Field(default_factory=dict)

    @model_validator(mode="after")
    def _aggregation_has_its_terms(self) -> Self:
        for name, value, needed, example in (
            ("target", self.target, Aggregation.RATIO, "{value: 4, unit: hours}"),
            ("percentile", self.percentile, Aggregation.PERCENTILE, "95"),
        ):
            if self.aggregation is needed and value is None:
                raise refusal(f"a {needed} needs a {name}", f"add `{name}: {example}` to the objective")
            if self.aggregation is not needed and value is not None:
                raise refusal(
                    f"the aggregation {self.aggregation} has no {name}",
                    f"remove {name}, or write aggregation: {needed}",
                )
        return self


class MonthCap(Part):
    """The most that a clause may cost in a month; the lower one when both are given."""

    pct_of_month_invoice: Percent | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.pct_of_month_invoice is None and self.amount is None:
            raise refusal("the cap has no limit", "write pct_of_month_invoice or amount, or remove month_cap")
        return self


class EventCap(Part):
    """The most that one breach may cost; the lower one when both are given."""

    pct_of_base: Percent | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.pct_of_base is None and self.amount is None:
            raise refusal("the cap has no limit", "write pct_of_base or amount, or remove event_cap")
        return self


class Repeat(Part):
    """Multipliers of consecutive failing months: the first month's, the second's …; the last one goes on."""

    multipliers: Annotated[Listed[Positive], Field(min_length=1, max_length=36)]


class EarnBack(Part):
    """A conditional reversal: what is given back when a higher level is held over the months that follow."""

    level: Level | None = None
    months: Annotated[int, Field(ge=1, le=36)] = 1
    pct: Percent = Decimal(100)


class Base(StrEnum):
    """The money that a percentage is taken of, excluding VAT."""

    MONTH_INVOICE = "month_invoice"
    SERVICE_LINES = "service_lines"
    FIXED_FEE = "fixed_fee"
    ORDER_AMOUNT = "order_amount"
    STATED = "stated"


class CountedOn(StrEnum):
    """Whether a value counts whole, or only what lies beyond the objective."""

    VALUE = "value"
    EXCESS = "excess"


class UnitRounding(StrEnum):
    """What a begun unit counts."""

    STARTED = "started"
    FULL = "full"
    EXACT = "exact"


class UnitSize(Part):
    """One unit of a measure, such as ``{size: 1, unit: hours}``."""

    size: Positive = Decimal(1)
    unit: Annotated[Unit, Field(strict=False)]


class Charge(Part):
    """What may stand in any penalty beside its formula."""

    month_cap: MonthCap | None = None
    event_cap: EventCap | None = None
    repeat: Repeat | None = None
    earn_back: EarnBack | None = None


class Based(Charge):
    """A penalty that is taken of a base."""

    base: Annotated[Base, Field(strict=False)]
    base_amount: Amount | None = Field(default=None, description="The base, where it is `stated`.")

    @model_validator(mode="after")
    def _stated_base_has_an_amount(self) -> Self:
        _judge_stated(self.base, self.base_amount)
        return self


def _judge_stated(base: Base | None, amount: Decimal | None) -> None:
    if base is Base.STATED and amount is None:
        raise refusal("the base is stated, but not how much it is", 'add `base_amount: "120000.00"`')
    if base is not Base.STATED and amount is not None:
        raise refusal(
            f"base_amount stands beside the base {base}", "write base: stated, or remove base_amount"
        )


class PercentOfInvoicePerEvent(Based):
    """A percentage of the month's invoice for each breach."""

    formula: Literal["percent_of_invoice_per_event"]
    rate_pct: Percent
    base: Annotated[Base, Field(strict=False)] = Base.MONTH_INVOICE


class ProportionalOn(StrEnum):
    """Whether a proportional credit is due on the whole downtime or on what exceeds the allowance."""

    WHOLE_DOWNTIME = "whole_downtime"
    EXCESS = "excess"


class Proportional(Based):
    """A credit proportional to the unavailability, once the objective is missed."""

    formula: Literal["proportional"]
    on: Annotated[ProportionalOn, Field(strict=False)]


class FixedPerEvent(Charge):
    """A fixed amount for each breach, in the contract's currency."""

    formula: Literal["fixed_per_event"]
    amount: Amount


class Band(Part):
    """Values between two limits and their price: at_least (>=), above (>), at_most (<=), below (<)."""

    at_least: Level | None = None
    above: Level | None = None
    at_most: Level | None = None
    below: Level | None = None
    rate_pct: Share | None = None
    amount: AmountOrNothing | None = None
    points: Level | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.at_least is not None and self.above is not None:
            raise refusal("the band has two lower limits", "keep at_least or above")
        if self.at_most is not None and self.below is not None:
            raise refusal("the band has two upper limits", "keep at_most or below")
        prices = [value for value in (self.rate_pct, self.amount, self.points) if value is not None]
        if len(prices) != 1:
            raise refusal("the band needs one price", "write exactly one of rate_pct, amount and points")
        return self

    @property
    def lower(self) -> tuple[Decimal | None, bool]:
        """The lower limit (None: open) and whether the band holds it."""
        return (self.at_least, True) if self.at_least is not None else (self.above, False)

    @property
    def upper(self) -> tuple[Decimal | None, bool]:
        """The upper limit (None: open) and whether the band holds it."""
        return (self.at_most, True) if self.at_most is not None else (self.below, False)

    @property
    def price_kind(self) -> str:
        """Which of rate_pct, amount and points the band states."""
        if self.rate_pct is not None:
            return "rate_pct"
        return "amount" if self.amount is not None else "points"


class Tiers(Charge):
    """A price by the band in which the measure lies."""

    formula: Literal["tiers"]
    on: Annotated[CountedOn, Field(strict=False)] = CountedOn.VALUE
    bands: Annotated[Listed[Band], Field(min_length=1, max_length=50)]
    base: Annotated[Base, Field(strict=False)] | None = None
    base_amount: Amount | None = None

    @model_validator(mode="after")
    def _base_where_a_rate_needs_one(self) -> Self:
        kinds = {band.price_kind for band in self.bands}
        if len(kinds) > 1:
            raise refusal(
                "the bands are priced in different ways", "write the same of rate_pct, amount, points in all"
            )
        if kinds == {"rate_pct"} and self.base is None:
            raise refusal("the bands are percentages of nothing", "add `base: month_invoice` or another base")
        if kinds != {"rate_pct"} and self.base is not None:
            raise refusal(f"bands of {kinds.pop()} need no base", "remove base")
        _judge_stated(self.base, self.base_amount)
        return self


class Linear(Charge):
    """A price for each unit of the measure."""

    formula: Literal["linear"]
    per: UnitSize
    units: Annotated[UnitRounding, Field(strict=False)] = UnitRounding.STARTED
    on: Annotated[CountedOn, Field(strict=False)] = CountedOn.EXCESS
    amount: Amount | None = None
    rate_pct: Percent | None = None
    base: Annotated[Base, Field(strict=False)] | None = None
    base_amount: Amount | None = None

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if (self.amount is None) == (self.rate_pct is None):
            raise refusal("a unit needs one price", "write amount, or rate_pct with base")
        if (self.rate_pct is None) != (self.base is None):
            raise refusal("rate_pct and base belong together", "write both, or amount alone")
        _judge_stated(self.base, self.base_amount)
        return self


class ValueTimesDelay(Based):
    """V x R / d: the value of the late part, times the delay in units, over a divisor (CCAG)."""

    formula: Literal["value_times_delay"]
    per: UnitSize
    units: Annotated[UnitRounding, Field(strict=False)] = UnitRounding.STARTED
    on: Annotated[CountedOn, Field(strict=False)] = CountedOn.EXCESS
    divisor: Positive


class Points(Charge):
    """Service points for each breach; the version's service_points say what a point is worth."""

    formula: Literal["points"]
    points: Positive


class AtRiskPool(Based):
    """Pool x allocation x amount at risk, as outsourcing contracts share out the fees at risk."""

    formula: Literal["at_risk_pool"]
    pool_pct: Percent
    allocation_pct: Percent
    at_risk_pct: Percent


Penalty = Annotated[
    PercentOfInvoicePerEvent
    | Proportional
    | FixedPerEvent
    | Tiers
    | Linear
    | ValueTimesDelay
    | Points
    | AtRiskPool,
    Field(discriminator="formula"),
]


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


# --- Bounds between clauses -------------------------------------------------------------------------------


class ServicePoints(Part):
    """What a service point is worth: an amount, or a percentage of a base."""

    point_amount: Amount | None = None
    point_rate_pct: Percent | None = None
    base: Annotated[Base, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _one_worth(self) -> Self:
        if (self.point_amount is None) == (self.point_rate_pct is None):
            raise refusal("a point needs one worth", "write point_amount, or point_rate_pct with base")
        if (self.point_rate_pct is None) != (self.base is None):
            raise refusal("point_rate_pct and base belong together", "write both, or point_amount alone")
        if self.base is Base.STATED:
            raise refusal("a point cannot be worth a part of a stated base", "write point_amount")
        return self


class CumulationPer(StrEnum):
    """Among which charges one is kept: those of one incident, or those of one month."""

    INCIDENT = "incident"
    MONTH = "month"


class Keep(StrEnum):
    """Which charge is kept where several stand for one failure."""

    HIGHEST = "highest"
    CUSTOMER_CHOICE = "customer_choice"
    SUM = "sum"


class NonCumulation(Part):
    """Clauses that do not all charge for one failure."""

    id: Identifier
    clauses: Annotated[Listed[Identifier], Field(min_length=2)]
    per: Annotated[CumulationPer, Field(strict=False)]
    keep: Annotated[Keep, Field(strict=False)]
    choice: Listed[Identifier] = ()

    @model_validator(mode="after")
    def _choice_among_its_clauses(self) -> Self:
        if self.choice and self.keep is not Keep.CUSTOMER_CHOICE:
            raise refusal(
                f"keep: {self.keep} leaves no choice", "remove choice, or write keep: customer_choice"
            )
        for clause in self.choice:
            if clause not in self.clauses:
                raise refusal(
                    f"{clause} is chosen in {self.id}, but is none of its clauses",
                    choose_among(clause, list(self.clauses)),
                )
        if self.choice and len(set(self.choice)) != len(self.clauses):
            raise refusal(f"the choice of {self.id} does not order all its clauses", "name each clause once")
        if len(set(self.clauses)) != len(self.clauses):
            raise refusal(f"{self.id} names a clause twice", "name each clause once")
        return self


class CapPer(StrEnum):
    """The time in which a cap is used up."""

    MONTH = "month"
    QUARTER = "quarter"
    ROLLING_12_MONTHS = "rolling_12_months"
    TERM = "term"


class CapScope(StrEnum):
    """What shares a cap."""

    CLAUSE = "clause"
    SERVICE = "service"
    CONTRACT = "contract"


class Cap(Part):
    """The most that a clause, a service or the contract may cost in a stretch of time."""

    id: Identifier
    per: Annotated[CapPer, Field(strict=False)]
    scope: Annotated[CapScope, Field(strict=False)]
    clause: Identifier | None = None
    service: Identifier | None = None
    amount: Amount | None = None
    pct: Percent | None = None
    of: Annotated[Base, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _limit_and_scope(self) -> Self:
        if self.amount is None and self.pct is None:
            raise refusal(f"the cap {self.id} has no limit", "write amount, or pct with of")
        if (self.pct is None) != (self.of is None):
            raise refusal("pct and of belong together", "write both, or amount alone")
        if self.of is Base.STATED:
            raise refusal("a cap cannot be a part of a stated base", "write amount")
        for name, value in (("clause", self.clause), ("service", self.service)):
            if (self.scope == name) != (value is not None):
                mend = f"add `{name}: …`" if self.scope == name else f"remove {name}, or write scope: {name}"
                raise refusal(f"the scope {self.scope} and the key {name} do not go together", mend)
        if self.scope is CapScope.CONTRACT and self.of in {Base.SERVICE_LINES, Base.FIXED_FEE}:
            raise refusal(f"a contract has no {self.of}", "write of: month_invoice or order_amount")
        return self

    @property
    def key(self) -> str:
        """The clause or service that shares the cap; empty for the contract."""
        return self.clause or self.service or ""


class ExemptionOver(StrEnum):
    """Over which total an exemption is a threshold."""

    MONTH = "month"
    TERM = "term"


class Exemption(Part):
    """A threshold, not a deductible: at or under it nothing is due, over it all is."""

    amount: Amount
    over: Annotated[ExemptionOver, Field(strict=False)]


class Indexation(Part):
    """Price revision of the penalty: the index of the breach's month over the base value."""

    index: Identifier
    base_value: Positive
    lag_months: Annotated[int, Field(ge=0, le=36)] = 0
    coefficient_digits: Annotated[int, Field(ge=0, le=12)] | None = None
    coefficient_rounding: Annotated[RoundingMode, Field(strict=False)] = RoundingMode.HALF_UP


class SettlementDocument(StrEnum):
    """How the money comes back: credit note (381), self-billed (261), deduction or voucher."""

    CREDIT_NOTE = "credit_note"
    SELF_BILLED_CREDIT_NOTE = "self_billed_credit_note"
    DEDUCTION = "deduction"
    VOUCHER = "voucher"


class Vat(StrEnum):
    """A price reduction bears the invoice's VAT; a public penalty is out of scope."""

    PRICE_REDUCTION = "price_reduction"
    OUT_OF_SCOPE = "out_of_scope"


class Settlement(Part):
    """How penalties are settled."""

    document: Annotated[SettlementDocument, Field(strict=False)] = SettlementDocument.CREDIT_NOTE
    vat: Annotated[Vat, Field(strict=False)] = Vat.PRICE_REDUCTION


class Silence(StrEnum):
    """What a vendor's silence means when its time for observations has passed."""

    AGREED = "agreed"
    WAIVED = "waived"


class Procedure(Part):
    """From the notice to the application of a penalty."""

    notice_days: Annotated[int, Field(ge=0, le=366)] | None = None
    observation_days: Annotated[int, Field(ge=0, le=366)]
    silence: Annotated[Silence, Field(strict=False)] = Silence.AGREED


class ExclusionGround(Part):
    """A ground on which time or an event may be left out, such as force majeure."""

    id: Identifier
    title: Title
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    clauses: Listed[Identifier] = Field(default=(), description="The clauses it touches; all when left out.")


class TerminationRight(Part):
    """When the customer may end the contract for what was delivered."""

    id: Identifier
    title: Title
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    clause: Identifier | None = None
    breached_months: Annotated[int, Field(ge=1, le=60)] | None = None
    within_months: Annotated[int, Field(ge=1, le=60)] | None = None


class Every(StrEnum):
    """How often a committee meets or a report is due."""

    WEEK = "week"
    TWO_WEEKS = "two_weeks"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class CommitteeLevel(StrEnum):
    """What a committee decides on."""

    STRATEGIC = "strategic"
    OPERATIONAL = "operational"


class Committee(Part):
    """A body that meets regularly."""

    id: Identifier
    name: Title
    level: Annotated[CommitteeLevel, Field(strict=False)]
    every: Annotated[Every, Field(strict=False)]


class ReportDue(Part):
    """A report that the vendor owes."""

    id: Identifier
    name: Title
    every: Annotated[Every, Field(strict=False)]
    due_business_day: Annotated[int, Field(ge=1, le=66)] | None = None


class RaciRow(Part):
    """Who is responsible (R), accountable (A), consulted (C) and informed (I); exactly one is accountable."""

    activity: Title
    roles: Annotated[dict[Title, Annotated[str, Field(pattern=r"^[RACI](/[RACI])*$")]], Field(min_length=1)]


class Governance(Part):
    """How the relation is steered."""

    committees: Listed[Committee] = ()
    reports: Listed[ReportDue] = ()
    raci: Listed[RaciRow] = ()


class ExcludedStretch(Part):
    """What is left out on a ground: a stretch of a service's time, or one ticket or release by its number."""

    ground: Identifier
    service: Identifier | None = None
    from_: Annotated[InstantText | None, Field(alias="from")] = None
    to: InstantText | None = None
    ticket: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    release: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        stretch = [self.service, self.from_, self.to]
        if sum(part is not None for part in (self.ticket, self.release)) + any(
            part is not None for part in stretch
        ) != 1 or (any(part is not None for part in stretch) and None in stretch):
            mend = "write service, from and to, or ticket, or release"
            raise refusal("it does not say what is excluded", mend)
        return self


class ExclusionDecision(ExcludedStretch):
    """A claim for exclusion that was accepted. It counts from the day it was accepted on."""

    id: Identifier
    accepted_on: DayInUse


# --- Worked tests -----------------------------------------------------------------------------------------


class EventOfTest(Part):
    """An event of a ticket."""

    at: InstantText
    field: Annotated[TicketField, Field(strict=False)]
    value: Annotated[str, Field(max_length=200)] | None = None


class TicketOfTest(Part):
    """A ticket and its events; the first is its creation."""

    ticket: Annotated[str, Field(min_length=1, max_length=200)]
    service: Identifier
    events: Annotated[Listed[EventOfTest], Field(min_length=1)]

    @field_validator("events")
    @classmethod
    def _created_first(cls, events: tuple[EventOfTest, ...]) -> tuple[EventOfTest, ...]:
        created = [event.field is TicketField.CREATED for event in events]
        if created != [True] + [False] * (len(events) - 1):
            raise refusal("a ticket starts with its creation, once", "write {at: …, field: created} first")
        return events


class StretchOfTest(Part):
    """A stretch of a service's time."""

    service: Identifier
    from_: Annotated[InstantText, Field(alias="from")]
    to: InstantText


MonitorOfTest = Annotated[
    Annotated[str, Field(min_length=1, max_length=500)] | None,
    Field(description="The value of one of the service's monitor keys; all of them when left out."),
]


class DowntimeOfTest(StretchOfTest):
    """Time in which a service was down: all its monitors, or the one that is named."""

    monitor: MonitorOfTest = None


class ProbeState(StrEnum):
    """What a probe says."""

    UP = "up"
    DOWN = "down"


class ProbesOfTest(StretchOfTest):
    """Samples at ``from`` and every so many seconds after it, before ``to``, of one monitor or of all."""

    monitor: MonitorOfTest = None

    every_seconds: Annotated[int, Field(ge=1, le=86_400)]
    state: Annotated[ProbeState, Field(strict=False)]


class MaintenanceOfTest(StretchOfTest):
    """Planned work and when it was announced."""

    announced: InstantText


class ReplanOfTest(Part):
    """A new date for a release: when it was asked for, when approved (null: refused), and the date."""

    requested: DayInUse
    approved: DayInUse | None = None
    due: DayInUse


class ReleaseOfTest(Part):
    """A release: its first plan, its replans, and its delivery."""

    release: Annotated[str, Field(min_length=1, max_length=200)]
    service: Identifier
    due: DayInUse
    approved: bool = True
    delivered: DayInUse | None = None
    replans: Listed[ReplanOfTest] = ()


class LineOfTest(Part):
    """A line of an invoice, excluding VAT; without a service it belongs to none."""

    service: Identifier | None = None
    amount: SignedAmount


class InvoiceKind(StrEnum):
    """Kinds of documents in a test."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class InvoiceOfTest(Part):
    """A document of a month."""

    month: MonthInUse
    kind: Annotated[InvoiceKind, Field(strict=False)] = InvoiceKind.INVOICE
    lines: Annotated[Listed[LineOfTest], Field(min_length=1)]


class Outcome(StrEnum):
    """Verdicts."""

    MET = "met"
    BREACHED = "breached"
    RUNNING = "running"
    EXCLUDED = "excluded"
    NO_DATA = "no_data"


StepName = Literal[
    "formula",
    "repeat",
    "non_cumulation",
    "event_cap",
    "period_cap",
    "rolling_cap",
    "exemption",
    "indexation",
    "earn_back",
    "credit",
]
STEPS: tuple[StepName, ...] = get_args(StepName)
MEASURES = ("business_seconds", "due", "outcome", "measured")
"""What a row may expect of a ticket, release or month before it is priced, in the order of the models."""


class Expectation(Part):
    """What the lines of a selection must come to, step by step; sums, compared at the digits written."""

    clause: Identifier | None = None
    month: MonthInUse | None = None
    ticket: str | None = None
    cycle: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Which cycle of the ticket, from 1; every one when left out."
    )
    release: str | None = None
    business_seconds: Level | None = None
    due: InstantText | None = Field(
        default=None, description="Instant at which the ticket's time reaches its target."
    )
    outcome: Annotated[Outcome, Field(strict=False)] | None = None
    measured: SignedAmount | None = None
    lines: Annotated[int, Field(ge=0)] | None = None
    formula: SignedAmount | None = None
    repeat: SignedAmount | None = None
    non_cumulation: SignedAmount | None = None
    event_cap: SignedAmount | None = None
    period_cap: SignedAmount | None = None
    rolling_cap: SignedAmount | None = None
    exemption: SignedAmount | None = None
    indexation: SignedAmount | None = None
    earn_back: SignedAmount | None = None
    credit: SignedAmount | None = None
    unknown: Listed[StepName] = Field(
        default=(), description="Steps whose amount must be unknown: a base or an index is not there."
    )

    @model_validator(mode="after")
    def _selects_and_states(self) -> Self:
        if self.ticket is not None and self.release is not None:
            raise refusal("nothing is both a ticket and a release", "keep one of the two")
        one = self.clause is not None and bool(self.ticket or self.release or self.month)
        if (self.outcome is not None or self.measured is not None) and not one:
            mend = "add clause, and ticket, release or month"
            raise refusal("it does not say whose outcome or measure is meant", mend)
        of_a_clock = self.clause is not None and self.ticket is not None
        for name, value, verb in (
            ("business_seconds", self.business_seconds, "are those"),
            ("due", self.due, "is the instant"),
            ("cycle", self.cycle, "is one"),
        ):
            if value is not None and not of_a_clock:
                raise refusal(f"{name} {verb} of a ticket under a clause", "add clause and ticket")
        summed = [name for name in self.stated if name in {"lines", *STEPS}]
        if self.cycle is not None and summed:
            message = f"{summed[0]} counts all cycles of the ticket, not the one that is named"
            raise refusal(message, f"remove cycle, or state {summed[0]} in a row without it")
        for step in self.unknown:
            if getattr(self, step) is not None:
                raise refusal(f"{step} is expected to be both known and unknown", "keep one of the two")
        if not self.stated:
            raise refusal(
                "the row expects nothing", "state a step, lines, measured, outcome, business_seconds or due"
            )
        return self

    @property
    def stated(self) -> tuple[str, ...]:
        """Names of what the row states, in the order of the pipeline."""
        names = (*MEASURES, "lines", *STEPS)
        return tuple(name for name in names if getattr(self, name) is not None or name in self.unknown)


class WorkedTest(Part):
    """A worked example of the contract: what happened, and what must come of it."""

    name: Title
    as_of: InstantText | None = None
    tickets: Listed[TicketOfTest] = ()
    downtime: Listed[DowntimeOfTest] = ()
    probes: Listed[ProbesOfTest] = ()
    maintenance: Listed[MaintenanceOfTest] = ()
    releases: Listed[ReleaseOfTest] = ()
    invoices: Listed[InvoiceOfTest] = ()
    exclusions: Listed[ExcludedStretch] = ()
    index_values: dict[Identifier, dict[MonthInUse, Positive]] = Field(default_factory=dict)
    expect: Annotated[Listed[Expectation], Field(min_length=1)]


# --- The contract -----------------------------------------------------------------------------------------


class TermName(StrEnum):
    """Terms of a whole version, of which there is one each."""

    ORDER_AMOUNT = "order_amount"
    SERVICE_POINTS = "service_points"
    EXEMPTION = "exemption"
    INDEXATION = "indexation"
    SETTLEMENT = "settlement"
    PROCEDURE = "procedure"
    GOVERNANCE = "governance"


class Removed(Part):
    """Ids of inherited parts that end with the version before."""

    calendars: Listed[Identifier] = ()
    services: Listed[Identifier] = ()
    clauses: Listed[Identifier] = ()
    exclusions: Listed[Identifier] = ()
    non_cumulation: Listed[Identifier] = ()
    caps: Listed[Identifier] = ()
    termination_rights: Listed[Identifier] = ()
    terms: Listed[Annotated[TermName, Field(strict=False)]] = ()


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
    exclusions: Listed[ExclusionGround] = ()
    non_cumulation: Listed[NonCumulation] = ()
    caps: Listed[Cap] = ()
    termination_rights: Listed[TerminationRight] = ()
    order_amount: Amount | None = None
    service_points: ServicePoints | None = None
    exemption: Exemption | None = None
    indexation: Indexation | None = None
    settlement: Settlement | None = None
    procedure: Procedure | None = None
    governance: Governance | None = None
    remove: Removed = Removed()


class Vendor(Part):
    """The party that owes the service."""

    id: Identifier
    name: Title


class Customer(Part):
    """The party that is owed the service."""

    name: Title


class Contract(Part):
    """A contract file."""

    contract: Identifier
    name: Title
    vendor: Vendor
    customer: Customer | None = None
    currency: CurrencyCode
    timezone: ZoneName
    versions: Annotated[Listed[Version], Field(min_length=1)]
    index_values: dict[Identifier, dict[MonthInUse, Positive]] = Field(default_factory=dict)
    exclusion_decisions: Listed[ExclusionDecision] = ()
    tests: Listed[WorkedTest] = ()

    @property
    def minor_units(self) -> int:
        """Digits after the point of the currency."""
        return minor_units_by_currency()[self.currency]


def json_ready(part: Part) -> dict[str, Any]:
    """Return a part as plain JSON values, without defaults: a default added later changes no content."""
    return part.model_dump(mode="json", exclude_defaults=True)
