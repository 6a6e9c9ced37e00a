with instants as (

    select * from {{ ref('int_clock_instants') }}

),

calendar_days as (

    -- Calendars reach far beyond as_of, instants do not.
    select * from {{ source('reference', 'calendar_days') }}
    where day_no <= {{ day_no(as_of_us()) }}

),

located as (

    select
        *,
        {{ day_no('at_us') }} as day_no
    from instants

),

looked_up as (

    -- A left join: an instant outside its calendar must show as a null and fail a test, never vanish.
    select
        located.phase_id,
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
        phase_id,
        cast(sum(open_us) as bigint) as open_us,
        cast(sum(run_us) as bigint) as elapsed_us,
        cast(sum(pause_us) as bigint) as paused_us,
        sum(is_outside) as outside_count
    from looked_up
    group by phase_id

)

select
    phase_id,
    case when outside_count = 0 then open_us end as business_us,
    elapsed_us,
    paused_us
from summed
