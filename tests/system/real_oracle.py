"""The real profile's months, computed a second time from the vendors' own files.

Plain Python over csv, Decimal, zoneinfo and lxml: no SQL, and nothing of the package. It takes other roads
than the models on purpose. Availability paints every second of a month instead of sweeping over edges, an
invoice is its tax basis (BT-109) instead of the sum of its lines, a bill its sub-total, and a PDF gives its
XML by inflating its streams instead of through a PDF library. The contracts' terms are stated here again as
dataclasses; ``test_real_oracle.py`` holds them against the files under ``contracts/examples``.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from lxml import etree

EXAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "examples"
AS_OF = datetime(2026, 8, 11, tzinfo=UTC)

CENT = Decimal("0.01")
SECOND_US = 1_000_000
OFFICE_DAYS = range(5)  # Monday to Friday
OFFICE_OPENS, OFFICE_CLOSES = time(8), time(18)
HELD = Decimal("1.5")  # a state holds for at most one and a half of the probe interval
ANSWERED = (
    "Active",
    "Awaiting User Info",
    "Awaiting Problem",
    "Awaiting Vendor",
    "Awaiting Evidence",
    "Resolved",
    "Closed",
)


@dataclass(frozen=True)
class ResponseTerms:
    """A first response within business minutes, and a fixed credit for each one that comes later."""

    clause: str
    service: str
    minutes: int
    amount: Decimal
    month_cap: Decimal
    answered: tuple[str, ...] = ANSWERED


@dataclass(frozen=True)
class UptimeTerms:
    """An availability in percent of the month, and a credit in proportion below it."""

    clause: str
    service: str
    monitors: tuple[str, ...]
    objective_pct: Decimal
    fee: Decimal
    unknown: str = "exclude"
    on: str = "whole_downtime"
    interval_seconds: int = 14400


@dataclass(frozen=True)
class ContractTerms:
    """One contract of the examples; ``until`` is exclusive."""

    contract: str
    vendor: str
    currency: str
    zone: str
    since: date
    until: date | None
    responses: tuple[ResponseTerms, ...] = ()
    uptimes: tuple[UptimeTerms, ...] = ()
    bills: tuple[tuple[str, str, str], ...] = ()
    """Source, service and seller of the invoices that are this contract's."""
    fees: dict[str, Decimal] = field(default_factory=dict)
    """Fixed fee by service."""


def _support(contract: str, vendor: str, service: str, fee: str, promise: ResponseTerms) -> ContractTerms:
    return ContractTerms(
        contract,
        vendor,
        "EUR",
        "UTC",
        date(2016, 3, 1),
        date(2016, 5, 1),
        responses=(promise,),
        fees={service: Decimal(fee)},
    )


