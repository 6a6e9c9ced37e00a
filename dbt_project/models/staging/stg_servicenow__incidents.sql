with source as (

    select
        *,
        {{ version_rank('sys_id', 'sys_updated_on') }}
    from {{ source('raw_servicenow', 'incident') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        sys_id as ticket_key,
        number as ticket_number,
        business_service as service_key,
        caller_id as caller,
        state,
        hold_reason,
        priority,
        assignment_group,
        {{ servicenow_us('opened_at') }} as opened_us,
        {{ servicenow_us('resolved_at') }} as resolved_us,
        {{ servicenow_us('closed_at') }} as closed_us
    from source
    where version_rank = 1

)

select * from renamed
