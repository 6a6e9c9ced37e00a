{{ config(materialized='view') }}

with staged as (

    {{ staged_by_bill_systems('bills') }}

),

named as (

    select
        source_name,
        batch_id,
        source_file_id,
        source_row,
        document_id,
        document_version,
        invoice_number,
        seller_key,
        currency,
        status,
        type_code,
        issue_date,
        service_date,
        net_amount,
        is_tax_inclusive
    from staged

)

select * from named
