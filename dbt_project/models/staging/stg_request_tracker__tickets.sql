-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
-- A queue is what is served and who serves it.
select
    {{ ticket_evidence_columns('raw_request_tracker.tickets') }},
    ticket_id as ticket_key,
    ticket_id as ticket_number,
    queue as service_key,
    '|' || requestors || '|' as requesters,
    status as state,
    '' as hold_reason,
    priority,
    queue as assignment_group,
    {{ iso_us('created') }} as opened_us,
    nullif({{ iso_us('resolved') }}, 0) as resolved_us,
    {{ iso_us('last_updated') }} as updated_us
from {{ source('raw_request_tracker', 'tickets') }}
