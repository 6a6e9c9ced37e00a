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
comment on table reference.service_keys is
    'One row per name that a service has in the records of a source; a team may work for several services.';

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

-- What the format has learned since a warehouse was first made: added where it is missing, so nothing is lost.
alter table reference.service_keys drop constraint if exists service_keys_key_kind_check;
alter table reference.service_keys add constraint service_keys_key_kind_check check (
    key_kind in ('ticket', 'monitor', 'release', 'maintenance', 'invoice_line', 'invoice_seller', 'team')
);
do $$
begin
    -- Once: the key of an earlier release held a team to one service. Made anew it locks out every reader.
    if (
        select array_length(conkey, 1) from pg_constraint
        where conrelid = 'reference.service_keys'::regclass and contype = 'p'
    ) < 5 then
        alter table reference.service_keys drop constraint service_keys_pkey;
        alter table reference.service_keys add constraint service_keys_pkey
        primary key (contract_version_id, source_name, key_kind, key_value, service_id);
    end if;
end $$;
alter table reference.contract_versions add column if not exists order_amount numeric;
alter table reference.contract_versions add column if not exists customer_name text;
alter table reference.contract_versions add column if not exists judged_as_of timestamptz;
comment on column reference.contract_versions.judged_as_of is
    'Instant at which the copy of a version that a worked test made is judged; null: the run''s own as_of.';
comment on column reference.contract_versions.order_amount is 'Value of the whole order, excluding VAT; null when not stated.';
alter table reference.clauses drop constraint if exists clauses_formula_check;
alter table reference.clauses add constraint clauses_formula_check check (
    formula in (
        'percent_of_invoice_per_event', 'proportional', 'fixed_per_event', 'tiers', 'linear', 'value_times_delay',
        'points', 'at_risk_pool'
    )
);
alter table reference.clauses drop constraint if exists clauses_base_kind_check;
alter table reference.clauses add constraint clauses_base_kind_check check (
    base_kind in ('month_invoice', 'service_lines', 'fixed_fee', 'order_amount', 'stated')
);
alter table reference.clauses add column if not exists aggregation text not null default 'each'
check (aggregation in ('each', 'ratio', 'average', 'percentile'));
alter table reference.clauses add column if not exists percentile numeric;
alter table reference.clauses add column if not exists target_value numeric;
alter table reference.clauses add column if not exists rounding_digits integer;
alter table reference.clauses add column if not exists rounding_mode text check (rounding_mode in ('half_up', 'down', 'up'));
alter table reference.clauses add column if not exists rounding_unit numeric;
alter table reference.clauses add column if not exists slice_seconds integer;
alter table reference.clauses add column if not exists base_amount numeric;
alter table reference.clauses add column if not exists counted_on text check (counted_on in ('value', 'excess'));
alter table reference.clauses add column if not exists unit_size numeric;
alter table reference.clauses add column if not exists unit_rounding text check (unit_rounding in ('started', 'full', 'exact'));
alter table reference.clauses add column if not exists divisor numeric;
alter table reference.clauses add column if not exists point_count numeric;
alter table reference.clauses add column if not exists point_amount numeric;
alter table reference.clauses add column if not exists point_rate_pct numeric;
alter table reference.clauses add column if not exists pool_pct numeric;
alter table reference.clauses add column if not exists allocation_pct numeric;
alter table reference.clauses add column if not exists at_risk_pct numeric;
alter table reference.clauses add column if not exists event_cap_pct numeric;
alter table reference.clauses add column if not exists event_cap_amount numeric;
alter table reference.clauses add column if not exists earn_back_level numeric;
alter table reference.clauses add column if not exists earn_back_months integer;
alter table reference.clauses add column if not exists earn_back_pct numeric;
alter table reference.clauses add column if not exists reopen_policy text
check (reopen_policy in ('resume', 'new_cycle', 'join_within'));
alter table reference.clauses add column if not exists join_within_seconds numeric;
alter table reference.clauses add column if not exists priority_change text
check (priority_change in ('keep', 'restart', 'retroactive'));
alter table reference.clauses add column if not exists quorum integer;
alter table reference.clauses add column if not exists minimum_downtime_seconds integer;
alter table reference.clauses add column if not exists whole_minutes boolean;
alter table reference.clauses add column if not exists minimum_volume integer;
alter table reference.clauses add column if not exists reporting_period text
check (reporting_period in ('month', 'quarter'));
alter table reference.clauses add column if not exists denominator text check (denominator in ('net', 'total'));
alter table reference.clauses add column if not exists started_day text check (started_day in ('ceil', 'floor'));
update reference.clauses set target_value = objective_value where target_value is null and aggregation = 'each';
comment on column reference.clauses.aggregation is 'What is judged: each event, or the ratio, average or percentile of the month.';
comment on column reference.clauses.target_value is
    'Level of a single event, in seconds or days: the objective itself where each event is judged; null for averages and percentiles.';
