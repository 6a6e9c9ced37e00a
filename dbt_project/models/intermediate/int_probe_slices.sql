with months as (

    select * from {{ ref('contract_months') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}
    where availability_method = 'mean_of_slices'

),

keys as (

    select * from {{ ref('service_terms') }}

),

samples as (

    select
        source_name,
        monitor,
        sampled_us,
        is_up,
        batch_id,
        source_row
    from {{ ref('stg_prometheus__samples') }}
    where sampled_us < {{ as_of_us() }}
    union all
    select
        source_name,
        monitor,
        sampled_us,
        is_up,
        batch_id,
        source_row
    from {{ ref('stg_upptime__checks') }}
    where sampled_us < {{ as_of_us() }}

),

outages as (

    select * from {{ ref('stg_servicenow__outages') }}
    where outage_kind = 'planned'

),

exclusions as (

    select * from {{ ref('int_exclusions') }}
    where from_us is not null

),

periods as (

    select
        clauses.contract_version_id,
        clauses.clause_id,
        clauses.service_id,
        months.month_date,
        months.period_from_us,
        months.period_to_us,
        cast(clauses.slice_seconds * 1000000 as bigint) as slice_us,
        cast(clauses.maintenance_notice_seconds * 1000000 as bigint) as notice_us
    from clauses
    inner join months on clauses.contract_version_id = months.contract_version_id

),

sampled as (

    select
        periods.contract_version_id,
        periods.clause_id,
        periods.service_id,
        periods.month_date,
        periods.notice_us,
        (samples.sampled_us - periods.period_from_us) / periods.slice_us as slice_no,
        samples.sampled_us,
        samples.is_up,
        -- Of two samples of one instant the one landed last holds.
        row_number() over (
            partition by
                periods.contract_version_id, periods.clause_id, periods.month_date,
                samples.source_name, samples.monitor, samples.sampled_us
            order by samples.batch_id desc, samples.source_row desc
        ) as version_rank
    from periods
    inner join keys
        on
            periods.contract_version_id = keys.contract_version_id
            and periods.service_id = keys.service_id
            and keys.key_kind = 'monitor'
    inner join samples
        on
            keys.source_name = samples.source_name
            and keys.key_value = samples.monitor
            and periods.period_from_us <= samples.sampled_us
            and periods.period_to_us > samples.sampled_us

),

left_out as (

    -- Samples within planned work announced in time, or within time that was excluded.
    select
        sampled.contract_version_id,
        sampled.clause_id,
        sampled.sampled_us
    from sampled
    inner join keys
        on
            sampled.contract_version_id = keys.contract_version_id
            and sampled.service_id = keys.service_id
            and keys.key_kind = 'maintenance'
    inner join outages
        on
            keys.source_name = outages.source_name
            and keys.key_value = outages.service_key
            and outages.announced_us <= outages.begin_us - sampled.notice_us
            and sampled.sampled_us >= outages.begin_us
            and sampled.sampled_us < outages.end_us
    union
    select
        sampled.contract_version_id,
        sampled.clause_id,
        sampled.sampled_us
    from sampled
    inner join exclusions
        on
            sampled.contract_version_id = exclusions.contract_version_id
            and sampled.clause_id = exclusions.clause_id
            and sampled.sampled_us >= exclusions.from_us
            and sampled.sampled_us < exclusions.to_us

),

counted as (

    select
        sampled.contract_version_id,
        sampled.clause_id,
        sampled.month_date,
        cast(sampled.slice_no as integer) as slice_no,
        count(*) as sample_count,
        sum(case when sampled.is_up then 0 else 1 end) as failed_count
    from sampled
    left join left_out
        on
            sampled.contract_version_id = left_out.contract_version_id
            and sampled.clause_id = left_out.clause_id
            and sampled.sampled_us = left_out.sampled_us
    where sampled.version_rank = 1 and left_out.sampled_us is null
    group by sampled.contract_version_id, sampled.clause_id, sampled.month_date, sampled.slice_no

),

rated as (

    -- The mean of ratios is not the ratio of sums: each slice counts as one, however many samples it has.
    select
        contract_version_id,
        clause_id,
        month_date,
        slice_no,
        cast(sample_count as integer) as sample_count,
        cast(failed_count as integer) as failed_count,
        {{ trimmed(quotient('failed_count', 'sample_count')) }} as error_quantity
    from counted

)

select * from rated
