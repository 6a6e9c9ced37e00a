{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ forget(ref('int_touched_tickets'), ['ticket_id']) }}",
    indexes=[{'columns': ['ticket_id']}, {'columns': ['event_us']}]
) }}

with tickets as (

    select * from {{ ref('int_tickets') }}
    {% if computes_only_touched() -%}
    where ticket_id in (select ticket_id from {{ ref('int_touched_tickets') }})
    {%- endif %}

),

-- Long tables are imported once for each use: of the second, only changes or only comments are then read.
staged_tickets as (

    {{ staged_by_systems('tickets') }}

),

staged_changes as (

    {{ staged_by_systems('ticket_events') }}

),

staged_comments as (

    {{ staged_by_systems('ticket_events') }}

),

ticket_versions as (

    select
        *,
        {{ staged_version_rank('ticket_key', 'updated_us') }}
    from staged_tickets
    {{ where_touched(ref('int_touched_tickets'), 'ticket_key') }}

),

present_tickets as (

    select * from ticket_versions
    where version_rank = 1

),

change_versions as (

    select
        *,
        {{ staged_version_rank('ticket_key, event_key', 'event_us') }}
    from (
        select * from staged_changes
        where event_kind = 'change'
    ) as changes
    {{ where_touched(ref('int_touched_tickets'), 'ticket_key') }}

),

field_changes as (

    select * from change_versions
    where version_rank = 1 and field is not null

),

comment_versions as (

    select
        *,
        {{ staged_version_rank('ticket_key, event_key', 'event_us') }}
    from (
        select * from staged_comments
        where event_kind = 'comment'
    ) as comments
    {{ where_touched(ref('int_touched_tickets'), 'ticket_key') }}

),

comments as (

    select * from comment_versions
    where version_rank = 1 and field is not null

),

log_versions as (

    select
        *,
        {{ staged_version_rank('ticket_key, change_sequence', 'changed_us') }}
    from {{ ref('stg_incident_log__events') }}
    {{ where_touched(ref('int_touched_tickets'), 'ticket_key') }}

),

log_events as (

    select * from log_versions
    where version_rank = 1

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
            partition by source_name, ticket_key, field order by event_us, change_sequence, event_key
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
    from present_tickets
    union all
    select
        source_name,
        ticket_key,
        opened_us,
        'hold_reason' as field,
        hold_reason as present_value
    from present_tickets
    union all
    select
        source_name,
        ticket_key,
        opened_us,
        'priority' as field,
        priority as present_value
    from present_tickets
    union all
    select
        source_name,
        ticket_key,
        opened_us,
        'assignment_group' as field,
        assignment_group as present_value
    from present_tickets

),

initial_values as (

    -- The systems keep the present value only; what held at creation is the old value of the first change.
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
            and present_values.ticket_key = first_changes.ticket_key
            and present_values.field = first_changes.field
            and first_changes.change_rank = 1
    where coalesce(first_changes.old_value, present_values.present_value) <> ''

),

changed as (

    select
        source_name || ':' || ticket_key as ticket_id,
        event_us,
        3 as tie_rank,
        lpad(cast(coalesce(change_sequence, 0) as text), 19, '0') || event_key as tie_key,
        field,
        new_value as field_value
    from field_changes

),

attributed as (

    -- Whose a comment is that its system does not attribute: the customer's, if its author asked for the ticket.
    select
        comments.*,
        coalesce(strpos(present_tickets.requesters, '|' || comments.author || '|') > 0, false) as is_of_requester
    from comments
    inner join present_tickets
        on comments.source_name = present_tickets.source_name and comments.ticket_key = present_tickets.ticket_key

),

commented as (

    -- Ties: the customer before the agent. A work note is private; an automatic reply is nobody's answer.
    select
        source_name || ':' || ticket_key as ticket_id,
        event_us,
        case when is_of_requester or field = 'public_comment_customer' then 2 else 4 end as tie_rank,
        event_key as tie_key,
        case
            when field <> 'public_comment' then field
            when is_of_requester then 'public_comment_customer'
            else 'public_comment_vendor'
        end as field,
        cast(null as text) as field_value
    from attributed

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

),

numbered as (

    select
        *,
        cast(row_number() over (
            partition by ticket_id order by event_us, tie_rank, {{ in_byte_order('tie_key') }}, field
        ) as integer) as event_no
    from united

)

select * from numbered
