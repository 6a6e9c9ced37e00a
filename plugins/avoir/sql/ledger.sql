-- The ledger: what finance books. Entries are numbered without a gap and chained by hash; the database
-- itself refuses to change or remove one, whoever asks.
create table if not exists ledger.closed_months (
    vendor_id text not null,
    month_date date not null,
    currency text not null,
    as_of timestamptz not null,
    version_id text not null,
    entry_count integer not null,
    primary key (vendor_id, month_date, currency)
);
comment on table ledger.closed_months is
'One row per vendor, month and currency that was closed: its published numbers never change again.';

create table if not exists ledger.entries (
    entry_no bigint primary key check (entry_no > 0),
    entry_kind text not null check (entry_kind in ('credit', 'adjustment', 'reversal')),
    vendor_id text not null,
    month_date date not null,
    contract_id text not null,
    contract_version_id text not null,
    clause_id text not null,
    penalty_line_id text not null unique,
    amount numeric not null,
    currency text not null,
    posted_as_of timestamptz not null,
    content_sha256 text not null,
    previous_sha256 text not null,
    entry_sha256 text not null unique
);
comment on table ledger.entries is
'One row per posted penalty line of a closed month; append-only, gapless, each entry hashes the one before it.';

create or replace function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'ledger.% is append-only: post an adjustment or a reversal instead', tg_table_name
        using errcode = 'insufficient_privilege';
end $$;

create or replace trigger entries_never_change before update or delete or truncate on ledger.entries
for each statement execute function ledger.refuse_change();
create or replace trigger closed_months_never_change before update or delete or truncate on ledger.closed_months
for each statement execute function ledger.refuse_change();

create or replace view finance.credit_entries as
select
    entry_no,
    entry_kind,
    vendor_id,
    contract_id,
    clause_id,
    month_date,
    amount,
    currency,
    penalty_line_id,
    entry_sha256
from ledger.entries;
comment on view finance.credit_entries is
'One row per ledger entry; pull with entry_no > the last one seen and each entry arrives exactly once.';
