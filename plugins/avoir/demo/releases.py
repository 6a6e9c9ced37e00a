"""Releases with their plan: approvals, replans in time and too late, deliveries early, due and late."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta

from avoir.demo.history import Change, Row, Step, Tables, replay, sys_id
from avoir.demo.months import Month, as_servicenow, local_epoch
from avoir.demo.vendors import FIRST_MONTH, RELEASE_SERVICE, Vendor

_THEMES = ("Claims", "Contracts", "Payments", "Customer area", "Reporting", "Broker portal", "Documents")

PLANS: Mapping[str, int] = {
    # kind of telling -> weight
    "delivered early": 34,
    "delivered on the due date, just before midnight": 13,
    "delivered late": 15,
    "delivered after the weekend": 5,
    "replanned in time": 10,
    "replanned in time, late all the same": 4,
    "replanned too late": 7,
    "replan refused": 5,
    "replanned twice": 3,
    "approved only after the next replan": 2,
    "never approved": 2,
}


@dataclass
class ReleaseDraft:
    """A release being told. ``planned`` is the first planned end, all instants in seconds since 1970."""

    kind: str
    created: int
    planned: int
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """Tells one release: turns local days into instants and remembers the vendor's people."""

    vendor: Vendor
    notice_days: int
    rng: random.Random

    def at(self, day: date, clock: str) -> int:
        return local_epoch(day, time.fromisoformat(clock), self.vendor.zone)

    def end_of(self, day: date) -> int:
        """A planned end on a local date; late in the evening its UTC date is another one in New York."""
        return self.at(day, self.rng.choice(("12:00", "18:00", "18:00", "23:30")))

    def approve(self, draft: ReleaseDraft, day: date, verdict: str = "approved") -> None:
        at = self.at(day, "11:00") + self.rng.randrange(3600)
        draft.steps.append(Change(at, "change.board", {"approval": verdict}))

    def replan(self, draft: ReleaseDraft, requested: date, new_due: date) -> None:
        """A new date asked for; the record falls back to ``requested`` in the same update."""
        clock = self.rng.choice(("00:20", "09:40", "15:05", "23:40"))
        fields = {"end_date": as_servicenow(self.end_of(new_due)), "approval": "requested"}
        draft.steps.append(Change(self.at(requested, clock), "release.manager", fields))

    def deliver(self, draft: ReleaseDraft, day: date, clock: str = "") -> None:
        hour = clock or f"{self.rng.randint(9, 17):02d}:{self.rng.randint(0, 59):02d}"
        at = self.at(day, hour)
        fields = {"work_end": as_servicenow(at), "state": "3"}
        draft.steps.append(Change(at, "release.manager", fields))

    def tell(self, kind: str, due: date) -> ReleaseDraft:
        rng = self.rng
        created = due - timedelta(days=rng.randint(28, 44))
        draft = ReleaseDraft(kind, self.at(created, "10:00") + rng.randrange(7200), self.end_of(due))
        in_time = due - timedelta(days=self.notice_days + rng.choice((0, 0, 1, 3)))
        too_late = due - timedelta(days=self.notice_days - rng.choice((1, 1, 2)))
        new_due = due + timedelta(days=rng.randint(5, 14))
        soon = timedelta(days=1)
        if kind == "never approved":
            self.deliver(draft, due + timedelta(days=rng.randint(0, 3)))
            return draft
        self.approve(draft, created + timedelta(days=rng.randint(1, 3)))
        match kind:
            case "delivered early":
                self.deliver(draft, due - timedelta(days=rng.randint(0, 3)))
            case "delivered on the due date, just before midnight":
                self.deliver(draft, due, "23:50")
            case "delivered late":
                self.deliver(draft, due + timedelta(days=rng.randint(1, 12)))
            case "delivered after the weekend":
                self.deliver(draft, due + timedelta(days=(7 - due.weekday()) % 7 or 1))
            case "replanned in time":
                self.replan(draft, in_time, new_due)
                self.approve(draft, in_time + soon)
                self.deliver(draft, new_due - timedelta(days=rng.randint(0, 2)))
            case "replanned in time, late all the same":
                self.replan(draft, in_time, new_due)
                self.approve(draft, in_time + soon)
                self.deliver(draft, new_due + timedelta(days=rng.randint(1, 5)))
            case "replanned too late":
                self.replan(draft, too_late, new_due)
                self.approve(draft, too_late + soon)
                self.deliver(draft, new_due)
            case "replan refused":
                self.replan(draft, in_time, new_due)
                self.approve(draft, in_time + soon, "rejected")
                self.deliver(draft, due + timedelta(days=rng.randint(-1, 4)))
            case "replanned twice":
                self.replan(draft, in_time, new_due)
                self.approve(draft, in_time + soon)
                again = new_due - timedelta(days=self.notice_days)
                self.replan(draft, max(again, in_time + 2 * soon), new_due + timedelta(days=6))
                self.approve(draft, max(again, in_time + 2 * soon) + soon)
                self.deliver(draft, new_due + timedelta(days=rng.randint(4, 7)))
            case "approved only after the next replan":
                first = due - timedelta(days=self.notice_days + 5)
                self.replan(draft, first, new_due)
                self.replan(draft, first + 2 * soon, due + timedelta(days=3))
                self.approve(draft, first + 3 * soon)
                self.deliver(draft, due + timedelta(days=rng.randint(2, 5)))
            case _:
                msg = f"no telling for {kind!r}"
                raise ValueError(msg)
        return draft


