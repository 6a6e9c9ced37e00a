-- A record of a service that no contract knows counts for nobody. Where it never happened before, a service was renamed
-- or mistyped; where it is usual (a desk that serves others too), or fewer than three months are told of, nothing is said.
with terms as (

    select * from intermediate.service_terms

),

kinds as (

    select distinct
        vendor_id,
        source_name,
        timezone,
        case key_kind when 'ticket' then 'tickets' when 'release' then 'releases' else 'invoice lines' end as record_kind
    from terms
    where key_kind in ('ticket', 'release', 'invoice_line')

),

records as (

    select
        kinds.vendor_id,
        kinds.source_name,
        kinds.record_kind,
        cast(date_trunc('month', to_timestamp(tickets.opened_us / 1000000.0) at time zone kinds.timezone) as date)
            as month_date,
        coalesce(tickets.service_key, '') as service_key,
        (tickets.source_name, tickets.service_key) in (
            select source_name, key_value from terms where key_kind = 'ticket'
        ) as is_claimed
    from kinds
    inner join intermediate.int_tickets as tickets
        on kinds.source_name = tickets.source_name and kinds.record_kind = 'tickets'
    union all
    select
        kinds.vendor_id,
        kinds.source_name,
        kinds.record_kind,
        cast(date_trunc('month', to_timestamp(releases.due_us / 1000000.0) at time zone kinds.timezone) as date)
            as month_date,
        coalesce(releases.service_key, '') as service_key,
        (releases.source_name, releases.service_key) in (
            select source_name, key_value from terms where key_kind = 'release'
        ) as is_claimed
    from kinds
    inner join intermediate.int_releases as releases
        on kinds.source_name = releases.source_name and kinds.record_kind = 'releases'
    union all
    select
        kinds.vendor_id,
        kinds.source_name,
        kinds.record_kind,
        lines.month_date,
        coalesce(lines.item_key, '') as service_key,
        lines.service_id is not null as is_claimed
    from kinds
    inner join facts.fct_invoice_lines as lines
        on kinds.source_name = lines.source_name and kinds.record_kind = 'invoice lines'
    where lines.is_counted and lines.line_kind = 'line'

),

counted as (

    select
        vendor_id,
        source_name,
        record_kind,
        month_date,
        count(*) filter (where is_claimed is not true) as unclaimed_count,
        min(service_key) filter (where is_claimed is not true) as service_key
    from records
    group by vendor_id, source_name, record_kind, month_date

),

followed as (

    select
        *,
        count(*) over earlier as month_count,
        sum(unclaimed_count) over earlier as usual_count
    from counted
    window earlier as (
        partition by vendor_id, source_name, record_kind
        order by month_date
        rows between unbounded preceding and 1 preceding
    )

)

select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format(
        '%s: %s %s in %s are of a service that no contract names, such as %L; there were none before',
        source_name, unclaimed_count, record_kind, to_char(month_date, 'YYYY-MM'), service_key
    ) as reason
from followed
where unclaimed_count > 0 and month_count >= 3 and usual_count = 0
