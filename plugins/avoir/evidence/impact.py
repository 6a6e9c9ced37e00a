"""What a raw row reaches: facts, penalty lines, months, ledger entries and credit notes.

Candidates are found by the row's natural key; a line is reached when the row is among its evidence,
    by the view
that :func:`avoir.evidence.explaining.explain` reads,
    so both ways agree. A sample that says what its neighbours
say bounds nothing, though its time counts: it reaches the line with no ``evidence_kind``.
"""

from __future__ import annotations

# ruff: noqa: S608 - the statements are literals of this module, joined; every value is a parameter.
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from avoir.evidence.asking import LIMIT, Asking, Row, UnknownRecordError, as_plain, require_published
from avoir.evidence.records import raw_rows, with_payloads
from avoir.sources.register import RAW_TABLES

FORMAT = "avoir-impact/1"

#: Columns by which people know a record, beside its key.
_KNOWN_AS: Mapping[str, str] = {
    "raw_servicenow.incident": "number",
    "raw_servicenow.rm_release": "number",
    "raw_servicenow.rm_defect": "number",
    "raw_servicenow.cmdb_ci_outage": "number",
    "raw_jira.issues": "issue_key",
    "raw_ticket_files.tickets": "ticket_number",
    "raw_jira.versions": "name",
    "raw_gitlab.milestones": "title",
    "raw_github.milestones": "title",
    "raw_plan_file.plans": "milestone",
    "raw_incident_log.incident_events": "number",
    "raw_einvoice.invoices": "invoice_number",
    "raw_xero.invoices": "invoice_number",
    "raw_tryton.invoices": "reference",
}


@dataclass(frozen=True)
class _Reached:
    """Statements that find the facts and the candidate lines of a raw row, given its source and payload."""

    facts: LiteralString
    lines: LiteralString


def impact(
    connection: psycopg.Connection,
    table: str,
    record: Sequence[str],
    *,
    source: str | None = None,
    limit: int = LIMIT,
) -> Row:
    """Say what a raw record reaches.

    Args:
        connection: as a role that may read everything (``auditor``).
        table: a raw table, with or without ``raw_``.
        record: batch id and row in its source; or alone the record's natural key (``|`` between its parts) or
            the number by which people know it. By key all landed versions of the record are meant.
        source: only records of this source; vendors number their tickets alike.
        limit: most raw rows, facts and lines that are shown.

    Raises:
        UnknownRecordError: there is no such table or row.
        RuntimeError: nothing was ever published.
    """
    asking = Asking(connection, limit=limit)
    require_published(asking)
    name = _table_named(table)
    raw = with_payloads(asking, _found(asking, name, record, source))
    facts: dict[tuple[str, str], Row] = {}
    lines: dict[str, Row] = {}
    for one in raw:
        for fact in _facts(asking, one):
            facts.setdefault((fact["kind"], fact["fact_id"]), fact)
        for line in _lines(asking, one):
            known = lines.setdefault(line["penalty_line_id"], line)
            known["evidence_kind"] = known["evidence_kind"] or line["evidence_kind"]
    found = sorted(lines)
    entries = asking.rows(
        """
        select entry_no, entry_kind, vendor_id, month_date, coalesce(posted_month_date,
            month_date) as posted_month_date,
            amount, currency, penalty_line_id, corrects_entry_no
        from ledger.entries where penalty_line_id = any(%s) order by entry_no
        """,
        (found,),
    )
    credit_notes = asking.rows(
        """
        select applications.application_no, applications.entry_no, applications.applicable_as_of,
            entries.amount,
            entries.currency
        from ledger.applications inner join ledger.entries on entries.entry_no = applications.entry_no
        where entries.penalty_line_id = any(%s) order by applications.application_no
        """,
        (found,),
    )
    told = {
        "format": FORMAT,
        "asked": {"raw_table": name, "record": list(record)},
        "raw": raw,
        "facts": list(facts.values())[: asking.limit],
        "fact_count": len(facts),
        "lines": sorted(lines.values(), key=_line_order)[: asking.limit],
        "line_count": len(lines),
        "months": _months(asking, facts.values(), lines.values()),
        "entries": entries,
        "credit_notes": credit_notes,
    }
    plain: Row = as_plain(told)
    return plain


def _line_order(line: Row) -> tuple[str, str, str, str]:
    return (str(line["month_date"]), line["contract_id"], line["clause_id"], line["penalty_line_id"])


def _table_named(table: str) -> str:
    known = RAW_TABLES
    name = table if table in known else f"raw_{table}"
    if name not in known:
        raise UnknownRecordError(f"there is no raw table {table!r}; use one of {', '.join(sorted(known))}.")
    return name


