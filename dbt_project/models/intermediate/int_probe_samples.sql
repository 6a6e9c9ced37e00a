{{ config(materialized='view') }}

-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    source_name,
    batch_id,
    source_row,
    monitor,
    sampled_at,
    sampled_us,
    is_up
from {{ ref('stg_prometheus__samples') }}
union all
select
    source_name,
    batch_id,
    source_row,
    monitor,
    sampled_at,
    sampled_us,
    is_up
from {{ ref('stg_upptime__checks') }}
