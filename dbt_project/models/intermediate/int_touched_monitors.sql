with new_batches as (

    select * from {{ ref('int_new_batches') }}

),

samples as (

    select * from {{ ref('int_probe_samples') }}

),

tolerances as (

    select * from {{ ref('int_probe_tolerances') }}

),

last_intervals as (

    {{ as_last_built('int_probe_intervals', {
        'source_name': 'text', 'monitor': 'text', 'utc_month_date': 'date', 'tolerance_us': 'bigint'
    }) }}

),

stretches as (

    select
        {{ to_instant('min(landed_from_us)') }} as landed_from_at,
        {{ to_instant('max(landed_to_us)') }} as landed_to_at
    from new_batches
    where landed_from_us < landed_to_us

),

landed as (

    -- Only the months in which something landed are read, unless all are.
    select
        samples.source_name,
        samples.monitor,
        cast(date_trunc('month', samples.sampled_at at time zone 'UTC') as date) as utc_month_date,
        min(samples.sampled_us) as landed_from_us,
        max(samples.sampled_us) as landed_to_us
    from samples
    {% if not builds_everything() -%}
    inner join new_batches on samples.batch_id = new_batches.batch_id
    where
        samples.sampled_at >= (select landed_from_at from stretches)
        and samples.sampled_at < (select landed_to_at from stretches)
    {% endif -%}
    group by samples.source_name, samples.monitor, cast(date_trunc('month', samples.sampled_at at time zone 'UTC') as date)

),

tightened as (

    -- A clause that probes more often than any before it sees gaps that were not kept.
    select distinct
        last_intervals.source_name,
        last_intervals.monitor,
        last_intervals.utc_month_date
    from last_intervals
    inner join tolerances on last_intervals.tolerance_us > tolerances.tolerance_us

),

touched as (

    select
        source_name,
        monitor,
        utc_month_date
    from landed
    union
    select
        source_name,
        monitor,
        utc_month_date
    from tightened

)

select
    touched.source_name,
    touched.monitor,
    touched.utc_month_date,
    landed.landed_from_us,
    landed.landed_to_us
from touched
left join landed
    on
        touched.source_name = landed.source_name
        and touched.monitor = landed.monitor
        and touched.utc_month_date = landed.utc_month_date
