create or replace view vendor_portal.ledger_entries with (security_barrier) as
-- Numbered within the vendor: the ledger's own number would tell how often others were posted in between, and
-- its chain of hashes holds what an amount can be guessed from.
with numbered as (
    select
        entries.entry_no,
        row_number() over (order by entries.entry_no) as vendor_entry_no,
        entries.entry_kind,
        entries.vendor_id,
        entries.month_date,
        coalesce(entries.posted_month_date, entries.month_date) as posted_month_date,
        entries.contract_id,
        entries.contract_version_id,
        entries.clause_id,
        entries.penalty_line_id,
        entries.amount,
        entries.currency,
        entries.posted_as_of,
        entries.corrects_entry_no,
        entries.reason
    from ledger.entries
    where entries.vendor_id = (
        select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
    )
)

select
    numbered.vendor_entry_no,
    numbered.entry_kind,
    numbered.vendor_id,
    numbered.month_date,
    numbered.posted_month_date,
    numbered.contract_id,
    numbered.contract_version_id,
    numbered.clause_id,
    numbered.penalty_line_id,
    numbered.amount,
    numbered.currency,
    numbered.posted_as_of,
    corrected.vendor_entry_no as corrects_vendor_entry_no,
    numbered.reason
from numbered
left join numbered as corrected on numbered.corrects_entry_no = corrected.entry_no;
comment on view vendor_portal.ledger_entries is
'One row per posting of the vendor who asks: the month it belongs to, the month it is booked in, and the posting it corrects. Positive: owed by the vendor; negative: taken back.';
comment on column vendor_portal.ledger_entries.vendor_entry_no is
'Number of the posting within the vendor, from 1, without a gap; the same posting always has the same number.';
