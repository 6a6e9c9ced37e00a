-- A clock outside of its calendar would be judged on nothing: it has no number, and no verdict. Any row is an instant over
-- which the calendar must be laid out: of the start of the clock, or else of its stop or as_of.
with clocks as (

    -- What has no number is not settled.
    select * from {{ ref('fct_ticket_clocks') }}
    where not is_settled and business_us is null

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

)

select
    clocks.calendar_id,
    clocks.ticket_number,
    clocks.clause_id,
    case
        when calendar_days.day_no is null then clocks.started_at
        else coalesce(clocks.stopped_at, {{ to_instant(as_of_us()) }})
    end as instant_at
from clocks
left join calendar_days
    on clocks.calendar_id = calendar_days.calendar_id and {{ day_no('clocks.started_us') }} = calendar_days.day_no
