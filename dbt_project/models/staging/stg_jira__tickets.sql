-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ ticket_evidence_columns('raw_jira.issues') }},
    issue_id as ticket_key,
    issue_key as ticket_number,
    service as service_key,
    '|' || reporter || '|' as requesters,
    status as state,
    hold_reason,
    priority,
    team as assignment_group,
    {{ iso_us('created') }} as opened_us,
    {{ iso_us('resolution_date') }} as resolved_us,
    {{ iso_us('updated') }} as updated_us
from {{ source('raw_jira', 'issues') }}
