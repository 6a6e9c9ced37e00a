-- A change of a ticket that never came, or from before it was opened, is half a story: the ticket was lost on the way,
-- or a clock is wrong. Asked of the months that can still be published.
with sources as (

    select distinct
        vendor_id,
        source_name,
        timezone
    from intermediate.service_terms
    where key_kind = 'ticket'

),

bounds as (

    select min(extract(epoch from cast(shown.month_date as timestamp) at time zone 'UTC') - 86400) * 1000000 as from_us
    from candidate.mart_vendor_month as shown
    where not exists (
        select 1 from ledger.closed_months as closed
        where
            closed.vendor_id = shown.vendor_id
            and closed.month_date = shown.month_date
            and closed.currency = shown.currency
    )

),

orphans as (

    select
        split_part(events.ticket_id, ':', 1) as source_name,
        events.ticket_id,
        events.event_us as told_us,
        true as is_orphan
    from intermediate.int_ticket_events as events
    left join intermediate.int_tickets as tickets on events.ticket_id = tickets.ticket_id
    where events.event_us >= (select cast(from_us as bigint) from bounds) and tickets.ticket_id is null

),

early as (

    select
        tickets.source_name,
        tickets.ticket_id,
        tickets.opened_us as told_us,
        false as is_orphan
    from intermediate.int_tickets as tickets
    inner join intermediate.int_ticket_events as events on tickets.ticket_id = events.ticket_id
    where
        tickets.opened_us >= (select cast(from_us as bigint) from bounds)
        and events.event_us < tickets.opened_us

),

events as (

    select * from orphans
    union all
    select * from early

),

dated as (

    select
        sources.vendor_id,
        sources.source_name,
        cast(date_trunc('month', to_timestamp(events.told_us / 1000000.0) at time zone sources.timezone) as date)
            as month_date,
        events.is_orphan,
        events.ticket_id
    from events
    inner join sources on events.source_name = sources.source_name

)

select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format(
        '%s: %s changes in %s are %s, such as of %s', source_name, count(*), to_char(month_date, 'YYYY-MM'),
        case when is_orphan then 'of tickets that never came' else 'from before their ticket was opened' end,
        min(ticket_id)
    ) as reason
from dated
group by vendor_id, source_name, month_date, is_orphan
