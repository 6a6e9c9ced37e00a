-- The same lines for the same month under two numbers are one service billed twice, or an invoice that lost its kind: a
-- credit note read as an invoice says the same lines again. The same items with other amounts are a second invoice, or
-- that of another month. Where many small bills of one account are usual, only several lines that are all the same say
-- anything; where it never happened in three months, any repetition does.
with documents as (

    select
        source_name,
        vendor_id,
        month_date,
        currency,
        document_id,
        invoice_number,
        count(distinct item_key) as item_count,
        string_agg(item_key || '=' || net_amount, '|' order by item_key, net_amount) as content,
        string_agg(distinct item_key, ', ') as item_keys
    from facts.fct_invoice_lines
    where is_counted and vendor_id is not null and item_key is not null and net_amount <> 0
    group by source_name, vendor_id, month_date, currency, document_id, invoice_number

),

repeated as (

    select
        source_name,
        vendor_id,
        month_date,
        item_keys,
        string_agg(invoice_number, ' and ' order by invoice_number) as invoice_numbers,
        min(item_count) > 1 and count(*) > count(distinct content) as is_the_same,
        min(month_date) over (partition by source_name, vendor_id) as first_month_date
    from documents
    group by source_name, vendor_id, month_date, currency, item_keys
    having count(*) > 1

),

told as (

    select
        *,
        (
            select count(distinct earlier.month_date) from documents as earlier
            where
                earlier.source_name = repeated.source_name
                and earlier.vendor_id = repeated.vendor_id
                and earlier.month_date < repeated.month_date
        ) as month_count
    from repeated

)

select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format(
        'invoices %s bill the same %s, %s, for %s', invoice_numbers, case when is_the_same then 'lines' else 'items' end,
        item_keys, to_char(month_date, 'YYYY-MM')
    ) as reason
from told
where is_the_same or (month_date = first_month_date and month_count >= 3)
