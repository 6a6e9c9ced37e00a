create or replace view vendor_portal.months with (security_barrier) as
select
    months.vendor_id,
    months.vendor_name,
    months.month_date,
    months.currency,
    months.contract_version_ids,
    months.ticket_clock_count,
    months.ticket_met_count,
    months.ticket_breached_count,
    months.ticket_running_count,
    months.ticket_excluded_count,
    months.ticket_business_seconds,
    months.month_seconds,
    months.in_scope_seconds,
    months.downtime_seconds,
    months.unknown_seconds,
    months.maintenance_seconds,
    months.availability_pct,
    months.vendor_reported_pct,
    months.coverage_pct,
    months.milestone_due_count,
    months.milestone_late_count,
    months.sla_judged_count,
    months.sla_met_count,
    months.sla_met_pct,
    months.invoice_count,
    months.invoiced_amount,
    months.penalty_line_count,
    months.credit_amount,
    closed.vendor_id is not null as is_closed,
    closed.as_of as closed_at
from mart.mart_vendor_month as months
left join ledger.closed_months as closed
    on months.vendor_id = closed.vendor_id
        and months.month_date = closed.month_date
        and months.currency = closed.currency
where months.vendor_id = (
    select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
);
comment on view vendor_portal.months is
'One row per month and currency of the vendor who asks: what was delivered and what is owed, and whether the month is closed.';
