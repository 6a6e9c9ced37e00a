{#- Instants are bigint microseconds since 1970-01-01 UTC inside the warehouse: exact, and the same on every engine. -#}

{% macro to_us(instant) -%}
    cast(round(date_part('epoch', {{ instant }}) * 1000000) as bigint)
{%- endmacro %}

{% macro to_instant(us) -%}
    (to_timestamp({{ us }} / 1000000) + make_interval(secs => ({{ us }} % 1000000) / 1000000.0))
{%- endmacro %}

{#- In UTC first: that makes it a constant for the planner, where the epoch of a zoned instant is asked for row by row. -#}
{% macro as_of_us() -%}
    {{ to_us("cast('" ~ var('as_of') ~ "' as timestamptz) at time zone 'UTC'") }}
{%- endmacro %}

{#- The instant at which a local date begins in a zone. -#}
{% macro local_midnight_us(local_date, timezone) -%}
    {{ to_us("(cast(" ~ local_date ~ " as timestamp) at time zone " ~ timezone ~ ")") }}
{%- endmacro %}

{#- The local date of an instant in a zone. -#}
{% macro local_date(us, timezone) -%}
    cast({{ to_instant(us) }} at time zone {{ timezone }} as date)
{%- endmacro %}

{#- The UTC day an instant falls in, counted from 1970-01-01; a million days earlier, so that division rounds down. -#}
{% macro day_no(us) -%}
    cast(({{ us }} + 86400000000000000) / 86400000000 - 1000000 as integer)
{%- endmacro %}

{#-
    Open time of a calendar from its beginning up to an instant: the day's running total plus the part of each
    open piece that has passed. `days` is a joined row of calendar_days for the instant's UTC day. Most days have one
    piece or two, so the others are not looked at: that halves the cost. Hardly any has more than six.
-#}
{% macro open_until(us, days) -%}
    case
    {%- for piece_count in (1, 2, 6) %}
        {% if loop.last %}else{% else %}when {{ days }}.close_{{ piece_count + 1 }}_us is null then{% endif %} {{ days }}.open_before_us
        {%- for piece in range(1, piece_count + 1) %}
        + greatest(0, least({{ us }} - {{ days }}.day_no * 86400000000, {{ days }}.close_{{ piece }}_us) - {{ days }}.open_{{ piece }}_us)
        {%- endfor %}
        {%- if loop.last %}
        + case when {{ days }}.more_opens_us is null then 0 else (
            select cast(sum(greatest(0, least({{ us }} - {{ days }}.day_no * 86400000000, more.close_us) - more.open_us)) as bigint)
            from unnest({{ days }}.more_opens_us, {{ days }}.more_closes_us) as more (open_us, close_us)
        ) end
        {%- endif %}
    {%- endfor %}
    end
{%- endmacro %}

{#- The slice of a calendar that an instant falls in: 28 UTC days, a multiple of days so that none is cut in two. -#}
{% macro slice_no(us) -%}
    cast(({{ us }} + 86400000000000000) / 2419200000000 as integer)
{%- endmacro %}

{#-
    What open_until answers, for millions of instants: few slices serve many of them, so they stay in the processor's
    caches. Within an open piece it is the instant less all time before that was shut. `slices` is a joined row of
    int_calendar_slices for the instant's slice; before rows are grouped or sorted, a fence keeps its arrays out.
-#}
{% macro open_by(us, slices) -%}
    {%- set piece_no = 'width_bucket(' ~ us ~ ', ' ~ slices ~ '.opens_us)' -%}
    least({{ us }}, ({{ slices }}.closes_us)[{{ piece_no }}]) - ({{ slices }}.shut_us)[{{ piece_no }}]
{%- endmacro %}

{#- The instant of a UTC day, in its microseconds, at which so much of its open time (above zero) has passed. -#}
{% macro open_reached(open_us, days) -%}
    case
    {%- for piece in range(1, 7) %}
        when {{ open_us }} <= {% for passed in range(1, piece + 1) -%}
            {{ ' + ' if not loop.first }}{{ days }}.close_{{ passed }}_us - {{ days }}.open_{{ passed }}_us
        {%- endfor %}
            then {{ days }}.open_{{ piece }}_us + {{ open_us }}
            {%- for passed in range(1, piece) %} - ({{ days }}.close_{{ passed }}_us - {{ days }}.open_{{ passed }}_us){% endfor %}
    {%- endfor %}
        else (
            select {{ open_us }} + min(more.shut_us)
            from (
                select
                    pieces.open_us
                    {%- for passed in range(1, 7) %} - ({{ days }}.close_{{ passed }}_us - {{ days }}.open_{{ passed }}_us){% endfor %}
                    - cast(coalesce(sum(pieces.close_us - pieces.open_us) over earlier, 0) as bigint) as shut_us,
                    pieces.close_us
                from unnest({{ days }}.more_opens_us, {{ days }}.more_closes_us) as pieces (open_us, close_us)
                window earlier as (order by pieces.open_us rows between unbounded preceding and 1 preceding)
            ) as more
            where {{ open_us }} + more.shut_us <= more.close_us
        )
    end
{%- endmacro %}

{#- Open time by the 24 hours: what makes the inverse lookup an equality join. -#}
{% macro open_bucket_no(open_us) -%}
    cast(({{ open_us }}) / 86400000000 as integer)
{%- endmacro %}
