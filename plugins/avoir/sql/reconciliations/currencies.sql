-- A bill in another currency than its contract's makes a month of its own, if the vendor was ever known to bill in it:
-- else it is the contract's own month, whose currency was mistaken.
with lines as (

    select
        lines.vendor_id,
        lines.contract_id,
        lines.month_date,
        lines.currency,
        lines.invoice_number,
        months.currency as contract_currency
    from facts.fct_invoice_lines as lines
    inner join (
        select distinct contract_id, month_date, currency from intermediate.contract_months
    ) as months on lines.contract_id = months.contract_id and lines.month_date = months.month_date
    where lines.is_counted

),

foreign_lines as (

    select
        vendor_id,
        contract_id,
        month_date,
        currency,
        contract_currency,
        count(*) as line_count,
        min(invoice_number) as invoice_number,
        min(month_date) over (partition by contract_id, currency) as first_foreign_date
    from lines
    where currency <> contract_currency
    group by vendor_id, contract_id, month_date, currency, contract_currency

)

select
    foreign_lines.vendor_id,
    foreign_lines.month_date,
    cast(null as text) as currency,
    format(
        '%s invoice lines are in %s, such as of %s; %s was only billed in %s before', foreign_lines.line_count,
        foreign_lines.currency, foreign_lines.invoice_number, foreign_lines.contract_id,
        foreign_lines.contract_currency
    ) as reason
from foreign_lines
where
    foreign_lines.month_date = foreign_lines.first_foreign_date
    and (
        select count(distinct earlier.month_date) from lines as earlier
        where earlier.contract_id = foreign_lines.contract_id and earlier.month_date < foreign_lines.month_date
    ) >= 3
