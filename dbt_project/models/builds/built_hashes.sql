-- depends_on: {{ ref('fct_ticket_clocks') }} {{ ref('fct_ticket_clock_teams') }} {{ ref('fct_availability_months') }} {{ ref('fct_outages') }}

with hashes as (

    select * from {{ ref('int_contract_hashes') }}

)

select
    contract_id,
    terms_hash
from hashes
