-- A record of a service that no contract knows counts for nobody. Where that never happened in at least three months
-- before, a service was renamed or mistyped; where it is usual (a desk that serves others too), nothing is said.
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
        'ticket' as key_kind,
        coalesce(tickets.service_key, '') as service_key
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
        'release' as key_kind,
        coalesce(releases.service_key, '') as service_key
    from kinds
    inner join intermediate.int_releases as releases
        on kinds.source_name = releases.source_name and kinds.record_kind = 'releases'
    union all
    select
        kinds.vendor_id,
        kinds.source_name,
        kinds.record_kind,
        lines.month_date,
        'invoice_line' as key_kind,
        coalesce(lines.item_key, '') as service_key
    from kinds
    inner join facts.fct_invoice_lines as lines
        on kinds.source_name = lines.source_name and kinds.record_kind = 'invoice lines'
    where lines.is_counted and lines.line_kind = 'line'

),

claimed as (

    select
        records.*,
        keys.source_name is not null as is_claimed
    from records
    left join (select distinct source_name, key_kind, key_value from terms) as keys
        on
            records.source_name = keys.source_name
            and records.key_kind = keys.key_kind
            and records.service_key = keys.key_value

),

counted as (

    select
        vendor_id,
        source_name,
        record_kind,
        month_date,
        count(*) filter (where not is_claimed) as unclaimed_count,
        min(service_key) filter (where not is_claimed) as service_key
    from claimed
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
