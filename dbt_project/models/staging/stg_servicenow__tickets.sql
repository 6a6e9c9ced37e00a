-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ ticket_evidence_columns('raw_servicenow.incident') }},
    sys_id as ticket_key,
    number as ticket_number,
    business_service as service_key,
    '|' || caller_id || '|' as requesters,
    state,
    hold_reason,
    priority,
    assignment_group,
    {{ servicenow_us('opened_at') }} as opened_us,
    {{ servicenow_us('resolved_at') }} as resolved_us,
    {{ servicenow_us('sys_updated_on') }} as updated_us
from {{ source('raw_servicenow', 'incident') }}
