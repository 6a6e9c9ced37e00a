-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
-- Statuses and priorities are told by numbers: their names stand beside them.
select
    {{ ticket_evidence_columns('raw_redmine.journal_entries') }},
    issue_id as ticket_key,
    case when property = 'note' then 'comment' else 'change' end as event_kind,
    journal_id || '|' || entry_no as event_key,
    case
        when property <> 'note' then nullif(tracked_as, '')
        when is_private = 'true' then 'private_note'
        else 'public_comment'
    end as field,
    old_name as old_value,
    new_name as new_value,
    author_id as author,
    cast(journal_id as bigint) as change_sequence,
    {{ iso_us('created_on') }} as event_us
from {{ source('raw_redmine', 'journal_entries') }}
