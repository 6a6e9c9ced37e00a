{#- What the statements of this folder share. -#}

{#- A number from 0 up to 1 that depends on nothing but the key and the salt: every run draws the same rows. -#}
{% macro dice(key, salt) -%}
    ((hashint8extended({{ key }}, {{ salt }}) & 1073741823) / 1073741824.0::double precision)
{%- endmacro %}

{#- An instant as a ServiceNow instance writes it. -#}
{% macro instant(us) -%}
    to_char(to_timestamp(({{ us }}) / 1000000) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
{%- endmacro %}

{#- A bigint up to so many microseconds. -#}
{% macro up_to(most_us, key, salt) -%}
    cast({{ dice(key, salt) }} * {{ most_us }} as bigint)
{%- endmacro %}
