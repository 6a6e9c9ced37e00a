with releases as (

    select * from {{ ref('int_releases') }}

),

change_versions as (

    select
        *,
        {{ staged_version_rank('record_key, change_key', 'changed_us') }}
    from {{ ref('stg_servicenow__field_changes') }}
    where
        table_name = 'rm_release'
        and (source_name, record_key) in (
            select
                source_name,
                release_key
            from releases
        )

),

changes as (

    select * from change_versions
    where version_rank = 1

),

known_changes as (

    select * from changes
    where changed_us < {{ as_of_us() }}

),

replans as (

    select
        source_name,
        record_key as release_key,
        changed_us as requested_us,
        {{ servicenow_us('new_value') }} as due_us,
        row_number() over (
            partition by source_name, record_key order by changed_us, change_sequence, change_key
        ) as plan_no
    from known_changes
    where field = 'end_date'

),

first_replans as (

    select
        source_name,
        record_key as release_key,
        {{ servicenow_us('old_value') }} as original_due_us,
        row_number() over (
            partition by source_name, record_key order by changed_us, change_sequence, change_key
        ) as plan_no
    from changes
    where field = 'end_date'

),

plans as (

    -- Version 0 is the date the release was created with: the old value of the first replan, whenever that
    -- came, else the present one.
    select
        releases.source_name,
        releases.release_key,
        0 as plan_no,
        releases.planned_us as requested_us,
        coalesce(first_replans.original_due_us, releases.due_us) as due_us
    from releases
    left join first_replans
        on
            releases.source_name = first_replans.source_name
            and releases.release_key = first_replans.release_key
            and first_replans.plan_no = 1
    union all
    select
        source_name,
        release_key,
        plan_no,
        requested_us,
        due_us
    from replans

),

followed as (

    select
        *,
        lead(requested_us) over (partition by source_name, release_key order by plan_no) as next_requested_us
    from plans

),

approvals as (

    select
        followed.source_name,
        followed.release_key,
        followed.plan_no,
        min(known_changes.changed_us) as approved_us
    from followed
    inner join known_changes
        on
            followed.source_name = known_changes.source_name
            and followed.release_key = known_changes.record_key
            and known_changes.field = 'approval'
            and known_changes.new_value = 'approved'
            and followed.requested_us <= known_changes.changed_us
            and (followed.next_requested_us is null or followed.next_requested_us > known_changes.changed_us)
    group by followed.source_name, followed.release_key, followed.plan_no

),

approved as (

    select
        followed.source_name,
        followed.release_key,
        cast(followed.plan_no as integer) as plan_no,
        followed.requested_us,
        followed.due_us,
        approvals.approved_us,
        approvals.approved_us is not null as is_approved
    from followed
    left join approvals
        on
            followed.source_name = approvals.source_name
            and followed.release_key = approvals.release_key
            and followed.plan_no = approvals.plan_no

)

select * from approved
