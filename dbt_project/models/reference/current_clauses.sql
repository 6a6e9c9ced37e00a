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
        cast(clauses.slice_seconds as numeric) as slice_seconds,
        clauses.replan_notice_days,
        clauses.day_kind,
        clauses.aggregation,
        clauses.percentile as percentile_pct,
        clauses.target_value,
        case when clauses.aggregation = 'each' then clauses.objective_operator else '<=' end as target_operator,
        clauses.rounding_digits as rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit as rounding_unit_value,
        clauses.formula,
        clauses.rate_pct,
        clauses.amount as fixed_amount,
        clauses.proportional_on,
        clauses.counted_on,
        clauses.unit_size as unit_size_value,
        clauses.unit_rounding,
        clauses.divisor as divisor_value,
        clauses.point_count as points_value,
        clauses.point_amount,
        clauses.point_rate_pct,
        clauses.pool_pct,
        clauses.allocation_pct,
        clauses.at_risk_pct,
        clauses.base_kind,
        clauses.base_amount as stated_base_amount,
        clauses.month_cap_pct,
        clauses.month_cap_amount,
        clauses.event_cap_pct,
        clauses.event_cap_amount,
        clauses.earn_back_level as earn_back_value,
        clauses.earn_back_months as earn_back_month_count,
        clauses.earn_back_pct,
        clauses.reopen_policy,
        cast(clauses.join_within_seconds * 1000000 as bigint) as join_within_us,
        clauses.priority_change,
        coalesce(clauses.quorum, 1) as quorum_count,
        cast(coalesce(clauses.minimum_downtime_seconds, 0) as bigint) * 1000000 as minimum_downtime_us,
        coalesce(clauses.whole_minutes, false) as is_whole_minutes,
        coalesce(clauses.minimum_volume, 0) as minimum_volume_count,
        coalesce(clauses.reporting_period, 'month') as reporting_period,
        coalesce(clauses.denominator, 'net') as denominator_kind,
        coalesce(clauses.started_day, 'ceil') as started_day_kind,
        terms.currency,
        terms.minor_units,
        coalesce(terms.judged_as_of_us, {{ as_of_us() }}) as as_of_us,
        terms.timezone
    from clauses
    inner join terms on clauses.contract_version_id = terms.contract_version_id

)

select * from current_terms
