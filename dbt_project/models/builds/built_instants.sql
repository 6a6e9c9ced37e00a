-- depends_on: {{ ref('fct_ticket_clocks') }} {{ ref('fct_ticket_clock_teams') }}
-- depends_on: {{ ref('fct_availability_months') }} {{ ref('fct_outages') }}

select {{ as_of_us() }} as as_of_us
