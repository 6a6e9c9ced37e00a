with clauses as (

    select * from {{ ref('current_clauses') }}

),

months as (

    select * from {{ ref('contract_months') }}

),

clocks as (

    select * from {{ ref('fct_ticket_clocks') }}
    where outcome = 'breached'

),

availability as (

    select * from {{ ref('fct_availability_months') }}
    where outcome = 'breached'

),

milestones as (

    select * from {{ ref('fct_milestones') }}
    where outcome = 'breached'

),

breaches as (

    select
        contract_version_id,
        clause_id,
        service_id,
        month_date,
        clock_id as event_id,
        started_us as event_us,
        business_seconds as measured_value,
        cast(null as bigint) as downtime_us,
        cast(null as bigint) as in_scope_us
    from clocks
    union all
    select
        contract_version_id,
        clause_id,
        service_id,
        month_date,
        availability_id as event_id,
        0 as event_us,
        availability_pct as measured_value,
        downtime_us,
        in_scope_us
    from availability
    union all
    select
        contract_version_id,
        clause_id,
        service_id,
        month_date,
        milestone_id as event_id,
        (due_date - cast('1970-01-01' as date)) * cast(86400000000 as bigint) as event_us,
        delay_days as measured_value,
        cast(null as bigint) as downtime_us,
        cast(null as bigint) as in_scope_us
    from milestones

),

judged as (

    select
        breaches.*,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.currency,
        clauses.minor_units,
        clauses.timezone,
        clauses.indicator,
        clauses.objective_value,
        clauses.objective_unit,
        clauses.formula,
        clauses.rate_pct,
        clauses.fixed_amount,
        clauses.proportional_on,
        clauses.base_kind,
        clauses.month_cap_pct,
        clauses.month_cap_amount,
        months.is_complete
    from breaches
    inner join clauses
        on breaches.contract_version_id = clauses.contract_version_id and breaches.clause_id = clauses.clause_id
    inner join months
        on breaches.contract_version_id = months.contract_version_id and breaches.month_date = months.month_date

)

select * from judged
