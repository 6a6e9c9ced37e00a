-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ evidence_columns() }},
    monitor,
    sampled_at,
    {{ to_us('sampled_at') }} as sampled_us,
    cast(null as bigint) as stated_to_us,
    value > 0 as is_up
from {{ source('raw_prometheus', 'samples') }}
