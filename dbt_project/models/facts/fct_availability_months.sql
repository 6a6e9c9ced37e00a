{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook=[
        "{{ forget(ref('int_availability_periods'), ['contract_version_id', 'clause_id', 'month_date']) }}",
        "{{ forget_ended(ref('contract_months')) }}"
    ]
) }}

with periods as (

    select * from {{ ref('int_availability_periods') }}

),

keys as (

    select * from {{ ref('service_terms') }}

),

stretches as (

    select * from {{ ref('int_availability_stretches') }}

),

outages as (

    select * from {{ ref('fct_outages') }}

),

states as (

    select * from {{ ref('int_availability_states') }}
    where state = 'maintenance'

),

sliced as (

    select * from {{ ref('int_probe_slices') }}

),

published as (

    select * from {{ ref('stg_upptime__published') }}
    where published_us < {{ as_of_us() }}

),

counted_outages as (

    select
        outages.contract_version_id,
        outages.clause_id,
        outages.month_date,
        sum(outages.counted_us) as counted_us
    from outages
    inner join periods
        on
            outages.contract_version_id = periods.contract_version_id
            and outages.clause_id = periods.clause_id
            and outages.month_date = periods.month_date
    group by outages.contract_version_id, outages.clause_id, outages.month_date

),

summed_units as (

    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        -- A stretch outside of its calendar has no length, and then the month has none.
        case when count(*) = count(length_us) then sum(length_us) end as month_us,
        sum(case when is_left_out then length_us else 0 end) as maintenance_us,
        sum(case when is_unknown and not is_left_out then length_us else 0 end) as unknown_us,
        sum(case when is_reported then stretch_to_us - stretch_from_us else 0 end) as reported_us
    from stretches
    group by contract_version_id, clause_id, month_date, unit_key

),

summed as (

    select
        contract_version_id,
        clause_id,
        month_date,
        case when count(*) = count(month_us) then sum(month_us) end as month_us,
        sum(maintenance_us) as maintenance_us,
        sum(unknown_us) as unknown_us,
        max(reported_us) as reported_us
    from summed_units
    group by contract_version_id, clause_id, month_date

),

registers as (

    select distinct
        contract_version_id,
        service_id
    from keys
    where key_kind = 'maintenance'

),

measured as (

    select
        periods.*,
        cast(coalesce(summed.month_us, 0) as bigint) as month_us,
        cast(case when summed.month_us > 0 then summed.maintenance_us else 0 end as bigint) as maintenance_us,
        cast(case when summed.month_us > 0 then coalesce(counted_outages.counted_us, 0) else 0 end as bigint) as downtime_us,
        cast(case when summed.month_us > 0 then summed.unknown_us else 0 end as bigint) as unknown_us,
        case when registers.service_id is not null then coalesce(summed.reported_us, 0) end as reported_us
    from periods
    left join summed
        on
            periods.contract_version_id = summed.contract_version_id
            and periods.clause_id = summed.clause_id
            and periods.month_date = summed.month_date
    left join counted_outages
        on
            periods.contract_version_id = counted_outages.contract_version_id
            and periods.clause_id = counted_outages.clause_id
            and periods.month_date = counted_outages.month_date
    left join registers
        on periods.contract_version_id = registers.contract_version_id and periods.service_id = registers.service_id

),

scoped as (

    select
        *,
        month_us
        - case when denominator_kind = 'total' then 0 else maintenance_us end
        - case when unknown_policy = 'exclude' then unknown_us else 0 end as in_scope_us
    from measured

),

clipped as (

    -- The service's own states, within the period: what is seen around it is for the length of outages.
    select
        states.contract_version_id,
        states.clause_id,
        states.month_date,
        greatest(states.from_us, periods.period_from_us) as from_us,
        least(states.to_us, periods.period_to_us) as to_us
    from states
    inner join periods
        on
            states.contract_version_id = periods.contract_version_id
            and states.clause_id = periods.clause_id
            and states.month_date = periods.month_date
    where periods.slice_us is not null

),

led as (

    select
        contract_version_id,
        clause_id,
        month_date,
        from_us,
        to_us,
        max(to_us) over (
            partition by contract_version_id, clause_id, month_date
            order by from_us, to_us
            rows between unbounded preceding and 1 preceding
        ) as covered_to_us
    from clipped
    where from_us < to_us

),

