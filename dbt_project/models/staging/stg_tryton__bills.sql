with source as (

    select
        *,
        {{ version_rank('invoice_id', 'version_at') }}
    from {{ source('raw_tryton', 'invoices') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        invoice_id as document_id,
        version_at as document_version,
        -- The supplier's own number; the books give another.
        coalesce(nullif(reference, ''), number) as invoice_number,
        coalesce(nullif(party_tax_identifier, ''), nullif(party_code, ''), party_name) as seller_key,
        currency,
        state as status,
        case when cast(untaxed_amount as numeric) < 0 then '381' else '380' end as type_code,
        cast(invoice_date as date) as issue_date,
        cast(service_date as date) as service_date,
        cast(untaxed_amount as numeric) as net_amount,
        false as is_tax_inclusive
    from source
    where
        version_rank = 1
        and state in ('posted', 'paid')

)

select * from renamed
