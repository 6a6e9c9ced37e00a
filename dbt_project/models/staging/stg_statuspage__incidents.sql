select
    {{ evidence_columns() }},
    incident_id as incident_key,
    component_id as service_key,
    case kind when 'maintenance' then 'planned' else 'outage' end as outage_kind,
    impact,
    {{ iso_us('created_at') }} as created_us,
    {{ iso_us('started_at') }} as started_us,
    {{ iso_us('resolved_at') }} as resolved_us,
    {{ iso_us('scheduled_for') }} as scheduled_from_us,
    {{ iso_us('scheduled_until') }} as scheduled_to_us,
    {{ iso_us('updated_at') }} as updated_us
from {{ source('raw_statuspage', 'incidents') }}
