with releases as (

    {{ staged_by_release_systems('releases') }}

),

observations as (

    {{ staged_by_release_systems(
        'release_events', "where event_kind = 'observation' and event_us < " ~ as_of_us()
    ) }}

),

last_undelivered as (

    select
        source_name,
        release_key,
        max(change_sequence) as change_sequence
    from observations
    where delivered_us is null
    group by source_name, release_key

),

seen_delivered as (

    -- What was seen delivered since it was last seen to be missing: the first observation and the last.
    select
        observations.source_name,
        observations.release_key,
        observations.delivered_us,
        observations.earliest_us,
        row_number() over (
            partition by observations.source_name, observations.release_key order by observations.change_sequence
        ) as first_rank,
        row_number() over (
            partition by observations.source_name, observations.release_key order by observations.change_sequence desc
        ) as last_rank
    from observations
    left join last_undelivered
        on
            observations.source_name = last_undelivered.source_name
            and observations.release_key = last_undelivered.release_key
    where
        observations.delivered_us is not null
        and observations.change_sequence > coalesce(last_undelivered.change_sequence, 0)

),

delivered as (

    -- Nobody delivered before it was last seen not to be delivered, whatever is written since.
    select
        firsts.source_name,
        firsts.release_key,
        greatest(lasts.delivered_us, firsts.earliest_us) as delivered_us
    from seen_delivered as firsts
    inner join seen_delivered as lasts
        on
            firsts.source_name = lasts.source_name
            and firsts.release_key = lasts.release_key
            and lasts.last_rank = 1
    where firsts.first_rank = 1

)

-- A table: whoever joins it to its clauses would else rank all versions once for each clause.
select
    releases.source_name,
    releases.release_key,
    releases.release_number,
    releases.service_key,
    releases.planned_us,
    releases.due_us,
    coalesce(delivered.delivered_us, releases.delivered_us) as delivered_us,
    releases.plan_key,
    releases.approval_rule
from releases
left join delivered
    on releases.source_name = delivered.source_name and releases.release_key = delivered.release_key
