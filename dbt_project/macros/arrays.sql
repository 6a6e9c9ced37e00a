{#- dbt is told "ARRAY" of any array and casts the rows of unit tests to it, which is no type; those here hold bigints. -#}
{% macro postgres__safe_cast(field, type) -%}
    cast({{ field }} as {{ 'bigint[]' if type == 'ARRAY' else type }})
{%- endmacro %}
