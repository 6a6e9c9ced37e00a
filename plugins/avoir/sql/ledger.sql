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
alter table ledger.closed_months
add column if not exists run_id text,
add column if not exists built_as_of timestamptz,
add column if not exists raw_batches int8multirange,
add column if not exists contract_version_ids text[],
add column if not exists calendars_sha256 text,
add column if not exists code_sha256 text;
comment on table ledger.closed_months is
'One row per vendor, month and currency that was closed: its published numbers never change again. With what they were built from: batches of raw rows, all contract versions then in force, calendars and code.';

create table if not exists ledger.entries (
    entry_no bigint primary key check (entry_no > 0),
    entry_kind text not null check (entry_kind in ('credit', 'adjustment', 'reversal')),
    vendor_id text not null,
    month_date date not null,
    contract_id text not null,
    contract_version_id text not null,
    clause_id text not null,
    penalty_line_id text not null,
    amount numeric not null,
    currency text not null,
    posted_as_of timestamptz not null,
    content_sha256 text not null,
    previous_sha256 text not null,
    entry_sha256 text not null unique
);
alter table ledger.entries
add column if not exists posted_month_date date,
add column if not exists corrects_entry_no bigint references ledger.entries,
add column if not exists reason text;
alter table ledger.entries drop constraint if exists entries_penalty_line_id_key;
create unique index if not exists entries_credit_once on ledger.entries (penalty_line_id) where entry_kind = 'credit';
create index if not exists entries_line on ledger.entries (penalty_line_id);
comment on table ledger.entries is
'One row per posting: a penalty line of a closed month, or what late data change of one, posted in the month then open and naming the entry it corrects. Append-only, gapless, each entry hashes the one before it.';

create table if not exists ledger.frozen_rows (
    vendor_id text not null,
    month_date date not null,
    currency text not null,
    table_name text not null,
    row_id text not null,
    content jsonb not null,
    primary key (vendor_id, month_date, currency, table_name, row_id)
);
create index if not exists frozen_rows_row on ledger.frozen_rows (row_id);
comment on table ledger.frozen_rows is
'One row per row of the mart that a closed month showed, as it was: mart_vendor_month by its key, fct_penalty_lines by its id.';

create table if not exists ledger.procedure_events (
    event_no bigint generated always as identity primary key,
    vendor_id text not null,
    contract_id text not null,
    posted_month_date date not null,
    entry_no bigint references ledger.entries,
    state text not null check (state in ('notified', 'contested', 'agreed', 'waived', 'applied')),
    decided_on date not null,
    decided_by text not null,
    document text not null,
    reason text,
    recorded_as_of timestamptz not null
);
create unique index if not exists procedure_events_once on ledger.procedure_events
(vendor_id, contract_id, posted_month_date, coalesce(entry_no, 0), state, decided_on);
comment on table ledger.procedure_events is
'One row per step of the procedure of what was posted for a contract in a month, or of one entry of it: who decided what on which day, and by which document.';

create table if not exists ledger.applications (
    application_no bigint primary key check (application_no > 0),
    entry_no bigint not null unique references ledger.entries,
    applicable_as_of timestamptz not null
);
comment on table ledger.applications is
'One row per entry that finance may book, numbered without a gap in the order in which they became so.';

-- For every append-only table, whatever its schema; the argument says what to do instead.
create or replace function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only: %', tg_table_schema, tg_table_name, tg_argv[0]
        using errcode = 'insufficient_privilege';
end $$;

create or replace trigger entries_never_change before update or delete or truncate on ledger.entries
for each statement execute function ledger.refuse_change('post an adjustment or a reversal instead');
create or replace trigger closed_months_never_change before update or delete or truncate on ledger.closed_months
for each statement execute function ledger.refuse_change('post an adjustment or a reversal instead');
create or replace trigger frozen_rows_never_change before update or delete or truncate on ledger.frozen_rows
for each statement execute function ledger.refuse_change('post an adjustment or a reversal instead');
create or replace trigger procedure_events_never_change before update or delete or truncate on ledger.procedure_events
for each statement execute function ledger.refuse_change('post an adjustment or a reversal instead');
create or replace trigger applications_never_change before update or delete or truncate on ledger.applications
for each statement execute function ledger.refuse_change('post an adjustment or a reversal instead');

-- Its columns are a promise: more may be added at the end, none is renamed or dropped.
create or replace view finance.credit_entries as
select
    applications.application_no as entry_no,
    entries.entry_kind,
    entries.vendor_id,
    entries.contract_id,
    entries.clause_id,
    entries.month_date,
    entries.amount,
    entries.currency,
    entries.penalty_line_id,
    entries.entry_sha256,
    coalesce(entries.posted_month_date, entries.month_date) as posted_month_date,
    entries.entry_no as ledger_entry_no,
    entries.corrects_entry_no as corrects_ledger_entry_no,
    entries.reason
from ledger.applications
inner join ledger.entries on applications.entry_no = entries.entry_no;
comment on view finance.credit_entries is
'One row per ledger entry that may be booked: without a procedure at once, else when it was agreed. Pull with entry_no > the last one seen and each entry arrives exactly once.';
