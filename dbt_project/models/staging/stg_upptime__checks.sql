with source as (

    select * from {{ source('raw_upptime', 'checks') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        slug as monitor,
        cast(checked_at as timestamptz) as sampled_at,
        {{ to_us('cast(checked_at as timestamptz)') }} as sampled_us,
        status <> 'down' as is_up
    from source

)

select * from renamed
