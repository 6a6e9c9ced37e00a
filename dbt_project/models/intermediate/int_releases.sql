with releases as (

    select * from {{ ref('stg_servicenow__releases') }}

)

-- A table: whoever joins it to its clauses would else rank all versions once for each clause.
select
    source_name,
    release_key,
    release_number,
    service_key,
    planned_us,
    due_us,
    delivered_us
from releases
