-- What the ledger holds of a month's closing is what the closing froze, entry by entry and to the cent.
with entries as (

    select
        vendor_id,
        month_date,
        currency,
        count(*) as entry_count,
        sum(amount) as amount
    from ledger.entries
    where posted_month_date = month_date
    group by vendor_id, month_date, currency

),

kept as (

    -- Rows with an @ were frozen later, by a restatement.
    select
        vendor_id,
        month_date,
        currency,
        coalesce(sum(cast(content ->> 'credit_amount' as numeric)) filter (where table_name = 'fct_penalty_lines'), 0)
            as lines_amount,
        coalesce(sum(cast(content ->> 'credit_amount' as numeric)) filter (where table_name = 'mart_vendor_month'), 0)
            as month_amount
    from ledger.frozen_rows
    where position('@' in row_id) = 0
    group by vendor_id, month_date, currency

)

select
    closed.vendor_id,
    closed.month_date,
    closed.currency,
    format(
        '%s %s: the ledger holds %s entries of %s %s, its closing kept %s entries, lines of %s and a month of %s',
        closed.vendor_id, to_char(closed.month_date, 'YYYY-MM'), coalesce(entries.entry_count, 0),
        coalesce(entries.amount, 0), closed.currency, closed.entry_count, coalesce(kept.lines_amount, 0),
        coalesce(kept.month_amount, 0)
    ) as reason
from ledger.closed_months as closed
left join entries
    on
        closed.vendor_id = entries.vendor_id
        and closed.month_date = entries.month_date
        and closed.currency = entries.currency
left join kept
    on
        closed.vendor_id = kept.vendor_id
        and closed.month_date = kept.month_date
        and closed.currency = kept.currency
where
    coalesce(entries.entry_count, 0) <> closed.entry_count
    or coalesce(entries.amount, 0) <> coalesce(kept.lines_amount, 0)
    or coalesce(entries.amount, 0) <> coalesce(kept.month_amount, 0)
