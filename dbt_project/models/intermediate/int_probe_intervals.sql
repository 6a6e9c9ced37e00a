with samples as (

    select
        source_name,
        monitor,
        sampled_us,
        is_up
    from {{ ref('stg_prometheus__samples') }}
    where sampled_us < {{ as_of_us() }}
    union all
    select
        source_name,
        monitor,
        sampled_us,
        is_up
    from {{ ref('stg_upptime__checks') }}
    where sampled_us < {{ as_of_us() }}

),

shortest_tolerance as (

    select coalesce(min(probe_interval_seconds), 0) * 1500000 as tolerance_us from {{ ref('current_clauses') }}
    where indicator = 'availability'

),

followed as (

    select
        source_name,
        monitor,
        sampled_us as from_us,
        lead(sampled_us) over (partition by source_name, monitor order by sampled_us) as to_us,
        lag(sampled_us) over (partition by source_name, monitor order by sampled_us) as previous_us,
        is_up
    from samples

),

kept as (

    -- A sample that says up and is followed in time says nothing that the absence of a row does not.
    select
        followed.source_name,
        followed.monitor,
        followed.from_us,
        followed.to_us,
        followed.previous_us is null as is_first,
        followed.is_up
    from followed
    cross join shortest_tolerance
    where
        not followed.is_up
        or followed.to_us is null
        or followed.previous_us is null
        or followed.to_us - followed.from_us > shortest_tolerance.tolerance_us
)

select * from kept
