{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ forget(ref('int_touched_monitors'), ['source_name', 'monitor', 'utc_month_date']) }}",
    indexes=[{'columns': ['source_name', 'monitor', 'utc_month_date']}]
) }}

with touched as (

    select * from {{ ref('int_touched_monitors') }}

),

tolerances as (

    select * from {{ ref('int_probe_tolerances') }}

),

monitors as (

    -- Numbers in place of names: samples are put in order by what is cheap to compare.
    select
        source_name,
        monitor,
        row_number() over (order by source_name, monitor) as monitor_no
    from touched
    group by source_name, monitor

),

samples as (

    select
        source_name,
        batch_id,
        source_row,
        monitor,
        cast(date_trunc('month', sampled_at at time zone 'UTC') as date) as utc_month_date,
        sampled_us,
        stated_to_us,
        is_up
    from {{ ref('int_probe_samples') }}
    {% if computes_only_touched() -%}
    -- Bounds that the planner knows as it starts: months that nothing touched are not read.
    where
        sampled_at >= (select cast(min(utc_month_date) as timestamp) at time zone 'UTC' from touched)
        and sampled_at < (select cast(max(utc_month_date) + interval '1 month' as timestamp) at time zone 'UTC' from touched)
        and (source_name, monitor, cast(date_trunc('month', sampled_at at time zone 'UTC') as date)) in (
            select
                source_name,
                monitor,
                utc_month_date
            from touched
        )
    {%- endif %}

),

followed as (

    -- Of two samples of one instant the one landed last holds; the other lasts no time. Each month stands alone, so
    -- that a late sample touches its own only: the last sample of a month has no end here.
    select
        samples.source_name,
        samples.monitor,
        samples.utc_month_date,
        samples.sampled_us as from_us,
        lead(samples.sampled_us) over ordered as to_us,
        first_value(samples.sampled_us) over ordered = samples.sampled_us as is_first,
        samples.stated_to_us,
        samples.is_up
    from samples
    inner join monitors on samples.source_name = monitors.source_name and samples.monitor = monitors.monitor
    window
        ordered as (
            partition by monitors.monitor_no, samples.utc_month_date
            order by samples.sampled_us, samples.batch_id, samples.source_row
        )

),

kept as (

    -- A sample that says up and is followed in time says nothing that the absence of a row does not; a state may end
    -- before the next one begins.
    select
        followed.source_name,
        followed.monitor,
        followed.utc_month_date,
        followed.from_us,
        followed.to_us,
        followed.stated_to_us,
        followed.is_first,
        followed.is_up,
        tolerances.tolerance_us
    from followed
    cross join tolerances
    where
        followed.to_us is null
        or (
            followed.to_us > followed.from_us
            and (
                not followed.is_up
                or followed.is_first
                or followed.stated_to_us is not null
                or followed.to_us - followed.from_us > tolerances.tolerance_us
            )
        )

)

select * from kept
