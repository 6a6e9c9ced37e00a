-- Without a CTE: Postgres does not merge a view that has one, and the audit of all tables would be read for its releases.
select
    {{ release_evidence_columns('raw_servicenow.sys_audit', 'sys_id') }},
    documentkey as release_key,
    cast('change' as text) as event_kind,
    sys_id as event_key,
    cast(nullif(record_checkpoint, '') as bigint) as change_sequence,
    {{ servicenow_us('sys_created_on') }} as event_us,
    cast(null as bigint) as earliest_us,
    case fieldname when 'end_date' then 'due' else fieldname end as field,
    cast(null as text) as plan_key,
    case when fieldname = 'end_date' then {{ servicenow_us('oldvalue') }} end as old_due_us,
    case when fieldname = 'end_date' then {{ servicenow_us('newvalue') }} end as due_us,
    cast(null as bigint) as delivered_us,
    case when fieldname = 'approval' then newvalue end as approval
from {{ source('raw_servicenow', 'sys_audit') }}
where tablename = 'rm_release' and fieldname in ('end_date', 'approval')
