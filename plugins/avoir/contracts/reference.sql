-- The reference tables: what the contracts say, by version. Written by avoir.contracts.loading only.

create table if not exists reference.vendors (
    vendor_id text primary key,
    vendor_name text not null
);
comment on table reference.vendors is 'One row per vendor that a contract names.';

create table if not exists reference.contract_versions (
    contract_version_id text not null,
    contract_id text not null,
    contract_name text not null,
    vendor_id text not null,
    version_no integer not null check (version_no >= 1),
    valid_from date not null,
    valid_to date not null,
    timezone text not null,
    currency text not null,
    minor_units integer not null check (minor_units between 0 and 4),
    document_sha256 text not null,
    file_path text not null,
    recorded_at timestamptz not null,
    superseded_at timestamptz,
    primary key (contract_version_id, recorded_at),
    check (valid_from < valid_to),
    check (recorded_at < superseded_at)
);
create unique index if not exists contract_versions_current
    on reference.contract_versions (contract_version_id) where superseded_at is null;
comment on table reference.contract_versions is
    'One row per version of a contract and stretch of time in which the warehouse believed it. Current: superseded_at is null.';
comment on column reference.contract_versions.contract_version_id is
    '<contract>:<version>:<8 hex of the SHA-256 of the canonical content>; the same content always has the same id.';
comment on column reference.contract_versions.valid_from is 'First local date (timezone) on which the terms hold.';
comment on column reference.contract_versions.valid_to is 'First local date on which they no longer hold; 9999-12-31 when open.';
comment on column reference.contract_versions.minor_units is 'Digits after the point of the currency (ISO 4217).';
comment on column reference.contract_versions.file_path is 'Where the file lies now, relative to the contracts root.';
comment on column reference.contract_versions.recorded_at is 'The as_of of the load that learned these terms.';
comment on column reference.contract_versions.superseded_at is
    'The as_of of the load that found other terms, or no file any more; null while they are believed.';

create table if not exists reference.services (
    contract_version_id text not null,
    service_id text not null,
    service_name text not null,
    fee_kind text not null check (fee_kind in ('invoice_lines', 'fixed')),
    fee_amount numeric check ((fee_kind = 'fixed') = (fee_amount is not null)),
    primary key (contract_version_id, service_id)
);
comment on table reference.services is 'One row per service of a contract version.';
comment on column reference.services.fee_amount is 'Fixed fee per month, excluding VAT, in the contract''s currency.';

create table if not exists reference.service_keys (
    contract_version_id text not null,
    service_id text not null,
    source_name text not null,
    key_kind text not null check (
        key_kind in ('ticket', 'monitor', 'release', 'maintenance', 'invoice_line', 'invoice_seller')
    ),
    key_value text not null,
    primary key (contract_version_id, source_name, key_kind, key_value),
    foreign key (contract_version_id, service_id) references reference.services
);
comment on table reference.service_keys is 'One row per name that a service has in the records of a source.';

create table if not exists reference.calendars (
    calendar_id text primary key,
    contract_version_id text not null,
    timezone text not null
);
create index if not exists calendars_version on reference.calendars (contract_version_id);
comment on table reference.calendars is 'One row per calendar of a contract version; the id is <contract_version_id>/<calendar>.';

create table if not exists reference.clauses (
    contract_version_id text not null,
    clause_id text not null,
    service_id text not null,
    clause_title text not null,
    clause_text text,
    indicator text not null check (indicator in ('clock', 'availability', 'milestone')),
    calendar_id text references reference.calendars,
    objective_operator text not null check (objective_operator in ('<=', '<', '>=', '>')),
    objective_value numeric not null,
    objective_unit text not null check (objective_unit in ('seconds', 'pct', 'days')),
    availability_method text,
    unknown_policy text check (unknown_policy in ('down', 'up', 'exclude')),
    probe_interval_seconds integer,
    maintenance_notice_seconds bigint,
    replan_notice_days integer,
    day_kind text check (day_kind in ('calendar', 'business')),
    formula text not null check (formula in ('percent_of_invoice_per_event', 'proportional', 'fixed_per_event')),
    rate_pct numeric,
    amount numeric,
    proportional_on text check (proportional_on in ('whole_downtime', 'excess')),
    base_kind text check (base_kind in ('month_invoice', 'service_lines', 'fixed_fee')),
    month_cap_pct numeric,
    month_cap_amount numeric,
    primary key (contract_version_id, clause_id),
    foreign key (contract_version_id, service_id) references reference.services
);
comment on table reference.clauses is 'One row per clause of a contract version: indicator, objective and penalty.';
comment on column reference.clauses.objective_value is 'In objective_unit; a clock''s target is always in seconds.';
comment on column reference.clauses.maintenance_notice_seconds is
    'Planned maintenance announced at least so long before is left out; null: none is left out.';
comment on column reference.clauses.month_cap_pct is 'Most that the clause may cost in a month, in percent of the month''s invoice.';
comment on column reference.clauses.month_cap_amount is 'Most that the clause may cost in a month, in the contract''s currency.';

create table if not exists reference.clock_rules (
    contract_version_id text not null,
    clause_id text not null,
    role text not null check (role in ('start', 'stop', 'pause')),
    field text not null,
    value text,
    foreign key (contract_version_id, clause_id) references reference.clauses
);
create unique index if not exists clock_rules_key
    on reference.clock_rules (contract_version_id, clause_id, role, field, coalesce(value, ''));
comment on table reference.clock_rules is
    'One row per condition of a clock: start and stop at the first such event, pause while the field holds the value.';
comment on column reference.clock_rules.value is 'The value that counts; null: any.';

create table if not exists reference.calendar_days (
    calendar_id text not null references reference.calendars,
    day_no integer not null,
    utc_date date not null,
    is_business_day boolean not null,
    open_before_us bigint not null,
    open_day_us bigint not null,
    open_1_us bigint not null,
    close_1_us bigint not null,
    open_2_us bigint not null,
    close_2_us bigint not null,
    open_3_us bigint not null,
    close_3_us bigint not null,
    open_4_us bigint not null,
    close_4_us bigint not null,
    open_5_us bigint not null,
    close_5_us bigint not null,
    open_6_us bigint not null,
    close_6_us bigint not null,
    primary key (calendar_id, day_no)
);
comment on table reference.calendar_days is
    'One row per calendar and UTC day. Business time before t is open_before_us + the sum of greatest(0, least(t, close) - open).';
comment on column reference.calendar_days.day_no is 'UTC days since 1970-01-01.';
comment on column reference.calendar_days.is_business_day is
    'Whether the local date with the same year, month and day has any opening.';
comment on column reference.calendar_days.open_before_us is 'Open microseconds from the first day of the calendar to this UTC midnight.';
comment on column reference.calendar_days.open_day_us is 'Open microseconds of this UTC day.';
comment on column reference.calendar_days.open_1_us is
    'First open piece [open, close) in microseconds of the UTC day; unused pieces are 0, 0.';
