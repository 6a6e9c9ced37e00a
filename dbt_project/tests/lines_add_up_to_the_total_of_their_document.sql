-- Lines, allowances and charges must add up to the total without VAT that their document states: a line read twice,
-- an allowance with the wrong sign or VAT left in would move the base of every penalty. Any row is such a document.
with added as (

    select
        source_name,
        document_id,
        sum(net_amount) as lines_amount
    from {{ ref('fct_invoice_lines') }}
    group by source_name, document_id

),

documents as (

    select
        source_name,
        document_id,
        invoice_number,
        tax_basis_amount as stated_amount
    from {{ ref('stg_einvoice__invoices') }}
    union all
    select
        source_name,
        document_id,
        invoice_number,
        net_amount as stated_amount
    from {{ ref('stg_xero__bills') }}

)

select
    documents.source_name,
    documents.invoice_number,
    documents.stated_amount,
    added.lines_amount
from documents
inner join added
    on documents.source_name = added.source_name and documents.document_id = added.document_id
where documents.stated_amount <> added.lines_amount
