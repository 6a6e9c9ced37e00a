{#- Half-up to the currency's minor unit (semantics: round money once, at the line that is posted). -#}
{% macro round_money(amount, minor_units) -%}
    round({{ amount }}, {{ minor_units }})
{%- endmacro %}
