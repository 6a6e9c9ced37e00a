{{ config(materialized='view') }}

-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
{% for model in monitors() -%}
select
    source_name,
    batch_id,
    source_row,
    monitor,
    sampled_at,
    sampled_us,
    stated_to_us,
    is_up
from {{ ref(model) }}
{%- if not loop.last %}
union all
{% endif %}
{%- endfor %}
