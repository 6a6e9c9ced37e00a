select
    {{ evidence_columns() }},
    register_kind,
    entry_key,
    origin,
    is_gone = 'true' as is_gone,
    cast(version_no as integer) as version_no,
    {{ iso_us('observed_at') }} as observed_us
from {{ source('raw_register', 'entries') }}
