with source as (

    select
        *,
        {{ version_rank('sys_id', 'sys_updated_on') }}
    from {{ source('raw_servicenow', 'rm_defect') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        sys_id as defect_key,
        number as defect_number,
        release as release_key,
        priority,
        {{ servicenow_us('opened_at') }} as opened_us,
        {{ servicenow_us('closed_at') }} as closed_us
    from source
    where version_rank = 1

)

select * from renamed
