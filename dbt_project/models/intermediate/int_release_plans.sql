with releases as (

    select * from {{ ref('int_releases') }}

),

event_versions as (

    select
        *,
        {{ staged_version_rank('release_key, event_key', 'event_us') }}
    from (
        {{ staged_by_release_systems(
            'release_events',
            'where (source_name, release_key) in (select releases.source_name, releases.release_key from releases)'
        ) }}
    ) as staged

),

events as (

    select * from event_versions
    where version_rank = 1

),

known_events as (

    select * from events
    where event_us < {{ as_of_us() }}

),

observed_dates as (

    -- A date that is taken away moves nothing, so observations without one are passed over.
    select
        *,
        lag(due_us) over (
            partition by source_name, release_key order by change_sequence, event_key
        ) as seen_before_us
    from known_events
    where event_kind = 'observation' and due_us is not null

),

known_replans as (

    select
        source_name,
        release_key,
        event_us,
        change_sequence,
        event_key,
        plan_key,
        due_us
    from known_events
    where event_kind = 'change' and field = 'due'
    union all
    select
        source_name,
        release_key,
        event_us,
        change_sequence,
        event_key,
        plan_key,
        due_us
    from observed_dates
    where due_us <> seen_before_us

),

replans as (

    select
        source_name,
        release_key,
        event_us as requested_us,
        due_us,
        plan_key,
        row_number() over (
            partition by source_name, release_key order by event_us, change_sequence, event_key
        ) as plan_no
    from known_replans

),

first_replans as (

    select
        source_name,
        release_key,
        old_due_us as original_due_us,
        row_number() over (
            partition by source_name, release_key order by event_us, change_sequence, event_key
        ) as plan_no
    from events
    where event_kind = 'change' and field = 'due'

),

first_seen as (

    select
        source_name,
        release_key,
        event_us,
        due_us
    from observed_dates
    where seen_before_us is null

),

plans as (

    -- Version 0 is the date the release was created with: the old value of the first replan, whenever that came, or
    -- the first date that was seen, else the present one.
    select
        releases.source_name,
        releases.release_key,
        0 as plan_no,
        coalesce(releases.planned_us, first_seen.event_us) as requested_us,
        coalesce(first_replans.original_due_us, first_seen.due_us, releases.due_us) as due_us,
        releases.plan_key
    from releases
    left join first_replans
        on
            releases.source_name = first_replans.source_name
            and releases.release_key = first_replans.release_key
            and first_replans.plan_no = 1
    left join first_seen
        on releases.source_name = first_seen.source_name and releases.release_key = first_seen.release_key
    where releases.approval_rule is null or first_seen.release_key is not null
    union all
    select
        source_name,
        release_key,
        plan_no,
        requested_us,
        due_us,
        plan_key
    from replans

),

followed as (

    select
        *,
        lead(requested_us) over (partition by source_name, release_key order by plan_no) as next_requested_us
    from plans

),

approvals as (

    -- An approval is of the version that it names, or of the plan that stood when it came.
    select
        followed.source_name,
        followed.release_key,
        followed.plan_no,
        min(known_events.event_us) as approved_us
    from followed
    inner join known_events
        on
            followed.source_name = known_events.source_name
            and followed.release_key = known_events.release_key
            and known_events.field = 'approval'
            and known_events.approval = 'approved'
            and (
                followed.plan_key = known_events.plan_key
                or (
                    known_events.plan_key is null
                    and followed.requested_us <= known_events.event_us
                    and (
                        followed.next_requested_us is null or followed.next_requested_us > known_events.event_us
                    )
                )
            )
    group by followed.source_name, followed.release_key, followed.plan_no

),

agreed as (

    select
        followed.source_name,
        followed.release_key,
        cast(followed.plan_no as integer) as plan_no,
        followed.requested_us,
        followed.due_us,
        case
            when releases.approval_rule = 'every' then followed.requested_us
            when releases.approval_rule = 'first' and followed.plan_no = 0 then followed.requested_us
            else approvals.approved_us
        end as approved_us
    from followed
    inner join releases
        on followed.source_name = releases.source_name and followed.release_key = releases.release_key
    left join approvals
        on
            followed.source_name = approvals.source_name
            and followed.release_key = approvals.release_key
            and followed.plan_no = approvals.plan_no

),

approved as (

    select
        *,
        approved_us is not null as is_approved
    from agreed

)

select * from approved
