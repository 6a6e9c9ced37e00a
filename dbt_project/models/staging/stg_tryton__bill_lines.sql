with source as (

    select
        *,
        {{ version_rank('line_id', 'invoice_version_at') }}
    from {{ source('raw_tryton', 'invoice_lines') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        invoice_id as document_id,
        invoice_version_at as document_version,
        line_id as line_key,
        nullif(item, '') as item_key,
        description,
        cast(amount as numeric) as line_amount,
        cast(amount as numeric) * cast(nullif(tax_rate, '') as numeric) as tax_amount,
        tax_names as tax_type
    from source
    where
        version_rank = 1
        -- What a subtotal adds up is in its lines already; titles and comments have no amount.
        and type = 'line'

)

select * from renamed
