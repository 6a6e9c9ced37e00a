with periods as (

    select * from {{ ref('int_availability_periods') }}
    where availability_method in ('mean_of_slices', 'executions')

),

keys as (

    select * from {{ ref('service_terms') }}

),

samples as (

    -- Bounds that the planner knows as it starts: months before and after these periods are not read. A state that
    -- lasted is no sample: nobody says how often it was looked at.
    select * from {{ ref('int_probe_samples') }}
    where
        sampled_at >= (select {{ to_instant('min(period_from_us)') }} from periods)
        and sampled_at < (select {{ to_instant('max(period_to_us)') }} from periods)
        and stated_to_us is null

),

left_out as (

    -- Planned work announced in time, and time that was excluded; stretches lie apart.
    select * from {{ ref('int_availability_stretches') }}
    where is_left_out

),

sampled as (

    -- Of executions the whole period is one slice.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.availability_method,
        periods.denominator_kind,
        periods.minimum_volume_count,
        coalesce((samples.sampled_us - periods.period_from_us) / periods.slice_us, 0) as slice_no,
        samples.source_name,
        samples.monitor,
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

told_apart as (

    select
        sampled.*,
        left_out.stretch_from_us is not null as is_left_out
    from sampled
    left join left_out
        on
            sampled.contract_version_id = left_out.contract_version_id
            and sampled.clause_id = left_out.clause_id
            and sampled.month_date = left_out.month_date
            and sampled.sampled_us >= left_out.stretch_from_us
            and sampled.sampled_us < left_out.stretch_to_us
    where sampled.version_rank = 1

),

counted as (

    -- Where all executions are in the total, those that were left out did not fail.
    select
        contract_version_id,
        clause_id,
        month_date,
        availability_method,
        minimum_volume_count,
        cast(slice_no as integer) as slice_no,
        count(*) as sample_count,
        sum(case when is_up or is_left_out then 0 else 1 end) as failed_count
    from told_apart
    where not is_left_out or (availability_method = 'executions' and denominator_kind = 'total')
    group by contract_version_id, clause_id, month_date, availability_method, minimum_volume_count, slice_no

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
    -- A slice of too few samples is like one without; too few executions leave the month without a verdict.
    where availability_method = 'executions' or sample_count >= minimum_volume_count

)

select * from rated
