-- A batch per day of a source, as the loader enters it: what a build has not seen it finds by them.
insert into loads.batches (
    batch_id, source_name, system, window_from, window_to,
    rows_read, rows_landed, rows_duplicate, rows_rejected, started_at, landed_at
)
overriding system value
select
    day_no * 2 + {{ offset }}, '{{ source }}', '{{ system }}', day_at, day_at + interval '1 day',
    0, 0, 0, 0, day_at + interval '1 day', day_at + interval '1 day'
from
    generate_series({{ first }}, {{ last }}) as day_no,
    cast(timestamptz '{{ epoch }} 00:00:00+00' + make_interval(days => day_no) as timestamptz) as day_at
