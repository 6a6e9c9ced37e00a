{#- What a ServiceNow instance gives of the days from one up to another, in the order of its batches. -#}
{% macro metadata(us, row, key) -%}
    '{{ source }}', ({{ us }} - {{ epoch_us }}) / 86400000000 * 2, {{ row }}, md5({{ key }})
{%- endmacro %}
{%- set landed = '_source_name, _batch_id, _source_row, _row_hash' -%}
{%- from "drawing.sql" import instant -%}

insert into raw_servicenow.sys_audit (
    {{ landed }},
    sys_id, tablename, documentkey, fieldname, oldvalue, newvalue, user_name, record_checkpoint, sys_created_on
)
select
    {{ metadata('at_us', 'nth', 'sys_id || nth') }},
    sys_id || ':' || nth, table_name, sys_id, field, old, new, 'agent', nth, {{ instant('at_us') }}
from (
    select 'incident' as table_name, sys_id, at_us, field, old, new, nth from bench.changes
    union all
    select 'rm_release', sys_id, at_us, field, old, new, at_us / 60000000 % 1000000 from bench.release_changes
) as changes
where at_us >= {{ from_us }} and at_us < {{ to_us }}
order by at_us;

insert into raw_servicenow.sys_journal_field (
    {{ landed }},
    sys_id, name, element_id, element, value, sys_created_on, sys_created_by
)
select
    {{ metadata('at_us', '1', 'sys_id || at_us') }},
    sys_id || ':' || at_us, 'incident', sys_id, 'comments', 'Thank you for your message; we are looking into it.',
    {{ instant('at_us') }}, author
from (
    select sys_id, responded_us as at_us, 'agent' as author from bench.tickets
    union all
    select sys_id, responded_us + 30000000, 'caller' from bench.tickets where right(sys_id, 1) < '5'
) as comments
where at_us >= {{ from_us }} and at_us < {{ to_us }}
order by at_us;

-- A row for every day on which something happened to the ticket, as it stood at the end of the day.
insert into raw_servicenow.incident (
    {{ landed }},
    sys_id, number, sys_created_on, sys_updated_on, opened_at, state, hold_reason,
    priority, assignment_group, business_service, caller_id, opened_by, contact_type, short_description,
    resolved_at, closed_at, close_code, reopen_count, sys_mod_count
)
select
    {{ metadata('seen_us', '1', 'sys_id || seen_us') }},
    sys_id, number, {{ instant('opened_us') }}, {{ instant('seen_us') }}, {{ instant('opened_us') }},
    case
        when closed_us <= seen_us then '7'
        when resolved_us <= seen_us then '6'
        when held_from_us <= seen_us and held_to_us > seen_us then '3'
        when responded_us <= seen_us then '2'
        else '1'
    end,
    case when held_from_us <= seen_us and held_to_us > seen_us then '1' else '' end,
    priority, 'team', service_key, 'caller', 'caller', 'email', 'Something does not work as it should',
    case when resolved_us <= seen_us then {{ instant('resolved_us') }} else '' end,
    case when closed_us <= seen_us then {{ instant('closed_us') }} else '' end,
    '', '0', '1'
from (
    select tickets.*, ticket_days.utc_day * 86400000000 + 86399000000 as seen_us
    from bench.ticket_days inner join bench.tickets using (sys_id)
    where ticket_days.utc_day >= {{ from_us // 86400000000 }} and ticket_days.utc_day < {{ to_us // 86400000000 }}
) as seen
order by seen_us, opened_us;

insert into raw_servicenow.rm_release (
    {{ landed }},
    sys_id, number, short_description, business_service, start_date, end_date, approval, state, work_end,
    sys_created_on, sys_updated_on
)
select
    {{ metadata('seen_us', '1', 'sys_id || seen_us') }},
    sys_id, number, 'A release', service_key, {{ instant('created_us') }},
    {{ instant('first_due_us + case when replanned_us <= seen_us then 3 * 86400000000 else 0 end') }}, 'approved',
    case when delivered_us <= seen_us then '3' else '1' end,
    case when delivered_us <= seen_us then {{ instant('delivered_us') }} else '' end,
    {{ instant('created_us') }}, {{ instant('seen_us') }}
from bench.releases, unnest(array[created_us, replanned_us, delivered_us]) as seen_us
where seen_us >= {{ from_us }} and seen_us < {{ to_us }}
order by seen_us;

-- Planned work on a platform every day, announced a week before.
insert into raw_servicenow.cmdb_ci_outage (
    {{ landed }},
    sys_id, number, cmdb_ci, business_service, type, begin_at, end_at, sys_created_on, sys_updated_on
)
select
    {{ metadata('created_us', '1', "day_no || 'o'") }},
    'outage' || day_no, 'OUT' || day_no, '', 'platform-' || day_no % {{ contracts }} || '-' || day_no % {{ platforms }},
    'planned', {{ instant('created_us + 7 * 86400000000') }}, {{ instant('created_us + 7 * 86400000000 + 7200000000') }},
    {{ instant('created_us') }}, {{ instant('created_us') }}
from
    generate_series({{ first }}, {{ last }}) as day_no,
    cast({{ epoch_us }} + day_no * 86400000000 + 43200000000 as bigint) as created_us
