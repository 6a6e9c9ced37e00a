with tickets as (

    select * from {{ ref('int_tickets') }}

),

incidents as (

    select * from {{ ref('stg_servicenow__incidents') }}

),

field_changes as (

    select * from {{ ref('stg_servicenow__field_changes') }}
    where table_name = 'incident' and field in ('state', 'hold_reason', 'priority', 'assignment_group')

),

comments as (

    select * from {{ ref('stg_servicenow__comments') }}
    where table_name = 'incident'

),

log_events as (

    select * from {{ ref('stg_incident_log__events') }}

),

opened as (

    select
        ticket_id,
        opened_us as event_us,
        0 as tie_rank,
        '' as tie_key,
        'created' as field,
        cast(null as text) as field_value
    from tickets

),

first_changes as (

    select
        *,
        row_number() over (
            partition by source_name, record_key, field order by changed_us, change_sequence, change_key
        ) as change_rank
    from field_changes

),

present_values as (

    select
        source_name,
        ticket_key,
        opened_us,
        'state' as field,
        state as present_value
    from incidents
    union all
    select
        source_name,
        ticket_key,
        opened_us,
        'hold_reason' as field,
        hold_reason as present_value
    from incidents
    union all
    select
        source_name,
        ticket_key,
        opened_us,
        'priority' as field,
        priority as present_value
    from incidents
    union all
    select
        source_name,
        ticket_key,
        opened_us,
        'assignment_group' as field,
        assignment_group as present_value
    from incidents

),

initial_values as (

    -- The instance keeps the present value only; what held at creation is the old value of the first change.
    select
        present_values.source_name || ':' || present_values.ticket_key as ticket_id,
        present_values.opened_us as event_us,
        1 as tie_rank,
        '' as tie_key,
        present_values.field,
        coalesce(first_changes.old_value, present_values.present_value) as field_value
    from present_values
    left join first_changes
        on
            present_values.source_name = first_changes.source_name
            and present_values.ticket_key = first_changes.record_key
            and present_values.field = first_changes.field
            and first_changes.change_rank = 1
    where coalesce(first_changes.old_value, present_values.present_value) <> ''

),

changed as (

    select
        source_name || ':' || record_key as ticket_id,
        changed_us as event_us,
        3 as tie_rank,
        lpad(cast(coalesce(change_sequence, 0) as text), 12, '0') || change_key as tie_key,
        field,
        new_value as field_value
    from field_changes

),

commented as (

    -- Ties: the customer before the agent. A work note is private; an automatic reply is nobody's answer.
    select
        comments.source_name || ':' || comments.record_key as ticket_id,
        comments.written_us as event_us,
        case when comments.author = incidents.caller then 2 else 4 end as tie_rank,
        comments.comment_key as tie_key,
        case
            when comments.element = 'work_notes' then 'private_note'
            when comments.author = 'system' then 'auto_reply'
            when comments.author = incidents.caller then 'public_comment_customer'
            else 'public_comment_vendor'
        end as field,
        cast(null as text) as field_value
    from comments
    inner join incidents
        on comments.source_name = incidents.source_name and comments.record_key = incidents.ticket_key

),

log_steps as (

    select
        *,
        lag(state) over (
            partition by source_name, ticket_key order by change_sequence, changed_us
        ) as previous_state
    from log_events

),

log_states as (

    select
        source_name || ':' || ticket_key as ticket_id,
        changed_us as event_us,
        3 as tie_rank,
        lpad(cast(change_sequence as text), 12, '0') as tie_key,
        'state' as field,
        state as field_value
    from log_steps
    where state is not null and state is distinct from previous_state

),

united as (

    select * from opened
    union all
    select * from initial_values
    union all
    select * from changed
    union all
    select * from commented
    union all
    select * from log_states

)

select * from united
