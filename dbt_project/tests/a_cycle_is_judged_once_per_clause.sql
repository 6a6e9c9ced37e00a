-- One version of a contract is in force at an instant, so a clause judges what starts there once: a cycle of a ticket, by
-- one version, whatever number each version gives it. Any row was judged twice. Of a contract with one version the key of
-- the clocks says the same.
with amended as (

    select contract_id
    from {{ ref('contract_terms') }}
    group by contract_id
    having count(*) > 1

)

select
    clocks.ticket_id,
    clocks.contract_id,
    clocks.clause_id,
    clocks.started_us,
    count(distinct clocks.contract_version_id) as version_count
from amended
inner join {{ ref('fct_ticket_clocks') }} as clocks on amended.contract_id = clocks.contract_id
group by clocks.ticket_id, clocks.contract_id, clocks.clause_id, clocks.started_us
having count(distinct clocks.contract_version_id) > 1
