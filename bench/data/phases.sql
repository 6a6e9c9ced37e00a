{%- from "drawing.sql" import dice, up_to -%}
-- In order of time, as tickets land: clocks of a minute to a fortnight, most of them short, two of three with one to six
-- pauses; targets of 1 to 40 hours.
create unlogged table intermediate.int_clock_phases as
select
    md5('phase' || drawn.nth) as phase_id,
    md5('clock' || drawn.nth) as clock_id,
    calendars.calendar_id,
    drawn.counted_from_us,
    drawn.counted_from_us + drawn.length_us as phase_to_us,
    cast(1 + floor({{ dice('drawn.nth', 5) }} * 40) as bigint) * 3600000000 as target_us,
    case
        when drawn.kind < 0.35 then 0
        when drawn.kind < 0.75 then 1
        when drawn.kind < 0.88 then 2
        else 3 + cast(floor({{ dice('drawn.nth', 7) }} * 4) as integer)
    end as pause_count
from (
    select
        nth,
        cast(floor({{ dice('nth', 1) }} * {{ calendars }}) as integer) as calendar_no,
        {{ from_us }} + (nth - 1) * {{ span_us // rows }} + {{ up_to(span_us // rows, 'nth', 2) }} as counted_from_us,
        60000000 + cast({{ dice('nth', 3) }} * {{ dice('nth', 6) }} * 14 * 86400e6 as bigint) as length_us,
        {{ dice('nth', 4) }} as kind
    from generate_series(1::bigint, {{ rows }}::bigint) as nth
) as drawn
inner join bench.calendars on drawn.calendar_no = calendars.calendar_no
order by drawn.nth;

create unlogged table intermediate.int_clock_pauses as
select
    clock_id,
    pause_no,
    counted_from_us + (phase_to_us - counted_from_us) * (2 * pause_no - 1) / (2 * pause_count + 1) as paused_from_us,
    counted_from_us + (phase_to_us - counted_from_us) * 2 * pause_no / (2 * pause_count + 1) as paused_to_us
from intermediate.int_clock_phases, generate_series(1, pause_count) as pause_no
