with source as (

    select
        *,
        {{ version_rank('sys_id', 'sys_updated_on') }}
    from {{ source('raw_servicenow', 'cmdb_ci_outage') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        sys_id as outage_key,
        business_service as service_key,
        type as outage_kind,
        {{ servicenow_us('begin_at') }} as begin_us,
        {{ servicenow_us('end_at') }} as end_us,
        {{ servicenow_us('sys_created_on') }} as announced_us,
        version_rank
    from source

)

select * from renamed
