with source as (

    select * from {{ source('raw_prometheus', 'samples') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        monitor,
        sampled_at,
        {{ to_us('sampled_at') }} as sampled_us,
        value > 0 as is_up
    from source

)

select * from renamed
