"""What the vendors of the demo world really delivered and owe: the oracle the warehouse is judged by.

It reads the same records as the warehouse (not the generator's intentions), and computes with its own
arithmetic: zoneinfo, lists of open pieces, one walk over the probes, exact fractions for money. It imports
nothing of ``avoir`` outside this package. Where the two disagree, one of them is wrong, and a person has to
look.

Rules: intervals are half-open; months and dates are local to the contract's zone; a breach is judged on
unrounded time; money is rounded half-up once, per clause and month, after the cap.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from avoir.demo.calendars import OpenHours
from avoir.demo.history import Row, Tables
from avoir.demo.invoices import Invoice, counted
from avoir.demo.months import Month, from_servicenow, local_date
from avoir.demo.vendors import (
    PROBE_INTERVAL_SECONDS,
    RELEASE_SERVICE,
    SUPPORT_SERVICE,
    PlatformTerms,
    ReleaseTerms,
    SupportTerms,
    TermsVersion,
    Vendor,
)

JsonRow = dict[str, object]
Outcome = Literal["met", "breached", "running"]

DEFINITIONS: Mapping[str, str] = {
    "tickets": "every ticket of the support service whose clock started under the contract; "
    "business_seconds runs to the first response, or to as_of while there is none",
    "outside_contract": "tickets that no clause judges: of another service, or from before the contract",
    "platform_months.downtime_seconds": "measured down, and unknown where the contract counts it as down; "
    "maintenance announced in time is left out",
    "platform_months.unknown_seconds": "without a measurement, outside maintenance announced in time, "
    "whatever the contract makes of it",
    "platform_months.excluded_maintenance_seconds": "union of the maintenance announced in time, up or down",
    "platform_months.in_scope_seconds": "length of the month less what is left out",
    "releases.delay_days": "calendar: delivered (or as_of) minus due, negative when early; "
    "business: business days after due up to delivered (or as_of), 0 when not after",
    "releases.defects": "defects found in the release and opened before as_of",
    "releases_without_plan": "releases whose plan was never approved: no clause judges them",
    "clause_months.formula_amount": "before the cap, rounded half-up to ten decimals for printing only",
    "clause_months.credit_amount": "after the cap, rounded half-up once",
    "vendor_months.invoiced_amount": "ex VAT: lines less allowances plus charges of types 380 and 384, "
    "a replaced invoice and credit notes left out",
}


# Tickets


def paused_spans(
    first_value: str, changes: Sequence[tuple[int, str]], pausing: str
) -> list[tuple[int, int | None]]:
    """When a field held a value: half-open spans in seconds, the last one open when it still does.

    ``changes`` are (instant, new value) in the order they happened; ``first_value`` held since ever.
    """
    spans: list[tuple[int, int | None]] = []
    since: int | None = 0 if first_value == pausing else None
    for at, value in changes:
        if value == pausing and since is None:
            since = at
        elif value != pausing and since is not None:
            spans.append((since, at))
            since = None
    if since is not None:
        spans.append((since, None))
    return spans


def business_seconds(
    hours: OpenHours, start: int, stop: int, pauses: Iterable[tuple[int, int | None]]
) -> int:
    """Open time from start to stop less the open time of the pauses. Pauses must not overlap."""
    total = hours.open_between(start, stop)
    for held, resumed in pauses:
        begin, end = max(held, start), stop if resumed is None else min(resumed, stop)
        if begin < end:
            total -= hours.open_between(begin, end)
    return total


def first_response(row: Row, journal: Iterable[Row]) -> int | None:
    """The first public comment by the vendor: not private, not automatic, not the caller's own."""
    answers = [
        from_servicenow(entry["sys_created_on"])
        for entry in journal
        if entry["element"] == "comments" and entry["sys_created_by"] not in ("system", row["caller_id"])
    ]
    return min(answers, default=None)


def judge_ticket(
    hours: OpenHours, terms: SupportTerms, row: Row, audit: Sequence[Row], journal: Sequence[Row], as_of: int
) -> tuple[int, Outcome]:
    """Business seconds to the first response (or to ``as_of``), and what the clause says of it."""
    holds = sorted(
        (entry for entry in audit if entry["fieldname"] == "hold_reason"),
        key=lambda entry: int(entry["record_checkpoint"]),
    )
    first_value = holds[0]["oldvalue"] if holds else row["hold_reason"]
    changes = [(from_servicenow(entry["sys_created_on"]), entry["newvalue"]) for entry in holds]
    answered = first_response(row, journal)
    start = from_servicenow(row["sys_created_on"])
    stop = as_of if answered is None else answered
    spent = business_seconds(hours, start, stop, paused_spans(first_value, changes, "1"))
    if spent > terms.target_seconds:
        return spent, "breached"
    return spent, "running" if answered is None else "met"


