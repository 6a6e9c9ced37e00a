-- Lines, allowances and charges must add up to the total without VAT that the document states (BT-109): a line read
-- twice or an allowance with the wrong sign would move the base of every penalty. Any row is such a document.
with added as (

    select
        source_name,
        document_id,
        sum(net_amount) as lines_amount
    from {{ ref('fct_invoice_lines') }}
    group by source_name, document_id

)

select
    documents.source_name,
    documents.invoice_number,
    documents.tax_basis_amount,
    added.lines_amount
from {{ ref('stg_einvoice__invoices') }} as documents
inner join added
    on documents.source_name = added.source_name and documents.document_id = added.document_id
where documents.tax_basis_amount <> added.lines_amount
