"""The test of a made-up contract: tickets, releases, what was watched, invoices, claims and indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from avoir.contracts.model import Calendar
from tests.oracle.business_time import (
    DAY_US,
    EPOCH,
    MICROSECOND,
    SECOND_US,
    business_time,
    midnight_us,
    month_after,
    month_of,
)
from tests.oracle.drafting import (
    CALENDARS,
    COUNTING_SAMPLES,
    DST_SUNDAYS,
    HOUR_US,
    METHODS,
    MINUTE_US,
    OPENS_AT_US,
    RELEASE_NAMES,
    TICKET_NAMES,
    Document,
    Drafting,
)
from tests.oracle.verdicts import UNIT_US


@dataclass
class _Story:
    """What happens to one ticket, as it is told: instants in microseconds and events of the format.

    ``allowed_us`` is one of the clause's targets.
    """

    clause: Document
    created_us: int
    allowed_us: int
    events: list[tuple[int, Document]] = field(default_factory=list)

    def tell(self, at_us: int, name: str, value: str | None = None) -> None:
        """Add an event, no earlier than the creation."""
        event: Document = {"field": name} if value is None else {"field": name, "value": value}
        self.events.append((max(self.created_us, at_us), event))

    def answer(self, at_us: int, condition: Document, any_value: str = "4") -> None:
        """Add an event that is what a condition waits for."""
        lasts = condition["field"] in {"state", "hold_reason", "priority", "assignment_group"}
        self.tell(at_us, condition["field"], condition.get("value", any_value) if lasts else None)


@dataclass
class HistoryDrafting(Drafting):
    """Drafts what happened under a contract's clauses."""

    last_created_us: int | None = None
    last_due: date | None = None
    last_downtime: tuple[int, int] | None = None

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
        for service in sorted({service for service, kind in kinds if kind in METHODS}):
            self._watch(test, service, {kind for of, kind in kinds if of == service}, cuts)
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

    # Tickets.

    def _ticket(self, name: str, service: str, cuts: Sequence[date]) -> Document:
        c = self.choices
        clause = c.one_of(
            [
                clause
                for clause_id, clause in self.clauses.items()
                if clause["service"] == service and self.families[clause_id].kind == "clock"
            ]
        )
        created_us = self._created_us(clause, cuts)
        story = _Story(clause, created_us, self._allowed_us(clause))
        story.tell(created_us, "created")
        start_us = created_us
        if c.chance(45):
            start_us += c.weighted((50, 0), (30, 10 * MINUTE_US), (20, DAY_US))
            story.tell(start_us, "state", "assigned")
        elif c.chance(15):
            story.tell(start_us, "priority", "1")
        if "priority_change" in clause["indicator"]:
            self._tell_priorities(story, start_us)
        paused_us = self._tell_pauses(story, start_us)
        for noise in ("auto_reply", "private_note", "public_comment_customer"):
            if c.chance(8):
                story.tell(start_us + MINUTE_US, noise)
        late_us = c.weighted(
            (22, 0),
            (10, 1),
            (6, -1),
            (8, SECOND_US),
            (14, 2 * HOUR_US + 7),
            (18, 3 * DAY_US),
            (20, None),
            (2, -story.allowed_us),
        )
        if late_us is not None:
            stop_us = (
                start_us + story.allowed_us + (paused_us if late_us != -story.allowed_us else 0) + late_us
            )
            self._tell_stop(story, stop_us)
            if c.chance(80 if "reopen" in clause["indicator"] else 15):
                self._tell_reopenings(story, stop_us)
        if "reset" in clause["indicator"] and c.chance(75):
            self._tell_resets(story, start_us)
        kept = [(at_us, event) for at_us, event in story.events if self._inside(at_us)]
        kept.sort(key=lambda dated: dated[0])  # Events of one instant stay in the order told.
        return {
            "ticket": name,
            "service": service,
            "events": [{"at": self._text(at_us), **event} for at_us, event in kept],
        }

    def _allowed_us(self, clause: Document) -> int:
        level = clause["objective"].get("target", clause["objective"])
        values = [level["value"], *level.get("by_priority", {}).values()]
        value = self.choices.one_of(values) if len(values) > 1 else values[0]
        return int(Decimal(str(value)) * UNIT_US[level["unit"]])

    def _created_us(self, clause: Document, cuts: Sequence[date]) -> int:
        c = self.choices
        calendar = next(cal for cal in CALENDARS if cal["id"] == clause["indicator"]["calendar"])
        day = self._day(cuts)
        if c.chance(6) and calendar["timezone"] in DST_SUNDAYS:
            day = c.one_of(DST_SUNDAYS[calendar["timezone"]])
        created_us = c.weighted(
            (70, midnight_us(day, calendar["timezone"]) + OPENS_AT_US[calendar["id"]]),
            (15, midnight_us(day, self.zone)),
            (10, midnight_us(day, self.zone) - 1),
            (5, midnight_us(day, calendar["timezone"]) + 17 * HOUR_US + 1),
        )
        if self.last_created_us is not None and c.chance(20):
            created_us = self.last_created_us
        if not self._inside(created_us):
            created_us = self._starts_us
        self.last_created_us = created_us
        return created_us

    def _tell_priorities(self, story: _Story, start_us: int) -> None:
        """Give a ticket a priority, and change it: raised or lowered, set again or emptied."""
        c = self.choices
        if c.chance(80):
            story.tell(c.one_of((story.created_us, start_us)), "priority", c.one_of(("2", "1", "3")))
        for _ in range(c.weighted((30, 1), (35, 0), (35, 2))):
            after_us = c.one_of(
                (
                    story.allowed_us // 2,
                    2 * story.allowed_us,
                    story.allowed_us,
                    story.allowed_us + 1,
                    0,
                    DAY_US,
                )
            )
            value = c.weighted((35, "1"), (30, "2"), (20, "3"), (15, ""))
            story.tell(start_us + after_us, "priority", value)

    def _tell_pauses(self, story: _Story, start_us: int) -> int:
        """Tell of pauses, whether or not the clause knows them; return how long the first one is."""
        c = self.choices
        paused_us = 0
        if c.chance(45):
            paused_us = c.one_of((30 * MINUTE_US, 0, HOUR_US, 20 * HOUR_US))
            held_us = start_us + c.one_of((5 * MINUTE_US, 0, 2 * HOUR_US))
            reason = c.weighted((75, "1"), (25, "4"))
            story.tell(held_us, "hold_reason", reason)
            if c.chance(85):
                freed = c.weighted((50, {"value": ""}), (25, {"value": None}), (25, {"value": "4"}))
                story.events.append((held_us + paused_us, {"field": "hold_reason", **freed}))
            if c.chance(30):
                story.tell(held_us + paused_us // 2, "state", "waiting")
        if "resume" in story.clause["indicator"] and c.chance(75):
            from_us = start_us + c.one_of((10 * MINUTE_US, -5 * MINUTE_US, 0, HOUR_US, -5 * MINUTE_US))
            paused_us = c.one_of((30 * MINUTE_US, HOUR_US, 20 * HOUR_US))
            story.answer(max(story.created_us, from_us), c.one_of(story.clause["indicator"]["pause"]))
            if c.chance(25):
                story.answer(from_us + paused_us // 2, story.clause["indicator"]["pause"][0])
            if c.chance(75):
                story.answer(from_us + paused_us, c.one_of(story.clause["indicator"]["resume"]))
        return paused_us

    def _tell_stop(self, story: _Story, stop_us: int) -> None:
        c = self.choices
        stop = c.weighted((70, ("public_comment_vendor",)), (30, ("state", "resolved")))
        if c.chance(50):
            story.answer(stop_us, story.clause["indicator"]["stop"][0])
        else:
            story.tell(stop_us, *stop)
        if c.chance(20):
            other = ("public_comment_vendor",) if len(stop) == 2 else ("state", "resolved")
            story.tell(stop_us + c.one_of((0, HOUR_US)), *other)

    def _tell_reopenings(self, story: _Story, stop_us: int) -> None:
        """Reopen a ticket up to three times, often at the edge of the time within which runs join."""
        c = self.choices
        indicator = story.clause["indicator"]
        conditions = indicator.get("reopen", {}).get("on", [{"field": "state", "value": "reopened"}])
        for _ in range(c.weighted((60, 1), (28, 2), (12, 3))):
            gap_us = c.one_of((HOUR_US, 0, 30 * MINUTE_US, DAY_US, 3 * DAY_US, 12 * MINUTE_US, 20 * DAY_US))
            reopened_us = stop_us + gap_us
            if "within" in indicator.get("reopen", {}) and c.chance(50):
                within = indicator["reopen"]["within"]
                within_us = int(Decimal(str(within["size"])) * UNIT_US[within["unit"]])
                calendar = next(cal for cal in CALENDARS if cal["id"] == indicator["calendar"])
                hours = business_time(Calendar.model_validate(calendar))
                reopened_us = hours.instant_after(stop_us, within_us) + c.weighted((50, 0), (35, 1), (15, -1))
            story.answer(reopened_us, c.one_of(conditions), "reopened")
            if c.chance(15):
                story.answer(reopened_us + MINUTE_US, c.one_of(conditions), "reopened")
            took_us = c.weighted(
                (20, story.allowed_us),
                (15, story.allowed_us + 1),
                (20, story.allowed_us // 2),
                (15, 0),
                (15, 2 * DAY_US),
                (15, None),
            )
            if took_us is None:
                return
            stop_us = reopened_us + took_us
            story.answer(stop_us, c.one_of(indicator["stop"]), "resolved")

    def _tell_resets(self, story: _Story, start_us: int) -> None:
        """Reset a clock before or after its breach, at its start or stop, and beside other events."""
        c = self.choices
        for _ in range(c.weighted((65, 1), (35, 2))):
            after_us = c.one_of(
                (story.allowed_us // 2, 2 * story.allowed_us, story.allowed_us, story.allowed_us + 1, HOUR_US)
            )
            at_us = c.one_of(story.events)[0] if c.chance(25) else start_us + after_us
            story.tell(at_us, "assignment_group", c.weighted((70, "B"), (30, "C")))

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

    def _watch(self, test: Document, service: str, methods: set[str], cuts: Sequence[date]) -> None:
        c = self.choices
        way = c.weighted((60, "downtime"), (30, "probes"), (10, "nothing"))
        if (way == "downtime" and methods & set(COUNTING_SAMPLES)) or "executions" in methods:
            way = "probes"
        if way == "downtime":
            for _ in range(1 + c.below(4)):
                self._add_downtime(test, service)
        elif way == "probes":
            self._add_probes(test, service)
        for _ in range(c.weighted((55, 0), (30, 1), (15, 2))):
            self._add_maintenance(test, service, cuts)

    def _monitor(self, service: str, everyone: int = 50) -> Document:
        """Return which monitor a row is about: all of them, when there is one or as likely as is said."""
        if self.monitors[service] == 1 or self.choices.chance(everyone):
            return {}
        return {"monitor": f"{service}-{self.choices.below(self.monitors[service])}"}

    def _add_downtime(self, test: Document, service: str) -> None:
        c = self.choices
        month = self._month()
        start_us, end_us = midnight_us(month, self.zone), midnight_us(month_after(month), self.zone)
        clause = c.one_of(
            [
                clause
                for clause_id, clause in self.clauses.items()
                if clause["service"] == service and self.families[clause_id].is_availability
            ]
        )
        level = Decimal(str(clause["objective"]["value"]))
        allowed_us = int((end_us - start_us) * (100 - level) / 100)
        minimum_us = clause["indicator"].get("minimum_downtime_seconds", 720) * SECOND_US
        from_us = start_us + c.one_of((9 * DAY_US, 0, 3 * HOUR_US, 28 * DAY_US - HOUR_US))
        if c.chance(15):
            from_us = end_us - minimum_us // 2  # Over the end of the month.
        elif self.last_downtime is not None and c.chance(35):
            from_us = c.one_of((self.last_downtime[1], sum(self.last_downtime) // 2, self.last_downtime[0]))
        down_us = c.weighted(
            (20, allowed_us),
            (8, allowed_us + 1),
            (8, allowed_us + SECOND_US),
            (4, allowed_us - SECOND_US),
            (16, 2 * allowed_us + 7),
            (12, 36 * HOUR_US),
            (12, minimum_us),
            (10, minimum_us - 1),
            (6, 12 * MINUTE_US + 1),
            (4, 40 * DAY_US),
        )
        to_us = min(from_us + max(1, down_us), self._ends_us)
        if from_us < to_us:
            self.last_downtime = from_us, to_us
            stretch = {"service": service, "from": self._text(from_us), "to": self._text(to_us)}
            test.setdefault("downtime", []).append(stretch | self._monitor(service))

    def _add_probes(self, test: Document, service: str) -> None:
        """Add samples of the whole window, with a gap at times, and others over or beside them."""
        c = self.choices
        few = len(self.months) < 3
        every = c.weighted((70, 86_400), (20, 43_200), (10, 10_800)) if few else 86_400
        rows = test.setdefault("probes", [])
        offset_us = c.one_of((0, 0, 6 * HOUR_US))
        everyone: list[Document] = [{}]
        if self.monitors[service] > 1 and c.chance(60):
            everyone = [{"monitor": f"{service}-{n}"} for n in range(self.monitors[service])]
            if c.chance(20):
                everyone.pop()  # Of this monitor there is nothing but what is down, if that.
        for monitor in everyone:
            gap_us = self._starts_us + c.below(20 * len(self.months)) * DAY_US
            spans = [(self._starts_us, self._ends_us)]
            if c.chance(40):
                spans = [(self._starts_us, gap_us), (gap_us + c.one_of((2, 5, 40)) * DAY_US, self._ends_us)]
            if monitor and c.chance(30):
                spans = [(gap_us, self._ends_us)]  # Deployed later.
            for from_us, to_us in spans:
                if from_us + offset_us < to_us:
                    rows.append(self._probes(service, from_us + offset_us, to_us, every, "up") | monitor)
        for _ in range(1 + c.below(3)):
            from_us = midnight_us(self._day(()), self.zone) + c.one_of((offset_us, offset_us, HOUR_US))
            to_us = min(from_us + c.one_of((1, 2, 3, 10)) * DAY_US, self._ends_us)
            if from_us < to_us:
                row = self._probes(service, from_us, to_us, every, "down")
                rows.append(row | self._monitor(service, 35))

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
            test["as_of"] = c.one_of((test["tickets"][-1], *test["tickets"]))["events"][-1]["at"]
        if at_us is not None and self._starts_us < at_us <= self._ends_us:
            test["as_of"] = self._text(at_us)
