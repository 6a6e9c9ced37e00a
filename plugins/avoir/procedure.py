"""From the notice to the application of what was posted: who decided what, on which day, by which document.

computed → notified → contested, agreed or waived → applied. A contract without a ``procedure`` knows none
of it: what is posted for it may be booked at once. Under one, the vendor has its days for written
observations; when they have passed in silence, the contract says whether it agreed. Only what may be
applied reaches finance.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg

from avoir.ledger import lock

REGISTER_COLUMNS = (
    "vendor_id", "contract_id", "month", "entry_no", "state", "decided_on", "decided_by", "document",
    "reason",
)  # fmt: skip


class ProcedureError(ValueError):
    """A step that cannot be taken or a register that cannot be read; the message says why and what to do."""


class State(StrEnum):
    """Where the procedure of an entry stands. ``COMPUTED`` and ``FREE`` are never recorded."""

    FREE = "free"
    COMPUTED = "computed"
    NOTIFIED = "notified"
    CONTESTED = "contested"
    AGREED = "agreed"
    WAIVED = "waived"
    APPLIED = "applied"


APPLICABLE = frozenset({State.FREE, State.AGREED, State.APPLIED})
_NEXT: dict[State, frozenset[State]] = {
    State.COMPUTED: frozenset({State.NOTIFIED, State.WAIVED}),
    State.NOTIFIED: frozenset({State.CONTESTED, State.AGREED, State.WAIVED}),
    State.CONTESTED: frozenset({State.AGREED, State.WAIVED}),
    State.AGREED: frozenset({State.APPLIED}),
    State.WAIVED: frozenset(),
    State.APPLIED: frozenset(),
}


@dataclass(frozen=True)
class Terms:
    """The procedure of a contract's version: days, and what silence means (``agreed`` or ``waived``)."""

    observation_days: int
    silence: State
    notice_days: int | None = None


@dataclass(frozen=True)
class Step:
    """One recorded step. Without ``entry_no`` it is of all that was posted for the contract in the month."""

    vendor_id: str
    contract_id: str
    posted_month_date: date
    state: State
    decided_on: date
    decided_by: str
    document: str
    entry_no: int | None = None
    reason: str | None = None


def state_of(terms: Terms | None, steps: Sequence[Step], today: date) -> tuple[State, date | None]:
    """Where an entry stands on a day, and since when.

    Args:
        terms: the procedure of the entry's contract version; None when it has none.
        steps: the steps of the entry and of the whole it was posted with, in the order they were decided.
        today: the local day that is asked about; later steps are not known yet.
    """
    if terms is None:
        return State.FREE, None
    state, since = State.COMPUTED, None
    for step in steps:
        if step.decided_on > today:
            break
        if state == State.NOTIFIED and since is not None and step.decided_on > _last_day(terms, since):
            # It was too late for this step: silence had spoken.
            state, since = terms.silence, _last_day(terms, since) + timedelta(days=1)
        if step.state in _NEXT[state]:
            state, since = step.state, step.decided_on
    if state == State.NOTIFIED and since is not None and today > _last_day(terms, since):
        state, since = terms.silence, _last_day(terms, since) + timedelta(days=1)
    return state, since


def _last_day(terms: Terms, notified_on: date) -> date:
    return notified_on + timedelta(days=terms.observation_days)


@dataclass(frozen=True)
class Entry:
    """A ledger entry with what its procedure needs, and where it stands."""

    entry_no: int
    entry_kind: str
    vendor_id: str
    contract_id: str
    clause_id: str
    month_date: date
    posted_month_date: date
    amount: Any
    currency: str
    corrects_entry_no: int | None
    posted_on: date
    terms: Terms | None
    state: State
    since: date | None
    application_no: int | None

    @property
    def is_applicable(self) -> bool:
        """Whether finance may book it."""
        return self.state in APPLICABLE


