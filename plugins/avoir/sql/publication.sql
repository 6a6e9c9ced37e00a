-- Who sees what since when, and what the gate said. Tables of this file are never dropped, and belong to the
-- administrator: the role that writes them by appending can neither change nor drop them.

create table if not exists mart.publication_log (
    publication_no bigint generated always as identity primary key,
    run_id text not null,
    as_of timestamptz not null,
    vendor_id text not null,
    month_date date not null,
    currency text not null,
    verdict text not null check (verdict in ('published', 'unchanged', 'held', 'blocked', 'closed')),
    reason text not null,
    version_id text,
    recorded_at timestamptz not null default now()
);
create index if not exists publication_log_month on mart.publication_log (vendor_id, month_date);
comment on table mart.publication_log is
'One row per run, vendor, month and currency: what the gate decided about the candidate, and why.';

create table if not exists checks.verdicts (
    verdict_no bigint generated always as identity primary key,
    run_id text not null,
    border text not null check (border in ('raw', 'mart')),
    table_name text not null,
    check_name text not null,
    column_name text,
    why text not null,
    success boolean not null,
    observed text,
    vendor_id text,
    month_date date,
    sample jsonb,
    recorded_at timestamptz not null default now()
);
create index if not exists verdicts_run on checks.verdicts (run_id, border);
alter table checks.verdicts add column if not exists is_attributed boolean not null default false;
comment on table checks.verdicts is
'One row per run, border and check: whether it held, what was observed, and a sample of rows when it did not; whether those it concerns could be named (checks.findings), else it blocks all.';

create table if not exists checks.findings (
    finding_no bigint generated always as identity primary key,
    run_id text not null,
    border text not null check (border in ('raw', 'mart')),
    check_name text not null,
    source_name text,
    before_at timestamptz,
    vendor_id text,
    month_date date,
    currency text,
    is_note boolean not null,
    reason text not null,
    recorded_at timestamptz not null default now(),
    check ((source_name is null) = (before_at is null) and (vendor_id is null) = (month_date is null)),
    check ((source_name is null) <> (vendor_id is null))
);
create index if not exists findings_run on checks.findings (run_id, border);
comment on table checks.findings is
'One row per run, border and thing found against a vendor''s month, or against every month that needs a source and begins before an instant: what it is held for, or what is noted beside its verdict.';

create table if not exists checks.builds (
    build_no bigint generated always as identity primary key,
    run_id text not null,
    as_of timestamptz not null,
    inputs_sha256 text not null,
    recorded_at timestamptz not null default now()
);
alter table checks.builds
add column if not exists raw_batches int8multirange,
add column if not exists contract_version_ids text[],
add column if not exists calendars_sha256 text,
add column if not exists code_sha256 text;
comment on table checks.builds is
'One row per build that was published, with the hash of everything its numbers depend on, and the parts of it: batches of raw rows, contract versions, calendars, code.';

create table if not exists checks.releases (
    release_no bigint generated always as identity primary key,
    vendor_id text not null,
    month_date date not null,
    currency text not null,
    version_id text not null,
    held_for text not null,
    because text not null,
    released_by text not null,
    released_as_of timestamptz not null,
    recorded_at timestamptz not null default now()
);
comment on table checks.releases is
'One row per held month that a person let through, in the version that was held: who, when, why, and what it was held for.';

create table if not exists checks.increments (
    increment_no bigint generated always as identity primary key,
    code_sha256 text not null,
    restated_calendars text[] not null,
    recorded_at timestamptz not null default now()
);
comment on table checks.increments is
'One row per time that the incremental tables were begun anew: the code they are built by, and calendars that changed.';
