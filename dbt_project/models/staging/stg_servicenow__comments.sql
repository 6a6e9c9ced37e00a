-- Without a CTE: Postgres does not merge a view that has one, and an increment could not look its rows up.
select
    {{ evidence_columns() }},
    sys_id as comment_key,
    name as table_name,
    element_id as record_key,
    element,
    sys_created_by as author,
    {{ servicenow_us('sys_created_on') }} as written_us
from {{ source('raw_servicenow', 'sys_journal_field') }}
