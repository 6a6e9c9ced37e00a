with tickets as (

    select * from {{ ref('int_tickets') }}

),

events as (

    -- What happens after as_of has not happened yet.
    select * from {{ ref('int_ticket_events') }}
    where event_us < {{ as_of_us() }}

),

service_terms as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'ticket'

),

clauses as (

    select * from {{ ref('current_clauses') }}
    where indicator = 'clock'

),

rules as (

    select * from {{ source('reference', 'clock_rules') }}

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

covered as (

    -- Every ticket under every clock clause of the service it belongs to, whatever the version.
    select
        tickets.ticket_id,
        tickets.ticket_number,
        tickets.source_name,
        clauses.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        clauses.clause_id,
        clauses.calendar_id,
        clauses.timezone,
        clauses.objective_operator,
        cast(clauses.objective_value * 1000000 as bigint) as target_us,
        service_terms.valid_from_us,
        service_terms.valid_to_us
    from tickets
    inner join service_terms
        on tickets.source_name = service_terms.source_name and tickets.service_key = service_terms.key_value
    inner join clauses
        on
            service_terms.contract_version_id = clauses.contract_version_id
            and service_terms.service_id = clauses.service_id

),

matched as (

    select
        covered.ticket_id,
        covered.contract_version_id,
        covered.clause_id,
        rules.role,
        events.event_us,
        row_number() over (
            partition by covered.ticket_id, covered.contract_version_id, covered.clause_id, rules.role
            order by events.event_us, events.tie_rank, events.tie_key
        ) as event_rank
    from covered
    inner join rules
        on covered.contract_version_id = rules.contract_version_id and covered.clause_id = rules.clause_id
    inner join events
        on
            covered.ticket_id = events.ticket_id
            and rules.field = events.field
            and (rules.value is null or rules.value = events.field_value)
    where rules.role in ('start', 'stop')

),

bounds as (

    -- The version in force is the one at the instant the clock started.
    select
        covered.*,
        starts.event_us as started_us,
        stops.event_us as stopped_us
    from covered
    inner join matched as starts
        on
            covered.ticket_id = starts.ticket_id
            and covered.contract_version_id = starts.contract_version_id
            and covered.clause_id = starts.clause_id
            and starts.role = 'start'
            and starts.event_rank = 1
    left join matched as stops
        on
            covered.ticket_id = stops.ticket_id
            and covered.contract_version_id = stops.contract_version_id
            and covered.clause_id = stops.clause_id
            and stops.role = 'stop'
            and stops.event_rank = 1
    where
        starts.event_us >= covered.valid_from_us
        and starts.event_us < covered.valid_to_us

),

ended as (

    select
        *,
        coalesce(stopped_us, {{ as_of_us() }}) as ended_us
    from bounds

),

pause_fields as (

    select distinct
        contract_version_id,
        clause_id,
        field
    from rules
    where role = 'pause'

),

pause_values as (

    select
        contract_version_id,
        clause_id,
        field,
        value
    from rules
    where role = 'pause'

),

field_states as (

    -- A field holds its value until its next change.
    select
        ended.ticket_id,
        ended.contract_version_id,
        ended.clause_id,
        ended.started_us,
        ended.ended_us,
        pause_fields.field,
        events.field_value,
        events.event_us as held_from_us,
        lead(events.event_us, 1, ended.ended_us) over (
            partition by ended.ticket_id, ended.contract_version_id, ended.clause_id, pause_fields.field
            order by events.event_us, events.tie_rank, events.tie_key
        ) as held_to_us
    from ended
    inner join pause_fields
        on ended.contract_version_id = pause_fields.contract_version_id and ended.clause_id = pause_fields.clause_id
    inner join events
        on ended.ticket_id = events.ticket_id and pause_fields.field = events.field

),

pauses as (

    select
        field_states.ticket_id,
        field_states.contract_version_id,
        field_states.clause_id,
        greatest(field_states.held_from_us, field_states.started_us) as paused_from_us,
        least(field_states.held_to_us, field_states.ended_us) as paused_to_us
    from field_states
    inner join pause_values
        on
            field_states.contract_version_id = pause_values.contract_version_id
            and field_states.clause_id = pause_values.clause_id
            and field_states.field = pause_values.field
            and field_states.field_value = pause_values.value
    where
        greatest(field_states.held_from_us, field_states.started_us)
        < least(field_states.held_to_us, field_states.ended_us)

),

signed_instants as (

    select
        ticket_id,
        contract_version_id,
        clause_id,
        1 as sign,
        ended_us as at_us,
        'run' as part
    from ended
    union all
    select
        ticket_id,
        contract_version_id,
        clause_id,
        -1 as sign,
        started_us as at_us,
        'run' as part
    from ended
    union all
    select
        ticket_id,
        contract_version_id,
        clause_id,
        -1 as sign,
        paused_to_us as at_us,
        'pause' as part
    from pauses
    union all
    select
        ticket_id,
        contract_version_id,
        clause_id,
        1 as sign,
        paused_from_us as at_us,
        'pause' as part
    from pauses

),

located as (

    select
        signed_instants.*,
        ended.calendar_id,
        {{ day_no('signed_instants.at_us') }} as day_no
    from signed_instants
    inner join ended
        on
            signed_instants.ticket_id = ended.ticket_id
            and signed_instants.contract_version_id = ended.contract_version_id
            and signed_instants.clause_id = ended.clause_id

),

looked_up as (

    -- A left join: an instant outside its calendar must show as a null and fail, never vanish.
    select
        located.ticket_id,
        located.contract_version_id,
        located.clause_id,
        located.part,
        located.sign * located.at_us as signed_at_us,
        located.sign * ({{ open_until('located.at_us', 'calendar_days') }}) as signed_open_us,
        case when calendar_days.day_no is null then 1 else 0 end as is_outside
    from located
    left join calendar_days
        on located.calendar_id = calendar_days.calendar_id and located.day_no = calendar_days.day_no

),

summed as (

    select
        ticket_id,
        contract_version_id,
        clause_id,
        cast(sum(signed_open_us) as bigint) as business_us,
        cast(sum(case when part = 'run' then signed_at_us else 0 end) as bigint) as elapsed_us,
        cast(-sum(case when part = 'pause' then signed_at_us else 0 end) as bigint) as paused_us,
        sum(is_outside) as outside_count
    from looked_up
    group by ticket_id, contract_version_id, clause_id

),

measured as (

    select
        ended.*,
        case when summed.outside_count = 0 then summed.business_us end as business_us,
        summed.elapsed_us,
        summed.paused_us,
        cast(date_trunc('month', {{ local_date('ended.started_us', 'ended.timezone') }}) as date) as month_date
    from ended
    inner join summed
        on
            ended.ticket_id = summed.ticket_id
            and ended.contract_version_id = summed.contract_version_id
            and ended.clause_id = summed.clause_id

),

judged as (

    select
        md5(ticket_id || '|' || contract_version_id || '|' || clause_id) as clock_id,
        ticket_id,
        ticket_number,
        source_name,
        contract_version_id,
        contract_id,
        vendor_id,
        service_id,
        clause_id,
        calendar_id,
        month_date,
        {{ to_instant('started_us') }} as started_at,
        {{ to_instant('stopped_us') }} as stopped_at,
        started_us,
        stopped_us,
        target_us / 1000000.0 as target_seconds,
        business_us,
        business_us / 1000000.0 as business_seconds,
        elapsed_us / 1000000.0 as elapsed_seconds,
        paused_us / 1000000.0 as paused_seconds,
        case
            when objective_operator = '<' and business_us >= target_us then 'breached'
            when business_us > target_us then 'breached'
            when stopped_us is null then 'running'
            else 'met'
        end as outcome
    from measured

)

select * from judged
