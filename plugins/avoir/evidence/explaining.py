"""Everything behind one credit, gathered into one value: ledger, clause, steps, fact, base and raw rows.

The value is plain JSON, described by ``docs/evidence.schema.json``: amounts and quantities are text with all
their digits, instants are UTC. Nothing is stored for it: each part is looked up by deterministic ids.
"""

from __future__ import annotations

# ruff: noqa: S608 - the statements are literals of this module, joined; every value is a parameter.
import json
from decimal import Decimal
from typing import LiteralString

import psycopg
from psycopg import sql

from avoir.evidence.asking import LIMIT, Asking, Row, UnknownRecordError, as_plain, require_published
from avoir.evidence.facts import fact_behind
from avoir.evidence.records import raw_behind
from avoir.evidence.steps import steps_of

FORMAT = "avoir-evidence/1"


def explain(connection: psycopg.Connection, asked: str, *, limit: int = LIMIT) -> Row:
    """Explain a credit, given by the id of its penalty line or by the number of its ledger entry.

    Args:
        connection: as a role that may read everything (``auditor``).
        asked: a ``penalty_line_id``, or an ``entry_no`` of the ledger.
        limit: most rows of each kind of evidence that are shown; all are counted.

    Raises:
        UnknownRecordError: there is no such line or entry.
        RuntimeError: nothing was ever published.
    """
    asking = Asking(connection, limit=limit)
    require_published(asking)
    line_id, entry_no = _resolved(asking, asked)
    line, shown_from, candidate = _line(asking, line_id, entry_no)
    month = _month(asking, line)
    entries = _entries(asking, line_id, entry_no)
    clause = _clause(asking, line)
    raw, counts = raw_behind(asking, line_id, month["raw_batches_of"])
    differences = (
        [] if candidate is None else [
            {"column": name, "shown": line.get(name), "candidate": value}
            for name, value in candidate.items()
            if not _same(line.get(name), value)
        ]
    )  # fmt: skip
    answer = {
        "format": FORMAT,
        "asked": {"credit": asked, "penalty_line_id": line_id, "entry_no": entry_no},
        "line": line,
        "shown_from": shown_from,
        "candidate": {
            "exists": candidate is not None,
            "differs": bool(differences) or candidate is None,
            "differences": differences,
        },
        "month": {name: value for name, value in month.items() if name != "raw_batches_of"},
        "ledger": entries,
        "clause": clause,
        "steps": steps_of(asking, line, clause),
        "fact": fact_behind(asking, line, clause),
        "base": _base(asking, line),
        "raw_counts": counts,
        "raw": raw,
    }
    plain: Row = as_plain(answer)
    return plain


def _resolved(asking: Asking, asked: str) -> tuple[str, int | None]:
    if asked.isascii() and asked.isdigit() and len(asked) <= 18:
        entry = asking.row("select penalty_line_id from ledger.entries where entry_no = %s", (int(asked),))
        if entry is not None:
            return entry["penalty_line_id"], int(asked)
        last = asking.row("select coalesce(max(entry_no), 0) as last from ledger.entries")
        posted = last["last"] if last else 0
        has = f"has entries 1 to {posted}" if posted else "is empty: no month was closed yet"
        raise UnknownRecordError(f"the ledger has no entry {asked}; it {has}.")
    known = asking.row(
        """
        select 1 as known from mart.fct_penalty_lines where penalty_line_id = %(line)s
        union all select 1 from penalties.fct_penalty_lines where penalty_line_id = %(line)s
        union all select 1 from ledger.entries where penalty_line_id = %(line)s
        limit 1
        """,
        {"line": asked},
    )
    if known is None:
        raise UnknownRecordError(
            f"there is no penalty line {asked!r}. Give its penalty_line_id or the number of a ledger entry; "
            'list them with: avoir sql "select penalty_line_id, vendor_id, month_date, clause_id, '
            'subject_name, credit_amount from mart.fct_penalty_lines order by 2, 3, 4, 5"'
        )
    return asked, None


def _line(asking: Asking, line_id: str, entry_no: int | None) -> tuple[Row, str, Row | None]:
    """The line as it counts, where it is shown from, and today's candidate."""
    candidate = _line_of(
        asking,
        "select to_jsonb(l)::text as content from penalties.fct_penalty_lines l where penalty_line_id = %s",
        line_id,
    )
    # What an adjustment posted is kept under its own number.
    frozen = _line_of(
        asking,
        "select content::text from ledger.frozen_rows where table_name = 'fct_penalty_lines' and row_id = %s",
        f"{line_id}@{entry_no}",
    ) or _line_of(
        asking,
        "select content::text from ledger.frozen_rows where table_name = 'fct_penalty_lines' and row_id = %s",
        line_id,
    )
    if frozen is not None:
        return frozen, "frozen", candidate
    published = _line_of(
        asking,
        "select to_jsonb(l)::text as content from mart.fct_penalty_lines l where penalty_line_id = %s",
        line_id,
    )
    if published is not None:
        return published, "published", candidate
    if candidate is not None:
        return candidate, "candidate", candidate
    raise UnknownRecordError(
        f"penalty line {line_id} was posted to the ledger, but what the month showed is not kept and no "
        "build has it any more; its entries: avoir sql "
        f"\"select * from ledger.entries where penalty_line_id = '{line_id}'\""
    )


