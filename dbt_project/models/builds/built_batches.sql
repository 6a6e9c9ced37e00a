{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ forget(ref('int_new_batches'), ['batch_id']) }}"
) }}
-- depends_on: {{ ref('fct_ticket_clocks') }} {{ ref('fct_ticket_clock_teams') }}
-- depends_on: {{ ref('fct_availability_months') }} {{ ref('fct_outages') }}

with new_batches as (

    select * from {{ ref('int_new_batches') }}

)

select batch_id from new_batches