CONTRACTS = (
    _support(
        "NOR-2016-01",
        "norden",
        "service_desk",
        "40000.00",
        ResponseTerms("SLA-1", "service_desk", 60, Decimal(15), Decimal(4000)),
    ),
    _support(
        "KES-2016-02",
        "kestrel",
        "workplace",
        "18000.00",
        ResponseTerms("SLA-1", "workplace", 240, Decimal(25), Decimal(1500)),
    ),
    _support(
        "LAR-2016-03",
        "larch",
        "applications",
        "26000.00",
        ResponseTerms("SLA-1", "applications", 480, Decimal(40), Decimal(2000)),
    ),
    ContractTerms(
        "SUM-2026-01",
        "summit",
        "USD",
        "America/Denver",
        date(2026, 6, 1),
        None,
        uptimes=(
            UptimeTerms(
                "SLA-1",
                "access",
                (
                    "alpine-login-node-ssh-tcp-reachability",
                    "curc-open-on-demand-https-tcp-reachability",
                    "curc-data-transfer-node-ssh-tcp-reachability",
                ),
                Decimal("99.9"),
                Decimal(12000),
            ),
            UptimeTerms(
                "SLA-2",
                "cluster",
                ("curc-statuspage-alpine-component",),
                Decimal("99.0"),
                Decimal(30000),
                on="excess",
            ),
            UptimeTerms(
                "SLA-3",
                "documentation",
                ("curc-docs-public-webpage", "alpine-curc-page"),
                Decimal("99.5"),
                Decimal(900),
            ),
        ),
        fees={"access": Decimal(12000), "cluster": Decimal(30000), "documentation": Decimal(900)},
    ),
    ContractTerms(
        "MER-2026-02",
        "meridian",
        "USD",
        "America/Chicago",
        date(2026, 6, 1),
        None,
        uptimes=(
            UptimeTerms(
                "SLA-1",
                "transfer",
                ("globus-transfer-api-technical-endpoint", "globus-website-public-webpage"),
                Decimal("99.5"),
                Decimal(8000),
                unknown="down",
            ),
            UptimeTerms(
                "SLA-2",
                "identity",
                ("access-registry-technical-endpoint",),
                Decimal("99.5"),
                Decimal(5000),
            ),
            UptimeTerms(
                "SLA-3", "website", ("access-website-public-webpage",), Decimal("99.0"), Decimal(1500)
            ),
        ),
        fees={"transfer": Decimal(8000), "identity": Decimal(5000), "website": Decimal(1500)},
    ),
    ContractTerms(
        "MOU-2017-01",
        "moulin",
        "EUR",
        "Europe/Paris",
        date(2017, 11, 1),
        date(2017, 12, 1),
        bills=(("en16931_invoices", "supplies", "FR11999999998"),),
    ),
    ContractTerms(
        "POL-2014-01",
        "polder",
        "EUR",
        "Europe/Amsterdam",
        date(2014, 8, 1),
        date(2014, 9, 1),
        bills=(("en16931_invoices", "energy", "NL809561074B01"),),
    ),
    ContractTerms(
        "MAP-2019-01",
        "maple",
        "CAD",
        "America/Toronto",
        date(2019, 12, 1),
        date(2020, 10, 1),
        bills=(
            ("xero_bills", "office", "42358b87-c359-47a8-a65a-2b0e9077bae8"),
            ("xero_bills", "office", "13d352d4-ad46-47b0-9066-4d30f9b2eacf"),
            ("xero_bills", "office", "c6840322-5f2c-4673-89c8-e62d35223184"),
            ("xero_bills", "travel", "e57d87e8-6f9d-44b7-a754-1995d2d26938"),
        ),
    ),
    ContractTerms(
        "HAR-2019-02",
        "harbor",
        "USD",
        "America/New_York",
        date(2019, 12, 1),
        date(2020, 10, 1),
        bills=(
            ("xero_bills", "software", "bddffda7-232d-40a1-899e-7e1512714e1e"),
            ("xero_bills", "software", "153e2610-f1df-4c72-a029-cbf42259b14e"),
            ("xero_bills", "software", "0cc45f8c-8603-42e8-a7f1-a8e145b5f9fc"),
            ("xero_bills", "software", "e64c7082-7d6e-4169-b027-3785aa3a34b9"),
        ),
    ),
)


@dataclass(frozen=True)
class Incident:
    """One incident under a clause."""

    month: str
    vendor: str
    clause: str
    business_us: int
    outcome: str


@dataclass(frozen=True)
class UptimeMonth:
    """One availability clause in one month; an open month is judged up to ``AS_OF``."""

    is_complete: bool
    month_us: int
    in_scope_us: int
    downtime_us: int
    unknown_us: int
    outcome: str


@dataclass(frozen=True)
class Figures:
    """Everything the warehouse must agree with, by month written ``YYYY-MM``."""

    incidents: dict[str, Incident]
    uptimes: dict[tuple[str, str, str], UptimeMonth]
    """By vendor, clause and month, the open month included."""
    invoiced: dict[tuple[str, str, str], Decimal]
    """By vendor, month and currency; only what falls inside a contract."""
    credits: dict[tuple[str, str, str], tuple[int, Decimal]]
    """By vendor, clause and month: breaches and what they cost; complete months only."""
    months: set[tuple[str, str, str]]
    """Vendor, month and currency of every month that must be published."""

    def credit(self, vendor: str, month: str) -> Decimal:
        """What a vendor owes for a month."""
        amounts = [
            amount for (who, _, when), (_, amount) in self.credits.items() if (who, when) == (vendor, month)
        ]
        return sum(amounts, Decimal(0))


