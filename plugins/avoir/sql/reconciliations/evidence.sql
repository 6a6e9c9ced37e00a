-- A credit that leads back to no record of the vendor's cannot be defended. Where unknown time counts as down, silence
-- is the evidence: there no sample is asked for.
with lines as (

    select * from penalties.fct_penalty_lines
    where credit_amount is not null

),

clocks as (

    select * from facts.fct_ticket_clocks

),

tickets as (

    select * from intermediate.int_tickets

),

staged_tickets as (

    {staged_tickets}

),

log_events as (

    select * from staging.stg_incident_log__events

),

milestones as (

    select * from facts.fct_milestones

),

releases as (

    {staged_releases}

),

periods as (

    select * from intermediate.contract_months

),

keys as (

    select * from intermediate.service_terms
    where key_kind = 'monitor'

),

clauses as (

    select * from intermediate.current_clauses

),

intervals as (

    select * from intermediate.int_probe_intervals

),

invoice_lines as (

    select * from facts.fct_invoice_lines
    where is_counted

),

judged_tickets as (

    select
        lines.penalty_line_id,
        clocks.ticket_id
    from lines
    inner join clocks on lines.event_id = clocks.clock_id
    where lines.indicator = 'clock'
    union all
    select
        lines.penalty_line_id,
        clocks.ticket_id
    from lines
    inner join clocks
        on
            lines.contract_id = clocks.contract_id
            and lines.origin_month_date = clocks.month_date
            and lines.contract_version_id = clocks.contract_version_id
            and lines.clause_id = clocks.clause_id
            and clocks.aggregation <> 'each'
    where lines.indicator = 'clock'

),

led_to_tickets as (

    select distinct judged_tickets.penalty_line_id
    from judged_tickets
    inner join tickets on judged_tickets.ticket_id = tickets.ticket_id
    where
        exists (
            select 1 from staged_tickets
            where
                tickets.source_name = staged_tickets.source_name
                and tickets.ticket_key = staged_tickets.ticket_key
        )
        or exists (
            select 1 from log_events
            where tickets.source_name = log_events.source_name and tickets.ticket_key = log_events.ticket_key
        )

),

judged_releases as (

    select
        lines.penalty_line_id,
        milestones.release_id
    from lines
    inner join milestones on lines.event_id = milestones.milestone_id
    where lines.indicator = 'milestone'
    union all
    select
        lines.penalty_line_id,
        milestones.release_id
    from lines
    inner join milestones
        on
            lines.contract_version_id = milestones.contract_version_id
            and lines.clause_id = milestones.clause_id
            and lines.origin_month_date = milestones.month_date
            and milestones.aggregation <> 'each'
    where lines.indicator = 'milestone'

),

led_to_releases as (

    select distinct judged_releases.penalty_line_id
    from judged_releases
    inner join releases on judged_releases.release_id = releases.source_name || ':' || releases.release_key

),

led_to_samples as (

    -- An interval is made of a sample: one that holds into the period, or lies in it.
    select distinct lines.penalty_line_id
    from lines
    inner join periods
        on lines.contract_version_id = periods.contract_version_id and lines.origin_month_date = periods.month_date
    inner join keys on lines.contract_version_id = keys.contract_version_id and lines.service_id = keys.service_id
    inner join intervals
        on
            keys.source_name = intervals.source_name
            and keys.key_value = intervals.monitor
            and periods.period_to_us > intervals.from_us
            and (intervals.to_us is null or periods.period_from_us < intervals.to_us)
    where lines.indicator = 'availability'

),

led_to_invoices as (

    select distinct lines.penalty_line_id
    from lines
    inner join invoice_lines
        on
            lines.contract_id = invoice_lines.contract_id
            and lines.origin_month_date = invoice_lines.month_date
            and lines.currency = invoice_lines.currency
            and (lines.base_kind = 'month_invoice' or lines.service_id = invoice_lines.service_id)
    where lines.base_kind in ('month_invoice', 'service_lines')

),

lacking as (

    select
        lines.penalty_line_id,
        'ticket' as lacks
    from lines
    left join led_to_tickets on lines.penalty_line_id = led_to_tickets.penalty_line_id
    where lines.indicator = 'clock' and led_to_tickets.penalty_line_id is null
    union all
    select
        lines.penalty_line_id,
        'release' as lacks
    from lines
    left join led_to_releases on lines.penalty_line_id = led_to_releases.penalty_line_id
    where lines.indicator = 'milestone' and led_to_releases.penalty_line_id is null
    union all
    select
        lines.penalty_line_id,
        'sample' as lacks
    from lines
    inner join clauses
        on lines.contract_version_id = clauses.contract_version_id and lines.clause_id = clauses.clause_id
    left join led_to_samples on lines.penalty_line_id = led_to_samples.penalty_line_id
    where
        lines.indicator = 'availability'
        and clauses.unknown_policy <> 'down'
        and clauses.reporting_period = 'month'
        and led_to_samples.penalty_line_id is null
    union all
    select
        lines.penalty_line_id,
        'invoice line' as lacks
    from lines
    left join led_to_invoices on lines.penalty_line_id = led_to_invoices.penalty_line_id
    where lines.base_kind in ('month_invoice', 'service_lines') and led_to_invoices.penalty_line_id is null

)

select
    lines.vendor_id,
    lines.month_date,
    lines.currency,
    format(
        '%s penalty lines of %s rest on no %s that landed', count(*), string_agg(distinct lines.clause_id, ', '),
        lacking.lacks
    ) as reason
from lacking
inner join lines on lacking.penalty_line_id = lines.penalty_line_id
group by lines.vendor_id, lines.month_date, lines.currency, lacking.lacks
