-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
-- People are known by their accounts, everything else by the name that is shown.
select
    {{ ticket_evidence_columns('raw_jira.changes') }},
    issue_id as ticket_key,
    'change' as event_kind,
    history_id || '|' || item_no as event_key,
    nullif(tracked_as, '') as field,
    case when field_id = 'assignee' then from_value else from_string end as old_value,
    case when field_id = 'assignee' then to_value else to_string end as new_value,
    author,
    cast(history_id as bigint) as change_sequence,
    {{ iso_us('created') }} as event_us
from {{ source('raw_jira', 'changes') }}
union all
select
    {{ ticket_evidence_columns('raw_jira.comments') }},
    issue_id as ticket_key,
    'comment' as event_kind,
    comment_id as event_key,
    case
        when is_public = 'false' then 'private_note'
        when author_type = 'app' then 'auto_reply'
        when author_type = 'customer' then 'public_comment_customer'
        else 'public_comment'
    end as field,
    cast(null as text) as old_value,
    cast(null as text) as new_value,
    author,
    cast(null as bigint) as change_sequence,
    {{ iso_us('created') }} as event_us
from {{ source('raw_jira', 'comments') }}
