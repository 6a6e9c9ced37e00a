-- One version of a contract is in force at an instant, so a clause judges a ticket once. Any row was judged twice.
select
    ticket_id,
    contract_id,
    clause_id,
    count(*) as version_count
from {{ ref('fct_ticket_clocks') }}
group by ticket_id, contract_id, clause_id
having count(*) > 1
