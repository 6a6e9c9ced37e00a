-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
-- RT tells a move to another queue by ids: their names stand beside them. Its own user answers for nobody.
select
    {{ ticket_evidence_columns('raw_request_tracker.transactions') }},
    ticket_id as ticket_key,
    case when type in ('Correspond', 'Comment') then 'comment' else 'change' end as event_kind,
    transaction_id as event_key,
    case
        when type = 'Comment' then 'private_note'
        when type = 'Correspond' and creator = 'RT_System' then 'auto_reply'
        when type = 'Correspond' then 'public_comment'
        when type = 'Status' then 'state'
        when type = 'Set' and field = 'Priority' then 'priority'
        when type = 'Set' and field = 'Queue' then 'assignment_group'
    end as field,
    case when field = 'Queue' then old_queue else old_value end as old_value,
    case when field = 'Queue' then new_queue else new_value end as new_value,
    creator as author,
    cast(transaction_id as bigint) as change_sequence,
    {{ iso_us('created') }} as event_us
from {{ source('raw_request_tracker', 'transactions') }}
