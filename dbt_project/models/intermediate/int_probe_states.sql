with intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

followed as (

    -- The last sample of a month holds until the first one after it, in whatever month.
    select
        source_name,
        monitor,
        from_us,
        coalesce(to_us, lead(from_us) over (partition by source_name, monitor order by from_us)) as to_us,
        lag(from_us) over (partition by source_name, monitor order by from_us) is null as is_first,
        is_up
    from intervals

)

select * from followed
