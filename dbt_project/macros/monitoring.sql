{#-
    Models of one shape, one for each system that brings such rows: registers in which vendors report their outages, and
    monitors. One of which nothing has landed is left out, since a branch that yields nothing still costs.
-#}
{% macro outage_registers() -%}
    {{ return(landed_models(['stg_servicenow__outages', 'int_statuspage_outages'])) }}
{%- endmacro %}

{% macro monitors() -%}
    {{ return(landed_models([
        'stg_prometheus__samples', 'stg_upptime__checks', 'stg_monitoring__checks', 'stg_monitoring__states'
    ])) }}
{%- endmacro %}

{% macro landed_models(known) -%}
    {%- set landed = [] -%}
    {%- for model in known -%}
        {#- Named before it is asked, so that dbt knows it for a parent while it only reads the project. -#}
        {%- set relation = ref(model) -%}
        {%- if not execute or asked('select exists (select 1 from ' ~ relation ~ ')') -%}
            {%- do landed.append(model) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(landed or known[:1]) }}
{%- endmacro %}

{#- The rows of these models; they have the same columns in the same order. -#}
{% macro united(models) -%}
    {%- for model in models -%}
    select * from {{ ref(model) }}
    {%- if not loop.last %}
union all
{% endif %}
    {%- endfor %}
{%- endmacro %}