islands as (

    select
        *,
        sum(case when covered_to_us >= from_us then 0 else 1 end) over (
            partition by contract_version_id, clause_id, month_date
            order by from_us, to_us
            rows between unbounded preceding and current row
        ) as island_no
    from led

),

left_out as (

    select
        contract_version_id,
        clause_id,
        month_date,
        min(from_us) as from_us,
        max(to_us) as to_us
    from islands
    group by contract_version_id, clause_id, month_date, island_no

),

left_out_slices as (

    -- A slice that is left out whole leaves both sides, like planned time does where minutes are counted.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        sum(
            greatest(
                0,
                case
                    when left_out.to_us >= periods.period_to_us
                        then ceil(cast(periods.period_to_us - periods.period_from_us as numeric) / periods.slice_us)
                    else floor(cast(left_out.to_us - periods.period_from_us as numeric) / periods.slice_us)
                end
                - ceil(cast(left_out.from_us - periods.period_from_us as numeric) / periods.slice_us)
            )
        ) as slice_count
    from periods
    inner join left_out
        on
            periods.contract_version_id = left_out.contract_version_id
            and periods.clause_id = left_out.clause_id
            and periods.month_date = left_out.month_date
    where periods.slice_us is not null
    group by periods.contract_version_id, periods.clause_id, periods.month_date

),

sampled_slices as (

    select
        contract_version_id,
        clause_id,
        month_date,
        count(*) as slice_count,
        sum(error_quantity) as error_quantity
    from sliced
    group by contract_version_id, clause_id, month_date

),

counted as (

    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.unknown_policy,
        case when periods.denominator_kind = 'total' then coalesce(left_out_slices.slice_count, 0) else 0 end as kept_count,
        ceil(cast(periods.period_to_us - periods.period_from_us as numeric) / periods.slice_us)
        - coalesce(left_out_slices.slice_count, 0) as scope_count,
        coalesce(sampled_slices.slice_count, 0) as sampled_count,
        coalesce(sampled_slices.error_quantity, 0) as error_quantity
    from periods
    left join left_out_slices
        on
            periods.contract_version_id = left_out_slices.contract_version_id
            and periods.clause_id = left_out_slices.clause_id
            and periods.month_date = left_out_slices.month_date
    left join sampled_slices
        on
            periods.contract_version_id = sampled_slices.contract_version_id
            and periods.clause_id = sampled_slices.clause_id
            and periods.month_date = sampled_slices.month_date
    where periods.availability_method = 'mean_of_slices'

),

averaged as (

    -- A slice without a sample counts as the policy on unknown time says. Where the total is not net of what is left
    -- out, a slice that was left out whole had no error.
    select
        contract_version_id,
        clause_id,
        month_date,
        kept_count + case when unknown_policy = 'exclude' then sampled_count else scope_count end as slice_count,
        error_quantity + case when unknown_policy = 'down' then scope_count - sampled_count else 0 end as error_quantity
    from counted

),

executed as (

    select
        contract_version_id,
        clause_id,
        month_date,
        sum(sample_count) as sample_count,
        sum(failed_count) as failed_count
    from sliced
    group by contract_version_id, clause_id, month_date

),

parted as (

    -- What is judged: so much unavailable of so much in all, in microseconds, slices or executions.
    select
        scoped.*,
        cast(
            case scoped.availability_method
                when 'mean_of_slices' then averaged.error_quantity
                when 'executions' then coalesce(executed.failed_count, 0)
                else scoped.downtime_us
            end
            as numeric
        ) as part_unavailable_quantity,
        cast(
            case scoped.availability_method
                when 'mean_of_slices' then averaged.slice_count
                when 'executions' then coalesce(executed.sample_count, 0)
                else scoped.in_scope_us
            end
            as numeric
        ) as part_total_quantity
    from scoped
    left join averaged
        on
            scoped.contract_version_id = averaged.contract_version_id
            and scoped.clause_id = averaged.clause_id
            and scoped.month_date = averaged.month_date
    left join executed
        on
            scoped.contract_version_id = executed.contract_version_id
            and scoped.clause_id = executed.clause_id
            and scoped.month_date = executed.month_date

),

