{#-
    Systems of the company's own books, which say what vendors billed. The staging folder of each offers two views of the
    same columns: stg_<system>__bills and stg_<system>__bill_lines. A system is named here and nowhere else in the models;
    one of which nothing has landed is left out, since a branch that yields nothing still costs the planner's tables.
-#}
{% macro bill_systems() -%}
    {%- set known = ['xero', 'tryton'] -%}
    {%- set landed = [] -%}
    {%- for system in known -%}
        {#- Named before they are asked, so that dbt knows them for parents while it only reads the project. -#}
        {%- set bills, lines = ref('stg_' ~ system ~ '__bills'), ref('stg_' ~ system ~ '__bill_lines') -%}
        {%- if not execute or asked('select exists (select 1 from ' ~ bills ~ ')') -%}
            {%- do landed.append(system) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(landed or known[:1]) }}
{%- endmacro %}

{#- Bills of every system, or their lines: `shape` is bills or bill_lines. -#}
{% macro staged_by_bill_systems(shape) -%}
    {%- for system in bill_systems() %}
    select * from {{ ref('stg_' ~ system ~ '__' ~ shape) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}
