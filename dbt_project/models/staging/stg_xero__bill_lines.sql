with source as (

    select
        *,
        {{ version_rank('line_item_id', 'invoice_updated_date_utc') }}
    from {{ source('raw_xero', 'invoice_line_items') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        invoice_id as document_id,
        invoice_updated_date_utc as document_version,
        line_item_id as line_key,
        nullif(account_code, '') as item_key,
        description,
        cast(nullif(line_amount, '') as numeric) as line_amount,
        cast(nullif(tax_amount, '') as numeric) as tax_amount,
        coalesce(tax_type, '') as tax_type
    from source
    where version_rank = 1

)

select * from renamed
