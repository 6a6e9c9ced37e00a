with source as (

    select * from {{ source('raw_servicenow', 'sys_journal_field') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        sys_id as comment_key,
        name as table_name,
        element_id as record_key,
        element,
        sys_created_by as author,
        {{ servicenow_us('sys_created_on') }} as written_us
    from source

)

select * from renamed
