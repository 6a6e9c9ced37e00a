with lines as (

    select * from {{ ref('int_penalty_exemptions') }}

),

events as (

    select * from {{ ref('int_penalty_events') }}

),

charges as (

    select * from {{ source('reference', 'contract_charges') }}

),

index_values as (

    select
        contract_id,
        index_id,
        index_value,
        {{ month_no('month_date') }} as month_no
    from {{ source('reference', 'index_values') }}
    where superseded_at is null

),

revised as (

    select
        lines.line_id,
        lines.unexempted_amount,
        charges.index_id,
        charges.index_base_value,
        charges.coefficient_digits,
        charges.coefficient_rounding,
        index_values.index_value
    from lines
    inner join events on lines.event_id = events.event_id
    inner join charges on events.contract_version_id = charges.contract_version_id
    left join index_values
        on
            events.contract_id = index_values.contract_id
            and charges.index_id = index_values.index_id
            and events.month_no - charges.index_lag_months = index_values.month_no

),

indexed as (

    -- A month without a value leaves the amount unknown: the last known index is not this month's.
    select
        line_id,
        case
            when index_id is null then 1
            when coefficient_digits is null then {{ quotient('index_value', 'index_base_value') }}
            else
                {{ rounded_as(
                    quotient('index_value', 'index_base_value'), 'coefficient_digits', 'coefficient_rounding'
                ) }}
        end as index_coefficient,
        case
            when index_id is null then unexempted_amount
            when coefficient_digits is null then {{ quotient('unexempted_amount * index_value', 'index_base_value') }}
            else
                unexempted_amount
                * {{ rounded_as(
                    quotient('index_value', 'index_base_value'), 'coefficient_digits', 'coefficient_rounding'
                ) }}
        end as indexed_amount
    from revised

)

select
    line_id,
    {{ trimmed('cast(index_coefficient as numeric)') }} as index_coefficient,
    {{ trimmed('indexed_amount') }} as indexed_amount
from indexed
