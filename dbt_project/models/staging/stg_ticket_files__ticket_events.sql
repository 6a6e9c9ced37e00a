-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
select
    {{ ticket_evidence_columns('raw_ticket_files.ticket_events') }},
    ticket_id as ticket_key,
    case
        when field in ('state', 'hold_reason', 'priority', 'assignment_group', '') then 'change'
        else 'comment'
    end as event_kind,
    ticket_id || '|' || event_id as event_key,
    nullif(field, '') as field,
    old_value,
    new_value,
    author,
    cast(sequence as bigint) as change_sequence,
    {{ iso_us('occurred_at') }} as event_us
from {{ source('raw_ticket_files', 'ticket_events') }}
