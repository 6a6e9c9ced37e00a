-- A month must be the time it is judged on, the maintenance left out and the unknown time left out, and nothing else.
-- The other road is the calendar's: from the first to the last local midnight, or to as_of; of service hours what the
-- calendar opens in between; of deployed minutes each monitor's from its first sample. Any row is a disagreement.
with judged as (

    select * from {{ ref('fct_availability_months') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}
    where indicator = 'availability'

),

months as (

    select
        *,
        least(period_to_us, as_of_us) as ended_us
    from {{ ref('contract_months') }}

),

keys as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'monitor'

),

first_states as (

    select * from {{ ref('int_probe_states') }}
    where is_first

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

deployed as (

    select
        months.contract_version_id,
        months.month_date,
        keys.service_id,
        sum(greatest(0, months.ended_us - greatest(months.period_from_us, first_states.from_us))) as deployed_us
    from months
    inner join keys on months.contract_version_id = keys.contract_version_id
    inner join first_states on keys.source_name = first_states.source_name and keys.key_value = first_states.monitor
    group by months.contract_version_id, months.month_date, keys.service_id

),

expected as (

    select
        judged.availability_id,
        judged.in_scope_us,
        judged.maintenance_seconds,
        judged.unknown_seconds,
        case clauses.availability_method
            when 'deployed_minutes' then coalesce(deployed.deployed_us, 0)
            when 'service_hours'
                then
                    ({{ open_until('months.ended_us', 'to_days') }})
                    - ({{ open_until('months.period_from_us', 'from_days') }})
            else months.ended_us - months.period_from_us
        end as month_us,
        judged.in_scope_us
        + case when clauses.denominator_kind = 'total' then 0 else judged.maintenance_seconds * 1000000 end
        + case when clauses.unknown_policy = 'exclude' then judged.unknown_seconds * 1000000 else 0 end as added_us
    from judged
    inner join clauses
        on judged.contract_version_id = clauses.contract_version_id and judged.clause_id = clauses.clause_id
    left join months
        on judged.contract_version_id = months.contract_version_id and judged.month_date = months.month_date
    left join deployed
        on
            judged.contract_version_id = deployed.contract_version_id
            and judged.month_date = deployed.month_date
            and judged.service_id = deployed.service_id
    left join calendar_days as from_days
        on
            clauses.availability_method = 'service_hours'
            and clauses.calendar_id = from_days.calendar_id
            and {{ day_no('months.period_from_us') }} = from_days.day_no
    left join calendar_days as to_days
        on
            clauses.availability_method = 'service_hours'
            and clauses.calendar_id = to_days.calendar_id
            and {{ day_no('months.ended_us') }} = to_days.day_no

)

select * from expected
where added_us is distinct from month_us
