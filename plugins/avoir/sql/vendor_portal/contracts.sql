create or replace view vendor_portal.contracts with (security_barrier) as
select
    contracts.contract_version_id,
    contracts.contract_id,
    contracts.contract_name,
    contracts.vendor_id,
    contracts.version_no,
    contracts.valid_from_date,
    contracts.valid_to_date,
    contracts.timezone,
    contracts.currency,
    contracts.document_sha256
from mart.dim_contracts as contracts
where contracts.vendor_id = (
    select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
);
comment on view vendor_portal.contracts is 'One row per version of a contract of the vendor who asks.';
