with periods as (

    select * from {{ ref('int_availability_periods') }}

),

keys as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'monitor'

),

-- Long, and imported once for each use: an import that is used twice would be copied whole.
intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

first_intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

earlier_intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

beginnings as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

monitored as (

    -- From when on a monitor is looked at: an outage that began before the period is as long as it was.
    select
        keys.source_name,
        keys.key_value as monitor,
        min(periods.period_from_us - periods.minimum_downtime_us) as seen_from_us
    from periods
    inner join keys
        on periods.contract_version_id = keys.contract_version_id and periods.service_id = keys.service_id
    group by keys.source_name, keys.key_value

),

edges as (

    -- The first sample ever, and the last one before what is looked at, which may hold into it.
    select
        monitored.*,
        (
            select min(first_intervals.from_us) from first_intervals
            where
                first_intervals.source_name = monitored.source_name
                and first_intervals.monitor = monitored.monitor
        ) as first_us,
        (
            select max(earlier_intervals.from_us) from earlier_intervals
            where
                earlier_intervals.source_name = monitored.source_name
                and earlier_intervals.monitor = monitored.monitor
                and earlier_intervals.from_us <= monitored.seen_from_us
        ) as before_us
    from monitored

),

picked as (

    select
        intervals.source_name,
        intervals.monitor,
        intervals.from_us,
        intervals.to_us,
        intervals.stated_to_us,
        edges.first_us,
        intervals.is_up
    from edges
    inner join intervals
        on
            edges.source_name = intervals.source_name
            and edges.monitor = intervals.monitor
            and intervals.from_us >= coalesce(edges.before_us, edges.first_us)
    union all
    select
        beginnings.source_name,
        beginnings.monitor,
        beginnings.from_us,
        beginnings.to_us,
        beginnings.stated_to_us,
        edges.first_us,
        beginnings.is_up
    from edges
    inner join beginnings
        on
            edges.source_name = beginnings.source_name
            and edges.monitor = beginnings.monitor
            and edges.first_us = beginnings.from_us
            and edges.before_us > beginnings.from_us

),

followed as (

    -- The last sample of a month holds until the first one after it, in whatever month.
    select
        source_name,
        monitor,
        from_us,
        coalesce(to_us, lead(from_us) over (partition by source_name, monitor order by from_us)) as to_us,
        stated_to_us,
        from_us = first_us as is_first,
        is_up
    from picked

)

select * from followed
