{#-
    Systems of the company's own books, which say what vendors billed. The staging folder of each offers two views of the
    same columns: stg_<system>__bills and stg_<system>__bill_lines. A system is named here and nowhere else in the models;
    one of which nothing has landed is left out, since a branch that yields nothing still costs the planner's tables.
-#}
{% macro bill_systems() -%}
    {%- set known = ['xero', 'tryton'] -%}
    {{ return(landed_systems(known, ['bills', 'bill_lines'], ['bills'])) }}
{%- endmacro %}

{#- Bills of every system, or their lines: `shape` is bills or bill_lines. -#}
{% macro staged_by_bill_systems(shape) -%}
    {{ united(staging_models(bill_systems(), shape)) }}
{%- endmacro %}
