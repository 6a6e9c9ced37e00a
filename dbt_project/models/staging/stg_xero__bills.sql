with source as (

    select
        *,
        {{ version_rank('invoice_id', 'updated_date_utc') }}
    from {{ source('raw_xero', 'invoices') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        invoice_id as document_id,
        updated_date_utc as document_version,
        invoice_number,
        contact_id as seller_key,
        currency_code as currency,
        status,
        type as type_code,
        cast(date as date) as issue_date,
        cast(date as date) as service_date,
        cast(sub_total as numeric) as net_amount,
        coalesce(line_amount_types = 'Inclusive', false) as is_tax_inclusive
    from source
    where
        version_rank = 1
        -- ACCREC is what the company bills others; a voided, deleted or draft bill is no bill.
        and type = 'ACCPAY'
        and status in ('AUTHORISED', 'PAID')

)

select * from renamed
