with periods as (

    select
        *,
        -- An outage is as long as it was, also beyond the month: so far that its length can be judged.
        period_from_us - minimum_downtime_us as seen_from_us,
        least(period_to_us + minimum_downtime_us, as_of_us) as seen_to_us
    from {{ ref('int_availability_periods') }}

),

keys as (

    select * from {{ ref('service_terms') }}

),

probe_states as (

    select * from {{ ref('int_probe_states') }}

),

outages as materialized (

    -- Ranked once and not for every period.
    select * from {{ ref('int_reported_outages') }}
    where version_rank = 1

),

exclusions as (

    select * from {{ ref('int_exclusions') }}
    where from_us is not null

),

monitored as (

    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        periods.seen_from_us,
        periods.seen_to_us,
        periods.tolerance_us,
        periods.availability_method = 'deployed_minutes' as is_deployed,
        keys.source_name,
        keys.key_value as monitor,
        keys.source_name || '|' || keys.key_value as monitor_key
    from periods
    inner join keys
        on
            periods.contract_version_id = keys.contract_version_id
            and periods.service_id = keys.service_id
            and keys.key_kind = 'monitor'

),

first_states as (

    select
        source_name,
        monitor,
        from_us as first_us
    from probe_states
    where is_first

),

units as (

    -- What is judged by itself: the service, or, where deployed minutes are summed, each monitor from its first sample.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        '' as unit_key,
        periods.seen_from_us,
        periods.seen_to_us,
        periods.period_from_us,
        periods.period_to_us
    from periods
    where periods.availability_method <> 'deployed_minutes'
    union all
    select
        monitored.contract_version_id,
        monitored.clause_id,
        monitored.month_date,
        monitored.monitor_key as unit_key,
        greatest(periods.seen_from_us, first_states.first_us) as seen_from_us,
        periods.seen_to_us,
        periods.period_from_us,
        periods.period_to_us
    from monitored
    inner join periods
        on
            monitored.contract_version_id = periods.contract_version_id
            and monitored.clause_id = periods.clause_id
            and monitored.month_date = periods.month_date
    inner join first_states
        on monitored.source_name = first_states.source_name and monitored.monitor = first_states.monitor
    where monitored.is_deployed and first_states.first_us < periods.period_to_us

),

probed as (

    select
        monitored.contract_version_id,
        monitored.clause_id,
        monitored.month_date,
        case when monitored.is_deployed then monitored.monitor_key else '' end as unit_key,
        probe_states.from_us,
        -- A state that its monitor says lasted holds so long, neither shorter nor longer.
        least(
            coalesce(probe_states.to_us, monitored.seen_to_us),
            coalesce(probe_states.stated_to_us, probe_states.from_us + monitored.tolerance_us)
        ) as held_to_us,
        coalesce(probe_states.to_us, monitored.seen_to_us) as next_us,
        monitored.seen_from_us,
        probe_states.is_first,
        probe_states.is_up
    from monitored
    inner join probe_states
        on
            monitored.source_name = probe_states.source_name
            and monitored.monitor = probe_states.monitor
            -- The first sample says of every month before it that nobody looked.
            and (monitored.seen_to_us > probe_states.from_us or probe_states.is_first)
            and (probe_states.to_us is null or monitored.seen_from_us < probe_states.to_us)

),

registered as (

    -- Planned work leaves both sides of the ratio, inside its window and only with notice in due time. What else the
    -- vendor's register holds is what it calls an outage itself.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        case when outages.outage_kind = 'planned' then 'maintenance' else 'reported' end as state,
        outages.begin_us as state_from_us,
        coalesce(outages.end_us, periods.seen_to_us) as state_to_us
    from periods
    inner join keys
        on
            periods.contract_version_id = keys.contract_version_id
            and periods.service_id = keys.service_id
            and keys.key_kind = 'maintenance'
    inner join outages
        on
            keys.source_name = outages.source_name
            and keys.key_value = outages.service_key
            and periods.seen_to_us > outages.begin_us
            and (outages.end_us is null or periods.seen_from_us < outages.end_us)
    where
        (
            outages.outage_kind = 'planned'
            and periods.notice_us is not null
            and outages.announced_us <= outages.begin_us - periods.notice_us
        )
        or (outages.outage_kind <> 'planned' and outages.announced_us < periods.as_of_us)
    union all
    -- Time that was excluded leaves both sides like planned work.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date,
        'maintenance' as state,
        exclusions.from_us as state_from_us,
        exclusions.to_us as state_to_us
    from periods
    inner join exclusions
        on periods.contract_version_id = exclusions.contract_version_id and periods.clause_id = exclusions.clause_id

),

states as (

    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
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
        unit_key,
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
        unit_key,
        'unknown' as state,
        seen_from_us as state_from_us,
        from_us as state_to_us
    from probed
    where is_first
    union all
    -- A monitor that never spoke is unknown throughout.
    select
        monitored.contract_version_id,
        monitored.clause_id,
        monitored.month_date,
        '' as unit_key,
        'unknown' as state,
        monitored.seen_from_us as state_from_us,
        monitored.seen_to_us as state_to_us
    from monitored
    left join first_states
        on monitored.source_name = first_states.source_name and monitored.monitor = first_states.monitor
    where first_states.monitor is null
    union all
    select
        registered.contract_version_id,
        registered.clause_id,
        registered.month_date,
        units.unit_key,
        registered.state,
        registered.state_from_us,
        registered.state_to_us
    from registered
    inner join units
        on
            registered.contract_version_id = units.contract_version_id
            and registered.clause_id = units.clause_id
            and registered.month_date = units.month_date
    union all
    -- The period itself, and what is seen of the time around it.
    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        'judged' as state,
        period_from_us as state_from_us,
        period_to_us as state_to_us
    from units

)

select
    states.contract_version_id,
    states.clause_id,
    states.month_date,
    states.unit_key,
    states.state,
    greatest(states.state_from_us, units.seen_from_us) as from_us,
    least(states.state_to_us, units.seen_to_us) as to_us
from states
inner join units
    on
        states.contract_version_id = units.contract_version_id
        and states.clause_id = units.clause_id
        and states.month_date = units.month_date
        and states.unit_key = units.unit_key
where greatest(states.state_from_us, units.seen_from_us) < least(states.state_to_us, units.seen_to_us)
