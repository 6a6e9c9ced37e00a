with months as (

    select * from {{ ref('contract_months') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}
    where indicator = 'availability'

),

keys as (

    select * from {{ ref('service_terms') }}

),

intervals as (

    select * from {{ ref('int_probe_intervals') }}

),

outages as (

    select * from {{ ref('stg_servicenow__outages') }}

),

exclusions as (

    select * from {{ ref('int_exclusions') }}
    where from_us is not null

),

sliced as (

    select * from {{ ref('int_probe_slices') }}

),

published as (

    select * from {{ ref('stg_upptime__published') }}
    where published_us < {{ as_of_us() }}

),

periods as (

    select
        clauses.clause_id,
        clauses.service_id,
        clauses.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.objective_value,
        clauses.objective_operator,
        clauses.unknown_policy,
        clauses.availability_method,
        clauses.rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        cast(clauses.slice_seconds * 1000000 as bigint) as slice_us,
        cast(clauses.maintenance_notice_seconds * 1000000 as bigint) as notice_us,
        cast(clauses.probe_interval_seconds * 1500000 as bigint) as tolerance_us,
        months.month_date,
        months.is_complete,
        months.period_from_us,
        least(months.period_to_us, coalesce(months.as_of_us, {{ as_of_us() }})) as period_to_us
    from clauses
    inner join months on clauses.contract_version_id = months.contract_version_id
    where months.period_from_us < {{ as_of_us() }}

),

monitored as (

    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.period_from_us,
        periods.period_to_us,
        periods.tolerance_us,
        keys.source_name,
        keys.key_value as monitor
    from periods
    inner join keys
        on
            periods.contract_version_id = keys.contract_version_id
            and periods.service_id = keys.service_id
            and keys.key_kind = 'monitor'

),

probed as (

    select
        monitored.*,
        intervals.from_us,
        least(
            coalesce(intervals.to_us, monitored.period_to_us), intervals.from_us + monitored.tolerance_us
        ) as held_to_us,
        coalesce(intervals.to_us, monitored.period_to_us) as next_us,
        intervals.is_first,
        intervals.is_up
    from monitored
    inner join intervals
        on
            monitored.source_name = intervals.source_name
            and monitored.monitor = intervals.monitor
            -- The first sample says of every month before it that nobody looked.
            and (monitored.period_to_us > intervals.from_us or intervals.is_first)

),

states as (

    select
        contract_version_id,
        clause_id,
        month_date,
        period_from_us,
        period_to_us,
        'down' as state,
        from_us as state_from_us,
        held_to_us as state_to_us
    from probed
    where not is_up
    union all
    -- Between the tolerance and the next sample nobody looked.
    select
        contract_version_id,
        clause_id,
        month_date,
        period_from_us,
        period_to_us,
        'unknown' as state,
        held_to_us as state_from_us,
        next_us as state_to_us
    from probed
    where next_us > held_to_us
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        period_from_us,
        period_to_us,
        'unknown' as state,
        period_from_us as state_from_us,
        from_us as state_to_us
    from probed
    where is_first
    union all
    -- A monitor that never spoke is unknown throughout.
    select
        monitored.contract_version_id,
        monitored.clause_id,
        monitored.month_date,
        monitored.period_from_us,
        monitored.period_to_us,
        'unknown' as state,
        monitored.period_from_us as state_from_us,
        monitored.period_to_us as state_to_us
    from monitored
    left join intervals
        on monitored.source_name = intervals.source_name and monitored.monitor = intervals.monitor
    where intervals.monitor is null
    union all
    -- Planned work leaves both sides of the ratio, inside its window and only with notice in due time.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.period_from_us,
        periods.period_to_us,
        'maintenance' as state,
        outages.begin_us as state_from_us,
        outages.end_us as state_to_us
    from periods
    inner join keys
        on
            periods.contract_version_id = keys.contract_version_id
            and periods.service_id = keys.service_id
            and keys.key_kind = 'maintenance'
    inner join outages
        on keys.source_name = outages.source_name and keys.key_value = outages.service_key
    where
        outages.outage_kind = 'planned'
        and periods.notice_us is not null
        and outages.announced_us <= outages.begin_us - periods.notice_us
    union all
    -- Time that was excluded leaves both sides like planned work.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.period_from_us,
        periods.period_to_us,
        'maintenance' as state,
        exclusions.from_us as state_from_us,
        exclusions.to_us as state_to_us
    from periods
    inner join exclusions
        on periods.contract_version_id = exclusions.contract_version_id and periods.clause_id = exclusions.clause_id

),

clipped as (

    select
        contract_version_id,
        clause_id,
        month_date,
        state,
        greatest(state_from_us, period_from_us) as from_us,
        least(state_to_us, period_to_us) as to_us
    from states
    where greatest(state_from_us, period_from_us) < least(state_to_us, period_to_us)

),

edges as (

    select
        contract_version_id,
        clause_id,
        month_date,
        from_us as at_us,
        case when state = 'maintenance' then 1 else 0 end as maintenance_step,
        case when state = 'down' then 1 else 0 end as down_step,
        case when state = 'unknown' then 1 else 0 end as unknown_step
    from clipped
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        to_us as at_us,
        case when state = 'maintenance' then -1 else 0 end as maintenance_step,
        case when state = 'down' then -1 else 0 end as down_step,
        case when state = 'unknown' then -1 else 0 end as unknown_step
    from clipped

),

stepped as (

    select
        contract_version_id,
        clause_id,
        month_date,
        at_us,
        sum(maintenance_step) as maintenance_step,
        sum(down_step) as down_step,
        sum(unknown_step) as unknown_step
    from edges
    group by contract_version_id, clause_id, month_date, at_us

),

swept as (

    -- A sweep over all edges: overlapping outages count once, planned work before down before unknown.
    select
        contract_version_id,
        clause_id,
        month_date,
        at_us,
        lead(at_us) over (partition by contract_version_id, clause_id, month_date order by at_us) as next_us,
        sum(maintenance_step) over (
            partition by contract_version_id, clause_id, month_date order by at_us
        ) as maintenance_depth,
        sum(down_step) over (partition by contract_version_id, clause_id, month_date order by at_us) as down_depth,
        sum(unknown_step) over (
            partition by contract_version_id, clause_id, month_date order by at_us
        ) as unknown_depth
    from stepped

),

summed as (

    select
        contract_version_id,
        clause_id,
        month_date,
        sum(case when maintenance_depth > 0 then next_us - at_us else 0 end) as maintenance_us,
        sum(case when maintenance_depth = 0 and down_depth > 0 then next_us - at_us else 0 end) as down_us,
        sum(
            case when maintenance_depth = 0 and down_depth = 0 and unknown_depth > 0 then next_us - at_us else 0 end
        ) as unknown_us
    from swept
    group by contract_version_id, clause_id, month_date

),

measured as (

    select
        periods.*,
        cast(periods.period_to_us - periods.period_from_us as bigint) as month_us,
        cast(coalesce(summed.maintenance_us, 0) as bigint) as maintenance_us,
        cast(coalesce(summed.down_us, 0) as bigint) as down_us,
        cast(coalesce(summed.unknown_us, 0) as bigint) as unknown_us
    from periods
    left join summed
        on
            periods.contract_version_id = summed.contract_version_id
            and periods.clause_id = summed.clause_id
            and periods.month_date = summed.month_date

),

scoped as (

    select
        *,
        month_us - maintenance_us - case when unknown_policy = 'exclude' then unknown_us else 0 end as in_scope_us,
        down_us + case when unknown_policy = 'down' then unknown_us else 0 end as downtime_us
    from measured

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
    where state = 'maintenance'

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

    -- A slice without a sample counts as the policy on unknown time says.
    select
        contract_version_id,
        clause_id,
        month_date,
        case when unknown_policy = 'exclude' then sampled_count else scope_count end as slice_count,
        error_quantity + case when unknown_policy = 'down' then scope_count - sampled_count else 0 end as error_quantity
    from counted

),

quantified as (

    -- What is judged: so much unavailable of so much in all, in microseconds or in slices.
    select
        scoped.*,
        cast(
            case when scoped.availability_method = 'mean_of_slices' then averaged.error_quantity else scoped.downtime_us end
            as numeric
        ) as unavailable_quantity,
        cast(
            case when scoped.availability_method = 'mean_of_slices' then averaged.slice_count else scoped.in_scope_us end
            as numeric
        ) as total_quantity
    from scoped
    left join averaged
        on
            scoped.contract_version_id = averaged.contract_version_id
            and scoped.clause_id = averaged.clause_id
            and scoped.month_date = averaged.month_date

),

compared as (

    select
        *,
        case
            when total_quantity = 0 then null
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
