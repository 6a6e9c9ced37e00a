-- Where one monitor watches a service, every outage counts to its last microsecond and no maintenance was left out,
-- downtime is the plain sum of what its failing samples hold: the sweep over overlapping states must find the same. Any row
-- is a disagreement.
with simple_clauses as (

    select
        clauses.contract_version_id,
        clauses.clause_id,
        min(keys.source_name) as source_name,
        min(keys.key_value) as monitor,
        cast(min(clauses.probe_interval_seconds) * 1500000 as bigint) as tolerance_us
    from {{ ref('current_clauses') }} as clauses
    inner join {{ ref('service_terms') }} as keys
        on clauses.contract_version_id = keys.contract_version_id and clauses.service_id = keys.service_id
    where
        clauses.indicator = 'availability'
        and clauses.availability_method <> 'service_hours'
        and clauses.unknown_policy <> 'down'
        and clauses.minimum_downtime_us = 0
        and not clauses.is_whole_minutes
        and keys.key_kind = 'monitor'
    group by clauses.contract_version_id, clauses.clause_id
    having count(*) = 1

),

simple_months as (

    select
        judged.availability_id,
        judged.downtime_us,
        months.period_from_us,
        least(months.period_to_us, months.as_of_us) as period_to_us,
        simple_clauses.source_name,
        simple_clauses.monitor,
        simple_clauses.tolerance_us
    from {{ ref('fct_availability_months') }} as judged
    inner join simple_clauses
        on judged.contract_version_id = simple_clauses.contract_version_id and judged.clause_id = simple_clauses.clause_id
    -- Only what this build computed: the samples of other months are not read again.
    inner join {{ ref('int_availability_periods') }} as months
        on
            judged.contract_version_id = months.contract_version_id
            and judged.clause_id = months.clause_id
            and judged.month_date = months.month_date
    where judged.maintenance_seconds = 0

),

failing as (

    select * from {{ ref('int_probe_states') }}
    where not is_up

),

recomputed as (

    select
        simple_months.availability_id,
        simple_months.downtime_us,
        coalesce(
            sum(
                case
                    when failing.from_us is not null
                        then
                            least(
                                failing.to_us,
                                coalesce(failing.stated_to_us, failing.from_us + simple_months.tolerance_us),
                                simple_months.period_to_us
                            )
                            - greatest(failing.from_us, simple_months.period_from_us)
                end
            ),
            0
        ) as failing_us
    from simple_months
    left join failing
        on
            simple_months.source_name = failing.source_name
            and simple_months.monitor = failing.monitor
            and simple_months.period_to_us > failing.from_us
            and simple_months.period_from_us < least(
                failing.to_us, coalesce(failing.stated_to_us, failing.from_us + simple_months.tolerance_us)
            )
    group by simple_months.availability_id, simple_months.downtime_us

)

select * from recomputed
where downtime_us is distinct from failing_us
