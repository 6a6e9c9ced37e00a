with months as (

    select * from {{ ref('contract_months') }}
    where is_complete

),

vendors as (

    select * from {{ source('reference', 'vendors') }}

),

clocks as (

    select * from {{ ref('fct_ticket_clocks') }}

),

availability as (

    select * from {{ ref('fct_availability_months') }}

),

milestones as (

    select * from {{ ref('fct_milestones') }}

),

indicator_months as (

    select * from {{ ref('fct_indicator_months') }}

),

invoice_lines as (

    select * from {{ ref('fct_invoice_lines') }}

),

penalty_lines as (

    select * from {{ ref('fct_penalty_lines') }}

),

spine as (

    select distinct
        months.vendor_id,
        months.contract_id,
        months.contract_version_id,
        months.month_date,
        months.currency
    from months

),

billed as (

    -- A bill in another currency than its contract's makes a month of its own: no sum mixes currencies.
    select distinct
        spine.vendor_id,
        spine.contract_id,
        spine.contract_version_id,
        spine.month_date,
        invoice_lines.currency
    from spine
    inner join invoice_lines
        on
            spine.contract_id = invoice_lines.contract_id
            and spine.month_date = invoice_lines.month_date
            and spine.currency <> invoice_lines.currency
    where invoice_lines.is_counted

),

covered as (

    select * from spine
    union
    select * from billed

),

keys as (

    select distinct
        vendor_id,
        month_date,
        currency
    from covered

),

versions as (

    select
        vendor_id,
        month_date,
        currency,
        string_agg(contract_version_id, ',' order by contract_version_id) as contract_version_ids
    from covered
    group by vendor_id, month_date, currency

),

clock_counts as (

    select
        spine.vendor_id,
        spine.month_date,
        spine.currency,
        count(*) as clock_count,
        count(*) filter (where clocks.outcome = 'met') as met_count,
        count(*) filter (where clocks.outcome = 'breached') as breached_count,
        count(*) filter (where clocks.outcome = 'running') as running_count,
        count(*) filter (where clocks.outcome = 'excluded') as excluded_count,
        count(*) filter (where clocks.outcome = 'met' and clocks.aggregation = 'each') as each_met_count,
        count(*) filter (where clocks.outcome = 'breached' and clocks.aggregation = 'each') as each_breached_count,
        sum(clocks.business_us) as business_us
    from spine
    inner join clocks
        on spine.contract_version_id = clocks.contract_version_id and spine.month_date = clocks.month_date
    group by spine.vendor_id, spine.month_date, spine.currency

),

availability_sums as (

    select
        spine.vendor_id,
        spine.month_date,
        spine.currency,
        sum(availability.downtime_us) as downtime_us,
        sum(availability.in_scope_us) as in_scope_us,
        sum(availability.unknown_seconds) as unknown_seconds,
        sum(availability.maintenance_seconds) as maintenance_seconds,
        sum(availability.month_seconds) as month_seconds,
        round(avg(availability.vendor_reported_pct), 6) as vendor_reported_pct,
        count(*) filter (where availability.outcome = 'met') as met_count,
        count(*) filter (where availability.outcome = 'breached') as breached_count
    from spine
    inner join availability
        on
            spine.contract_version_id = availability.contract_version_id
            and spine.month_date = availability.month_date
    group by spine.vendor_id, spine.month_date, spine.currency

),

milestone_counts as (

    select
        spine.vendor_id,
        spine.month_date,
        spine.currency,
        count(*) as due_count,
        count(*) filter (where milestones.outcome = 'breached') as late_count,
        count(*) filter (where milestones.outcome = 'met') as met_count,
        count(*) filter (where milestones.outcome = 'met' and milestones.aggregation = 'each') as each_met_count,
        count(*) filter (where milestones.outcome = 'breached' and milestones.aggregation = 'each') as each_late_count
    from spine
    inner join milestones
        on spine.contract_version_id = milestones.contract_version_id and spine.month_date = milestones.month_date
    group by spine.vendor_id, spine.month_date, spine.currency

),

indicator_counts as (

    select
        spine.vendor_id,
        spine.month_date,
        spine.currency,
        count(*) filter (where indicator_months.outcome = 'met') as met_count,
        count(*) filter (where indicator_months.outcome = 'breached') as breached_count
    from spine
    inner join indicator_months
        on
            spine.contract_version_id = indicator_months.contract_version_id
            and spine.month_date = indicator_months.month_date
    group by spine.vendor_id, spine.month_date, spine.currency

),

invoice_sums as (

    select
        vendor_id,
        month_date,
        currency,
        sum(net_amount) as invoiced_amount,
        count(distinct document_id) as invoice_count
    from invoice_lines
    where is_counted
    group by vendor_id, month_date, currency

),

