with source as (

    select
        *,
        {{ version_rank('number, sys_mod_count, sys_updated_at', '_batch_id') }}
    from {{ source('raw_incident_log', 'incident_events') }}

),

renamed as (

    -- Day first, no zone: the export's clock is read as UTC (a parameter of the source).
    select
        {{ evidence_columns() }},
        number as ticket_key,
        cast(sys_mod_count as integer) as change_sequence,
        nullif(incident_state, '?') as state,
        nullif(priority, '?') as priority,
        nullif(assignment_group, '?') as assignment_group,
        {{ to_us("to_timestamp(opened_at, 'DD/MM/YYYY HH24:MI')") }} as opened_us,
        {{ to_us("to_timestamp(sys_updated_at, 'DD/MM/YYYY HH24:MI')") }} as changed_us,
        {{ to_us("to_timestamp(nullif(resolved_at, '?'), 'DD/MM/YYYY HH24:MI')") }} as resolved_us,
        {{ to_us("to_timestamp(nullif(closed_at, '?'), 'DD/MM/YYYY HH24:MI')") }} as closed_us
    from source
    where version_rank = 1

)

select * from renamed
