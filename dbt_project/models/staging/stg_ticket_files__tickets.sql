-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ ticket_evidence_columns('raw_ticket_files.tickets') }},
    ticket_id as ticket_key,
    ticket_number,
    service as service_key,
    '|' || requester || '|' as requesters,
    state,
    hold_reason,
    priority,
    assignment_group,
    {{ iso_us('opened_at') }} as opened_us,
    {{ iso_us('resolved_at') }} as resolved_us,
    {{ iso_us('updated_at') }} as updated_us
from {{ source('raw_ticket_files', 'tickets') }}
