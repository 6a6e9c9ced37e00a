with instants as (

    select * from {{ ref('int_clock_instants') }}

),

calendar_slices as (

    -- Calendars reach far beyond as_of, instants do not.
    select * from {{ ref('int_calendar_slices') }}
    where slice_no <= {{ slice_no(as_of_us()) }}

),

located as (

    select
        *,
        {{ slice_no('at_us') }} as slice_no
    from instants

),

looked_up as (

    -- A left join: an instant outside its calendar must show as a null and fail a test, never vanish.
    select
        located.phase_id,
        (located.run_sign - located.pause_sign) * ({{ open_by('located.at_us', 'calendar_slices') }}) as open_us,
        located.run_sign * located.at_us as run_us,
        located.pause_sign * located.at_us as pause_us
    from located
    left join calendar_slices
        on located.calendar_id = calendar_slices.calendar_id and located.slice_no = calendar_slices.slice_no
    -- A fence, all rows in any order: it keeps the arrays of the slices out of what is grouped.
    offset 0 -- noqa: AM09

),

summed as (

    select
        phase_id,
        case when count(*) = count(open_us) then cast(sum(open_us) as bigint) end as business_us,
        cast(sum(run_us) as bigint) as elapsed_us,
        cast(sum(pause_us) as bigint) as paused_us
    from looked_up
    group by phase_id

)

select * from summed
