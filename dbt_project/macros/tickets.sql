{#-
    Ticket systems that say what a ticket is and what happened to it. The staging folder of each offers two views of the
    same columns: stg_<system>__tickets and stg_<system>__ticket_events. A system is named here and nowhere else in the
    models; one of which nothing has landed is left out, since a branch that yields nothing still costs the planner's tables.
-#}
{% macro ticket_systems() -%}
    {%- set known = ['servicenow', 'jira', 'request_tracker', 'zendesk', 'ticket_files', 'redmine', 'asana'] -%}
    {%- set landed = [] -%}
    {%- for system in known -%}
        {#- Named before they are asked, so that dbt knows them for parents while it only reads the project. -#}
        {%- set tickets, events = ref('stg_' ~ system ~ '__tickets'), ref('stg_' ~ system ~ '__ticket_events') -%}
        {%- if not execute or asked('select exists (select 1 from ' ~ tickets ~ ') or exists (select 1 from ' ~ events ~ ')') -%}
            {%- do landed.append(system) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(landed or known[:1]) }}
{%- endmacro %}

{#- Every landed version of every ticket, and of every event of one, whatever the system: `shape` is tickets or ticket_events. -#}
{% macro staged_by_systems(shape) -%}
    {%- for system in ticket_systems() %}
    select * from {{ ref('stg_' ~ system ~ '__' ~ shape) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- What leads from a row of either view back to the raw row, for the auditor. -#}
{% macro ticket_evidence_columns(raw_table) -%}
    {{ evidence_columns() }},
    cast('{{ raw_table }}' as text) as raw_table,
    _row_hash as row_hash
{%- endmacro %}
