-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ evidence_columns() }},
    monitor,
    from_at as sampled_at,
    {{ to_us('from_at') }} as sampled_us,
    {{ to_us('to_at') }} as stated_to_us,
    state = 'up' as is_up
from {{ source('raw_monitoring', 'states') }}