comment on column reference.clauses.rounding_unit is
    'Unit in which the contract rounds, in seconds, days or percent: a measure in minutes is rounded in minutes.';
comment on column reference.clauses.counted_on is 'Whether bands and units count the value measured, or its excess over the objective.';
comment on column reference.clauses.unit_size is 'One unit of a price per unit: seconds, days or percentage points.';
comment on column reference.clauses.join_within_seconds is
    'Open time after a stop in which a reopening joins the cycle before it; null for other policies.';
comment on column reference.clauses.priority_change is
    'What a change of priority does where clock_targets has rows; null where targets do not differ by priority.';
comment on column reference.clauses.quorum is 'Monitors that must be down for the service to be; null: one.';
comment on column reference.clauses.minimum_downtime_seconds is 'A shorter outage does not count; null: every one does.';
comment on column reference.clauses.whole_minutes is 'Whether only the whole minutes of an outage count; null: all of it does.';
comment on column reference.clauses.minimum_volume is 'Fewer samples, of a slice or of the period, say nothing; null: one is enough.';
comment on column reference.clauses.reporting_period is 'Over what an availability is judged at once; null: the month.';
comment on column reference.clauses.denominator is
    'Whether time left out leaves both sides of an availability (net, null) or the downtime alone (total).';
comment on column reference.clauses.started_day is 'Whether a begun day of delay counts (ceil, null) or not (floor).';
comment on column reference.clauses.base_amount is 'The base where it is stated, in the contract''s currency, excluding VAT.';

create table if not exists reference.clause_bands (
    contract_version_id text not null,
    clause_id text not null,
    band_no integer not null,
    lower_value numeric,
    is_lower_held boolean not null,
    upper_value numeric,
    is_upper_held boolean not null,
    rate_pct numeric,
    amount numeric,
    point_count numeric,
    primary key (contract_version_id, clause_id, band_no),
    foreign key (contract_version_id, clause_id) references reference.clauses
);
comment on table reference.clause_bands is
    'One row per band of a tiered price: limits in the unit of the objective (null: open), whether they belong to it, its price.';

create table if not exists reference.repeat_multipliers (
    contract_version_id text not null,
    clause_id text not null,
    failing_month_no integer not null check (failing_month_no >= 1),
    multiplier numeric not null,
    is_last boolean not null,
    primary key (contract_version_id, clause_id, failing_month_no),
    foreign key (contract_version_id, clause_id) references reference.clauses
);
comment on table reference.repeat_multipliers is
    'One row per consecutive failing month of a clause that repeats; the last multiplier goes on.';

create table if not exists reference.non_cumulation (
    contract_version_id text not null,
    clause_id text not null,
    group_id text not null,
    cumulation_per text not null check (cumulation_per in ('incident', 'month')),
    keep text not null check (keep in ('highest', 'customer_choice', 'sum')),
    choice_no integer,
    clause_no integer not null,
    primary key (contract_version_id, clause_id)
);
comment on table reference.non_cumulation is
    'One row per clause of a group whose clauses do not all charge for one failure; choice_no is the customer''s order.';

create table if not exists reference.caps (
    contract_version_id text not null,
    cap_id text not null,
    cap_per text not null check (cap_per in ('month', 'quarter', 'rolling_12_months', 'term')),
    cap_scope text not null check (cap_scope in ('clause', 'service', 'contract')),
    scope_key text not null,
    amount numeric,
    pct numeric,
    base_kind text check (base_kind in ('month_invoice', 'service_lines', 'fixed_fee', 'order_amount')),
    primary key (contract_version_id, cap_id),
    unique (contract_version_id, cap_per, cap_scope, scope_key)
);
comment on table reference.caps is
    'One row per cap of a version beside the month caps of its clauses; scope_key is the clause or service, empty for the contract.';

create table if not exists reference.contract_charges (
    contract_version_id text primary key,
    exemption_amount numeric,
    exemption_over text check (exemption_over in ('month', 'term')),
    index_id text,
    index_base_value numeric,
    index_lag_months integer,
    coefficient_digits integer,
    coefficient_rounding text check (coefficient_rounding in ('half_up', 'down', 'up')),
    settlement_document text not null check (
        settlement_document in ('credit_note', 'self_billed_credit_note', 'deduction', 'voucher')
    ),
    vat_treatment text not null check (vat_treatment in ('price_reduction', 'out_of_scope')),
    notice_days integer,
    observation_days integer,
    silence_rule text check (silence_rule in ('agreed', 'waived'))
);
comment on table reference.contract_charges is
    'One row per version: exemption, indexation, settlement and procedure of all its penalties.';

create table if not exists reference.exclusion_grounds (
    contract_version_id text not null,
    ground_id text not null,
    clause_id text not null,
    ground_title text not null,
    ground_text text,
    primary key (contract_version_id, ground_id, clause_id)
);
comment on table reference.exclusion_grounds is 'One row per ground of exclusion and clause that it touches.';