def tell_month(vendor: Vendor, month: Month, notice_days: int, seed: int) -> list[ReleaseDraft]:
    """The releases first planned for one local month: two or three, one in each part of it."""
    rng = random.Random(f"{seed}/{vendor.vendor_id}/releases/{month}")
    planner = Planner(vendor, notice_days, rng)
    count = rng.choice((2, 3, 3))
    part = month.days // count
    drafts = []
    for index in range(count):
        due = month.first_day + timedelta(days=index * part + rng.randrange(part))
        if due.weekday() >= 5 and rng.random() < 0.8:
            due -= timedelta(days=due.weekday() - 4)
            due = max(due, month.first_day)
        kind = rng.choices(list(PLANS), list(PLANS.values()))[0]
        drafts.append(planner.tell(kind, due))
    return drafts


def not_delivered(vendor: Vendor, month: Month, notice_days: int, seed: int) -> ReleaseDraft:
    """A release that was due in the month and has not come yet."""
    rng = random.Random(f"{seed}/{vendor.vendor_id}/release not delivered/{month}")
    draft = Planner(vendor, notice_days, rng).tell("delivered late", month.first_day + timedelta(days=17))
    return ReleaseDraft("not delivered", draft.created, draft.planned, draft.steps[:1])


def add_releases(
    tables: Tables, vendor: Vendor, month: Month, drafts: list[ReleaseDraft], seed: int, as_of: int
) -> None:
    """Write drafts into the tables as the Table API would show them at ``as_of``."""
    offset = ((month.year - FIRST_MONTH.year) * 12 + month.month) * 10
    for index, draft in enumerate(drafts):
        first_state: Row = {
            "sys_id": sys_id(seed, vendor.vendor_id, "release", month, index),
            "number": f"RLSE{offset + index:07d}",
            "short_description": f"{_THEMES[(offset + index) % len(_THEMES)]} {month}.{index + 1}",
            "business_service": RELEASE_SERVICE,
            "start_date": as_servicenow(draft.created + 5 * 86400),
            "end_date": as_servicenow(draft.planned),
            "approval": "requested",
            "state": "1",
            "work_end": "",
        }
        replay(tables, "rm_release", first_state, draft.created, "release.manager", draft.steps, as_of)
        add_defects(tables, first_state["sys_id"], draft, as_of)


def add_defects(tables: Tables, release: str, draft: ReleaseDraft, as_of: int) -> None:
    """Write the defects found in a delivered release, as they show at ``as_of``; most have few."""
    rng = random.Random(f"{release}/defects")
    delivered = [step.at for step in draft.steps if isinstance(step, Change) and "work_end" in step.fields]
    count = rng.choices((0, 1, 2, 3, 5), (40, 25, 20, 10, 5))[0]
    for index in range(count if delivered else 0):
        opened = delivered[-1] + rng.randrange(3600, 12 * 86400)
        closed = opened + rng.randrange(7200, 20 * 86400)
        if opened >= as_of:
            continue
        is_closed = closed < as_of
        tables.rm_defect.append(
            {
                "sys_id": sys_id(release, "defect", index),
                "number": f"DFCT{int(sys_id(release, index)[:6], 16) % 10_000_000:07d}",
                "release": release,
                "priority": rng.choice(("2", "3", "3", "4")),
                "state": "3" if is_closed else "1",
                "opened_at": as_servicenow(opened),
                "closed_at": as_servicenow(closed) if is_closed else "",
                "sys_created_on": as_servicenow(opened),
                "sys_updated_on": as_servicenow(closed if is_closed else opened),
            }
        )
