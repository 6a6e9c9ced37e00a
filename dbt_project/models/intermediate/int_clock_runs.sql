with tickets as (

    select * from {{ ref('int_clock_tickets') }}

),

events as (

    select * from {{ ref('int_ticket_events') }}

),

service_terms as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'ticket'

),

clauses as (

    select * from {{ ref('current_clauses') }}
    where indicator = 'clock'

),

stated_rules as (

    select * from {{ source('reference', 'clock_rules') }}
    where role in ('start', 'stop', 'reopen')

),

rules as (

    -- A rule for any value says what those for single values of its field say: no event may match twice.
    select stated_rules.*
    from stated_rules
    left join stated_rules as wider
        on
            stated_rules.contract_version_id = wider.contract_version_id
            and stated_rules.clause_id = wider.clause_id
            and stated_rules.role = wider.role
            and stated_rules.field = wider.field
            and wider.value is null
    where stated_rules.value is null or wider.field is null

),

reopened_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

stopped_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

covered as (

    -- Every ticket under every clock clause of the service it belongs to, whatever the version.
    select
        tickets.ticket_id,
        clauses.contract_version_id,
        clauses.clause_id,
        clauses.calendar_id,
        clauses.reopen_policy,
        clauses.join_within_us,
        clauses.as_of_us
    from tickets
    inner join service_terms
        on tickets.source_name = service_terms.source_name and tickets.service_key = service_terms.key_value
    inner join clauses
        on
            service_terms.contract_version_id = clauses.contract_version_id
            and service_terms.service_id = clauses.service_id

),

matched as (

    -- What happens at or after as_of has not happened yet.
    select
        covered.ticket_id,
        covered.contract_version_id,
        covered.clause_id,
        covered.calendar_id,
        covered.reopen_policy,
        covered.join_within_us,
        rules.role,
        events.event_no,
        events.event_us,
        min(case when rules.role = 'start' then events.event_no end) over (
            partition by covered.ticket_id, covered.contract_version_id, covered.clause_id
        ) as start_no
    from covered
    inner join events on covered.ticket_id = events.ticket_id
    inner join rules
        on
            covered.contract_version_id = rules.contract_version_id
            and covered.clause_id = rules.clause_id
            and events.field = rules.field
            and {{ meets('events', 'rules') }}
    where
        events.event_us < {{ as_of_us() }}
        and events.event_us < covered.as_of_us

),

turned as (

    -- From the first start on, in the order of events; what happened to the ticket before does not stop its clock.
    -- An event that stops does not reopen.
    select
        *,
        row_number() over (
            partition by ticket_id, contract_version_id, clause_id, event_no
            order by case role when 'start' then 0 when 'stop' then 1 else 2 end
        ) as role_rank
    from matched
    where event_no >= start_no and (role <> 'start' or event_no = start_no)

),

sequenced as (

    select
        *,
        lag(role) over (
            partition by ticket_id, contract_version_id, clause_id order by event_no, role_rank
        ) as previous_role
    from turned
    where role <> 'reopen' or role_rank = 1

),

alternated as (

    -- A clock that runs can only be stopped, and one that is stopped only be reopened.
    select
        *,
        lead(event_us) over (
            partition by ticket_id, contract_version_id, clause_id order by event_no, role_rank
        ) as next_us,
        lag(event_us) over (
            partition by ticket_id, contract_version_id, clause_id order by event_no, role_rank
        ) as previous_us
    from sequenced
    where
        role = 'start'
        or (role = 'stop' and previous_role <> 'stop')
        or (role = 'reopen' and previous_role = 'stop')

),

runs as (

    select
        *,
        row_number() over (partition by ticket_id, contract_version_id, clause_id order by event_no) as run_no,
        case when role = 'reopen' and reopen_policy = 'join_within' then calendar_id end as joining_calendar_id,
        {{ day_no('event_us') }} as day_no,
        {{ day_no('coalesce(previous_us, 0)') }} as previous_day_no
    from alternated
    where role <> 'stop'

),

followed as (

    -- Only a reopening that might join an earlier run looks up how long the service was in use between.
    select
        runs.*,
        coalesce(
            ({{ open_until('runs.event_us', 'days') }}) - ({{ open_until('runs.previous_us', 'previous_days') }})
            <= runs.join_within_us,
            false
        ) as is_joined
    from runs
    left join reopened_days as days on runs.joining_calendar_id = days.calendar_id and runs.day_no = days.day_no
    left join stopped_days as previous_days
        on runs.joining_calendar_id = previous_days.calendar_id and runs.previous_day_no = previous_days.day_no

),

cycled as (

    select
        ticket_id,
        contract_version_id,
        clause_id,
        cast(run_no as integer) as run_no,
        cast(
            sum(case when run_no = 1 or not (is_joined or reopen_policy = 'resume') then 1 else 0 end) over (
                partition by ticket_id, contract_version_id, clause_id
                order by run_no
                rows between unbounded preceding and current row
            ) as integer
        ) as cycle_no,
        event_us as started_us,
        next_us as stopped_us,
        case when reopen_policy = 'resume' then previous_us end as halted_us
    from followed

)

select * from cycled