penalty_sums as (

    select
        vendor_id,
        month_date,
        currency,
        count(*) as penalty_line_count,
        sum(credit_amount) as credit_amount,
        count(*) filter (where credit_amount is null) as unpriced_count
    from penalty_lines
    group by vendor_id, month_date, currency

),

joined as (

    select
        keys.vendor_id,
        keys.month_date,
        keys.currency,
        vendors.vendor_name,
        versions.contract_version_ids,
        cast(coalesce(clock_counts.clock_count, 0) as integer) as ticket_clock_count,
        cast(coalesce(clock_counts.met_count, 0) as integer) as ticket_met_count,
        cast(coalesce(clock_counts.breached_count, 0) as integer) as ticket_breached_count,
        cast(coalesce(clock_counts.running_count, 0) as integer) as ticket_running_count,
        cast(coalesce(clock_counts.excluded_count, 0) as integer) as ticket_excluded_count,
        cast(clock_counts.business_us / 1000000.0 as numeric) as ticket_business_seconds,
        cast(availability_sums.month_seconds as numeric) as month_seconds,
        cast(availability_sums.in_scope_us / 1000000.0 as numeric) as in_scope_seconds,
        cast(availability_sums.downtime_us / 1000000.0 as numeric) as downtime_seconds,
        cast(availability_sums.unknown_seconds as numeric) as unknown_seconds,
        cast(availability_sums.maintenance_seconds as numeric) as maintenance_seconds,
        round(100 * (1 - availability_sums.downtime_us / nullif(availability_sums.in_scope_us, 0)), 6)
            as availability_pct,
        cast(availability_sums.vendor_reported_pct as numeric) as vendor_reported_pct,
        round(
            100 * (
                1 - availability_sums.unknown_seconds
                / nullif(availability_sums.month_seconds - availability_sums.maintenance_seconds, 0)
            ),
            6
        ) as coverage_pct,
        cast(coalesce(milestone_counts.due_count, 0) as integer) as milestone_due_count,
        cast(coalesce(milestone_counts.late_count, 0) as integer) as milestone_late_count,
        cast(
            coalesce(clock_counts.each_met_count, 0) + coalesce(clock_counts.each_breached_count, 0)
            + coalesce(availability_sums.met_count, 0) + coalesce(availability_sums.breached_count, 0)
            + coalesce(indicator_counts.met_count, 0) + coalesce(indicator_counts.breached_count, 0)
            + coalesce(milestone_counts.each_met_count, 0) + coalesce(milestone_counts.each_late_count, 0) as integer
        ) as sla_judged_count,
        cast(
            coalesce(clock_counts.each_met_count, 0) + coalesce(availability_sums.met_count, 0)
            + coalesce(indicator_counts.met_count, 0) + coalesce(milestone_counts.each_met_count, 0) as integer
        ) as sla_met_count,
        cast(coalesce(invoice_sums.invoice_count, 0) as integer) as invoice_count,
        cast(invoice_sums.invoiced_amount as numeric) as invoiced_amount,
        cast(coalesce(penalty_sums.penalty_line_count, 0) as integer) as penalty_line_count,
        cast(coalesce(penalty_sums.unpriced_count, 0) as integer) as unpriced_penalty_count,
        cast(coalesce(penalty_sums.credit_amount, 0) as numeric) as credit_amount
    from keys
    inner join vendors on keys.vendor_id = vendors.vendor_id
    inner join versions
        on keys.vendor_id = versions.vendor_id
            and keys.month_date = versions.month_date
            and keys.currency = versions.currency
    left join clock_counts
        on keys.vendor_id = clock_counts.vendor_id
            and keys.month_date = clock_counts.month_date
            and keys.currency = clock_counts.currency
    left join availability_sums
        on keys.vendor_id = availability_sums.vendor_id
            and keys.month_date = availability_sums.month_date
            and keys.currency = availability_sums.currency
    left join indicator_counts
        on keys.vendor_id = indicator_counts.vendor_id
            and keys.month_date = indicator_counts.month_date
            and keys.currency = indicator_counts.currency
    left join milestone_counts
        on keys.vendor_id = milestone_counts.vendor_id
            and keys.month_date = milestone_counts.month_date
            and keys.currency = milestone_counts.currency
    left join invoice_sums
        on keys.vendor_id = invoice_sums.vendor_id
            and keys.month_date = invoice_sums.month_date
            and keys.currency = invoice_sums.currency
    left join penalty_sums
        on keys.vendor_id = penalty_sums.vendor_id
            and keys.month_date = penalty_sums.month_date
            and keys.currency = penalty_sums.currency

),

rated as (

    select
        *,
        round(100.0 * sla_met_count / nullif(sla_judged_count, 0), 4) as sla_met_pct
    from joined

)

select * from rated
