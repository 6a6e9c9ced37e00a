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

    -- Rules meet events first: the product of clauses and their few rules is small, tickets are many.
    select
        events.ticket_id,
        rules.contract_version_id,
        rules.clause_id,
        min(case when rules.role = 'start' then events.event_us end) as started_us,
        min(case when rules.role = 'stop' then events.event_us end) as stopped_us
    from events
    inner join rules
        on
            events.field = rules.field
            and (rules.value is null or rules.value = events.field_value)
    inner join covered
        on
            events.ticket_id = covered.ticket_id
            and rules.contract_version_id = covered.contract_version_id
            and rules.clause_id = covered.clause_id
    where rules.role in ('start', 'stop')
    group by events.ticket_id, rules.contract_version_id, rules.clause_id

),

bounded as (

    -- The version in force at the instant the clock starts is the one that judges.
    select
        md5(covered.ticket_id || '|' || covered.contract_version_id || '|' || covered.clause_id) as clock_id,
        covered.*,
        matched.started_us,
        matched.stopped_us,
        coalesce(matched.stopped_us, {{ as_of_us() }}) as ended_us
    from covered
    inner join matched
        on
            covered.ticket_id = matched.ticket_id
            and covered.contract_version_id = matched.contract_version_id
            and covered.clause_id = matched.clause_id
    where
        matched.started_us >= covered.valid_from_us
        and matched.started_us < covered.valid_to_us

)

select * from bounded
