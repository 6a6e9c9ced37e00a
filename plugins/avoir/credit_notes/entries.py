"""What finance may book and no note holds yet, with what the contract says of each entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import psycopg
from psycopg.rows import class_row

from avoir.credit_notes.model import CreditNoteError


@dataclass(frozen=True)
class Entry:
    """An applicable entry of the ledger; ``amount`` is positive when the vendor owes it.

    ``month_date`` is the month that the amount belongs to, ``posted_month_date`` the one it is booked in.
    """

    entry_no: int
    entry_kind: str
    contract_id: str
    contract_name: str | None
    clause_id: str
    clause_title: str | None
    service_id: str | None
    service_name: str | None
    subject_name: str | None
    month_date: date
    posted_month_date: date
    amount: Decimal
    corrects_entry_no: int | None
    reason: str | None
    settlement_document: str | None
    vat_treatment: str | None
    minor_units: int | None

    @property
    def settlement(self) -> tuple[str, str]:
        """Settlement document and VAT treatment: what may share a note."""
        if self.settlement_document is None or self.vat_treatment is None:
            raise CreditNoteError(
                f"ledger entry {self.entry_no} of contract {self.contract_id}: neither the frozen month nor "
                "the contract says how it is settled; load the contract's files again."
            )
        return self.settlement_document, self.vat_treatment


# A closed month is told by its frozen rows; an entry of an older close has only its contract version.
_OPEN_ENTRIES = """
with open_entries as (
    select
        e.entry_no, e.entry_kind, e.vendor_id, e.currency, e.contract_id, e.contract_version_id, e.clause_id,
        e.penalty_line_id, e.month_date, coalesce(e.posted_month_date, e.month_date) as posted_month_date,
        e.amount, e.corrects_entry_no, e.reason
    from ledger.applications a
    join ledger.entries e on e.entry_no = a.entry_no
    where e.vendor_id = %(vendor_id)s and e.currency = %(currency)s
        and coalesce(e.posted_month_date, e.month_date) <= %(month)s
        and not exists (select 1 from finance.credit_note_entries n where n.entry_no = e.entry_no)
)
select
    o.entry_no, o.entry_kind, o.contract_id, v.contract_name, o.clause_id,
    c.clause_title, coalesce(f.content ->> 'service_id', c.service_id) as service_id, s.service_name,
    f.content ->> 'subject_name' as subject_name, o.month_date, o.posted_month_date, o.amount,
    o.corrects_entry_no, o.reason,
    coalesce(f.content ->> 'settlement_document', h.settlement_document) as settlement_document,
    coalesce(f.content ->> 'vat_treatment', h.vat_treatment) as vat_treatment, v.minor_units
from open_entries o
left join lateral (
    select content from ledger.frozen_rows r
    where r.row_id in (o.penalty_line_id || '@' || o.entry_no, o.penalty_line_id)
        and r.table_name = 'fct_penalty_lines' and r.vendor_id = o.vendor_id and r.currency = o.currency
    order by r.row_id = o.penalty_line_id, r.month_date limit 1
) f on true
left join reference.clauses c
    on c.contract_version_id = o.contract_version_id and c.clause_id = o.clause_id
left join reference.services s
    on s.contract_version_id = o.contract_version_id
        and s.service_id = coalesce(f.content ->> 'service_id', c.service_id)
left join reference.contract_charges h on h.contract_version_id = o.contract_version_id
left join lateral (
    select contract_name, minor_units from reference.contract_versions v
    where v.contract_version_id = o.contract_version_id order by v.recorded_at desc limit 1
) v on true
order by o.entry_no
"""


def open_entries(connection: psycopg.Connection, vendor_id: str, month: date, currency: str) -> list[Entry]:
    """Applicable entries posted up to a month that are on no note, by number."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(_OPEN_ENTRIES, {"vendor_id": vendor_id, "month": month, "currency": currency})
        return cursor.fetchall()


def due_groups(entries: Sequence[Entry], month: date) -> dict[tuple[str, str], list[Entry]]:
    """The entries that a note of ``month`` takes up, by settlement document and VAT treatment.

    Those posted in the month, and of each earlier month those that add up to nothing or less: no note could
    be made of them, so the next one takes them along. An earlier month with a positive sum gets its own note.
    """
    groups: dict[tuple[str, str], dict[date, list[Entry]]] = {}
    for entry in entries:
        groups.setdefault(entry.settlement, {}).setdefault(entry.posted_month_date, []).append(entry)
    due: dict[tuple[str, str], list[Entry]] = {}
    for settlement, months in sorted(groups.items()):
        if month not in months:
            continue
        taken = [
            entry
            for posted, inside in months.items()
            if posted == month or sum((one.amount for one in inside), Decimal(0)) <= 0
            for entry in inside
        ]
        due[settlement] = sorted(taken, key=lambda entry: entry.entry_no)
    return due


def currencies_posted(connection: psycopg.Connection, vendor_id: str, month: date) -> list[str]:
    """Currencies in which anything applicable is posted for a vendor and month, by code."""
    rows = connection.execute(
        """
        select distinct e.currency from ledger.applications a join ledger.entries e on e.entry_no = a.entry_no
        where e.vendor_id = %s and coalesce(e.posted_month_date, e.month_date) = %s order by 1
        """,
        (vendor_id, month),
    ).fetchall()
    return [currency for (currency,) in rows]
