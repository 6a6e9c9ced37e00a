with source as (

    select
        *,
        {{ version_rank('document_id', 'received_at') }}
    from {{ source('raw_einvoice', 'invoices') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        document_id,
        type_code,
        invoice_number,
        preceding_invoice,
        currency,
        file_name,
        cast(line_count as integer) as line_count,
        coalesce(nullif(seller_id, ''), nullif(seller_vat_id, ''), seller_name) as seller_key,
        cast(nullif(issue_date, '') as date) as issue_date,
        cast(nullif(period_start, '') as date) as period_start_date,
        cast(nullif(period_end, '') as date) as period_end_date,
        cast(nullif(tax_basis_total, '') as numeric) as tax_basis_amount,
        cast(received_at as timestamptz) as received_at
    from source
    where version_rank = 1

)

select * from renamed