def figures(shared_data: Path) -> Figures:
    """Read everything and compute everything."""
    incidents = dict(_incidents(shared_data / "tickets" / "servicenow_incident_events.csv"))
    uptimes = dict(_uptimes(shared_data / "uptime" / "upptime_curc" / "checks_from_git_log.csv"))
    invoiced: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for key, amount in itertools.chain(
        _billed(shared_data / "invoices" / "xero" / "invoices.csv"), _invoiced(shared_data / "invoices")
    ):
        invoiced[key] += amount
    months = {(terms.vendor, month, terms.currency) for terms in CONTRACTS for month in _months(terms)}
    months |= {key for key in invoiced if key[:2] in {(vendor, month) for vendor, month, _ in months}}
    return Figures(incidents, uptimes, dict(invoiced), dict(_credits(incidents, uptimes)), months)


def _months(terms: ContractTerms) -> Iterator[str]:
    """Whole months of a contract that are over."""
    first = terms.since
    while (terms.until is None or first < terms.until) and _midnight(_next(first), terms.zone) <= AS_OF:
        yield f"{first:%Y-%m}"
        first = _next(first)


def _next(first: date) -> date:
    return (first.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _inside(terms: ContractTerms, day: date) -> bool:
    return terms.since <= day and (terms.until is None or day < terms.until)


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(line for line in stream if not line.startswith("#")))


# Incidents: each one's first state after New, in business time.


def day_first(text: str) -> datetime:
    """``day/month/year hour:minute``, read by hand so that no parser can swap the two."""
    days, clock = text.split(" ")
    day, month, year = (int(part) for part in days.split("/"))
    hour, minute = (int(part) for part in clock.split(":"))
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def incident_rows(path: Path) -> dict[str, list[dict[str, str]]]:
    """The log's rows by incident, in the order in which the incident was changed."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _csv(path):
        found[row["number"]].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: int(row["sys_mod_count"]))
    return dict(found)


def vendor_of_group() -> dict[str, tuple[str, str]]:
    """Vendor and service of an assignment group; the mapping file is data, not a term."""
    return {
        row["assignment_group"]: (row["vendor"], row["service"])
        for row in _csv(EXAMPLES / "assignment_groups.csv")
    }


def first_group(rows: Iterable[dict[str, str]]) -> str | None:
    """The group an incident was first given to; later ones do not move it."""
    return next((row["assignment_group"] for row in rows if row["assignment_group"] != "?"), None)


def _incidents(path: Path) -> Iterator[tuple[str, Incident]]:
    owners = vendor_of_group()
    for number, rows in incident_rows(path).items():
        owner = owners.get(first_group(rows) or "")
        opened_at = day_first(rows[0]["opened_at"])
        for terms in CONTRACTS:
            for clause in terms.responses:
                local = opened_at.astimezone(ZoneInfo(terms.zone)).date()
                if owner != (terms.vendor, clause.service) or not _inside(terms, local):
                    continue
                answers = [
                    day_first(r["sys_updated_at"]) for r in rows if r["incident_state"] in clause.answered
                ]
                spent = _office_us(opened_at, min(answers, default=AS_OF))
                outcome = "running" if not answers else "met"
                if spent > clause.minutes * 60 * SECOND_US:
                    outcome = "breached"
                yield number, Incident(f"{local:%Y-%m}", terms.vendor, clause.clause, spent, outcome)


def _office_us(begin: datetime, end: datetime) -> int:
    spent = timedelta()
    day = begin.date()
    while day <= end.date():
        if day.weekday() in OFFICE_DAYS:
            opens = datetime.combine(day, OFFICE_OPENS, UTC)
            closes = datetime.combine(day, OFFICE_CLOSES, UTC)
            spent += max(timedelta(), min(end, closes) - max(begin, opens))
        day += timedelta(days=1)
    return spent // timedelta(microseconds=1)


# Availability: every second of the month is painted up, unknown or down.

UP, UNKNOWN, DOWN = 0, 1, 2


def checks(path: Path) -> dict[str, list[tuple[datetime, bool]]]:
    """Instant and state of every check, by monitor, in order."""
    found: dict[str, list[tuple[datetime, bool]]] = defaultdict(list)
    for row in _csv(path):
        found[row["slug"]].append((datetime.fromisoformat(row["checked_at"]), row["status"] != "down"))
    for seen in found.values():
        seen.sort(key=lambda check: check[0])
    return dict(found)


def _uptimes(path: Path) -> Iterator[tuple[tuple[str, str, str], UptimeMonth]]:
    seen = checks(path)
    for terms in CONTRACTS:
        for clause in terms.uptimes:
            first = terms.since
            while (begin := _midnight(first, terms.zone)) < AS_OF:
                end = _midnight(_next(first), terms.zone)
                month = _painted(clause, seen, begin, min(end, AS_OF), is_complete=end <= AS_OF)
                yield (terms.vendor, clause.clause, f"{first:%Y-%m}"), month
                first = _next(first)


def _painted(
    clause: UptimeTerms,
    seen: dict[str, list[tuple[datetime, bool]]],
    begin: datetime,
    end: datetime,
    *,
    is_complete: bool,
) -> UptimeMonth:
    held = timedelta(seconds=int(clause.interval_seconds * HELD))
    spans: dict[int, list[tuple[datetime, datetime]]] = {UNKNOWN: [], DOWN: []}
    for monitor in clause.monitors:
        own = seen.get(monitor, [])
        spans[UNKNOWN].append((begin, own[0][0] if own else end))
        for (at, is_up), following in itertools.zip_longest(own, [at for at, _ in own[1:]]):
            until = AS_OF if following is None else following
            if not is_up:
                spans[DOWN].append((at, min(until, at + held)))
            spans[UNKNOWN].append((at + held, until))
    seconds = _seconds(begin, end)
    painted = bytearray(seconds)
    for state in (UNKNOWN, DOWN):  # down is painted over what is unknown of another monitor
        for one, other in spans[state]:
            left, right = max(0, _seconds(begin, one)), min(seconds, _seconds(begin, other))
            if left < right:
                painted[left:right] = bytes([state]) * (right - left)
    down, unknown = painted.count(DOWN), painted.count(UNKNOWN)
    scope = seconds - (unknown if clause.unknown == "exclude" else 0)
    downtime = down + (unknown if clause.unknown == "down" else 0)
    is_breached = downtime * 100 > (100 - clause.objective_pct) * scope
    outcome = "no_data" if scope == 0 else "breached" if is_breached else "met"
    return UptimeMonth(
        is_complete=is_complete,
        month_us=seconds * SECOND_US,
        in_scope_us=scope * SECOND_US,
        downtime_us=downtime * SECOND_US,
        unknown_us=unknown * SECOND_US,
        outcome=outcome,
    )


def _seconds(begin: datetime, end: datetime) -> int:
    seconds, rest = divmod(end - begin, timedelta(seconds=1))
    assert not rest, f"{begin} to {end} is no whole number of seconds; painting would not be exact"
    return seconds


def reported(shared_data: Path) -> dict[tuple[str, str], Decimal]:
    """Uptime that the vendor's own monitor publishes, by vendor and clause: the mean of its monitors."""
    published = {
        monitor["slug"]: Decimal(monitor["uptime"].removesuffix("%"))
        for monitor in json.loads(
            (shared_data / "uptime" / "upptime_curc" / "history" / "summary.json").read_text(encoding="utf-8")
        )
    }
    return {
        (terms.vendor, clause.clause): sum((published[m] for m in clause.monitors), Decimal(0))
        / len(clause.monitors)
        for terms in CONTRACTS
        for clause in terms.uptimes
    }


