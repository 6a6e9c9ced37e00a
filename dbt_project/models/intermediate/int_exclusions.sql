with decisions as (

    select * from {{ source('reference', 'exclusion_decisions') }}
    where superseded_at is null

),

grounds as (

    select * from {{ source('reference', 'exclusion_grounds') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}

),

matched as (

    -- A decision counts from the day it was accepted on, for the clauses that its ground touches.
    select
        clauses.contract_version_id || '|' || clauses.clause_id || '|' || decisions.decision_id as exclusion_id,
        clauses.contract_version_id,
        clauses.clause_id,
        decisions.decision_id,
        decisions.ground_id,
        decisions.from_us,
        decisions.to_us,
        decisions.ticket_number,
        decisions.release_number
    from decisions
    inner join clauses on decisions.contract_id = clauses.contract_id
    inner join grounds
        on
            clauses.contract_version_id = grounds.contract_version_id
            and clauses.clause_id = grounds.clause_id
            and decisions.ground_id = grounds.ground_id
    where
        (decisions.service_id is null or decisions.service_id = clauses.service_id)
        and {{ local_midnight_us('decisions.accepted_date', 'clauses.timezone') }} <= coalesce(clauses.as_of_us, {{ as_of_us() }})

)

select * from matched
