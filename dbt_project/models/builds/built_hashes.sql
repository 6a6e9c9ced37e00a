-- depends_on: {{ ref('fct_ticket_clocks') }} {{ ref('fct_ticket_clock_teams') }}
-- depends_on: {{ ref('fct_availability_months') }} {{ ref('fct_outages') }}

with contract_hashes as (

    select * from {{ ref('int_contract_hashes') }}

)

select
    contract_id,
    terms_hash
from contract_hashes
