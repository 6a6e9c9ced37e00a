-- Which vendor a role is. A policy looks it up here once per statement; nothing reads it out of a role's name.
create table if not exists access.vendor_roles (
    role_name name primary key,
    vendor_id text not null unique
);
comment on table access.vendor_roles is
'One row per role of a vendor: the vendor whose rows it may see. A role without a row here sees none.';
alter table access.vendor_roles enable row level security;
do $$
begin
    if not exists (
        select from pg_policies where schemaname = 'access' and tablename = 'vendor_roles' and policyname = 'own_row'
    ) then
        create policy own_row on access.vendor_roles for select to public using (role_name = current_user);
        create policy auditor_sees_all on access.vendor_roles for select to auditor using (true);
    end if;
end $$;
revoke all on access.vendor_roles from public;
grant select on access.vendor_roles to avoir_vendors, avoir_transformer, auditor;
-- The transformer writes the policies and views that name the table.
grant usage on schema access to avoir_transformer;

-- What a vendor asks of the ledger begins with its own id.
create index if not exists entries_vendor on ledger.entries (vendor_id, entry_no);

-- What PUBLIC may do on a new database and no reader should. An advisory lock held by a reader would stop the
-- loads, the publication and the close; large objects and messages to the WAL fill the disk.
-- Only a superuser owns these functions; on a managed server they stay as the provider made them.
do $$
declare
    open_function regprocedure;
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        return;
    end if;
    for open_function in
        select oid from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
            and (
                proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
                or proname in (
                    'lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lo_open', 'lowrite', 'lo_import', 'lo_unlink',
                    'lo_truncate', 'lo_truncate64', 'pg_logical_emit_message'
                )
            )
            and has_function_privilege('public', oid, 'execute')
    loop
        execute format('revoke execute on function %s from public', open_function);
        if open_function::text ~ 'advisory' then
            execute format('grant execute on function %s to avoir_loader, avoir_transformer', open_function);
        end if;
    end loop;
end $$;
revoke execute on all functions in schema ledger, finance, audit from public;