def _found(asking: Asking, name: str, record: Sequence[str], source: str | None) -> list[Row]:
    _, table = RAW_TABLES[name]
    rows: list[Row]
    if len(record) == 2 and all(part.isascii() and part.isdigit() and len(part) <= 18 for part in record):
        where: sql.Composable = sql.SQL("raw._batch_id = %s and raw._source_row = %s")
        rows = raw_rows(asking, name, where, [int(part) for part in record], source)
        asked = f"row {record[1]} of batch {record[0]}"
    elif len(record) == 1:
        parts = record[0].rsplit("|", len(table.key) - 1)
        asked = repr(record[0])
        rows = []
        if len(parts) == len(table.key):
            typed = [sql.SQL(table.column(column).type) for column in table.key]
            where = sql.SQL(" and ").join(
                sql.SQL("raw.{} = %s::{}").format(sql.Identifier(column), kind)
                for column, kind in zip(table.key, typed, strict=True)
            )
            try:
                with asking.connection.transaction():
                    rows = raw_rows(asking, name, where, parts, source)
            except psycopg.errors.DataError:
                rows = []
        if not rows and name in _KNOWN_AS:
            where = sql.SQL("raw.{} = %s").format(sql.Identifier(_KNOWN_AS[name]))
            rows = raw_rows(asking, name, where, record, source)
    else:
        raise UnknownRecordError(
            f"a raw row is named by its batch and its row, or by its key alone; got {' '.join(record)!r}. "
            f"The key of {name} is {' | '.join(table.key)}."
        )
    if not rows:
        of = "" if source is None else f" from source {source!r}"
        also = f" or {_KNOWN_AS[name]}" if name in _KNOWN_AS else ""
        raise UnknownRecordError(
            f"{name} has no {asked}{of}. Give a batch and a row, or its key ({' | '.join(table.key)}{also}); "
            "see what landed with: avoir sql "
            f"\"select * from audit.raw_record where raw_table = '{name}' limit 20\""
        )
    return rows


# --- Facts and lines --------------------------------------------------------------------------------------

