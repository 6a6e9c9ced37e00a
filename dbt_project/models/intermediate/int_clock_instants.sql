with phases as (

    select * from {{ ref('int_clock_phases') }}

),

pauses as (

    select * from {{ ref('int_clock_pauses') }}

),

paused as (

    select
        phases.phase_id,
        phases.calendar_id,
        greatest(pauses.paused_from_us, phases.counted_from_us) as paused_from_us,
        least(pauses.paused_to_us, phases.phase_to_us) as paused_to_us
    from phases
    inner join pauses
        on
            phases.clock_id = pauses.clock_id
            and phases.counted_from_us < pauses.paused_to_us
            and phases.phase_to_us > pauses.paused_from_us

),

signed as (

    select
        phase_id,
        calendar_id,
        1 as run_sign,
        0 as pause_sign,
        phase_to_us as at_us
    from phases
    union all
    select
        phase_id,
        calendar_id,
        -1 as run_sign,
        0 as pause_sign,
        counted_from_us as at_us
    from phases
    union all
    select
        phase_id,
        calendar_id,
        0 as run_sign,
        1 as pause_sign,
        paused_to_us as at_us
    from paused
    union all
    select
        phase_id,
        calendar_id,
        0 as run_sign,
        -1 as pause_sign,
        paused_from_us as at_us
    from paused

)

select * from signed