# Availability


@dataclass(frozen=True)
class PlatformMonth:
    """One month of a platform; durations in milliseconds."""

    month_ms: int
    excluded_ms: int
    measured_down_ms: int
    unknown_ms: int
    terms: PlatformTerms

    @property
    def downtime_ms(self) -> int:
        return self.measured_down_ms + (self.unknown_ms if self.terms.unknown == "down" else 0)

    @property
    def in_scope_ms(self) -> int:
        left_out = self.excluded_ms + (self.unknown_ms if self.terms.unknown == "exclude" else 0)
        return self.month_ms - left_out

    @property
    def allowed_ms(self) -> Fraction:
        return (100 - Fraction(self.terms.target_pct)) / 100 * self.in_scope_ms

    @property
    def is_breached(self) -> bool:
        return self.downtime_ms > self.allowed_ms

    def credit(self, base: Decimal) -> Fraction:
        """Unrounded: in proportion to the whole downtime or to what exceeds the allowance."""
        if not self.is_breached:
            return Fraction(0)
        billed = Fraction(self.downtime_ms)
        if self.terms.on == "excess":
            billed -= self.allowed_ms
        return Fraction(base) * billed / self.in_scope_ms


def union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open spans without overlaps, in order."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        elif start < end:
            joined.append((start, end))
    return joined


def without(span: tuple[int, int], removed: Sequence[tuple[int, int]]) -> int:
    """Length of a span less the parts that disjoint ``removed`` spans cover."""
    start, end = span
    return end - start - sum(max(0, min(end, stop) - max(start, begin)) for begin, stop in removed)


def states(samples: Sequence[tuple[int, int]], as_of_ms: int) -> Iterable[tuple[int, int, int | None]]:
    """What was known, when: (from, to, value), value None where nothing was; milliseconds.

    A sample holds until the next one, and no longer than one and a half intervals.
    """
    longest = PROBE_INTERVAL_SECONDS * 1500
    for index, (at, value) in enumerate(samples):
        following = samples[index + 1][0] if index + 1 < len(samples) else as_of_ms
        known_to = min(following, at + longest)
        yield at, known_to, value
        if known_to < following:
            yield known_to, following, None


def judge_platform(
    terms: PlatformTerms,
    bounds: tuple[int, int],
    samples: Sequence[tuple[int, int]],
    maintenances: Iterable[tuple[int, int, int]],
    as_of_ms: int,
) -> PlatformMonth:
    """Measure one month ``[start, end)`` in seconds; maintenances are (begin, end, announced) in seconds."""
    start, end = bounds[0] * 1000, bounds[1] * 1000
    notice = terms.notice_hours * 3600
    excluded = union(
        (max(begin * 1000, start), min(finish * 1000, end))
        for begin, finish, announced in maintenances
        if announced <= begin - notice
    )
    down = unknown = 0
    first = samples[0][0] if samples else end
    if first > start:
        unknown += without((start, min(first, end)), excluded)
    for begin, finish, value in states(samples, as_of_ms):
        clipped = max(begin, start), min(finish, end)
        if value == 1 or clipped[0] >= clipped[1]:
            continue
        length = without(clipped, excluded)
        if value is None:
            unknown += length
        else:
            down += length
    return PlatformMonth(end - start, sum(stop - begin for begin, stop in excluded), down, unknown, terms)


# Releases


@dataclass(frozen=True)
class PlanStep:
    """A plan version: when it was asked for, its date, and whether it was approved before the next one."""

    requested: date
    due: date
    approved: bool


def plan_of(row: Row, audit: Sequence[Row], zone: ZoneInfo) -> list[PlanStep]:
    """Plan versions of a release in order; the first is the date it was created with."""
    history = sorted(audit, key=lambda entry: int(entry["record_checkpoint"]))
    replans = [entry for entry in history if entry["fieldname"] == "end_date"]
    dates = [
        replans[0]["oldvalue"] if replans else row["end_date"],
        *(entry["newvalue"] for entry in replans),
    ]
    requests = [row["sys_created_on"], *(entry["sys_created_on"] for entry in replans)]
    approvals = [
        entry["sys_created_on"]
        for entry in history
        if entry["fieldname"] == "approval" and entry["newvalue"] == "approved"
    ]
    plan = []
    for index, (requested, named) in enumerate(zip(requests, dates, strict=True)):
        until = requests[index + 1] if index + 1 < len(requests) else "9999"
        plan.append(
            PlanStep(
                requested=local_date(from_servicenow(requested), zone),
                due=local_date(from_servicenow(named), zone),
                approved=any(requested < approval < until for approval in approvals),
            )
        )
    return plan


