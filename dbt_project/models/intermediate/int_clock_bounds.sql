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
        clauses.aggregation,
        case when clauses.aggregation = 'each' then clauses.rounding_digits_no end as rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        clauses.as_of_us,
        clauses.target_operator,
        cast(clauses.target_value * 1000000 as bigint) as target_us,
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
        rules.role,
        events.event_us,
        min(case when rules.role = 'start' then events.event_us end) over (
            partition by events.ticket_id, rules.contract_version_id, rules.clause_id
        ) as started_us
    from events
    inner join rules
        on
            events.field = rules.field
            -- A rule without a value means any, but a field that is emptied takes none.
            and (events.field_value = rules.value or (rules.value is null and coalesce(events.field_value, '-') <> ''))
    inner join covered
        on
            events.ticket_id = covered.ticket_id
            and rules.contract_version_id = covered.contract_version_id
            and rules.clause_id = covered.clause_id
    where rules.role in ('start', 'stop')

),

timed as (

    -- The first stop at or after the start; what happened to the ticket before does not stop its clock.
    select
        ticket_id,
        contract_version_id,
        clause_id,
        started_us,
        min(case when role = 'stop' then event_us end) as stopped_us
    from matched
    where event_us >= started_us
    group by ticket_id, contract_version_id, clause_id, started_us

),

bounded as (

    -- The version in force at the instant the clock starts is the one that judges.
    select
        md5(covered.ticket_id || '|' || covered.contract_version_id || '|' || covered.clause_id) as clock_id,
        covered.*,
        timed.started_us,
        timed.stopped_us,
        coalesce(timed.stopped_us, covered.as_of_us, {{ as_of_us() }}) as ended_us
    from covered
    inner join timed
        on
            covered.ticket_id = timed.ticket_id
            and covered.contract_version_id = timed.contract_version_id
            and covered.clause_id = timed.clause_id
    where
        timed.started_us >= covered.valid_from_us
        and timed.started_us < covered.valid_to_us

)

select * from bounded
