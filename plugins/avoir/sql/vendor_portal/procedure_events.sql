create or replace view vendor_portal.procedure_events with (security_barrier) as
with numbered as (
    select
        entries.entry_no,
        row_number() over (order by entries.entry_no) as vendor_entry_no
    from ledger.entries
    where entries.vendor_id = (
        select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
    )
)

select
    events.vendor_id,
    events.contract_id,
    events.posted_month_date,
    numbered.vendor_entry_no,
    events.state,
    events.decided_on,
    events.document
from ledger.procedure_events as events
left join numbered on events.entry_no = numbered.entry_no
where events.vendor_id = (
    select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
);
comment on view vendor_portal.procedure_events is
'One row per step of the procedure of what was posted for a contract of the vendor who asks in a month, or of one posting of it.';
