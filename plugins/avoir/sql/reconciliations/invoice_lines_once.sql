-- An invoice line counts once: in two contracts, or twice in one, it would raise what a percentage is taken of.
with counted as (

    select
        source_name,
        document_id,
        line_key,
        count(*) as times,
        min(invoice_number) as invoice_number,
        string_agg(distinct contract_id, ' and ') as contract_ids
    from facts.fct_invoice_lines
    where is_counted and vendor_id is not null
    group by source_name, document_id, line_key
    having count(*) > 1

)

select
    lines.vendor_id,
    lines.month_date,
    cast(null as text) as currency,
    format(
        '%s invoice lines are counted more than once, such as %s of %s, %s times for %s',
        count(distinct (lines.document_id, lines.line_key)), min(counted.line_key), min(counted.invoice_number),
        max(counted.times), min(counted.contract_ids)
    ) as reason
from counted
inner join facts.fct_invoice_lines as lines
    on
        counted.source_name = lines.source_name
        and counted.document_id = lines.document_id
        and counted.line_key = lines.line_key
group by lines.vendor_id, lines.month_date
