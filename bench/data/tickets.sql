{%- from "drawing.sql" import dice, instant, up_to -%}
-- The lives of tickets, before any of it lands. A response comes within six hours, mostly soon; half of the tickets are put
-- on hold for hours to a day; six of ten are resolved within eight hours of that, nine within three days, all within ten.
create unlogged table bench.tickets as
with numbered as (

    select
        day_no,
        cast(day_no as bigint) * 100000 + nth as key
    from generate_series({{ first }}, {{ last }}) as day_no, generate_series(1, {{ a_day }}) as nth

),

opened as (

    select
        key,
        'support-' || cast(floor({{ dice('key', 1) }} * {{ contracts }}) as integer)
        || '-' || cast(floor({{ dice('key', 2) }} * {{ supports }}) as integer) as service_key,
        {{ epoch_us }} + day_no * 86400000000 + {{ up_to(86400 * 10**6, 'key', 3) }} as opened_us
    from numbered

),

responded as (

    select
        *,
        opened_us + 60000000 + cast({{ dice('key', 4) }} * {{ dice('key', 5) }} * 6 * 3600e6 as bigint) as responded_us,
        {{ dice('key', 8) }} < 0.5 as is_held
    from opened

),

held as (

    select
        *,
        case when is_held then responded_us + 60000000 + {{ up_to(7200 * 10**6, 'key', 6) }} end as held_from_us,
        case when is_held then responded_us + 7300000000 + {{ up_to(86400 * 10**6, 'key', 7) }} end as held_to_us,
        case
            when {{ dice('key', 11) }} < 0.6 then 8
            when {{ dice('key', 11) }} < 0.9 then 72
            else 240
        end as most_hours
    from responded

),

resolved as (

    select
        *,
        coalesce(held_to_us, responded_us) + 60000000
        + cast({{ dice('key', 10) }} * most_hours * 3600e6 as bigint) as resolved_us
    from held

)

select
    md5('ticket' || key) as sys_id,
    'INC' || lpad(cast(key as text), 12, '0') as number,
    service_key,
    cast(1 + key % 4 as text) as priority,
    opened_us,
    responded_us,
    held_from_us,
    held_to_us,
    resolved_us,
    resolved_us + 86400000000 + {{ up_to(3 * 86400 * 10**6, 'key', 12) }} as closed_us
from resolved;

create unlogged table bench.changes as
with united as (

    select sys_id, responded_us as at_us, 'state' as field, '1' as old, '2' as new from bench.tickets
    union all
    select sys_id, held_from_us, 'state', '2', '3' from bench.tickets where held_from_us is not null
    union all
    select sys_id, held_from_us, 'hold_reason', '', '1' from bench.tickets where held_from_us is not null
    union all
    select sys_id, held_to_us, 'state', '3', '2' from bench.tickets where held_to_us is not null
    union all
    select sys_id, held_to_us, 'hold_reason', '1', '' from bench.tickets where held_to_us is not null
    union all
    select sys_id, resolved_us, 'state', '2', '6' from bench.tickets
    union all
    select sys_id, closed_us, 'state', '6', '7' from bench.tickets

)

select
    *,
    row_number() over (partition by sys_id order by at_us, field) as nth
from united;

create unlogged table bench.ticket_days as
select sys_id, at_us / 86400000000 as utc_day from bench.changes
union
select sys_id, opened_us / 86400000000 from bench.tickets;

-- Two releases a day, approved within the hour, due in twelve days, delivered two days early to four days late; the date
-- of one in five is moved by three days, a day after it was planned.
create unlogged table bench.releases as
select
    'release' || key as sys_id,
    'RLSE' || key as number,
    'releases-' || key % {{ contracts }} as service_key,
    created_us,
    created_us + 12 * 86400000000 as first_due_us,
    case when key % 5 = 0 then created_us + 86400000000 end as replanned_us,
    created_us + cast((10 + {{ dice('key', 21) }} * 6) * 86400e6 as bigint) as delivered_us
from (
    select
        day_no * 10 + nth as key,
        {{ epoch_us }} + day_no * 86400000000 + nth * 3600000000 as created_us
    from generate_series({{ first }}, {{ last }}) as day_no, generate_series(1::bigint, 2::bigint) as nth
) as drawn;

create unlogged table bench.release_changes as
select sys_id, created_us + 1800000000 as at_us, 'approval' as field, 'requested' as old, 'approved' as new from bench.releases
union all
select
    sys_id, replanned_us, 'end_date',
    {{ instant('first_due_us') }}, {{ instant('first_due_us + 3 * 86400000000') }}
from bench.releases where replanned_us is not null
union all
select sys_id, replanned_us + 1800000000, 'approval', 'requested', 'approved' from bench.releases
where replanned_us is not null;

analyze bench.tickets, bench.changes, bench.ticket_days, bench.releases, bench.release_changes
