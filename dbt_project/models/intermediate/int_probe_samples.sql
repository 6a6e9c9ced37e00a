{{ config(materialized='view') }}

with prometheus as (

    select * from {{ ref('stg_prometheus__samples') }}

),

upptime as (

    select * from {{ ref('stg_upptime__checks') }}

),

united as (

    select
        source_name,
        batch_id,
        source_row,
        monitor,
        sampled_at,
        sampled_us,
        is_up
    from prometheus
    union all
    select
        source_name,
        batch_id,
        source_row,
        monitor,
        sampled_at,
        sampled_us,
        is_up
    from upptime

)

select * from united
