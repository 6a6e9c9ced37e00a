-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
-- What a ticket was made with is what was asked, and no answer; a rule or a bot answers for nobody.
select
    {{ ticket_evidence_columns('raw_zendesk.ticket_events') }},
    ticket_id as ticket_key,
    case when type in ('Create', 'Change') then 'change' else 'comment' end as event_kind,
    event_id as event_key,
    case
        when type in ('Create', 'Change') then nullif(tracked_as, '')
        when is_creation = 'true' then null
        when is_public = 'false' then 'private_note'
        when via_channel in ('rule', 'system') or via_channel like 'answer_bot%' or author_id = '-1' then 'auto_reply'
        when author_role = 'end-user' then 'public_comment_customer'
        else 'public_comment'
    end as field,
    previous_name as old_value,
    value_name as new_value,
    author_id as author,
    cast(event_id as bigint) as change_sequence,
    {{ iso_us('created_at') }} as event_us
from {{ source('raw_zendesk', 'ticket_events') }}
