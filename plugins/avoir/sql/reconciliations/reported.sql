-- What the vendor says of itself, where it says otherwise than what was measured. A note: it must be seen, and must not
-- be a way to hold a month.
select
    vendor_id,
    month_date,
    cast(null as text) as currency,
    format(
        '%s: %s min down were measured, the vendor reports %s min, planned work included', service_id, round(downtime_seconds / 60),
        round(reported_downtime_seconds / 60)
    ) as reason
from facts.fct_availability_months
where is_complete and abs(reported_difference_seconds) > 60 * :reported_minutes
