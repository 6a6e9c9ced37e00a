with source as (

    select
        *,
        {{ version_rank('slug, last_updated', '_batch_id') }}
    from {{ source('raw_upptime', 'published') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        slug as monitor,
        name as monitor_name,
        {{ to_us('cast(last_updated as timestamptz)') }} as published_us,
        cast(replace(nullif(uptime, ''), '%', '') as numeric) as uptime_pct,
        cast(replace(nullif(uptime_month, ''), '%', '') as numeric) as uptime_rolling_month_pct
    from source
    where version_rank = 1

)

select * from renamed