def _line_of(asking: Asking, statement: LiteralString, key: str) -> Row | None:
    found = asking.row(statement, (key,))
    if found is None:
        return None
    content = json.loads(found["content"], parse_float=Decimal)
    # Counts are numbers, everything else that is one is an amount or a quantity with all its digits.
    return {
        name: Decimal(value)
        if isinstance(value, int) and not isinstance(value, bool) and not name.endswith("_no")
        else value
        for name, value in content.items()
    }


def _same(one: object, other: object) -> bool:
    return one == other and (one is None) == (other is None)


def _month(asking: Asking, line: Row) -> Row:
    key = (line["vendor_id"], line["month_date"], line["currency"])
    closed = asking.row(
        """
        select as_of, built_as_of, run_id, version_id, code_sha256, calendars_sha256, contract_version_ids
        from ledger.closed_months where vendor_id = %s and month_date = %s and currency = %s
        """,
        key,
    )
    verdict = asking.row(
        """
        select verdict, reason, as_of, run_id from mart.publication_log
        where vendor_id = %s and month_date = %s and currency = %s order by publication_no desc limit 1
        """,
        key,
    )
    return {
        "vendor_id": line["vendor_id"],
        "month_date": line["month_date"],
        "currency": line["currency"],
        "is_closed": closed is not None,
        "closed": closed,
        "last_verdict": verdict,
        "raw_batches_of": key if closed is not None else None,
    }


def _entries(asking: Asking, line_id: str, entry_no: int | None) -> list[Row]:
    return asking.rows(
        """
        select
            entries.entry_no, entries.entry_kind, entries.month_date,
            coalesce(entries.posted_month_date, entries.month_date) as posted_month_date, entries.amount,
            entries.currency, entries.contract_version_id, entries.corrects_entry_no, entries.reason,
            entries.posted_as_of, entries.content_sha256, entries.previous_sha256, entries.entry_sha256,
            applications.application_no, applications.applicable_as_of,
            entries.entry_no is not distinct from %s as is_asked
        from ledger.entries left join ledger.applications on applications.entry_no = entries.entry_no
        where entries.penalty_line_id = %s order by entries.entry_no
        """,
        (entry_no, line_id),
    )


def _clause(asking: Asking, line: Row) -> Row:
    key = (line["contract_version_id"], line["clause_id"])
    version = asking.row(
        """
        select contract_id, contract_name, contract_version_id, version_no, valid_from, valid_to, timezone,
            currency,
            minor_units, document_sha256, file_path, recorded_at, superseded_at, order_amount
        from reference.contract_versions where contract_version_id = %s order by recorded_at desc limit 1
        """,
        key[:1],
    )
    found = asking.row(
        "select * from reference.clauses where contract_version_id = %s and clause_id = %s", key
    )
    if version is None or found is None:
        raise UnknownRecordError(
            f"clause {key[1]} of contract version {key[0]} is not in the reference tables; load the contract "
            "file of that version again: avoir contracts check"
        )
    told = ("contract_version_id", "clause_id", "service_id", "clause_title", "clause_text")
    service = asking.row(
        "select service_name from reference.services where contract_version_id = %s and service_id = %s",
        (key[0], found["service_id"]),
    )
    where = sql.SQL("where contract_version_id = %s and clause_id = %s")
    parts = {
        name: asking.rows(
            sql.SQL("select {} from {} {} order by {}").format(*parts, where, sql.SQL(order)), key
        )
        for name, parts, order in (
            (
                "bands",
                (
                    sql.SQL(
                        "band_no, lower_value, is_lower_held, upper_value, is_upper_held, rate_pct, amount, "
                        "point_count"
                    ),
                    sql.Identifier("reference", "clause_bands"),
                ),
                "band_no",
            ),
            (
                "clock_rules",
                (sql.SQL("role, field, value"), sql.Identifier("reference", "clock_rules")),
                "role, field, value",
            ),
            (
                "clock_targets",
                (sql.SQL("priority, target_value"), sql.Identifier("reference", "clock_targets")),
                "priority",
            ),
        )
    }
    return {
        "clause_id": key[1],
        "clause_title": found["clause_title"],
        "clause_text": found["clause_text"],
        "service_id": found["service_id"],
        "service_name": None if service is None else service["service_name"],
        "contract": version,
        "terms": {
            name: value for name, value in found.items() if name not in told and value is not None
        },
        **parts,
    }  # fmt: skip


def _base(asking: Asking, line: Row) -> Row:
    """The base of the price, and the invoice lines that it and caps in percent are taken from."""
    bases = asking.row(
        """
        select invoice_amount, service_amount, fee_amount from penalties.int_contract_bases
        where contract_id = %s and service_id = %s and month_date = %s
        """,
        (line["contract_id"], line["service_id"], line["origin_month_date"]),
    )
    lines, total = asking.bounded(
        """
        select invoiced.invoice_line_id, evidence.source_name, evidence.document_id, invoiced.invoice_number,
            invoiced.type_code, evidence.line_key, invoiced.line_kind, invoiced.item_key, invoiced.service_id,
            invoiced.issue_date, invoiced.net_amount, invoiced.currency, evidence.is_of_base
        from audit.credit_invoice_lines() as evidence
        inner join facts.fct_invoice_lines as invoiced
            on invoiced.invoice_line_id
                = md5(evidence.source_name || '|' || evidence.document_id || '|' || evidence.line_key)
        where evidence.penalty_line_id = %s
        order by invoiced.invoice_number, evidence.document_id, evidence.line_key
        """,
        (line["penalty_line_id"],),
    )
    return {
        "base_kind": line["base_kind"],
        "base_amount": line["base_amount"],
        "month_amounts": bases,
        "invoice_line_count": total,
        "invoice_lines": lines,
    }
