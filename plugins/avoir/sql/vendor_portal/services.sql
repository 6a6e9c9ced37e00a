create or replace view vendor_portal.services with (security_barrier) as
select
    services.service_version_id,
    services.contract_version_id,
    services.contract_id,
    services.service_id,
    services.service_name,
    services.vendor_id,
    services.fee_kind,
    services.fee_amount,
    services.currency
from mart.dim_services as services
where services.vendor_id = (
    select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
);
comment on view vendor_portal.services is
'One row per service of a version of a contract of the vendor who asks.';
