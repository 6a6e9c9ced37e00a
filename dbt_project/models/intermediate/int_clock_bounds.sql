with runs as (

    select * from {{ ref('int_clock_runs') }}

),

tickets as (

    select * from {{ ref('int_tickets') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}

),

cycles as (

    select
        ticket_id,
        contract_version_id,
        clause_id,
        cycle_no,
        min(started_us) as started_us,
        -- A run that goes on has no stop, and neither has its cycle.
        case when count(stopped_us) = count(*) then max(stopped_us) end as stopped_us
    from runs
    group by ticket_id, contract_version_id, clause_id, cycle_no

),

bounded as (

    -- The version in force at the instant the clock starts is the one that judges.
    select
        md5(
            cycles.ticket_id || '|' || cycles.contract_version_id || '|' || cycles.clause_id
            || case when cycles.cycle_no > 1 then '|' || cycles.cycle_no else '' end
        ) as clock_id,
        cycles.ticket_id,
        tickets.ticket_number,
        tickets.source_name,
        cycles.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        cycles.clause_id,
        cycles.cycle_no,
        clauses.calendar_id,
        clauses.timezone,
        clauses.aggregation,
        case when clauses.aggregation = 'each' then clauses.rounding_digits_no end as rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        clauses.priority_change as priority_policy,
        clauses.target_operator,
        cast(clauses.target_value * 1000000 as bigint) as target_us,
        cycles.started_us,
        cycles.stopped_us,
        coalesce(cycles.stopped_us, clauses.as_of_us) as ended_us
    from cycles
    inner join tickets on cycles.ticket_id = tickets.ticket_id
    inner join terms on cycles.contract_version_id = terms.contract_version_id
    inner join clauses
        on cycles.contract_version_id = clauses.contract_version_id and cycles.clause_id = clauses.clause_id
    where
        cycles.started_us >= terms.valid_from_us
        and cycles.started_us < terms.valid_to_us

)

select * from bounded
