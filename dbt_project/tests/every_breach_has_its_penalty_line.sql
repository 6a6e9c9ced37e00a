-- A breach that was found but not charged is money lost without a trace. Any row is such a breach.
with breaches as (

    select clock_id as event_id from {{ ref('fct_ticket_clocks') }}
    where outcome = 'breached' and aggregation = 'each'
    union all
    select availability_id as event_id from {{ ref('fct_availability_months') }}
    where outcome = 'breached'
    union all
    select milestone_id as event_id from {{ ref('fct_milestones') }}
    where outcome = 'breached' and aggregation = 'each'
    union all
    select indicator_month_id as event_id from {{ ref('fct_indicator_months') }}
    where outcome = 'breached'

)

select breaches.event_id
from breaches
left join {{ ref('fct_penalty_lines') }} as lines on breaches.event_id = lines.event_id
where lines.event_id is null
