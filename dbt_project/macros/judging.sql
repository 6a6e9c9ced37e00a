{#-
    A quotient to 24 digits after the point: more than any price can show, so that only the posted cent is rounded.
    Multiply first, divide last.
-#}
{% macro quotient(numerator, denominator) -%}
    cast({{ numerator }} as numeric(72, 24)) / ({{ denominator }})
{%- endmacro %}

{#- A value at so many digits, as the contract rounds: half up, down or up. `down` and `up` go toward less and more. -#}
{% macro rounded_as(value, digits, mode) -%}
    case {{ mode }}
        when 'half_up' then round({{ value }}, {{ digits }})
        when 'down' then floor({{ value }} * power(cast(10 as numeric), {{ digits }})) / power(cast(10 as numeric), {{ digits }})
        when 'up' then ceil({{ value }} * power(cast(10 as numeric), {{ digits }})) / power(cast(10 as numeric), {{ digits }})
    end
{%- endmacro %}

{#- A measure as its contract rounds it, in the unit in which it promises: minutes are rounded in minutes. -#}
{% macro rounded_measure(numerator, denominator, terms='') -%}
    {%- set of = terms ~ '.' if terms else '' -%}
    {{ of }}rounding_unit_value * {{ rounded_as(
        quotient(numerator, '(' ~ denominator ~ ') * ' ~ of ~ 'rounding_unit_value'),
        of ~ 'rounding_digits_no', of ~ 'rounding_mode'
    ) }}
{%- endmacro %}

{#- Whether a measure (a numerator over a positive denominator) stands to a level in an operator; nothing is rounded. -#}
{% macro stands_to(numerator, denominator, operator, level) -%}
    case {{ operator }}
        when '<=' then {{ numerator }} <= {{ level }} * {{ denominator }}
        when '<' then {{ numerator }} < {{ level }} * {{ denominator }}
        when '>=' then {{ numerator }} >= {{ level }} * {{ denominator }}
        when '>' then {{ numerator }} > {{ level }} * {{ denominator }}
    end
{%- endmacro %}

{#- Months are counted from the year 0, so that a window of months is a difference. -#}
{% macro month_no(month_date) -%}
    cast(extract(year from {{ month_date }}) * 12 + extract(month from {{ month_date }}) - 1 as integer)
{%- endmacro %}

{#- Names in byte order, whatever the database's locale: what is used up first must not depend on it. -#}
{% macro in_byte_order(name) -%}
    {{ name }} collate "C"
{%- endmacro %}

{#- A number without the zeros that a quotient leaves behind: one spelling for one value. -#}
{% macro trimmed(value) -%}
    trim_scale({{ value }})
{%- endmacro %}

{#- Whether an event meets a rule of its field: one without a value means any, but a field that is emptied takes none. -#}
{% macro meets(events, rules) -%}
    (
        {{ events }}.field_value = {{ rules }}.value
        or ({{ rules }}.value is null and coalesce({{ events }}.field_value, '-') <> '')
    )
{%- endmacro %}
