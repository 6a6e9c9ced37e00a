with clauses as (

    select * from {{ ref('current_clauses') }}

),

months as (

    select * from {{ ref('contract_months') }}

),

clocks as (

    select * from {{ ref('fct_ticket_clocks') }}
    where outcome = 'breached' and aggregation = 'each'

),

availability as (

    select * from {{ ref('fct_availability_months') }}
    where outcome = 'breached'

),

milestones as (

    select * from {{ ref('fct_milestones') }}
    where outcome = 'breached' and aggregation = 'each'

),

indicator_months as (

    select * from {{ ref('fct_indicator_months') }}
    where outcome = 'breached'

),

breaches as (

    select
        contract_version_id,
        clause_id,
        month_date,
        clock_id as event_id,
        ticket_number as subject_name,
        'ticket|' || ticket_id as incident_key,
        false as is_monthly,
        started_us as event_us,
        cast(business_us as numeric) as measured_numerator,
        cast(1000000 as numeric) as measured_denominator,
        target_seconds as own_target_value,
        cast(null as numeric) as unavailable_quantity,
        cast(null as numeric) as total_quantity
    from clocks
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        milestone_id as event_id,
        release_number as subject_name,
        'release|' || release_id as incident_key,
        false as is_monthly,
        due_us as event_us,
        cast(delay_days as numeric) as measured_numerator,
        cast(1 as numeric) as measured_denominator,
        cast(null as numeric) as own_target_value,
        cast(null as numeric) as unavailable_quantity,
        cast(null as numeric) as total_quantity
    from milestones
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        availability_id as event_id,
        '' as subject_name,
        'month|' || service_id || '|' || month_date as incident_key,
        true as is_monthly,
        cast(null as bigint) as event_us,
        100 * (total_quantity - unavailable_quantity) as measured_numerator,
        total_quantity as measured_denominator,
        cast(null as numeric) as own_target_value,
        unavailable_quantity,
        total_quantity
    from availability
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        indicator_month_id as event_id,
        '' as subject_name,
        'month|' || service_id || '|' || month_date as incident_key,
        true as is_monthly,
        cast(null as bigint) as event_us,
        measured_numerator,
        measured_denominator,
        cast(null as numeric) as own_target_value,
        cast(null as numeric) as unavailable_quantity,
        cast(null as numeric) as total_quantity
    from indicator_months

),

judged as (

    -- What is judged by the month falls at the end of its part of it.
    select
        breaches.event_id,
        breaches.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        breaches.clause_id,
        clauses.service_id,
        breaches.month_date,
        months.month_no,
        months.is_complete,
        breaches.is_monthly,
        breaches.subject_name,
        breaches.incident_key,
        coalesce(breaches.event_us, months.period_to_us) as event_us,
        breaches.measured_numerator,
        breaches.measured_denominator,
        breaches.own_target_value,
        breaches.unavailable_quantity,
        breaches.total_quantity,
        months.part_days,
        months.month_days,
        months.contract_days,
        clauses.currency,
        clauses.minor_units
    from breaches
    inner join clauses
        on breaches.contract_version_id = clauses.contract_version_id and breaches.clause_id = clauses.clause_id
    inner join months
        on breaches.contract_version_id = months.contract_version_id and breaches.month_date = months.month_date

)

select * from judged
