"""The verdict on a month: what blocks everybody, what holds one month, what stands beside it as a note.

A failed check that can be laid to sources or months holds these (:mod:`avoir.findings`); one that cannot
(a table or a column that is not there, a check that could not be asked, books that do not agree) blocks all.
What holds a month besides: a source that has not landed the whole of it, and lines without an amount.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from avoir.comparing import changed_lines, posted_lines, present_lines
from avoir.versioning import Key, version_of_month

_NEEDED = """
    with months as (
        select vendor_id, month_date, currency, string_to_array(contract_version_ids, ',') as version_ids
        from candidate.mart_vendor_month
        where %(vendor)s::text is null
            or (vendor_id = %(vendor)s and month_date = %(month)s and currency = %(currency)s)
    ),

    -- By the contracts in it, not by currency: a month of bills in a foreign one waits for the same sources.
    needed as (
        select m.vendor_id, m.month_date, m.currency, k.source_name,
            to_timestamp(min(p.period_from_us) / 1000000.0) as from_at,
            to_timestamp(max(p.month_end_us) / 1000000.0) as until_at
        from months m
        join intermediate.contract_months p
            on p.contract_version_id = any(m.version_ids) and p.month_date = m.month_date
        join intermediate.service_terms k on k.contract_version_id = p.contract_version_id
        group by m.vendor_id, m.month_date, m.currency, k.source_name
    )
