{#-
    Systems that say what a release is and what happened to its plan. The staging folder of each offers two views of the
    same columns: stg_<system>__releases and stg_<system>__release_events. A system is named here and nowhere else in the
    models; one of which nothing has landed is left out, since a branch that yields nothing still costs the planner's tables.
-#}
{% macro release_systems() -%}
    {%- set known = ['servicenow', 'plan_file', 'gitlab', 'github', 'jira'] -%}
    {%- set landed = [] -%}
    {%- for system in known -%}
        {#- Named before they are asked, so that dbt knows them for parents while it only reads the project. -#}
        {%- set releases, events = ref('stg_' ~ system ~ '__releases'), ref('stg_' ~ system ~ '__release_events') -%}
        {%- if not execute or asked('select exists (select 1 from ' ~ releases ~ ')') -%}
            {%- do landed.append(system) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(landed or known[:1]) }}
{%- endmacro %}

{#-
    Releases of every system, or what happened to their plans: `shape` is releases or release_events. The condition
    stands in each branch, where an index of the system's own table can serve it.
-#}
{% macro staged_by_release_systems(shape, condition='') -%}
    {%- for system in release_systems() %}
    select * from {{ ref('stg_' ~ system ~ '__' ~ shape) }}
    {{ condition }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- What leads from a row of either view back to the raw row, for the auditor. -#}
{% macro release_evidence_columns(raw_table, natural_key) -%}
    {{ evidence_columns() }},
    cast('{{ raw_table }}' as text) as raw_table,
    _row_hash as row_hash,
    {{ natural_key }} as natural_key
{%- endmacro %}

{#- A date without a time stands for its noon on a clock of the given zone: the same date in any zone near it. -#}
{% macro noon_us(column, timezone) -%}
    {{ to_us("((cast(nullif(" ~ column ~ ", '') as date) + time '12:00') at time zone " ~ timezone ~ ")") }}
{%- endmacro %}
