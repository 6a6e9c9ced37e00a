{%- from "drawing.sql" import dice, up_to -%}
-- In order of time, as tickets land. Half of the intervals last up to four hours, four of ten up to two days, the others up to a fortnight.
create unlogged table bench.intervals as
select
    'TCK' || lpad(cast(drawn.nth as text), 9, '0') as interval_id,
    calendars.calendar_id,
    drawn.from_us,
    drawn.from_us + case
        when drawn.kind < 0.5 then 60000000 + {{ up_to(4 * 3600 * 10**6, 'drawn.nth', 4) }}
        when drawn.kind < 0.9 then 3600000000 + {{ up_to(47 * 3600 * 10**6, 'drawn.nth', 4) }}
        else 86400000000 + {{ up_to(13 * 86400 * 10**6, 'drawn.nth', 4) }}
    end as to_us
from (
    select
        nth,
        cast(floor({{ dice('nth', 1) }} * {{ calendars }}) as integer) as calendar_no,
        {{ from_us }} + (nth - 1) * {{ span_us // rows }} + {{ up_to(span_us // rows, 'nth', 2) }} as from_us,
        {{ dice('nth', 3) }} as kind
    from generate_series(1::bigint, {{ rows }}::bigint) as nth
) as drawn
inner join bench.calendars on drawn.calendar_no = calendars.calendar_no
order by drawn.nth
