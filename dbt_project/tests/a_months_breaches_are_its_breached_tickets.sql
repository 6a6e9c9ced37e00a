-- A month's figures on the scorecard must equal the tickets counted one by one. Any row is a disagreement.
with counted as (

    select
        clocks.vendor_id,
        clocks.month_date,
        terms.currency,
        count(*) as clock_count,
        sum(case when clocks.outcome = 'breached' then 1 else 0 end) as breached_count
    from {{ ref('fct_ticket_clocks') }} as clocks
    inner join {{ ref('contract_terms') }} as terms on clocks.contract_version_id = terms.contract_version_id
    group by clocks.vendor_id, clocks.month_date, terms.currency

)

select
    scorecard.vendor_id,
    scorecard.month_date,
    scorecard.currency,
    scorecard.ticket_clock_count,
    counted.clock_count,
    scorecard.ticket_breached_count,
    counted.breached_count
from {{ ref('mart_vendor_month') }} as scorecard
left join counted
    on
        scorecard.vendor_id = counted.vendor_id
        and scorecard.month_date = counted.month_date
        and scorecard.currency = counted.currency
where
    scorecard.ticket_clock_count <> coalesce(counted.clock_count, 0)
    or scorecard.ticket_breached_count <> coalesce(counted.breached_count, 0)
