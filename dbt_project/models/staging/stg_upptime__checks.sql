-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ evidence_columns() }},
    slug as monitor,
    cast(checked_at as timestamptz) as sampled_at,
    {{ to_us('cast(checked_at as timestamptz)') }} as sampled_us,
    cast(null as bigint) as stated_to_us,
    status <> 'down' as is_up
from {{ source('raw_upptime', 'checks') }}
