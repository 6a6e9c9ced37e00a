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
