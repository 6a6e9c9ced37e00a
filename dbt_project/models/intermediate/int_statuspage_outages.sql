{{ config(materialized='view') }}

with incidents as (

    select
        *,
        rank() over (partition by source_name, incident_key order by updated_us desc) as incident_rank,
        row_number() over (
            partition by source_name, incident_key, service_key
            order by updated_us desc, batch_id desc, source_row desc
        ) as row_rank,
        min(updated_us) over (partition by source_name, incident_key) as first_told_us,
        min(updated_us) over (
            partition by source_name, incident_key, scheduled_from_us, scheduled_to_us
        ) as window_told_us
    from {{ ref('stg_statuspage__incidents') }}

),

changes as (

    select
        *,
        row_number() over (
            partition by source_name, update_key, service_key
            order by updated_us desc, batch_id desc, source_row desc
        ) as row_rank
    from {{ ref('stg_statuspage__component_changes') }}

),

present as (

    -- What the newest version of an incident names; a component that an edit left out is no longer of it.
    select * from incidents
    where incident_rank = 1 and row_rank = 1

),

landed as (

    select
        source_name,
        incident_key,
        batch_id
    from incidents
    union all
    select
        source_name,
        incident_key,
        batch_id
    from changes

),

last_batches as (

    select
        source_name,
        incident_key,
        max(batch_id) as batch_id
    from landed
    group by source_name, incident_key

),

heads as (

    select
        source_name,
        incident_key,
        max(resolved_us) as resolved_us
    from present
    where outage_kind = 'outage'
    group by source_name, incident_key

),

followed as (

    -- A status holds until the next update that names the component, at most until the incident is resolved.
    select
        changes.*,
        heads.resolved_us,
        lead(changes.displayed_us) over (
            partition by changes.source_name, changes.incident_key, changes.service_key
            order by changes.displayed_us, changes.created_us, changes.update_key
        ) as next_us
    from changes
    inner join heads
        on changes.source_name = heads.source_name and changes.incident_key = heads.incident_key
    where changes.row_rank = 1

),

told as (

    select distinct
        source_name,
        incident_key
    from followed

),

outages as (

    select
        source_name,
        source_file_id,
        source_row,
        incident_key,
        service_key,
        'outage' as outage_kind,
        displayed_us as begin_us,
        least(next_us, resolved_us) as end_us,
        created_us as announced_us
    from followed
    where component_status in ('partial_outage', 'major_outage')
    union all
    -- Where no update says what became of a component, the incident does.
    select
        present.source_name,
        present.source_file_id,
        present.source_row,
        present.incident_key,
        present.service_key,
        'outage' as outage_kind,
        coalesce(present.started_us, present.created_us) as begin_us,
        present.resolved_us as end_us,
        present.created_us as announced_us
    from present
    left join told on present.source_name = told.source_name and present.incident_key = told.incident_key
    where
        present.outage_kind = 'outage'
        and present.impact in ('major', 'critical')
        and told.incident_key is null
    union all
    -- A window that was moved is announced when it was; work that is over takes no more time out of a month.
    select
        source_name,
        source_file_id,
        source_row,
        incident_key,
        service_key,
        'planned' as outage_kind,
        scheduled_from_us as begin_us,
        least(scheduled_to_us, resolved_us) as end_us,
        case when window_told_us > first_told_us then window_told_us else created_us end as announced_us
    from present
    where outage_kind = 'planned'

),

reaches as (

    -- All that any version ever reached: the months around it are computed anew when one more comes.
    select
        source_name,
        incident_key,
        service_key,
        outage_kind,
        min(least(created_us, started_us, scheduled_from_us)) as begin_us
    from incidents
    group by source_name, incident_key, service_key, outage_kind
    union
    select
        changes.source_name,
        changes.incident_key,
        changes.service_key,
        'outage' as outage_kind,
        min(least(changes.displayed_us, changes.created_us)) as begin_us
    from changes
    group by changes.source_name, changes.incident_key, changes.service_key

),

united as (

    select
        source_name,
        source_file_id,
        source_row,
        incident_key,
        service_key,
        outage_kind,
        begin_us,
        end_us,
        announced_us,
        cast(1 as bigint) as version_rank
    from outages
    where end_us is null or end_us > begin_us
    union all
    select
        source_name,
        cast(null as bigint) as source_file_id,
        cast(null as bigint) as source_row,
        incident_key,
        service_key,
        outage_kind,
        begin_us,
        cast(null as bigint) as end_us,
        begin_us as announced_us,
        cast(2 as bigint) as version_rank
    from reaches

)

select
    united.source_name,
    last_batches.batch_id,
    united.source_file_id,
    united.source_row,
    united.incident_key || '|' || united.service_key as outage_key,
    united.service_key,
    united.outage_kind,
    united.begin_us,
    united.end_us,
    united.announced_us,
    united.version_rank
from united
inner join last_batches
    on united.source_name = last_batches.source_name and united.incident_key = last_batches.incident_key
