create or replace view vendor_portal.publications with (security_barrier) as
select
    judged.vendor_id,
    judged.month_date,
    judged.currency,
    judged.as_of,
    judged.verdict,
    judged.reason,
    judged.version_id,
    judged.recorded_at
from mart.publication_log as judged
where judged.vendor_id = (
    select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
)
-- A blocked run changed nothing, and its reasons name checks over all vendors' rows.
and judged.verdict <> 'blocked';
comment on view vendor_portal.publications is
'One row per run, month and currency of the vendor who asks: what was decided about the month, and why. Runs that published nothing for anybody are left out.';
