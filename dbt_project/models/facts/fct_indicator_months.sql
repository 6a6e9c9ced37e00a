with clauses as (

    select * from {{ ref('current_clauses') }}
    where aggregation <> 'each'

),

months as (

    select * from {{ ref('contract_months') }}

),

clocks as (

    select * from {{ ref('fct_ticket_clocks') }}
    where aggregation <> 'each'

),

milestones as (

    select * from {{ ref('fct_milestones') }}
    where aggregation <> 'each'

),

events as (

    select
        contract_version_id,
        clause_id,
        month_date,
        cast(business_us as numeric) as event_quantity,
        cast(1000000 as numeric) as unit_quantity,
        outcome,
        stopped_us is not null and outcome <> 'excluded' as is_ended
    from clocks
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        cast(delay_days as numeric) as event_quantity,
        cast(1 as numeric) as unit_quantity,
        outcome,
        (delivered_date is not null or delay_days > 0) and outcome <> 'excluded' as is_ended
    from milestones

),

ranked as (

    select
        *,
        row_number() over (
            partition by contract_version_id, clause_id, month_date, is_ended order by event_quantity
        ) as value_rank,
        count(*) over (partition by contract_version_id, clause_id, month_date, is_ended) as ended_count
    from events

),

summed as (

    select
        clauses.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        clauses.clause_id,
        clauses.aggregation,
        clauses.objective_operator,
        clauses.objective_value,
        clauses.rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        months.month_date,
        months.is_complete,
        sum(case when ranked.outcome = 'met' then 1 else 0 end) as met_count,
        sum(case when ranked.outcome in ('met', 'breached') then 1 else 0 end) as decided_count,
        sum(case when ranked.is_ended then 1 else 0 end) as ended_count,
        sum(case when ranked.is_ended then ranked.event_quantity else 0 end) as ended_quantity,
        max(ranked.unit_quantity) as unit_quantity,
        -- Nearest rank: the smallest value with at least so many percent at or below it.
        min(
            case
                when ranked.is_ended and ranked.value_rank >= ceil(clauses.percentile_pct * ranked.ended_count / 100)
                    then ranked.event_quantity
            end
        ) as percentile_quantity
    from clauses
    inner join months on clauses.contract_version_id = months.contract_version_id
    left join ranked
        on
            clauses.contract_version_id = ranked.contract_version_id
            and clauses.clause_id = ranked.clause_id
            and months.month_date = ranked.month_date
    group by
        clauses.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        clauses.clause_id,
        clauses.aggregation,
        clauses.objective_operator,
        clauses.objective_value,
        clauses.rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        months.month_date,
        months.is_complete

),

measured as (

    select
        *,
        case aggregation
            when 'ratio' then 100 * cast(met_count as numeric)
            when 'average' then ended_quantity
            when 'percentile' then percentile_quantity
        end as measured_numerator,
        case aggregation
            when 'ratio' then nullif(decided_count, 0)
            when 'average' then nullif(ended_count, 0) * unit_quantity
            when 'percentile' then case when ended_count > 0 then unit_quantity end
        end as measured_denominator
    from summed

),

compared as (

    select
        *,
        case
            when measured_denominator is null then null
            when rounding_digits_no is null
                then {{ stands_to('measured_numerator', 'measured_denominator', 'objective_operator', 'objective_value') }}
            else
                {{ stands_to(
                    rounded_measure('measured_numerator', 'measured_denominator'),
                    '1', 'objective_operator', 'objective_value'
                ) }}
        end as is_kept
    from measured

),

judged as (

    select
        md5('month|' || contract_version_id || '|' || clause_id || '|' || month_date) as indicator_month_id,
        contract_version_id,
        contract_id,
        vendor_id,
        service_id,
        clause_id,
        aggregation,
        month_date,
        is_complete,
        cast(decided_count as integer) as decided_count,
        cast(met_count as integer) as met_count,
        cast(ended_count as integer) as ended_count,
        cast(measured_numerator as numeric) as measured_numerator,
        cast(measured_denominator as numeric) as measured_denominator,
        case
            when is_kept is null then 'no_data'
            when is_kept then 'met'
            else 'breached'
        end as outcome
    from compared

)

select * from judged
