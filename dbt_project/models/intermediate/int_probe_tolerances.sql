with clauses as (

    select * from {{ ref('current_clauses') }}
    where indicator = 'availability'

),

shortest as (

    select cast(coalesce(min(probe_interval_seconds), 0) * 1500000 as bigint) as tolerance_us
    from clauses

)

select * from shortest
