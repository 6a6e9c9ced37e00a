-- A month must be the time it is judged on, the maintenance left out and the unknown time left out, and nothing else.
-- The other road is the calendar's: from the first to the last local midnight, or to as_of. Any row is a disagreement.
with judged as (

    select * from {{ ref('fct_availability_months') }}

),

periods as (

    select
        contract_version_id,
        month_date,
        least(period_to_us, {{ as_of_us() }}) - period_from_us as month_us
    from {{ ref('contract_months') }}

)

select
    judged.availability_id,
    periods.month_us,
    judged.in_scope_us,
    judged.maintenance_seconds,
    judged.unknown_seconds
from judged
left join periods
    on judged.contract_version_id = periods.contract_version_id and judged.month_date = periods.month_date
where
    judged.in_scope_us + judged.maintenance_seconds * 1000000
    + case when judged.unknown_policy = 'exclude' then judged.unknown_seconds * 1000000 else 0 end
    is distinct from periods.month_us
