with clauses as (

    select * from {{ source('reference', 'clauses') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

current_terms as (

    select
        clauses.contract_version_id,
        terms.contract_id,
        terms.vendor_id,
        clauses.clause_id,
        clauses.service_id,
        clauses.clause_title,
        clauses.indicator,
        clauses.calendar_id,
        clauses.objective_operator,
        clauses.objective_value,
        clauses.objective_unit,
        clauses.availability_method,
        clauses.unknown_policy,
        cast(clauses.probe_interval_seconds as numeric) as probe_interval_seconds,
        cast(clauses.maintenance_notice_seconds as numeric) as maintenance_notice_seconds,
        clauses.replan_notice_days,
        clauses.day_kind,
        clauses.formula,
        clauses.rate_pct,
        clauses.amount as fixed_amount,
        clauses.proportional_on,
        clauses.base_kind,
        clauses.month_cap_pct,
        clauses.month_cap_amount,
        terms.currency,
        terms.minor_units,
        terms.timezone
    from clauses
    inner join terms on clauses.contract_version_id = terms.contract_version_id

)

select * from current_terms
