with phases as (

    select * from {{ ref('int_clock_phases') }}
    where target_us is not null

),

pauses as (

    select * from {{ ref('int_clock_pauses') }}

),

begun_days as (

    -- One import for each look-up: a shared one would be copied, without its key.
    select * from {{ source('reference', 'calendar_days') }}

),

paused_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

resumed_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

reached_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

buckets as (

    select * from {{ ref('int_calendar_buckets') }}

),

begun as (

    select
        phases.*,
        {{ open_until('phases.counted_from_us', 'days') }} as open_from_us
    from phases
    inner join begun_days as days
        on phases.calendar_id = days.calendar_id and {{ day_no('phases.counted_from_us') }} = days.day_no

),

clipped as (

    select
        begun.phase_id,
        begun.calendar_id,
        begun.target_us,
        begun.open_from_us,
        pauses.pause_no,
        greatest(pauses.paused_from_us, begun.counted_from_us) as paused_from_us,
        least(pauses.paused_to_us, begun.phase_to_us) as paused_to_us
    from begun
    inner join pauses
        on
            begun.clock_id = pauses.clock_id
            and begun.counted_from_us < pauses.paused_to_us
            and begun.phase_to_us > pauses.paused_from_us

),

paused as (

    select
        clipped.phase_id,
        clipped.pause_no,
        clipped.target_us,
        clipped.open_from_us,
        {{ open_until('clipped.paused_from_us', 'from_days') }} as paused_from_open_us,
        {{ open_until('clipped.paused_to_us', 'to_days') }} as paused_to_open_us
    from clipped
    inner join paused_days as from_days
        on clipped.calendar_id = from_days.calendar_id and {{ day_no('clipped.paused_from_us') }} = from_days.day_no
    inner join resumed_days as to_days
        on clipped.calendar_id = to_days.calendar_id and {{ day_no('clipped.paused_to_us') }} = to_days.day_no

),

lengthened as (

    select
        *,
        coalesce(
            sum(paused_to_open_us - paused_from_open_us) over (
                partition by phase_id order by pause_no rows between unbounded preceding and 1 preceding
            ),
            0
        ) as paused_before_us
    from paused

),

deferred as (

    -- A pause defers the end of the target when the time had not run out as it began.
    select
        phase_id,
        sum(paused_to_open_us - paused_from_open_us) as deferred_us
    from lengthened
    where paused_from_open_us - open_from_us - paused_before_us < target_us
    group by phase_id

),

needed as (

    select
        begun.phase_id,
        begun.calendar_id,
        begun.counted_from_us,
        begun.target_us,
        cast(begun.open_from_us + begun.target_us + coalesce(deferred.deferred_us, 0) as bigint) as needed_us
    from begun
    left join deferred on begun.phase_id = deferred.phase_id

),

placed as (

    select
        *,
        {{ open_bucket_no('needed_us - 1') }} as bucket_no
    from needed

),

reached as (

    -- The inverse lookup: the day in which so much open time has passed, and the piece of it.
    select
        placed.phase_id,
        greatest(
            placed.counted_from_us,
            days.day_no * 86400000000 + ({{ open_reached('placed.needed_us - days.open_before_us', 'days') }})
        ) as due_us
    from placed
    inner join buckets on placed.calendar_id = buckets.calendar_id and placed.bucket_no = buckets.bucket_no
    inner join reached_days as days
        on
            buckets.calendar_id = days.calendar_id
            and buckets.day_no = days.day_no
            and placed.needed_us > days.open_before_us
            and placed.needed_us <= days.open_before_us + days.open_day_us
    where placed.target_us > 0
    union all
    -- No time at all is over as the clock begins.
    select
        phase_id,
        counted_from_us as due_us
    from placed
    where target_us = 0

)

select * from reached