quantified as (

    -- A quarter is judged once, on the sums of its months, in the last of them.
    select
        *,
        case
            when reporting_period = 'quarter' and is_quarter_end
                then sum(part_unavailable_quantity) over (partition by contract_version_id, clause_id, quarter_date)
            else part_unavailable_quantity
        end as unavailable_quantity,
        case
            when reporting_period = 'quarter' and is_quarter_end
                then sum(part_total_quantity) over (partition by contract_version_id, clause_id, quarter_date)
            else part_total_quantity
        end as total_quantity
    from parted

),

compared as (

    select
        *,
        case
            when total_quantity = 0 then null
            when reporting_period = 'quarter' and not is_quarter_end then null
            when availability_method = 'executions' and total_quantity < minimum_volume_count then null
            when rounding_digits_no is null
                then
                    {{ stands_to(
                        '100 * (total_quantity - unavailable_quantity)', 'total_quantity', 'objective_operator', 'objective_value'
                    ) }}
            else
                {{ stands_to(
                    rounded_measure('100 * (total_quantity - unavailable_quantity)', 'total_quantity'),
                    '1', 'objective_operator', 'objective_value'
                ) }}
        end as is_kept
    from quantified

),

monitored as (

    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.period_to_us,
        keys.source_name,
        keys.key_value as monitor
    from periods
    inner join keys
        on
            periods.contract_version_id = keys.contract_version_id
            and periods.service_id = keys.service_id
            and keys.key_kind = 'monitor'

),

publications as (

    -- The first figure published once the month is over stays its figure; before that, the newest.
    select
        monitored.contract_version_id,
        monitored.clause_id,
        monitored.month_date,
        published.uptime_pct,
        row_number() over (
            partition by
                monitored.contract_version_id, monitored.clause_id, monitored.month_date,
                monitored.source_name, monitored.monitor
            order by
                published.published_us >= monitored.period_to_us desc,
                abs(published.published_us - monitored.period_to_us)
        ) as publication_rank
    from monitored
    inner join published
        on monitored.source_name = published.source_name and monitored.monitor = published.monitor
    where published.uptime_pct is not null

),

reported as (

    -- What the vendor's own monitor publishes about itself stands beside what was measured.
    select
        contract_version_id,
        clause_id,
        month_date,
        round(avg(uptime_pct), 6) as vendor_reported_pct
    from publications
    where publication_rank = 1
    group by contract_version_id, clause_id, month_date

),

judged as (

    select
        md5(scoped.contract_version_id || '|' || scoped.clause_id || '|' || scoped.month_date) as availability_id,
        scoped.contract_version_id,
        scoped.contract_id,
        scoped.vendor_id,
        scoped.service_id,
        scoped.clause_id,
        scoped.month_date,
        scoped.is_complete,
        scoped.unknown_policy,
        scoped.month_us / 1000000.0 as month_seconds,
        scoped.maintenance_us / 1000000.0 as maintenance_seconds,
        scoped.unknown_us / 1000000.0 as unknown_seconds,
        scoped.in_scope_us,
        scoped.downtime_us,
        scoped.in_scope_us / 1000000.0 as in_scope_seconds,
        scoped.downtime_us / 1000000.0 as downtime_seconds,
        scoped.unavailable_quantity,
        scoped.total_quantity,
        scoped.objective_value as objective_pct,
        -- A ratio for people to read; the judgement below never looks at it.
        round(100 * (1 - scoped.unavailable_quantity / nullif(scoped.total_quantity, 0)), 6) as availability_pct,
        round(
            100 * (1 - cast(scoped.unknown_us as numeric) / nullif(scoped.month_us - scoped.maintenance_us, 0)), 6
        ) as coverage_pct,
        reported.vendor_reported_pct,
        scoped.reported_us / 1000000.0 as reported_downtime_seconds,
        (scoped.downtime_us - scoped.reported_us) / 1000000.0 as reported_difference_seconds,
        case
            when scoped.is_kept is null then 'no_data'
            when scoped.is_kept then 'met'
            else 'breached'
        end as outcome
    from compared as scoped
    left join reported
        on
            scoped.contract_version_id = reported.contract_version_id
            and scoped.clause_id = reported.clause_id
            and scoped.month_date = reported.month_date

)

select * from judged