_LINE: LiteralString = """
    select lines.penalty_line_id, lines.contract_id, lines.clause_id, lines.month_date, lines.subject_name,
        lines.indicator
    from audit.credit_lines() as lines
"""
_CLOCK_FACTS: LiteralString = """
    select 'ticket_clock' as kind, clock_id as fact_id, contract_version_id, vendor_id, clause_id, month_date,
        ticket_number as subject_name, outcome
    from facts.fct_ticket_clocks where ticket_id = %(source)s || ':' || %(subject)s
    union all
    select 'indicator_month', months.indicator_month_id, months.contract_version_id, months.vendor_id,
        months.clause_id, months.month_date, '', months.outcome
    from facts.fct_indicator_months as months
    inner join facts.fct_ticket_clocks as clocks
        on
            clocks.contract_version_id = months.contract_version_id
            and clocks.clause_id = months.clause_id
            and clocks.month_date = months.month_date
    where clocks.ticket_id = %(source)s || ':' || %(subject)s
"""
_MILESTONE_FACTS: LiteralString = """
    select 'milestone' as kind, milestone_id as fact_id, contract_version_id, vendor_id, clause_id,
        month_date,
        release_number as subject_name, outcome
    from facts.fct_milestones where release_id = %(source)s || ':' || %(subject)s
    union all
    select 'indicator_month', months.indicator_month_id, months.contract_version_id, months.vendor_id,
        months.clause_id, months.month_date, '', months.outcome
    from facts.fct_indicator_months as months
    inner join facts.fct_milestones as milestones
        on
            milestones.contract_version_id = months.contract_version_id
            and milestones.clause_id = months.clause_id
            and milestones.month_date = months.month_date
    where milestones.release_id = %(source)s || ':' || %(subject)s
    union all
    select 'release_defects', release_defects_id, contract_version_id, vendor_id, null, month_date,
        release_number, null
    from facts.fct_release_defects where release_id = %(source)s || ':' || %(subject)s
"""
_INVOICE_FACTS: LiteralString = """
    select 'invoice_line' as kind, invoice_line_id as fact_id, null as contract_version_id, vendor_id,
        null as clause_id,
        month_date, invoice_number as subject_name, standing as outcome
    from facts.fct_invoice_lines
    where source_name = %(source)s and document_id = %(subject)s
        and (%(line)s::text is null or line_key = %(line)s)
"""
_AVAILABILITY_FACTS: LiteralString = """
    select 'availability_month' as kind, months.availability_id as fact_id, months.contract_version_id,
        months.vendor_id, months.clause_id, months.month_date, '' as subject_name, months.outcome
    from facts.fct_availability_months as months
    inner join reference.service_keys as keys
        on keys.contract_version_id = months.contract_version_id and keys.service_id = months.service_id
    inner join reference.contract_versions as versions
        on versions.contract_version_id = months.contract_version_id and versions.superseded_at is null
    where
        keys.source_name = %(source)s
        and keys.key_value = %(subject)s
        and keys.key_kind = %(key_kind)s
        and cast(months.month_date as timestamp) at time zone versions.timezone < %(to_at)s::timestamptz
        and cast(months.month_date + interval '1 month' as timestamp) at time zone versions.timezone
            > %(from_at)s::timestamptz
    union all
    select 'outage', outages.outage_id, outages.contract_version_id, outages.vendor_id, outages.clause_id,
        outages.month_date, outages.monitor_key, null
    from facts.fct_outages as outages
    inner join reference.service_keys as keys
        on keys.contract_version_id = outages.contract_version_id and keys.service_id = outages.service_id
    where
        keys.source_name = %(source)s
        and keys.key_value = %(subject)s
        and keys.key_kind = %(key_kind)s
        and outages.from_at <= %(to_at)s::timestamptz
        and outages.to_at >= %(from_at)s::timestamptz
"""
_TICKET_LINES: LiteralString = (
    _LINE
    + """
    where lines.penalty_line_id in (
        select tickets.penalty_line_id from audit.credit_tickets() as tickets
        where tickets.ticket_id = %(source)s || ':' || %(subject)s
    )
"""
)
_RELEASE_LINES: LiteralString = (
    _LINE
    + """
    where lines.penalty_line_id in (
        select releases.penalty_line_id from audit.credit_releases() as releases
        where releases.source_name = %(source)s and releases.release_key = %(subject)s
    )
"""
)
_INVOICE_LINES: LiteralString = (
    _LINE
    + """
    where lines.penalty_line_id in (
        select invoiced.penalty_line_id from audit.credit_invoice_lines() as invoiced
        where
            invoiced.source_name = %(source)s
            and invoiced.document_id = %(subject)s
            and (%(line)s::text is null or invoiced.line_key = %(line)s)
    )
"""
)
_AVAILABILITY_LINES: LiteralString = (
    _LINE
    + """
    where lines.penalty_line_id in (
        select periods.penalty_line_id from audit.credit_periods() as periods
        where
            periods.source_name = %(source)s
            and periods.key_kind = %(key_kind)s
            and periods.key_value = %(subject)s
            -- A sample before the period may hold into it, and the one after it ends the last stretch.
            and to_timestamp(periods.from_us / 1000000) - interval '40 days' < %(to_at)s::timestamptz
            and to_timestamp(periods.to_us / 1000000) + interval '40 days' > %(from_at)s::timestamptz
    )
"""
)
_TICKET = _Reached(_CLOCK_FACTS, _TICKET_LINES)
_RELEASE = _Reached(_MILESTONE_FACTS, _RELEASE_LINES)
_INVOICE = _Reached(_INVOICE_FACTS, _INVOICE_LINES)
_AVAILABILITY = _Reached(_AVAILABILITY_FACTS, _AVAILABILITY_LINES)

_Given = dict[str, object]


def _subject(reached: _Reached, column: str) -> Callable[[Row], tuple[_Reached, _Given] | None]:
    def resolve(payload: Row) -> tuple[_Reached, _Given] | None:
        return reached, {"subject": payload[column], "line": None}

    return resolve


def _of_audit(payload: Row) -> tuple[_Reached, _Given] | None:
    reached = {"incident": _TICKET, "rm_release": _RELEASE}.get(payload["tablename"])
    return None if reached is None else (reached, {"subject": payload["documentkey"]})


def _of_journal(payload: Row) -> tuple[_Reached, _Given] | None:
    return (_TICKET, {"subject": payload["element_id"]}) if payload["name"] == "incident" else None


def _of_invoice_line(payload: Row) -> tuple[_Reached, _Given] | None:
    return _INVOICE, {"subject": payload["document_id"], "line": f"line:{payload['line_no']}"}


def _of_adjustment(payload: Row) -> tuple[_Reached, _Given] | None:
    return _INVOICE, {"subject": payload["document_id"], "line": f"{payload['kind']}:{payload['line_no']}"}


def _of_bill_line(column: str) -> Callable[[Row], tuple[_Reached, _Given] | None]:
    def resolve(payload: Row) -> tuple[_Reached, _Given] | None:
        return _INVOICE, {"subject": payload["invoice_id"], "line": payload[column]}

    return resolve


