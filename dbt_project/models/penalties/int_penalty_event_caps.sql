with cumulations as (

    select * from {{ ref('int_penalty_cumulations') }}

),

formulas as (

    select * from {{ ref('int_penalty_formulas') }}

),

capped as (

    -- least() would take a cap for an amount that is not there.
    select
        cumulations.event_id,
        formulas.event_cap_amount,
        case
            when not formulas.has_event_cap then cumulations.uncumulated_amount
            when cumulations.uncumulated_amount is not null and formulas.event_cap_amount is not null
                then least(cumulations.uncumulated_amount, formulas.event_cap_amount)
        end as event_capped_amount
    from cumulations
    inner join formulas on cumulations.event_id = formulas.event_id

)

select * from capped
