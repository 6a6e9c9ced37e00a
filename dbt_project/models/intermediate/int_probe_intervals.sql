with samples as (

    select
        source_name,
        batch_id,
        source_row,
        monitor,
        sampled_us,
        is_up
    from {{ ref('stg_prometheus__samples') }}
    where sampled_us < {{ as_of_us() }}
    union all
    select
        source_name,
        batch_id,
        source_row,
        monitor,
        sampled_us,
        is_up
    from {{ ref('stg_upptime__checks') }}
    where sampled_us < {{ as_of_us() }}

),

shortest_tolerance as (

    select cast(coalesce(min(probe_interval_seconds), 0) * 1500000 as bigint) as tolerance_us
    from {{ ref('current_clauses') }}
    where indicator = 'availability'

),

followed as (

    -- Of two samples of one instant the one landed last holds; the other lasts no time.
    select
        source_name,
        monitor,
        sampled_us as from_us,
        lead(sampled_us) over ordered as to_us,
        first_value(sampled_us) over ordered = sampled_us as is_first,
        is_up
    from samples
    window ordered as (partition by source_name, monitor order by sampled_us, batch_id, source_row)

),

kept as (

    -- A sample that says up and is followed in time says nothing that the absence of a row does not.
    select
        followed.source_name,
        followed.monitor,
        followed.from_us,
        followed.to_us,
        followed.is_first,
        followed.is_up
    from followed
    cross join shortest_tolerance
    where
        followed.to_us is null
        or (
            followed.to_us > followed.from_us
            and (
                not followed.is_up
                or followed.is_first
                or followed.to_us - followed.from_us > shortest_tolerance.tolerance_us
            )
        )

)

select * from kept
