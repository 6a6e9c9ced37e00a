{#-
    Ticket systems that say what a ticket is and what happened to it. The staging folder of each offers two views of the
    same columns: stg_<system>__tickets and stg_<system>__ticket_events. A system is named here and nowhere else in the
    models; one of which nothing has landed is left out, since a branch that yields nothing still costs the planner's tables.
-#}
{% macro ticket_systems() -%}
    {%- set known = ['servicenow', 'jira', 'request_tracker', 'zendesk', 'ticket_files', 'redmine', 'asana'] -%}
    {{ return(landed_systems(known, ['tickets', 'ticket_events'], ['tickets', 'ticket_events'])) }}
{%- endmacro %}

{#- Every landed version of every ticket, and of every event of one, whatever the system: `shape` is tickets or ticket_events. -#}
{% macro staged_by_systems(shape) -%}
    {{ united(staging_models(ticket_systems(), shape)) }}
{%- endmacro %}

{#- What leads from a row of either view back to the raw row, for the auditor. -#}
{% macro ticket_evidence_columns(raw_table) -%}
    {{ evidence_columns() }},
    cast('{{ raw_table }}' as text) as raw_table,
    _row_hash as row_hash
{%- endmacro %}
