{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ forget(ref('int_touched_tickets'), ['ticket_id']) }}",
    indexes=[{'columns': ['source_name', 'service_key']}]
) }}

with staged_tickets as (

    {{ staged_by_systems('tickets') }}

),

ticket_versions as (

    select
        *,
        {{ staged_version_rank('ticket_key', 'updated_us') }}
    from staged_tickets
    {{ where_touched(ref('int_touched_tickets'), 'ticket_key') }}

),

log_events as (

    select
        *,
        {{ staged_version_rank('ticket_key, change_sequence', 'changed_us') }}
    from {{ ref('stg_incident_log__events') }}
    {{ where_touched(ref('int_touched_tickets'), 'ticket_key') }}

),

first_groups as (

    -- A ticket of the exported log belongs to the first group it was ever assigned to.
    select
        source_name,
        ticket_key,
        assignment_group,
        row_number() over (
            partition by source_name, ticket_key order by changed_us, change_sequence
        ) as group_rank
    from log_events
    where version_rank = 1 and assignment_group is not null

),

logged as (

    select
        log_events.source_name,
        log_events.ticket_key,
        min(log_events.opened_us) as opened_us,
        max(log_events.resolved_us) as resolved_us
    from log_events
    where log_events.version_rank = 1
    group by log_events.source_name, log_events.ticket_key

),

united as (

    select
        source_name,
        ticket_key,
        ticket_number,
        service_key,
        opened_us,
        resolved_us
    from ticket_versions
    where version_rank = 1
    union all
    select
        logged.source_name,
        logged.ticket_key,
        logged.ticket_key as ticket_number,
        first_groups.assignment_group as service_key,
        logged.opened_us,
        logged.resolved_us
    from logged
    left join first_groups
        on
            logged.source_name = first_groups.source_name
            and logged.ticket_key = first_groups.ticket_key
            and first_groups.group_rank = 1

),

identified as (

    select
        source_name || ':' || ticket_key as ticket_id,
        *
    from united

)

select * from identified
