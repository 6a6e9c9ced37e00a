{%- from "drawing.sql" import dice -%}
-- Probes at a fixed pace, batch by batch. A monitor fails for ten to forty minutes on three days of ten, half a per cent of its time, and
-- is not probed for half an hour to two hours on two days of a hundred.
insert into raw_prometheus.samples (_source_name, _batch_id, _source_row, monitor, sampled_at, value)
select
    '{{ source }}',
    days.day_no * 2 + 1,
    step,
    days.monitor,
    days.day_at + make_interval(secs => step * {{ pace_s }} + days.late_s),
    case when step * {{ pace_s }} >= days.fails_s and step * {{ pace_s }} < days.fails_s + days.failing_s then 0 else 1 end
from (
    select
        monitor,
        day_no,
        timestamptz '{{ epoch }} 00:00:00+00' + make_interval(days => day_no) as day_at,
        monitor_no % 50 + 0.25 as late_s,
        {{ dice('key', 2) }} * 80000 as fails_s,
        case when {{ dice('key', 1) }} < 0.3 then 600 + {{ dice('key', 3) }} * 1800 else 0 end as failing_s,
        {{ dice('key', 5) }} * 70000 as silent_s,
        case when {{ dice('key', 4) }} < 0.02 then 1800 + {{ dice('key', 6) }} * 5400 else 0 end as silence_s
    from (
        select monitor, monitor_no, day_no, monitor_no * 100000 + day_no as key
        from
            unnest(array[{% for name in monitors %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}])
            with ordinality as monitors (monitor, monitor_no),
            generate_series({{ first }}, {{ last }}) as day_no
        order by day_no, monitor_no
    ) as drawn
) as days,
    generate_series(0, {{ 86400 // pace_s - 1 }}) as step
where not (step * {{ pace_s }} >= days.silent_s and step * {{ pace_s }} < days.silent_s + days.silence_s)
{%- if is_ordered %}
order by days.day_no, days.monitor, step
{%- endif %}
