with source as (

    select
        *,
        {{ version_rank('milestone, version', 'cast(received_at as timestamptz)') }}
    from {{ source('raw_plan_file', 'plans') }}

),

present as (

    select
        *,
        row_number() over (partition by _source_name, milestone order by cast(version as bigint)) as first_rank,
        row_number() over (partition by _source_name, milestone order by cast(version as bigint) desc) as last_rank
    from source
    where version_rank = 1

),

delivered as (

    -- A delivery may be written beside any version of the plan.
    select
        _source_name,
        milestone,
        min({{ iso_us('delivered_at') }}) as delivered_us
    from present
    group by _source_name, milestone

),

renamed as (

    select
        present._source_name as source_name,
        present._batch_id as batch_id,
        present._source_file_id as source_file_id,
        present._source_row as source_row,
        cast('raw_plan_file.plans' as text) as raw_table,
        present._row_hash as row_hash,
        present.milestone || '|' || present.version as natural_key,
        present.milestone as release_key,
        present.milestone as release_number,
        present.service as service_key,
        {{ iso_us('first_plans.announced_at') }} as planned_us,
        {{ iso_us('present.planned_at') }} as due_us,
        delivered.delivered_us,
        first_plans.version as plan_key,
        cast(null as text) as approval_rule
    from present
    inner join present as first_plans
        on
            present._source_name = first_plans._source_name
            and present.milestone = first_plans.milestone
            and first_plans.first_rank = 1
    inner join delivered
        on present._source_name = delivered._source_name and present.milestone = delivered.milestone
    where present.last_rank = 1

)

select * from renamed
