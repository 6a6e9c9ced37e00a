{{ config(materialized='view') }}

{{ united(outage_registers()) }}
