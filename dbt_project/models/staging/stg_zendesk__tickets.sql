-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
-- A ticket's own last update may be older than its export: the export's instant tells its versions apart.
select
    {{ ticket_evidence_columns('raw_zendesk.tickets') }},
    ticket_id as ticket_key,
    ticket_id as ticket_number,
    service as service_key,
    '|' || requester_id || '|' as requesters,
    status as state,
    hold_reason,
    priority,
    team as assignment_group,
    {{ iso_us('created_at') }} as opened_us,
    cast(null as bigint) as resolved_us,
    cast(generated_timestamp as bigint) * 1000000 as updated_us
from {{ source('raw_zendesk', 'tickets') }}
