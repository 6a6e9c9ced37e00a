with source as (

    select
        *,
        {{ version_rank('milestone_id', 'cast(version_no as bigint)') }}
    from {{ source('raw_github', 'milestones') }}

),

renamed as (

    select
        {{ release_evidence_columns('raw_github.milestones', 'milestone_id') }},
        milestone_id as release_key,
        title as release_number,
        project as service_key,
        {{ iso_us('created_at') }} as planned_us,
        {{ noon_us('due_date', 'source_timezone') }} as due_us,
        cast(null as bigint) as delivered_us,
        cast(null as text) as plan_key,
        approved_dates as approval_rule
    from source
    where version_rank = 1

)

select * from renamed
