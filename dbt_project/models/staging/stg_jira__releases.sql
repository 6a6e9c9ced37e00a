with source as (

    select
        *,
        {{ version_rank('version_id', 'cast(version_no as bigint)') }}
    from {{ source('raw_jira', 'versions') }}

),

renamed as (

    select
        {{ release_evidence_columns('raw_jira.versions', 'version_id') }},
        version_id as release_key,
        name as release_number,
        project_key as service_key,
        cast(null as bigint) as planned_us,
        -- Of a released version the date is that of its release.
        case when released = 'false' then {{ noon_us('release_date', 'source_timezone') }} end as due_us,
        cast(null as bigint) as delivered_us,
        cast(null as text) as plan_key,
        approved_dates as approval_rule
    from source
    where version_rank = 1

)

select * from renamed
