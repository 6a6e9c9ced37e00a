{#- Rows that share all of `columns` with another; nulls are equal, which a unique constraint would not see. -#}
{% test unique_together(model, columns) %}
{%- if columns is string or columns is not sequence or not columns -%}
    {{ exceptions.raise_compiler_error("unique_together needs `columns`, a list of names; got " ~ columns) }}
{%- endif -%}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
