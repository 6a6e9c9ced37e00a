{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ forget(ref('int_touched_tickets'), ['ticket_id']) }}",
    indexes=[{'columns': ['ticket_id']}]
) }}

with bounds as (

    select * from {{ ref('int_clock_bounds') }}

),

events as (

    select * from {{ ref('int_ticket_events') }}
    where field = 'assignment_group'

),

pauses as (

    select * from {{ ref('int_clock_pauses') }}

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

teams as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'team'

),

assigned as (

    select
        bounds.clock_id,
        bounds.calendar_id,
        bounds.started_us,
        bounds.ended_us,
        events.field_value as team_name,
        events.event_us as held_from_us,
        lead(events.event_us, 1, bounds.ended_us) over (
            partition by bounds.clock_id order by events.event_no
        ) as held_to_us
    from bounds
    inner join events on bounds.ticket_id = events.ticket_id and bounds.ended_us > events.event_us

),

clipped as (

    select
        clock_id,
        calendar_id,
        team_name,
        greatest(held_from_us, started_us) as from_us,
        least(held_to_us, ended_us) as to_us
    from assigned
    where team_name <> '' and greatest(held_from_us, started_us) < least(held_to_us, ended_us)

),

signed as (

    -- A team's time is what passes while it holds the ticket, less the pauses in it.
    select
        clock_id,
        calendar_id,
        team_name,
        1 as held_sign,
        1 as sign,
        to_us as at_us
    from clipped
    union all
    select
        clock_id,
        calendar_id,
        team_name,
        -1 as held_sign,
        -1 as sign,
        from_us as at_us
    from clipped
    union all
    select
        clipped.clock_id,
        clipped.calendar_id,
        clipped.team_name,
        0 as held_sign,
        -1 as sign,
        least(pauses.paused_to_us, clipped.to_us) as at_us
    from clipped
    inner join pauses
        on
            clipped.clock_id = pauses.clock_id
            and clipped.from_us < pauses.paused_to_us
            and clipped.to_us > pauses.paused_from_us
    union all
    select
        clipped.clock_id,
        clipped.calendar_id,
        clipped.team_name,
        0 as held_sign,
        1 as sign,
        greatest(pauses.paused_from_us, clipped.from_us) as at_us
    from clipped
    inner join pauses
        on
            clipped.clock_id = pauses.clock_id
            and clipped.from_us < pauses.paused_to_us
            and clipped.to_us > pauses.paused_from_us

),

summed as (

    select
        signed.clock_id,
        signed.team_name,
        sum(signed.held_sign * signed.at_us) as held_us,
        case
            when count(*) = count(calendar_days.day_no)
                then sum(signed.sign * ({{ open_until('signed.at_us', 'calendar_days') }}))
        end as open_us
    from signed
    left join calendar_days
        on signed.calendar_id = calendar_days.calendar_id and {{ day_no('signed.at_us') }} = calendar_days.day_no
    group by signed.clock_id, signed.team_name

),

owned as (

    -- A team may work for several services, but for one vendor: its contracts in force as the clock starts.
    select
        bounds.clock_id,
        teams.key_value as team_name,
        min(teams.vendor_id) as vendor_id
    from bounds
    inner join teams
        on
            bounds.source_name = teams.source_name
            and bounds.started_us >= teams.valid_from_us
            and bounds.started_us < teams.valid_to_us
    group by bounds.clock_id, teams.key_value

)

select
    md5(summed.clock_id || '|' || summed.team_name) as clock_team_id,
    summed.clock_id,
    bounds.ticket_id,
    bounds.contract_version_id,
    bounds.contract_id,
    bounds.clause_id,
    summed.team_name,
    owned.vendor_id,
    summed.open_us / 1000000.0 as business_seconds,
    summed.held_us / 1000000.0 as elapsed_seconds
from summed
inner join bounds on summed.clock_id = bounds.clock_id
left join owned on summed.clock_id = owned.clock_id and summed.team_name = owned.team_name
