-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ evidence_columns() }},
    sys_id as change_key,
    tablename as table_name,
    documentkey as record_key,
    fieldname as field,
    oldvalue as old_value,
    newvalue as new_value,
    user_name as changed_by,
    cast(nullif(record_checkpoint, '') as bigint) as change_sequence,
    {{ servicenow_us('sys_created_on') }} as changed_us
from {{ source('raw_servicenow', 'sys_audit') }}
