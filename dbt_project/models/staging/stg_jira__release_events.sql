select
    {{ release_evidence_columns('raw_jira.versions', 'version_id') }},
    version_id as release_key,
    cast('observation' as text) as event_kind,
    version_id || '|' || version_no as event_key,
    cast(version_no as bigint) as change_sequence,
    {{ iso_us('observed_at') }} as event_us,
    {{ iso_us('observed_from') }} as earliest_us,
    cast('state' as text) as field,
    cast(null as text) as plan_key,
    cast(null as bigint) as old_due_us,
    -- Of a released version the date is that of its release, and of one released without a date that of the observation.
    case when released = 'false' then {{ noon_us('release_date', 'source_timezone') }} end as due_us,
    case
        when released = 'true'
            then coalesce({{ noon_us('release_date', 'source_timezone') }}, {{ iso_us('observed_at') }})
    end as delivered_us,
    cast(null as text) as approval
from {{ source('raw_jira', 'versions') }}
