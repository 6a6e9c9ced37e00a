{#-
    Half-up to the currency's minor unit (semantics: round money once, at the line that is posted). A quotient carries
    24 digits; what lies beyond the 15th is the quotient's own error and must not tip a half cent.
-#}
{% macro round_money(amount, minor_units) -%}
    round(round({{ amount }}, 15), {{ minor_units }})
{%- endmacro %}