def _monitored(subject: str, at: str) -> Callable[[Row], tuple[_Reached, _Given] | None]:
    def resolve(payload: Row) -> tuple[_Reached, _Given] | None:
        span = {"from_at": payload[at], "to_at": payload[at]}
        return _AVAILABILITY, {"subject": payload[subject], "key_kind": "monitor", **span}

    return resolve


def _of_outage(payload: Row) -> tuple[_Reached, _Given] | None:
    if not payload["begin_at"]:
        return None
    ends = f"{payload['end_at']}+00" if payload["end_at"] else "infinity"
    span = {"from_at": f"{payload['begin_at']}+00", "to_at": ends}
    return _AVAILABILITY, {"subject": payload["business_service"], "key_kind": "maintenance", **span}


def _of_state(payload: Row) -> tuple[_Reached, _Given] | None:
    span = {"from_at": payload["from_at"], "to_at": payload["to_at"]}
    return _AVAILABILITY, {"subject": payload["monitor"], "key_kind": "monitor", **span}


def _of_status_page(payload: Row) -> tuple[_Reached, _Given] | None:
    if "display_at" in payload:
        begins, ends = payload["display_at"], ""
    else:
        begins = payload["scheduled_for"] or payload["started_at"] or payload["created_at"]
        ends = payload["scheduled_until"] or payload["resolved_at"]
    span = {"from_at": begins, "to_at": ends or "infinity"}
    return _AVAILABILITY, {"subject": payload["component_id"], "key_kind": "maintenance", **span}


_RESOLVERS: Mapping[str, Callable[[Row], tuple[_Reached, _Given] | None]] = {
    "raw_servicenow.incident": _subject(_TICKET, "sys_id"),
    "raw_servicenow.sys_audit": _of_audit,
    "raw_servicenow.sys_journal_field": _of_journal,
    "raw_servicenow.rm_release": _subject(_RELEASE, "sys_id"),
    "raw_servicenow.rm_defect": _subject(_RELEASE, "release"),
    "raw_servicenow.cmdb_ci_outage": _of_outage,
    "raw_monitoring.checks": _monitored("monitor", "checked_at"),
    "raw_monitoring.states": _of_state,
    "raw_statuspage.incidents": _of_status_page,
    "raw_statuspage.component_changes": _of_status_page,
    "raw_jira.issues": _subject(_TICKET, "issue_id"),
    "raw_jira.changes": _subject(_TICKET, "issue_id"),
    "raw_jira.comments": _subject(_TICKET, "issue_id"),
    "raw_jira.versions": _subject(_RELEASE, "version_id"),
    "raw_gitlab.milestones": _subject(_RELEASE, "milestone_id"),
    "raw_github.milestones": _subject(_RELEASE, "milestone_id"),
    "raw_plan_file.plans": _subject(_RELEASE, "milestone"),
    "raw_request_tracker.tickets": _subject(_TICKET, "ticket_id"),
    "raw_request_tracker.transactions": _subject(_TICKET, "ticket_id"),
    "raw_zendesk.tickets": _subject(_TICKET, "ticket_id"),
    "raw_zendesk.ticket_events": _subject(_TICKET, "ticket_id"),
    "raw_ticket_files.tickets": _subject(_TICKET, "ticket_id"),
    "raw_ticket_files.ticket_events": _subject(_TICKET, "ticket_id"),
    "raw_redmine.issues": _subject(_TICKET, "issue_id"),
    "raw_redmine.journal_entries": _subject(_TICKET, "issue_id"),
    "raw_asana.tasks": _subject(_TICKET, "task_id"),
    "raw_asana.stories": _subject(_TICKET, "task_id"),
    "raw_incident_log.incident_events": _subject(_TICKET, "number"),
    "raw_prometheus.samples": _monitored("monitor", "sampled_at"),
    "raw_upptime.checks": _monitored("slug", "checked_at"),
    "raw_upptime.published": _monitored("slug", "last_updated"),
    "raw_einvoice.invoices": _subject(_INVOICE, "document_id"),
    "raw_einvoice.documents": _subject(_INVOICE, "document_id"),
    "raw_einvoice.invoice_lines": _of_invoice_line,
    "raw_einvoice.invoice_adjustments": _of_adjustment,
    "raw_xero.invoices": _subject(_INVOICE, "invoice_id"),
    "raw_xero.invoice_line_items": _of_bill_line("line_item_id"),
    "raw_tryton.invoices": _subject(_INVOICE, "invoice_id"),
    "raw_tryton.invoice_lines": _of_bill_line("line_id"),
}


