select
    {{ release_evidence_columns('raw_github.milestones', 'milestone_id') }},
    milestone_id as release_key,
    cast('observation' as text) as event_kind,
    milestone_id || '|' || version_no as event_key,
    cast(version_no as bigint) as change_sequence,
    {{ iso_us('observed_at') }} as event_us,
    {{ iso_us('observed_from') }} as earliest_us,
    cast('state' as text) as field,
    cast(null as text) as plan_key,
    cast(null as bigint) as old_due_us,
    {{ noon_us('due_date', 'source_timezone') }} as due_us,
    {{ iso_us('delivered_at') }} as delivered_us,
    cast(null as text) as approval
from {{ source('raw_github', 'milestones') }}
