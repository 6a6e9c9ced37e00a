-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ ticket_evidence_columns('raw_redmine.issues') }},
    issue_id as ticket_key,
    issue_id as ticket_number,
    service as service_key,
    '|' || author_id || '|' as requesters,
    status as state,
    hold_reason,
    priority,
    team as assignment_group,
    {{ iso_us('created_on') }} as opened_us,
    -- An issue that is opened again keeps the instant of its last closing.
    case when coalesce(is_closed, 'true') = 'true' then {{ iso_us('closed_on') }} end as resolved_us,
    {{ iso_us('updated_on') }} as updated_us
from {{ source('raw_redmine', 'issues') }}