def _resolved(one: Row) -> tuple[_Reached, _Given] | None:
    """What a raw row is about; None for a table whose rows no fact rests on."""
    resolver = _RESOLVERS.get(one["raw_table"])
    found = None if resolver is None else resolver(one["payload"])
    if found is None:
        return None
    reached, given = found
    unset = dict.fromkeys(("line", "key_kind", "from_at", "to_at"))
    return reached, {**unset, "source": one["source_name"], **given}


def _facts(asking: Asking, one: Row) -> list[Row]:
    found = _resolved(one)
    return [] if found is None else asking.rows(found[0].facts, found[1])


def _lines(asking: Asking, one: Row) -> list[Row]:
    found = _resolved(one)
    if found is None:
        return []
    candidates = {line["penalty_line_id"]: line for line in asking.rows(found[0].lines, found[1])}
    kinds = {
        row["penalty_line_id"]: row["evidence_kind"]
        for row in asking.rows(
            """
            select penalty_line_id, min(evidence_kind) as evidence_kind from audit.credit_evidence
            where penalty_line_id = any(%s) and raw_table = %s and batch_id = %s and source_row = %s
                and row_hash = %s and source_name = %s
            group by penalty_line_id
            """,
            (
                sorted(candidates), one["raw_table"], one["batch_id"], one["source_row"], one["row_hash"],
                one["source_name"],
            ),
        )
    }  # fmt: skip
    within: set[str] = set()
    if (
        found[0] is _AVAILABILITY
        and found[1]["key_kind"] == "monitor"
        and one["raw_table"] != "raw_upptime.published"
    ):
        within = {
            row["penalty_line_id"]
            for row in asking.rows(
                """
                select penalty_line_id from audit.credit_periods()
                where penalty_line_id = any(%(lines)s) and source_name = %(source)s
                    and key_value = %(subject)s
                    and to_timestamp(from_us / 1000000) <= %(from_at)s::timestamptz
                    and to_timestamp(to_us / 1000000) > %(from_at)s::timestamptz
                """,
                {"lines": sorted(candidates), **found[1]},
            )
        }
    reached = sorted(kinds.keys() | within)
    amounts = {row["penalty_line_id"]: row for row in _amounts(asking, reached)}
    return [
        {**candidates[line_id], **amounts[line_id], "evidence_kind": kinds.get(line_id)}
        for line_id in reached
    ]


def _amounts(asking: Asking, line_ids: Sequence[str]) -> list[Row]:
    """What each line credits, where it is shown, and whether its month is closed."""
    return asking.rows(
        """
        select lines.penalty_line_id, lines.vendor_id, lines.month_date, lines.currency, lines.credit_amount,
            lines.shown_from, closed.vendor_id is not null as is_closed
        from (
            select penalty_line_id, vendor_id, month_date, currency, credit_amount, 'published' as shown_from
            from mart.fct_penalty_lines where penalty_line_id = any(%(lines)s)
            union all
            select penalty_line_id, vendor_id, month_date, currency, credit_amount, 'candidate'
            from penalties.fct_penalty_lines as candidates where penalty_line_id = any(%(lines)s)
                and not exists (
                    select 1 from mart.fct_penalty_lines as shown
                    where shown.penalty_line_id = candidates.penalty_line_id
                )
        ) as lines
        left join ledger.closed_months as closed
            on
                closed.vendor_id = lines.vendor_id
                and closed.month_date = lines.month_date
                and closed.currency = lines.currency
        """,
        {"lines": list(line_ids)},
    )


def _months(asking: Asking, facts: object, lines: object) -> list[Row]:
    """The months that facts and lines belong to, and whether they are closed."""
    assert not isinstance(facts, str)
    keys = {(one["vendor_id"], one["month_date"]) for group in (facts, lines) for one in group}  # type: ignore[attr-defined]
    ordered = sorted(keys, key=str)
    return asking.rows(
        """
        select months.vendor_id, months.month_date, months.currency,
            closed.vendor_id is not null as is_closed,
            closed.as_of as closed_as_of
        from unnest(%s::text[], %s::date[]) as wanted (vendor_id, month_date)
        inner join mart.mart_vendor_month as months
            on months.vendor_id = wanted.vendor_id and months.month_date = wanted.month_date
        left join ledger.closed_months as closed
            on
                closed.vendor_id = months.vendor_id
                and closed.month_date = months.month_date
                and closed.currency = months.currency
        order by months.vendor_id, months.month_date, months.currency
        """,
        ([vendor for vendor, _ in ordered], [month for _, month in ordered]),
    )
