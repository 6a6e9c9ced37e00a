with recursive events as (

    select * from {{ ref('int_penalty_events') }}

),

limits as (

    select * from {{ ref('int_cap_limits') }}

),

charges as (

    select * from {{ ref('int_penalty_event_caps') }}

),

uncapped as (

    select
        events.event_id,
        events.contract_version_id,
        events.contract_id,
        events.clause_id,
        events.service_id,
        events.month_no,
        events.event_us,
        events.subject_name,
        charges.event_capped_amount as amount
    from events
    inner join charges on events.event_id = charges.event_id

),

{{ capped('clause_capped', 'uncapped', 'month', 'clause') }},

{{ capped('service_capped', 'clause_capped', 'month', 'service') }},

{{ capped('contract_capped', 'service_capped', 'month', 'contract') }}

select
    event_id,
    amount as month_capped_amount
from contract_capped
