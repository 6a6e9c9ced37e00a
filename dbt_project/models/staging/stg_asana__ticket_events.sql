-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
-- A comment of nobody is a rule's or an app's.
select
    {{ ticket_evidence_columns('raw_asana.stories') }},
    task_id as ticket_key,
    case when resource_subtype = 'comment_added' then 'comment' else 'change' end as event_kind,
    story_id as event_key,
    case
        when resource_subtype <> 'comment_added' then nullif(tracked_as, '')
        when created_by = '' then 'auto_reply'
        else 'public_comment'
    end as field,
    old_value,
    new_value,
    created_by as author,
    cast(story_id as bigint) as change_sequence,
    {{ iso_us('created_at') }} as event_us
from {{ source('raw_asana', 'stories') }}