# Invoices: what was invoiced ex VAT, by currency.


def _owned(source: str, seller: str, day: date) -> Iterator[str]:
    for terms in CONTRACTS:
        if _inside(terms, day) and any((one, who) == (source, seller) for one, _, who in terms.bills):
            yield terms.vendor


def _billed(path: Path) -> Iterator[tuple[tuple[str, str, str], Decimal]]:
    for row in _csv(path):
        if row["type"] != "ACCPAY" or row["status"] in {"VOIDED", "DELETED", "DRAFT", "SUBMITTED"}:
            continue
        for vendor in _owned("xero_bills", row["contact_id"], date.fromisoformat(row["date"])):
            yield (vendor, row["date"][:7], row["currency_code"]), Decimal(row["sub_total"])


@dataclass(frozen=True)
class Document:
    """What an e-invoice says of itself, whichever syntax it is in."""

    sellers: frozenset[str]
    number: str
    type_code: str
    day: date
    currency: str
    net: Decimal
    line_count: int


def documents(folder: Path) -> Iterator[tuple[str, Document]]:
    """Every e-invoice of the folder with its file's name, credit notes and copies included."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() == ".xml":
            yield path.name, _document(path.read_bytes())
        elif path.suffix.lower() == ".pdf":
            yield path.name, _document(_attached(path.read_bytes()))


def _attached(pdf: bytes) -> bytes:
    for match in re.finditer(rb"stream\r?\n", pdf):
        raw = pdf[match.end() :]
        if b"CrossIndustryInvoice" in raw[:400]:
            return raw[: raw.index(b"endstream")].strip()
        try:
            content = zlib.decompressobj().decompress(raw)
        except zlib.error:
            continue
        if b"CrossIndustryInvoice" in content[:2000]:
            return content
    raise AssertionError("no invoice in the PDF")


def _document(xml: bytes) -> Document:
    root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))

    def texts(*path: str) -> list[str]:
        steps = "/".join(f"*[local-name()='{step}']" for step in path)
        return ["".join(item.itertext()).strip() for item in root.xpath(steps)]

    def first(*paths: tuple[str, ...]) -> str:
        return next((text for path in paths for text in texts(*path) if text), "")

    if etree.QName(root).localname == "CrossIndustryInvoice":
        header = ("SupplyChainTradeTransaction", "ApplicableHeaderTradeAgreement", "SellerTradeParty")
        settled = ("SupplyChainTradeTransaction", "ApplicableHeaderTradeSettlement")
        sellers = texts(*header, "SpecifiedTaxRegistration", "ID")
        number, code = first(("ExchangedDocument", "ID")), first(("ExchangedDocument", "TypeCode"))
        day = first(
            (*settled, "BillingSpecifiedPeriod", "StartDateTime", "DateTimeString"),
            ("ExchangedDocument", "IssueDateTime", "DateTimeString"),
        )
        currency = first((*settled, "InvoiceCurrencyCode"))
        net = first((*settled, "SpecifiedTradeSettlementHeaderMonetarySummation", "TaxBasisTotalAmount"))
        lines = texts("SupplyChainTradeTransaction", "IncludedSupplyChainTradeLineItem")
    else:
        party = ("AccountingSupplierParty", "Party")
        sellers = texts(*party, "PartyTaxScheme", "CompanyID")
        number, code = first(("ID",)), first(("InvoiceTypeCode",), ("CreditNoteTypeCode",))
        day = first(("InvoicePeriod", "StartDate"), ("IssueDate",))
        currency = first(("DocumentCurrencyCode",))
        net = first(("LegalMonetaryTotal", "TaxExclusiveAmount"))
        lines = texts("InvoiceLine") + texts("CreditNoteLine")
    digits = day.replace("-", "")[:8]
    on = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    return Document(frozenset(sellers), number, code, on, currency, Decimal(net), len(lines))


def _invoiced(folder: Path) -> Iterator[tuple[tuple[str, str, str], Decimal]]:
    counted: dict[tuple[str, str, str], Decimal] = {}
    for name, one in documents(folder):
        for seller in one.sellers:
            for vendor in _owned("en16931_invoices", seller, one.day):
                if one.type_code == "381":
                    continue
                key = (vendor, one.number, one.currency)
                if key in counted:
                    assert counted[key] == one.net, f"{name} is a copy with another amount"
                    continue
                counted[key] = one.net
                yield (vendor, f"{one.day:%Y-%m}", one.currency), one.net


# Credits: rounded once, half-up.


def _credits(
    incidents: dict[str, Incident], uptimes: dict[tuple[str, str, str], UptimeMonth]
) -> Iterator[tuple[tuple[str, str, str], tuple[int, Decimal]]]:
    for terms in CONTRACTS:
        for month in _months(terms):
            for clause in terms.responses:
                count = sum(
                    one.outcome == "breached"
                    for one in incidents.values()
                    if (one.vendor, one.clause, one.month) == (terms.vendor, clause.clause, month)
                )
                if count:
                    amount = min(count * clause.amount, clause.month_cap)
                    yield (terms.vendor, clause.clause, month), (count, amount.quantize(CENT, ROUND_HALF_UP))
            for promise in terms.uptimes:
                one = uptimes[terms.vendor, promise.clause, month]
                if one.outcome != "breached":
                    continue
                charged = Decimal(one.downtime_us)
                if promise.on == "excess":
                    charged -= (100 - promise.objective_pct) / 100 * one.in_scope_us
                amount = (promise.fee * charged / one.in_scope_us).quantize(CENT, ROUND_HALF_UP)
                yield (terms.vendor, promise.clause, month), (1, amount)
