select
    {{ evidence_columns() }},
    update_id as update_key,
    incident_id as incident_key,
    component_id as service_key,
    new_status as component_status,
    {{ iso_us('created_at') }} as created_us,
    {{ iso_us('display_at') }} as displayed_us,
    {{ iso_us('updated_at') }} as updated_us
from {{ source('raw_statuspage', 'component_changes') }}