create table if not exists reference.termination_rights (
    contract_version_id text not null,
    right_id text not null,
    right_title text not null,
    right_text text,
    clause_id text,
    breached_months integer,
    within_months integer,
    primary key (contract_version_id, right_id)
);
comment on table reference.termination_rights is 'One row per right to end the contract for what was delivered.';

create table if not exists reference.committees (
    contract_version_id text not null,
    committee_id text not null,
    committee_name text not null,
    committee_level text not null,
    meets_every text not null,
    primary key (contract_version_id, committee_id)
);
comment on table reference.committees is 'One row per committee that steers the contract.';

create table if not exists reference.reports_due (
    contract_version_id text not null,
    report_id text not null,
    report_name text not null,
    due_every text not null,
    due_business_day integer,
    primary key (contract_version_id, report_id)
);
comment on table reference.reports_due is 'One row per report that the vendor owes.';

create table if not exists reference.raci_roles (
    contract_version_id text not null,
    activity text not null,
    party text not null,
    roles text not null,
    primary key (contract_version_id, activity, party)
);
comment on table reference.raci_roles is 'One row per activity and party: responsible, accountable, consulted, informed.';

create table if not exists reference.index_values (
    contract_id text not null,
    index_id text not null,
    month_date date not null,
    index_value numeric not null,
    recorded_at timestamptz not null,
    superseded_at timestamptz,
    primary key (contract_id, index_id, month_date, recorded_at)
);
comment on table reference.index_values is
    'One row per value of a price index that a contract file states, and stretch of time in which the warehouse believed it.';

create table if not exists reference.exclusion_decisions (
    contract_id text not null,
    decision_id text not null,
    ground_id text not null,
    service_id text,
    from_us bigint,
    to_us bigint,
    ticket_number text,
    release_number text,
    accepted_date date not null,
    recorded_at timestamptz not null,
    superseded_at timestamptz,
    primary key (contract_id, decision_id, recorded_at)
);
comment on table reference.exclusion_decisions is
    'One row per accepted claim for exclusion, and stretch of time in which the warehouse believed it: a stretch of a service, a ticket or a release.';

create table if not exists reference.proofs (
    proof_sha256 text not null,
    contract_id text not null,
    test_name text not null,
    failure text,
    mend text,
    proven_as_of timestamptz not null,
    primary key (proof_sha256, test_name)
);
comment on table reference.proofs is
    'One row per worked test of a contract file and content of file, models and library: how it failed, null when it holds.';

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
alter table reference.clock_rules drop constraint if exists clock_rules_role_check;
alter table reference.clock_rules add constraint clock_rules_role_check check (
    role in ('start', 'stop', 'pause', 'resume', 'reset', 'reopen')
);
comment on table reference.clock_rules is
    'One row per condition of a clock: what starts, stops, resets and reopens it, what pauses and what resumes it.';
comment on column reference.clock_rules.role is
    'A pause holds while the field holds the value; where the clause has a resume, until the next such event.';
comment on column reference.clock_rules.value is 'The value that counts; null: any.';

create table if not exists reference.clock_targets (
    contract_version_id text not null,
    clause_id text not null,
    priority text not null,
    target_value numeric not null check (target_value >= 0),
    primary key (contract_version_id, clause_id, priority),
    foreign key (contract_version_id, clause_id) references reference.clauses
);
comment on table reference.clock_targets is
    'One row per priority of a ticket with a target of its own; any other has the target_value of the clause.';
comment on column reference.clock_targets.priority is 'The value of the field priority.';
comment on column reference.clock_targets.target_value is 'In seconds.';

create table if not exists reference.calendar_days (
    calendar_id text not null references reference.calendars,
    day_no integer not null,
    utc_date date not null,
    is_business_day boolean not null,
    open_before_us bigint not null,
    open_day_us bigint not null,
    open_1_us bigint,
    close_1_us bigint,
    open_2_us bigint,
    close_2_us bigint,
    open_3_us bigint,
    close_3_us bigint,
    open_4_us bigint,
    close_4_us bigint,
    open_5_us bigint,
    close_5_us bigint,
    open_6_us bigint,
    close_6_us bigint,
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
    'First open piece [open, close) in microseconds of the UTC day; unused pieces are null.';
alter table reference.calendar_days
add column if not exists more_opens_us bigint[],
add column if not exists more_closes_us bigint[],
alter column open_1_us drop not null,
alter column close_1_us drop not null,
alter column open_2_us drop not null,
alter column close_2_us drop not null,
alter column open_3_us drop not null,
alter column close_3_us drop not null,
alter column open_4_us drop not null,
alter column close_4_us drop not null,
alter column open_5_us drop not null,
alter column close_5_us drop not null,
alter column open_6_us drop not null,
alter column close_6_us drop not null;
comment on column reference.calendar_days.more_opens_us is 'Openings of a seventh piece and those after it; null on a day without one.';
comment on column reference.calendar_days.more_closes_us is 'Closings of the same pieces.';
