-- Lines, allowances and charges add up to the total without VAT that their document states, and none is missing: a
-- line read twice, an allowance with the wrong sign or VAT left in would move the base of every percentage.
with added as (

    select
        source_name,
        document_id,
        sum(net_amount) as lines_amount,
        count(*) filter (where line_kind = 'line') as line_count
    from facts.fct_invoice_lines
    group by source_name, document_id

),

documents as (

    select
        source_name,
        document_id,
        invoice_number,
        tax_basis_amount as stated_amount,
        line_count as stated_count
    from staging.stg_einvoice__invoices
    union all
    select
        source_name,
        document_id,
        invoice_number,
        net_amount as stated_amount,
        null as stated_count
    from intermediate.int_bills

),

disagreeing as (

    select
        documents.*,
        added.lines_amount,
        added.line_count
    from documents
    inner join added on documents.source_name = added.source_name and documents.document_id = added.document_id
    where documents.stated_amount <> added.lines_amount or documents.stated_count <> added.line_count

)

select distinct
    lines.vendor_id,
    lines.month_date,
    cast(null as text) as currency,
    format(
        'the %s lines of invoice %s add up to %s, it states %s%s', disagreeing.line_count, disagreeing.invoice_number,
        disagreeing.lines_amount, coalesce(disagreeing.stated_count || ' lines and ', ''), disagreeing.stated_amount
    ) as reason
from disagreeing
inner join facts.fct_invoice_lines as lines
    on disagreeing.source_name = lines.source_name and disagreeing.document_id = lines.document_id
where lines.vendor_id is not null
