with source as (

    select
        *,
        {{ version_rank('milestone, version', 'cast(received_at as timestamptz)') }}
    from {{ source('raw_plan_file', 'plans') }}

),

present as (

    select
        *,
        lag(planned_at) over (partition by _source_name, milestone order by cast(version as bigint)) as planned_before
    from source
    where version_rank = 1

),

replans as (

    select
        {{ release_evidence_columns('raw_plan_file.plans', "milestone || '|' || version") }},
        milestone as release_key,
        cast('change' as text) as event_kind,
        milestone || '|' || version || '|due' as event_key,
        cast(version as bigint) as change_sequence,
        {{ iso_us('announced_at') }} as event_us,
        cast(null as bigint) as earliest_us,
        cast('due' as text) as field,
        version as plan_key,
        {{ iso_us('planned_before') }} as old_due_us,
        {{ iso_us('planned_at') }} as due_us,
        cast(null as bigint) as delivered_us,
        cast(null as text) as approval
    from present
    where planned_before is not null

),

approvals as (

    select
        {{ release_evidence_columns('raw_plan_file.plans', "milestone || '|' || version") }},
        milestone as release_key,
        cast('change' as text) as event_kind,
        milestone || '|' || version || '|approval' as event_key,
        cast(version as bigint) as change_sequence,
        {{ iso_us('approved_at') }} as event_us,
        cast(null as bigint) as earliest_us,
        cast('approval' as text) as field,
        version as plan_key,
        cast(null as bigint) as old_due_us,
        cast(null as bigint) as due_us,
        cast(null as bigint) as delivered_us,
        cast('approved' as text) as approval
    from present
    where approved_at <> ''

),

united as (

    select * from replans
    union all
    select * from approvals

)

select * from united