"""

_STALE = """
    select n.vendor_id, n.month_date, n.currency, case
            when w.watermark is null then n.source_name || ' has never landed'
            else n.source_name || ' has landed only up to '
                || to_char(w.watermark at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || 'Z'
        end, false
    from needed n
    left join loads.watermarks w on w.source_name = n.source_name
    where w.watermark is null or w.watermark < n.until_at
    order by w.watermark is null, n.source_name
"""

_EARLY = """
    select n.vendor_id, n.month_date, n.currency,
        n.source_name || ' has no history before '
        || to_char(b.first_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || 'Z', false
    from needed n
    join (select source_name, min(window_from) as first_at from loads.batches group by 1) b
        on b.source_name = n.source_name
    where b.first_at > n.from_at
    order by n.source_name
"""

_UNPRICED = """
    select c.vendor_id, c.month_date, c.currency,
        c.unpriced_penalty_count || ' penalty lines have no invoice or index to be computed from', false
    from candidate.mart_vendor_month c
    join months m on m.vendor_id = c.vendor_id and m.month_date = c.month_date and m.currency = c.currency
    where c.unpriced_penalty_count > 0
"""

_FOUND = """
    select vendor_id, month_date, currency, reason, is_note from (
        select n.vendor_id, n.month_date, n.currency, f.reason, f.is_note, f.finding_no
        from checks.findings f
        join needed n on n.source_name = f.source_name and n.from_at < f.before_at
        where f.run_id = %(run)s
        union all
        select m.vendor_id, m.month_date, m.currency, f.reason, f.is_note, f.finding_no
        from checks.findings f
        join months m on m.vendor_id = f.vendor_id and m.month_date = f.month_date
            and m.currency = coalesce(f.currency, m.currency)
        where f.run_id = %(run)s
    ) found
    order by finding_no
"""


@dataclass(frozen=True)
class Reasons:
    """Why months must not be seen yet, and what is to be said beside their verdict."""

    holds: dict[Key, list[str]] = field(default_factory=dict)
    notes: dict[Key, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What the gate decides of a month; ``version_id`` is what the month shows from then on."""

    verdict: str
    reason: str
    version_id: str | None


def blocks_all(connection: psycopg.Connection, run_id: str) -> list[str]:
    """Failed checks of a run that nobody can be named for, or borders that it did not judge."""
    rows = connection.execute(
        """
        select border, table_name, check_name, column_name, why, success or is_attributed
        from checks.verdicts where run_id = %s order by verdict_no
        """,
        (run_id,),
    ).fetchall()
    failed = [
        f"{border} {table}: {check}{f' of {column}' if column else ''} failed ({why})"
        for border, table, check, column, why, is_borne in rows
        if not is_borne
    ]
    judged = {border for border, *_ in rows}
    unjudged = [f"the {border} border was not judged" for border in ("raw", "mart") if border not in judged]
    return failed or unjudged


def judged_run(connection: psycopg.Connection) -> str | None:
    """The run that judged the present candidates; None when none were."""
    row = connection.execute(
        "select run_id from checks.verdicts where border = 'mart' order by verdict_no desc limit 1"
    ).fetchone()
    return None if row is None else str(row[0])


def reasons(connection: psycopg.Connection, run_id: str | None, key: Key | None = None) -> Reasons:
    """What holds the candidates of a run, by month: all of them, or one."""
    vendor_id, month_date, currency = key or (None, None, None)
    asked = {"vendor": vendor_id, "month": month_date, "currency": currency, "run": run_id}
    found = Reasons()
    for query in (_STALE, _EARLY, _UNPRICED, _FOUND):
        for vendor, month, money, reason, is_note in connection.execute(
            (_NEEDED + query).encode(), asked
        ).fetchall():
            told = (found.notes if is_note else found.holds).setdefault((vendor, month, money), [])
            if reason not in told:
                told.append(reason)
    return found


def reasons_to_hold(connection: psycopg.Connection, key: Key) -> list[str]:
    """Why a month's candidate must not be seen yet; empty when it may."""
    return reasons(connection, judged_run(connection), key).holds.get(key, [])


def judge(connection: psycopg.Connection, key: Key, blocked: list[str], found: Reasons) -> Judgement:
    """The verdict on a month's candidate.

    Args:
        connection: in the transaction that publishes.
        key: the month.
        blocked: what blocks everybody (:func:`blocks_all`).
        found: what was found of single months (:func:`reasons`).
    """
    if blocked:
        return Judgement("blocked", "; ".join(blocked), None)
    held = found.holds.get(key, [])
    version_id = version_of_month(connection, "candidate", key)
    closed = _closed_version(connection, key)
    if closed is not None:
        if closed == version_id:
            return Judgement("closed", "closed", closed)
        awaited = f"closed; the candidate differs: {_awaited(connection, key, held)}"
        return Judgement("closed", awaited, closed)
    if held and not _is_released(connection, key, version_id):
        return Judgement("held", "; ".join(held), None)
    noted = "".join(f"; note: {note}" for note in found.notes.get(key, []))
    if version_of_month(connection, "mart", key) == version_id:
        return Judgement("unchanged", f"the published version stands{noted}", version_id)
    reason = f"released by a person, though {'; '.join(held)}" if held else "both borders held"
    return Judgement("published", f"{reason}{noted}", version_id)


def judge_withdrawn(connection: psycopg.Connection, key: Key, blocked: list[str]) -> Judgement:
    """The verdict on a closed month that no contract in force makes any more, so that it has no candidate."""
    if blocked:
        return Judgement("blocked", "; ".join(blocked), None)
    told = "closed; no version of its contract makes it any more"
    if not posted_lines(connection, key):
        told += ", and nothing was posted of it"
    elif is_withdrawn(connection, key):
        told += ": what was posted is taken back at the next closing"
    else:
        told = "closed; its contract is gone and says nothing of its end: what was posted stands"
    return Judgement("closed", told, _closed_version(connection, key))


def _closed_version(connection: psycopg.Connection, key: Key) -> str | None:
    row = connection.execute(
        """
        select version_id from ledger.closed_months
        where vendor_id = %s and month_date = %s and currency = %s
        """,
        key,
    ).fetchone()
    return None if row is None else str(row[0])


def is_withdrawn(connection: psycopg.Connection, key: Key) -> bool:
    """Whether an amendment took a posted month out of every contract it was posted for.

    A contract that is gone altogether (a file that was lost) withdraws nothing: it says nothing of its end.
    """
    row = connection.execute(
        """
        select bool_and(exists (
            select 1 from reference.contract_versions v
            where v.contract_id = e.contract_id and v.superseded_at is null
        ))
        from ledger.entries e where e.vendor_id = %s and e.month_date = %s and e.currency = %s
        """,
        key,
    ).fetchone()
    return row == (True,) and version_of_month(connection, "candidate", key) is None


def _awaited(connection: psycopg.Connection, key: Key, held: list[str]) -> str:
    """What becomes of a closed month's candidate that is not what the month showed."""
    if held:
        return f"it is held, {'; '.join(held)}"
    if changed_lines(posted_lines(connection, key), present_lines(connection, key)):
        return "late data are posted at the next closing"
    return "no credit differs from what was posted"


def _is_released(connection: psycopg.Connection, key: Key, version_id: str | None) -> bool:
    row = connection.execute(
        """
        select 1 from checks.releases
        where vendor_id = %s and month_date = %s and currency = %s and version_id = %s limit 1
        """,
        (*key, version_id),
    ).fetchone()
    return row is not None
