-- The same lines for the same month under two numbers are one service billed twice, or an invoice that lost its kind:
-- a credit note read as an invoice says the same lines again.
with documents as (

    select
        source_name,
        vendor_id,
        month_date,
        currency,
        document_id,
        invoice_number,
        sum(net_amount) as net_amount,
        string_agg(
            coalesce(item_key, line_kind) || '=' || net_amount, '|' order by coalesce(item_key, line_kind), net_amount
        ) as content
    from facts.fct_invoice_lines
    where is_counted and vendor_id is not null and item_key is not null
    group by source_name, vendor_id, month_date, currency, document_id, invoice_number

)

select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format(
        'invoices %s bill the same lines of %s %s', string_agg(invoice_number, ' and ' order by invoice_number),
        min(net_amount), currency
    ) as reason
from documents
where net_amount <> 0
group by source_name, vendor_id, month_date, currency, content
having count(*) > 1
