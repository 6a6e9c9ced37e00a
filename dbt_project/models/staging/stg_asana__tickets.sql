-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ ticket_evidence_columns('raw_asana.tasks') }},
    task_id as ticket_key,
    task_id as ticket_number,
    service as service_key,
    '|' || created_by || '|' as requesters,
    state,
    hold_reason,
    priority,
    team as assignment_group,
    {{ iso_us('created_at') }} as opened_us,
    {{ iso_us('completed_at') }} as resolved_us,
    {{ iso_us('modified_at') }} as updated_us
from {{ source('raw_asana', 'tasks') }}
