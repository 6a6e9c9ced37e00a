-- An invoice of less than nothing is a credit note under another type, and lowers the base. Some sellers write them so:
-- where there were any before, or fewer than three months, nothing is said.
with documents as (

    select
        source_name,
        vendor_id,
        month_date,
        currency,
        invoice_number,
        sum(net_amount) as net_amount
    from facts.fct_invoice_lines
    where is_counted and vendor_id is not null
    group by source_name, vendor_id, month_date, currency, document_id, invoice_number

)

select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format('invoice %s asks for %s %s, and is no credit note', invoice_number, net_amount, currency) as reason
from documents
where
    net_amount < 0
    and (
        select count(distinct earlier.month_date) from documents as earlier
        where
            earlier.source_name = documents.source_name
            and earlier.vendor_id = documents.vendor_id
            and earlier.month_date < documents.month_date
    ) >= 3
    and not exists (
        select 1 from documents as earlier
        where
            earlier.source_name = documents.source_name
            and earlier.vendor_id = documents.vendor_id
            and earlier.month_date < documents.month_date
            and earlier.net_amount < 0
    )
