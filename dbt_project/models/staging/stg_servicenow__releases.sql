with source as (

    select
        *,
        {{ version_rank('sys_id', 'sys_updated_on') }}
    from {{ source('raw_servicenow', 'rm_release') }}

),

renamed as (

    select
        {{ release_evidence_columns('raw_servicenow.rm_release', 'sys_id') }},
        sys_id as release_key,
        number as release_number,
        business_service as service_key,
        {{ servicenow_us('sys_created_on') }} as planned_us,
        {{ servicenow_us('end_date') }} as due_us,
        {{ servicenow_us('work_end') }} as delivered_us,
        cast(null as text) as plan_key,
        cast(null as text) as approval_rule
    from source
    where version_rank = 1

)

select * from renamed
