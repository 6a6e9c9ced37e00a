with recursive releases as (

    select * from {{ ref('int_releases') }}

),

plans as (

    select * from {{ ref('int_release_plans') }}

),

replans as (

    select * from {{ ref('int_release_plans') }}
    where plan_no > 0

),

clauses as (

    select
        *,
        coalesce(as_of_us, {{ as_of_us() }}) as known_until_us
    from {{ ref('current_clauses') }}
    where indicator = 'milestone'

),

keys as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'release'

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

excluded_releases as (

    select distinct
        contract_version_id,
        clause_id,
        release_number
    from {{ ref('int_exclusions') }}
    where release_number is not null

),

covered as (

    select
        releases.source_name,
        releases.release_key,
        releases.release_number,
        releases.delivered_us,
        clauses.contract_version_id,
        clauses.clause_id,
        clauses.timezone,
        clauses.replan_notice_days,
        keys.valid_from_date,
        keys.valid_to_date
    from releases
    inner join keys
        on releases.source_name = keys.source_name and releases.service_key = keys.key_value
    inner join clauses
        on keys.contract_version_id = clauses.contract_version_id and keys.service_id = clauses.service_id

),

validated as (

    -- Plan by plan: a replan moves the due date only when approved, and requested in time before the date then due.
    -- Each row carries what its release is judged by, so that each step looks up the next plan and nothing else.
    select
        covered.source_name,
        covered.release_key,
        covered.release_number,
        covered.delivered_us,
        covered.contract_version_id,
        covered.clause_id,
        covered.timezone,
        covered.replan_notice_days,
        covered.valid_from_date,
        covered.valid_to_date,
        plans.plan_no,
        case when plans.is_approved then {{ local_date('plans.due_us', 'covered.timezone') }} end as valid_due_date,
        case when plans.is_approved then plans.plan_no end as valid_plan_no
    from covered
    inner join plans
        on covered.source_name = plans.source_name and covered.release_key = plans.release_key and plans.plan_no = 0
    union all
    select
        validated.source_name,
        validated.release_key,
        validated.release_number,
        validated.delivered_us,
        validated.contract_version_id,
        validated.clause_id,
        validated.timezone,
        validated.replan_notice_days,
        validated.valid_from_date,
        validated.valid_to_date,
        replans.plan_no,
        case
            when
                replans.is_approved
                and (
                    validated.valid_due_date is null
                    or {{ local_date('replans.requested_us', 'validated.timezone') }}
                    <= validated.valid_due_date - validated.replan_notice_days
                )
                then {{ local_date('replans.due_us', 'validated.timezone') }}
            else validated.valid_due_date
        end as valid_due_date,
        case
            when
                replans.is_approved
                and (
                    validated.valid_due_date is null
                    or {{ local_date('replans.requested_us', 'validated.timezone') }}
                    <= validated.valid_due_date - validated.replan_notice_days
                )
                then replans.plan_no
            else validated.valid_plan_no
        end as valid_plan_no
    from validated
    inner join replans
        on
            validated.source_name = replans.source_name
            and validated.release_key = replans.release_key
            and validated.plan_no + 1 = replans.plan_no

),

last_plans as (

    select
        *,
        row_number() over (
            partition by source_name, release_key, contract_version_id, clause_id order by plan_no desc
        ) as plan_rank
    from validated

),

bounds as (

    -- A started day counts, unless the contract counts days that are over: then the last one that counts is the one
    -- before the delivery.
    select
        last_plans.source_name,
        last_plans.release_key,
        last_plans.release_number,
        last_plans.contract_version_id,
        last_plans.clause_id,
        last_plans.timezone,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        clauses.calendar_id,
        clauses.day_kind,
        clauses.aggregation,
        clauses.target_operator,
        clauses.target_value,
        case when clauses.started_day_kind = 'floor' then 1 else 0 end as open_days,
        last_plans.valid_due_date as due_date,
        last_plans.valid_plan_no as plan_no,
        case
            when last_plans.delivered_us < {{ as_of_us() }}
                then {{ local_date('last_plans.delivered_us', 'last_plans.timezone') }}
        end as delivered_date,
        {{ local_date('clauses.known_until_us', 'last_plans.timezone') }} as as_of_date
    from last_plans
    inner join clauses
        on
            last_plans.contract_version_id = clauses.contract_version_id
            and last_plans.clause_id = clauses.clause_id
    where
        last_plans.plan_rank = 1
        -- The version in force on the due date judges; a plan that was never validated obliges nobody.
        and last_plans.valid_due_date >= last_plans.valid_from_date
        and last_plans.valid_due_date < last_plans.valid_to_date

),

measured as (

    select
        bounds.*,
        case bounds.day_kind
            when 'business'
                then (
                    select count(*) from calendar_days
                    where
                        calendar_days.calendar_id = bounds.calendar_id
                        and calendar_days.is_business_day
                        and calendar_days.day_no > bounds.due_date - date '1970-01-01'
                        and calendar_days.day_no <= coalesce(bounds.delivered_date, bounds.as_of_date) - bounds.open_days
                        - date '1970-01-01'
                )
            else greatest(0, coalesce(bounds.delivered_date, bounds.as_of_date) - bounds.open_days - bounds.due_date)
        end as delay_days,
        excluded_releases.release_number is not null as is_excluded
    from bounds
    left join excluded_releases
        on
            bounds.contract_version_id = excluded_releases.contract_version_id
            and bounds.clause_id = excluded_releases.clause_id
            and bounds.release_number = excluded_releases.release_number
    -- Fenced: each release's days are counted once, not at each mention.
    offset 0 -- noqa: AM09

),

judged as (

    select
        md5(source_name || ':' || release_key || '|' || contract_version_id || '|' || clause_id) as milestone_id,
        source_name || ':' || release_key as release_id,
        release_number,
        source_name,
        contract_version_id,
        contract_id,
        vendor_id,
        service_id,
        clause_id,
        aggregation,
        cast(date_trunc('month', due_date) as date) as month_date,
        {{ local_midnight_us('due_date', 'timezone') }} as due_us,
        plan_no,
        due_date,
        delivered_date,
        cast(delay_days as integer) as delay_days,
        day_kind,
        case
            when is_excluded then 'excluded'
            when target_operator = '<' and delay_days >= target_value then 'breached'
            when delay_days > target_value then 'breached'
            when delivered_date is null then 'running'
            else 'met'
        end as outcome
    from measured

)

select * from judged
