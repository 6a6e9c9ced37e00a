{{ config(materialized='view') }}

with staged as (

    {{ staged_by_bill_systems('bill_lines') }}

),

named as (

    select
        source_name,
        batch_id,
        source_file_id,
        source_row,
        document_id,
        document_version,
        line_key,
        item_key,
        description,
        line_amount,
        tax_amount,
        tax_type
    from staged

)

select * from named
