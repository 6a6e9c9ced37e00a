{#-
    Columns of a raw row that prove where it came from, and its rank among the versions of its record:
    1 is the newest by the vendor's own update instant, then by batch and row.
-#}
{% macro evidence_columns() -%}
    _source_name as source_name,
    _batch_id as batch_id,
    _source_file_id as source_file_id,
    _source_row as source_row
{%- endmacro %}

{% macro version_rank(key, updated) -%}
    row_number() over (
        partition by _source_name, {{ key }}
        order by {{ updated }} desc, _batch_id desc, _source_row desc
    ) as version_rank
{%- endmacro %}

{#- ServiceNow gives 'YYYY-MM-DD HH:MM:SS' in UTC, and an empty text for nothing. -#}
{% macro servicenow_us(column) -%}
    {{ to_us("cast(nullif(" ~ column ~ ", '') || '+00' as timestamptz)") }}
{%- endmacro %}

{#- ISO 8601 with its own offset from UTC, and an empty text for nothing. -#}
{% macro iso_us(column) -%}
    {{ to_us("cast(nullif(" ~ column ~ ", '') as timestamptz)") }}
{%- endmacro %}

{#- 'DD/MM/YYYY HH:MM' on a clock of the given zone, '?' for nothing; never read month first. -#}
{% macro day_first_us(column, timezone) -%}
    {{ to_us("(cast(to_timestamp(nullif(" ~ column ~ ", '?'), 'DD/MM/YYYY HH24:MI') as timestamp) at time zone " ~ timezone ~ ")") }}
{%- endmacro %}

{#- The same rank where rows are staged already and a model looks at some of them only. -#}
{% macro staged_version_rank(key, updated) -%}
    row_number() over (
        partition by source_name, {{ key }}
        order by {{ updated }} desc nulls last, batch_id desc, source_row desc
    ) as version_rank
{%- endmacro %}
