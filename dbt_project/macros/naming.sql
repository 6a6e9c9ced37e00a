{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- A model lives in the schema its folder names; AVOIR_DBT_SCHEMA_PREFIX keeps a scratch build apart. -#}
    {{ env_var('AVOIR_DBT_SCHEMA_PREFIX', '') }}{{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
