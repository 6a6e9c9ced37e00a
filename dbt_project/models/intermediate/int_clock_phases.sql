with bounds as (

    select * from {{ ref('int_clock_bounds') }}

),

priority_events as (

    -- Imported once for each use: an import that is used twice would be copied whole.
    select * from {{ ref('int_ticket_events') }}
    where field = 'priority'

),

cutting_events as (

    select * from {{ ref('int_ticket_events') }}

),

rules as (

    select * from {{ source('reference', 'clock_rules') }}
    where role = 'reset'

),

targets as (

    select * from {{ source('reference', 'clock_targets') }}

),

priorities as (

    -- Only clauses with a target for each priority look at it.
    select
        bounds.clock_id,
        bounds.started_us,
        bounds.ended_us,
        bounds.priority_policy,
        events.field_value as priority,
        events.event_us as held_from_us,
        lead(events.event_us) over (partition by bounds.clock_id order by events.event_no) as held_to_us,
        lag(events.field_value) over (partition by bounds.clock_id order by events.event_no) as priority_before
    from bounds
    inner join priority_events as events on bounds.ticket_id = events.ticket_id
    where bounds.priority_policy is not null

),

cuts as (

    select
        bounds.clock_id,
        events.event_us as cut_us,
        1 as is_anew
    from bounds
    inner join rules
        on bounds.contract_version_id = rules.contract_version_id and bounds.clause_id = rules.clause_id
    inner join cutting_events as events
        on
            bounds.ticket_id = events.ticket_id
            and rules.field = events.field
            and {{ meets('events', 'rules') }}
            and bounds.started_us < events.event_us
            and bounds.ended_us > events.event_us
    union all
    select
        clock_id,
        held_from_us as cut_us,
        case when priority_policy = 'restart' then 1 else 0 end as is_anew
    from priorities
    where
        priority_policy <> 'keep'
        and held_from_us > started_us
        and held_from_us < ended_us
        -- A priority that is emptied is none at all, as before the first.
        and coalesce(priority, '') <> coalesce(priority_before, '')

),

begun as (

    select
        clock_id,
        started_us as phase_from_us,
        1 as is_anew
    from bounds
    union all
    select
        clock_id,
        cut_us as phase_from_us,
        max(is_anew) as is_anew
    from cuts
    group by clock_id, cut_us

),

followed as (

    select
        begun.clock_id,
        bounds.contract_version_id,
        bounds.clause_id,
        bounds.calendar_id,
        bounds.priority_policy,
        bounds.target_us,
        bounds.started_us,
        begun.phase_from_us,
        row_number() over (partition by begun.clock_id order by begun.phase_from_us) as phase_no,
        lead(begun.phase_from_us, 1, bounds.ended_us) over (
            partition by begun.clock_id order by begun.phase_from_us
        ) as phase_to_us,
        -- A phase that does not count anew counts from where the one before it does.
        max(case when begun.is_anew = 1 then begun.phase_from_us end) over (
            partition by begun.clock_id
            order by begun.phase_from_us
            rows between unbounded preceding and current row
        ) as counted_from_us
    from begun
    inner join bounds on begun.clock_id = bounds.clock_id

),

targeted as (

    -- The priority held as the phase begins; where the first one is kept, as the clock began.
    select
        followed.*,
        priorities.priority,
        coalesce(cast(targets.target_value * 1000000 as bigint), followed.target_us) as own_target_us
    from followed
    left join priorities
        on
            followed.clock_id = priorities.clock_id
            and priorities.held_from_us
            <= case when followed.priority_policy = 'keep' then followed.started_us else followed.phase_from_us end
            and (
                priorities.held_to_us is null
                or priorities.held_to_us
                > case when followed.priority_policy = 'keep' then followed.started_us else followed.phase_from_us end
            )
    left join targets
        on
            followed.contract_version_id = targets.contract_version_id
            and followed.clause_id = targets.clause_id
            and priorities.priority = targets.priority

)

select
    clock_id || ':' || phase_no as phase_id,
    clock_id,
    cast(phase_no as integer) as phase_no,
    calendar_id,
    priority,
    own_target_us as target_us,
    counted_from_us,
    phase_to_us
from targeted