def validated_due(plan: Sequence[PlanStep], notice_days: int) -> date | None:
    """The date that counts: the last approved one asked for in time; None without an approved plan."""
    due = plan[0].due if plan[0].approved else None
    for step in plan[1:]:
        if due is not None and step.approved and (due - step.requested).days >= notice_days:
            due = step.due
    return due


def delay_days(terms: ReleaseTerms, hours: OpenHours, due: date, delivered: date) -> int:
    """Calendar days (negative when early) or business days after the due date (0 when not after)."""
    if terms.day_kind == "calendar":
        return (delivered - due).days
    return hours.business_days_after(due, delivered)


# Money


def rounded(amount: Fraction, decimals: int = 2) -> str:
    """Half-up, away from zero; exact, whatever the size of the fraction."""
    scaled = amount * 10**decimals
    whole, remainder = divmod(abs(scaled.numerator), scaled.denominator)
    whole += 2 * remainder >= scaled.denominator
    return f"{Decimal(whole if scaled >= 0 else -whole).scaleb(-decimals):.{decimals}f}"


def invoiced(documents: Iterable[Invoice]) -> Decimal:
    """A month's invoice ex VAT."""
    return sum((document.tax_basis for document in documents), Decimal("0.00"))


def service_lines(documents: Iterable[Invoice], service: str) -> Decimal:
    """What the month's invoice bills for one service, ex VAT, before document allowances and charges."""
    lines = (line.net for document in documents for line in document.lines if line.service == service)
    return sum(lines, Decimal("0.00"))


def response_credit(terms: SupportTerms, misses: int, base: Decimal) -> tuple[Fraction, Fraction]:
    """Before and after the month's cap."""
    formula = misses * Fraction(terms.rate_pct) / 100 * Fraction(base)
    if terms.cap_pct is None:
        return formula, formula
    return formula, min(formula, Fraction(terms.cap_pct) / 100 * Fraction(base))


# One vendor


def _as_seconds(milliseconds: int) -> str:
    return f"{Decimal(milliseconds) / 1000:f}"


def _by_record(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row)
    return grouped


def _hours(vendor: Vendor) -> dict[tuple[int, str], OpenHours]:
    return {
        (version.version, calendar.calendar_id): OpenHours(calendar, vendor.zone)
        for version in vendor.versions
        for calendar in version.calendars
    }


def truth_of(
    vendor: Vendor,
    months: Sequence[Month],
    tables: Tables,
    samples: Sequence[tuple[int, int]],
    documents: Mapping[Month, list[Invoice]],
    as_of: int,
) -> dict[str, list[JsonRow]]:
    """Everything there is to know about one vendor: sections of ``truth.json``, without the other vendors."""
    hours = _hours(vendor)
    audit = _by_record(tables.sys_audit, "documentkey")
    journal = _by_record(tables.sys_journal_field, "element_id")
    sections: dict[str, list[JsonRow]] = defaultdict(list)
    misses: dict[str, int] = defaultdict(int)
    late: dict[str, int] = defaultdict(int)

    for row in tables.incident:
        opened = local_date(from_servicenow(row["sys_created_on"]), vendor.zone)
        version = vendor.version_on(opened)
        identity: JsonRow = {"source_name": vendor.servicenow_source, "sys_id": row["sys_id"]}
        if version is None or row["business_service"] != SUPPORT_SERVICE:
            reason = "before the contract" if version is None else "another service"
            sections["outside_contract"].append({**identity, "reason": reason})
            continue
        calendar = hours[version.version, version.support.calendar_id]
        spent, outcome = judge_ticket(
            calendar, version.support, row, audit[row["sys_id"]], journal[row["sys_id"]], as_of
        )
        month_name = str(Month.of(opened))
        misses[month_name] += outcome == "breached"
        sections["tickets"].append(
            {
                **identity,
                "number": row["number"],
                "vendor": vendor.vendor_id,
                "month": month_name,
                "business_seconds": str(spent),
                "outcome": outcome,
            }
        )

    defects = Counter(row["release"] for row in tables.rm_defect)
    for row in tables.rm_release:
        _add_release(sections, late, vendor, row, audit[row["sys_id"]], hours, as_of)
    for told in sections["releases"]:
        told.setdefault("defects", defects[str(told["sys_id"])])

    maintenances = [
        tuple(from_servicenow(row[name]) for name in ("begin", "end", "sys_created_on"))
        for row in tables.cmdb_ci_outage
        if row["type"] == "planned" and row["cmdb_ci"] == vendor.monitor
    ]
    for month in months:
        version = vendor.version_on(month.first_day)
        if version is None:
            continue
        bounds = month.bounds(vendor.zone)
        near = _between(samples, bounds[0] - 86_400, bounds[1] + 86_400)
        platform = judge_platform(
            version.platform, bounds, near, [(b, e, a) for b, e, a in maintenances], as_of * 1000
        )
        _add_month(sections, vendor, month, version, platform, misses, late, counted(documents[month]))
    return sections


