with recursive releases as (

    select * from {{ ref('stg_servicenow__releases') }}

),

plans as (

    select * from {{ ref('int_release_plans') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}
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
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        clauses.clause_id,
        clauses.calendar_id,
        clauses.timezone,
        clauses.day_kind,
        clauses.started_day_kind,
        clauses.replan_notice_days,
        clauses.aggregation,
        coalesce(clauses.as_of_us, {{ as_of_us() }}) as as_of_us,
        clauses.target_operator,
        clauses.target_value,
        keys.valid_from_date,
        keys.valid_to_date
    from releases
    inner join keys
        on releases.source_name = keys.source_name and releases.service_key = keys.key_value
    inner join clauses
        on keys.contract_version_id = clauses.contract_version_id and keys.service_id = clauses.service_id

),

dated as (

    select
        covered.source_name,
        covered.release_key,
        covered.contract_version_id,
        covered.clause_id,
        covered.replan_notice_days,
        plans.plan_no,
        plans.is_approved,
        {{ local_date('plans.requested_us', 'covered.timezone') }} as requested_date,
        {{ local_date('plans.due_us', 'covered.timezone') }} as due_date
    from covered
    inner join plans
        on covered.source_name = plans.source_name and covered.release_key = plans.release_key

),

validated as (

    -- Plan by plan: a replan moves the due date only when approved, and requested in time before the date then due.
    select
        source_name,
        release_key,
        contract_version_id,
        clause_id,
        plan_no,
        case when is_approved then due_date end as valid_due_date,
        case when is_approved then plan_no end as valid_plan_no
    from dated
    where plan_no = 0
    union all
    select
        dated.source_name,
        dated.release_key,
        dated.contract_version_id,
        dated.clause_id,
        dated.plan_no,
        case
            when
                dated.is_approved
                and (
                    validated.valid_due_date is null
                    or dated.requested_date <= validated.valid_due_date - dated.replan_notice_days
                )
                then dated.due_date
            else validated.valid_due_date
        end as valid_due_date,
        case
            when
                dated.is_approved
                and (
                    validated.valid_due_date is null
                    or dated.requested_date <= validated.valid_due_date - dated.replan_notice_days
                )
                then dated.plan_no
            else validated.valid_plan_no
        end as valid_plan_no
    from validated
    inner join dated
        on
            validated.source_name = dated.source_name
            and validated.release_key = dated.release_key
            and validated.contract_version_id = dated.contract_version_id
            and validated.clause_id = dated.clause_id
            and dated.plan_no = validated.plan_no + 1

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
        covered.*,
        case when covered.started_day_kind = 'floor' then 1 else 0 end as open_days,
        last_plans.valid_due_date as due_date,
        last_plans.valid_plan_no as plan_no,
        case
            when covered.delivered_us < {{ as_of_us() }}
                then {{ local_date('covered.delivered_us', 'covered.timezone') }}
        end as delivered_date,
        {{ local_date('covered.as_of_us', 'covered.timezone') }} as as_of_date
    from covered
    inner join last_plans
        on
            covered.source_name = last_plans.source_name
            and covered.release_key = last_plans.release_key
            and covered.contract_version_id = last_plans.contract_version_id
            and covered.clause_id = last_plans.clause_id
            and last_plans.plan_rank = 1
    where
        -- The version in force on the due date judges; a plan that was never validated obliges nobody.
        last_plans.valid_due_date >= covered.valid_from_date
        and last_plans.valid_due_date < covered.valid_to_date

),

business_days as (

    select
        bounds.source_name,
        bounds.release_key,
        bounds.contract_version_id,
        bounds.clause_id,
        count(*) as day_count
    from bounds
    inner join calendar_days
        on
            bounds.calendar_id = calendar_days.calendar_id
            and calendar_days.is_business_day
            and bounds.due_date < calendar_days.utc_date
            and calendar_days.utc_date <= coalesce(bounds.delivered_date, bounds.as_of_date) - bounds.open_days
    group by bounds.source_name, bounds.release_key, bounds.contract_version_id, bounds.clause_id

),

measured as (

    select
        bounds.*,
        case bounds.day_kind
            when 'business' then coalesce(business_days.day_count, 0)
            else greatest(0, coalesce(bounds.delivered_date, bounds.as_of_date) - bounds.open_days - bounds.due_date)
        end as delay_days,
        excluded_releases.release_number is not null as is_excluded
    from bounds
    left join excluded_releases
        on
            bounds.contract_version_id = excluded_releases.contract_version_id
            and bounds.clause_id = excluded_releases.clause_id
            and bounds.release_number = excluded_releases.release_number
    left join business_days
        on
            bounds.source_name = business_days.source_name
            and bounds.release_key = business_days.release_key
            and bounds.contract_version_id = business_days.contract_version_id
            and bounds.clause_id = business_days.clause_id

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
