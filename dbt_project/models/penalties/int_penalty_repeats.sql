with events as (

    select * from {{ ref('int_penalty_events') }}

),

formulas as (

    select * from {{ ref('int_penalty_formulas') }}

),

multipliers as (

    select * from {{ source('reference', 'repeat_multipliers') }}

),

failing_months as (

    select distinct
        contract_id,
        clause_id,
        month_no
    from events

),

grouped as (

    -- Months that follow one another share the difference between their number and their rank.
    select
        *,
        month_no - row_number() over (partition by contract_id, clause_id order by month_no) as run_no
    from failing_months

),

numbered as (

    select
        contract_id,
        clause_id,
        month_no,
        cast(row_number() over (partition by contract_id, clause_id, run_no order by month_no) as integer)
            as failing_month_no
    from grouped

),

multiplied as (

    select
        events.event_id,
        numbered.failing_month_no,
        coalesce(multipliers.multiplier, 1) as repeat_multiplier,
        {{ trimmed('formulas.formula_amount * coalesce(multipliers.multiplier, 1)') }} as repeated_amount
    from events
    inner join formulas on events.event_id = formulas.event_id
    inner join numbered
        on
            events.contract_id = numbered.contract_id
            and events.clause_id = numbered.clause_id
            and events.month_no = numbered.month_no
    left join multipliers
        on
            events.contract_version_id = multipliers.contract_version_id
            and events.clause_id = multipliers.clause_id
            and (
                numbered.failing_month_no = multipliers.failing_month_no
                or (multipliers.is_last and numbered.failing_month_no > multipliers.failing_month_no)
            )

)

select * from multiplied
