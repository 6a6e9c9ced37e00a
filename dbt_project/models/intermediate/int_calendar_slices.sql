with days as (

    select
        *,
        day_no * 86400000000 as day_us,
        {{ slice_no('day_no * 86400000000') }} as slice_no
    from {{ source('reference', 'calendar_days') }}

),

slices as (

    select
        calendar_id,
        slice_no,
        min(day_us) as from_us,
        max(day_us) + 86400000000 as to_us,
        min(open_before_us) as open_before_us
    from days
    group by calendar_id, slice_no

),

pieces as (

    -- A slice begins with a piece of no length: it stands for the time before the first opening.
    select
        calendar_id,
        slice_no,
        from_us as open_us,
        from_us as close_us,
        from_us - open_before_us as shut_us
    from slices
    {%- for piece in range(1, 7) %}
    union all
    select
        calendar_id,
        slice_no,
        day_us + open_{{ piece }}_us as open_us,
        day_us + close_{{ piece }}_us as close_us,
        day_us + open_{{ piece }}_us - open_before_us
        {%- for passed in range(1, piece) %}
        - (close_{{ passed }}_us - open_{{ passed }}_us)
        {%- endfor %} as shut_us
    from days
    where open_{{ piece }}_us is not null
    {%- endfor %}
    union all
    select
        days.calendar_id,
        days.slice_no,
        days.day_us + more.open_us as open_us,
        days.day_us + more.close_us as close_us,
        days.day_us + more.open_us - days.open_before_us
        {%- for passed in range(1, 7) %}
        - (days.close_{{ passed }}_us - days.open_{{ passed }}_us)
        {%- endfor %}
        - cast(coalesce(sum(more.close_us - more.open_us) over earlier, 0) as bigint) as shut_us
    from days
    cross join lateral unnest(days.more_opens_us, days.more_closes_us) as more (open_us, close_us)
    window
        earlier as (
            partition by days.calendar_id, days.day_no
            order by more.open_us
            rows between unbounded preceding and 1 preceding
        )
    union all
    -- Nothing is known after the last day of a calendar: what is asked there must show as a null.
    select
        calendar_id,
        slice_no,
        to_us as open_us,
        null as close_us,
        null as shut_us
    from slices
    where {{ slice_no('to_us') }} = slice_no

)

select
    calendar_id,
    slice_no,
    array_agg(open_us order by open_us, close_us) as opens_us,
    array_agg(close_us order by open_us, close_us) as closes_us,
    array_agg(shut_us order by open_us, close_us) as shut_us
from pieces
group by calendar_id, slice_no
