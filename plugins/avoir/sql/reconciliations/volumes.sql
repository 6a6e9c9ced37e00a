-- How much a source told of a vendor's month, against the median of up to six months before it. Less is what an answer
-- that was cut off looks like, more what a table read twice does. With fewer than three months before, or so little in
-- them that chance does as much, nothing is said. A month that is closed is no longer judged, but is history.
with spine as (

    select distinct
        months.vendor_id,
        months.month_date,
        terms.source_name,
        kinds.record_kind
    from intermediate.contract_months as months
    inner join intermediate.service_terms as terms on months.contract_version_id = terms.contract_version_id
    inner join (
        values
        ('ticket', 'tickets'), ('ticket', 'changes of tickets'), ('ticket', 'comments on tickets'),
        ('monitor', 'probes'), ('invoice_line', 'invoice lines'), ('invoice_seller', 'invoice lines')
    ) as kinds (key_kind, record_kind) on terms.key_kind = kinds.key_kind
    where months.is_complete

),

opened as (

    select spine.*
    from spine
    where not exists (
        select 1 from ledger.closed_months as closed
        where closed.vendor_id = spine.vendor_id and closed.month_date = spine.month_date
    )

),

tickets as (

    select
        vendor_id,
        source_name,
        month_date,
        count(distinct ticket_id) as record_count
    from facts.fct_ticket_clocks
    where month_date >= (select min(month_date) - interval '6 months' from opened)
    group by vendor_id, source_name, month_date

),

told as (

    -- Without a clock there is nothing to tell of; what a ticket was opened with is no change.
    select
        split_part(events.ticket_id, ':', 1) as source_name,
        cast(date_trunc('month', to_timestamp(events.event_us / 1000000.0) at time zone 'UTC') as date) as month_date,
        case when events.tie_rank = 3 then 'changes of tickets' else 'comments on tickets' end as record_kind,
        count(*) as record_count
    from intermediate.int_ticket_events as events
    where
        events.tie_rank in (2, 3, 4)
        and events.event_us >= (
            select cast(extract(epoch from min(month_date) - interval '6 months') * 1000000 as bigint) from opened
        )
    group by 1, 2, 3

),

events as (

    select
        spine.vendor_id,
        told.source_name,
        told.month_date,
        told.record_count,
        told.record_kind
    from (select distinct vendor_id, source_name, record_kind from spine) as spine
    inner join told on spine.source_name = told.source_name and spine.record_kind = told.record_kind

),

monitors as (

    select distinct
        vendor_id,
        source_name,
        key_value as monitor
    from intermediate.service_terms
    where key_kind = 'monitor'

),

sampled as (

    -- By UTC months: a few hours at either end do not change whether a month is like others. How many states a monitor
    -- told of says how often they changed, and not whether it told of all.
    select
        source_name,
        monitor,
        cast(date_trunc('month', sampled_at at time zone 'UTC') as date) as month_date,
        count(*) as record_count
    from intermediate.int_probe_samples
    where
        sampled_at >= (
            select cast(min(month_date) - interval '6 months' as timestamp) at time zone 'UTC' from opened
            where record_kind = 'probes'
        )
        and stated_to_us is null
    group by 1, 2, 3

),

probes as (

    select
        monitors.vendor_id,
        monitors.source_name,
        sampled.month_date,
        sum(sampled.record_count) as record_count
    from monitors
    inner join sampled on monitors.source_name = sampled.source_name and monitors.monitor = sampled.monitor
    group by monitors.vendor_id, monitors.source_name, sampled.month_date

),

billed as (

    -- In the contract's currency: a month billed in another one has none.
    select
        lines.vendor_id,
        lines.source_name,
        lines.month_date,
        count(*) as record_count
    from facts.fct_invoice_lines as lines
    inner join (
        select distinct contract_id, month_date, currency from intermediate.contract_months
    ) as months
        on
            lines.contract_id = months.contract_id
            and lines.month_date = months.month_date
            and lines.currency = months.currency
    where lines.is_counted and lines.line_kind in ('line', 'document')
    group by lines.vendor_id, lines.source_name, lines.month_date

),

counts as (

    select *, 'tickets' as record_kind from tickets
    union all
    select * from events
    union all
    select *, 'probes' as record_kind from probes
    union all
    select *, 'invoice lines' as record_kind from billed

),

filled as (

    select
        spine.*,
        coalesce(counts.record_count, 0) as record_count
    from spine
    left join counts
        on
            spine.vendor_id = counts.vendor_id
            and spine.source_name = counts.source_name
            and spine.month_date = counts.month_date
            and spine.record_kind = counts.record_kind

),

compared as (

    select
        filled.vendor_id,
        filled.source_name,
        filled.month_date,
        filled.record_kind,
        filled.record_count,
        count(*) as month_count,
        cast(percentile_cont(0.5) within group (order by earlier.record_count) as numeric) as usual_count
    from filled
    inner join opened
        on
            filled.vendor_id = opened.vendor_id
            and filled.source_name = opened.source_name
            and filled.month_date = opened.month_date
            and filled.record_kind = opened.record_kind
    inner join filled as earlier
        on
            filled.vendor_id = earlier.vendor_id
            and filled.source_name = earlier.source_name
            and filled.record_kind = earlier.record_kind
            and filled.month_date > earlier.month_date
            and filled.month_date <= earlier.month_date + interval '6 months'
    group by
        filled.vendor_id, filled.source_name, filled.month_date, filled.record_kind, filled.record_count

)

select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format(
        '%s: %s %s in %s, %s were usual', source_name, record_count, record_kind, to_char(month_date, 'YYYY-MM'),
        round(usual_count)
    ) as reason
from compared
where
    month_count >= 3
    and usual_count >= case record_kind when 'probes' then 100 when 'invoice lines' then 2 else 10 end
    and (
        100 * record_count < :volume_drop_pct * usual_count
        or 100 * record_count > :volume_rise_pct * usual_count
    )
