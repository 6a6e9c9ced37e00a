select
    {{ evidence_columns() }},
    register_kind,
    column_name,
    is_declared = 'true' as is_declared,
    is_gone = 'true' as is_gone,
    cast(version_no as integer) as version_no,
    {{ iso_us('observed_at') }} as observed_us
from {{ source('raw_register', 'columns') }}
