with bounds as (

    select * from {{ ref('int_clock_bounds') }}

),

runs as (

    select * from {{ ref('int_clock_runs') }}
    where halted_us is not null

),

held_events as (

    -- Imported once for each use: an import that is used twice would be copied whole.
    select * from {{ ref('int_ticket_events') }}

),

turning_events as (

    select * from {{ ref('int_ticket_events') }}

),

rules as (

    select * from {{ source('reference', 'clock_rules') }}
    where role in ('pause', 'resume')

),

exclusions as (

    select * from {{ ref('int_exclusions') }}
    where from_us is not null

),

resuming as (

    -- Clauses that say what ends a pause: their conditions are events, not values that a field holds.
    select distinct
        contract_version_id,
        clause_id
    from rules
    where role = 'resume'

),

told_apart as (

    select
        rules.*,
        resuming.clause_id is not null as is_of_events
    from rules
    left join resuming
        on rules.contract_version_id = resuming.contract_version_id and rules.clause_id = resuming.clause_id

),

pause_fields as (

    select distinct
        contract_version_id,
        clause_id,
        field
    from told_apart
    where not is_of_events

),

field_states as (

    -- A field holds its value until its next change.
    select
        bounds.clock_id,
        bounds.contract_version_id,
        bounds.clause_id,
        bounds.started_us,
        bounds.ended_us,
        pause_fields.field,
        events.field_value,
        events.event_us as held_from_us,
        lead(events.event_us, 1, bounds.ended_us) over (
            partition by bounds.clock_id, pause_fields.field order by events.event_no
        ) as held_to_us
    from bounds
    inner join pause_fields
        on bounds.contract_version_id = pause_fields.contract_version_id and bounds.clause_id = pause_fields.clause_id
    inner join held_events as events
        on
            bounds.ticket_id = events.ticket_id
            and pause_fields.field = events.field
            and bounds.ended_us > events.event_us

),

turns as (

    -- Of an event that pauses and resumes, the pause counts.
    select
        bounds.clock_id,
        bounds.started_us,
        bounds.ended_us,
        events.event_us,
        events.event_no,
        min(told_apart.role) as role
    from bounds
    inner join told_apart
        on
            bounds.contract_version_id = told_apart.contract_version_id
            and bounds.clause_id = told_apart.clause_id
            and told_apart.is_of_events
    inner join turning_events as events
        on
            bounds.ticket_id = events.ticket_id
            and told_apart.field = events.field
            and {{ meets('events', 'told_apart') }}
            and bounds.ended_us > events.event_us
    group by bounds.clock_id, bounds.started_us, bounds.ended_us, events.event_us, events.event_no

),

turned as (

    select
        *,
        lag(role, 1, 'resume') over (partition by clock_id order by event_no) as previous_role
    from turns

),

alternated as (

    select
        *,
        lead(event_us, 1, ended_us) over (partition by clock_id order by event_no) as next_us
    from turned
    where role <> previous_role

),

reasons as (

    select
        field_states.clock_id,
        greatest(field_states.held_from_us, field_states.started_us) as paused_from_us,
        least(field_states.held_to_us, field_states.ended_us) as paused_to_us
    from field_states
    inner join rules
        on
            field_states.contract_version_id = rules.contract_version_id
            and field_states.clause_id = rules.clause_id
            and field_states.field = rules.field
            and (
                field_states.field_value = rules.value
                or (rules.value is null and field_states.field_value <> '')
            )
    union all
    select
        clock_id,
        greatest(event_us, started_us) as paused_from_us,
        least(next_us, ended_us) as paused_to_us
    from alternated
    where role = 'pause'
    union all
    -- A clock that resumes when its ticket is reopened does not count the time between.
    select
        bounds.clock_id,
        runs.halted_us as paused_from_us,
        runs.started_us as paused_to_us
    from bounds
    inner join runs
        on
            bounds.ticket_id = runs.ticket_id
            and bounds.contract_version_id = runs.contract_version_id
            and bounds.clause_id = runs.clause_id
            and bounds.cycle_no = runs.cycle_no
    union all
    -- Time that was excluded stops the clock as a pause does.
    select
        bounds.clock_id,
        greatest(exclusions.from_us, bounds.started_us) as paused_from_us,
        least(exclusions.to_us, bounds.ended_us) as paused_to_us
    from bounds
    inner join exclusions
        on
            bounds.contract_version_id = exclusions.contract_version_id
            and bounds.clause_id = exclusions.clause_id
            and bounds.ended_us > exclusions.from_us
            and bounds.started_us < exclusions.to_us

),

followed as (

    select
        *,
        max(paused_to_us) over (
            partition by clock_id
            order by paused_from_us, paused_to_us
            rows between unbounded preceding and 1 preceding
        ) as covered_to_us
    from reasons
    where paused_from_us < paused_to_us

),

parted as (

    -- Two reasons that hold at once pause the clock once: each pause counts from where the earlier ones end.
    select
        clock_id,
        greatest(paused_from_us, covered_to_us) as paused_from_us,
        paused_to_us,
        row_number() over (partition by clock_id order by paused_from_us, paused_to_us) as pause_no
    from followed
    where covered_to_us is null or paused_to_us > covered_to_us

)

select
    clock_id,
    cast(pause_no as integer) as pause_no,
    paused_from_us,
    paused_to_us
from parted
