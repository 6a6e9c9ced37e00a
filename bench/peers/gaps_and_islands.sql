-- The peer of the stored states: downtime as it is usually taken from probes, by gaps and islands over all of them. A
-- probe begins an island when its state is not that of the probe before; an island lasts until the next one begins.
--
-- It reads bench.peer_samples (source_name, monitor, sampled_at, value).

with changed as (

    select
        source_name,
        monitor,
        sampled_at,
        value > 0 as is_up,
        case when (value > 0) = (lag(value) over ordered > 0) then 0 else 1 end as is_change,
        lead(sampled_at) over ordered as next_at
    from bench.peer_samples
    window ordered as (partition by source_name, monitor order by sampled_at)

),

numbered as (

    select
        *,
        sum(is_change) over (
            partition by source_name, monitor order by sampled_at rows unbounded preceding
        ) as island_no
    from changed

),

islands as (

    select
        source_name,
        monitor,
        island_no,
        is_up,
        min(sampled_at) as from_at,
        max(next_at) as to_at
    from numbered
    group by source_name, monitor, island_no, is_up

)

select
    source_name,
    monitor,
    from_at,
    to_at
from islands
where not is_up
