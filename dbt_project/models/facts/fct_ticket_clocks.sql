with bounds as (

    select * from {{ ref('int_clock_bounds') }}

),

events as (

    select * from {{ ref('int_ticket_events') }}
    where event_us < {{ as_of_us() }}

),

pause_rules as (

    select * from {{ source('reference', 'clock_rules') }}
    where role = 'pause'

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

),

excluded_tickets as (

    select distinct
        contract_version_id,
        clause_id,
        ticket_number
    from exclusions
    where ticket_number is not null

),

pause_fields as (

    select distinct
        contract_version_id,
        clause_id,
        field
    from pause_rules

),

field_states as (

    -- A field holds its value until its next change.
    select
        bounds.clock_id,
        bounds.contract_version_id,
        bounds.clause_id,
        bounds.calendar_id,
        bounds.started_us,
        bounds.ended_us,
        pause_fields.field,
        events.field_value,
        events.event_us as held_from_us,
        lead(events.event_us, 1, bounds.ended_us) over (
            partition by bounds.clock_id, pause_fields.field
            order by events.event_us, events.tie_rank, events.tie_key
        ) as held_to_us
    from events
    inner join bounds on events.ticket_id = bounds.ticket_id
    inner join pause_fields
        on
            bounds.contract_version_id = pause_fields.contract_version_id
            and bounds.clause_id = pause_fields.clause_id
            and events.field = pause_fields.field

),

held_pauses as (

    select
        field_states.clock_id,
        field_states.calendar_id,
        greatest(field_states.held_from_us, field_states.started_us) as paused_from_us,
        least(field_states.held_to_us, field_states.ended_us) as paused_to_us
    from field_states
    inner join pause_rules
        on
            field_states.contract_version_id = pause_rules.contract_version_id
            and field_states.clause_id = pause_rules.clause_id
            and field_states.field = pause_rules.field
            and (
                field_states.field_value = pause_rules.value
                or (pause_rules.value is null and field_states.field_value <> '')
            )
    where
        greatest(field_states.held_from_us, field_states.started_us)
        < least(field_states.held_to_us, field_states.ended_us)
    union all
    -- Time that was excluded stops the clock as a pause does.
    select
        bounds.clock_id,
        bounds.calendar_id,
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

followed_pauses as (

    select
        *,
        max(paused_to_us) over (
            partition by clock_id
            order by paused_from_us, paused_to_us
            rows between unbounded preceding and 1 preceding
        ) as covered_to_us
    from held_pauses

),

pauses as (

    -- Two reasons that hold at once pause the clock once: each pause counts from where the earlier ones end.
    select
        clock_id,
        calendar_id,
        greatest(paused_from_us, covered_to_us) as paused_from_us,
        paused_to_us
    from followed_pauses
    where covered_to_us is null or paused_to_us > covered_to_us

),

signed_instants as (

    select
        clock_id,
        calendar_id,
        1 as run_sign,
        0 as pause_sign,
        ended_us as at_us
    from bounds
    union all
    select
        clock_id,
        calendar_id,
        -1 as run_sign,
        0 as pause_sign,
        started_us as at_us
    from bounds
    union all
    select
        clock_id,
        calendar_id,
        0 as run_sign,
        1 as pause_sign,
        paused_to_us as at_us
    from pauses
    union all
    select
        clock_id,
        calendar_id,
        0 as run_sign,
        -1 as pause_sign,
        paused_from_us as at_us
    from pauses

),

located as (

    select
        *,
        {{ day_no('at_us') }} as day_no
    from signed_instants

),

looked_up as (

    -- A left join: an instant outside its calendar must show as a null and fail a test, never vanish.
    select
        located.clock_id,
        (located.run_sign - located.pause_sign) * ({{ open_until('located.at_us', 'calendar_days') }}) as open_us,
        located.run_sign * located.at_us as run_us,
        located.pause_sign * located.at_us as pause_us,
        case when calendar_days.day_no is null then 1 else 0 end as is_outside
    from located
    left join calendar_days
        on located.calendar_id = calendar_days.calendar_id and located.day_no = calendar_days.day_no

),

summed as (

    select
        clock_id,
        cast(sum(open_us) as bigint) as business_us,
        cast(sum(run_us) as bigint) as elapsed_us,
        cast(sum(pause_us) as bigint) as paused_us,
        sum(is_outside) as outside_count
    from looked_up
    group by clock_id

),

measured as (

    select
        bounds.*,
        case when summed.outside_count = 0 then summed.business_us end as business_us,
        summed.elapsed_us,
        summed.paused_us,
        cast(date_trunc('month', {{ local_date('bounds.started_us', 'bounds.timezone') }}) as date) as month_date
    from bounds
    inner join summed on bounds.clock_id = summed.clock_id

),

told_apart as (

    select
        measured.*,
        excluded_tickets.ticket_number is not null as is_excluded,
        -- Where the contract rounds, the rounded time is judged.
        case
            when measured.rounding_digits_no is null then measured.business_us
            else 1000000 * {{ rounded_measure('measured.business_us', '1000000', 'measured') }}
        end as judged_us
    from measured
    left join excluded_tickets
        on
            measured.contract_version_id = excluded_tickets.contract_version_id
            and measured.clause_id = excluded_tickets.clause_id
            and measured.ticket_number = excluded_tickets.ticket_number

),

judged as (

    select
        clock_id,
        ticket_id,
        ticket_number,
        source_name,
        contract_version_id,
        contract_id,
        vendor_id,
        service_id,
        clause_id,
        calendar_id,
        aggregation,
        month_date,
        {{ to_instant('started_us') }} as started_at,
        {{ to_instant('stopped_us') }} as stopped_at,
        started_us,
        stopped_us,
        target_us / 1000000.0 as target_seconds,
        business_us,
        business_us / 1000000.0 as business_seconds,
        elapsed_us / 1000000.0 as elapsed_seconds,
        paused_us / 1000000.0 as paused_seconds,
        case
            when is_excluded then 'excluded'
            when business_us is null then 'no_data'
            when target_operator = '<' and judged_us >= target_us then 'breached'
            when judged_us > target_us then 'breached'
            when stopped_us is null then 'running'
            else 'met'
        end as outcome
    from told_apart

)

select * from judged
