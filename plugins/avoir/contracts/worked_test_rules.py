"""Sections beside the versions: worked tests, exclusion decisions, index values.

They name parts of any version, and instants that must be one instant each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from avoir.contracts.clause_rules import is_monthly
from avoir.contracts.findings import BrokenParts, Finding, warning
from avoir.contracts.instants import InstantError, instant_us
from avoir.contracts.model import (
    STEPS,
    Aggregation,
    AvailabilityIndicator,
    Clause,
    ClockIndicator,
    Contract,
    DowntimeOfTest,
    ExcludedStretch,
    Expectation,
    ProbesOfTest,
    ReleaseOfTest,
    StretchOfTest,
    TermName,
    TicketOfTest,
    WorkedTest,
)
from avoir.contracts.planting import Window, window_of
from avoir.contracts.problems import choose_among
from avoir.contracts.resolving import Inherited, Path, ResolvedVersion

MAX_TEST_MONTHS = 120
MAX_TEST_SAMPLES = 1_000_000
SECONDS_PER_DAY = 86_400

_SUBJECT_OF_KIND = {"clock": "ticket", "milestone": "release"}


@dataclass(frozen=True)
class _Terms:
    """What the versions of a contract have between them, by id."""

    timezone: str
    clauses: Mapping[str, Sequence[Clause]]
    services: Sequence[str]
    grounds: Sequence[str]
    indices: Sequence[str]
    monitors: Mapping[str, Sequence[str]]
    """Values of the monitor keys of each service, one for each monitor."""
    broken: BrokenParts

    def unknown(self, section: str, name: str, path: Path) -> Iterator[Finding]:
        """Yield that no version has a part of this name."""
        noun, known = {
            "clauses": ("clause", list(self.clauses)),
            "services": ("service", list(self.services)),
            "exclusions": ("ground", list(self.grounds)),
        }[section]
        if name not in known and (section, name) not in self.broken:
            yield Finding(path, f"no version has the {noun} {name}", choose_among(name, known))

    def unmeasured(self, service: str, kinds: Sequence[str], given: str, path: Path) -> Iterator[Finding]:
        """Yield that no clause on a service measures what is given for it."""
        if service not in self.services or any(section == "clauses" for section, _ in self.broken):
            return
        there = {
            clause.indicator.kind
            for versions in self.clauses.values()
            for clause in versions
            if clause.service == service
        }
        if not there & set(kinds):
            measured = f"only {' and '.join(sorted(there))}" if there else "nothing"
            message = f"{given} of the service {service} change nothing: its clauses measure {measured}"
            fitting = sorted(
                {
                    clause.service
                    for versions in self.clauses.values()
                    for clause in versions
                    if clause.indicator.kind in kinds
                }
            )
            wanted = " or ".join(kinds)
            mend = f"write {' or '.join(fitting)}" if fitting else f"add a clause with the indicator {wanted}"
            yield Finding(path, message, mend)

    def sampled(self, service: str) -> Clause | None:
        """A clause on a service that counts samples, not time, if there is one."""
        return next(
            (
                clause
                for versions in self.clauses.values()
                for clause in versions
                if clause.service == service
                and isinstance(clause.indicator, AvailabilityIndicator)
                and clause.indicator.method.counts_samples
            ),
            None,
        )

    def named(self, one: DowntimeOfTest | ProbesOfTest) -> int:
        """How many monitors a stretch of a test is about."""
        values = self.monitors.get(one.service, ())
        return len(values) if one.monitor is None else values.count(one.monitor)

    def instant(self, text: str, path: Path, found: list[Finding]) -> int | None:
        """Return the instant of a text, or None with what is wrong with it in ``found``."""
        try:
            return instant_us(text, self.timezone)
        except InstantError as error:
            found.append(Finding(path, str(error), error.mend))
            return None

    def stretch(self, from_: str, to: str, at: Path) -> Iterator[Finding]:
        """Yield ends that are no instants, or no stretch."""
        found: list[Finding] = []
        ends = (self.instant(from_, (*at, "from"), found), self.instant(to, (*at, "to"), found))
        yield from found
        if ends[0] is not None and ends[1] is not None and ends[0] >= ends[1]:
            yield Finding(
                (*at, "to"),
                f"the stretch ends at {to}, not after its start at {from_}",
                f"write a time after {from_}; the end is the first instant outside",
            )


def judge_file_sections(
    contract: Contract,
    inherited: Sequence[Inherited],
    versions: Sequence[ResolvedVersion],
    broken: BrokenParts,
) -> Iterator[Finding]:
    """Yield what is wrong in the sections that belong to the file, not to a version.

    Args:
        contract: the file.
        inherited: its versions with what they inherit.
        versions: the same with their keys, of which tests name monitors.
        broken: what could not be read, mapping files included.
    """
    clauses: dict[str, list[Clause]] = {}
    for stage in inherited:
        for clause_id, clause in stage.clauses.items():
            clauses.setdefault(clause_id, []).append(clause)
    terms = _Terms(
        timezone=contract.timezone,
        clauses=clauses,
        services=list(dict.fromkeys(name for stage in inherited for name in stage.services)),
        grounds=list(dict.fromkeys(name for stage in inherited for name in stage.terms.exclusions)),
        indices=list(
            dict.fromkeys(stage.terms.indexation.index for stage in inherited if stage.terms.indexation)
        ),
        monitors=_monitors(versions),
        broken=broken,
    )
    yield from _judge_index_values(contract, inherited, terms)
    yield from _judge_decisions(contract, terms)
    names: set[str] = set()
    for number, test in enumerate(contract.tests):
        at: Path = ("tests", number)
        if test.name in names:
            message = f"two tests are named {test.name!r}"
            yield Finding((*at, "name"), message, "give each test a name of its own")
        names.add(test.name)
        yield from _judge_test(test, inherited, terms, at)


def _monitors(versions: Sequence[ResolvedVersion]) -> dict[str, list[str]]:
    """Return the values of the monitor keys of each service, of all its versions together."""
    keys: dict[str, dict[tuple[str, str], str]] = {}
    for version in versions:
        for service_id in version.services:
            for key in version.monitors(service_id):
                keys.setdefault(service_id, {})[key.source, key.value] = key.value
    return {service_id: list(values.values()) for service_id, values in keys.items()}


def _judge_index_values(
    contract: Contract, inherited: Sequence[Inherited], terms: _Terms
) -> Iterator[Finding]:
    valued = set(contract.index_values)
    sections: list[tuple[Path, Iterable[str]]] = [(("index_values",), contract.index_values)]
    for number, test in enumerate(contract.tests):
        valued |= set(test.index_values)
        sections.append((("tests", number, "index_values"), test.index_values))
    told: set[str] = set()
    for stage in inherited:
        index = stage.terms.indexation.index if stage.terms.indexation else None
        unread = index is not None and (
            ("index_values", index) in terms.broken or any(section == "tests" for section, _ in terms.broken)
        )
        if index is not None and index not in valued and index not in told and not unread:
            told.add(index)
            path = (*stage.paths["terms", TermName.INDEXATION], "index")
            message = f"no value of the index {index} is in the file: every amount stays unknown"
            yield warning(path, message, f'add index_values: {{{index}: {{2025-01: "…"}}}} beside versions')
    if ("terms", "indexation") in terms.broken:
        return
    for at, indices in sections:
        for index in indices:
            if index not in terms.indices:
                mend = choose_among(index, terms.indices) if terms.indices else "remove its values"
                yield warning((*at, index), f"no version uses the index {index}", mend)


def _judge_decisions(contract: Contract, terms: _Terms) -> Iterator[Finding]:
    ids: set[str] = set()
    for number, decision in enumerate(contract.exclusion_decisions):
        at: Path = ("exclusion_decisions", number)
        if decision.id in ids:
            message = f"the decision {decision.id} stands twice"
            yield Finding((*at, "id"), message, "give it an id of its own, or keep one of the two")
        ids.add(decision.id)
        yield from _judge_excluded(decision, terms, at)


def _judge_excluded(one: ExcludedStretch, terms: _Terms, at: Path) -> Iterator[Finding]:
    yield from terms.unknown("exclusions", one.ground, (*at, "ground"))
    if one.service is not None:
        path = (*at, "service")
        yield from terms.unknown("services", one.service, path)
        yield from terms.unmeasured(one.service, ("availability", "clock"), "excluded stretches", path)
    if one.from_ is not None and one.to is not None:
        yield from terms.stretch(one.from_, one.to, at)


# --- Tests ------------------------------------------------------------------------------------------------


def _judge_test(
    test: WorkedTest, inherited: Sequence[Inherited], terms: _Terms, at: Path
) -> Iterator[Finding]:
    findings = [*_judge_inputs(test, terms, at)]
    if test.as_of is not None:
        terms.instant(test.as_of, (*at, "as_of"), findings)
    yield from findings
    if not findings:
        yield from _judge_window(test, inherited, terms, at)
    for number, row in enumerate(test.expect):
        yield from _judge_expectation(row, test, terms, (*at, "expect", number))


def _judge_inputs(test: WorkedTest, terms: _Terms, at: Path) -> Iterator[Finding]:
    yield from _judge_names("ticket", [one.ticket for one in test.tickets], (*at, "tickets"))
    yield from _judge_names("release", [one.release for one in test.releases], (*at, "releases"))
    for number, ticket in enumerate(test.tickets):
        path = (*at, "tickets", number)
        yield from _judge_service(ticket.service, ("clock",), "tickets", terms, path)
        yield from _judge_events(ticket, terms, (*path, "events"))
    for number, release in enumerate(test.releases):
        path = (*at, "releases", number)
        yield from _judge_service(release.service, ("milestone",), "releases", terms, path)
        yield from _judge_replans(release, (*path, "replans"))
    stretches: tuple[tuple[str, Sequence[StretchOfTest]], ...] = (
        ("downtime", test.downtime),
        ("probes", test.probes),
        ("maintenance", test.maintenance),
    )
    for section, stated in stretches:
        for number, one in enumerate(stated):
            path = (*at, section, number)
            yield from _judge_service(one.service, ("availability",), section, terms, path)
            yield from terms.stretch(one.from_, one.to, path)
    for number, planned in enumerate(test.maintenance):
        found: list[Finding] = []
        terms.instant(planned.announced, (*at, "maintenance", number, "announced"), found)
        yield from found
    for number, outage in enumerate(test.downtime):
        if (clause := terms.sampled(outage.service)) is not None:
            message = f"the clause {clause.id} counts samples of {outage.service}, and downtime states none"
            path = (*at, "downtime", number, "service")
            yield Finding(path, message, f"state probes of {outage.service} instead")
    monitored: tuple[tuple[str, Sequence[DowntimeOfTest | ProbesOfTest]], ...] = (
        ("downtime", test.downtime),
        ("probes", test.probes),
    )
    for section, rows in monitored:
        for number, row in enumerate(rows):
            known = terms.monitors.get(row.service, ())
            unread = ("mapping", row.service) in terms.broken or ("services", row.service) in terms.broken
            if row.service in terms.services and not unread and not terms.named(row) and row.monitor:
                message = f"the service {row.service} has no monitor {row.monitor}"
                mend = choose_among(row.monitor, known) if known else "remove monitor"
                yield Finding((*at, section, number, "monitor"), message, mend)
    down = {one.service for one in test.downtime}
    for number, probes in enumerate(test.probes):
        if probes.service in down:
            message = f"the test states both downtime and probes of {probes.service}"
            mend = "keep one: probes are all the samples that there are, downtime fills in the rest"
            yield Finding((*at, "probes", number, "service"), message, mend)
    for number, invoice in enumerate(test.invoices):
        for position, line in enumerate(invoice.lines):
            path = (*at, "invoices", number, "lines", position, "service")
            if line.service is not None:
                yield from terms.unknown("services", line.service, path)
    for number, excluded in enumerate(test.exclusions):
        path = (*at, "exclusions", number)
        yield from _judge_excluded(excluded, terms, path)
        yield from _judge_subject(excluded.ticket, "ticket", test, path)
        yield from _judge_subject(excluded.release, "release", test, path)


def _judge_names(noun: str, names: Sequence[str], at: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            message = f"the {noun} {name} stands twice in one test"
            yield Finding((*at, position, noun), message, "give it a name of its own, or join the two")
        seen.add(name)


def _judge_service(
    service: str, kinds: Sequence[str], given: str, terms: _Terms, at: Path
) -> Iterator[Finding]:
    path = (*at, "service")
    yield from terms.unknown("services", service, path)
    yield from terms.unmeasured(service, kinds, given, path)


def _judge_events(ticket: TicketOfTest, terms: _Terms, at: Path) -> Iterator[Finding]:
    found: list[Finding] = []
    instants = [terms.instant(event.at, (*at, n, "at"), found) for n, event in enumerate(ticket.events)]
    yield from found
    for number, (before, here) in enumerate(pairwise(instants), start=1):
        if before is not None and here is not None and here < before:
            events = ticket.events
            message = f"the event at {events[number].at} stands after one at {events[number - 1].at}"
            yield Finding((*at, number, "at"), message, "write the events in the order of their instants")
    for number, event in enumerate(ticket.events):
        if event.value is not None and not event.field.holds_a_value:
            message = f"{event.field} happens at an instant and has no value"
            yield Finding((*at, number, "value"), message, "remove the value")


def _judge_replans(release: ReleaseOfTest, at: Path) -> Iterator[Finding]:
    for number, replan in enumerate(release.replans):
        if replan.approved is not None and replan.approved < replan.requested:
            message = f"the new date is approved on {replan.approved}, before it was asked for"
            mend = f"write approved: {replan.requested} or later, or null where it was refused"
            yield Finding((*at, number, "approved"), message, mend)


def _judge_window(
    test: WorkedTest, inherited: Sequence[Inherited], terms: _Terms, at: Path
) -> Iterator[Finding]:
    """Yield tests that see no month of the contract, or more than one test should have to build."""
    try:
        window = window_of(test, terms.timezone)
    except ValueError:
        message = f"the test {test.name!r} names no month, neither of what happened nor of what is due"
        yield Finding((*at, "expect"), message, "add month: YYYY-MM to a row of expect")
        return
    months = (window.end.year - window.first.year) * 12 + window.end.month - window.first.month
    if months > MAX_TEST_MONTHS:
        message = f"the test goes over {months} months, from {window.first} on"
        mend = f"correct its dates: a test has at most {MAX_TEST_MONTHS} months"
        yield Finding((*at, "name"), message, mend)
        return
    if window.as_of_us <= window.from_us:
        message = f"as_of lies before all that the test names: its months begin on {window.first}"
        yield Finding((*at, "as_of"), message, "write a later as_of, or leave it out")
    if not any(
        stage.version.effective_from < window.end and window.first < stage.valid_to for stage in inherited
    ):
        starts = min(stage.version.effective_from for stage in inherited)
        message = f"the contract is not in force in the months of the test, {window.first} to {window.end}"
        yield Finding((*at, "name"), message, f"write dates within the contract, which starts on {starts}")
    if (samples := _sample_count(test, inherited, window, terms)) > MAX_TEST_SAMPLES:
        message = f"the test would need {samples} samples"
        mend = f"shorten its stretches, or probe less often: a test has at most {MAX_TEST_SAMPLES} samples"
        yield Finding((*at, "name"), message, mend)


def _sample_count(test: WorkedTest, inherited: Sequence[Inherited], window: Window, terms: _Terms) -> int:
    seconds = (window.to_us - window.from_us) // 1_000_000
    count = 0
    for probes in test.probes:
        ends = (instant_us(probes.from_, terms.timezone), instant_us(probes.to, terms.timezone))
        count += (ends[1] - ends[0]) // (probes.every_seconds * 1_000_000) * terms.named(probes)
    probed = {probes.service for probes in test.probes}
    most: dict[str, int] = {}
    for stage in inherited:
        for clause in stage.clauses.values():
            indicator = clause.indicator
            if isinstance(indicator, AvailabilityIndicator) and clause.service not in probed:
                instants = seconds // (indicator.slice_seconds or SECONDS_PER_DAY)
                each = instants * (indicator.minimum_volume or 1)
                most[clause.service] = max(each, most.get(clause.service, 0))
    return count + sum(each * len(terms.monitors.get(service, ())) for service, each in most.items())


def _judge_subject(name: str | None, noun: str, test: WorkedTest, at: Path) -> Iterator[Finding]:
    known = [one.release for one in test.releases]
    if noun == "ticket":
        known = [one.ticket for one in test.tickets]
    if name is not None and name not in known:
        mend = choose_among(name, known) if known else f"add the {noun} to the test's {noun}s"
        yield Finding((*at, noun), f"the test has no {noun} {name}", mend)


def _judge_expectation(row: Expectation, test: WorkedTest, terms: _Terms, at: Path) -> Iterator[Finding]:
    yield from _judge_subject(row.ticket, "ticket", test, at)
    yield from _judge_subject(row.release, "release", test, at)
    if row.clause is None:
        return
    yield from terms.unknown("clauses", row.clause, (*at, "clause"))
    versions = terms.clauses.get(row.clause, ())
    if not versions:
        return
    kinds = {clause.indicator.kind for clause in versions}
    found: list[Finding] = []
    if row.due is not None:
        terms.instant(row.due, (*at, "due"), found)
    yield from found
    noun = "ticket" if row.ticket is not None else "release"
    fitting = "clock" if row.ticket is not None else "milestone"
    has_subject = row.ticket is not None or row.release is not None
    if has_subject and fitting not in kinds:
        kind = versions[0].indicator.kind
        mend = f"write {_SUBJECT_OF_KIND.get(kind, 'month')} instead"
        yield Finding((*at, noun), f"the clause {row.clause} measures {kind}, not a {noun}", mend)
    elif has_subject:
        yield from _judge_own_subject(row, test, terms, noun, at)
        yield from _judge_cycle(row, versions, at)
    elif (row.outcome is not None or row.measured is not None) and not any(map(is_monthly, versions)):
        name = "outcome" if row.outcome is not None else "measured"
        subject = _SUBJECT_OF_KIND[versions[0].indicator.kind]
        message = f"the clause {row.clause} is judged {subject} by {subject}: a month has no {name} of it"
        yield Finding((*at, name), message, f"add {subject}: …, or state lines and amounts of the month")


def _judge_cycle(row: Expectation, versions: Sequence[Clause], at: Path) -> Iterator[Finding]:
    """Yield cycles and due instants that no version of a clause can have."""
    indicators = [clause.indicator for clause in versions if isinstance(clause.indicator, ClockIndicator)]
    if row.cycle is not None and row.cycle > 1 and not any(one.has_cycles for one in indicators):
        message = f"the clause {row.clause} makes no new cycle of a ticket: there is the first one alone"
        mend = "remove cycle, or write reopen with policy: new_cycle or join_within in the clause"
        yield Finding((*at, "cycle"), message, mend)
    targeted = {Aggregation.EACH, Aggregation.RATIO}
    if row.due is not None and not targeted & {clause.objective.aggregation for clause in versions}:
        aggregation = versions[0].objective.aggregation
        message = f"the clause {row.clause} has no target for one ticket, only the {aggregation} of the month"
        yield Finding((*at, "due"), message, "remove due")


def _judge_own_subject(
    row: Expectation, test: WorkedTest, terms: _Terms, noun: str, at: Path
) -> Iterator[Finding]:
    subject, versions = row.ticket or row.release, terms.clauses[row.clause or ""]
    services = [one.service for one in test.tickets if one.ticket == subject]
    if noun == "release":
        services = [one.service for one in test.releases if one.release == subject]
    own, kinds = {clause.service for clause in versions}, {clause.indicator.kind for clause in versions}
    measured = {
        clause.service
        for others in terms.clauses.values()
        for clause in others
        if clause.indicator.kind in kinds
    }
    # A service that has no such clause at all is told where the test states it.
    if measured & set(services) and not own & set(services):
        other = services[0]
        message = f"the {noun} {subject} is of the service {other}, the clause {row.clause} of {min(own)}"
        yield Finding((*at, noun), message, f"write a {noun} of {min(own)}, or another clause")
    stated = [name for name in row.stated if name in {"lines", *STEPS}]
    if stated and all(map(is_monthly, versions)):
        message = f"the clause {row.clause} is judged by the month: no {noun} has {stated[0]} of its own"
        yield Finding((*at, noun), message, "write month instead")
