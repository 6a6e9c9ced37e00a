-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
-- Day first, no zone: the zone of the export's clock is a parameter of its source, kept with each row.
select
    {{ evidence_columns() }},
    number as ticket_key,
    cast(sys_mod_count as integer) as change_sequence,
    nullif(incident_state, '?') as state,
    nullif(priority, '?') as priority,
    nullif(assignment_group, '?') as assignment_group,
    {{ day_first_us('opened_at', 'source_timezone') }} as opened_us,
    {{ day_first_us('sys_updated_at', 'source_timezone') }} as changed_us,
    {{ day_first_us('resolved_at', 'source_timezone') }} as resolved_us,
    {{ day_first_us('closed_at', 'source_timezone') }} as closed_us
from {{ source('raw_incident_log', 'incident_events') }}