def entries(connection: psycopg.Connection, *, today: date) -> list[Entry]:
    """Every ledger entry with the state of its procedure on a day, by number.

    What is taken back follows the entry it corrects: it needs no observations of the vendor, and there is
    nothing to take back of what was never applied.
    """
    steps = _steps(connection)
    rows = connection.execute(
        """
        select e.entry_no, e.entry_kind, e.vendor_id, e.contract_id, e.clause_id, e.month_date,
            coalesce(e.posted_month_date, e.month_date), e.amount, e.currency, e.corrects_entry_no,
            e.posted_as_of, c.observation_days, c.silence_rule, c.notice_days, a.application_no
        from ledger.entries e
        left join reference.contract_charges c on c.contract_version_id = e.contract_version_id
        left join ledger.applications a on a.entry_no = e.entry_no
        order by e.entry_no
        """
    ).fetchall()
    found: dict[int, Entry] = {}
    for (
        entry_no, kind, vendor, contract, clause, month, posted_month, amount, currency, corrects,
        posted_as_of, observation_days, silence, notice_days, application_no,
    ) in rows:  # fmt: skip
        terms = None if observation_days is None else Terms(observation_days, State(silence), notice_days)
        corrected = found.get(corrects) if corrects is not None else None
        if amount < 0 and corrected is not None:
            state, since = corrected.state, corrected.since
        else:
            mine = [
                step
                for step in steps.get((vendor, contract, posted_month), ())
                if step.entry_no in {None, entry_no}
            ]
            state, since = state_of(terms, mine, today)
        found[entry_no] = Entry(
            entry_no, kind, vendor, contract, clause, month, posted_month, amount, currency, corrects,
            posted_as_of.date(), terms, state, since, application_no,
        )  # fmt: skip
    return list(found.values())


def _steps(connection: psycopg.Connection) -> dict[tuple[str, str, date], list[Step]]:
    found: dict[tuple[str, str, date], list[Step]] = {}
    for (
        vendor,
        contract,
        month,
        entry_no,
        state,
        decided_on,
        decided_by,
        document,
        reason,
    ) in connection.execute(
        """
        select vendor_id, contract_id, posted_month_date, entry_no, state, decided_on, decided_by, document,
            reason
        from ledger.procedure_events order by decided_on, event_no
        """
    ):
        step = Step(vendor, contract, month, State(state), decided_on, decided_by, document, entry_no, reason)
        found.setdefault((vendor, contract, month), []).append(step)
    return found


