{#- Instants are bigint microseconds since 1970-01-01 UTC inside the warehouse: exact, and the same on every engine. -#}

{% macro to_us(instant) -%}
    cast(round(date_part('epoch', {{ instant }}) * 1000000) as bigint)
{%- endmacro %}

{% macro to_instant(us) -%}
    (to_timestamp({{ us }} / 1000000) + make_interval(secs => ({{ us }} % 1000000) / 1000000.0))
{%- endmacro %}

{% macro as_of_us() -%}
    {{ to_us("cast('" ~ var('as_of') ~ "' as timestamptz)") }}
{%- endmacro %}

{#- The instant at which a local date begins in a zone. -#}
{% macro local_midnight_us(local_date, timezone) -%}
    {{ to_us("(cast(" ~ local_date ~ " as timestamp) at time zone " ~ timezone ~ ")") }}
{%- endmacro %}

{#- The local date of an instant in a zone. -#}
{% macro local_date(us, timezone) -%}
    cast({{ to_instant(us) }} at time zone {{ timezone }} as date)
{%- endmacro %}

{#- The UTC day an instant falls in, counted from 1970-01-01; floor, also before 1970. -#}
{% macro day_no(us) -%}
    cast(floor({{ us }}::numeric / 86400000000) as integer)
{%- endmacro %}

{#-
    Open time of a calendar from its beginning up to an instant: the day's running total plus the part of each
    open piece that has passed. `days` is a joined row of calendar_days for the instant's UTC day.
-#}
{% macro open_until(us, days) -%}
    {{ days }}.open_before_us
    {%- for piece in range(1, 7) %}
    + greatest(0, least({{ us }} - {{ days }}.day_no * 86400000000, {{ days }}.close_{{ piece }}_us) - {{ days }}.open_{{ piece }}_us)
    {%- endfor %}
{%- endmacro %}