def _between(samples: Sequence[tuple[int, int]], start: int, end: int) -> Sequence[tuple[int, int]]:
    """Samples of a month with a day on both sides, for a hold is far shorter than that."""
    return [sample for sample in samples if start * 1000 <= sample[0] < end * 1000]


def _add_release(
    sections: dict[str, list[JsonRow]],
    late: dict[str, int],
    vendor: Vendor,
    row: Row,
    audit: Sequence[Row],
    hours: Mapping[tuple[int, str], OpenHours],
    as_of: int,
) -> None:
    identity: JsonRow = {"source_name": vendor.servicenow_source, "sys_id": row["sys_id"]}
    plan = plan_of(row, audit, vendor.zone)
    notice = vendor.versions[0].releases.replan_notice_days
    due = validated_due(plan, notice)
    version = None if due is None else vendor.version_on(due)
    if due is None or version is None or row["business_service"] != RELEASE_SERVICE:
        sections["releases_without_plan"].append(identity)
        return
    work_end = row["work_end"]
    delivered = local_date(from_servicenow(work_end), vendor.zone) if work_end else None
    judged_on = delivered or local_date(as_of, vendor.zone)
    calendar = hours[version.version, version.releases.calendar_id]
    delay = delay_days(version.releases, calendar, due, judged_on)
    month = str(Month.of(due))
    late[month] += delay > 0
    sections["releases"].append(
        {
            **identity,
            "number": row["number"],
            "vendor": vendor.vendor_id,
            "month": month,
            "due_date": due.isoformat(),
            "delivered_date": delivered.isoformat() if delivered else None,
            "delay_days": delay,
            "late": delay > 0,
        }
    )


def _add_month(
    sections: dict[str, list[JsonRow]],
    vendor: Vendor,
    month: Month,
    version: TermsVersion,
    platform: PlatformMonth,
    misses: Mapping[str, int],
    late: Mapping[str, int],
    documents: list[Invoice],
) -> None:
    name = str(month)
    identity: JsonRow = {"vendor": vendor.vendor_id, "month": name}
    sections["platform_months"].append(
        {
            **identity,
            "month_seconds": _as_seconds(platform.month_ms),
            "in_scope_seconds": _as_seconds(platform.in_scope_ms),
            "downtime_seconds": _as_seconds(platform.downtime_ms),
            "unknown_seconds": _as_seconds(platform.unknown_ms),
            "excluded_maintenance_seconds": _as_seconds(platform.excluded_ms),
            "breached": platform.is_breached,
        }
    )
    invoice = invoiced(documents)
    hosting = service_lines(documents, "platform")
    missed = misses.get(name, 0)
    response_formula, response_capped = response_credit(version.support, missed, invoice)
    outage = platform.credit(hosting)
    late_releases = late.get(name, 0)
    delay = late_releases * Fraction(version.releases.amount)
    total = Decimal(0)
    for clause, events, base, formula, capped in (
        ("SLA-1", missed, invoice, response_formula, response_capped),
        ("SLA-2", int(platform.is_breached), hosting, outage, outage),
        ("SLA-3", late_releases, None, delay, delay),
    ):
        credit = rounded(capped)
        total += Decimal(credit)
        sections["clause_months"].append(
            {
                **identity,
                "clause": clause,
                "events": events,
                "base_amount": None if base is None else f"{base:.2f}",
                "formula_amount": rounded(formula, 10),
                "credit_amount": credit,
            }
        )
    sections["vendor_months"].append(
        {
            **identity,
            "currency": vendor.currency,
            "invoiced_amount": f"{invoice:.2f}",
            "credit_amount": f"{total.quantize(Decimal('0.01'), ROUND_HALF_UP):.2f}",
        }
    )
