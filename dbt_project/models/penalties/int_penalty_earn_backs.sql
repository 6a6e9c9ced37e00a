with events as (

    select * from {{ ref('int_penalty_events') }}

),

lines as (

    select * from {{ ref('int_penalty_exemptions') }}
    where line_kind = 'breach'

),

indexations as (

    select * from {{ ref('int_penalty_indexations') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}

),

months as (

    select * from {{ ref('contract_months') }}

),

availability as (

    -- A month without a verdict has no measure that could hold a level.
    select * from {{ ref('fct_availability_months') }}
    where outcome is distinct from 'no_data'

),

indicator_months as (

    select * from {{ ref('fct_indicator_months') }}

),

breached_months as (

    select
        contract_id,
        clause_id,
        month_no,
        count(*) as breach_count
    from events
    group by contract_id, clause_id, month_no

),

measures as (

    select
        contract_version_id,
        clause_id,
        month_date,
        100 * (total_quantity - unavailable_quantity) as measured_numerator,
        total_quantity as measured_denominator
    from availability
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        measured_numerator,
        measured_denominator
    from indicator_months

),

clause_months as (

    -- Each part of each month under a clause, with what was measured in it.
    select
        months.contract_id,
        clauses.clause_id,
        months.month_no,
        months.month_date,
        months.is_complete,
        measures.measured_numerator,
        case when measures.measured_denominator > 0 then measures.measured_denominator end as measured_denominator,
        coalesce(breached_months.breach_count, 0) as breach_count
    from months
    inner join clauses on months.contract_version_id = clauses.contract_version_id
    left join measures
        on
            months.contract_version_id = measures.contract_version_id
            and clauses.clause_id = measures.clause_id
            and months.month_date = measures.month_date
    left join breached_months
        on
            months.contract_id = breached_months.contract_id
            and clauses.clause_id = breached_months.clause_id
            and months.month_no = breached_months.month_no

),

promises as (

    select distinct
        events.contract_id,
        events.contract_version_id,
        events.clause_id,
        events.month_no,
        events.is_monthly,
        clauses.objective_operator,
        clauses.rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        clauses.earn_back_value,
        clauses.earn_back_month_count,
        clauses.earn_back_pct
    from events
    inner join clauses
        on events.contract_version_id = clauses.contract_version_id and events.clause_id = clauses.clause_id
    where clauses.earn_back_month_count is not null

),

followed as (

    -- The months after the breach: every part must stand to the higher level, or be without a breach.
    select
        promises.contract_version_id,
        promises.clause_id,
        promises.month_no,
        clause_months.month_no as window_month_no,
        clause_months.month_date as window_month_date,
        case
            when not clause_months.is_complete then false
            when not promises.is_monthly then clause_months.breach_count = 0
            when promises.rounding_digits_no is null
                then
                    {{ stands_to(
                        'clause_months.measured_numerator', 'clause_months.measured_denominator',
                        'promises.objective_operator', 'promises.earn_back_value'
                    ) }}
            else
                {{ stands_to(
                    rounded_measure(
                        'clause_months.measured_numerator', 'clause_months.measured_denominator', 'promises'
                    ), '1', 'promises.objective_operator', 'promises.earn_back_value'
                ) }}
        end as is_held
    from promises
    inner join clause_months
        on
            promises.contract_id = clause_months.contract_id
            and promises.clause_id = clause_months.clause_id
            and promises.month_no < clause_months.month_no
            and clause_months.month_no <= promises.month_no + promises.earn_back_month_count

),

window_months as (

    select
        contract_version_id,
        clause_id,
        month_no,
        window_month_no,
        window_month_date,
        min(case when is_held then 1 else 0 end) as held_count
    from followed
    group by contract_version_id, clause_id, month_no, window_month_no, window_month_date

),

earned as (

    select
        contract_version_id,
        clause_id,
        month_no,
        sum(held_count) as held_count,
        max(window_month_date) as last_month_date
    from window_months
    group by contract_version_id, clause_id, month_no

),

reversed as (

    select
        events.event_id || '|earn_back' as line_id,
        events.event_id,
        'earn_back' as line_kind,
        earned.last_month_date as month_date,
        lines.origin_month_date,
        {{ trimmed('-indexations.indexed_amount * promises.earn_back_pct / 100') }} as earned_back_amount
    from lines
    inner join events on lines.event_id = events.event_id
    inner join indexations on lines.line_id = indexations.line_id
    inner join promises
        on
            events.contract_version_id = promises.contract_version_id
            and events.clause_id = promises.clause_id
            and events.month_no = promises.month_no
    inner join earned
        on
            promises.contract_version_id = earned.contract_version_id
            and promises.clause_id = earned.clause_id
            and promises.month_no = earned.month_no
            and promises.earn_back_month_count = earned.held_count
    where indexations.indexed_amount is null or indexations.indexed_amount <> 0

)

select * from reversed