def record(connection: psycopg.Connection, step: Step, *, as_of: datetime, today: date) -> bool:
    """Record a step of the procedure; returns whether it was new. Does not commit.

    Raises:
        ProcedureError: nothing was posted for it, the contract has no procedure, the day is in the future,
            or no entry of it can take the step from where it stands.
    """
    lock(connection)
    known = connection.execute(
        """
        select 1 from ledger.procedure_events
        where vendor_id = %s and contract_id = %s and posted_month_date = %s and coalesce(entry_no, 0) = %s
            and state = %s and decided_on = %s
        """,
        (
            step.vendor_id, step.contract_id, step.posted_month_date, step.entry_no or 0, step.state,
            step.decided_on,
        ),
    ).fetchone()  # fmt: skip
    if known is not None:
        return False
    _refuse_impossible(connection, step, today)
    connection.execute(
        """
        insert into ledger.procedure_events (
            vendor_id, contract_id, posted_month_date, entry_no, state, decided_on, decided_by, document,
            reason, recorded_as_of
        ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            step.vendor_id, step.contract_id, step.posted_month_date, step.entry_no, step.state,
            step.decided_on, step.decided_by, step.document, step.reason, as_of,
        ),
    )  # fmt: skip
    return True


def _refuse_impossible(connection: psycopg.Connection, step: Step, today: date) -> None:
    what = f"{step.vendor_id} {step.contract_id} {step.posted_month_date:%Y-%m}"
    if step.state not in _NEXT or step.state == State.COMPUTED:
        raise ProcedureError(
            f"{what}: {step.state} is not a step; it is one of notified, contested, agreed, ..."
        )
    if step.decided_on > today:
        raise ProcedureError(f"{what}: {step.decided_on} has not come on {today}; record it when it has.")
    concerned = [
        entry
        for entry in entries(connection, today=step.decided_on)
        if (entry.vendor_id, entry.contract_id, entry.posted_month_date)
        == (step.vendor_id, step.contract_id, step.posted_month_date)
        and step.entry_no in {None, entry.entry_no}
    ]
    if not concerned:
        raise ProcedureError(f"{what}: nothing was posted for it; `avoir procedure list` shows what was.")
    under_procedure = [entry for entry in concerned if entry.terms is not None]
    if not under_procedure:
        raise ProcedureError(f"{what}: its contract has no procedure, what is posted may be booked at once.")
    if not any(step.state in _NEXT.get(entry.state, frozenset()) for entry in under_procedure):
        states = ", ".join(sorted({f"{entry.state}" for entry in under_procedure}))
        raise ProcedureError(f"{what}: {step.state} does not follow {states} on {step.decided_on}.")


def load_register(connection: psycopg.Connection, path: Path, *, as_of: datetime, today: date) -> list[str]:
    """Record the steps of a register file, oldest first; returns what was refused, as ``file:line: why``.

    The file is CSV with a header of :data:`REGISTER_COLUMNS`; ``entry_no`` and ``reason`` may be empty. A
    missing file is an empty register. Loaded again, nothing changes. Does not commit.

    Raises:
        ProcedureError: the file is no such CSV.
    """
    if not path.exists():
        return []
    refused, steps = [], []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            if tuple(reader.fieldnames or ()) != REGISTER_COLUMNS:
                raise ProcedureError(f"{path}:1: the header must be {','.join(REGISTER_COLUMNS)}")
            for row in reader:
                try:
                    steps.append((reader.line_num, _step(row)))
                except ProcedureError as error:
                    refused.append(f"{path}:{reader.line_num}: {error}")
        except (csv.Error, UnicodeDecodeError) as error:
            raise ProcedureError(f"{path}:{reader.line_num}: no CSV in UTF-8: {error}") from error
    for line, step in sorted(steps, key=lambda one: (one[1].decided_on, one[0])):
        try:
            record(connection, step, as_of=as_of, today=today)
        except ProcedureError as error:
            refused.append(f"{path}:{line}: {error}")
    return refused


def _step(row: dict[str, Any]) -> Step:
    values = {name: (row.get(name) or "").strip() for name in REGISTER_COLUMNS}
    if row.get(None):  # type: ignore[call-overload]
        raise ProcedureError(f"there are more than {len(REGISTER_COLUMNS)} fields; quote those with commas.")
    for name in ("vendor_id", "contract_id", "month", "state", "decided_on", "decided_by", "document"):
        if not values[name]:
            raise ProcedureError(f"{name} is empty; state it.")
    try:
        return Step(
            values["vendor_id"],
            values["contract_id"],
            date.fromisoformat(f"{values['month']}-01"),
            State(values["state"]),
            date.fromisoformat(values["decided_on"]),
            values["decided_by"],
            values["document"],
            int(values["entry_no"]) if values["entry_no"] else None,
            values["reason"] or None,
        )
    except ValueError as error:
        raise ProcedureError(
            f"{error}; months are 2026-06, days 2026-06-30, entry_no a number, state one of notified, "
            "contested, agreed, waived, applied."
        ) from error


def release_applicable(connection: psycopg.Connection, *, today: date, as_of: datetime) -> int:
    """Number the entries that may now be booked; returns how many there were. Does not commit.

    In the order of the ledger, under its lock: numbers have no gap, and who reads up to one misses nothing.
    """
    lock(connection)
    row = connection.execute("select coalesce(max(application_no), 0) from ledger.applications").fetchone()
    assert row is not None
    number: int = row[0]
    released = 0
    for entry in entries(connection, today=today):
        if entry.application_no is None and entry.is_applicable:
            released += 1
            connection.execute(
                "insert into ledger.applications (application_no, entry_no, applicable_as_of)"
                " values (%s, %s, %s)",
                (number + released, entry.entry_no, as_of),
            )
    return released
