-- Without a CTE and without conditions: Postgres merges such a view, and an increment can look its rows up.
-- A work note is private; what the system writes is an automatic reply.
select
    {{ ticket_evidence_columns('raw_servicenow.sys_audit') }},
    documentkey as ticket_key,
    'change' as event_kind,
    sys_id as event_key,
    case
        when tablename = 'incident' and fieldname in ('state', 'hold_reason', 'priority', 'assignment_group') then fieldname
    end as field,
    oldvalue as old_value,
    newvalue as new_value,
    user_name as author,
    cast(nullif(record_checkpoint, '') as bigint) as change_sequence,
    {{ servicenow_us('sys_created_on') }} as event_us
from {{ source('raw_servicenow', 'sys_audit') }}
union all
select
    {{ ticket_evidence_columns('raw_servicenow.sys_journal_field') }},
    element_id as ticket_key,
    'comment' as event_kind,
    sys_id as event_key,
    case
        when coalesce(name, '') <> 'incident' then null
        when element = 'work_notes' then 'private_note'
        when sys_created_by = 'system' then 'auto_reply'
        else 'public_comment'
    end as field,
    cast(null as text) as old_value,
    cast(null as text) as new_value,
    sys_created_by as author,
    cast(null as bigint) as change_sequence,
    {{ servicenow_us('sys_created_on') }} as event_us
from {{ source('raw_servicenow', 'sys_journal_field') }}
