-- A month's credit is what its penalty lines add up to: finance books the lines, management reads the month.
with added as (

    select
        vendor_id,
        month_date,
        currency,
        count(*) as line_count,
        coalesce(sum(credit_amount), 0) as credit_amount
    from penalties.fct_penalty_lines
    where is_complete
    group by vendor_id, month_date, currency

)

select
    coalesce(shown.vendor_id, added.vendor_id) as vendor_id,
    coalesce(shown.month_date, added.month_date) as month_date,
    coalesce(shown.currency, added.currency) as currency,
    format(
        'its %s penalty lines add up to %s %s, the month says %s',
        coalesce(added.line_count, 0), coalesce(added.credit_amount, 0),
        coalesce(shown.currency, added.currency), coalesce(shown.credit_amount, 0)
    ) as reason
from candidate.mart_vendor_month as shown
full outer join added
    on
        shown.vendor_id = added.vendor_id
        and shown.month_date = added.month_date
        and shown.currency = added.currency
where coalesce(shown.credit_amount, 0) <> coalesce(added.credit_amount, 0)
